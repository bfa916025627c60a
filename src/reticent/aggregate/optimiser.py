"""The server's optimisers: how the mean update of a round moves the weights."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from reticent.errors import RoundAborted
from reticent.records.record import Positive, Record, Version1

Vector = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

Decay = Annotated[float, Field(ge=0, lt=1)]
"""The share of a moment that the next round keeps."""

AVERAGE = "average"


@dataclass(frozen=True, slots=True, repr=False)
class ServerState:
    """What one round hands to the next.

    weights: float32 (P,): what the next round trains from. moments: what the optimiser keeps, by name, each float64 (P,).
    clip_norm: of the next round's updates, where it follows them; None where the plan's counts.
    """

    weights: Vector
    moments: Mapping[str, Doubles]
    clip_norm: float | None = None

    def __repr__(self) -> str:
        return f"<ServerState of {len(self.weights)} parameters>"

    @property
    def published(self) -> Vector:
        """The model, float32 (P,): the average of the weights where one is kept, else the weights."""
        average = self.moments.get(AVERAGE)
        return self.weights if average is None else average.astype(np.float32)


class _Optimiser(Record, ABC):
    """learning_rate: of the first round. schedule: linear falls to learning_rate / T in the last of T rounds.

    average_from: the model is the mean of the weights after each of the rounds from this share of T on, which is
    post-processing and costs no privacy; None publishes the last weights. Rounds train from the last weights either way.
    All in float64 and in the order that is written here, so that who recomputes the weights from stored replies gets every bit.
    Source: averaging, Polyak and Juditsky 1992.
    """

    TITLE: ClassVar[str] = "server.optimiser setting"

    learning_rate: Positive = 1.0
    schedule: Literal["linear", "constant"] = "linear"
    average_from: Decay | None = None

    def start(self, weights: Vector) -> ServerState:
        """The public weights at rest."""
        moments = self._at_rest(len(weights))
        if self.average_from is not None:
            moments[AVERAGE] = weights.astype(np.float64)
        return ServerState(np.array(weights, dtype=np.float32), moments)

    def step(self, state: ServerState, mean_update: Doubles, *, step: int, steps: int) -> ServerState:
        """One step along the mean update (new minus old weights), float64 (P,); `step` counts from 0.

        Raises: RoundAborted, if a number would stop being finite; the state is unchanged.
        """
        rate = self.learning_rate * (steps - step) / steps if self.schedule == "linear" else self.learning_rate
        with np.errstate(over="ignore", invalid="ignore"):
            direction, moments = self._direction(state.moments, mean_update)
            weights = (state.weights + rate * direction).astype(np.float32)
            if self.average_from is not None:
                counted = step - math.floor(self.average_from * steps) + 1
                average = state.moments[AVERAGE]
                moments[AVERAGE] = (
                    weights.astype(np.float64) if counted <= 1 else average + (weights - average) / counted
                )
        if not (np.isfinite(weights).all() and all(np.isfinite(moment).all() for moment in moments.values())):
            raise RoundAborted("the sum of the updates would make a weight infinite; nothing was applied")
        return ServerState(weights, moments, state.clip_norm)

    @abstractmethod
    def _at_rest(self, parameters: int) -> dict[str, Doubles]:
        """The moments before the first round, each float64 (P,)."""

    @abstractmethod
    def _direction(self, moments: Mapping[str, Doubles], mean: Doubles) -> tuple[Doubles, dict[str, Doubles]]:
        """Where to go, float64 (P,), and the new moments."""


class Momentum(_Optimiser):
    """Heavy-ball momentum; plain federated averaging with momentum 0. The defaults are what held up best under noise.

    velocity = momentum * velocity + mean; weights = float32(weights + rate * velocity).
    Source: Reddi et al. 2021, arXiv:2003.00295 (FedAvgM); Polyak 1964.
    """

    name: Literal["momentum"] = "momentum"
    momentum: Decay = 0.9

    def _at_rest(self, parameters: int) -> dict[str, Doubles]:
        return {"velocity": np.zeros(parameters)}

    def _direction(self, moments: Mapping[str, Doubles], mean: Doubles) -> tuple[Doubles, dict[str, Doubles]]:
        velocity = self.momentum * moments["velocity"] + mean
        return velocity, {"velocity": velocity}


class Adam(_Optimiser):
    """FedAdam, as it stands in the paper: without bias correction, and with the second moment at tau² in the beginning.

    first = beta1 * first + (1 - beta1) * mean; second = beta2 * second + (1 - beta2) * mean²;
    weights = float32(weights + rate * first / (√second + tau)).
    Source: Reddi et al. 2021, arXiv:2003.00295, algorithm 2.
    """

    name: Literal["adam"] = "adam"
    beta1: Decay = 0.9
    beta2: Decay = 0.99
    tau: Positive = 1e-3

    def _at_rest(self, parameters: int) -> dict[str, Doubles]:
        return {"first": np.zeros(parameters), "second": np.full(parameters, self.tau**2)}

    def _direction(self, moments: Mapping[str, Doubles], mean: Doubles) -> tuple[Doubles, dict[str, Doubles]]:
        first = self.beta1 * moments["first"] + (1 - self.beta1) * mean
        second = self.beta2 * moments["second"] + (1 - self.beta2) * mean**2
        return first / (np.sqrt(second) + self.tau), {"first": first, "second": second}


Optimiser = Annotated[Momentum | Adam, Field(discriminator="name")]


class ChosenOptimiser(Record):
    """optimiser.json of a run: the organisation's own choice, which no device is told."""

    TITLE: ClassVar[str] = "run's optimiser"

    version: Version1 = 1
    optimiser: Optimiser
