"""How long does a round take, beside other simulators and beside a bare loop? The same work, interleaved repeats, medians."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scripts.bench import bar

sys.path.insert(0, str(Path(__file__).parent))
import contest

TOLERANCE = 1e-5
REPEATS = 3
TASKS = {
    "cnn": "",
    "heads": "the shipped model's heads, example level, ",
    "all": "all of the shipped model, example level, ",
}
WORDS = ("data=drawn", "data.people=20", "learn=heads", "server.rounds=4")
ALONE = ("learn=heads", "engine.workers=1", "server.rounds=6")  # on the embedded people


def bars(*, quick: bool) -> Iterator[dict[str, Any]]:
    repeats, rounds = (1, 3) if quick else (REPEATS, 6)
    for task in TASKS:
        yield from _sizes(task, 100, 50, repeats=repeats, rounds=rounds)
    if not quick:
        yield from _sizes("cnn", 1_000, 100, repeats=repeats, rounds=rounds)
        yield from _sizes("all", 1_000, 100, repeats=repeats, rounds=3)
        yield from _real_model()
        yield from _beside_its_bare_loop()


def _sizes(task: str, clients: int, cohort: int, *, repeats: int, rounds: int) -> Iterator[dict[str, Any]]:
    engines: list[contest.Engine] = [contest.ours(1), contest.ours(2), contest.bare()]
    for name in ("pfl", "BlazeFL", "Flower") if task == "cnn" else ("pfl", "BlazeFL"):
        found = contest.peer(name, workers=2 if name == "Flower" else 1)
        if isinstance(found, str):
            print(f"{name} is left out: {found}", file=sys.stderr, flush=True)
        else:
            engines.append(found)
    ran = contest.contest(engines, task=task, repeats=repeats, clients=clients, cohort=cohort, rounds=rounds)
    one, two, loop = (ran.get(engine.name, []) for engine in (contest.ours(1), contest.ours(2), contest.bare()))
    what = f"{TASKS[task]}{clients:,} clients, {cohort} a round"
    if not (one and two and loop):
        raise SystemExit("this package's own engine failed; see above")
    apart = {name: _apart(runs[0].weights, loop[0].weights) for name, runs in ran.items()}
    print("rms difference from the bare loop:", {name: f"{one:.2g}" for name, one in apart.items()}, file=sys.stderr)
    yield bar(
        f"{what}: largest rms difference of weights from the bare loop's", max(apart.values()), "", goal=TOLERANCE
    )
    ours, ours_two = _round(one), _round(two)
    yield _against(f"{what}: a round, one process", ours, _round(loop), "bare loop", share=1.1)
    for name in ("pfl", "BlazeFL"):
        if name in ran:
            yield _against(f"{what}: a round, one process", ours, _round(ran[name]), name, share=0.7)
            yield _against(f"{what}: a round, two processes", ours_two, _round(ran[name]), name, share=0.45)
    if "Flower" in ran:
        flower = ran["Flower"]
        yield _against(f"{what}: a round, two processes", ours_two, _round(flower), "Flower, two actors", share=1 / 4)
        first = statistics.median(one.first_s for one in two)
        theirs = statistics.median(one.first_s for one in flower)
        yield _against(f"{what}: first round, start included", first, theirs, "Flower", share=1 / 20)
        memory, held = max(one.peak_mb for one in two), min(one.peak_mb for one in flower)
        yield _against(f"{what}: memory, two processes", memory, held, "Flower", share=1 / 4, unit="MB")


def _apart(some: np.ndarray, others: np.ndarray) -> float:
    """Root mean square. Not the largest: float32 rounds a value now and then to the other side of a ReLU."""
    return float(np.sqrt(np.mean((some - others) ** 2)))


def _round(runs: list[contest.Ran]) -> float:
    """Median over all later rounds of all repeats."""
    return statistics.median(second for run in runs for second in run.rounds_s)


def _against(name: str, ours: float, theirs: float, peer: str, *, share: float, unit: str = "s") -> dict[str, Any]:
    return bar(f"{name}, beside {peer}", ours, unit, peer=theirs, goal=share * theirs)


def _real_model() -> Iterator[dict[str, Any]]:
    """The shipped model under both levels of privacy: in process, on Ray, and under Flower's own simulation, by the same command."""
    found: dict[str, list[_Trained]] = {"inprocess": [], "ray": [], "flower": []}
    for _ in range(REPEATS):
        for engine, runs in found.items():
            ran = _train(engine)
            if isinstance(ran, int):
                print(f"engine={engine} is left out: it ended with {ran}", file=sys.stderr)
            else:
                runs.append(ran)
    found = {engine: runs if len(runs) == REPEATS else [] for engine, runs in found.items()}
    here, ray, flower = map(_typical, found.values())
    if here is None:
        raise SystemExit("this package's own engine failed; see above")
    what = "real model, both levels"
    if flower is not None:
        yield _against(f"{what}: a round", here.round_s, flower.round_s, "Flower", share=1 / 4)
        yield _against(f"{what}: first round, start included", here.first_s, flower.first_s, "Flower", share=1 / 20)
        yield _against(f"{what}: memory", here.peak_mb, flower.peak_mb, "Flower", share=1 / 4, unit="MB")
    if ray is not None:
        for name, ours, theirs, unit in (
            ("a round", here.round_s, ray.round_s, "s"),
            ("first round, start included", here.first_s, ray.first_s, "s"),
            ("memory", here.peak_mb, ray.peak_mb, "MB"),
        ):
            yield bar(f"{what}: {name}, beside engine=ray", ours, unit, peer=theirs)


