"""How do one person's recorded sessions become few bytes, and come back exactly?

A block is one raw LZMA2 stream (fixed filter, so a file cannot ask for memory) of columns whose sizes follow from
the counts in the header; what a block may unpack to is known, and capped, before it is unpacked.
"""

import lzma
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from reticent.actions.action import Frame, Grey
from reticent.actions.events import Button, EventKind, InputEvent, KeyClass
from reticent.actions.vocabulary import FRAME_HEIGHT, FRAME_WIDTH, PATCH_SIDE
from reticent.errors import FormatError
from reticent.recordings.recorded import RecordedSession

MAX_BLOCK_BYTES = 128 * 2**20  # unpacked, one person
MAX_EVENTS = 2_000_000  # one person
_COUNT = Field(ge=0, le=2**31 - 1)
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 2**23, "lc": 0, "pb": 0}]
_Ints = npt.NDArray[np.int64]


class SessionCounts(BaseModel):
    """The sizes of one session."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    aspect: float = Field(gt=0)
    events: int = _COUNT
    frames: int = _COUNT


class BlockCounts(BaseModel):
    """The sizes of one person's block; thumbnails, patches and positions are the distinct ones."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    sessions: tuple[SessionCounts, ...]
    thumbnails: int = _COUNT
    patches: int = _COUNT
    positions: int = _COUNT

    @property
    def events(self) -> int:
        return sum(session.events for session in self.sessions)

    @property
    def frames(self) -> int:
        return sum(session.frames for session in self.sessions)

    @property
    def raw_bytes(self) -> int:
        """What the block unpacks to."""
        pictures = self.thumbnails * (FRAME_HEIGHT * FRAME_WIDTH + 1) + self.patches * (PATCH_SIDE**2 + 1)
        return 8 * self.positions + self.events * (3 + 3 * 4) + self.frames * 3 * 4 + pictures


def pack(sessions: Sequence[RecordedSession]) -> tuple[BlockCounts, bytes]:
    """The counts and the packed block of one person's sessions, in order."""
    events = [event for session in sessions for event in session.events]
    places = np.array([(event.x, event.y) for event in events], dtype="<f8").reshape(-1, 2)
    positions, place = np.unique(places, return_inverse=True)
    place = place.reshape(-1, 2).astype(np.int64)
    frames = [(index, session.frames[index]) for session in sessions for index in sorted(session.frames)]
    thumbnails, thumbnail = _distinct([frame.thumbnail for _, frame in frames])
    patches, patch = _distinct([frame.patch for _, frame in frames])
    columns = [
        positions.tobytes(),
        _planes(np.array([event.t_ms for event in events], dtype=np.int64)),
        bytes(event.kind for event in events),
        bytes(event.key for event in events),
        bytes(event.button for event in events),
        _planes(place[:, 0]),
        _planes(place[:, 1]),
        _planes(np.array([index for index, _ in frames], dtype=np.int64)),
        _planes(thumbnail),
        _planes(patch),
        _predict(thumbnails, side=(FRAME_HEIGHT, FRAME_WIDTH)),
        _predict(patches, side=(PATCH_SIDE, PATCH_SIDE)),
    ]
    counts = BlockCounts(
        sessions=tuple(
            SessionCounts(aspect=float(session.aspect), events=len(session.events), frames=len(session.frames))
            for session in sessions
        ),
        thumbnails=len(thumbnails),
        patches=len(patches),
        positions=len(positions),
    )
    return counts, lzma.compress(b"".join(columns), format=lzma.FORMAT_RAW, filters=_FILTERS)


def unpack(counts: BlockCounts, block: bytes, *, person: str) -> tuple[RecordedSession, ...]:
    """The sessions that `pack` was given. Raises FormatError for a block that does not hold exactly these counts."""
    if counts.events > MAX_EVENTS or counts.raw_bytes > MAX_BLOCK_BYTES:
        raise FormatError(
            f"the recording claims more than {MAX_EVENTS} events or {MAX_BLOCK_BYTES} bytes for one person; "
            "nothing was read from it"
        )
    rest = _Reader(_decompress(block, size=counts.raw_bytes))
    positions = np.frombuffer(rest.take(8 * counts.positions), dtype="<f8")
    if not np.all((positions >= 0) & (positions <= 1)):  # also false for NaN
        raise _broken("a position outside [0, 1]")
    t_ms = rest.integers(counts.events, below=2**31)
    kinds = [EventKind(value) for value in rest.codes(counts.events, below=len(EventKind))]
    keys = [KeyClass(value) for value in rest.codes(counts.events, below=len(KeyClass))]
    buttons = [Button(value) for value in rest.codes(counts.events, below=len(Button))]
    x = positions[rest.integers(counts.events, below=counts.positions)].tolist()
    y = positions[rest.integers(counts.events, below=counts.positions)].tolist()
    index = rest.integers(counts.frames, below=2**31)
    thumbnail = rest.integers(counts.frames, below=counts.thumbnails + 1)
    patch = rest.integers(counts.frames, below=counts.patches + 1)
    thumbnails = rest.pictures(counts.thumbnails, side=(FRAME_HEIGHT, FRAME_WIDTH))
    patches = rest.pictures(counts.patches, side=(PATCH_SIDE, PATCH_SIDE))
    if np.any(thumbnail == 0):
        raise _broken("a frame without a picture")
    events = [
        InputEvent(t_ms=t, kind=kind, key=key, button=button, x=px, y=py)
        for t, kind, key, button, px, py in zip(t_ms.tolist(), kinds, keys, buttons, x, y, strict=True)
    ]
    frames = [
        Frame(thumbnail=thumbnails[t - 1], patch=patches[p - 1] if p else None)
        for t, p in zip(thumbnail.tolist(), patch.tolist(), strict=True)
    ]
    sessions = []
    first_event = first_frame = 0
    for session in counts.sessions:
        times = t_ms[first_event : first_event + session.events]
        indices = index[first_frame : first_frame + session.frames]
        if np.any(np.diff(times) < 0) or np.any(np.diff(indices) <= 0) or np.any(indices >= session.events):
            raise _broken("events or frames out of order")
        sessions.append(
            RecordedSession(
                person=person,
                events=tuple(events[first_event : first_event + session.events]),
                frames=dict(zip(indices.tolist(), frames[first_frame : first_frame + session.frames], strict=True)),
                aspect=session.aspect,
            )
        )
        first_event, first_frame = first_event + session.events, first_frame + session.frames
    return tuple(sessions)


