"""Drawn people: scripted persons at drawn screens, as many as wanted, each made from a name alone.

Datasheet
---------
What it is: sessions of made-up people. A person is a seed; the seed gives habits (rhythm, typing speed, mistakes,
keys or mouse, wheel or scroll bar, which tasks how often), a monitor (portrait pages of 160 x 210 to desktops of 21:9,
bright or dark) and three programs for each of 19 kinds of task (forms, logins, marked buttons, check lists, tabs,
search, list boxes, calendars, sliders, figures; menus, files, text, tables, terminals, reading, mail, sorting,
switching windows), with dialogs that pop up between two steps. Screens are painted in grey at two to six times the
canonical size; text is word-like noise.

What for: load tests with any number of people, and the public source that a trunk may be trained on. What a person
does next depends on the screen (which field is empty, which row is marked, whether a menu or dialog is open) and on
what they did before (their habits show in it).

What not for: claims about how well a model predicts people. Nobody chose anything here; scripts did.

How made: every event goes through the real coalescer, every frame through the real letterboxing. The same name gives
the same sessions in every process, on every machine with the same releases of Python, numpy and Pillow.

Licence: that of the package. It holds no data of any person and was drawn after none.
"""

from functools import lru_cache
from random import Random

from reticent.actions.action import Session
from reticent.recordings.drawn import office, web
from reticent.recordings.drawn.crowd import Crowd
from reticent.recordings.drawn.desk import Desk
from reticent.recordings.drawn.persona import Persona, persona
from reticent.recordings.recorded import RecordedSession, session

TASKS = (
    web.form,
    web.login,
    web.pick,
    web.checklist,
    web.tabs,
    web.search,
    web.dropdown,
    web.calendar,
    web.sliders,
    web.shapes,
    office.menu,
    office.files,
    office.text,
    office.table,
    office.terminal,
    office.reading,
    office.mail,
    office.sorting,
    office.switching,
)
_CROWD = Crowd("drawn")


def name(index: int) -> str:
    """The name of a drawn person: 7 is drawn-0007. Raises SettingError for an index that nobody has."""
    return _CROWD.name(index)


def recorded(person: str) -> tuple[RecordedSession, ...]:
    """A person's sittings, as a recorder would keep them. Raises SettingError for a name that is not `name(index)`."""
    _CROWD.check(person)
    who = persona(person, tasks=len(TASKS))
    random = Random(f"{person}/days")  # noqa: S311  (drawn people are no secret)
    return tuple(
        _sitting(who, Random(f"{person}/{number}"), actions=random.randint(12, 40))  # noqa: S311
        for number in range(random.randint(1, 4))
    )


@lru_cache(maxsize=4)
def sessions(person: str) -> tuple[Session, ...]:
    """A person's sessions: 12 to about 200 actions in all. Raises: as `recorded`."""
    return tuple(session(sitting) for sitting in recorded(person))


def _sitting(who: Persona, random: Random, *, actions: int) -> RecordedSession:
    desk = Desk(who, random)
    while desk.hand.actions < actions:
        task = random.choices(TASKS, weights=who.tasks)[0]
        desk.open(task.__name__)
        task(desk)
        if desk.chance(0.1):
            desk.hand.wait(8_000)
    return desk.hand.recorded(who.seed)
