"""What is captured lies encrypted, comes back whole, and is gone when it is purged."""

import os
import socket
import stat
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from sqlcipher3 import dbapi2

from reticent.actions.action import Action, Frame, Session
from reticent.actions.vocabulary import CELLS, KINDS, ActionKind
from reticent.capture.vault import Vault
from reticent.capture.vault_key import load_key, load_or_create
from reticent.errors import FormatError, InputError, NewerFormatError, SettingError, StateError
from reticent.recordings import drawn

KEY, OTHER_KEY = bytes(range(32)), bytes(32)


def made(count, *, seed=0):
    """Random actions, starts far apart as in a recorder, and frames that no compression can hide."""
    random = np.random.default_rng(seed)
    return Session(
        actions=tuple(
            Action(
                kind=ActionKind(int(random.integers(KINDS))),
                cell=int(random.integers(CELLS)),
                t_ms=10**12 + 1_000 * i,
                gap_ms=int(random.integers(100_000)),
                start=17 * i + 3,
            )
            for i in range(count)
        ),
        frames=tuple(
            Frame(
                thumbnail=random.integers(0, 256, (48, 64), dtype=np.uint8),
                patch=random.integers(0, 256, (16, 16), dtype=np.uint8) if i % 2 else None,
            )
            for i in range(count)
        ),
    )


def same(one, other):
    def action(a):
        return a.kind, a.cell, a.t_ms, a.gap_ms

    def frame(f):
        return f.thumbnail.tobytes(), None if f.patch is None else f.patch.tobytes()

    return [*map(action, one.actions), *map(frame, one.frames)] == [
        *map(action, other.actions),
        *map(frame, other.frames),
    ]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "vault.db"


@pytest.fixture
def filled(path):
    with Vault.create(path, key=KEY) as vault:
        for seed in range(3):
            vault.add(made(30, seed=seed))
    return path


def test_sessions_come_back_in_order_after_the_vault_was_closed(path):
    given = [made(1), made(40, seed=1), *drawn.sessions("drawn-0003")]
    with Vault.create(path, key=KEY) as vault:
        for session in given:
            vault.add(session)
    with Vault.open(path, key=KEY) as vault:
        back = list(vault.sessions())
        assert len(back) == vault.count() == len(given)
        assert vault.actions() == sum(len(session.actions) for session in given)
    assert all(same(one, other) for one, other in zip(given, back, strict=True))


def test_a_vault_does_not_hold_how_many_events_an_action_had(filled):
    with Vault.open(filled, key=KEY) as vault:
        for session in vault.sessions():
            assert [action.start for action in session.actions] == list(range(30))


def test_a_session_without_actions_is_not_stored(path):
    with Vault.create(path, key=KEY) as vault:
        vault.add(Session(actions=(), frames=()))
        assert (vault.count(), vault.actions(), list(vault.sessions())) == (0, 0, [])


def traces(path, sessions):
    """Which plain bytes of captures, or of a database at all, lie in any file beside the vault."""
    on_disk = b"".join(file.read_bytes() for file in path.parent.iterdir())
    plain = [b"SQLite", b"session", b"CREATE", KEY, KEY.hex().encode()]
    plain += [frame.thumbnail.tobytes()[i : i + 8] for s in sessions for frame in s.frames for i in (0, 1_000, 3_000)]
    plain += [frame.patch.tobytes()[:8] for s in sessions for frame in s.frames if frame.patch is not None]
    return [piece for piece in plain if piece in on_disk]


def test_nothing_plain_is_on_disk_while_it_is_written_or_after(path):
    sessions = [made(50, seed=seed) for seed in range(4)]
    vault = Vault.create(path, key=KEY)
    for session in sessions:
        vault.add(session)
        assert traces(path, sessions) == []
    vault.close()
    assert traces(path, sessions) == []


def test_the_search_for_plain_bytes_would_find_them(path, tmp_path):
    sessions = [made(5)]
    (tmp_path / "plain").write_bytes(sessions[0].frames[2].thumbnail.tobytes())
    assert len(traces(path, sessions)) == 3


