"""A tiny plan and a few drawn people, for simulations that take seconds."""

from functools import partial
from typing import Any

from reticent.actions.vocabulary import HISTORY
from reticent.model import catalogue
from reticent.privacy.events import Mode
from reticent.privacy.mechanism import grid_for
from reticent.records.canonical import digest
from reticent.records.plan import LocalTraining, Plan, Release
from reticent.sim.population import Population
from reticent.sim.worker import Worker

MODEL = "office-60k"
PARAMETERS = catalogue.parameters(MODEL, "heads")
PEOPLE = Population(source="drawn", names=tuple(f"drawn-{1_000_000 + number}" for number in range(4)))


def a_plan(**changes: Any) -> Plan:
    release = Release(
        mode=Mode.SECURE,
        clip_norm=0.5,
        noise_multiplier=0.5,
        grid=grid_for(clip_norm=0.5, noise_multiplier=0.5, parameters=changes.get("parameters", PARAMETERS)),
    )
    training = LocalTraining(
        sampling_rate=0.5, expected_batch=HISTORY, steps=1, learning_rate=1.0, clip_norm=1.0, noise_multiplier=1.0
    )
    values: dict[str, Any] = {
        "purpose": "next-action",
        "model": MODEL,
        "parameters": PARAMETERS,
        "trainable": "heads",
        "training": training,
        "release": release,
        "min_cohort": 3,
        "rounds": 3,
        "issued_at": 0,
        "expires_at": 10,
    }
    return Plan(**(values | changes))


def make_worker(plan: Plan, *, seed: int = 7, cache_bytes: int = 1 << 30, **more: Any) -> partial[Worker]:
    return partial(
        Worker,
        plan=plan,
        plan_id=digest(plan.to_bytes()),
        population=PEOPLE,
        seed=seed,
        cache_bytes=cache_bytes,
        **more,
    )
