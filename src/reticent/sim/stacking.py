"""Where do simulated people train: one after another on cores, or stacked on an accelerator?"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import numpy as np
import torch

from reticent.actions.pool import Pool
from reticent.errors import SettingError
from reticent.learn.plain import AnyLearner, learner_of
from reticent.learn.stacked import stacked_updates
from reticent.learn.train import KEPT_EXAMPLES, Learn, Prepared
from reticent.model.frozen import Frozen
from reticent.model.pools import take
from reticent.model.public import initial
from reticent.model.tensors import Floats
from reticent.privacy.noise import NoiseSource, SeededNoise
from reticent.records.plain import PlainTraining
from reticent.records.plan import LocalTraining, Plan

_NOTHING = "nothing was trained"
_TRIED_PEOPLE = 256  # whom a worker stacks at most
_TRIED_ALONE = 8  # where everything trains, one is some hundred ms
_TRIED_EXAMPLES = 45

Device = Literal["cpu", "cuda"]


def chosen_device(asked: Literal["auto", "cpu", "cuda"], plan: Plan, *, cores: int) -> Device:
    """What trains. auto: CUDA where it is present and a few seconds' trial shows it to be faster than so many cores.

    Raises: SettingError, where cuda is asked for and can't be had.
    """
    if asked == "cpu":
        return "cpu"
    if not torch.cuda.is_available():
        if asked == "cuda":
            raise SettingError(f"engine.device is cuda, and torch finds no CUDA device here; {_NOTHING}")
        return "cpu"
    learner = learner_of(plan)
    nobody = learner.prepare(take(Pool.empty(), np.zeros(0, dtype=np.int64), size=_examples(_training(plan))))
    there, alone = partial(_stacked_step, plan, nobody, "cuda"), partial(_steps_alone, plan, nobody, learner)
    try:
        there()  # starts the device
    except RuntimeError as error:  # not enough memory, or a trunk that was brought and can't be stacked
        if asked == "cuda":
            why = str(error).partition("\n")[0]
            raise SettingError(
                f"engine.device is cuda, and {plan.model} can't be stacked there: {why}; {_NOTHING}"
            ) from error
        return "cpu"
    if asked == "cuda":
        return "cuda"
    faster = _seconds(there) / _TRIED_PEOPLE < _seconds(alone) / _TRIED_ALONE / cores
    return "cuda" if faster else "cpu"


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

    alone: how each would learn by themselves, as they do whose heads train and whose features were not prepared. Raises: SettingError, where
    the device has too little memory.
    """
    learns = list(alone)
    kind = Frozen if plan.trainable == "heads" else Pool
    ready = {place: one.examples for place, one in enumerate(prepared) if isinstance(one.examples, kind)}
    try:
        updates = stacked_updates(
            list(ready.values()),
            weights,
            model=plan.model,
            trainable=plan.trainable,
            training=_training(plan),
            noise=[noise[place] for place in ready],
            device=device,
        )
    except torch.OutOfMemoryError as error:
        raise SettingError(
            f"{device} has too little memory for these people, stacked; engine.device=cpu trains them one after another"
        ) from error
    for place, update in zip(ready, updates, strict=True):
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


def _stacked_step(plan: Plan, nobody: Prepared, device: Device) -> None:
    """One step of people without anything on their screens."""
    stacked_updates(
        [nobody.examples] * _TRIED_PEOPLE,
        initial(plan.model, plan.trainable),
        model=plan.model,
        trainable=plan.trainable,
        training=_one_step(_training(plan)),
        noise=[SeededNoise(person) for person in range(_TRIED_PEOPLE)],
        device=device,
    )


def _steps_alone(plan: Plan, nobody: Prepared, learner: AnyLearner) -> None:
    """The same, of fewer people, one after another on one core."""
    weights = initial(plan.model, plan.trainable)
    for person in range(_TRIED_ALONE):
        learner.update(nobody, weights, training=_one_step(_training(plan)), noise=SeededNoise(person))


def _examples(training: LocalTraining | PlainTraining) -> int:
    """So many that a step takes as many of them as a plan expects, and not fewer than people have."""
    expected = training.expected_batch / training.sampling_rate if isinstance(training, LocalTraining) else 0
    return min(max(_TRIED_EXAMPLES, round(expected)), KEPT_EXAMPLES)


def _one_step(training: LocalTraining | PlainTraining) -> LocalTraining | PlainTraining:
    return training.model_copy(update={"epochs" if isinstance(training, PlainTraining) else "steps": 1})


def _training(plan: Plan) -> LocalTraining | PlainTraining:
    if plan.training is None:
        raise SettingError("only training can be stacked")
    return plan.training


def _seconds(work: Callable[[], None]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began
