"""The line of a run that is going on, rewritten in place on a terminal."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from reticent.aggregate.journal import Status
from reticent.audit.report.wording import epsilon as rounded_up
from reticent.train.planning import Planned
from reticent.train.summary import describe
from reticent.train.watching import Watch, counts, people_per_second, spent

_REFRESH = 2  # a second: the clock ticks between rounds
_RECENT = 10  # rounds whose pace counts for the time left
_METRICS = {"top1": "top-1", "perplexity": "perplexity", "cell_top1": "cell"}
_GAP = "  "


class LiveLine(Watch):
    """One line for the whole run: round, ε so far and left, metrics, pace, time left. What went wrong stands above it.

    ε: of the person charged most often, employee level, against the server, zero-out; left of privacy.epsilon, or of
    what the whole plan costs where noise was given instead. A narrow terminal gets the first parts only.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._made: Planned | None = None
        self._last: Mapping[str, Any] = {}
        self._done, self._ended = 0, False
        self._ticks: list[float] = []

    def begin(self, made: Planned, earlier: Sequence[Mapping[str, Any]]) -> None:
        self._made = made
        for line in earlier:
            self._take(line)
        self._ticks = [time.monotonic()]
        self._live = Live(self, console=self._console, refresh_per_second=_REFRESH)
        self._live.start()

    def line(self, line: Mapping[str, Any]) -> None:
        if line["status"] == Status.APPLIED:
            self._ticks = [*self._ticks[-_RECENT:], time.monotonic()]
        self._take(line)
        if self._live is not None:
            if not counts(line):
                self._console.print(describe(line), highlight=False, markup=False)
            self._live.refresh()

    def close(self) -> None:
        self._ended = True
        if self._live is not None:
            self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shown = ""
        for part in self.parts():
            longer = f"{shown}{_GAP}{part}" if shown else part
            if len(longer) > options.max_width:
                break
            shown = longer
        yield Text(shown, no_wrap=True, overflow="crop")

    def parts(self) -> list[str]:
        """What the line says, the most important first."""
        if self._made is None:
            return []
        total = self._made.plan.rounds
        said = [f"round {self._done:,}/{total:,}", *self._epsilon(self._made)]
        metrics = self._last.get("metrics") or {}
        said += [f"{title} {metrics[name]:.3f}" for name, title in _METRICS.items() if metrics.get(name) is not None]
        pace = people_per_second(self._last) if self._last else None
        if not self._ended:
            said.append(self._left(total))
        if pace is not None:
            said.append(f"{pace:,.0f} people/s")
        return said

    def _take(self, line: Mapping[str, Any]) -> None:
        if counts(line):
            self._last = line
            self._done = line["round"] + 1

    def _epsilon(self, made: Planned) -> list[str]:
        so_far = spent(made, self._done)
        limit = made.settings.privacy.epsilon
        whole = spent(made, made.plan.rounds) if limit is None else limit
        return [f"ε {rounded_up(so_far)}, {math.floor(100 * max(0.0, whole - so_far) + 1e-6) / 100:.2f} left"]

    def _left(self, total: int) -> str:
        """From the pace of the last rounds; the round that is on counts from its start."""
        rounds = len(self._ticks) - 1
        if rounds < 1:
            return "time left unknown"
        each = (self._ticks[-1] - self._ticks[0]) / rounds
        ends = self._ticks[-1] + each * (total - self._done)
        seconds = max(0, round(ends - time.monotonic()))
        hours, rest = divmod(seconds, 3600)
        return f"{hours}:{rest // 60:02}:{rest % 60:02} left"
