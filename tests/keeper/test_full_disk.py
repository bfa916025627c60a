"""A full disk fails closed: never more sends than charges, and the device goes on when there is room again."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from reticent import spool
from reticent.errors import StateError
from reticent.keeper.state import opened
from reticent.records.messages import JoinReply, ReleaseReply
from tests.keeper.test_daemon import WEIGHTS, Bench
from tests.world import Organisation, enrolled, join_request, plan, reply_header, train_request


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 2 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path) -> Path:
    """Take all that is left."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return ballast


def outbox(bench: Bench) -> list[Path]:
    return list((bench.spool / "outbox").iterdir())


def test_a_full_disk_sends_nothing_and_the_round_is_charged_once(small_disk: Path) -> None:
    organisation = Organisation()
    signed = organisation.signed(plan())
    with opened(enrolled(small_disk / "device", organisation)) as state:
        bench = Bench(state, organisation)
        name = spool.deliver(bench.spool, stage="join", request=join_request(signed, WEIGHTS).to_bytes(), weights=None)
        ballast = fill(small_disk)
        with pytest.raises(StateError, match="nothing was sent"):
            bench.keeper.answer_waiting()
        assert outbox(bench) == []  # a charge may just have fitted: it is paid and not sent, never the other way round
        ballast.unlink()
        bench.keeper.answer_waiting()
        assert bench.charges() == 1
        assert isinstance(reply_header(spool.collect(bench.spool, name) or b""), JoinReply)


def test_a_disk_that_fills_up_before_the_release_holds_it_back(small_disk: Path) -> None:
    organisation = Organisation()
    signed = organisation.signed(plan())
    with opened(enrolled(small_disk / "device", organisation)) as state:
        bench = Bench(state, organisation)
        joined = reply_header(bench.join(signed))
        assert isinstance(joined, JoinReply)
        request = train_request(signed, WEIGHTS, organisation.receipt(joined)).to_bytes()
        name = spool.deliver(bench.spool, stage="train", request=request, weights=WEIGHTS)
        ballast = fill(small_disk)
        with pytest.raises(StateError):
            bench.keeper.answer_waiting()
        assert spool.collect(bench.spool, name) is None
        assert "release" not in bench.kinds()
        os.truncate(ballast, 0)
        bench.keeper.answer_waiting()
        assert isinstance(reply_header(spool.collect(bench.spool, name) or b""), ReleaseReply)
        assert bench.charges() == bench.kinds().count("release") == 1
