"""`reticent train engine=superlink`: the same command and the same folder as a simulation, on real devices."""

import json
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reticent.aggregate.checkpoint import read_checkpoint
from reticent.aggregate.optimiser import Momentum, ServerState
from reticent.aggregate.rounds import Course, run_course
from reticent.errors import InputError
from reticent.model.public import initial
from reticent.model.tensors import Floats
from reticent.records.entries import Charge, kind_of
from reticent.records.ledger import read_ledger
from reticent.records.messages import decode_reply
from reticent.records.plan import Plan
from reticent.records.signed import Signed
from reticent.sim.rounds import Nodes, SimulatedRound
from reticent.sim.worker import PartialSum
from reticent.train.hosts import host_of
from reticent.train.planning import planned
from reticent.train.run import run
from reticent.train.settings import SuperLink
from tests import one_plan
from tests.e2e.federation import ENVIRONMENT, RETICENT, Federation, audit, reticent, until
from tests.one_plan import composed
from tests.world import LARGEST

pytestmark = pytest.mark.timeout(600)

PEOPLE = ("drawn-0001", "drawn-0002", "drawn-0004")
MEASURE = "evaluate.private_epsilon=2"


def words(federation: Federation, out: Path, *more: str) -> list[str]:
    """What an operator types."""
    return [
        "train",
        "engine=superlink",
        f"engine.folder={federation.server}",
        *one_plan.WORDS,
        *more,
        f"hydra.run.dir={out}",
    ]


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with Federation(tmp_path_factory.mktemp("federation")) as running:
        running.run_devices(*(running.device(f"device-{number}", person) for number, person in enumerate(PEOPLE, 1)))
        yield running


@pytest.fixture(scope="module")
def states(federation: Federation) -> list[Path]:
    return [federation.folder / f"device-{number}" for number in range(1, len(PEOPLE) + 1)]


def ledgers(states: Sequence[Path]) -> list[bytes]:
    return [(state / "keeper" / "ledger.jsonl").read_bytes() for state in states]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["learn.steps=4", "privacy.delta=1e-5"], "exactly learn.steps=1 privacy.delta=1e-06: give that"),
        (["privacy.mode=secure"], "devices refuse privacy.mode=secure"),
        (["server.rounds=6"], "devices would refuse this: the plan's rounds is 6; allowed is 5 at most"),
        (["data=drawn", "data.people=null"], "data=office is needed"),
        (["server.min_cohort=4"], "can't be asked of 3 people"),
        (["server.cohort=2"], "asks every enrolled device"),
        (["engine.folder=/nowhere"], "/nowhere"),
    ],
    ids=["constants", "secure", "rounds", "data", "min_cohort", "cohort", "folder"],
)
def test_what_devices_would_refuse_is_said_before_anybody_is_asked(
    more: list[str], said: str, federation: Federation, states: list[Path], tmp_path: Path
) -> None:
    before, runs = ledgers(states), list((federation.server / "runs").iterdir())
    with pytest.raises(InputError, match=re.escape(said)):
        run(composed(*words(federation, tmp_path)[1:-1], *more), tmp_path)
    assert ledgers(states) == before
    assert list((federation.server / "runs").iterdir()) == runs


def test_a_refusal_reaches_the_operator_as_one_sentence(federation: Federation, tmp_path: Path) -> None:
    printed = reticent(*words(federation, tmp_path / "out", "learn.steps=4"), code=2)
    (sentence,) = printed.strip().splitlines()
    assert sentence.startswith("reticent: the policy that devices accepted has exactly learn.steps=1:")