class _Reader:
    """Columns out of an unpacked block, front to back."""

    def __init__(self, raw: bytes) -> None:
        self._raw, self._at = raw, 0

    def take(self, size: int) -> bytes:
        self._at += size
        return self._raw[self._at - size : self._at]

    def codes(self, count: int, *, below: int) -> bytes:
        values = self.take(count)
        if values and max(values) >= below:
            raise _broken("an unknown code")
        return values

    def integers(self, count: int, *, below: int) -> _Ints:
        planes = np.frombuffer(self.take(4 * count), dtype=np.uint8).reshape(4, count)
        deltas = np.ascontiguousarray(planes.T).view("<i4").reshape(count)
        values: _Ints = np.cumsum(deltas, dtype=np.int64)
        if count and not (values.min() >= 0 and values.max() < below):
            raise _broken("a number out of range")
        return values

    def pictures(self, count: int, *, side: tuple[int, int]) -> npt.NDArray[np.uint8]:
        modes = np.frombuffer(self.take(count), dtype=np.uint8)
        pictures = np.frombuffer(self.take(count * side[0] * side[1]), dtype=np.uint8).reshape(count, *side).copy()
        if np.any(modes > 1):
            raise _broken("an unknown prediction")
        for number, mode in enumerate(modes):
            if mode:
                np.cumsum(pictures[number], axis=1, dtype=np.uint8, out=pictures[number])
            elif number:
                pictures[number] += pictures[number - 1]
        pictures.setflags(write=False)
        return pictures


def _broken(what: str) -> FormatError:
    return FormatError(f"the recording holds {what}: it is damaged or not one of ours; nothing was read from it")


def _decompress(block: bytes, *, size: int) -> bytes:
    decompressor = lzma.LZMADecompressor(format=lzma.FORMAT_RAW, filters=_FILTERS)
    try:
        raw = decompressor.decompress(block, max_length=size + 1)
    except lzma.LZMAError:
        raise _broken("a block that does not unpack") from None
    if len(raw) != size or not decompressor.eof or decompressor.unused_data:
        raise _broken("a block of another size than it says")
    return raw


def _distinct(pictures: Sequence[Grey | None]) -> tuple[list[Grey], _Ints]:
    """Each distinct picture once, by first appearance, and for each place its number from 1; 0 where there is none."""
    seen: dict[bytes, int] = {}
    distinct: list[Grey] = []
    numbers = np.zeros(len(pictures), dtype=np.int64)
    for place, picture in enumerate(pictures):
        if picture is None:
            continue
        key = picture.tobytes()
        if key not in seen:
            seen[key] = len(distinct) + 1
            distinct.append(picture)
        numbers[place] = seen[key]
    return distinct, numbers


def _planes(values: _Ints) -> bytes:
    """Differences as four planes of bytes, low to high: the upper planes are nearly constant."""
    deltas = np.diff(values, prepend=0).astype("<i4")
    return np.ascontiguousarray(deltas.view(np.uint8).reshape(-1, 4).T).tobytes()


def _predict(pictures: Sequence[Grey], *, side: tuple[int, int]) -> bytes:
    """Each picture as its difference from the one before (mode 0) or of each pixel from its left one (mode 1)."""
    modes = bytearray()
    residuals: list[bytes] = []
    previous = np.zeros(side, dtype=np.uint8)
    for picture in pictures:
        options = (picture - previous, np.diff(picture, axis=1, prepend=np.uint8(0)))
        mode = int(np.argmin([np.abs(option.view(np.int8).astype(np.int64)).sum() for option in options]))
        modes.append(mode)
        residuals.append(options[mode].tobytes())
        previous = picture
    return bytes(modes) + b"".join(residuals)
