"""Seconds for one private step that trains everything, beside Opacus' four modes, in both precisions, and a step without privacy."""

import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch
from opacus.grad_sample.utils import get_gsm_class
from opacus.optimizers import DPOptimizer, DPOptimizerFastGradientClipping
from opacus.utils.fast_gradient_clipping_utils import DPLossFastGradientClipping
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils._per_sample_grad import call_for_per_sample_grads

from reticent.actions.pool import Ints, Pool
from reticent.actions.vocabulary import CELLS, KINDS
from reticent.learn.gradients import window_gradients
from reticent.learn.stacked import stacked_updates
from reticent.learn.train import Learner, _step
from reticent.model import catalogue
from reticent.model.heads import CELL_LOSS, summed_loss
from reticent.model.inputs import Inputs, inputs
from reticent.model.network import Network, load, trained
from reticent.model.pools import take
from reticent.model.public import initial
from reticent.privacy.noise import SeededNoise, SystemNoise
from reticent.records.plan import LocalTraining
from scripts.bench import bar
from tests.model.random_pools import random_pool

PRECISION = torch.float64
DEFAULT = "office-60k"
RATE = 1e-3
ALONE = 24
SINGLE = ", float32"
Step = Callable[[Pool, Ints], None]
"""From rows of a pool to changed weights."""


def bars(*, quick: bool) -> Iterator[dict[str, Any]]:
    """Everybody takes the same rows of the same pool; repeats are interleaved. Bars are between steps in float64; whoever is told as
    float32 shows what that costs.

    Medians of this thread's CPU seconds: the same as seconds where nothing else runs, and steadier where something does. Stacking is in
    seconds, since a card has its own.
    """
    torch.set_num_threads(1)
    largest = max(catalogue.BUILT_IN, key=lambda name: catalogue.parameters(name, "all"))
    for model, batch in product((DEFAULT, largest), (16, 64)):
        yield from steps(model, batch, repeats=3 if quick else 9)
    for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        people = ALONE if device == "cpu" else 256
        for trained_part in catalogue.TRAINABLE:
            alone, together = stacking(DEFAULT, trained_part, device, people=people, repeats=3 if quick else 9)
            name = f"{DEFAULT}, {trained_part}: a step of one of {people} people stacked on {device}, against alone"
            yield bar(name, together, "s", peer=alone)


def steps(model: str, batch: int, *, repeats: int) -> Iterator[dict[str, Any]]:
    """One private step beside everybody else's."""
    seconds = measured(contestants(model, batch), batch=batch, repeats=repeats)
    ours, plain, single = (seconds.pop(name) for name in ("ours", "plain", "plain" + SINGLE))
    best = min((mode for mode in seconds if not mode.endswith(SINGLE)), key=lambda mode: seconds[mode])
    for mode, theirs in seconds.items():
        goal = theirs / 1.5 if mode == best else None
        name = f"{model}, all, batch {batch}: a private step, against Opacus {mode}"
        yield bar(name + (", its best" if mode == best else ""), ours, "s", peer=theirs, goal=goal)
    name = f"{model}, all, batch {batch}: a private step, against one without privacy"
    yield bar(name, ours, "s", peer=plain, goal=2 * plain if batch == 64 else None)
    yield bar(name + SINGLE, ours, "s", peer=single)


def contestants(model: str, batch: int) -> dict[str, Callable[[], Step]]:
    """What makes each of them."""
    made: dict[str, Callable[[], Step]] = {"ours": lambda: ours(model, batch)}
    for suffix, precision in (("", PRECISION), (SINGLE, torch.float32)):
        made["plain" + suffix] = partial(plain, model, precision)
        for mode in ("hooks", "functorch", "ew", "ghost"):
            made[mode + suffix] = partial(opacus, model, batch, mode, precision)
    return made


def measured(makers: dict[str, Callable[[], Step]], *, batch: int, repeats: int) -> dict[str, float]:
    """CPU seconds a step, the median of interleaved repeats; each step has other rows."""
    pool, random = random_pool(4 * batch), np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Opacus, about hooks
        steps = {name: make() for name, make in makers.items()}
        taken: dict[str, list[float]] = {name: [] for name in steps}
        for repeat in range(repeats + 1):
            rows = np.sort(random.choice(len(pool), batch, replace=False))
            for name, step in steps.items():
                began = time.thread_time()
                step(pool, rows)
                if repeat:  # the first one warms up
                    taken[name].append(time.thread_time() - began)
    return {name: statistics.median(times) for name, times in taken.items()}


