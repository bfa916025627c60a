"""How do a person's hands make input events? Rhythm in, events and the frames before each action out."""

from random import Random

from reticent.actions.action import Frame
from reticent.actions.coalesce import Coalescer
from reticent.actions.events import Button, EventKind, InputEvent, KeyClass
from reticent.recordings.drawn.persona import Persona
from reticent.recordings.drawn.screen import Box, Screen
from reticent.recordings.recorded import RecordedSession

_LETTERS = (KeyClass.LETTER,) * 12 + (KeyClass.SPACE, KeyClass.SPACE, KeyClass.DIGIT, KeyClass.PUNCTUATION)


class Hand:
    """One sitting. As in a recorder, a coalescer says at each event whether the frame before it is to be kept."""

    def __init__(self, screen: Screen, persona: Persona, random: Random) -> None:
        self._screen, self._persona, self._random = screen, persona, random
        self._coalescer = Coalescer(aspect=screen.aspect)
        self._events: list[InputEvent] = []
        self._frames: dict[int, Frame] = {}
        self._now_ms = random.randint(300, 3_000)
        self._x, self._y = random.uniform(0.2, 0.8) * screen.width, random.uniform(0.2, 0.8) * screen.height

    @property
    def actions(self) -> int:
        """How many actions began so far."""
        return len(self._frames)

    def recorded(self, person: str) -> RecordedSession:
        return RecordedSession(
            person=person, events=tuple(self._events), frames=self._frames, aspect=self._screen.aspect
        )

    def click(self, box: Box, *, button: Button = Button.LEFT, times: int = 1) -> None:
        self._think()
        self._travel(*self._aim(box))
        for press in range(times):
            self._button(button, after_ms=130 if press else 40)

    def again(self, *, after_ms: float) -> None:
        """One more click where the pointer is: soon after one it makes a double click."""
        self._button(Button.LEFT, after_ms=after_ms)

    def drag(self, start: Box, end: Box) -> None:
        self._think()
        self._travel(*self._aim(start))
        self._wait(60)
        self._push(EventKind.BUTTON_DOWN, button=Button.LEFT)
        self._travel(*self._aim(end))
        self._wait(60)
        self._push(EventKind.BUTTON_UP, button=Button.LEFT)

    def scroll(self, over: Box, *, notches: int) -> None:
        self._think()
        x, y, w, h = over
        if not (x <= self._x < x + w and y <= self._y < y + h):
            self._travel(*self._aim(over))
        for _ in range(notches):
            self._wait(70)
            self._push(EventKind.SCROLL)

    def type(self, keys: int) -> None:
        self._think()
        for number in range(keys):
            self._tap(_LETTERS[int(self._random.random() * len(_LETTERS))], first=number == 0)

    def press(self, key: KeyClass, *, times: int = 1) -> None:
        self._think()
        for number in range(times):
            self._tap(key, first=number == 0)

    def shortcut(self, key: KeyClass = KeyClass.LETTER) -> None:
        self._think()
        self._push(EventKind.KEY_DOWN, key=KeyClass.MODIFIER)
        self._wait(90)
        self._tap(key, first=True)
        self._wait(40)
        self._push(EventKind.KEY_UP, key=KeyClass.MODIFIER)

    def wait(self, ms: float) -> None:
        """Let time pass: reading, or a machine that is slow."""
        self._wait(ms)

    def _button(self, button: Button, *, after_ms: float) -> None:
        self._wait(after_ms)
        self._push(EventKind.BUTTON_DOWN, button=button)
        self._wait(80)
        self._push(EventKind.BUTTON_UP, button=button)

    def _tap(self, key: KeyClass, *, first: bool) -> None:
        if not first:
            self._wait(self._persona.key_ms, most=1_200)
        self._push(EventKind.KEY_DOWN, key=key)
        self._wait(45)
        self._push(EventKind.KEY_UP, key=key)

    def _think(self) -> None:
        self._wait(self._persona.think_ms)

    def _wait(self, median_ms: float, *, most: int = 60_000) -> None:
        self._now_ms += min(most, max(8, int(median_ms * (0.55 + self._random.expovariate(1.5)))))

    def _aim(self, box: Box) -> tuple[float, float]:
        spread, gauss = self._persona.aim, self._random.gauss
        x = box.x + box.w * min(max(0.5 + gauss(0, spread), 0.04), 0.96)
        y = box.y + box.h * min(max(0.5 + gauss(0, spread), 0.04), 0.96)
        return x, y

    def _travel(self, x: float, y: float) -> None:
        """Three moves along a slight bow."""
        x = min(max(x, 0.0), self._screen.width - 1.0)
        y = min(max(y, 0.0), self._screen.height - 1.0)
        from_x, from_y = self._x, self._y
        bow = self._random.uniform(-0.08, 0.08)
        far = (abs(x - from_x) + abs(y - from_y)) / (self._screen.width + self._screen.height)
        for share, bend in ((0.4, 1.0), (0.85, 0.6), (1.0, 0.0)):
            self._now_ms += int((60 + 450 * far) * self._persona.hand / 3) + 1
            self._x = from_x + share * (x - from_x) + bend * bow * (y - from_y)
            self._y = from_y + share * (y - from_y) - bend * bow * (x - from_x)
            self._push(EventKind.MOVE)

    def _push(self, kind: EventKind, *, key: KeyClass = KeyClass.NONE, button: Button = Button.NONE) -> None:
        x = min(max(int(self._x) / self._screen.width, 0.0), 1.0)
        y = min(max(int(self._y) / self._screen.height, 0.0), 1.0)
        event = InputEvent(t_ms=self._now_ms, kind=kind, key=key, button=button, x=x, y=y)
        if self._coalescer.push(event).starts:
            thumbnail = self._screen.thumbnail()
            self._frames[len(self._events)] = Frame(thumbnail=thumbnail, patch=self._screen.patch(self._x, self._y))
        self._events.append(event)
