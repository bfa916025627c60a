"""One client in every engine: a device's path and a simulation's worker make the same update of the same inputs, and
workers anywhere the same sum.

The tests of Ray share one, so they stand in one file: --dist loadfile gives it to one process.
"""

import gc
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import tests.aggregate.conftest  # noqa: F401  # see there
from reticent import client
from reticent.actions.pool import Pool
from reticent.cli import main
from reticent.egress import Update
from reticent.errors import StateError
from reticent.learn.memory import Memory
from reticent.model import catalogue
from reticent.model.bringing import write_model
from reticent.model.public import initial
from reticent.model.tensors import Floats
from reticent.privacy.noise import SeededNoise, SystemNoise
from reticent.recordings import drawn
from reticent.recordings.archive import write_archive
from reticent.records.canonical import digest
from reticent.records.plan import Plan
from reticent.sim import actors, worker
from reticent.sim.rounds import SimulatedRound
from reticent.sim.tasks import run_all
from reticent.sim.worker import PartialSum, Worker, _mixed
from reticent.sim.workers import local_workers
from tests import one_plan
from tests.api.trunks import Sound
from tests.model.random_pools import random_pool
from tests.sim.world import PEOPLE, a_plan, make_worker
from tests.test_client import Device
from tests.world import MODEL, NOW, join_request, plan, train_request, training

SEED, ROUND, PERSON = 7, 0, 1


@pytest.fixture
def updates(monkeypatch: pytest.MonkeyPatch) -> list[Update]:
    """Every update that reaches the door, whichever side of it."""
    seen: list[Update] = []

    def watched(door: Callable[..., Any], update: Update, **more: Any) -> Any:
        seen.append(update)
        return door(update, **more)

    for name in ("seal", "simulate"):
        monkeypatch.setattr(client, name, partial(watched, getattr(client, name)))
    return seen


def on_a_device(asked: Plan, weights: Floats, pool: Callable[[], Pool], memory: Memory, noise: SeededNoise) -> None:
    """Joined, charged, counter-signed, trained with a keeper's memory, sealed; only what training draws is the test's."""
    assert asked.training is not None
    accepted = {name: getattr(asked.training, name) for name in ("sampling_rate", "expected_batch", "steps")}
    device = Device(**accepted, min_cohort=asked.min_cohort)
    signed, data = device.organisation.signed(asked), weights.astype("<f4").tobytes()
    reply = device.join(join_request(signed, data))
    client.train(
        train_request(signed, data, device.organisation.receipt(reply)),
        data,
        terms=device.terms,
        payment=device.payment,
        pool=pool,
        noise=SystemNoise(),
        now=NOW,
        learn=lambda pool, weights, **more: memory.update(pool, weights, **{**more, "noise": noise}),
    )


@pytest.mark.parametrize(
    "asked",
    [
        plan(training=training(steps=1)),
        plan(training=training(steps=3)),
        one_plan.one_plan(issued_at=NOW - 10, expires_at=NOW + 3_600),
    ],
    ids=["one step", "three steps", "the plan that every engine plays"],
)
def test_a_device_and_a_worker_make_the_same_update_to_the_bit(asked: Plan, updates: list[Update]) -> None:
    weights = initial(MODEL, "heads")
    weights = weights + np.random.default_rng(0).normal(0, 0.01, weights.shape).astype(np.float32)
    memory = Memory()

    def device() -> None:
        noise = SeededNoise(_mixed(SEED, ROUND, PERSON))
        on_a_device(asked, weights, lambda: PEOPLE.pool(PERSON), memory, noise)

    device()
    device()  # once more, from what it remembers
    one = Worker(plan=asked, plan_id=digest(asked.to_bytes()), population=PEOPLE, seed=SEED, cache_bytes=1 << 30)
    one.answer(ROUND, [PERSON], weights)
    one.answer(ROUND, [PERSON], weights)
    first, *others = [update.delta for update in updates]
    assert len(others) == 3
    assert np.linalg.norm(first) > 0
    for other in others:
        np.testing.assert_array_equal(first, other)
    one.answer(ROUND, [PERSON + 1], weights)  # another person's is another
    assert not np.array_equal(updates[-1].delta, first)


