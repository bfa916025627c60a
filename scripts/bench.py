"""Finds a study by name, runs it, prints its bars: a table, or one JSON object a line."""

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
STUDIES = {
    "speed": ("experiments/005-speed/speed.py", "seconds a round beside pfl, BlazeFL, Flower and a bare loop"),
    "aggregate": ("experiments/005-speed/aggregate.py", "what a server's check and sum cost, beside a copy"),
    "start": ("experiments/005-speed/start.py", "seconds from the command to the first finished round"),
    "growth": (
        "experiments/002-simulated-people/growth.py",
        "seconds and memory of a simulation, 100 to 10,000 people",
    ),
    "federation": ("experiments/001-first-federation/federation.py", "seconds, memory, CPU and bytes of real rounds"),
    "step": (
        "experiments/006-private-step/step.py",
        "seconds of a private step that trains everything, against Opacus",
    ),
    "release": ("experiments/001-first-federation/release.py", "seconds for one release through the door"),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("name", nargs="?", choices=sorted(STUDIES))
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--list", action="store_true", help="name the studies")
    arguments = parser.parse_args()
    if arguments.list or arguments.name is None:
        for name, (_, what) in sorted(STUDIES.items()):
            print(f"{name:<12} {what}")
        return 0 if arguments.list else 2
    for bar in load(arguments.name).bars(quick=arguments.quick):
        print(json.dumps(bar) if arguments.json else line(bar), flush=True)
    return 0


def load(name: str) -> Any:
    """The study as a module; its folder's name is no Python name."""
    path = ROOT / STUDIES[name][0]
    sys.path.insert(0, str(ROOT))
    spec = importlib.util.spec_from_file_location(f"study_{name}", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is missing")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def line(bar: dict[str, Any]) -> str:
    """One bar for a person."""
    peer = "" if bar["peer"] is None else f"  peer {bar['peer']:.3g} ({bar['ratio']:.3g} x)"
    goal = "" if bar["goal"] is None else f"  goal {bar['goal']:.4g}: {'met' if bar['met'] else 'NOT met'}"
    return f"{bar['name']:<58} {bar['ours']:>10.4g} {bar['unit']:<8}{peer}{goal}"


def bar(name: str, ours: float, unit: str, *, peer: float | None = None, goal: float | None = None) -> dict[str, Any]:
    """One figure. goal: the most that `ours` may be."""
    ratio = None if peer is None else ours / peer
    met = None if goal is None else ours <= goal
    return {"name": name, "ours": ours, "unit": unit, "peer": peer, "ratio": ratio, "goal": goal, "met": met}


if __name__ == "__main__":
    sys.exit(main())
