"""Which runs go on by themselves, in which order, and when that ends."""

import contextlib
import datetime
import fcntl
import json
import signal
import time

import pytest

from reticent.aggregate.standing import (
    RunStatus,
    Standing,
    read_report,
    read_submission,
    standing,
    write_report,
    write_submission,
)
from reticent.errors import StateError
from reticent.records.keys import SigningKey
from reticent.records.plan import sign_plan
from reticent.server import plans, policies, resumption, run
from reticent.server.creation import create
from reticent.server.resumption import TRIES, Resumption, left_over
from reticent.server.settings import ServerPaths

KILLED = "its process was killed, or the machine lost power"


class Server:
    """A server folder with runs, and a Flower that only counts."""

    def __init__(self, root, monkeypatch):
        self.paths = ServerPaths(root)
        create(root, address="127.0.0.1:0", now=datetime.datetime.now(datetime.UTC))
        self.key = SigningKey.load(self.paths.operator_key)
        self.draft = plans.read_draft(self.paths.plan_draft)
        self.started = []
        self.flower_says = "running"
        self.said = []
        monkeypatch.setattr(run.flower, "start", self._start)
        monkeypatch.setattr(run.flower, "run_state", lambda paths, run_id: run.flower.FlowerRun(self.flower_says, ""))
        monkeypatch.setattr(resumption, "_BACK_OFF_S", (0.0, 0.0))
        monkeypatch.setattr(resumption, "_ON_ITS_WAY_S", 0.0)

    def _start(self, paths, *, bundle, config, config_file):
        self.started.append(config["plan-id"])
        return len(self.started)

    def add(self, age_s, status=RunStatus.RUNNING, *, stopped=False):
        """A run whose plan was signed `age_s` ago; its id."""
        signed = sign_plan(plans.complete(self.draft, now=int(time.time()) - age_s), self.key)
        folder = self.paths.run(signed.id)
        folder.mkdir()
        (folder / "plan.json").write_bytes(signed.to_bytes())
        write_submission(folder, flower_run="77", stopped=stopped)
        write_report(folder, status, "its process was told to end" if status is RunStatus.INTERRUPTED else None)
        return signed.id

    def applied(self, plan_id, number):
        with (self.paths.run(plan_id) / "rounds.jsonl").open("a") as file:
            file.write(json.dumps({"round": number, "status": "applied"}) + "\n")

    @contextlib.contextmanager
    def working(self, plan_id):
        with (self.paths.run(plan_id) / "run.lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def resumption(self):
        return Resumption(self.paths, left_over(self.paths), say=self.said.append)


@pytest.fixture
def server(tmp_path, monkeypatch):
    return Server(tmp_path / "srv", monkeypatch)


def test_what_was_going_on_goes_on_one_at_a_time_in_the_order_of_signing(server):
    late, early = server.add(10), server.add(20, RunStatus.INTERRUPTED)
    server.applied(early, 0)
    goes_on = server.resumption()
    assert server.said == [f"plan {late} goes on after plan {early}"]
    goes_on.look()
    assert server.started == [early]
    with server.working(early):
        goes_on.look()
        assert server.started == [early]
    write_report(server.paths.run(early), RunStatus.ABORTED, "too few devices joined")
    goes_on.look()
    assert server.started == [early, late]
    rounds = server.draft.rounds
    assert server.said[1:3] == [
        f"plan {early} goes on with round 2 of {rounds}: its process was told to end",
        f"plan {early} ended: 1 of {rounds} rounds were applied: too few devices joined",
    ]
    assert server.said[3] == f"plan {late} goes on with round 1 of {rounds}: {KILLED}"
    submission = read_submission(server.paths.run(late))
    assert (submission.flower_run, submission.stopped) == ("2", False)
    assert read_report(server.paths.run(late)).reason == KILLED  # what the next process writes into the journal


@pytest.mark.parametrize("status", [RunStatus.FINISHED, RunStatus.ABORTED, RunStatus.FAILED, None])
def test_what_was_stopped_or_came_to_an_end_is_left_alone(server, status):
    plan_id = server.add(10, status or RunStatus.RUNNING, stopped=status is None)
    assert left_over(server.paths) == ()
    before = {path: path.read_bytes() for path in server.paths.run(plan_id).iterdir()}
    goes_on = server.resumption()
    for _ in range(3):
        goes_on.look()
    assert (server.started, server.said) == ([], [])
    assert {path: path.read_bytes() for path in server.paths.run(plan_id).iterdir() if path in before} == before


def test_a_plan_that_was_stored_and_never_handed_over_is_left_alone(server):
    plan_id = server.add(10)
    (server.paths.run(plan_id) / "submission.json").unlink()
    server.resumption().look()
    assert server.started == []


def test_a_run_that_flower_is_about_to_start_is_not_started_twice(server):
    goes_on = server.resumption()
    plan_id = server.add(10, RunStatus.SUBMITTED)  # an operator's, after the server had begun
    goes_on.look()
    assert server.started == []
    server.flower_says = "finished:failed"
    goes_on.look()
    assert server.started == [plan_id]


def test_what_was_submitted_before_a_crash_goes_on_whatever_flower_believes(server):
    plan_id = server.add(10, RunStatus.SUBMITTED)
    goes_on = server.resumption()
    goes_on.look()
    assert server.started == [plan_id]
    goes_on.look()  # now it is on its way
    assert server.started == [plan_id]


def test_a_run_that_keeps_ending_rests_until_it_is_resumed_and_every_round_gives_new_tries(server):
    plan_id = server.add(10)
    goes_on = server.resumption()

    def dies():
        goes_on.look()
        if standing(server.paths.run(plan_id)) is Standing.INTERRUPTED:
            write_report(server.paths.run(plan_id), RunStatus.INTERRUPTED, "the run stopped at a place")

    for _ in range(TRIES):
        dies()
    server.applied(plan_id, 0)
    for _ in range(TRIES + 3):
        dies()
    assert len(server.started) == 2 * TRIES
    assert standing(server.paths.run(plan_id)) is Standing.FAILED
    reason = f"it ended {TRIES} times without a new round; the last time, the run stopped at a place"
    assert read_report(server.paths.run(plan_id)).reason == reason
    assert server.said[-1].endswith(reason)


@pytest.mark.parametrize("name", ["submission.json", "plan.json"])
def test_a_damaged_run_is_told_once_and_keeps_no_other_from_going_on(server, name):
    damaged, whole = server.add(20), server.add(10)
    (server.paths.run(damaged) / name).write_bytes(b"{}")
    assert left_over(server.paths) == (whole,)
    goes_on = server.resumption()
    goes_on.look()
    goes_on.look()
    assert server.started == [whole]
    assert sum("is left alone" in line and damaged in line for line in server.said) == 1


def test_a_superlink_that_does_not_answer_is_told_and_tried_again(server, monkeypatch):
    plan_id = server.add(10)
    goes_on = server.resumption()
    with monkeypatch.context() as patch:

        def away(paths, **options):
            raise StateError("the SuperLink does not answer")

        patch.setattr(run.flower, "start", away)
        goes_on.look()
    assert server.said == [f"plan {plan_id} can't go on yet: the SuperLink does not answer"]
    server.flower_says = "finished:failed"
    goes_on.look()
    assert server.started == [plan_id]


def test_a_run_that_was_stopped_while_the_superlink_was_away_is_stopped_again(server, monkeypatch):
    plan_id = server.add(10, stopped=True)
    stopped = []
    monkeypatch.setattr(run, "stop", lambda root, plan: stopped.append(plan))
    goes_on = server.resumption()
    with server.working(plan_id):
        goes_on.look()
        assert stopped == []  # it may be about to let go
        monkeypatch.setattr(resumption, "_STOPPING_S", -1.0)
        goes_on.look()
    assert stopped == [plan_id]


def test_what_could_not_be_submitted_is_not_started_behind_the_operator_s_back(server, monkeypatch):
    def away(paths, **options):
        raise StateError("the SuperLink does not answer")

    monkeypatch.setattr(run.flower, "start", away)
    monkeypatch.setattr(run, "is_served", lambda paths: True)
    signed = sign_plan(plans.complete(server.draft, now=int(time.time())), server.key)
    with pytest.raises(StateError, match="does not answer"):
        run.submit_signed(server.paths.root, signed)
    assert standing(server.paths.run(signed.id)) is Standing.STOPPED


@pytest.mark.parametrize(
    ("status", "starts"), [(RunStatus.FINISHED, False), (RunStatus.ABORTED, True), (RunStatus.FAILED, True)]
)
def test_a_run_that_ended_is_started_by_resume_unless_all_its_rounds_were_applied(server, monkeypatch, status, starts):
    monkeypatch.setattr(run, "is_served", lambda paths: True)
    monkeypatch.setattr(run.flower, "stop", lambda paths, run_id: None)
    plan_id = server.add(10, status)
    assert run.resume(server.paths.root, plan_id) == plan_id
    assert server.started == [plan_id] * starts


def _said(lines):
    """The next line that is neither about noise nor about devices that are away."""
    return next(line for line in lines if not line.startswith(("note", "waiting")))


def test_a_run_goes_on_after_kill_9_under_the_same_waiting_command_until_it_is_stopped(own_server, until):
    """Nobody is enrolled, so that the ServerApp waits for devices."""
    policies.publish(own_server.paths, own_server.paths.policy_draft, council=None)
    own_server.start()
    command = own_server.command("run", str(own_server.root), str(own_server.paths.plan_draft))
    plan_id = _said(command.stdout).split()[1]
    assert _said(command.stdout).startswith("start    the public weights")
    folder = own_server.paths.run(plan_id)

    own_server.process.kill()
    own_server.end()
    until(lambda: standing(folder) is Standing.INTERRUPTED)
    served = own_server.start()
    until(lambda: len(served.lines) > 1)
    assert served.lines[1] == f"plan {plan_id} goes on with round 1 of 50: {KILLED}\n"
    assert _said(command.stdout) == f"resumed  with round 1: {KILLED}\n"
    assert standing(folder) is Standing.RUNNING

    command.send_signal(signal.SIGINT)
    _, err = command.communicate(timeout=120)
    assert (command.returncode, f"--resume {plan_id}" in err) == (130, True)
    served.process.kill()
    served.end()
    assert standing(folder) is Standing.STOPPED
    assert left_over(own_server.paths) == ()
