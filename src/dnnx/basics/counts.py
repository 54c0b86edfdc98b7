"""Counts in words: one seed, five seeds."""


def many(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> many(1, "seed"), many(1200, "epoch"), many(2, "pass")
    ('1 seed', '1,200 epochs', '2 passes')
    """
    ending = "" if count == 1 else "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}{ending}"
