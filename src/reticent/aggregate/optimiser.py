"""The server's optimiser: momentum on the mean update, with a learning rate that falls linearly."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reticent.errors import RoundAborted

Vector = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, repr=False)
class ServerState:
    """What one round hands to the next: weights, float32 (P,), and velocity, float64 (P,)."""

    weights: Vector
    velocity: Doubles

    def __repr__(self) -> str:
        return f"<ServerState of {len(self.weights)} parameters>"

    @staticmethod
    def start(weights: Vector) -> "ServerState":
        """The public weights at rest."""
        return ServerState(np.array(weights, dtype=np.float32), np.zeros(len(weights), dtype=np.float64))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMomentum:
    """Heavy-ball momentum; the constants are the ones that held up best under noise.

    momentum: share of the last velocity that is kept.
    learning_rate: of the first round; it falls linearly, and the last of T rounds still has learning_rate / T.
    In float64, in this order, so that who recomputes the weights from stored replies gets every bit:
    rate = learning_rate * (T - step) / T; velocity = momentum * velocity + mean; weights = float32(weights + rate * velocity).
    Source: Reddi et al. 2021, arXiv:2003.00295 (FedAvgM); Polyak 1964.
    """

    learning_rate: float = 1.0
    momentum: float = 0.9

    def step(self, state: ServerState, mean_update: Doubles, *, step: int, steps: int) -> ServerState:
        """One step along the mean update (new minus old weights), float64 (P,); `step` counts from 0.

        Raises: RoundAborted, if a weight would stop being finite; the state is unchanged.
        """
        rate = self.learning_rate * (steps - step) / steps
        with np.errstate(over="ignore", invalid="ignore"):
            velocity = self.momentum * state.velocity + mean_update
            weights = (state.weights + rate * velocity).astype(np.float32)
        if not (np.isfinite(weights).all() and np.isfinite(velocity).all()):
            raise RoundAborted("the sum of the updates would make a weight infinite; nothing was applied")
        return ServerState(weights, velocity)
