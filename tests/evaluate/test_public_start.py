"""The shipped start is worth shipping: it beats counting on people whom it never saw."""

from functools import lru_cache

import pytest

from reticent.actions.pool import Pool
from reticent.evaluate.baselines import baselines
from reticent.evaluate.metrics import Metrics, score
from reticent.model.pools import together
from reticent.model.public import initial
from reticent.recordings import source

LEANT_TO = [("office", 74, 73), ("web", 20, 180)]  # docs/adr/0008-trunk-and-heads.md
MODELS = ("history", "office-10k", "office-60k", "office-170k")


@lru_cache
def people(name: str, tested: int, counted: int) -> tuple[Pool, dict[str, Metrics]]:
    """Test people's examples, and how well counting the public ones predicts them."""
    split = source.split(name)
    test = together(source.pool(name, person) for person in split.test[:tested])
    return test, baselines(together(source.pool(name, person) for person in split.public[:counted]), test)


@pytest.mark.parametrize("model", ["office-60k", "office-170k"])
@pytest.mark.parametrize(("name", "tested", "counted"), LEANT_TO)
def test_the_public_start_beats_every_baseline_on_test_people(model: str, name: str, tested: int, counted: int) -> None:
    test, counts = people(name, tested, counted)
    start = score(model, "heads", initial(model, "heads"), test)
    for baseline, row in counts.items():
        assert start.top1 > row.top1 + 0.01, baseline
        assert start.perplexity < row.perplexity - 0.03, baseline  # habits cost scripted people .1: docs/adr/0008
        assert start.cell_top1 > row.cell_top1 + 0.03, baseline
        assert start.cell_distance < row.cell_distance - 0.1, baseline


@pytest.mark.parametrize("model", ["history", "office-10k"])
def test_the_small_models_know_offices_places_better_than_any_baseline_and_kinds_nearly_as_well(model: str) -> None:
    test, counts = people(*LEANT_TO[0])
    start = score(model, "heads", initial(model, "heads"), test)
    for baseline, row in counts.items():
        assert start.top1 > row.top1 - 0.03, baseline
        assert start.cell_top1 > row.cell_top1 + 0.01, baseline
        assert start.cell_distance < row.cell_distance - 0.02, baseline


@pytest.mark.parametrize("model", MODELS)
def test_on_drawn_people_whom_the_heads_do_not_lean_to_places_are_known_better_and_kinds_a_little_worse(
    model: str,
) -> None:
    test, counts = people("drawn", 15, 40)
    start = score(model, "heads", initial(model, "heads"), test)
    for baseline, row in counts.items():
        assert start.top1 > row.top1 - 0.06, baseline
        assert start.cell_top1 > row.cell_top1 + 0.01, baseline
        assert start.cell_distance < row.cell_distance - 0.02, baseline
