"""Settings of a run that takes seconds, as the command line's words and as values."""

from copy import deepcopy
from typing import Any

VALUES: dict[str, Any] = {
    "data": {"source": "drawn", "people": 6},
    "model": {"name": "history"},
    "learn": {
        "trainable": "heads",
        "sampling_rate": 0.5,
        "expected_batch": 8,
        "steps": 1,
        "learning_rate": 1.0,
        "clip_norm": 1.0,
        "noise_multiplier": 2.0,
    },
    "privacy": {
        "mode": "secure",
        "epsilon": 4.0,
        "noise_multiplier": None,
        "delta": 1e-5,
        "clip_norm": 0.5,
        "epsilon_example": 16.0,
    },
    "server": {"rounds": 3, "cohort": 3, "min_cohort": None},
    "engine": {"name": "inprocess", "workers": 1, "cache_mb": 500},
    "seed": 0,
}

WORDS = ("data=drawn", "data.people=6", "model=history", "server.rounds=3", "server.cohort=3", "engine.workers=1")


def values(**changes: Any) -> dict[str, Any]:
    """VALUES with some changed: group__name=value, or name=value."""
    changed = deepcopy(VALUES)
    for name, value in changes.items():
        group, _, field = name.partition("__")
        if field:
            changed[group][field] = value
        else:
            changed[group] = value
    return changed
