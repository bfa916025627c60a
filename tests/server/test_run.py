"""A plan from the operator's hand to Flower and back, at a real server."""

import json
import signal
import time
import zipfile
from io import BytesIO

import pytest
from flwr.cli.build import build_fab_from_disk

from reticent.errors import BudgetExhausted, FormatError, PolicyViolation, SettingError, SignatureError, StateError
from reticent.records.keys import SigningKey
from reticent.records.plan import sign_plan
from reticent.server import plans, policies, reading, run


@pytest.fixture
def plan(served):
    return plans.complete(plans.read_draft(served.paths.plan_draft), now=int(time.time()))


@pytest.mark.parametrize(
    "change",
    [
        {"min_cohort": 1},
        {"rounds": 51},
        {"purpose": "other"},
        {"trainable": "all", "parameters": 56_000},
        {"issued_at": 1, "expires_at": 2},
    ],
)
def test_a_plan_that_devices_would_refuse_is_refused_before_anything_happens(served, plan, change):
    before = sorted(served.paths.runs.iterdir())
    with pytest.raises((PolicyViolation, SettingError)):
        run.submit(served.root, plan.model_copy(update=change))
    assert sorted(served.paths.runs.iterdir()) == before


def test_a_plan_beyond_the_lifetime_budget_is_refused_before_anything_happens(served, plan, monkeypatch):
    offer, policy = run.policies.current(served.paths)
    tighter = policy.model_copy(update={"epsilon_employee": 0.5})
    monkeypatch.setattr(run.policies, "current", lambda paths: (offer, tighter))
    with pytest.raises(BudgetExhausted, match="employee"):
        run.submit(served.root, plan)


def test_too_little_noise_is_refused_before_anything_happens(served, plan):
    for release in ({"noise_multiplier": 4.9}, {"clip_norm": 0.6}, {"grid": 0.1}):
        with pytest.raises(PolicyViolation):
            run.submit(served.root, plan.model_copy(update={"release": plan.release.model_copy(update=release)}))


def test_another_operators_plan_is_refused(served, plan):
    with pytest.raises(SignatureError):
        run.submit_signed(served.root, sign_plan(plan, SigningKey.generate()))


def test_without_a_running_server_it_is_one_sentence(own_server, plan):
    policies.publish(own_server.paths, own_server.paths.policy_draft, council=None)
    with pytest.raises(StateError, match="isn't running"):
        run.submit(own_server.root, plan)
    assert list(own_server.paths.runs.iterdir()) == []


@pytest.mark.parametrize("plan_id", ["", "x", "0" * 64, "../../etc", "0" * 63 + "/"])
def test_an_unknown_run_is_one_sentence(served, plan_id):
    with pytest.raises(StateError, match="no run has plan id"):
        run.resume(served.root, plan_id)


def test_a_run_is_stopped_by_ctrl_c_and_resumed_under_the_same_plan(served):
    """Nobody is enrolled with a keeper here, so that the ServerApp waits for devices until it is told to stop."""
    command = served.command("run", str(served.root), str(served.paths.plan_draft))
    note, first, second = (command.stdout.readline() for _ in range(3))
    assert note.startswith("note     with 10 devices the noise in a round's average is "), command.communicate()
    assert first.startswith("plan ")
    assert second.startswith("start    the public weights"), command.communicate()
    third = command.stdout.readline()
    assert third == "waiting  0 of 0 enrolled devices are connected, the plan needs 10; nobody else is enrolled\n"
    plan_id = first.split()[1]
    command.send_signal(signal.SIGINT)
    _, err = command.communicate(timeout=120)
    assert command.returncode == 130
    assert f"--resume {plan_id}" in err

    outcome = run.wait(served.root, plan_id)  # it has ended already
    assert (outcome.complete, outcome.rounds, outcome.rounds_applied) == (False, 50, 0)
    assert "stopped" in outcome.reason
    before = _flower_run(served, plan_id)

    assert run.resume(served.root, plan_id) == plan_id
    after = _flower_run(served, plan_id)
    assert after != before
    run.stop(served.root, plan_id)
    statuses = [line["status"] for line in run.journal(served.paths.run(plan_id))]
    assert statuses in (["start"], ["start", "resumed"])  # stopped before or after its process had begun


def test_whom_a_run_waits_for_is_said_at_once_and_then_every_half_minute():
    said = []
    voice = reading.CalmVoice(said.append)
    for now in range(100):
        voice.say("1 of 3", now=float(now))
    assert said == ["1 of 3"] * 4
    voice.say(None, now=100.0)
    voice.say("2 of 3", now=101.0)
    assert said[4:] == ["2 of 3"]


def _flower_run(served, plan_id):
    return json.loads((served.paths.run(plan_id) / "submission.json").read_bytes())["flower_run"]


@pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")  # Flower's own
def test_the_bundle_holds_one_module_without_code_of_its_own():
    with zipfile.ZipFile(BytesIO(build_fab_from_disk(run.BUNDLE))) as bundle:
        modules = [name for name in bundle.namelist() if name.endswith(".py")]
        assert modules == ["reticent_rounds.py"]
        lines = bundle.read(modules[0]).decode().split("\n")
    code = [line for line in lines if line and not line.startswith('"""')]
    assert code == ["from reticent.aggregate.app import app", '__all__ = ["app"]']


@pytest.mark.parametrize("data", [b"x\n", b"[]\n", b"{}\n", b'{"round": true}\n', b'{"round": "1"}\n', b"\xff\n"])
def test_a_journal_that_is_none_is_refused(tmp_path, data):
    (tmp_path / "rounds.jsonl").write_bytes(data)
    with pytest.raises(FormatError):
        run.journal(tmp_path)


def test_a_line_that_is_being_written_is_not_read_yet(tmp_path):
    (tmp_path / "rounds.jsonl").write_bytes(b'{"round": 0, "status": "applied"}\n{"round": 1')
    assert run.applied(run.journal(tmp_path)) == 1


def test_every_line_of_a_journal_can_be_shown():
    start = {"round": -1, "status": "start", "metrics": {"top1": 0.5}}
    applied = {"round": 0, "status": "applied", "released": 3, "asked": 4, "seconds": 1.25, "metrics": None}
    aborted = {"round": 0, "status": "aborted", "reason": "2 of 4 devices joined"}
    resumed = {"round": 0, "status": "resumed", "reason": "the operator had stopped it"}
    assert [reading.describe(line) for line in (start, applied, aborted, resumed)] == [
        "start    the public weights, top1 0.500",
        "round 1  3 of 4 devices, 1.2 s",
        "round 1  not applied: 2 of 4 devices joined",
        "resumed  with round 1: the operator had stopped it",
    ]
