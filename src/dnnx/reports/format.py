"""Numbers as text: every table, verdict and figure shows a metric by its unit, from here."""

import numpy as np

from dnnx.reports.statistics import Estimate
from dnnx.runs.about import SHARES, About

NO_BREAK = "\u00a0"
ROUNDING = 1e-12
PLAIN = About()


def show(value: float, about: About = PLAIN, digits: int = 3) -> str:
    """Return a value with its unit: a share in percent with two decimals, else significant digits.

    >>> show(0.98, About("%")), show(2.3456, About("°C")), show(float("nan"))
    ('98.00 %', '2.35 °C', 'not measured')
    """
    if np.isnan(value):
        return "not measured"
    if np.isinf(value):
        return "never"
    return f"{bare(value, about, digits)}{suffix(about)}"


def show_estimate(e: Estimate, about: About = PLAIN) -> str:
    """Return mean, t interval and n, as every table shows them."""
    if e.n < 2:
        return f"{show(e.mean, about)} (n = {e.n})" if e.n else "not measured"
    if about.unit == "%" and e.low == e.high == 1:
        return f"100 % in all {e.n} seeds"
    low, high = (show(bound, about).removesuffix(suffix(about)) for bound in (e.low, e.high))
    interval, n = (text.replace(" ", NO_BREAK) for text in (f"({low} to {high},", f"n = {e.n})"))
    return f"{show(e.mean, about)} {interval} {n}"


def show_difference(value: float, about: About = PLAIN, half: float = np.nan) -> str:
    """Return the difference of two values with its sign and without its unit; that of two shares in points.

    `half` is half the width of its interval, which decides the decimals: two digits of it. Points always have two.

    >>> show_difference(0.0123, About("%")), show_difference(-1.0203, half=0.104), show_difference(-4e-17, About("%"))
    ('+1.23', '-1.02', '0.00')
    """
    scaled, half = about.scale * value, about.scale * half
    places = max(0, 1 - int(np.floor(np.log10(half)))) if half > 0 and np.isfinite(half) else None
    if about.unit in SHARES:
        places = 2
    if places is None or not np.isfinite(scaled):
        return f"{'+' if scaled > 0 else ''}{number(scaled)}"
    return f"{0.0:.{places}f}" if abs(scaled) < 0.5 * 10.0**-places else f"{scaled:+,.{places}f}"


def show_p(p: float) -> str:
    """Return a p-value.

    >>> show_p(0.0342), show_p(0.0002)
    ('p = 0.0342', 'p < 0.001')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.3g}"


def bare(value: float, about: About = PLAIN, digits: int = 3) -> str:
    """Return a value without its unit."""
    return f"{about.scale * value:.2f}".replace("-0.00", "0.00") if about.unit in SHARES else number(value, digits)


def suffix(about: About, difference: bool = False) -> str:
    """Return the unit as it follows a number, "" for a plain one; a `difference` of shares counts in points."""
    unit = "points" if difference and about.unit in SHARES else about.unit
    return f" {unit}" if unit else ""


def label(name: str, about: About) -> str:
    """Return a metric's name for an axis or the head of a column, with its unit.

    >>> label("test/mae", About("°C"))
    'test mae, °C'
    """
    return f"{name.replace('/', ' ')}{f', {about.unit}' if about.unit else ''}"


def number(x: float, digits: int = 3) -> str:
    """Return `digits` significant digits, or more if the integer part has more. Rounding errors of 0 are 0."""
    x = 0.0 if abs(x) < ROUNDING else x
    whole = abs(x) >= 10 ** (digits - 1) or x == 0
    return f"{x:,.0f}" if whole else f"{x:#.{digits}g}".removesuffix(".")
