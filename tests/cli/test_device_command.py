"""`reticent device` and the command line around it: one sentence and exit 2 for what makes no sense."""

from pathlib import Path

import pytest

from reticent.cli import COMMANDS, main
from reticent.keeper import enrolment
from reticent.recordings import drawn
from reticent.recordings.archive import write_archive
from tests.world import Organisation, enrolled


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


@pytest.mark.parametrize(
    "words",
    [
        ["nothing"],
        ["device", "nothing"],
        ["device", "status", "/nowhere/at/all"],
        ["device", "run", "/nowhere/at/all"],
        ["device", "enroll", "/nowhere", "/no/ticket"],
        ["device", "init", "/proc/no/such"],
        ["device", "init", "x", "--person", "p01"],
        ["evaluate", "/no/checkpoint", "--data", "office"],
        ["audit", "verify", "/nowhere"],
        ["data", "describe", "/nowhere"],
        ["server", "status", "/nowhere"],
        ["privacy", "epsilon", "--noise-multiplier", "nan", "--steps", "1", "--delta", "1e-5"],
    ],
    ids=" ".join,
)
def test_wrong_use_is_one_sentence_and_exit_2(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *words)
    assert code == 2, (out, err)
    assert err.startswith("reticent: ")
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in out + err
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_the_traceback_of_an_error_before_its_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, err = run(capsys, "--debug", "device", "status", tmp_path)
    assert code == 2
    assert err.startswith("Traceback (most recent call last):")
    assert err.splitlines()[-1].startswith("reticent: ")


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, name, "--help")
    assert code == 0
    assert "Example" in out


def test_a_device_begins_with_recorded_sessions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "device", "init", tmp_path / "d", "--recording", "drawn", "--person", "drawn-0003")
    assert code == 0
    assert "enrolment-request.json" in out
    code, out, _ = run(capsys, "device", "status", tmp_path / "d")
    assert code == 0
    assert "none accepted; nothing can be sent" in out


def test_a_device_begins_with_a_recording_file_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "own.recording"
    write_archive(path, drawn.recorded("drawn-0003"), title="own", datasheet="-", public=False)
    code, out, _ = run(capsys, "device", "init", tmp_path / "d", "--recording", path, "--person", "drawn-0003")
    assert (code, "enrolment-request.json" in out) == (0, True)
    code, _, err = run(capsys, "device", "init", tmp_path / "e", "--recording", path, "--person", "drawn-0004")
    assert (code, (tmp_path / "e").exists()) == (2, False)
    assert "no such person" in err


def test_an_unknown_person_is_refused_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "device", "init", tmp_path / "d", "--recording", "drawn", "--person", "me")
    assert code == 2
    assert "drawn-0000" in err
    assert not (tmp_path / "d").exists()


def test_a_device_that_is_not_enrolled_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    enrolment.create(tmp_path / "d")
    code, _, err = run(capsys, "device", "run", tmp_path / "d")
    assert code == 2
    assert "enroll" in err


def test_a_stricter_policy_needs_no_yes_and_a_looser_one_says_what_is_looser(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    organisation = Organisation()
    root = enrolled(tmp_path / "d", organisation)
    offer = tmp_path / "policy.json"
    offer.write_bytes(organisation.offer(epsilon_employee=4.0).to_bytes())
    assert run(capsys, "device", "consent", root, offer)[0] == 0
    looser = organisation.offer(epsilon_employee=5.0)
    offer.write_bytes(looser.to_bytes())
    code, out, err = run(capsys, "device", "consent", root, offer)
    assert code == 2
    assert "epsilon_employee" in out
    assert "--accept" in err
    assert run(capsys, "device", "consent", root, offer, "--accept", "0" * 16)[0] == 2
    assert run(capsys, "device", "consent", root, offer, "--accept", looser.hash[:16])[0] == 0


def contents(root: Path) -> dict[str, tuple[int, bytes]]:
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in root.rglob("*") if path.is_file()}


def test_a_second_yes_to_the_same_policy_says_so_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    organisation = Organisation()
    root = enrolled(tmp_path / "d", organisation)
    same = organisation.offer()
    file = tmp_path / "policy.json"
    file.write_bytes(same.to_bytes())
    before = contents(root)
    for words in ((), ("--accept", same.hash)):
        code, out, err = run(capsys, "device", "consent", root, file, *words)
        assert (code, err) == (0, "")
        assert out.endswith("this policy is accepted already; nothing was changed\n")
    assert contents(root) == before


def test_the_same_ticket_twice_says_so_and_another_address_writes_no_second_consent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    organisation = Organisation()
    root = tmp_path / "d"
    enrolment.create(root)
    ledger, file = root / "keeper" / "ledger.jsonl", tmp_path / "ticket.json"
    accept = ("--accept", organisation.offer().hash)
    file.write_bytes(organisation.ticket(root).to_bytes())
    assert run(capsys, "device", "enroll", root, file, *accept)[0] == 0
    before = contents(root)
    code, out, _ = run(capsys, "device", "enroll", root, file, *accept)
    assert code == 0
    assert out.endswith("this ticket is accepted already; nothing was changed\n")
    assert contents(root) == before
    file.write_bytes(organisation.ticket(root, address="other.example.org:9443").to_bytes())
    assert run(capsys, "device", "enroll", root, file)[0] == 2  # where to connect is worth a yes
    assert contents(root) == before
    assert run(capsys, "device", "enroll", root, file, *accept)[0] == 0
    assert ledger.read_bytes().count(b'"kind":"consent"') == 1
    assert b"other.example.org" in (root / "courier" / "connection.json").read_bytes()


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"policy": 1}'])
def test_a_broken_policy_file_changes_nothing(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = enrolled(tmp_path / "d", Organisation())
    before = (root / "keeper" / "ledger.jsonl").read_bytes()
    offer = tmp_path / "policy.json"
    offer.write_bytes(content)
    code, _, err = run(capsys, "device", "consent", root, offer)
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert (root / "keeper" / "ledger.jsonl").read_bytes() == before
