"""Numbers have the digits that their interval deserves, and equal seeds are said to be equal."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnnx.reports.format import NO_BREAK, decimals, label, show_estimate, span, suffix, whole
from dnnx.reports.scales import scale_of
from dnnx.reports.statistics import Estimate, estimate
from dnnx.runs.about import About

SHARE, POINTS = About("%"), About("points")


def shown(e: Estimate, about: About = SHARE) -> str:
    return show_estimate(e, about).replace(NO_BREAK, " ")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([0.878, 0.9264, 0.9022], "90.2 % (84.2 to 96.2, n = 3)"),
        ([0.970, 0.972, 0.968, 0.971, 0.969], "97.00 % (96.80 to 97.20, n = 5)"),
        ([0.2, 0.9], "55 % (0 to 100, n = 2)"),
        ([1.0, 1.0, 1.0], "100 % in all 3 seeds"),
        ([0.5], "50.00 % (n = 1)"),
    ],
)
def test_a_share_has_the_decimals_of_its_interval_and_two_at_most(values: list[float], told: str) -> None:
    assert shown(estimate(values, share=True)) == told


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([3.0, 3.0], "3 in all 2 seeds"),
        ([7.0], "7 (n = 1)"),
        ([4.0, 5.0, 5.0, 5.0, 5.0], "4.78 (4.22 to 5.41, n = 5)"),
        ([1.0, 1.2, 30.0], "3.3 (0.028 to 383, n = 3)"),
    ],
)
def test_epochs_are_whole_where_they_are_and_wide_intervals_have_no_false_digits(
    values: list[float], told: str
) -> None:
    assert shown(estimate(values, skewed=True), About()) == told


@given(st.floats(-50, 50), st.floats(1e-6, 30))
def test_an_end_on_one_side_of_0_is_shown_on_that_side(middle: float, half: float) -> None:
    _, low, high = span(middle, middle - half, middle + half, About("°C"), signed=True)
    assert (float(low.replace(",", "")) > 0) <= (middle - half > 0)
    assert (float(high.replace(",", "")) < 0) <= (middle + half < 0)


def test_rounding_errors_are_no_digits() -> None:
    assert shown(Estimate(5, 0.3, 0.3 - 1e-17, 0.3 + 1e-17), About()) == "0.300 in all 5 seeds"
    assert decimals(1e-17) is None
    assert decimals(1e-17, SHARE) == 2


def test_points_of_a_gap_are_not_shown_as_shares() -> None:
    assert shown(Estimate(5, -0.002, -0.0031, -0.0009), POINTS) == "-0.20 points (-0.31 to -0.09, n = 5)"


def test_a_unit_that_begins_with_a_number_is_multiplied_out() -> None:
    hundreds = About("100 k$")
    assert shown(estimate([0.5592, 0.5626, 0.5559]), hundreds) == "55.92 k$ (55.09 to 56.76, n = 3)"
    assert (label("test/rmse", hundreds), suffix(hundreds), whole(1.0, hundreds)) == ("test rmse, k$", " k$", "100 k$")
    values = pd.Series([0.5, 0.6]), pd.Series([0.7, 0.8])
    scale = scale_of("test/rmse", hundreds, values, same=5)
    assert (scale.margin, scale.words) == (0.05, "5 k$")
