"""The spool: one rename each way, nothing taken on trust, whole after a kill at any step."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent import spool
from reticent.errors import FormatError, IntegrityError, SettingError, StateError
from reticent.privacy.events import Mode
from reticent.records.canonical import digest
from reticent.records.keys import SigningKey
from reticent.records.messages import JoinRequest, TrainRequest
from reticent.records.plan import LocalTraining, Plan, Release, sign_plan
from reticent.records.receipt import Receipt, sign_receipt

KEY = SigningKey.generate()
WEIGHTS = bytes(range(16))
PLAN = sign_plan(
    Plan(
        purpose="next-action",
        model="office-60k",
        parameters=4,
        trainable="heads",
        training=LocalTraining(
            sampling_rate=0.1, expected_batch=8, steps=2, learning_rate=0.1, clip_norm=1.0, noise_multiplier=1.0
        ),
        release=Release(mode=Mode.LOCAL, clip_norm=0.5, noise_multiplier=4.0, grid=2.0**-16),
        min_cohort=4,
        rounds=3,
        issued_at=1_800_000_000,
        expires_at=1_800_003_600,
    ),
    KEY,
)
RECEIPT = sign_receipt(
    Receipt(
        device=KEY.public.device_id, index=3, head="0" * 64, plan_id=PLAN.id, round=0, weights_hash=digest(WEIGHTS)
    ),
    KEY,
)


def join(number: int = 0) -> bytes:
    return JoinRequest(plan=PLAN, round=number, weights_hash=digest(WEIGHTS), last_receipt=None).to_bytes()


def train(number: int = 0) -> bytes:
    return TrainRequest(plan=PLAN, round=number, weights_hash=digest(WEIGHTS), receipt=RECEIPT).to_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    spool.create(tmp_path / "spool")
    return tmp_path / "spool"


def pending(folder: Path, content: bytes, name: str = "pending") -> Path:
    path = folder.parent / name
    path.write_bytes(content)
    return path


def test_a_request_arrives_as_it_was_and_a_reply_leaves_as_it_was(folder: Path) -> None:
    name = spool.deliver(folder, stage="train", request=train(), weights=WEIGHTS)
    assert spool.arrivals(folder) == (name,)
    assert spool.read_item(folder, name) == spool.Item("train", train(), WEIGHTS)
    assert spool.collect(folder, name) is None
    spool.publish(folder, name, pending(folder, b"\x00 any bytes \xff"))
    spool.finish(folder, name)
    assert spool.collect(folder, name) == b"\x00 any bytes \xff"
    assert spool.arrivals(folder) == ()
    assert not (folder.parent / "pending").exists()


def test_the_folders_are_their_owners_alone(folder: Path) -> None:
    for path in (folder, folder / "inbox", folder / "outbox"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    spool.create(folder)  # again, with no harm


def test_the_same_question_has_the_same_name_whoever_asks_and_when(folder: Path) -> None:
    first = spool.deliver(folder, stage="join", request=join(), weights=None)
    later = JoinRequest(plan=PLAN, round=0, weights_hash=digest(WEIGHTS), last_receipt=RECEIPT).to_bytes()
    assert spool.deliver(folder, stage="join", request=later, weights=None) == first
    assert first == spool.request_id(stage="join", plan_id=PLAN.id, round=0, weights_hash=digest(WEIGHTS))
    assert spool.read_item(folder, first).request == join()  # the first is kept


def test_stage_plan_round_and_weights_each_make_another_name() -> None:
    base = {"stage": "join", "plan_id": "a" * 64, "round": 1, "weights_hash": "b" * 64}
    names = {
        spool.request_id(**(base | change))  # type: ignore[arg-type]
        for change in ({}, {"stage": "train"}, {"plan_id": "c" * 64}, {"round": 2}, {"weights_hash": "d" * 64})
    }
    assert len(names) == 5
    assert all(len(name) == 32 for name in names)


def test_the_name_is_fixed_by_a_golden_value() -> None:
    # SHA-256 of "reticent/request/1\njoin\n<64 a>\n7\n<64 b>", first 32 digits; by sha256sum
    assert spool.request_id(stage="join", plan_id="a" * 64, round=7, weights_hash="b" * 64) == GOLDEN


GOLDEN = "9f799b5dee2f73d96f56ddee185e7a1b"


@pytest.mark.parametrize(
    ("stage", "request_", "weights"),
    [
        ("train", train(), b"other weights"),
        ("train", train(), None),
        ("join", join(), WEIGHTS),
        ("join", train(), None),
        ("join", b"", None),
        ("train", b"rubbish", b""),
    ],
)
def test_rubbish_never_takes_the_name_of_an_honest_request(stage: str, request_: bytes, weights: bytes | None) -> None:
    honest = {spool.id_of("join", join(), None), spool.id_of("train", train(), WEIGHTS)}
    assert spool.id_of(stage, request_, weights) not in honest


@given(st.sampled_from(spool.STAGES), st.binary(max_size=300), st.none() | st.binary(max_size=50))
def test_any_bytes_have_a_name(stage: str, request_: bytes, weights: bytes | None) -> None:
    name = spool.id_of(stage, request_, weights)
    assert len(name) == 32
    assert name == spool.id_of(stage, request_, weights)


@pytest.mark.parametrize(
    "change",
    [{"stage": "share"}, {"plan_id": "x"}, {"plan_id": "A" * 64}, {"weights_hash": "../" * 20}, {"round": -1}],
)
def test_a_name_is_made_of_nothing_else(change: dict[str, object]) -> None:
    asked: dict[str, object] = {"stage": "join", "plan_id": "a" * 64, "round": 1, "weights_hash": "b" * 64}
    with pytest.raises(SettingError):
        spool.request_id(**(asked | change))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "..", "../secret", "a" * 31, "A" * 32, "g" * 32, "a" * 32 + "\n", "a/" * 16])
def test_no_other_name_is_ever_opened(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_text("x")
    for call in (spool.collect, spool.read_item, spool.finish):
        with pytest.raises(SettingError):
            call(folder, name)
    with pytest.raises(SettingError):
        spool.publish(folder, name, pending(folder, b"x"))


def test_what_is_too_large_is_not_delivered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "LARGEST_WEIGHTS_BYTES", 100)
    spool.deliver(folder, stage="train", request=b"a" * 65536, weights=b"b" * 100)
    for request_, weights in ((b"a" * 65537, b""), (b"a", b"b" * 101)):
        with pytest.raises(SettingError, match="nothing was delivered"):
            spool.deliver(folder, stage="train", request=request_, weights=weights)
    assert len(spool.arrivals(folder)) == 1


def test_at_most_64_requests_wait(folder: Path) -> None:
    names = [spool.deliver(folder, stage="join", request=b"%d" % number, weights=None) for number in range(64)]
    with pytest.raises(StateError, match="full"):
        spool.deliver(folder, stage="join", request=b"one more", weights=None)
    assert spool.deliver(folder, stage="join", request=b"3", weights=None) == names[3]  # waits already
    spool.finish(folder, names[0])
    spool.deliver(folder, stage="join", request=b"one more", weights=None)


def test_the_disk_is_not_filled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "MOST_WAITING_BYTES", 1000)
    spool.deliver(folder, stage="train", request=b"1", weights=b"w" * 900)
    with pytest.raises(StateError, match="full"):
        spool.deliver(folder, stage="train", request=b"2", weights=b"w" * 900)


def test_the_oldest_request_comes_first(folder: Path) -> None:
    names = [spool.deliver(folder, stage="join", request=b"%d" % number, weights=None) for number in range(5)]
    for age, name in enumerate(reversed(names)):
        os.utime(folder / "inbox" / name, (age, age))
    assert spool.arrivals(folder) == tuple(reversed(names))


def test_links_temporary_names_and_strangers_are_passed_over(folder: Path) -> None:
    name = spool.deliver(folder, stage="join", request=join(), weights=None)
    inbox = folder / "inbox"
    (inbox / ".new-0123").mkdir()
    (inbox / f".done-{name}-1").mkdir()
    (inbox / "notes").mkdir()
    (inbox / ("a" * 32)).write_text("a file")
    (inbox / ("b" * 32)).symlink_to(inbox / name)
    assert spool.arrivals(folder) == (name,)


def _put(folder: Path, part: str, make: object) -> str:
    """A delivered request, one of whose files is replaced."""
    name = spool.deliver(folder, stage="train", request=train(), weights=WEIGHTS)
    path = folder / "inbox" / name / part
    path.unlink(missing_ok=True)
    make(path)  # type: ignore[operator]
    return name


@pytest.mark.parametrize("part", ["stage", "request", "weights"])
@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.symlink_to("/etc/passwd"),
        lambda path: path.symlink_to("nowhere"),
        lambda path: path.mkdir(),
        lambda path: os.mkfifo(path),
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 65 * 1024 * 1024),
        lambda path: path.write_bytes(b"\xff\xfe"),
        lambda path: path.write_bytes(b""),
    ],
    ids=["link", "dead link", "folder", "pipe", "device", "huge", "rubbish", "empty"],
)
def test_a_hostile_request_is_refused_unread(folder: Path, part: str, make: object) -> None:
    name = _put(folder, part, make)
    with pytest.raises(FormatError):
        spool.read_item(folder, name)
    spool.finish(folder, name)
    assert spool.arrivals(folder) == ()
    assert Path("/etc/passwd").exists()


def test_a_file_that_no_courier_writes_is_refused(folder: Path) -> None:
    name = _put(folder, "more", lambda path: path.write_text("x"))
    with pytest.raises(FormatError, match="no courier writes"):
        spool.read_item(folder, name)


def test_a_request_under_another_ones_name_is_refused(folder: Path) -> None:
    name = spool.deliver(folder, stage="train", request=train(), weights=WEIGHTS)
    other = spool.id_of("join", join(), None)
    (folder / "inbox" / name).rename(folder / "inbox" / other)
    with pytest.raises(FormatError, match="another request's name"):
        spool.read_item(folder, other)


def test_a_request_that_is_a_link_is_refused(folder: Path) -> None:
    name = spool.deliver(folder, stage="train", request=train(), weights=WEIGHTS)
    (folder / "inbox" / name).rename(folder.parent / "elsewhere")
    (folder / "inbox" / name).symlink_to(folder.parent / "elsewhere")
    with pytest.raises(FormatError):
        spool.read_item(folder, name)
    spool.finish(folder, name)
    assert (folder.parent / "elsewhere" / "request").exists()  # the link went, not what it pointed to


def test_a_missing_request_says_so(folder: Path) -> None:
    with pytest.raises(StateError, match="no such request"):
        spool.read_item(folder, "a" * 32)
    spool.finish(folder, "a" * 32)


def test_a_published_reply_is_never_replaced(folder: Path) -> None:
    name = "a" * 32
    spool.publish(folder, name, pending(folder, b"first"))
    spool.publish(folder, name, pending(folder, b"first"))  # the same again, as after a kill
    second = pending(folder, b"second")
    with pytest.raises(IntegrityError):
        spool.publish(folder, name, second)
    assert spool.collect(folder, name) == b"first"
    assert second.read_bytes() == b"second"


def test_a_kill_between_the_two_steps_of_publishing_heals(folder: Path) -> None:
    name, path = "a" * 32, pending(folder, b"reply")
    os.link(path, folder / "outbox" / name)  # where publish was killed
    spool.publish(folder, name, path)
    assert spool.collect(folder, name) == b"reply"
    assert not path.exists()


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.symlink_to("/etc/passwd"), os.mkfifo])
def test_only_regular_files_are_collected(folder: Path, make: object) -> None:
    make(folder / "outbox" / ("a" * 32))  # type: ignore[operator]
    with pytest.raises(FormatError):
        spool.collect(folder, "a" * 32)


def test_a_missing_spool_is_said_and_nothing_is_made(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    for call in (
        lambda: spool.deliver(nowhere, stage="join", request=join(), weights=None),
        lambda: spool.arrivals(nowhere),
        lambda: spool.collect(nowhere, "a" * 32),
        lambda: spool.publish(nowhere, "a" * 32, tmp_path / "x"),
    ):
        with pytest.raises(StateError):
            call()
    assert not nowhere.exists()


def test_a_full_disk_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match="No space"):
        spool.deliver(folder, stage="join", request=join(), weights=None)
    assert list((folder / "inbox").iterdir()) == []


def test_what_a_killed_courier_and_keeper_left_is_swept_by_each(folder: Path) -> None:
    inbox = folder / "inbox"
    (inbox / ".new-1").mkdir()
    (inbox / ".new-1" / "stage").write_text("join")
    (inbox / ".done-1").mkdir()
    spool.sweep_keeper(folder)
    assert sorted(path.name for path in inbox.iterdir()) == [".new-1"]
    spool.sweep_courier(folder)
    assert list(inbox.iterdir()) == []


KILLED = """
import os, sys
from pathlib import Path
from reticent import spool
step, folder = int(sys.argv[1]), Path(sys.argv[2])
calls = 0
def counted(event, arguments):
    global calls
    if event in ("open", "os.mkdir", "os.rename", "os.link", "os.remove") and str(folder.parent) in str(arguments):
        calls += 1
        if calls == step:
            os.kill(os.getpid(), 9)
