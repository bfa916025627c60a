"""Scripted people are drawn from a seed, and a recording of them that was killed goes on with who is left."""

import fcntl
import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts" / "office"
SITTER = """
import json, sys
from dataclasses import asdict
from pathlib import Path
sys.path.insert(0, {scripts!r})
from persona import draw
told = dict(zip(sys.argv[1::2], sys.argv[2::2]))
number, out = int(told["--number"]), Path(told["--out"])
with (out.parent / "seated").open("a") as file:
    file.write(f"{{number}}\\n")
if number == {broken}:
    sys.exit(1)
out.write_text("recorded")
out.with_suffix(".json").write_text(json.dumps({{"persona": asdict(draw(number, seed=int(told["--seed"])))}}))
"""


def office(code):
    """What `code` prints as JSON, run beside the scripts."""
    ran = subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def record(tmp_path, *, people=4, seed=1, broken=0):
    """Record with sitters that only say that they were there; who is done, and who was seated in which order."""
    (tmp_path / "sitter.py").write_text(SITTER.format(scripts=str(SCRIPTS), broken=broken))
    (tmp_path / "seated").write_text("")
    code = f"""
import json, main
from pathlib import Path
main.HERE, main.STAGGER_S = Path({str(tmp_path)!r}), 0.0
try:
    done = main.record(people={people}, seed={seed}, sessions=2, at_once=3, folder=Path({str(tmp_path)!r}))
except ValueError as error:
    done = str(error)
print(json.dumps(done))
"""
    done = office(code)
    return done, sorted(int(line) for line in (tmp_path / "seated").read_text().split())


def test_a_recording_that_was_killed_goes_on_with_who_is_left(tmp_path):
    assert record(tmp_path) == ([1, 2, 3, 4], [1, 2, 3, 4])
    (tmp_path / "3.json").unlink()  # killed before the tally, which is written last
    assert record(tmp_path, people=5) == ([1, 2, 3, 4, 5], [3, 5])


def test_somebody_who_does_not_finish_is_tried_once_more_and_then_left_out(tmp_path):
    assert record(tmp_path, broken=2) == ([1, 3, 4], [1, 2, 2, 3, 4])


def test_a_folder_with_other_people_is_refused(tmp_path):
    record(tmp_path, people=1)
    done, seated = record(tmp_path, people=1, seed=2)
    assert "holds another recording; nothing was recorded" in done
    assert seated == []


def test_a_folder_that_another_run_records_into_is_left_alone(tmp_path):
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done, seated = record(tmp_path)
    assert "another run records into" in done
    assert seated == []


@pytest.fixture(scope="module")
def drawn():
    return office("""
import json
from dataclasses import asdict
from persona import draw
from plan import sessions
people = [draw(number, seed=1) for number in range(1, 221)]
again = [draw(number, seed=1) for number in range(1, 221)]
plans = [[[unit.place for unit in one] for one in sessions(person, count=2)] for person in people]
print(json.dumps([[asdict(person) for person in people], people == again, plans]))
""")


def test_personas_are_the_seed_s_and_no_two_are_alike(drawn):
    people, same_again, _ = drawn
    assert same_again
    names = ("name", "seed")
    assert len({json.dumps({key: one[key] for key in one if key not in names}) for one in people}) == 220
    assert len({one["name"] for one in people}) == 220


def test_everybody_sits_twice_and_all_places_of_work_occur(drawn):
    _, _, plans = drawn
    assert {(len(first), len(second)) for first, second in plans} == {(6, 4)}
    places = [{place for one in plan for place in one} for plan in plans]
    for place in ("web", "editor", "files", "terminal"):
        assert sum(place in theirs for theirs in places) > 110, place
    assert all(len(theirs) >= 2 for theirs in places)  # everybody switches
