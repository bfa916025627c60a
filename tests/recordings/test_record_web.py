"""Scripted people at web tasks: drawn from a seed, recorded in a real browser, framed as human demonstrations are."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts" / "web"
BROWSER = pytest.mark.skipif(shutil.which("chromium") is None, reason="this machine has no chromium")


def web(code):
    """What `code` prints as JSON, run beside the scripts."""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=SCRIPTS,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def test_a_seed_gives_the_same_people_and_tasks_and_another_gives_others():
    found = web("""
import json
from dataclasses import asdict
from persona import draw
from sitter import plan
from tasks import TASKS
people = [[(asdict(draw(n, seed=seed)), plan(draw(n, seed=seed))) for n in range(1, 60)] for seed in (1, 1, 2)]
print(json.dumps({"people": people, "tasks": sorted(TASKS)}))
""")
    assert found["people"][0] == found["people"][1]
    assert found["people"][0] != found["people"][2]
    done = {task for _, planned in found["people"][0] for task, _ in planned}
    assert done == set(found["tasks"])  # 59 people leave no task out
    assert len({persona["name"] for persona, _ in found["people"][0]}) == 59


@BROWSER
def test_a_person_solves_tasks_in_a_real_browser_and_frames_are_the_importers():
    found = web("""
import json
import sitter
from chromium import Chromium
from main import pages
from persona import draw
from reticent.recordings.imported.miniwob import framed
from reticent.recordings.imported.miniwob_screen import draw as raster
from reticent.recordings.recorded import session
made, demonstration = [], sitter.demonstration
sitter.demonstration = lambda person, states, tally: (made.append(states), demonstration(person, states, tally))[1]
with Chromium() as chromium:
    person = sitter.Sitter(chromium, pages().as_uri())
    sittings = person.record(draw(3, seed=1), [("login-user", [1, 2]), ("click-tab-2", [3])])
print(json.dumps({
    "solved": person.solved,
    "kinds": [[action.kind.name for action in session(one).actions] for one in sittings],
    "times": [[event.t_ms for event in one.events] for one in sittings],
    "same": [
        one.frames[index].thumbnail.tobytes() == framed(raster(states[index]["dom"])).thumbnail.tobytes()
        for one, states in zip(sittings, made) for index in one.frames
    ],
    "different": len({frame.thumbnail.tobytes() for one in sittings for frame in one.frames.values()}),
    "letters": any("keyCode" in state["action"] for state in made[0]),
}))
""")
    assert found["solved"] == {"login-user": 2, "click-tab-2": 1}
    first, second, third = found["kinds"]
    for kinds in (first, second):  # two fields and a button
        assert kinds[0] in ("CLICK", "DOUBLE_CLICK", "DRAG")
        assert kinds.count("TYPE") + kinds.count("SHORTCUT") >= 2
    assert set(third) <= {"CLICK", "DOUBLE_CLICK"}
    assert all(found["same"])
    assert len(found["same"]) == sum(map(len, found["kinds"]))
    assert found["different"] > 5  # a field is seen to be filled, and to have the focus
    assert all(times == sorted(times) and times[0] > 100 for times in found["times"])
    assert found["letters"]


def test_what_makes_no_sense_is_one_sentence():
    ran = subprocess.run(
        [sys.executable, "main.py", "--people", "0"],
        cwd=SCRIPTS,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 2
    assert "people take 1 to 999" in ran.stderr
    assert "nothing was recorded" in ran.stderr
