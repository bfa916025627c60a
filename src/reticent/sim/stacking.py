"""Where do simulated people's heads train: one after another on a core, or stacked on an accelerator?"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, cast

import numpy as np
import torch

from reticent.actions.pool import Pool
from reticent.errors import SettingError
from reticent.learn.plain import learner_of
from reticent.learn.stacked import stacked_updates
from reticent.learn.train import Learn, Prepared
from reticent.model.frozen import Frozen
from reticent.model.pools import take
from reticent.model.public import initial
from reticent.model.tensors import Floats
from reticent.privacy.noise import NoiseSource, SeededNoise
from reticent.records.plain import PlainTraining
from reticent.records.plan import LocalTraining, Plan

_NOTHING = "nothing was trained"
_TRIED_PEOPLE = 64
_TRIED_EXAMPLES = 45

Device = Literal["cpu", "cuda"]


def chosen_device(asked: Literal["auto", "cpu", "cuda"], plan: Plan) -> Device:
    """What trains. auto: CUDA where it is present, the heads alone train, and a few seconds' trial shows it to be faster.

    Raises: SettingError, where cuda is asked for and can't be had.
    """
    stacks = plan.trainable == "heads"
    if asked == "cpu" or (asked == "auto" and not stacks):
        return "cpu"
    present = torch.cuda.is_available()
    if asked == "cuda":
        if not stacks:
            raise SettingError(
                f"engine.device=cuda stacks people whose heads train, and learn.trainable is {plan.trainable}; {_NOTHING}"
            )
        if not present:
            raise SettingError(f"engine.device is cuda, and torch finds no CUDA device here; {_NOTHING}")
        return "cuda"
    return "cuda" if present and _is_faster("cuda", plan) else "cpu"


def stacked(
    alone: Sequence[Learn],
    prepared: Sequence[Prepared],
    noise: Sequence[NoiseSource],
    weights: Floats,
    *,
    plan: Plan,
    device: str,
) -> list[Learn]:
    """For each person what `client.answer` is given to learn with: the update is there already, and its draws were made.

    alone: how each would learn by themselves, as they do whose features were not prepared.
    """
    learns = list(alone)
    frozen = {place: one.examples for place, one in enumerate(prepared) if isinstance(one.examples, Frozen)}
    updates = stacked_updates(
        list(frozen.values()),
        weights,
        model=plan.model,
        training=_training(plan),
        noise=[noise[place] for place in frozen],
        device=device,
    )
    for place, update in zip(frozen, updates, strict=True):
        learns[place] = partial(_given, update=update)
    return learns


def _given(
    pool: Pool,
    weights: Floats,
    *,
    model: str,
    trainable: str,
    training: object,
    noise: NoiseSource,
    update: Floats,
) -> Floats:
    return update


def _is_faster(device: Device, plan: Plan) -> bool:
    """Whether people without anything on their screens, stacked there, take less time than one after another here."""
    nobody = take(Pool.empty(), np.zeros(0, dtype=np.int64), size=_TRIED_EXAMPLES)
    learner, weights = learner_of(plan), initial(plan.model, plan.trainable)
    prepared = learner.prepare(nobody)
    people = [cast(Frozen, prepared.examples)] * _TRIED_PEOPLE

    def noise() -> list[NoiseSource]:
        return [SeededNoise(person) for person in range(_TRIED_PEOPLE)]

    def here() -> None:
        for own in noise():
            learner.update(prepared, weights, training=_training(plan), noise=own)

    def there() -> None:
        stacked_updates(people, weights, model=plan.model, training=_training(plan), noise=noise(), device=device)

    there()  # starts the device
    return _seconds(there) < _seconds(here)


def _training(plan: Plan) -> LocalTraining | PlainTraining:
    if plan.training is None:
        raise SettingError("only training can be stacked")
    return plan.training


def _seconds(work: Callable[[], None]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began
