"""What makes no sense is one sentence that names the setting, before anything is trained."""

import pytest

from reticent.errors import SettingError
from reticent.train.settings import Settings
from tests.train.samples import values

NONSENSE = {
    "both epsilon and noise": ({"privacy__noise_multiplier": 1.0}, "either privacy.epsilon or"),
    "neither epsilon nor noise": ({"privacy__epsilon": None}, "either privacy.epsilon or"),
    "clip norm is 0": ({"privacy__clip_norm": 0.0}, "privacy.clip_norm"),
    "clip norm is 1e9": ({"privacy__clip_norm": 1e9}, "privacy.clip_norm"),
    "rate above 1": ({"learn__sampling_rate": 1.5}, "learn.sampling_rate"),
    "steps is true": ({"learn__steps": True}, "learn.steps"),
    "steps is 1.5": ({"learn__steps": 1.5}, "learn.steps"),
    "no rounds": ({"server__rounds": 0}, "server.rounds"),
    "min_cohort beyond cohort": ({"server__min_cohort": 4}, "min_cohort of 4 is more than the cohort of 3"),
    "unknown optimiser": ({"server__optimiser": {"name": "lion"}}, "server.optimiser must name one of"),
    "momentum that never fades": (
        {"server__optimiser": {"name": "momentum", "momentum": 1.0}},
        "server.optimiser.momentum must be less than 1",
    ),
    "adam without tau": ({"server__optimiser": {"name": "adam", "tau": 0.0}}, "server.optimiser.tau"),
    "a rate that is no number": (
        {"server__optimiser": {"name": "adam", "learning_rate": float("nan")}},
        "server.optimiser.learning_rate must be a finite number",
    ),
    "a median of a sum": (
        {"server__aggregation": {"name": "median"}},
        "server.aggregation=median needs single releases, and privacy.mode=secure shows sums only",
    ),
    "a median on devices": (
        {
            "server__aggregation": {"name": "median"},
            "engine": {"name": "superlink", "folder": "x"},
            "data__people": None,
            "server__cohort": None,
        },
        "bears far less noise than any device adds",
    ),
    "a median and a clip norm that follows": (
        {
            "server__aggregation": {"name": "trimmed_mean"},
            "privacy__mode": "local",
            "privacy__clip": {"name": "adaptive"},
        },
        "don't go together",
    ),
    "half of everybody trimmed": (
        {"server__aggregation": {"name": "trimmed_mean", "share": 0.5}},
        "server.aggregation.share must be less than 0.5",
    ),
    "unknown aggregation": ({"server__aggregation": {"name": "krum"}}, "server.aggregation must name one of"),
    "a clip norm that follows, on devices": (
        {
            "privacy__clip": {"name": "adaptive"},
            "engine": {"name": "superlink", "folder": "x"},
            "data__people": None,
            "server__cohort": None,
        },
        "privacy.clip=adaptive is simulated only",
    ),
    "the quantile of nobody": (
        {"privacy__clip": {"name": "adaptive", "quantile": 0.0}},
        "privacy.clip.quantile must be more than 0",
    ),
    "a count for nothing": (
        {"privacy__clip": {"name": "adaptive", "count_share": 0.0}},
        "privacy.clip.count_share must be more than 0",
    ),
    "a count for everything": (
        {"privacy__clip": {"name": "adaptive", "count_share": 1.0}},
        "privacy.clip.count_share must be less than 1",
    ),
    "a clip rate that is no number": (
        {"privacy__clip": {"name": "adaptive", "learning_rate": float("inf")}},
        "privacy.clip.learning_rate must be a finite number",
    ),
    "a seed that no result could hold": ({"seed": 2**53}, "seed must be 9007199254740991 at most"),
    "more rounds than a report shows": ({"server__rounds": 10_001}, "server.rounds must be 10000 at most"),
    "unknown mode": ({"privacy__mode": "central"}, "privacy.mode"),
    "unknown source": ({"data__source": "office2"}, "data.source"),
    "no people": ({"data__people": 0}, "data.people"),
    "unknown engine": ({"engine": {"name": "magic"}}, "engine"),
    "engine's option misspelt": ({"engine": {"name": "inprocess", "workers": 1, "cache": 5}}, "engine"),
    "unknown device": ({"engine": {"name": "inprocess", "workers": 1, "cache_mb": 5, "device": "tpu"}}, "device"),
    "ray over its client's protocol": (
        {"engine": {"name": "ray", "address": "ray://head:10001", "workers": 1, "cache_mb": 5}},
        "engine.address",
    ),
    "superlink with a cohort": (
        {"engine": {"name": "superlink", "folder": "x"}, "data__people": None},
        "asks every enrolled device",
    ),
    "unknown model": ({"model__name": "gpt"}, "no model of this name"),
    "model without a name": ({"model": {}}, "model.name"),
    "a group too many": ({"optimizer": {"lr": 1}}, "optimizer"),
    "seed is negative": ({"seed": -1}, "seed"),
    "seed is huge": ({"seed": 2**64}, "seed"),
}


def test_the_sample_makes_sense():
    assert Settings.of(values()).server.cohort == 3


@pytest.mark.parametrize(("changes", "said"), NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_named(changes, said):
    with pytest.raises(SettingError) as raised:
        Settings.of(values(**changes))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("odd", [3, None, "plain", [1.0]])
def test_a_learn_that_is_no_group_is_one_sentence(odd):
    with pytest.raises(SettingError, match="learn"):
        Settings.of(values(learn=odd))


def test_settings_cannot_be_changed_afterwards():
    settings = Settings.of(values())
    with pytest.raises(Exception, match="frozen"):
        settings.seed = 5
    with pytest.raises(Exception, match="frozen"):
        settings.privacy.epsilon = 100.0
