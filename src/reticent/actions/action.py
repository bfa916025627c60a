"""A coalesced step, the frame before it, and a session of both."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reticent.actions.vocabulary import ActionKind

Grey = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Action:
    """One step as a person would name it.

    cell: screen cell where it began, 0 to CELLS - 1.
    t_ms, gap_ms: start, and time since the previous action began (0 for the first), in milliseconds.
    start: index of the first event in its session.
    """

    kind: ActionKind
    cell: int
    t_ms: int
    gap_ms: int
    start: int

    def __repr__(self) -> str:
        return f"<Action {self.kind.name.lower()}>"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Frame:
    """What was on the active monitor just before an action.

    thumbnail: shape (FRAME_HEIGHT, FRAME_WIDTH), uint8, letterboxed. patch: shape (PATCH_SIDE, PATCH_SIDE), uint8, or
    None where the source has no pixels round the cursor.
    """

    thumbnail: Grey
    patch: Grey | None

    def __repr__(self) -> str:
        return f"<Frame {'with' if self.patch is not None else 'without'} patch>"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Session:
    """One person's actions in order, each with the frame before it: `frames[i]` belongs to `actions[i]`."""

    actions: tuple[Action, ...]
    frames: tuple[Frame, ...]

    def __post_init__(self) -> None:
        if len(self.actions) != len(self.frames):
            raise ValueError("a session has one frame an action")

    def __repr__(self) -> str:
        return f"<Session of {len(self.actions)} actions>"