def stacking(model: str, what: str, device: str, *, people: int, repeats: int) -> tuple[float, float]:
    """Seconds for a person's update, of ALONE one after another on a core and of so many stacked: 45 examples each, about 16 drawn."""
    learner, weights = Learner(model, what), initial(model, what)
    prepared = [learner.prepare(random_pool(45, seed=person)) for person in range(people)]
    training = LocalTraining(
        sampling_rate=0.35, expected_batch=16, steps=1, learning_rate=RATE, clip_norm=1.0, noise_multiplier=1.0
    )
    alone, together = [], []
    for _ in range(repeats):
        began = time.perf_counter()
        for person, one in enumerate(prepared[:ALONE]):
            learner.update(one, weights, training=training, noise=SeededNoise(person))
        alone.append((time.perf_counter() - began) / ALONE)
        began = time.perf_counter()
        stacked_updates(
            [one.examples for one in prepared],
            weights,
            model=model,
            trainable=what,
            training=training,
            noise=[SeededNoise(person) for person in range(people)],
            device=device,
        )
        together.append((time.perf_counter() - began) / people)
    return statistics.median(alone), statistics.median(together)


def ours(model: str, batch: int) -> Step:
    """The step of `reticent.learn`, with the noise that devices draw."""
    network = trainable(model)
    training = LocalTraining(
        sampling_rate=0.5, expected_batch=batch, steps=1, learning_rate=RATE, clip_norm=1.0, noise_multiplier=1.0
    )
    parameters = [parameter for _, parameter in trained(network, "all")]

    def step(pool: Pool, rows: Ints) -> None:
        _step(parameters, rows, window_gradients(network, pool), training=training, noise=SystemNoise())

    return step


def plain(model: str, precision: torch.dtype = PRECISION) -> Step:
    """Forward, backward, SGD."""
    network = trainable(model, precision)
    sgd = torch.optim.SGD(network.parameters(), lr=RATE)

    def step(pool: Pool, rows: Ints) -> None:
        seen, kinds, cells = batch_of(pool, rows, precision)
        sgd.zero_grad(set_to_none=True)
        kind, cell = network(seen)
        torch.autograd.backward(summed_loss(kind, cell, next_kind=kinds, next_cell=cells) / len(rows))
        sgd.step()

    return step


def opacus(model: str, batch: int, mode: str, precision: torch.dtype = PRECISION) -> Step:
    """Opacus as its documentation has it, with noise from torch's generator."""
    network = trainable(model, precision)
    sgd = torch.optim.SGD(network.parameters(), lr=RATE)
    settings: Any = {"noise_multiplier": 1.0, "max_grad_norm": 1.0, "expected_batch_size": batch}
    if mode == "ghost":
        module = get_gsm_class(mode)(network, loss_reduction="mean", max_grad_norm=1.0)
        optimiser = DPOptimizerFastGradientClipping(sgd, **settings)
        loss = DPLossFastGradientClipping(module, optimiser, TwoHeads())
    else:
        more = {"force_functorch": True} if mode == "functorch" else {}
        module = get_gsm_class(mode)(network, loss_reduction="mean", **more)
        optimiser = DPOptimizer(sgd, **settings)
    forward: Any = module
    if mode == "ew":
        forward = call_for_per_sample_grads(network, batch_size=batch)  # type: ignore[no-untyped-call]

    def step(pool: Pool, rows: Ints) -> None:
        seen, kinds, cells = batch_of(pool, rows, precision)
        optimiser.zero_grad(set_to_none=True)
        kind, cell = forward(seen)
        if mode == "ghost":
            loss((kind, cell), (kinds, cells)).backward()
        else:
            torch.autograd.backward(summed_loss(kind, cell, next_kind=kinds, next_cell=cells) / len(rows))
        optimiser.step()

    return step


class TwoHeads:
    """`summed_loss` of each example, as Opacus' ghost clipping wants it."""

    reduction = "mean"

    def __call__(self, made: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor]) -> Tensor:
        kind = cross_entropy(made[0], wanted[0], reduction="none")
        return kind + CELL_LOSS * cross_entropy(made[1], wanted[1], reduction="none")


def batch_of(pool: Pool, rows: Ints, precision: torch.dtype = PRECISION) -> tuple[Inputs, Tensor, Tensor]:
    """Inputs and labels. Inputs need no gradient in any contestant."""
    some = take(pool, rows, size=len(rows))
    kinds, cells = some.next_kind.clip(0, KINDS - 1), some.next_cell.clip(0, CELLS - 1)
    return inputs(some, dtype=precision), torch.from_numpy(kinds), torch.from_numpy(cells)


def trainable(model: str, precision: torch.dtype = PRECISION) -> Network:
    return load(model).to(precision).requires_grad_()
