"""Where on the screen a model is right, and of whom that is said."""

import numpy as np
import pytest

from reticent.evaluate.baselines import baselines
from reticent.model.pools import together
from reticent.model.public import initial
from reticent.recordings import source
from reticent.train import scoring
from reticent.train.scoring import Scoring

WEIGHTS = initial("history", "heads")


@pytest.fixture
def scores(few):
    return Scoring("drawn", part="test", model="history", trainable="heads")


def places(few):
    return [source.pool("drawn", person).next_cell for person in few.test]


def test_the_cells_of_public_people_add_up_to_the_whole(few, scores):
    results = scores.results(WEIGHTS)
    shown = np.array(results["screen"], dtype=float)
    counts = np.bincount(np.concatenate(places(few)), minlength=192).reshape(12, 16)
    assert shown.shape == (12, 16)
    assert (np.isnan(shown) == (counts == 0)).all()
    assert np.nansum(shown * counts) / counts.sum() == pytest.approx(results["cell_top1"], abs=1e-3)


@pytest.mark.parametrize("least", [2, 3])
def test_of_people_who_are_not_public_only_cells_of_enough_of_them_are_shown(few, scores, least, monkeypatch):
    closed = source.Split(public=(), client=few.client[:2], validation=few.validation, test=few.test)
    monkeypatch.setattr(source, "split", lambda name: closed)
    monkeypatch.setattr(scoring, "LEAST_PEOPLE", least)
    shown = {
        16 * y + x
        for y, row in enumerate(scores.results(WEIGHTS)["screen"])
        for x, value in enumerate(row)
        if value is not None
    }
    everybody = set.intersection(*(set(cells.tolist()) for cells in places(few)))
    assert len(few.test) == 2
    assert shown == (everybody if least == 2 else set())
    assert everybody


def test_twenty_people_are_the_fewest():
    assert scoring.LEAST_PEOPLE == 20


def test_private_counts_are_never_chosen_on_those_who_train(few, scores, monkeypatch):
    asked, pools = [], source.pools

    def noted(name, people, *, examples):
        asked.append((name, tuple(people)))
        return pools("drawn", few.public, examples=examples)

    monkeypatch.setattr(source, "pools", noted)
    monkeypatch.setattr(source, "counted", None)
    lonely = source.Split(public=(), client=("x", "y"), validation=(), test=few.test)
    monkeypatch.setattr(source, "split", lambda name: lonely if name == "lonely" else few)
    assert len(Scoring("lonely", part="test", model="history", trainable="heads")._chosen_on())
    assert asked == [("drawn", few.public)]


@pytest.mark.parametrize("most", [scoring.MOST_COUNTED_EXAMPLES, 1])
def test_held_out_time_has_baselines_that_count_what_came_before_it(few, scores, monkeypatch, most):
    monkeypatch.setattr(scoring, "MOST_COUNTED_EXAMPLES", most)
    people = few.client[:3]
    times = [source.split_time("drawn", person) for person in people]
    counted = times if most > 1 else times[:1]
    expected = baselines(together([time.earlier for time in counted]), together([time.later for time in times]))
    found = scores.trained(WEIGHTS, people, noise_multiplier=1.0, seed=0)
    assert found["within_person_baselines"] == {
        name: {**row.as_dict(), "counted": len(counted)} for name, row in expected.items()
    }
    assert found["within_person"]["examples"] == sum(len(time.later) for time in times)


def test_where_everybody_has_one_session_no_time_is_held_out(few, scores, monkeypatch):
    sessions = source.sessions
    monkeypatch.setattr(source, "sessions", lambda name, person: sessions(name, person)[:1])
    found = scores.trained(WEIGHTS, few.client[:3], noise_multiplier=1.0, seed=0)
    assert (found["within_person"], found["within_person_baselines"]) == (None, {})
    assert found["private_ngram"]["counted"] == 3