def test_a_journal_in_the_middle_of_a_write_is_encrypted_too(filled):
    sessions = [made(30, seed=seed) for seed in range(3)]
    with Vault.open(filled, key=KEY) as vault:
        vault._connection.execute("PRAGMA cache_size = 2")  # so that pages spill while the change is open
        vault._connection.execute("BEGIN")
        vault._connection.execute("DELETE FROM session")
        vault._connection.execute(
            "INSERT INTO session (stored_at, count, actions, frames) VALUES (1, 1, ?, ?)", (b"x" * 9_999,) * 2
        )
        assert filled.with_name("vault.db-journal").exists()
        assert traces(filled, sessions) == []
        assert stat.S_IMODE(filled.with_name("vault.db-journal").stat().st_mode) == 0o600
        vault._connection.execute("ROLLBACK")


def test_deleted_rows_are_overwritten_and_temporary_tables_stay_in_memory(filled):
    with Vault.open(filled, key=KEY) as vault:
        names = ("secure_delete", "journal_mode", "temp_store", "synchronous")
        values = [vault._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]
    assert values == [1, "delete", 2, 2]


DAY_S = 86_400


class Clock:
    def __init__(self, now=1_800_000_000):
        self.now = now

    def __call__(self):
        return self.now


def test_what_lay_here_as_long_as_allowed_is_forgotten_and_the_rest_stays(path):
    clock = Clock()
    with Vault.create(path, key=KEY, now=clock) as vault:
        for seed in range(4):
            vault.add(made(5, seed=seed))
            clock.now += 10 * DAY_S  # at the end, the oldest lies here for 40 days
        assert vault.forget(older_than_days=41) == 0
        assert vault.forget(older_than_days=30) == 2
        assert [same(one, made(5, seed=seed)) for one, seed in zip(vault.sessions(), (2, 3), strict=True)] == [True] * 2
        clock.now += 10 * DAY_S - 1
        assert vault.forget(older_than_days=30) == 0
        clock.now += 1
        assert vault.forget(older_than_days=30) == 1


def test_a_session_from_a_clock_that_was_set_back_counts_as_stored_now_and_goes_in_time(path):
    clock = Clock()
    with Vault.create(path, key=KEY, now=clock) as vault:
        vault.add(made(5))
        clock.now -= 400 * DAY_S
        assert vault.forget(older_than_days=30) == 0
        clock.now += 30 * DAY_S
        assert vault.forget(older_than_days=30) == 1


def test_a_forgotten_session_is_overwritten_where_it_lay(path):
    clock = Clock()
    with Vault.create(path, key=KEY, now=clock) as vault:
        vault.add(made(60))
        clock.now += 9 * DAY_S
        vault.add(made(60, seed=1))
        before = path.read_bytes()
        held = vault._connection.execute("SELECT length(frames) FROM session WHERE id = 1").fetchone()[0]
        assert vault.forget(older_than_days=9) == 1
    after = path.read_bytes()
    pages = [before[at : at + 4096] != after[at : at + 4096] for at in range(0, len(before), 4096)]
    assert sum(pages) > held // 4096
    assert not all(pages)  # what stays is not written anew, so the count above means something


def test_a_vault_of_version_1_opens_and_its_sessions_count_as_stored_now(filled):
    with Vault.open(filled, key=KEY) as vault:  # as version 1 made it
        vault._connection.execute("ALTER TABLE session DROP COLUMN stored_at")
        vault._connection.execute("PRAGMA user_version = 1")
    clock = Clock()
    with Vault.open(filled, key=KEY, now=clock) as vault:
        assert same(list(vault.sessions())[2], made(30, seed=2))
        vault.add(made(1))
        clock.now += 30 * DAY_S - 1
        assert vault.forget(older_than_days=30) == 0
        clock.now += 1
        assert vault.forget(older_than_days=30) == 4
    with Vault.open(filled, key=KEY) as vault:
        assert vault.count() == 0


@pytest.mark.parametrize(("newest", "expected"), [(1, [2]), (30, [2]), (31, [1, 2]), (89, [0, 1, 2]), (900, [0, 1, 2])])
def test_only_the_sessions_that_hold_the_newest_actions_are_read(filled, newest, expected):
    with Vault.open(filled, key=KEY) as vault:
        read = list(vault.sessions(newest=newest))
    assert [same(one, made(30, seed=seed)) for one, seed in zip(read, expected, strict=True)] == [True] * len(expected)


