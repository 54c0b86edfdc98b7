"""Numbers as text: every table, verdict and figure shows a metric by its unit, from here."""

import numpy as np

from dnnx.reports.statistics import Estimate
from dnnx.runs.about import SHARES, About

NO_BREAK = "\u00a0"
ROUNDING = 1e-12
LARGE = 1e9  # larger numbers are shown with an exponent
PLAIN = About()
MAX_PLACES = 5  # decimals; smaller numbers are shown by their own digits


def show(value: float, about: About = PLAIN, digits: int = 3) -> str:
    """Return a value with its unit: a share in percent with two decimals, else significant digits.

    >>> show(0.98, About("%")), show(2.3456, About("°C")), show(0.559, About("100 k$")), show(float("nan"))
    ('98.00 %', '2.35 °C', '55.9 k$', 'not measured')
    """
    if np.isnan(value):
        return "not measured"
    if np.isinf(value):
        return "never"
    return f"{bare(value, about, digits)}{suffix(about)}"


def show_estimate(e: Estimate, about: About = PLAIN) -> str:
    """Return mean, t interval and n, as every table shows them.

    >>> show_estimate(Estimate(5, 0.9022, 0.878, 0.9264), About("%")).replace(NO_BREAK, " ")
    '90.2 % (87.8 to 92.6, n = 5)'
    >>> show_estimate(Estimate(5, 4.0, 4.0, 4.0))
    '4 in all 5 seeds'
    """
    if e.n < 2:
        return f"{whole(e.mean, about)} (n = {e.n})" if e.n else "not measured"
    if is_equal(e):
        return f"{whole(e.mean, about)} in all {e.n} seeds"
    mean, low, high = span(e.mean, e.low, e.high, about)
    interval, n = (text.replace(" ", NO_BREAK) for text in (f"({low} to {high},", f"n = {e.n})"))
    return f"{mean}{suffix(about)} {interval} {n}"


def is_equal(e: Estimate) -> bool:
    """Return whether all seeds have one value, apart from rounding errors."""
    return e.n > 1 and e.high - e.low <= ROUNDING * abs(e.mean)


def span(middle: float, low: float, high: float, about: About = PLAIN, signed: bool = False) -> tuple[str, str, str]:
    """Return a number and the ends of its interval without unit, with the digits that the interval deserves.

    These are two digits of half its width; a share in percent has two decimals at most. Where the ends are a factor of
    ten apart, each has two digits of its own. An end beyond 0 is not shown as 0, and `signed` numbers have their sign.

    >>> span(4.78, 4.22, 5.41), span(1.41, 0.0173, 115), span(0.052, 0.0004, 0.1036, About("%"), signed=True)
    (('4.78', '4.22', '5.41'), ('1.4', '0.017', '115'), ('+5.20', '+0.04', '+10.36'))
    """
    values = middle, low, high
    if about.unit not in SHARES and not signed and 0 < low <= high / 10 and np.isfinite(high):
        return number(middle, 2), number(low, 2), number(high, 2)
    places = decimals((high - low) / 2, about)
    if places is not None and any(0 < abs(about.scale * end) < 0.5 * 10.0**-places for end in (low, high)):
        places += 1
    texts = [_fixed(about.scale * value, places, signed) for value in values]
    return texts[0], texts[1], texts[2]


def decimals(half: float, about: About = PLAIN) -> int | None:
    """Return the decimals that leave two digits of half the width of an interval; None for significant digits."""
    half, is_share = about.scale * half, about.unit in SHARES
    if not (half > ROUNDING and np.isfinite(half)):
        return 2 if is_share else None
    places = max(0, 1 - int(np.floor(np.log10(half))))
    if is_share:
        return min(2, places)
    return places if places <= MAX_PLACES else None


def whole(value: float, about: About, digits: int = 3) -> str:
    """Return a value that is no mean, such as the best epoch of one seed: without decimals where it has none."""
    is_whole = abs(value - round(value)) <= ROUNDING * max(1.0, abs(value)) if np.isfinite(value) else False
    if is_whole and (about.unit not in SHARES or value == 1):
        return f"{about.scale * round(value):,}{suffix(about)}"
    return show(value, about, digits)


def _fixed(scaled: float, places: int | None, signed: bool) -> str:
    """Return a number with so many decimals; by its significant digits for None. A rounded 0 has no sign."""
    if places is None or not abs(scaled) < LARGE:
        return f"{'+' if signed and scaled > 0 else ''}{number(scaled)}"
    if float(f"{scaled:.{places}f}") == 0:
        return f"{0.0:.{places}f}"
    return f"{scaled:+,.{places}f}" if signed else f"{scaled:,.{places}f}"


def show_p(p: float) -> str:
    """Return a p-value.

    >>> show_p(0.0342), show_p(0.0002)
    ('p = 0.0342', 'p < 0.001')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.3g}"


def bare(value: float, about: About = PLAIN, digits: int = 3) -> str:
    """Return a value without its unit."""
    shown = about.scale * value
    return f"{shown:.2f}".replace("-0.00", "0.00") if about.unit in SHARES else number(shown, digits)


def suffix(about: About, difference: bool = False) -> str:
    """Return the unit as it follows a number, "" for a plain one; a `difference` of shares counts in points."""
    unit = "points" if difference and about.unit in SHARES else about.shown_unit
    return f" {unit}" if unit else ""


def label(name: str, about: About) -> str:
    """Return a metric's name for an axis or the head of a column, with its unit.

    >>> label("test/mae", About("°C"))
    'test mae, °C'
    """
    return f"{name.replace('/', ' ')}{f', {about.shown_unit}' if about.unit else ''}"


def number(x: float, digits: int = 3) -> str:
    """Return `digits` significant digits, or more if the integer part has more, up to a billion. 1e-13 is 0.

    >>> number(12345.6), number(0.5), number(8.05e14)
    ('12,346', '0.500', '8.05e+14')
    """
    x = 0.0 if abs(x) < ROUNDING else x
    if LARGE <= abs(x) < np.inf:
        return f"{x:.{digits - 1}e}"
    whole = abs(x) >= 10 ** (digits - 1) or x == 0
    return f"{x:,.0f}" if whole else f"{x:#.{digits}g}".removesuffix(".")
