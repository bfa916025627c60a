"""What Flower starts: a plan of a server folder, and what is left to read when it ends."""

import fcntl
import json
import traceback

import numpy as np
import pytest
from flwr.app import Context, Error, RecordDict

from reticent.aggregate import app as served
from reticent.aggregate.directory import Device, add_device
from reticent.aggregate.optimiser import Adam
from reticent.aggregate.standing import write_optimiser, write_submission
from reticent.errors import IntegrityError, NewerFormatError, ReticentError, RoundAborted, SettingError, StateError
from reticent.model import catalogue
from reticent.model.checkpoint_file import read_weights
from reticent.model.public import initial
from reticent.privacy.events import Mode
from reticent.recordings import source
from reticent.records.keys import SigningKey
from reticent.records.layout import ServerFolder
from reticent.records.plan import Release, sign_plan
from tests.aggregate.scripted import QUICK, ScriptedDevice, ScriptedGrid, a_plan

P = catalogue.parameters("office-60k", "heads")


class Server:
    """A server folder with three devices and one plan of one round."""

    def __init__(self, root, **changes):
        self.folder = ServerFolder(root)
        self.operator, self.receipts = SigningKey.generate(), SigningKey.generate()
        (root / "keys").mkdir(parents=True)
        self.operator.save(self.folder.operator_key)
        self.receipts.save(self.folder.receipt_key)
        release = Release(mode=Mode.LOCAL, clip_norm=0.5, noise_multiplier=1.0, grid=2.0**-15)
        times = {"rounds": 1, "issued_at": 1, "expires_at": 2**40}
        plan = a_plan(**({"parameters": P, "release": release} | times | changes))
        self.signed = sign_plan(plan, self.operator)
        self.run_folder = self.folder.run(self.signed.id)
        self.run_folder.mkdir(parents=True)
        (self.run_folder / "plan.json").write_bytes(self.signed.to_bytes())
        self.devices = [ScriptedDevice(node) for node in (1, 2, 3)]
        for one in self.devices:
            one.parameters = P
            add_device(self.folder.devices, Device(device=one.id, device_key=one.key.public.hex, node_id=one.node_id))
        self.grid = ScriptedGrid(self.devices)

    def start(self, **config):
        values = {"server-folder": str(self.folder.root), "plan-id": self.signed.id} | config
        served.app(self.grid, Context(run_id=1, node_id=1, node_config={}, state=RecordDict(), run_config=values))

    @property
    def status(self):
        return json.loads((self.run_folder / "status.json").read_text())


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setattr(served, "TEST_DATA", "drawn")
    split = source.split("drawn")
    monkeypatch.setattr(
        source, "split", lambda name: source.Split(public=(), client=(), validation=(), test=split.test[:1])
    )
    monkeypatch.setattr(served, "Organisation", lambda **parts: Organisation(**parts, pace=QUICK))
    return Server(tmp_path / "server")


Organisation = served.Organisation


def test_a_plan_runs_to_its_end_and_leaves_model_metrics_and_status(server):
    server.start()
    assert server.status == {"status": "finished", "reason": None}
    saved = read_weights(server.run_folder / "model.safetensors")
    assert (saved.model, saved.trainable, saved.plan_id, saved.round) == ("office-60k", "heads", server.signed.id, 1)
    mean = sum(one.values(0).astype(np.int64) for one in server.devices) * 2.0**-15 / 3
    np.testing.assert_array_equal(saved.weights, (initial("office-60k", "heads") + mean).astype(np.float32))
    start, line = [json.loads(text) for text in (server.run_folder / "rounds.jsonl").read_text().splitlines()]
    assert (start["round"], line["round"], line["status"]) == (-1, 0, "applied")
    assert 0 < line["metrics"]["top1"] <= 1
    assert start["metrics"]["examples"] > 0


def test_the_optimiser_that_was_chosen_moves_the_weights_and_the_average_is_the_model(server):
    write_optimiser(server.run_folder, Adam(learning_rate=0.5, schedule="constant", average_from=0.5))
    server.start()
    mean = sum(one.values(0).astype(np.int64) for one in server.devices) * 2.0**-15 / 3
    first, second = 0.1 * mean, 0.99 * 1e-6 + 0.01 * mean**2
    after = (initial("office-60k", "heads") + 0.5 * first / (np.sqrt(second) + 1e-3)).astype(np.float32)
    np.testing.assert_allclose(read_weights(server.run_folder / "model.safetensors").weights, after, rtol=1e-6)


def test_an_optimiser_of_a_newer_release_stops_the_run_before_anybody_is_asked(server):
    (server.run_folder / "optimiser.json").write_text('{"optimiser":{"name":"lion"},"version":2}')
    with pytest.raises(NewerFormatError, match=r"optimiser\.json.*version 2"):
        server.start()
    assert server.grid.sent == []


def test_whom_a_run_waits_for_stands_in_its_status_until_it_goes_on(server, monkeypatch):
    listed, statuses = server.grid.listed, []
    away = server.devices[2]

    def nodes():
        statuses.append(server.status)
        return sorted(listed) if len(statuses) > 2 else sorted(listed - {away.node_id})

    monkeypatch.setattr(server.grid, "get_node_ids", nodes)
    server.start()
    sentence = f"2 of 3 enrolled devices are connected, the plan needs 3; away: {away.id}"
    assert statuses[1:3] == [{"status": "waiting", "reason": sentence}] * 2
    assert server.status == {"status": "finished", "reason": None}