def test_a_purge_leaves_a_small_file_that_holds_nothing(filled):
    before = filled.stat().st_size
    with Vault.open(filled, key=KEY) as vault:
        vault.purge()
        assert (vault.count(), vault.actions(), list(vault.sessions())) == (0, 0, [])
        vault.add(made(2))
        assert vault.count() == 1
        vault.purge()
    assert filled.stat().st_size < before / 8
    assert [file.name for file in filled.parent.iterdir()] == ["vault.db"]


def test_only_its_owner_can_read_a_vault_whatever_the_umask(path):
    old = os.umask(0)
    try:
        Vault.create(path, key=KEY).close()
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_another_key_opens_nothing_and_changes_nothing(filled):
    before = filled.read_bytes()
    with pytest.raises(FormatError, match="another key"):
        Vault.open(filled, key=OTHER_KEY)
    assert filled.read_bytes() == before


@pytest.mark.parametrize("key", [b"", b"short", bytes(31), bytes(33)])
def test_a_key_of_another_size_is_refused(path, key):
    with pytest.raises(SettingError):
        Vault.create(path, key=key)
    with pytest.raises(SettingError):
        Vault.open(path, key=key)
    assert not path.exists()


@pytest.mark.parametrize("keep", [0, 1, 100, 4096, 4097, 12_288, -4096, -1])
def test_a_truncated_vault_is_refused(filled, keep):
    whole = filled.read_bytes()
    filled.write_bytes(whole[:keep])
    with pytest.raises(FormatError):
        Vault.open(filled, key=KEY)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.99])
def test_a_flipped_bit_is_found_at_the_opening(filled, share):
    whole = bytearray(filled.read_bytes())
    whole[int(share * len(whole))] ^= 4
    filled.write_bytes(whole)
    with pytest.raises(FormatError):
        Vault.open(filled, key=KEY)


def test_what_is_no_vault_is_refused(path):
    path.write_bytes(b"not a vault, but long enough to hold a page" * 200)
    with pytest.raises(FormatError):
        Vault.open(path, key=KEY)
    path.unlink()
    with pytest.raises(StateError, match="reticent device init"):
        Vault.open(path, key=KEY)
    assert not path.exists()
    connection = dbapi2.connect(str(path))
    connection.execute(f"PRAGMA key = \"x'{KEY.hex()}'\"")
    connection.execute("CREATE TABLE something (x)")
    connection.close()
    with pytest.raises(FormatError, match="no vault"):
        Vault.open(path, key=KEY)


def test_a_newer_vault_is_refused_as_newer(filled):
    with Vault.open(filled, key=KEY) as vault:
        vault._connection.execute("PRAGMA user_version = 3")
    with pytest.raises(NewerFormatError, match="version 3"):
        Vault.open(filled, key=KEY)


def test_a_vault_is_never_made_over_another(filled):
    before = filled.read_bytes()
    with pytest.raises(StateError):
        Vault.create(filled, key=KEY)
    assert filled.read_bytes() == before


def test_a_damaged_row_is_one_error(filled):
    with Vault.open(filled, key=KEY) as vault:
        for change in ("actions = x'00'", "frames = NULL", "count = 29", "count = 10000000", "actions = frames"):
            vault._connection.execute("BEGIN")
            vault._connection.execute(f"UPDATE session SET {change} WHERE id = 2")  # noqa: S608
            sessions = vault.sessions()
            next(sessions)
            with pytest.raises(FormatError):
                next(sessions)
            vault._connection.execute("ROLLBACK")


def test_a_full_disk_leaves_the_vault_as_it_was(filled):
    with Vault.open(filled, key=KEY) as vault:
        pages = vault._connection.execute("PRAGMA page_count").fetchone()[0]
        vault._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StateError, match="not stored"):
            vault.add(made(100))
        assert vault.count() == 3
    with Vault.open(filled, key=KEY) as vault:
        assert same(list(vault.sessions())[2], made(30, seed=2))


def test_a_closed_vault_says_so(filled):
    vault = Vault.open(filled, key=KEY)
    vault.close()
    vault.close()
    with pytest.raises(StateError, match="closed"):
        vault.add(made(1))


