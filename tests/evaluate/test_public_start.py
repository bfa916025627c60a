"""The shipped start is worth shipping: it beats counting on people whom it never saw."""

import pytest

from reticent.evaluate.baselines import baselines
from reticent.evaluate.metrics import score
from reticent.model.network import initial
from reticent.model.pools import together
from reticent.recordings import source

OFFICE = pytest.param(
    "office",
    100,
    100,
    marks=pytest.mark.xfail(
        reason="the start was fitted on the 20 people of an earlier recording; counting has 100 of this one; fit it again",
        raises=AssertionError,
    ),
)


@pytest.mark.parametrize(("name", "tested", "counted"), [("drawn", 15, 40), OFFICE])
def test_the_public_start_beats_every_baseline_on_test_people(name: str, tested: int, counted: int) -> None:
    split = source.split(name)
    test = together(source.pool(name, person) for person in split.test[:tested])
    public = together(source.pool(name, person) for person in split.public[:counted])
    start = score("office-60k", "heads", initial("office-60k", "heads"), test)
    for baseline, row in baselines(public, test).items():
        assert start.top1 > row.top1 + 0.01, baseline
        assert start.perplexity < row.perplexity - 0.1, baseline
        assert start.cell_top1 > row.cell_top1 + 0.03, baseline
        assert start.cell_distance < row.cell_distance - 0.1, baseline
