"""privacy.clip: one clip norm for all rounds, or one that follows the updates; simulated only."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from reticent.actions.pool import Pool
from reticent.privacy.adaptive import count_height, counted, followed, joint_norm
from reticent.privacy.mechanism import grid_for
from reticent.records.plan import Release
from reticent.records.record import Positive, Record

if TYPE_CHECKING:
    from reticent.learn.train import Learn  # imports torch, and settings are read before that is needed

FloatVector = npt.NDArray[np.float32]
Quantile = Annotated[float, Field(gt=0, lt=1)]


class FixedClip(Record):
    """privacy.clip_norm holds for every round."""

    TITLE: ClassVar[str] = "privacy.clip setting"

    name: Literal["fixed"] = "fixed"


class AdaptiveClip(Record):
    """privacy.clip_norm is that of the first round.

    quantile: the share of people whose updates shall not be longer than the clip norm. learning_rate: of its logarithm.
    count_share: of each round's charge, for the count of those who are longer. See `reticent.privacy.adaptive`.
    """

    TITLE: ClassVar[str] = "privacy.clip setting"

    name: Literal["adaptive"] = "adaptive"
    quantile: Quantile = 0.5
    learning_rate: Positive = 0.2
    count_share: Quantile = 0.05

    def release(self, plan: Release, *, clip_norm: float, parameters: int) -> Release:
        """What the door does in a round with this clip norm: update and count as one vector, noised as the plan says.

        Raises: SettingError, if no grid suits it.
        """
        norm, noise = joint_norm(clip_norm=clip_norm, count_share=self.count_share), plan.noise_multiplier
        grid = grid_for(clip_norm=norm, noise_multiplier=noise, parameters=parameters + 1)
        return Release(mode=plan.mode, clip_norm=norm, noise_multiplier=noise, grid=grid)

    def counting(self, learn: "Learn", *, clip_norm: float) -> "Learn":
        """`learn`, and behind each clipped update its coordinate of the count: shape (P + 1,)."""

        def update(pool: Pool, weights: FloatVector, **asked: Any) -> FloatVector:
            learnt = learn(pool, weights, **asked)
            return counted(learnt, clip_norm=clip_norm, count_share=self.count_share).astype(np.float32)

        return update

    def next(self, clip_norm: float, *, counts: float, first: float) -> float:
        """The next round's clip norm. counts: the mean of the last coordinate, noise included, in weight space."""
        longer = counts / count_height(clip_norm=clip_norm, count_share=self.count_share)
        return followed(clip_norm, longer=longer, quantile=self.quantile, learning_rate=self.learning_rate, first=first)


Clip = Annotated[FixedClip | AdaptiveClip, Field(discriminator="name")]
