"""What must be said about a recording of an office? Its datasheet, from the text beside this file and the figures."""

import os
import shutil
import subprocess
from collections import Counter
from importlib.metadata import version
from pathlib import Path

from figures import LISTED, Figures
from web_tasks import TASKS

from reticent.actions.vocabulary import ActionKind
from reticent.recordings.source import split_people

TEXT = Path(__file__).with_suffix(".md")


def datasheet(figures: Figures, *, asked: int, seed: int, at_once: int, file_bytes: int) -> str:
    """Markdown. asked: how many people the recording was begun for; file_bytes: without this page."""
    total = sum(figures.kinds.values())
    names = tuple(person["name"] for person in figures.people)
    groups = split_people(names)
    return TEXT.read_text().format(
        people=len(names),
        sessions=figures.total("sessions"),
        actions=f"{total:,}",
        actions_spread=figures.spread("actions"),
        events=f"{figures.events:,}",
        minutes=f"{figures.minutes:.0f}",
        megabytes=f"{file_bytes / 1e6:.1f}",
        frames=f"{figures.frames:,}",
        thumbnails=f"{figures.thumbnails:,}",
        patches=f"{figures.patches:,}",
        first=names[0],
        last=names[-1],
        kinds="\n".join(
            f"| {kind.name.lower().replace('_', ' ')} | {figures.kinds[kind]:,} | {figures.kinds[kind] / total:.1%} |"
            for kind in ActionKind
        ),
        cells=figures.cells,
        asked=asked,
        seed=seed,
        at_once=at_once,
        cores=os.cpu_count(),
        pynput=version("pynput"),
        mss=version("mss"),
        miniwob=version("miniwob"),
        chromium=_chromium(),
        tasks=len(TASKS),
        tried=f"{figures.total('tried'):,}",
        solved=f"{figures.total('solved'):,}",
        failed=figures.total("failed"),
        helped=figures.total("helped"),
        rhythm=f"{figures.rhythm:.2f}",
        rhythm_extra=f"{figures.rhythm_extra_ms:.0f}",
        personas="\n".join(f"| {name} | {_summary(figures, name)} |" for name in _drawn(figures)),
        public=len(groups.public),
        client=len(groups.client) + len(groups.validation),
        test=len(groups.test),
        held_out=f"{figures.total('held_out'):,}",
        held_out_spread=figures.spread("held_out"),
        clicks=f"{figures.kinds[ActionKind.CLICK] / total:.0%}",
    )


def _drawn(figures: Figures) -> list[str]:
    return [name for name in figures.people[0] if name not in ("name", "seed", *LISTED)]


def _summary(figures: Figures, name: str) -> str:
    """The spread of what is measured; how often each value of what is chosen occurs."""
    values = [person[name] for person in figures.people]
    if isinstance(values[0], float) and len(set(values)) > 4:
        return figures.spread(name)
    if isinstance(values[0], int) and not isinstance(values[0], bool) and len(set(values)) > 4:
        return figures.spread(name)
    shown = Counter("×".join(map(str, one)) if isinstance(one, list) else str(one).lower() for one in values)
    return ", ".join(f"{value}: {count}" for value, count in sorted(shown.items()))


def _chromium() -> str:
    """The browser's name and main version."""
    told = subprocess.run([shutil.which("chromium") or "chromium", "--version"], capture_output=True, text=True).stdout
    return " ".join(told.split()[:2]).partition(".")[0]
