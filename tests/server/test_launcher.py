"""How a child ends: with everything that it started itself."""

import sys

import pytest

from reticent.errors import StateError
from reticent.server.launcher import Child, Program, executable, group_members

DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
FAMILY = (
    "import signal, subprocess, sys, time\n"
    "{parent}\n"
    "subprocess.Popen([sys.executable, '-c', 'import signal, time; {child}; print(1, flush=True); time.sleep(600)'])\n"
    "print(2, flush=True)\n"
    "time.sleep(600)\n"
)


def started(folder, code):
    program = Program(name="x", arguments=(sys.executable, "-c", code), log=folder / "x.log")
    return Child(program, environment={"PATH": "/usr/bin:/bin"})


@pytest.mark.parametrize(("parent", "child", "status"), [(DEAF, DEAF, -9), ("pass", DEAF, -15), (DEAF, "pass", -9)])
def test_a_child_ends_with_its_own_children_whichever_of_them_ignores_sigterm(tmp_path, until, parent, child, status):
    family = started(tmp_path, FAMILY.format(parent=parent, child=child))
    until(lambda: len(family.program.log.read_bytes().split()) == 2)
    assert len(group_members(family.pid)) == 2
    family.end(grace_s=0.3)
    assert family.exit_status == status
    assert group_members(family.pid) == ()


def test_a_child_that_ends_by_itself_is_noticed_and_its_last_words_are_its_own(tmp_path, until):
    (tmp_path / "x.log").write_text("of an earlier start\n")
    silent = started(tmp_path, "pass")
    until(lambda: silent.exit_status == 0)
    assert silent.last_words() == "it wrote nothing"
    loud = started(tmp_path, "raise SystemExit('no port')")
    until(lambda: loud.exit_status == 1)
    assert loud.last_words() == "no port"


def test_an_installation_without_flower_is_one_sentence():
    with pytest.raises(StateError, match="not beside"):
        executable("flower-nothing")