def _beside_its_bare_loop() -> Iterator[dict[str, Any]]:
    """What the engine adds to the shipped model's own arithmetic: the same run, to the same bits, and a loop over its kernels."""
    ours: list[float] = []
    loop: list[float] = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as folder:
            words = ["-m", "reticent.cli", "train", *ALONE, f"hydra.run.dir={folder}/out"]
            subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
            lines = [json.loads(line) for line in (Path(folder) / "out" / "rounds.jsonl").read_text().splitlines()]
            ours += [line["seconds_train"] for line in lines if line["status"] == "applied"][1:]
            again = [sys.executable, str(Path(__file__).with_name("bare_model.py")), f"{folder}/out"]
            loop += json.loads(subprocess.run(again, stdout=subprocess.PIPE, check=True).stdout)[1:]
    what = "real model, both levels, 49 people: a round, one process"
    yield _against(what, statistics.median(ours), statistics.median(loop), "bare loop", share=1.1)


class _Trained(NamedTuple):
    """first_s: from the command to the end of the first round. round_s: of the later ones. peak_mb: of all processes, shared pages once."""

    first_s: float
    round_s: float
    peak_mb: float


def _train(engine: str) -> _Trained | int:
    """One run, or how it ended."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "out"
        words = [*WORDS, f"engine={engine}", "engine.workers=2", f"hydra.run.dir={root}"]
        began, first, peak = time.monotonic(), 0.0, 0.0
        looked = began
        process = subprocess.Popen(
            [sys.executable, "-m", "reticent.cli", "train", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        rounds = root / "rounds.jsonl"
        while process.poll() is None:
            if not first and rounds.exists() and '"applied"' in rounds.read_text():
                first = time.monotonic() - began
            if time.monotonic() - looked > 1.0:  # it takes time of the processes that it looks at
                peak, looked = max(peak, contest.memory_mb(process.pid)), time.monotonic()
            time.sleep(0.05)
        if process.returncode:
            return process.returncode
        lines = [json.loads(line) for line in rounds.read_text().splitlines()]
        later = [line["seconds_train"] for line in lines if line["status"] == "applied"][1:]
        return _Trained(first, statistics.median(later), peak)


def _typical(runs: list[_Trained]) -> _Trained | None:
    """The median of each figure; None where there is no run."""
    return _Trained(*map(statistics.median, zip(*runs, strict=True))) if runs else None
