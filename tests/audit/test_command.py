"""The commands as people and scripts meet them."""

import json

import pytest

from reticent.cli import main
from tests.records.samples import offer, policy


def called(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_verify_says_holds_and_ends_with_0(world, capsys):
    code, out, err = called(capsys, "audit", "verify", world.device(0).root)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "holds"
    assert "charged    2 rounds" in out
    assert "employee level" in out
    assert "example level" in out


def test_verify_lists_every_finding_and_ends_with_1(world, capsys):
    path = world.device(0).ledger
    path.write_bytes(path.read_bytes() + b"{}\n")
    code, out, _ = called(capsys, "audit", "verify", path, "--policy", world.server.policy)
    assert code == 1
    assert "FOUND      " in out
    assert "entry 8 of the ledger" in out
    assert out.splitlines()[-1] == "DOES NOT HOLD: 1 found"


def test_verify_takes_several_policies_and_says_what_it_did_not_compare(world, capsys, tmp_path):
    other = tmp_path / "other.json"
    other.write_bytes(offer(policy(max_rounds=10)).to_bytes())
    arguments = ("audit", "verify", world.device(0).ledger, "--policy", other)
    code, out, _ = called(capsys, *arguments)
    assert code == 1
    assert "note       2 of 2 charges are under other policies and were NOT compared with their terms" in out
    _, out, _ = called(capsys, *arguments, "--policy", world.server.policy)
    assert "NOT compared" not in out
    assert out.count("policy     ") == 2


def test_verify_prints_json(world, capsys):
    code, out, _ = called(capsys, "audit", "verify", world.device(0).root, "--json")
    assert code == 0
    assert json.loads(out)["charged"] == 2


def test_reconcile_says_holds_and_ends_with_0(world, capsys):
    code, out, _ = called(capsys, "audit", "reconcile", "--server", world.server.root, *world.places())
    assert code == 0
    assert out.splitlines()[-1] == "holds"
    assert len(out.splitlines()) == 5


def test_reconcile_lists_every_finding_and_ends_with_1(world, capsys):
    world.reply(1, 1).write_bytes(b"")
    code, out, _ = called(capsys, "audit", "reconcile", "--server", world.server.root, *world.places()[:2], "--json")
    found = json.loads(out)
    assert code == 1
    assert [one["kind"] for one in found["findings"]] == ["reply"]
    assert len(found["not_checked"]) == 1


def test_reconcile_with_one_ledger_of_three_judges_that_one_and_ends_with_0(world, capsys):
    code, out, _ = called(capsys, "audit", "reconcile", "--server", world.server.root, world.places()[0])
    assert code == 0
    assert out.splitlines()[-1] == "holds, for 1 ledgers given; 2 devices that took part were NOT checked"
    ledger = world.device(0).ledger
    ledger.write_bytes(b"".join(ledger.read_bytes().splitlines(keepends=True)[:4]))
    code, out, _ = called(capsys, "audit", "reconcile", "--server", world.server.root, world.places()[0])
    assert code == 1
    assert out.splitlines()[-1].startswith("DOES NOT HOLD: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify"],
        ["verify", "missing"],
        ["verify", "."],
        ["verify", "{ledger}", "--policy", "missing"],
        ["verify", "{ledger}", "--policy", "{ledger}"],
        ["reconcile", "{state}"],
        ["reconcile", "--server", "{server}"],
        ["reconcile", "--server", "{state}", "{state}"],
        ["reconcile", "--server", "{server}", "missing"],
        ["unknown"],
    ],
)
def test_wrong_or_incomplete_input_is_one_sentence_and_ends_with_2(world, capsys, tmp_path, monkeypatch, arguments):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    names = {"ledger": world.device(0).ledger, "state": world.device(0).root, "server": world.server.root}
    code, out, err = called(capsys, "audit", *(one.format(**names) for one in arguments))
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("command", [(), ("verify",), ("reconcile",)])
def test_help_shows_an_example(capsys, command):
    code, out, _ = called(capsys, "audit", *command, "--help")
    assert code == 0
    assert f"Example: reticent audit {' '.join(command)}" in " ".join(out.split())


def test_what_is_printed_can_not_steer_a_terminal(world, capsys):
    (world.replies() / "\x1b[2Jx.reply").write_bytes(b"")
    code, out, _ = called(capsys, "audit", "reconcile", "--server", world.server.root, *world.places())
    assert code == 1
    assert "\x1b" not in out
    assert "\\x1b[2Jx.reply" in out
