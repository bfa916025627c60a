"""The shipped start is worth shipping: it beats counting on people whom it never saw."""

from reticent.evaluate.baselines import baselines
from reticent.evaluate.metrics import score
from reticent.model.network import initial
from reticent.model.pools import together
from reticent.recordings import source


def test_the_public_start_beats_every_baseline_on_drawn_test_people() -> None:
    split = source.split("drawn")
    tested = together(source.pool("drawn", person) for person in split.test[:15])
    counted = together(source.pool("drawn", person) for person in split.public[:40])
    start = score("office-60k", "heads", initial("office-60k", "heads"), tested)
    for name, row in baselines(counted, tested).items():
        assert start.top1 > row.top1 + 0.03, name
        assert start.top3 > row.top3, name
        assert start.perplexity < row.perplexity, name
        assert start.cell_top1 > row.cell_top1, name
        assert start.cell_distance < row.cell_distance, name
