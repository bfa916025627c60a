"""The replies to one stage's messages, as they arrive, one message at a time.

Why not `grid.pull_messages(all_ids)`: it holds every finished reply in memory at once; one reply that can't be
rebuilt makes the whole pull raise, and the replies pulled with it are gone; the sender and the `reply_to_message_id`
of a rebuilt reply are what its sender wrote, so only the id that was asked for says whose reply it is; and a node
that announced a reply and died before uploading it blocks the pull for minutes. So each id is pulled alone, and a
pull that hangs gets company instead of being waited for.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from flwr.app import Message
from flwr.serverapp import Grid

STALLED_S = 1.0  # a pull that takes longer gets a second thread beside it
THREADS = 32  # so many nodes may stall their uploads before others wait for them
PATIENCE = 0.05  # of the time waited so far: so much later, at most, a reply is noticed
LONGEST_REST_S = 2.0
STRIKES = 3  # pulls that fail before a reply counts as unreadable


@dataclass(frozen=True, slots=True)
class Arrival:
    """One reply to the message that was sent to `node`; None where Flower could not rebuild it."""

    node: int
    messages: tuple[Message, ...] | None


class Mailbox:
    """Polls for the replies to `asked` (message id → node id) while it is open.

    poll_s: rest between two looks for the same reply; longer where one round of looks takes longer, and the longer the
    replies take: the SuperLink's database has better things to do while devices train.
    """

    def __init__(self, grid: Grid, asked: Mapping[str, int], *, poll_s: float) -> None:
        self._grid = grid
        self._asked = dict(asked)
        self._poll_s = poll_s
        self._opened = time.monotonic()
        self._due: deque[tuple[float, str]] = deque((0.0, identifier) for identifier in asked)
        self._strikes: dict[str, int] = dict.fromkeys(asked, 0)
        self._busy: dict[int, float] = {}  # thread → when its pull began
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._arrivals: queue.Queue[Arrival] = queue.Queue(maxsize=1)  # one reply waits, the rest stay at the SuperLink
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._hire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()

    def next(self, *, timeout_s: float) -> Arrival | None:
        """The next reply, or None if there is none within `timeout_s`."""
        self._watch()
        try:
            return self._arrivals.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def _hire(self) -> None:
        thread = threading.Thread(target=self._work, name="replies", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _watch(self) -> None:
        """Start another thread where all of them hang in a pull."""
        now = time.monotonic()
        with self._lock:
            hanging = sum(now - began > STALLED_S for began in self._busy.values())
            waiting = bool(self._due)
        if waiting and hanging == len(self._threads) < THREADS:
            self._hire()

    def _work(self) -> None:
        me = threading.get_ident()
        while not self._closed.is_set():
            identifier = self._take(me)
            if identifier is None:
                self._closed.wait(self._poll_s)
                continue
            began = time.monotonic()
            messages: tuple[Message, ...] | None
            try:
                found = tuple(self._grid.pull_messages([identifier]))
                messages = tuple(one for one in found if one.metadata.reply_to_message_id == identifier)
                failed = False
            except Exception:  # whatever a reply's bytes or the connection did: it concerns this reply alone
                messages, failed = None, True
            arrival = self._settle(me, identifier, messages, failed=failed, took_s=time.monotonic() - began)
            if arrival is not None:
                self._hand_over(arrival)

    def _take(self, me: int) -> str | None:
        now = time.monotonic()
        with self._lock:
            if not self._due or self._due[0][0] > now:
                return None
            self._busy[me] = now
            return self._due.popleft()[1]

    def _settle(
        self, me: int, identifier: str, messages: tuple[Message, ...] | None, *, failed: bool, took_s: float
    ) -> Arrival | None:
        """Put an unanswered id back in the queue; hand out a reply, or the fact that it can't be read."""
        with self._lock:
            self._busy.pop(me, None)
            self._strikes[identifier] += failed
            if messages:
                return Arrival(self._asked[identifier], messages)
            if self._strikes[identifier] >= STRIKES:
                return Arrival(self._asked[identifier], None)
            now = time.monotonic()
            patience_s = min(LONGEST_REST_S, PATIENCE * (now - self._opened))
            round_s = took_s * (1 + len(self._due))  # so that at most half of the time goes into looking
            self._due.append((now + max(self._poll_s, patience_s, round_s), identifier))
            return None

    def _hand_over(self, arrival: Arrival) -> None:
        while not self._closed.is_set():
            try:
                return self._arrivals.put(arrival, timeout=0.1)
            except queue.Full:
                continue
        return None