@pytest.fixture(scope="module")
def out(federation: Federation, states: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a whole run."""
    folder = tmp_path_factory.mktemp("run") / "out"
    printed = reticent(*words(federation, folder))
    assert "3 of 3 devices a round" in printed
    return folder


def plan_of(out: Path) -> tuple[str, Plan]:
    signed = Signed.from_bytes((out / "plan.json").read_bytes())
    return signed.id, Plan.from_bytes(signed.body, limit_bytes=1 << 16)


def test_the_output_folder_holds_what_a_simulation_leaves(
    federation: Federation, states: list[Path], out: Path
) -> None:
    assert {path.name for path in out.iterdir()} >= {
        "config.yaml",
        "rounds.jsonl",
        "results.json",
        "model.safetensors",
        "privacy.json",
        "report.html",
        "checkpoint",
    }
    results = json.loads((out / "results.json").read_bytes())
    assert (results["engine"], results["rounds"], results["people"]) == ("superlink", one_plan.ROUNDS, one_plan.PEOPLE)
    privacy = json.loads((out / "privacy.json").read_bytes())
    assert (privacy["simulated"], privacy["limits"]) == (False, {"employee": 50.0, "example": 50.0})
    assert [one["status"] for one in map(json.loads, (out / "rounds.jsonl").read_text().splitlines())] == [
        "start",
        "applied",
        "applied",
    ]
    assert "nobody has checked the ledgers yet" in re.sub(r"\s+", " ", (out / "report.html").read_text())


def test_the_figures_are_those_that_an_auditor_finds_in_a_ledger(states: list[Path], out: Path) -> None:
    """Each device took part in this run and no other so far."""
    found = json.loads(reticent("audit", "verify", states[0], "--json"))
    theirs = {(one["unit"], one["adversary"], one["adjacency"], one["windows"]): one for one in found["guarantees"]}
    ours = json.loads((out / "privacy.json").read_bytes())
    mine = {(one["unit"], one["adversary"], one["adjacency"], one["windows"]): one for one in ours["guarantees"]}
    for key in (("employee", "server", "zero_out", None), ("employee", "recipient", "replace_one", None)):
        assert mine[key]["epsilon"] == pytest.approx(theirs[key]["epsilon"], rel=1e-9)
    assert mine["employee", "server", "zero_out", None]["epsilon"] == pytest.approx(4.0, abs=0.01)


class Replay:
    """A worker whose people are the devices of a real run: it answers with the bytes that they sent."""

    def __init__(self, replies: Path) -> None:
        self._replies = replies

    def answer(self, number: int, people: Sequence[int], weights: Floats, clip_norm: float | None = None) -> PartialSum:
        paths = sorted(self._replies.glob(f"{number}-*.reply"))
        payloads = [decode_reply(paths[one].read_bytes(), limit_bytes=LARGEST, device_key=None)[1] for one in people]
        values = np.sum([np.frombuffer(one, dtype="<i4").astype(np.int64) for one in payloads], axis=0)
        return PartialSum(values=values, released=len(payloads), peak_rss_mb=0.0, process="replay")


def test_a_simulation_of_the_same_words_plays_the_very_plan_that_devices_were_sent(out: Path) -> None:
    _, plan = plan_of(out)
    assert one_plan.one_plan(issued_at=plan.issued_at, expires_at=plan.expires_at) == plan


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # Ray forgets the processes that it ended
@pytest.mark.parametrize(("engine", "workers"), [("inprocess", 1), ("inprocess", 2), ("ray", 2), ("flower", 2)])
def test_every_engine_s_aggregation_of_the_stored_payloads_reaches_the_same_weights(
    engine: str, workers: int, federation: Federation, out: Path, tmp_path: Path
) -> None:
    """design.md section 8: sums in other processes and another order, the same bits, the velocity included."""
    if engine != "inprocess" and find_spec("ray") is None:
        pytest.skip(f"engine={engine} needs the package ray")
    plan_id, plan = plan_of(out)
    settings = composed(*one_plan.SIMULATED, f"engine={engine}", f"engine.workers={workers}")
    assert not isinstance(settings.engine, SuperLink)
    course = Course(
        plan_id=plan_id,
        terms=plan,
        run_folder=tmp_path,
        score=lambda weights: None,
        publish=lambda rounds, weights: None,
        now=lambda: 0.0,
    )
    replayed: list[ServerState] = []

    def rounds(grid: Nodes) -> None:
        play = SimulatedRound(
            grid=grid, plan=plan, people=one_plan.PEOPLE, size=one_plan.PEOPLE, seed=0, optimiser=Momentum()
        )
        replayed.append(run_course(course, initial(plan.model, plan.trainable), play))

    make: Any = partial(Replay, federation.server / "runs" / plan_id / "replies")  # a worker by form
    with host_of(settings.engine, planned(settings, people=one_plan.PEOPLE)) as host:
        host.play(make, rounds)
    (ours,) = replayed
    real = read_checkpoint(out / "checkpoint", plan_id=plan_id, parameters=plan.parameters, optimiser=Momentum())
    assert real is not None
    assert real.round == one_plan.ROUNDS - 1
    np.testing.assert_array_equal(real.state.weights, ours.weights)
    np.testing.assert_array_equal(real.state.moments["velocity"], ours.moments["velocity"])
    hashes = [
        [line["new_weights_hash"] for line in map(json.loads, (folder / "rounds.jsonl").read_text().splitlines())]
        for folder in (out, tmp_path)
    ]
    assert hashes[0] == hashes[1]


def test_resuming_a_finished_run_asks_nobody_and_ends_as_before(states: list[Path], out: Path) -> None:
    before, results = ledgers(states), json.loads((out / "results.json").read_bytes())
    reticent("train", f"resume={out}")
    assert ledgers(states) == before
    again = json.loads((out / "results.json").read_bytes())
    assert {name: again[name] for name in ("top1", "people", "epsilon")} == {
        name: results[name] for name in ("top1", "people", "epsilon")
    }


def test_sigterm_stops_the_run_like_ctrl_c_and_resume_finishes_and_measures_it_without_a_second_charge(
    federation: Federation, states: list[Path], tmp_path: Path
) -> None:
    out, runs, before = tmp_path / "out", federation.server / "runs", set((federation.server / "runs").iterdir())
    command = [
        *RETICENT,
        *words(federation, out, "server.rounds=4", f"privacy.epsilon={5 + signal.SIGTERM / 100}", MEASURE),
    ]
    with (tmp_path / "said").open("w") as said:
        child = subprocess.Popen(
            command,
            env=ENVIRONMENT,
            stdout=said,
            stderr=subprocess.STDOUT,
        )

    def applied() -> int:
        return sum(path.read_text().count('"applied"') for folder in new() for path in folder.glob("rounds.jsonl"))

    def new() -> set[Path]:
        return set(runs.iterdir()) - before

    until(lambda: applied() > 0 or child.poll() is not None, "a round is applied")
    child.send_signal(signal.SIGTERM)
    assert child.wait(120) == 130
    printed = (tmp_path / "said").read_text()
    assert f"`reticent train resume={out}` goes on" in printed
    assert "Traceback" not in printed
    (folder,) = new()
    stopped_at = applied()
    assert 0 < stopped_at < 4
    assert (out / "rounds.jsonl").read_text().count('"applied"') == stopped_at  # nobody was asked while we looked
    reticent("train", f"resume={out}")
    results = json.loads((out / "results.json").read_bytes())
    assert results["rounds"] == 4
    assert (results["measured"]["people"], results["measured"]["epsilon"]) == (3, 2.0)
    (measured,) = new() - {folder}
    for state in states:
        charges = [
            entry.body
            for entry in read_ledger((state / "keeper" / "ledger.jsonl").read_bytes())
            if isinstance(entry.body, Charge) and entry.body.plan_id == folder.name
        ]
        assert Counter(charge.round for charge in charges) == dict.fromkeys(range(4), 1)
        entries = read_ledger((state / "keeper" / "ledger.jsonl").read_bytes())
        kinds = [kind_of(entry.body) for entry in entries if getattr(entry.body, "plan_id", None) == measured.name]
        assert kinds == ["charge", "release"]
    audit(federation.server, states)
