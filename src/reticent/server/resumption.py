"""Runs that were going on when the server, the machine or their process went down go on by themselves while `serve` runs."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from reticent.aggregate.standing import Standing, how_it_ended, is_worked_on, standing
from reticent.errors import ReticentError
from reticent.records.plan import Plan
from reticent.server import run
from reticent.server.settings import ServerPaths

TRIES = 5
"""So often a run is started again without a new round; then it rests until the operator resumes it."""

_LOOK_S = 1.0
_ON_ITS_WAY_S = 5.0  # between two questions to Flower about a run whose process hasn't begun
_BACK_OFF_S = (2.0, 60.0)
_STOPPING_S = 45.0  # longer than a stopped run takes to let go, where the SuperLink answers
_JOIN_S = 5.0


def left_over(paths: ServerPaths) -> tuple[str, ...]:
    """The plans that were going on and that nobody works on, in the order in which they were signed.

    Asked before a server starts: none of them can be on its way then.
    """
    return tuple(plan_id for plan_id, _, stands in _unfinished(paths)[0] if stands is Standing.INTERRUPTED)


class Resumption:
    """While it is entered, a thread looks at the folder's runs; it starts again those that were interrupted.

    One at a time, in the order in which they were signed: the receipt index has one writer. Who was stopped by the
    operator, finished, was aborted or failed is left alone.
    """

    def __init__(self, paths: ServerPaths, left: Sequence[str], *, say: Callable[[str], None]) -> None:
        self._paths = paths
        self._say = say
        self._dead = set(left)  # whatever Flower believes about them
        self._followed: set[str] = set()
        self._tries: dict[str, tuple[int, int]] = {}  # plan → rounds applied when it was started again, how often
        self._due: dict[str, float] = {}
        self._stopping: dict[str, float] = {}
        self._broken: dict[str, str] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tend, name="resumption", daemon=True)
        for plan_id in left[1:]:
            say(f"plan {plan_id} goes on after plan {left[0]}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(_JOIN_S)

    def _tend(self) -> None:
        while True:
            try:
                self.look()
            except (ReticentError, OSError) as error:
                self._say(f"the runs can't be looked at: {error}")
                self._ended.wait(_BACK_OFF_S[1])
            if self._ended.wait(_LOOK_S):
                return

    def look(self) -> None:
        """One look at all runs; at most one of them is started again."""
        self._tell_ends()
        self._end_what_was_stopped()
        unfinished, broken = _unfinished(self._paths)
        for plan_id in broken.keys() - self._broken.keys():
            self._say(f"plan {plan_id} is left alone: {broken[plan_id]}")
        self._broken = broken
        if any(stands is Standing.RUNNING for _, _, stands in unfinished):
            return
        for plan_id, plan, _ in unfinished:
            if time.monotonic() >= self._due.get(plan_id, 0.0):
                self._go_on(plan_id, plan)
            return

    def _go_on(self, plan_id: str, plan: Plan) -> None:
        folder = self._paths.run(plan_id)
        why, applied = how_it_ended(folder), run.applied(run.journal(folder))
        before, tries = self._tries.get(plan_id, (-1, 0))
        tries = tries + 1 if applied == before else 1
        if tries > TRIES:
            run.give_up(self._paths, plan_id, f"it ended {TRIES} times without a new round; the last time, {why}")
            return
        self._due[plan_id] = time.monotonic() + _ON_ITS_WAY_S
        try:
            if not run.restart(self._paths, plan_id, dead=plan_id in self._dead):
                return
        except ReticentError as error:
            self._say(f"plan {plan_id} can't go on yet: {error}")
            self._due[plan_id] = time.monotonic() + _BACK_OFF_S[1]
            return
        self._dead.discard(plan_id)
        self._followed.add(plan_id)
        self._tries[plan_id] = applied, tries
        self._due[plan_id] = time.monotonic() + min(_BACK_OFF_S[0] * 2**tries, _BACK_OFF_S[1])
        where = f"with round {applied + 1} of {plan.rounds}" if applied < plan.rounds else "to its end"
        self._say(f"plan {plan_id} goes on {where}: {why}")

    def _tell_ends(self) -> None:
        for plan_id in tuple(self._followed):
            outcome = run.outcome(self._paths, plan_id)
            if outcome is not None:
                self._followed.remove(plan_id)
                self._say(f"plan {plan_id} ended: {outcome.sentence()}")

    def _end_what_was_stopped(self) -> None:
        """A SuperLink that was away when the operator stopped a run never heard of it."""
        now = time.monotonic()
        stopping = {folder.name for folder in run.folders(self._paths) if _is_stopped(folder) and is_worked_on(folder)}
        self._stopping = {plan_id: self._stopping.get(plan_id, now) for plan_id in stopping}
        for plan_id, since in self._stopping.items():
            if now - since > _STOPPING_S:
                run.stop(self._paths.root, plan_id)


def _is_stopped(folder: Path) -> bool:
    with contextlib.suppress(ReticentError):  # told where the unfinished ones are looked for
        return standing(folder) is Standing.STOPPED
    return False


def _unfinished(paths: ServerPaths) -> tuple[list[tuple[str, Plan, Standing]], dict[str, str]]:
    """The runs that go on by themselves, in the order of signing; and those that can't be read, with the reason."""
    found, broken = [], {}
    for folder in run.folders(paths):
        try:
            stands = standing(folder)
            if stands.unfinished:
                found.append((folder.name, run.read_run(paths, folder.name), stands))
        except ReticentError as error:
            broken[folder.name] = str(error)
    return sorted(found, key=lambda one: (one[1].issued_at, one[0])), broken
