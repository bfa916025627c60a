"""What does one person's pool teach the model, under example-level differential privacy?

A step costs one Poisson draw over the pool, the clipped gradients of what was drawn, and noise; there are always
`training.steps` of them. How long they take depends on how much was drawn and is not hidden: see
docs/adr/0009-example-level-training.md.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from reticent.actions.pool import Ints, Pool
from reticent.errors import SettingError
from reticent.learn.clipping import clipped_sums
from reticent.learn.gradients import Gradients, check_layers, frozen_gradients, passing_gradients, window_gradients
from reticent.learn.sampling import draw
from reticent.learn.threads import one_thread
from reticent.model.frozen import Frozen, freeze
from reticent.model.network import Network, load, set_vector, trained
from reticent.model.pools import take
from reticent.model.tensors import Floats
from reticent.privacy.noise import NoiseSource
from reticent.records.plan import LocalTraining

WEIGHT_LIMIT = 1e4  # far beyond any useful weight; below it, float64 can't turn rounding into another gradient
KEPT_EXAMPLES = 2_048  # features of so many examples are kept: about 90 MB


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Prepared:
    """One person's examples, for any number of rounds of learners of the same model and choice.

    examples: frozen features; or windows, where the trunk trains too or where features are computed in each round.
    """

    model: str
    trainable: str
    examples: Frozen | Pool

    def __len__(self) -> int:
        return len(self.examples)

    def __repr__(self) -> str:
        return f"<Prepared {len(self)} examples>"

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return self.examples.nbytes


class Learner:
    """One network in place, for any number of people and rounds; not for two threads at once.

    An update depends on its arguments alone, never on earlier ones, also not on one that failed. It computes with one thread.
    """

    def __init__(self, model: str, trainable: str) -> None:
        """Raises SettingError for an unknown model or choice, or a trunk that can't train with an example level."""
        self._model = model
        self._trainable = trainable
        self._network = load(model).double().requires_grad_(False)
        for _, parameter in trained(self._network, trainable):
            parameter.requires_grad_()
        if trainable == "all":
            check_layers(self._network)

    @one_thread()
    def prepare(self, pool: Pool) -> Prepared:
        """What rounds have in common: with `heads`, the features of all examples, for up to KEPT_EXAMPLES of them."""
        if self._trainable == "heads" and len(pool) <= KEPT_EXAMPLES:
            return Prepared(model=self._model, trainable=self._trainable, examples=freeze(self._network, pool))
        return self.unprepared(pool)

    def unprepared(self, pool: Pool) -> Prepared:
        """For a single round: it computes features of what it draws, and forgets them."""
        return Prepared(model=self._model, trainable=self._trainable, examples=pool)

    @one_thread()
    def update(self, prepared: Prepared, weights: Floats, *, training: LocalTraining, noise: NoiseSource) -> Floats:
        """DP-SGD on `prepared` from `weights`: new weights minus old, shape (P,), float32.

        Guarantee, per example, add or remove one: `training.steps` compositions of the Gaussian mechanism with
        `training.noise_multiplier`, Poisson-sampled at `training.sampling_rate`. Rate, divisor and number of steps are
        the plan's; an empty batch or an empty pool is noised like any other.
        weights: float32 (P,). They are the server's, so what is done to them tells nothing: non-finite ones count as 0
        and large ones as WEIGHT_LIMIT, before training and (twice that) after each step.
        Noise: float64, standard deviation noise_multiplier * clip_norm / expected_batch in mean-gradient space;
        steps * P normal numbers and steps * len(prepared) uniform ones are drawn from `noise`, none from torch.
        Raises: SettingError for weights of another length or type, or what another model's learner prepared; nothing
        that depends on the examples.
        Source: Abadi et al. 2016, arXiv:1607.00133; gradients of a trunk that was brought: Opacus 1.6.
        """
        if (prepared.model, prepared.trainable) != (self._model, self._trainable):
            raise SettingError("these examples were prepared for another model or choice; nothing was trained")
        network = self._network if self._trainable == "heads" else deepcopy(self._network)
        set_vector(network, self._trainable, weights)
        parameters = [parameter for _, parameter in trained(network, self._trainable)]
        with torch.no_grad():
            for parameter in parameters:
                parameter.nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0).clamp_(-WEIGHT_LIMIT, WEIGHT_LIMIT)
        start = _flat(parameters)
        rate = training.sampling_rate
        draws = [draw(len(prepared), sampling_rate=rate, noise=noise) for _ in range(training.steps)]
        gradients = _gradients(network, prepared, draws)
        for rows in draws:
            _step(parameters, rows, gradients, training=training, noise=noise)
        update: Floats = (_flat(parameters) - start).to(torch.float32).numpy()
        return update


