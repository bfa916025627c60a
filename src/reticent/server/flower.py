"""Flower's own command line, as functions: the only file that knows its words and its JSON."""

import contextlib
import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from reticent.errors import FormatError, ReticentError, StateError
from reticent.server.launcher import Child, Program, environment, executable
from reticent.server.settings import ServerPaths, ServerSettings

_TIMEOUT_S = 120.0  # one command takes 1 to 2 s; a loaded machine is patient
_CONNECTION = "local"


@dataclass(frozen=True, slots=True)
class Node:
    """A registered device as the SuperLink sees it. status: registered (never seen), online, offline, unregistered."""

    node_id: int
    status: str


@dataclass(frozen=True, slots=True)
class FlowerRun:
    """status: pending, starting, running, finished:completed, finished:failed, finished:stopped."""

    status: str
    details: str

    @property
    def finished(self) -> bool:
        return self.status.startswith("finished")


def connection(paths: ServerPaths, settings: ServerSettings) -> str:
    """config.toml of the Flower home: where Flower's commands find the SuperLink."""
    return (
        f'[superlink]\ndefault = "{_CONNECTION}"\n\n[superlink.{_CONNECTION}]\n'
        f'address = "127.0.0.1:{settings.superlink_port}"\n'
        f"root-certificates = {_toml(str(paths.ca_certificate))}\n"
    )


def node_public_key(pem: str) -> bytes:
    """A node's public key (PEM) as the OpenSSH line that Flower registers. Raises FormatError for anything else."""
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise FormatError("the node key is not an elliptic-curve public key on P-384; nothing was registered")
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)


def register(paths: ServerPaths, public_key: bytes) -> int:
    """Make a node key known to the SuperLink; its node id. `public_key`: an OpenSSH line.

    Raises: StateError if the key is registered already or the SuperLink can't be reached; nothing changed then.
    """
    with tempfile.NamedTemporaryFile(suffix=".pub") as file:
        file.write(public_key)
        file.flush()
        try:
            answer = _ask(paths, "supernode", "register", file.name, _CONNECTION)
        except _FlowerRefusal as refusal:
            if "already in use" in str(refusal):
                raise StateError("this node key is registered already; the device needs a new one") from None
            raise
    node_id = answer.get("node-id")
    if not isinstance(node_id, int) or node_id <= 0:
        raise FormatError("Flower named no node id for the registered key")
    return node_id


def nodes(paths: ServerPaths) -> tuple[Node, ...]:
    """Every node that was ever registered."""
    found = _objects(_ask(paths, "supernode", "list", _CONNECTION), "nodes")
    try:
        return tuple(Node(node_id=int(node["node-id"]), status=str(node["status"])) for node in found)
    except (KeyError, ValueError):
        raise FormatError("Flower's list of nodes has another form than expected") from None


def start(paths: ServerPaths, *, bundle: Path, config: dict[str, str], config_file: Path) -> int:
    """Submit the bundle with a run config; Flower's run id. The config is left in `config_file`."""
    config_file.write_text("".join(f"{key} = {_toml(value)}\n" for key, value in config.items()), "utf-8")
    answer = _ask(paths, "run", str(bundle), _CONNECTION, "--run-config", str(config_file))
    try:
        return int(str(answer["run-id"]))
    except (KeyError, ValueError):
        raise FormatError("Flower named no run id") from None


def stop(paths: ServerPaths, run_id: int) -> None:
    """End a run; one that has ended already is left as it is."""
    with contextlib.suppress(_FlowerRefusal):
        _ask(paths, "stop", str(run_id), _CONNECTION)


def run_state(paths: ServerPaths, run_id: int) -> FlowerRun:
    """How one run stands. Raises StateError if the SuperLink does not know it."""
    found = _objects(_ask(paths, "list", _CONNECTION, "--run-id", str(run_id)), "runs")
    try:
        return FlowerRun(status=str(found[0]["status"]), details=str(found[0]["status-details"]))
    except (KeyError, IndexError):
        raise FormatError("Flower's list of runs has another form than expected") from None


def follow(paths: ServerPaths, run_id: int, *, log: Path) -> Child:
    """A process that copies the run's output to `log` and ends when the run does (or the SuperLink goes away)."""
    arguments = (executable("flwr"), "log", str(run_id), _CONNECTION, "--stream")
    return Child(Program(name="log", arguments=arguments, log=log), environment=environment(paths))


class _FlowerRefusal(StateError):
    """Flower's command ran and said no."""


def _ask(paths: ServerPaths, *words: str) -> dict[str, object]:
    """One command with JSON output. Raises StateError with Flower's own words on refusal."""
    try:
        done = subprocess.run(
            [executable("flwr"), *words, "--format", "json"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment(paths),
            cwd="/",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise StateError(f"`flwr {words[0]}` gave no answer within {_TIMEOUT_S:.0f} s") from None
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise ReticentError(f"`flwr {words[0]}` failed: {_one_line(done.stderr or done.stdout)}") from None
    if not isinstance(answer, dict):
        raise FormatError(f"`flwr {words[0]}` answered with something that is no JSON object")
    if answer.get("success") is not True:
        words_of_flower = _one_line(str(answer.get("error-message", "no reason given")).encode())
        if "unavailable" in words_of_flower:
            raise StateError("the SuperLink does not answer; start it with `reticent server serve`")
        raise _FlowerRefusal(f"`flwr {words[0]}` was refused: {words_of_flower}")
    return answer


def _objects(answer: dict[str, object], name: str) -> list[dict[str, Any]]:
    found = answer.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _one_line(data: bytes) -> str:
    lines = [line.strip() for line in data.decode(errors="replace").splitlines() if line.strip()]
    return " ".join(lines)[:400] or "it said nothing"


def _toml(text: str) -> str:
    """A TOML basic string. Raises StateError for text that TOML can't hold (a path that isn't Unicode)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise StateError("the server folder's path is not Unicode text; Flower can't be pointed at it") from None
    special = {letter for letter in text if letter in '"\\' or ord(letter) < 32 or ord(letter) == 127}
    return '"' + "".join(f"\\u{ord(letter):04x}" if letter in special else letter for letter in text) + '"'
