"""Starts engines as processes of their own, and watches how long their rounds take and what all their processes hold."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "reticent-bench"
_PRIVATE = ["opacus==1.6.0", "safetensors"]  # for a person's private step, and for the shipped model's weights
_PEERS = {
    "pfl": ("pfl_peer.py", ["pfl==0.6.0", "torch==2.13.0", *_PRIVATE]),
    "BlazeFL": ("blazefl_peer.py", ["torch==2.13.0", "numpy", "tqdm", *_PRIVATE]),
    "Flower": ("flower_peer.py", ["flwr[simulation]==1.41.0", "torch==2.13.0"]),
}
_BLAZEFL = ["--ignore-requires-python", "--no-deps", "--pre", "blazefl>=3.0.0b1,<4"]
_ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])
}  # peers take the shipped model's network
_INSTALL_S, _RUN_S, _LOOK_S = 1_800, 3_600, 0.2


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A program that takes the workload's words, and which Python runs it."""

    name: str
    python: str
    program: Path
    workers: int = 1


@dataclass(frozen=True, kw_only=True)
class Ran:
    """One run. first_s: from the start of the process to the end of the first round. rounds_s: of the later rounds.
    peak_mb: of all its processes together, memory that they share counted once."""

    first_s: float
    rounds_s: list[float]
    peak_mb: float
    weights: np.ndarray


def ours(workers: int) -> Engine:
    return Engine(name=f"reticent, {workers} process", python=sys.executable, program=HERE / "ours.py", workers=workers)


def bare() -> Engine:
    return Engine(name="bare loop", python=sys.executable, program=HERE / "bare.py")


def peer(name: str, *, workers: int = 1) -> Engine | str:
    """The peer, installed in an environment of its own below CACHE; or, in a few words, why it can't be."""
    program, packages = _PEERS[name]
    folder = CACHE / name.lower()
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        print(f"installing {name} into {folder}", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        steps = [[sys.executable, "-m", "venv", str(folder)], [str(python), "-m", "pip", "install", "-q", *packages]]
        if name == "BlazeFL":
            steps.append([str(python), "-m", "pip", "install", "-q", *_BLAZEFL])
        for step in steps:
            try:
                subprocess.run(step, check=True, capture_output=True, text=True, timeout=_INSTALL_S)
            except subprocess.CalledProcessError as error:
                return f"can't be installed: {(error.stderr.strip().splitlines() or ['pip says nothing'])[-1]}"
            except subprocess.TimeoutExpired:
                return "can't be installed: it takes too long"
        if name == "BlazeFL":
            _for_this_python(next(folder.glob("lib/python*/site-packages/blazefl")))
        (folder / "installed").touch()
    return Engine(name=name, python=str(python), program=HERE / "peers" / program, workers=workers)


def _for_this_python(package: Path) -> None:
    """BlazeFL 3 asks for Python 3.14; what keeps its code from 3.11 are two functions' type parameters, and annotations that
    name what is defined later."""
    for path in package.rglob("*.py"):
        text = re.sub(r"^def (\w+)\[T\]\(", r"def \1(", path.read_text(), flags=re.MULTILINE)
        path.write_text(f"from __future__ import annotations\n\n{text}")


def run(engine: Engine, *, task: str, clients: int, cohort: int, rounds: int) -> Ran | str:
    """One run of so many rounds; or the last line of what went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.npy"
        words = {"task": task, "clients": clients, "cohort": cohort, "rounds": rounds, "workers": engine.workers}
        words["weights"] = weights
        command = [engine.python, str(engine.program), *(f"--{name}={value}" for name, value in words.items())]
        log = Path(folder) / "log"
        began, times, peak, first = time.monotonic(), [], 0.0, 0.0
        with log.open("w+b") as said, Path(folder, "out").open("w+b") as out:
            process = subprocess.Popen(command, stdout=out, stderr=said, env=_ENVIRONMENT)
            while process.poll() is None:
                peak = max(peak, memory_mb(process.pid))
                if not first and b"round " in Path(folder, "out").read_bytes():
                    first = time.monotonic() - began
                if time.monotonic() - began > _RUN_S:
                    process.kill()
                time.sleep(_LOOK_S)
        lines = Path(folder, "out").read_text().splitlines()
        times = [float(line.split()[1]) for line in lines if line.startswith("round ")]
        if process.returncode or len(times) != rounds:
            return (log.read_text().strip().splitlines() or ["it said nothing"])[-1]
        return Ran(
            first_s=first or time.monotonic() - began, rounds_s=times[1:], peak_mb=peak, weights=np.load(weights)
        )


def memory_mb(pid: int) -> float:
    """Of a process and all its descendants: what is shared among them counts once (PSS)."""
    total = 0
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    for one in family:
        try:
            total += one.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total / (1 << 20)


def contest(
    engines: Sequence[Engine], *, task: str, repeats: int, clients: int, cohort: int, rounds: int
) -> dict[str, list[Ran]]:
    """Every engine in turn, `repeats` times over; who fails is left out with a word."""
    found: dict[str, list[Ran]] = {}
    left = list(engines)
    for _ in range(repeats):
        for engine in list(left):
            ran = run(engine, task=task, clients=clients, cohort=cohort, rounds=rounds)
            if isinstance(ran, str):
                print(f"{engine.name} is left out: {ran}", file=sys.stderr, flush=True)
                left.remove(engine)
                found.pop(engine.name, None)
            else:
                found.setdefault(engine.name, []).append(ran)
    return found
