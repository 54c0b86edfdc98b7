"""Counts in words: one seed, five seeds."""


def many(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> many(1, "seed"), many(1200, "seed"), many(2, "pass")
    ('1 seed', '1,200 seeds', '2 passes')
    """
    ending = "" if count == 1 else "es" if noun.endswith(("s", "x", "ch")) else "s"
    return f"{count:,} {noun}{ending}"
