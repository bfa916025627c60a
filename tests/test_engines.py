"""One client in every engine: a device's path and a simulation's worker make the same update of the same inputs."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from reticent import client
from reticent.actions.pool import Pool
from reticent.egress import Update
from reticent.learn.memory import Memory
from reticent.model.network import initial
from reticent.model.tensors import Floats
from reticent.privacy.noise import SeededNoise, SystemNoise
from reticent.records.canonical import digest
from reticent.records.plan import Plan
from reticent.sim.worker import Worker, _mixed
from tests.sim.world import PEOPLE
from tests.test_client import Device
from tests.world import MODEL, NOW, join_request, plan, train_request, training

SEED, ROUND, PERSON = 7, 0, 1


@pytest.fixture
def updates(monkeypatch: pytest.MonkeyPatch) -> list[Update]:
    """Every update that reaches the door, whichever side of it."""
    seen: list[Update] = []

    def watched(door: Callable[..., Any], update: Update, **more: Any) -> Any:
        seen.append(update)
        return door(update, **more)

    for name in ("seal", "simulate"):
        monkeypatch.setattr(client, name, partial(watched, getattr(client, name)))
    return seen


def on_a_device(asked: Plan, weights: Floats, pool: Callable[[], Pool], memory: Memory, noise: SeededNoise) -> None:
    """Joined, charged, counter-signed, trained with a keeper's memory, sealed; only what training draws is the test's."""
    device = Device(steps=asked.training.steps)
    signed, data = device.organisation.signed(asked), weights.astype("<f4").tobytes()
    reply = device.join(join_request(signed, data))
    client.train(
        train_request(signed, data, device.organisation.receipt(reply)),
        data,
        terms=device.terms,
        payment=device.payment,
        pool=pool,
        noise=SystemNoise(),
        now=NOW,
        learn=lambda pool, weights, **more: memory.update(pool, weights, **{**more, "noise": noise}),
    )


@pytest.mark.parametrize("steps", [1, 3])
def test_a_device_and_a_worker_make_the_same_update_to_the_bit(steps: int, updates: list[Update]) -> None:
    asked = plan(training=training(steps=steps))
    weights = initial(MODEL, "heads")
    weights = weights + np.random.default_rng(0).normal(0, 0.01, weights.shape).astype(np.float32)
    memory = Memory()

    def device() -> None:
        noise = SeededNoise(_mixed(SEED, ROUND, PERSON))
        on_a_device(asked, weights, lambda: PEOPLE.pool(PERSON), memory, noise)

    device()
    device()  # once more, from what it remembers
    worker = Worker(plan=asked, plan_id=digest(asked.to_bytes()), population=PEOPLE, seed=SEED, cache_bytes=1 << 30)
    worker.answer(ROUND, [PERSON], weights)
    worker.answer(ROUND, [PERSON], weights)
    first, *others = [update.delta for update in updates]
    assert len(others) == 3
    assert np.linalg.norm(first) > 0
    for other in others:
        np.testing.assert_array_equal(first, other)
    worker.answer(ROUND, [PERSON + 1], weights)  # another person's is another
    assert not np.array_equal(updates[-1].delta, first)
