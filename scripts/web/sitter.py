"""What does one person do, one task after the other, and how does that become sittings?"""

import json
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from chromium import PATIENCE_S, Chromium
from hand import Hand
from page import Lost, Page
from persona import Persona, draw
from tasks import TASKS

from reticent.errors import FormatError
from reticent.recordings.archive import PackedPerson, pack_person
from reticent.recordings.imported.miniwob_files import demonstration
from reticent.recordings.imported.taken import Tally
from reticent.recordings.recorded import RecordedSession

SCRIPT = Path(__file__).with_name("page.js")
KINDS_OF_TASK, TIMES_EACH = 9, 7


def plan(persona: Persona) -> list[tuple[str, list[int]]]:
    """The tasks that a person does, and the seeds of the times that each is done."""
    dice = random.Random(f"web plan {persona.seed}")
    chosen = dice.sample(sorted(TASKS), KINDS_OF_TASK)
    return [(task, [dice.randrange(2**31) for _ in range(TIMES_EACH)]) for task in chosen]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One person, and by task how often it was tried and solved and how many actions it took. broken: what was not found or
    not kept, and how often."""

    packed: PackedPerson
    tried: Counter[str]
    solved: Counter[str]
    actions: Counter[str]
    broken: Counter[str]


def record(number: int, *, seed: int, html: Path) -> Recorded:
    """One person, at a browser of their own. html: the folder of the pages."""
    persona = draw(number, seed=seed)
    with Chromium() as chromium:
        sitter = Sitter(chromium, html.as_uri())
        sittings = sitter.record(persona, plan(persona))
    return Recorded(
        packed=pack_person(persona.name, sittings),
        tried=sitter.tried,
        solved=sitter.solved,
        actions=sitter.actions,
        broken=sitter.broken,
    )


class Sitter:
    """One browser, at which people sit one after the other."""

    def __init__(self, chromium: Chromium, pages: str) -> None:
        self._chromium, self._pages = chromium, pages
        self.solved: Counter[str] = Counter()
        self.tried: Counter[str] = Counter()
        self.actions: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()
        chromium.call("Page.enable")
        chromium.call("Page.addScriptToEvaluateOnNewDocument", source=SCRIPT.read_text())

    def record(self, persona: Persona, todo: list[tuple[str, list[int]]]) -> list[RecordedSession]:
        """Everything that a person does, a sitting a task."""
        dice = random.Random(f"web {persona.seed}")
        hand = Hand(self._chromium, persona, dice=dice)
        sittings = []
        for task, seeds in todo:
            self._open(task, hand)
            for seed in seeds:
                if (recorded := self._sitting(task, seed, Page(self._chromium, hand, dice=dice))) is not None:
                    sittings.append(recorded)
        return sittings

    def _open(self, task: str, hand: Hand) -> None:
        self._chromium.call("Page.navigate", url=f"{self._pages}/miniwob/{task}.html?record=1")
        deadline = time.monotonic() + PATIENCE_S
        while not self._chromium.ask("location.search === '?record=1' && web.ready()"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the page {task} never came")
            time.sleep(0.005)
        self._chromium.ask("recorder.setup(); web.set()")
        hand.origin_ms = float(self._chromium.ask("performance.timeOrigin"))
        hand.now_ms = 1_000.0

    def _sitting(self, task: str, seed: int, page: Page) -> RecordedSession | None:
        self.tried[task] += 1
        page.begin(seed)
        began_ms = round(page.hand.now_ms)
        for _ in range(2):  # who loses sight of something begins again
            try:
                TASKS[task](page)
                break
            except Lost as lost:
                if page.done():
                    break
                self.broken[f"{task}: {lost}"] += 1
        self.solved[task] += page.done() and float(page.ask("WOB_RAW_REWARD_GLOBAL")) > 0
        states = json.loads(str(page.ask("web.states()")))
        shown = None
        for state in states:
            state["time"] = round(state["time"]) - began_ms
            shown = state.setdefault("dom", shown)
        try:
            recorded = demonstration(page.persona.name, states, Tally("tasks"))
        except FormatError as error:
            self.broken[f"{task}: {error}"] += 1
            return None
        self.actions[task] += len(recorded.frames)
        return recorded