sys.addaudithook(counted)
name = spool.deliver(folder, stage="join", request=b"asked", weights=None)
pending = folder.parent / "pending"
pending.write_bytes(b"answer")
spool.publish(folder, name, pending)
spool.finish(folder, name)
"""


def test_a_kill_at_any_step_leaves_whole_requests_and_replies(folder: Path) -> None:
    name = spool.id_of("join", b"asked", None)
    for step in range(1, 40):
        done = subprocess.run([sys.executable, "-c", KILLED, str(step), str(folder)], check=False)
        for waiting in spool.arrivals(folder):
            assert spool.read_item(folder, waiting).request == b"asked"
        assert spool.collect(folder, name) in (None, b"answer")
        spool.sweep_courier(folder)
        spool.sweep_keeper(folder)
        assert {path.name for path in (folder / "inbox").iterdir()} <= {name}
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        spool.finish(folder, name)
        (folder / "outbox" / name).unlink(missing_ok=True)
        (folder.parent / "pending").unlink(missing_ok=True)
    else:
        pytest.fail("the steps never came to an end")
    assert step > 8
    assert spool.collect(folder, name) == b"answer"


def test_a_courier_says_how_it_does_and_rubbish_says_nothing(folder: Path) -> None:
    assert spool.courier_report(folder) is None
    said = spool.CourierReport(wall="landlock", state="connected", pid=7, node_id=2**63)
    spool.announce(folder, said)
    assert spool.courier_report(folder) == said
    assert spool.arrivals(folder) == ()
    for rubbish in (b"", b"[]", b"{}", b'{"version":2}', b"x" * 5000, b'{"version":1,"wall":1,"state":"","pid":"x"}'):
        (folder / "inbox" / ".courier").write_bytes(rubbish)
        assert spool.courier_report(folder) is None


def test_the_spool_needs_neither_flower_nor_torch() -> None:
    code = "import sys, reticent.spool; sys.exit(bool({'torch', 'flwr', 'numpy', 'httpx'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_message_and_no_repr_holds_what_was_asked(folder: Path) -> None:
    name = spool.deliver(folder, stage="train", request=b"SECRET", weights=b"SECRET")
    assert "SECRET" not in repr(spool.read_item(folder, name))
