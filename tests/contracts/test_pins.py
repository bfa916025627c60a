"""Every package is pinned exactly, and a device installs neither research tools nor Ray."""

import importlib.metadata
import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def closure(extras: frozenset[str]) -> dict[str, str]:
    """Name → installed version of everything that reticent with these extras needs on this machine."""
    found: dict[str, str] = {}
    waiting = [("reticent", extras)]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, asked = waiting.pop()
        if (name, asked) in seen:
            continue
        seen.add((name, asked))
        package = importlib.metadata.distribution(name)
        if name != "reticent":
            found[canonicalize_name(name)] = package.version
        for line in package.requires or []:
            needed = Requirement(line)
            markers = [{"extra": extra} for extra in asked] or [{"extra": ""}]
            if needed.marker is None or any(needed.marker.evaluate(marker) for marker in markers):
                waiting.append((needed.name, frozenset(needed.extras)))
    return found


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def test_every_package_that_is_installed_for_us_is_pinned_exactly() -> None:
    pinned = pins()
    for name, version in closure(frozenset({"dev", "server", "research"})).items():
        if re.fullmatch(r"nvidia-.*|triton|cuda-.*", name):
            continue  # what torch brings along where there is no CPU build
        assert pinned.get(name) == version.split("+")[0], name


def test_a_device_installs_no_research_tools() -> None:
    device = closure(frozenset())
    assert "torch" in device
    assert "flwr" in device
    assert not {
        "ray",
        "hydra-core",
        "optuna",
        "matplotlib",
        "mlflow",
        "pytest",
        "selenium",
        "miniwob",
        "pyarrow",
    } & set(device)