def test_a_round_that_fails_is_told_in_one_sentence(server):
    server.devices[0].scripts["query.join"] = lambda device, genuine, message: Error(5, "Traceback: secret")
    with pytest.raises(RoundAborted):
        server.start()
    assert server.status["status"] == "aborted"
    assert "2 of 3 devices joined, the plan needs 3" in server.status["reason"]
    for path in server.run_folder.rglob("*"):
        assert path.is_dir() or b"secret" not in path.read_bytes()


def test_a_bug_is_told_by_its_place_without_what_it_says(server, monkeypatch):
    def broken(plan):
        raise ValueError("secret")

    monkeypatch.setattr(served, "_scorer", broken)
    with pytest.raises(ReticentError) as raised:
        server.start()
    shown = "".join(traceback.format_exception(raised.value))
    assert "secret" not in shown.replace('raise ValueError("secret")', "")
    assert server.status["status"] == "interrupted"
    assert "aggregate/app.py:" in server.status["reason"]
    assert "ValueError" in server.status["reason"]
    assert "secret" not in server.status["reason"]


def test_a_stop_from_outside_is_told_and_the_next_start_goes_on(server, monkeypatch):
    def stopped(plan):
        raise SystemExit(1)

    with monkeypatch.context() as patch:
        patch.setattr(served, "_scorer", stopped)
        with pytest.raises(SystemExit):
            server.start()
    assert server.status == {"status": "interrupted", "reason": "its process was told to end"}
    server.start()
    assert server.status["status"] == "finished"


def test_a_second_server_app_on_the_same_plan_does_nothing_not_even_to_the_status(server):
    served._report(server.run_folder, served.RunStatus.RUNNING, None)
    with (server.run_folder / "run.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StateError, match="being run already"):
            server.start()
    assert server.status == {"status": "running", "reason": None}
    assert server.grid.sent == []


def test_the_journal_tells_why_a_run_had_to_go_on(server):
    server.devices[0].scripts["train"] = lambda device, genuine, message: Error(5, "")
    with pytest.raises(RoundAborted):
        server.start()
    served._report(server.run_folder, served.RunStatus.RUNNING, None)  # as kill -9 leaves it
    server.devices[0].scripts["train"] = None
    server.start()
    lines = [json.loads(text) for text in (server.run_folder / "rounds.jsonl").read_text().splitlines()]
    assert [line["status"] for line in lines] == ["start", "aborted", "resumed", "applied"]
    assert lines[2]["reason"] == "its process was killed, or the machine lost power"


@pytest.mark.parametrize(
    ("flower_run", "stopped", "what"),
    [("1", True, "the operator stopped"), ("2", False, "another Flower run"), (None, False, "another Flower run")],
)
def test_a_flower_run_that_was_stopped_or_replaced_does_nothing_when_flower_starts_it_again(
    server, monkeypatch, flower_run, stopped, what
):
    monkeypatch.setattr(served, "_NAMED_S", 0.0)
    write_submission(server.run_folder, flower_run=flower_run, stopped=stopped)
    with pytest.raises(StateError, match=what):
        server.start()
    assert server.grid.sent == []
    write_submission(server.run_folder, flower_run="1")
    server.start()
    assert server.status["status"] == "finished"


def test_a_plan_that_the_operator_did_not_sign_is_not_run(server):
    SigningKey.generate()
    server.folder.operator_key.unlink()
    SigningKey.generate().save(server.folder.operator_key)
    with pytest.raises(IntegrityError):
        server.start()
    assert server.status["status"] == "failed"
    assert server.grid.sent == []


def test_a_plan_in_another_plan_s_folder_is_not_run(server):
    other = sign_plan(a_plan(rounds=9), server.operator)
    (server.run_folder / "plan.json").write_bytes(other.to_bytes())
    with pytest.raises(IntegrityError, match="another plan"):
        server.start()
    assert server.grid.sent == []


@pytest.mark.parametrize("data", [None, b"", b"{}", b"\xff" * 9])
def test_a_missing_or_damaged_plan_is_told(server, data):
    if data is None:
        (server.run_folder / "plan.json").unlink()
    else:
        (server.run_folder / "plan.json").write_bytes(data)
    with pytest.raises(ReticentError):
        server.start()
    assert server.status["status"] == "failed"


def test_a_plan_for_another_number_of_parameters_is_not_run(tmp_path):
    server = Server(tmp_path / "other", parameters=P - 1)
    with pytest.raises(SettingError, match="parameters"):
        server.start()
    assert server.grid.sent == []


@pytest.mark.parametrize(
    "config",
    [{"plan-id": "../../../etc"}, {"plan-id": ""}, {"plan-id": "ab"}, {"server-folder": ""}, {"plan-id": "ab" * 32}],
)
def test_a_run_config_that_names_no_run_is_refused_and_nothing_is_made(server, config):
    before = sorted(server.folder.root.rglob("*"))
    with pytest.raises((SettingError, StateError)):
        server.start(**config)
    assert sorted(server.folder.root.rglob("*")) == before
