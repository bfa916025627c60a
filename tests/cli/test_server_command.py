import json
import stat

import pytest

from reticent.cli import main

COMMANDS = ("init", "policy", "enroll", "serve", "run", "status")


def reticent(capsys, *words):
    status = main(["server", *map(str, words)])
    out, err = capsys.readouterr()
    return status, out, err


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_shows_an_example(capsys, command):
    status, out, _ = reticent(capsys, *([command] if command else []), "--help")
    assert status == 0
    assert "Example: reticent server" in out


def test_from_nothing_to_a_signed_policy(capsys, tmp_path):
    root = tmp_path / "srv"
    status, out, err = reticent(capsys, "init", root, "--address", "127.0.0.1:0")
    assert (status, err) == (0, "")
    assert "next: edit" in out
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    status, out, err = reticent(capsys, "policy", root, root / "policy.yaml")
    assert (status, err) == (0, "")
    assert "epsilon 8 at delta 1e-06" in out

    status, out, err = reticent(capsys, "status", root, "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert (found["serving"], found["devices"], found["runs"]) == (False, [], [])
    status, out, _ = reticent(capsys, "status", root)
    assert out.startswith("server   not running, devices connect to 127.0.0.1:")

    for words in (("run", root, root / "plan.yaml"), ("run", root, root / "plan.yaml", "--json")):
        status, out, err = reticent(capsys, *words)
        assert (status, out) == (2, "")
        assert "the server isn't running" in err


def test_a_second_init_is_refused(capsys, tmp_path):
    assert reticent(capsys, "init", tmp_path / "srv", "--address", "127.0.0.1:0")[0] == 0
    status, out, err = reticent(capsys, "init", tmp_path / "srv")
    assert (status, out) == (2, "")
    assert err.startswith("reticent: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("init",),
        ("init", "DIR", "--address", "nonsense"),
        ("policy", "DIR", "policy.yaml"),
        ("enroll", "DIR", "request.json"),
        ("serve", "DIR"),
        ("run", "DIR"),
        ("run", "DIR", "plan.yaml"),
        ("run", "DIR", "plan.yaml", "--resume", "0" * 64),
        ("run", "DIR", "--resume", "0" * 64),
        ("run", "DIR", "plan.yaml", "--unchecked"),
        ("status", "DIR"),
        ("nothing",),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_2(capsys, tmp_path, words):
    status, out, err = reticent(capsys, *(tmp_path / "srv" if word == "DIR" else word for word in words))
    assert (status, out) == (2, "")
    assert err.startswith("reticent: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "srv").exists()