def test_one_thread_may_add_while_another_reads(path):
    with Vault.create(path, key=KEY) as vault:
        adding = threading.Thread(target=lambda: [vault.add(made(5, seed=seed)) for seed in range(20)])
        adding.start()
        while adding.is_alive():
            assert all(len(session.actions) == 5 for session in vault.sessions())
        adding.join()
        assert vault.count() == 20


def test_a_vault_shows_nothing_of_what_it_holds(filled):
    with Vault.open(filled, key=KEY) as vault:
        assert repr(vault) == "<Vault>"


class Ring:
    """A keyring in memory."""

    def __init__(self):
        self.held = {}

    def get_password(self, service, username):
        return self.held.get((service, username))

    def set_password(self, service, username, password):
        self.held[service, username] = password


class Broken(Ring):
    def set_password(self, service, username, password):
        raise RuntimeError("no such collection: login of jane")


def test_a_key_lies_in_the_keyring_where_there_is_one(tmp_path):
    ring, path = Ring(), tmp_path / "vault.key"
    key, where = load_or_create(path, keyring=ring)
    assert (len(key), where) == (32, "keyring")
    assert key.hex().encode() not in path.read_bytes()
    assert load_or_create(path, keyring=ring) == (key, "keyring")
    assert load_key(path, keyring=ring) == key


@pytest.mark.parametrize("ring", [Broken(), None])
def test_a_key_lies_in_a_private_file_where_there_is_no_keyring(tmp_path, ring, monkeypatch):
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    path = tmp_path / "vault.key"
    old = os.umask(0)
    try:
        key, where = load_or_create(path, keyring=ring)
    finally:
        os.umask(old)
    assert where == "file"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create(path) == (key, "file")
    assert [file.name for file in tmp_path.iterdir()] == ["vault.key"]


def test_two_keys_differ(tmp_path):
    assert load_or_create(tmp_path / "a", keyring=Broken())[0] != load_or_create(tmp_path / "b", keyring=Broken())[0]


def test_a_keyring_that_lost_the_key_never_gets_another(tmp_path):
    path = tmp_path / "vault.key"
    load_or_create(path, keyring=Ring())
    with pytest.raises(StateError, match="unlock"):
        load_or_create(path, keyring=Ring())


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", FormatError),
        ("garbage\n", FormatError),
        ("reticent-vault-key 1 file 00\n", FormatError),
        ("reticent-vault-key 1 file " + "0" * 64, FormatError),
        ("reticent-vault-key 1 keyring ../x\n", FormatError),
        ("reticent-vault-key 2 cloud x\n", NewerFormatError),
        ("é" * 5_000, FormatError),
    ],
)
def test_a_damaged_key_file_opens_nothing_and_is_left_alone(tmp_path, text, error):
    path = tmp_path / "vault.key"
    path.write_text(text, encoding="utf-8")
    for read in (load_key, load_or_create):
        with pytest.raises(error):
            read(path)
    assert path.read_text(encoding="utf-8") == text


def test_a_key_that_cannot_be_kept_is_one_sentence(tmp_path):
    for read in (load_key, load_or_create):
        with pytest.raises(InputError):
            read(tmp_path / "no" / "folder")


def test_a_keyring_that_does_not_answer_in_time_is_done_without(tmp_path):
    let_go = threading.Event()

    class Silent(Ring):
        def set_password(self, service, username, password):
            let_go.wait(60)

    start = time.monotonic()
    assert load_or_create(tmp_path / "vault.key", keyring=Silent(), wait_s=0.05)[1] == "file"
    assert time.monotonic() - start < 5
    let_go.set()


def test_a_bus_that_never_answers_does_not_stop_a_device(tmp_path):
    address = tmp_path / "bus"
    code = (
        "import pathlib, sys; from reticent.capture.vault_key import load_or_create\n"
        "print(load_or_create(pathlib.Path(sys.argv[1]), wait_s=2.0)[1])"
    )
    with socket.socket(socket.AF_UNIX) as bus:
        bus.bind(str(address))
        bus.listen()
        env = {**os.environ, "DBUS_SESSION_BUS_ADDRESS": f"unix:path={address}"}
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "k")],
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert done.stdout.strip() == "file"
    assert time.monotonic() - start < 30
