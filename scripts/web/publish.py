"""What must be said about a recording of web tasks? Its datasheet, from the text beside this file, and a contact sheet."""

import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

from chromium import NAME
from sitter import KINDS_OF_TASK, TIMES_EACH, Recorded
from tasks import TASKS

from reticent.actions.action import Grey
from reticent.actions.vocabulary import ActionKind
from reticent.recordings import contact_sheet
from reticent.recordings.archive import read_archive, session, write_packed
from reticent.recordings.source import contact_sheet_of, split_to_learn_from

TEXT = Path(__file__).with_name("datasheet.md")
TITLE = "web: scripted people at the web tasks of MiniWoB++"


def publish(out: Path, recorded: Sequence[Recorded], *, seed: int) -> None:
    """Write everybody into one recording, its datasheet inside and beside it, and a contact sheet."""
    packed = [one.packed for one in recorded]
    write_packed(out, packed, title=TITLE, datasheet="", public=True)
    page, sheet = _described(out, recorded, seed=seed)
    write_packed(out, packed, title=TITLE, datasheet=page, public=True)
    out.with_name(f"DATASHEET-{out.stem}.md").write_text(page)
    contact_sheet_of(out).write_bytes(contact_sheet.render(sheet))


def _described(out: Path, recorded: Sequence[Recorded], *, seed: int) -> tuple[str, list[Grey]]:
    archive = read_archive(out)
    kinds: Counter[ActionKind] = Counter()
    sizes, sheet = [], []
    sittings = 0
    for person, room in zip(archive.people, contact_sheet.spread(len(archive.people)), strict=True):
        theirs = [session(one) for one in archive.sessions(person)]
        kinds.update(action.kind for one in theirs for action in one.actions)
        sizes.append(sum(len(one.actions) for one in theirs))
        sheet += contact_sheet.pick([frame.thumbnail for one in theirs for frame in one.frames], count=room)
        sittings += len(theirs)
    counts = [archive.counts(person) for person in archive.people]
    tried, solved, actions = (
        sum((getattr(one, name) for one in recorded), Counter()) for name in ("tried", "solved", "actions")
    )
    groups = split_to_learn_from(archive.people)
    total = sum(sizes)
    page = TEXT.read_text().format(
        people=len(sizes),
        sittings=f"{sittings:,}",
        actions=f"{total:,}",
        actions_spread=f"{min(sizes)} to {max(sizes)}, median {median(sizes):g}",
        events=f"{sum(one.events for one in counts):,}",
        megabytes=f"{archive.file_bytes / 1e6:.1f}",
        public=len(groups.public),
        test=len(groups.test),
        miniwob=version("miniwob"),
        tasks=len(TASKS),
        chromium=_chromium(),
        seed=seed,
        thumbnails=f"{sum(one.thumbnails for one in counts):,}",
        kinds="\n".join(
            f"| {kind.name.lower().replace('_', ' ')} | {kinds[kind]:,} | {kinds[kind] / total:.1%} |"
            for kind in ActionKind
        ),
        solved=f"{solved.total():,}",
        tried=f"{tried.total():,}",
        by_task="\n".join(f"| {task} | {tried[task]} | {solved[task]} | {actions[task]:,} |" for task in TASKS),
        kinds_of_task=KINDS_OF_TASK,
        times_each=TIMES_EACH,
    )
    return page, sheet


def _chromium() -> str:
    """The browser's name and main version."""
    told = subprocess.run([shutil.which(NAME) or NAME, "--version"], capture_output=True, text=True, check=True).stdout
    return " ".join(told.split()[:2]).partition(".")[0]