WORDS = ("data=drawn", "data.people=4", "model=history", "server.rounds=2", "server.cohort=3", "seed=5")
KINDS = {
    "as devices do": (*one_plan.SIMULATED, f"data.people={one_plan.PEOPLE}", "server.cohort=null"),
    "plain, adaptive, FedAdam": (
        "learn=plain",
        "learn.epochs=2",
        "learn.batch=16",
        "privacy/clip=adaptive",
        "server/optimiser=adam",
    ),
    "the trunk too": ("learn=all", "model.name=office-10k", "learn.noise_multiplier=0.1"),
}
"""Runs that every engine plays, by what people train. The first is of the plan that tests/e2e/test_train_on_devices.py sends to
devices; here it is played by people, to the bit alike, and there each engine adds up what devices sent."""


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """WORDS, on a recording of few people: scores are taken in other processes too, and of all who test."""
    path = tmp_path_factory.mktemp("recordings") / "small.recording"
    sessions = [sitting for index in range(14) for sitting in drawn.recorded(drawn.name(index))]
    write_archive(path, sessions, title="Fourteen drawn people", datasheet="Drawn.")
    return ("data=files", f"data.path={path}", *WORDS[1:])


@pytest.fixture(scope="module")
def here(common: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The folder of the run, with more words, that every engine is compared with; played when it is asked for."""

    @cache
    def played(*words: str) -> Path:
        folder = tmp_path_factory.mktemp("inprocess") / "out"
        assert main(["train", *common, *words, "engine.workers=1", f"hydra.run.dir={folder}"]) == 0
        return folder

    return played


@pytest.fixture(scope="module")
def one_ray() -> Iterator[ExitStack]:
    """What ends this module's Ray, and leaves no process of it."""
    before = set(psutil.Process().children(recursive=True))
    with warnings.catch_warnings(), ExitStack() as stack:
        yield stack
        started = set(psutil.Process().children(recursive=True)) - before
        warnings.simplefilter("ignore", ResourceWarning)  # Ray forgets the processes that it ended
        stack.close()
        gc.collect()
    assert not psutil.wait_procs(started, timeout=30)[1]


@pytest.fixture
def ray(one_ray: ExitStack) -> None:
    """Ray on this machine, one for all tests here: it takes ten seconds to start."""
    if find_spec("ray") is None:
        pytest.skip("engine=ray and engine=flower need the package ray")
    if "ray" not in sys.modules or not sys.modules["ray"].is_initialized():
        assert one_ray.enter_context(actors.connected(None, cores=2)) == 2


def weights_of(folder: Path) -> list[str]:
    """The hash of the weights after each applied round."""
    lines = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    return [line["new_weights_hash"] for line in lines if line["status"] in ("start", "applied")]


@pytest.mark.parametrize("words", KINDS.values(), ids=KINDS)
def test_a_stopped_run_goes_on_over_ray_to_the_same_bits(
    words: tuple[str, ...],
    ray: None,
    common: tuple[str, ...],
    here: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, play = tmp_path / "out", SimulatedRound.__call__

    def until_the_second(self: SimulatedRound, number: int, *rest: Any) -> Any:
        if number == 1:
            raise KeyboardInterrupt
        return play(self, number, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(SimulatedRound, "__call__", until_the_second)
        patch.setattr(
            actors, "Actors", lambda make, workers: local_workers(make, workers=1)
        )  # a start less to wait for
        assert main(["train", *common, *words, "engine=ray", "engine.workers=2", f"hydra.run.dir={folder}"]) == 130
    assert len(weights_of(folder)) == 2
    assert main(["train", f"resume={folder}"]) == 0
    assert_same(folder, here(*words))
    assert json.loads((folder / "privacy.json").read_text())["simulated"]
    assert sys.modules["ray"].is_initialized()  # it was there before


def assert_same(folder: Path, other: Path) -> None:
    assert len(weights_of(folder)) == 3
    assert weights_of(folder) == weights_of(other)
    assert (folder / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()


class Mortal:
    """A worker that dies in the middle of its first slice, once in the lifetime of `mark`."""

    def __init__(self, mark: Path, made: Callable[[], Worker]) -> None:
        self._mark = mark
        self._worker = made()

    def answer(self, number: int, people: Sequence[int], weights: Floats, clip_norm: float | None = None) -> PartialSum:
        whole = self._worker.answer(number, people, weights)
        if not self._mark.exists():
            self._mark.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return whole


@dataclass(frozen=True, kw_only=True)
class Lost:
    """Two actors with an own model, one of which was killed in the middle of a round.

    sums: what they answered. expected: what a worker here does. before, after: their process ids. raised: for a person who
    isn't there.
    """

    sums: list[Any]
    expected: list[Any]
    killed: int
    before: list[int]
    after: list[int]
    raised: BaseException | None


@pytest.fixture
def lost(ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lost:
    monkeypatch.setattr(catalogue, "_registered", {})
    catalogue.register("mine", write_model(Sound(), tmp_path / "mine.safetensors", random_pool(160)))
    asked = a_plan(model="mine", parameters=catalogue.parameters("mine", "heads"))
    made = partial(worker.make_worker, catalogue.registered(), None, **make_worker(asked).keywords)
    weights, slices = initial("mine", "heads"), ([0, 2], [1, 3])
    mark = tmp_path / "mark"
    with actors.Actors(partial(Mortal, mark, made), workers=2) as workers:  # type: ignore[arg-type]  # a worker by form
        before = workers.processes()
        answers = [workers.ask(place, ROUND, slices[place], weights.tobytes()) for place in range(2)]
        sums = [one.result(timeout=120).values for one in answers]
        raised = workers.ask(0, ROUND, [len(PEOPLE)], weights.tobytes()).exception(timeout=120)
        after = workers.processes()
    monkeypatch.setattr(catalogue, "_registered", {})
    expected = [made().answer(ROUND, some, weights).values for some in slices]
    return Lost(sums=sums, expected=expected, killed=int(mark.read_text()), before=before, after=after, raised=raised)


def test_a_lost_actor_is_started_again_and_its_slice_of_an_own_model_gives_the_same_sum(lost: Lost) -> None:
    assert lost.killed in lost.before
    assert lost.killed not in lost.after
    assert len(set(lost.before)) == len(set(lost.after)) == 2
    np.testing.assert_array_equal(lost.sums, lost.expected)
    assert type(lost.raised) is IndexError  # as a worker here would raise it
    left = [psutil.Process(one) for one in lost.after if psutil.pid_exists(one)]
    assert not psutil.wait_procs(left, timeout=30)[1]


class Doomed:
    """A worker that dies in each of its slices."""

    def answer(self, number: int, people: Sequence[int], weights: Floats, clip_norm: float | None = None) -> PartialSum:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


@pytest.mark.parametrize("patience_s", [600.0, 0.0])
def test_an_actor_that_is_lost_each_time_or_for_too_long_is_given_up(
    patience_s: float, ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actors, "_RETRIES", 1)
    with actors.Actors(Doomed, workers=1) as workers:  # type: ignore[arg-type]  # a worker by form
        monkeypatch.setattr(actors, "_START_S", patience_s)
        answer = workers.ask(0, ROUND, [0], initial(MODEL, "heads").tobytes())
        assert type(answer.exception(timeout=120)) is BrokenExecutor


def listening(process: psutil.Process) -> set[Any]:
    with suppress(psutil.NoSuchProcess):
        return {one.laddr for one in process.net_connections(kind="inet") if one.status == psutil.CONN_LISTEN}
    return set()


def test_what_ray_starts_here_listens_on_loopback_alone_and_has_no_dashboard(ray: None) -> None:
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    addresses = set().union(*map(listening, family))
    assert len(addresses) >= 2
    assert {one.ip.removeprefix("::ffff:") for one in addresses} <= {"127.0.0.1", "::1"}
    assert 8265 not in {one.port for one in addresses}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_while_ray_starts_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "reticent.cli", "train", *WORDS, "engine=ray", f"hydra.run.dir={tmp_path / 'out'}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    family: list[psutil.Process] = []
    ends = time.monotonic() + 60
    while not any("raylet" in one.name() for one in family):
        assert process.poll() is None
        assert time.monotonic() < ends
        time.sleep(0.05)
        with suppress(psutil.NoSuchProcess):
            family = psutil.Process(process.pid).children(recursive=True)
            family = [one for one in family if one.is_running()]
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert said.strip() == "reticent: stopped"
    assert not psutil.wait_procs(family, timeout=30)[1]
    assert list(tmp_path.iterdir()) == []


def test_more_actors_than_ray_has_cores_is_one_sentence(
    ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *WORDS, "engine=ray", "engine.workers=3", f"hydra.run.dir={tmp_path / 'out'}"]) == 2
    assert "Ray has 2 cores; nothing was trained" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def swept(one_ray: ExitStack, common: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of three runs as tasks of Ray; two of them can't be."""
    folder = tmp_path_factory.mktemp("swept") / "out"
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "rounds.jsonl").write_text("precious")
    words = ["hydra/launcher=ray", "engine.workers=1", "privacy.epsilon=4,2", f"hydra.sweep.dir={folder}"]
    assert main(["train", "-m", *common, *words]) == 2
    words = ["hydra/launcher=ray", "engine=ray,inprocess", f"hydra.sweep.dir={folder}/engines"]
    assert main(["train", "-m", *common, *words]) == 2
    return folder


def test_a_sweep_over_ray_gives_the_same_bits_and_one_table(ray: None, here: Callable[..., Path], swept: Path) -> None:
    for folder in (swept / "0", swept / "engines" / "1"):
        assert_same(folder, here())
    assert (swept / "sweep.csv").read_text().count("\n") == 3


def test_a_run_over_ray_that_fails_leaves_its_reason_and_the_others(ray: None, swept: Path) -> None:
    said = [json.loads((swept / job / "failed.json").read_text())["sentence"] for job in ("1", "engines/0")]
    assert "holds rounds.jsonl and no run's config.yaml" in said[0]
    assert "(hydra/launcher=ray) takes engine=inprocess" in said[1]
    assert not (swept / "1" / "results.json").exists()


def test_a_sweep_over_submitit_gives_the_same_bits(
    common: tuple[str, ...], here: Callable[..., Path], tmp_path: Path
) -> None:
    words = ["hydra/launcher=submitit_local", "engine.workers=1", f"hydra.sweep.dir={tmp_path}"]
    assert main(["train", "-m", *common, *words]) == 0
    assert_same(tmp_path / "0", here())
    assert (tmp_path / "sweep.csv").read_text().count("\n") == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("cpus_per_job=3", "cpus_per_job is 3, and no machine of Ray has more than 2 cores"),
        ("cpus_per_job=0", "cpus_per_job takes a whole number of at least 1"),
        ("cpus_per_job=nan", "cpus_per_job takes a whole number of at least 1"),
        ("cpus_per_job=true", "cpus_per_job takes a whole number of at least 1"),
        ("address=head", "address takes null, auto or host:port"),
        ("address=7", "address takes null, auto or host:port"),
        ("address=127.0.0.1:6379", "connected to Ray already; hydra.launcher.address must be null"),
    ],
)
def test_what_ray_s_launcher_can_t_do_is_one_sentence(
    words: str, said: str, ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    words_of_all = ["hydra/launcher=ray", f"hydra.launcher.{words}", f"hydra.sweep.dir={folder}", "seed=0,1"]
    assert main(["train", "-m", *WORDS[:-1], *words_of_all]) == 2
    printed = capsys.readouterr().err
    assert f"hydra.launcher.{said.removeprefix('hydra.launcher.')}" in printed or said in printed
    assert printed.count("\n") == 1
    assert not folder.exists()


def test_a_task_whose_process_is_lost_is_asked_again_and_then_said(ray: None, tmp_path: Path) -> None:
    def lost(times: int) -> str:
        (tmp_path / str(os.getpid())).touch()
        if len(list(tmp_path.iterdir())) <= times:
            os.kill(os.getpid(), signal.SIGKILL)
        return "here"

    settings: dict[str, Any] = {"address": None, "cpus_per_task": 1}
    assert run_all(lost, [(1,)], retries=1, **settings) == ["here"]
    with pytest.raises(StateError, match="1 of 1 runs was lost 2 times"):
        run_all(lost, [(99,)], retries=1, **settings)


def test_flower_would_end_a_ray_that_others_use_and_is_refused(
    ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *WORDS, "engine=flower", f"hydra.run.dir={tmp_path / 'out'}"]) == 2
    assert "ray.shutdown() first; nothing was trained" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", KINDS.values(), ids=KINDS)
def test_flower_s_own_simulation_gives_the_same_bits(
    words: tuple[str, ...],
    ray: None,
    common: tuple[str, ...],
    here: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On the Ray of the tests above, which it ends: the last that need it."""
    monkeypatch.setattr(actors, "in_use", lambda: False)
    monkeypatch.setattr(actors, "connected", lambda address, cores: nullcontext())
    folder = tmp_path / "out"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # as in `one_ray`
        assert main(["train", *common, *words, "engine=flower", "engine.workers=2", f"hydra.run.dir={folder}"]) == 0
        gc.collect()
    assert_same(folder, here(*words))
    assert json.loads((folder / "privacy.json").read_text())["simulated"]


@pytest.mark.parametrize("engine", ["ray", "flower"])
def test_without_ray_its_engines_are_refused_before_any_work(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(actors, "find_spec", lambda name: None)
    assert main(["train", *WORDS, f"engine={engine}", f"hydra.run.dir={tmp_path / 'out'}"]) == 2
    assert f"engine={engine} needs the package ray: pip install" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
