"""All training windows of one person, as arrays."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reticent.actions.vocabulary import FRAME_HEIGHT, FRAME_WIDTH, HISTORY, PATCH_SIDE

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Pool:
    """n examples: the last HISTORY actions and the frame, then the next action.

    kinds, cells, times: shape (n, HISTORY), int64, oldest first, padded with NO_KIND, NO_CELL, NO_TIME.
    frames: shape (n, FRAME_HEIGHT, FRAME_WIDTH), uint8: the screen just before the next action.
    patches: shape (n, PATCH_SIDE, PATCH_SIDE), uint8. has_patch: shape (n,), bool; False where the source has none.
    next_kind, next_cell, next_time: shape (n,), int64: what is predicted.
    """

    kinds: Ints
    cells: Ints
    times: Ints
    frames: Bytes
    patches: Bytes
    has_patch: Bools
    next_kind: Ints
    next_cell: Ints
    next_time: Ints

    def __len__(self) -> int:
        return len(self.next_kind)

    def __repr__(self) -> str:
        return f"<Pool of {len(self)} examples>"

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return sum(getattr(self, name).nbytes for name in self.__slots__)

    def newest(self, count: int) -> "Pool":
        """The last `count` examples; all of them where there are no more."""
        if len(self) <= count:
            return self
        return Pool(**{name: getattr(self, name)[len(self) - count :] for name in self.__slots__})

    @staticmethod
    def empty() -> "Pool":
        """A pool of no examples; training on it runs the same noisy steps."""
        history = np.zeros((0, HISTORY), dtype=np.int64)
        label = np.zeros(0, dtype=np.int64)
        return Pool(
            kinds=history,
            cells=history,
            times=history,
            frames=np.zeros((0, FRAME_HEIGHT, FRAME_WIDTH), dtype=np.uint8),
            patches=np.zeros((0, PATCH_SIDE, PATCH_SIDE), dtype=np.uint8),
            has_patch=np.zeros(0, dtype=np.bool_),
            next_kind=label,
            next_cell=label,
            next_time=label,
        )
