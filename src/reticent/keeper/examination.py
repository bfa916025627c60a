"""Each part that a device needs, tried for real on this machine."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["works", "limited", "missing"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One part, what was found, and what to do about it."""

    part: str
    state: State
    fact: str
    advice: str = ""

    def as_dict(self) -> dict[str, str]:
        return {"part": self.part, "state": self.state, "fact": self.fact, "advice": self.advice}


def examine() -> tuple[Finding, ...]:
    """Try every part once; a part that raises is reported as missing with the kind of its error."""
    parts: tuple[tuple[str, Callable[[], Finding]], ...] = (
        ("python", _python),
        ("keeper wall", _keeper_wall),
        ("courier wall", _courier_wall),
        ("noise", _noise),
        ("vault", _vault),
        ("vault key", _vault_key),
        ("recordings", _recordings),
        ("training", _training),
        ("flower", _flower),
        ("display", _display),
        ("accelerator", _accelerator),
        ("disk", _disk),
    )
    findings = []
    for part, look in parts:
        try:
            findings.append(look())
        except Exception as error:
            findings.append(Finding(part, "missing", f"{type(error).__name__}: {error}", "run scripts/setup again"))
    return tuple(findings)


def _python() -> Finding:
    return Finding("python", "works", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _confined(code: str) -> str:
    """Run a line in a process of its own, because a wall can't be taken down again."""
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return child.stdout.strip()


def _wall(part: str, code: str) -> Finding:
    standing = _confined(code)
    if "audit only" in standing or standing == "none":
        return Finding(part, "limited", standing, "only Linux confines this process; every report will say so")
    return Finding(part, "works", standing)


def _keeper_wall() -> Finding:
    return _wall("keeper wall", "from reticent import walls; print(walls.keeper_wall())")


def _courier_wall() -> Finding:
    with tempfile.TemporaryDirectory() as folder:
        asked = f"hidden=Path({folder!r}), readable=(), writable=(), ports=()"
        return _wall(
            "courier wall", f"from pathlib import Path; from reticent import walls; print(walls.courier_wall({asked}))"
        )


def _noise() -> Finding:
    from reticent.privacy.noise import SystemNoise

    began = time.perf_counter()
    count = 2_000
    SystemNoise().discrete_gaussian(count, sigma=10_000.0)
    return Finding(
        "noise", "works", f"exact discrete Gaussian, {count / (time.perf_counter() - began):,.0f} values a second"
    )


def _vault() -> Finding:
    from reticent.capture.vault import Vault

    with tempfile.TemporaryDirectory() as folder, Vault.create(Path(folder) / "vault.db", key=os.urandom(32)) as vault:
        return Finding("vault", "works", f"SQLCipher makes and opens a vault of {vault.count()} sessions")


def _vault_key() -> Finding:
    from reticent.capture.vault_key import load_or_create

    with tempfile.TemporaryDirectory() as folder:
        _, where = load_or_create(Path(folder) / "vault.key")
    if where == "keyring":
        return Finding("vault key", "works", "kept in the system's keyring")
    return Finding(
        "vault key",
        "limited",
        "no keyring here: a 0600 file beside the vault",
        "encrypt the disk, or start a secret service",
    )


def _recordings() -> Finding:
    from reticent.recordings import source

    return Finding("recordings", "works", f"office: {len(source.people('office'))} scripted people")


def _training() -> Finding:
    from reticent.model import catalogue, network

    names, problems = catalogue.names(), catalogue.problems()
    network.load(names[0])
    if problems:
        return Finding(
            "training",
            "limited",
            f"{names[0]} loads, but not every model that is installed: {'; '.join(problems)}",
            "ask whoever installed that package",
        )
    return Finding(
        "training",
        "works",
        f"{names[0]} loads; {catalogue.parameters(names[0], 'heads'):,} trainable parameters in its heads",
    )


def _flower() -> Finding:
    import importlib.metadata

    found = [name for name in ("flower-superlink", "flower-superexec", "flwr") if shutil.which(name, path=_path())]
    version = importlib.metadata.version("flwr")
    if len(found) < 3:
        return Finding(
            "flower",
            "limited",
            f"flwr {version}, without its commands",
            "a device needs none; a server does: pip install reticent[server]",
        )
    return Finding("flower", "works", f"flwr {version} and its commands")


def _path() -> str:
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def _display() -> Finding:
    if os.environ.get("XDG_SESSION_TYPE") == "wayland" or os.environ.get("WAYLAND_DISPLAY"):
        return Finding(
            "display", "limited", "Wayland: capture would miss most input and is refused", "use an X11 session"
        )
    if platform.system() == "Linux" and not os.environ.get("DISPLAY"):
        return Finding(
            "display", "limited", "none: nothing can be captured here; recorded sessions work", "set DISPLAY"
        )
    return Finding("display", "works", os.environ.get("DISPLAY", platform.system()))


def _accelerator() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("accelerator", "works", torch.cuda.get_device_name(0))
    return Finding("accelerator", "limited", "no GPU: everything runs on the CPU")


def _disk() -> Finding:
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    if free_gb < 1:
        return Finding(
            "disk", "missing", f"{free_gb:.1f} GB free", "a full disk stops a device before it sends; free some space"
        )
    return Finding("disk", "works", f"{free_gb:,.0f} GB free")