def local_update(
    pool: Pool, weights: Floats, *, model: str, trainable: str, training: LocalTraining, noise: NoiseSource
) -> Floats:
    """One round of one person, by a learner of its own: see `Learner.update`.

    Raises: SettingError for an unknown model or choice, or weights of another length or type.
    """
    learner = Learner(model, trainable)
    return learner.update(learner.unprepared(pool), weights, training=training, noise=noise)


class Learn(Protocol):
    """How a client trains: `local_update`, or something that gives the same bits sooner."""

    def __call__(
        self, pool: Pool, weights: Floats, *, model: str, trainable: str, training: LocalTraining, noise: NoiseSource
    ) -> Floats:
        """See `local_update`."""
        ...


@torch.no_grad()
def _step(
    parameters: Sequence[nn.Parameter], rows: Ints, gradients: Gradients, *, training: LocalTraining, noise: NoiseSource
) -> None:
    """One noisy step over `rows`, a pass at a time; no rows still make one pass, of nothing but filling.

    Guarantee, per example, add or remove one: the sum before noise moves by at most `training.clip_norm` in L2, whatever
    weights and examples are; the noise has standard deviation noise_multiplier * clip_norm in every coordinate.
    """
    sums = [torch.zeros_like(parameter) for parameter in parameters]
    into: dict[Tensor, Tensor] = dict(zip(parameters, sums, strict=True))
    for start in range(0, max(len(rows), 1), gradients.at_once):
        some = rows[start : start + gradients.at_once]
        parts = gradients.of(some)
        for part, clipped in zip(parts, clipped_sums(parts, real=len(some), clip_norm=training.clip_norm), strict=True):
            into[part.parameter] += clipped
    scale = training.noise_multiplier * training.clip_norm
    sizes = [parameter.numel() for parameter in parameters]
    drawn = torch.split(torch.from_numpy(noise.normal(sum(sizes))), sizes)  # in the order of the flat vector
    for parameter, total, normal in zip(parameters, sums, drawn, strict=True):
        total.add_(normal.view_as(total), alpha=scale)
        parameter.sub_(total, alpha=training.learning_rate / training.expected_batch)
        parameter.clamp_(-2 * WEIGHT_LIMIT, 2 * WEIGHT_LIMIT)


def _gradients(network: Network, prepared: Prepared, draws: Sequence[Ints]) -> Gradients:
    """How a pass gets the gradients of its rows."""
    examples = prepared.examples
    if isinstance(examples, Frozen):
        return frozen_gradients(network.heads, examples)
    if prepared.trainable == "all":
        return window_gradients(network, examples)
    drawn = np.unique(np.concatenate(draws))
    if len(drawn) > KEPT_EXAMPLES:
        return passing_gradients(network, examples)
    kept = frozen_gradients(network.heads, freeze(network, take(examples, drawn, size=len(drawn))))
    return Gradients(at_once=kept.at_once, of=lambda rows: kept.of(np.searchsorted(drawn, rows)))


def _flat(parameters: Sequence[nn.Parameter]) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in parameters])
