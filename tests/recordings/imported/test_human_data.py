"""The importers on people's data, where it is: counts, and how far our actions agree with those that were extracted beside it.

Nothing of it is in the project, and what is made of it here goes with the test's folder.
"""

import os
from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path
from shutil import rmtree

import numpy as np
import pyarrow.parquet as pq
import pytest

from reticent.cli import main
from reticent.recordings import source
from reticent.recordings.archive import read_archive, session
from reticent.recordings.imported.shapes import balabit

DATA = os.environ.get("RETICENT_DATA")
pytestmark = pytest.mark.skipif(
    DATA is None,
    reason="RETICENT_DATA isn't set: it names the folder of people's data, which is not part of the project",
)
SESSIONS = 80
THEIRS = {
    "dblclick": "double_click",
    "key_delete": "delete",
    "key_nav": "navigate",
    "key_tab": "tab",
    "key_enter": "enter",
    "key_other": "other",
}


@pytest.fixture(scope="module")
def slice_of_miniwob(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The tables, of the first sessions in order of their hashes."""
    whole, folder = Path(DATA or "") / "miniwob", tmp_path_factory.mktemp("miniwob")
    demos = pq.read_table(whole / "demos.parquet")
    wanted = sorted(set(demos["session"].to_pylist()))[:SESSIONS]
    pq.write_table(demos.filter(np.isin(demos["session"].to_pylist(), wanted)), folder / "demos.parquet")
    for name in ("events", "actions"):
        table = pq.read_table(whole / f"{name}.parquet")
        mine = set(pq.read_table(folder / "demos.parquet")["demo_id"].to_pylist())
        pq.write_table(
            table.filter([demo in mine for demo in table["demo_id"].to_pylist()]), folder / f"{name}.parquet"
        )
    (folder / "frames.npz").write_bytes((whole / "frames.npz").read_bytes())
    yield folder
    rmtree(folder)


def folded(kinds: list[str]) -> list[str]:
    """Kinds as both say them: the tables count the first click of a double one, modifiers, and each part of a run."""
    found: list[str] = []
    for kind in kinds:
        if kind == "key_modifier":
            continue
        if kind == "double_click" and found and found[-1] == "click":
            found[-1] = kind
        elif not (found and kind == found[-1] and kind in ("scroll", "type", "delete", "navigate")):
            found.append(kind)
    return found


def test_a_slice_of_miniwob_comes_in_whole_and_agrees_with_the_extracted_actions(
    slice_of_miniwob: Path, tmp_path: Path
) -> None:
    out = tmp_path / "miniwob.recording"
    assert main(["data", "import", "miniwob", str(slice_of_miniwob), str(out)]) == 0
    archive = read_archive(out)
    demos = pq.read_table(slice_of_miniwob / "demos.parquet").to_pylist()
    actions = pq.read_table(slice_of_miniwob / "actions.parquet").to_pylist()
    whose = {one["demo_id"]: one["session"] for one in demos}
    did = {one["demo_id"]: None for one in actions}
    assert set(archive.people) == {whose[demo] for demo in did}
    assert sum(archive.counts(person).sessions for person in archive.people) == len(did)
    theirs: dict[str, list[list[str]]] = {}
    for demo in (one["demo_id"] for one in demos if one["demo_id"] in did):
        kinds = [THEIRS.get(one["action"], one["action"]) for one in actions if one["demo_id"] == demo]
        theirs.setdefault(whose[demo], []).append(folded(kinds))
    alike = most = 0
    ours_by_kind: Counter[str] = Counter()
    theirs_by_kind: Counter[str] = Counter()
    for person in archive.people:
        for one, expected in zip(archive.sessions(person), theirs[person], strict=True):
            made = session(one)
            assert all(frame.thumbnail.any() and frame.patch is None for frame in made.frames)
            ours = [action.kind.name.lower() for action in made.actions]
            blocks = SequenceMatcher(None, ours, expected, autojunk=False).get_matching_blocks()
            alike, most = alike + sum(block.size for block in blocks), most + max(len(ours), len(expected))
            ours_by_kind.update(ours)
            theirs_by_kind.update(expected)
    # 0.917 of the whole data: the rest are other limits for double clicks, drags and pauses, and shortcuts.
    assert alike / most > 0.9
    for kind in {*ours_by_kind, *theirs_by_kind}:
        shares = ours_by_kind[kind] / ours_by_kind.total(), theirs_by_kind[kind] / theirs_by_kind.total()
        assert abs(shares[0] - shares[1]) < 0.05, kind
    groups = source.split(source.of_file(out))
    assert (groups.public, len(groups.client) + len(groups.validation) + len(groups.test)) == ((), len(archive.people))
    assert 0.08 < len(groups.validation) / len(archive.people) < 0.12


def test_balabit_comes_in_whole_with_the_kinds_that_were_extracted() -> None:
    opened = balabit(Path(DATA or "") / "balabit")
    table = pq.read_table(Path(DATA or "") / "balabit" / "actions.parquet")
    people = dict(opened.people)
    assert people.keys() == set(table["user"].to_pylist())
    sittings = [one for theirs in people.values() for one in theirs]
    pairs = zip(table["user"].to_pylist(), table["session"].to_pylist(), strict=True)
    assert len(sittings) == len(set(pairs)) == opened.tally.seen
    assert opened.tally.sentences() == []
    kinds = Counter(action.kind.name.lower() for one in sittings for action in session(one).actions)
    expected = Counter(table["action"].to_pylist())
    assert abs(kinds["click"] / expected["click"] - 1) < 0.01
    assert abs(kinds["double_click"] / expected["dblclick"] - 1) < 0.02
    assert kinds["drag"] == expected["drag"]
    assert kinds["right_click"] == expected["click_r"] + expected["drag_r"]
