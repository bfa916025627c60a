"""Where a number stands along the bottom of a plot."""

import re

import pytest

from reticent.audit.report.plots import Measured, measured


def places(*xs: float) -> list[float]:
    line = Measured(label="this", points=tuple((x, 0.5, None) for x in xs), style=0)
    svg = str(measured("plot", [line], [], xlabel="people", ylabel="right"))
    found = dict(re.findall(r'<text[^>]* x="([\d.]+)"[^>]*>([\d.]+)</text>', svg))
    return [float(place) for x in xs for place, text in found.items() if text == f"{x:g}"]


@pytest.mark.parametrize(
    ("xs", "even"),
    [((1, 2, 3, 4, 5, 6, 7, 8), True), ((1, 2, 4, 8), False), ((1, 2, 3, 7), True), ((100, 550, 1000), True)],
)
def test_numbers_in_uneven_steps_over_a_wide_range_stand_on_a_log_scale_and_all_others_by_their_size(
    xs: tuple[int, ...], even: bool
) -> None:
    found = places(*xs)
    first, last = found[0], found[-1]
    linear = [first + (last - first) * (x - xs[0]) / (xs[-1] - xs[0]) for x in xs]
    assert (found == pytest.approx(linear, abs=0.01)) is even
