"""Drawn people on errands: short tasks on small web pages, one a session, any number of people.

Datasheet
---------
What it is: sessions of made-up people, as in `drawn`, who do other things. A page opens with an instruction at its top; the
person does one task of 1 to 15 actions, and the session ends. A person has such sessions of 10 to 60 actions in all. A person
is a seed; the seed gives habits (rhythm, mistakes, double and stray clicks, TAB and ENTER or the mouse, how to mark a word and
how to empty a field, wheel or scroll bar), a page (160 x 210 CSS pixels and seven other sizes, upright and wide), a theme, and
how often they meet each of 54 tasks. Two people in five have pages as a source without pixels keeps them: bars for text, no
patches. Nothing on a page marks what is wanted: which button, line or day it is stands in the instruction, which is noise.

The 200 people who are listed have 1,349 sessions of 4.6 actions on average. Kinds of actions: click 65.6%, type 17.4%,
double click 4.3%, drag 3.6%, enter 3.2%, tab 2.1%, delete 1.2%, shortcut 1.0%, scroll 0.7%, navigate 0.6%,
right click 0.2%, other 0.1%.

What for, and what not for: as `drawn`. The two differ in what people do (long work with programs there), not in how they
are made: the same hands, the real coalescer, the real letterboxing; the same name gives the same sessions everywhere.

Licence: that of the package. It holds no data of any person, and was drawn after none: the tasks are of the kind that
collections of web micro-tasks, such as MiniWoB++, have, and how often people do what was made up.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from random import Random
from types import MappingProxyType

from reticent.actions.action import Session
from reticent.recordings.drawn.crowd import Crowd
from reticent.recordings.drawn.errands import choosing, games, moving, opening, sites, writing
from reticent.recordings.drawn.errands.page import Page
from reticent.recordings.drawn.errands.visitor import visitor
from reticent.recordings.recorded import RecordedSession, session

ERRANDS: Mapping[Callable[[Page], None], float] = MappingProxyType(
    {
        choosing.buttons: 1.0,
        choosing.links: 1.0,
        choosing.checkboxes: 2.0,
        choosing.radios: 1.0,
        choosing.dropdown: 2.0,
        choosing.listbox: 1.0,
        choosing.dialog: 1.0,
        choosing.tabs: 1.0,
        choosing.colours: 1.0,
        writing.text: 4.0,
        writing.focus: 1.0,
        writing.form: 4.0,
        writing.login: 4.0,
        writing.password: 2.0,
        writing.copying: 2.0,
        writing.finding: 2.0,
        writing.suggestions: 3.0,
        writing.sums: 2.0,
        writing.spinner: 1.0,
        writing.guessing: 1.0,
        writing.flight: 2.0,
        moving.sliders: 0.5,
        moving.box: 0.5,
        moving.ordering: 0.5,
        moving.grouping: 0.5,
        moving.grid: 0.5,
        moving.resizing: 0.5,
        moving.marking: 1.0,
        moving.scrolling: 1.0,
        moving.drawing: 0.5,
        moving.colour: 1.0,
        moving.calendar_drag: 0.5,
        opening.sections: 1.0,
        opening.menu: 1.0,
        opening.tree: 1.0,
        opening.date: 2.0,
        opening.wizard: 1.0,
        opening.pie: 1.0,
        sites.mail: 2.0,
        sites.search: 2.0,
        sites.posts: 1.0,
        sites.phone_book: 1.0,
        sites.shop: 1.0,
        sites.editor: 1.0,
        sites.terminal: 1.0,
        sites.table: 2.0,
        games.noughts: 1.0,
        games.board: 1.0,
        games.figures: 1.0,
        games.ascending: 1.0,
        games.number_pad: 1.0,
        games.repeating: 1.0,
        games.chasing: 1.0,
        games.pointing: 1.0,
    }
)  # how usual each is, beside the others
_CROWD = Crowd("drawn-web")


def name(index: int) -> str:
    """The name of a person: 7 is drawn-web-0007. Raises SettingError for an index that nobody has."""
    return _CROWD.name(index)


def recorded(person: str) -> tuple[RecordedSession, ...]:
    """A person's sittings, one errand each. Raises SettingError for a name that is not `name(index)`."""
    _CROWD.check(person)
    who = visitor(person, usual=tuple(ERRANDS.values()))
    random = Random(f"{person}/errands")  # noqa: S311  (drawn people are no secret)
    enough = random.randint(10, 45)
    sittings: list[RecordedSession] = []
    while sum(len(one.frames) for one in sittings) < enough:
        (errand,) = random.choices(tuple(ERRANDS), weights=who.tasks)
        rest = Random(f"{person}/{len(sittings)}")  # noqa: S311
        sittings.append(Page(who, rest, errand=errand.__name__).run(errand))
    return tuple(sittings)


@lru_cache(maxsize=4)
def sessions(person: str) -> tuple[Session, ...]:
    """A person's sessions: 10 to 60 actions in all. Raises: as `recorded`."""
    return tuple(session(sitting) for sitting in recorded(person))
