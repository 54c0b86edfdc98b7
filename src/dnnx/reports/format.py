"""Numbers as text: every table, verdict and figure shows a metric by its unit, from here."""

import numpy as np

from dnnx.reports.statistics import Estimate
from dnnx.runs.about import SHARES, About

NO_BREAK = "\u00a0"
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
    low, high = (show(bound, about).removesuffix(suffix(about)) for bound in (e.low, e.high))
    interval, n = (text.replace(" ", NO_BREAK) for text in (f"({low} to {high},", f"n = {e.n})"))
    return f"{show(e.mean, about)} {interval} {n}"


def show_difference(value: float, about: About = PLAIN) -> str:
    """Return the difference of two values with its sign and without its unit; that of two shares in points."""
    scaled = about.scale * value
    return f"{'+' if scaled > 0 else ''}{number(scaled)}"


def bare(value: float, about: About = PLAIN, digits: int = 3) -> str:
    """Return a value without its unit."""
    return f"{about.scale * value:.2f}" if about.unit in SHARES else number(value, digits)


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
    """Return `digits` significant digits, or more if the integer part has more."""
    whole = abs(x) >= 10 ** (digits - 1) or x == 0
    return f"{x:,.0f}" if whole else f"{x:#.{digits}g}".removesuffix(".")
