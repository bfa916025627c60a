"""A Ray cluster of several machines, of which one dies in the middle of a run.

Each is what `ray start` starts. A cluster listens on every address there is, so all of it stands in a network namespace that
has none but loopback.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from reticent.recordings import drawn
from reticent.recordings.archive import write_archive
from tests.e2e.federation import ENVIRONMENT, RETICENT, reticent, until

pytestmark = pytest.mark.timeout(600)

PEOPLE = 10  # three train, three are public, four test
ROUNDS = 80
PORT = 6379  # in a network of its own
MACHINE = 2  # processes at least: the command and its raylet
ALONE = ("unshare", "--map-root-user", "--net", "sh", "-c", "ip link set lo up && echo up && exec sleep infinity")
START = ("start", "--block", "--num-cpus=1", "--node-ip-address=127.0.0.1", "--disable-usage-stats")


class Machine:
    """One of a cluster, with one core: `ray start` and the processes of it."""

    def __init__(self, network: tuple[str, ...], *words: str) -> None:
        self._process = subprocess.Popen(
            [*network, Path(sys.executable).with_name("ray"), *START, *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def family(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            one = psutil.Process(self._process.pid)
            return [one, *one.children(recursive=True)]
        return []

    def actors(self) -> list[int]:
        """Their process ids."""
        found = []
        for one in self.family():
            with suppress(psutil.NoSuchProcess):
                found += [one.pid] if "_Actor" in " ".join(one.cmdline()) else []
        return found

    def close(self) -> None:
        """As when its plug is pulled: no process of it has time for a word."""
        family = self.family()
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self._process.wait()
        assert not psutil.wait_procs(family, timeout=30)[1]


@pytest.fixture(scope="module")
def network() -> Iterator[tuple[str, ...]]:
    """The words that start a command in the cluster's network."""
    with subprocess.Popen(ALONE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as holder:
        assert holder.stdout is not None
        if (said := holder.stdout.readline().strip()) != "up":
            pytest.skip(f"this machine makes no network namespace: {said}")
        yield "nsenter", "--preserve-credentials", "--user", "--net", "--target", str(holder.pid)
        holder.kill()


@pytest.fixture(scope="module")
def head(network: tuple[str, ...]) -> Iterator[str]:
    """The address of the first machine."""
    if find_spec("ray") is None:
        pytest.skip("a cluster needs the package ray")
    with TemporaryDirectory(prefix="ray-") as folder:  # short: sockets lie in it
        words = ("--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={folder}")
        with closing(Machine(network, *words)) as first:
            until(lambda: len(first.family()) > MACHINE, "the first machine")
            yield f"127.0.0.1:{PORT}"


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    path = tmp_path_factory.mktemp("recordings") / "small.recording"
    sessions = [sitting for index in range(PEOPLE) for sitting in drawn.recorded(drawn.name(index))]
    write_archive(path, sessions, title="Ten drawn people", datasheet="Drawn.")
    return ["train", "data=files", f"data.path={path}", "model=history", f"server.rounds={ROUNDS}", "seed=5"]


def applied(folder: Path) -> list[str]:
    """The hash of the weights after each round."""
    with suppress(FileNotFoundError):
        lines = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
        return [line["new_weights_hash"] for line in lines if line["status"] == "applied"]
    return []


def test_a_machine_that_dies_is_replaced_by_another_and_the_run_comes_to_the_same_bits(
    head: str, network: tuple[str, ...], words: list[str], tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    reticent(*words, "engine.workers=1", f"hydra.run.dir={here}")
    with ExitStack() as stack:
        mortal = stack.enter_context(closing(Machine(network, f"--address={head}")))
        until(lambda: len(mortal.family()) > MACHINE, "a second machine")
        run = subprocess.Popen(
            [
                *network,
                *RETICENT,
                *words,
                "engine=ray",
                f"engine.address={head}",
                "engine.workers=2",
                f"hydra.run.dir={there}",
            ],
            env=ENVIRONMENT,
        )
        stack.callback(run.kill)
        until(lambda: len(applied(there)) > 2, "two rounds")
        assert len(mortal.actors()) == 1
        mortal.close()
        rounds = len(applied(there))
        assert rounds < ROUNDS - 2
        stack.enter_context(closing(Machine(network, f"--address={head}")))
        assert run.wait(timeout=240) == 0
    assert len(applied(there)) == ROUNDS
    assert applied(there) == applied(here)
    assert (there / "model.safetensors").read_bytes() == (here / "model.safetensors").read_bytes()
