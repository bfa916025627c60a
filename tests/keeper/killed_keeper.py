"""Run by test_killed_keeper.py: answers one round again and again, each time killed (SIGKILL) at the next write to the disk.

Forks a keeper for every step, so that torch is imported once. Prints one JSON object.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from reticent import spool
from reticent.keeper.state import existing, opened
from reticent.records.ledger import read_ledger
from reticent.records.messages import JoinReply
from tests.keeper.test_daemon import WEIGHTS, Bench
from tests.world import Organisation, enrolled, join_request, plan, reply_header, train_request

DURABLE = ("fsync", "link", "rename", "replace", "unlink", "pwrite", "ftruncate", "mkdir", "rmdir", "write")


def kill_at(step: int) -> None:
    """From now on, die just before the `step`-th call that changes the disk."""
    calls = 0

    def wrap(real: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return counted

    for name in DURABLE:
        setattr(os, name, wrap(getattr(os, name)))


def forked(work: Callable[[], None]) -> bool:
    """Run `work` in a fork; returns whether it lived to the end."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
        raise SystemExit(f"the keeper ended with {os.WEXITSTATUS(status)}")
    return os.WIFEXITED(status)


def main(folder: Path) -> None:
    organisation = Organisation()
    signed = organisation.signed(plan())
    seen: list[dict[str, Any]] = []
    for stage in ("join", "train"):
        step, lived = 0, False
        while not lived:
            step += 1
            root = enrolled(folder / f"{stage}-{step}", organisation)
            box = existing(root).spool
            payloads: set[bytes] = set()

            def answer(root: Path = root, at: int = 0) -> None:
                if at:
                    kill_at(at)
                with opened(root) as state:
                    Bench(state, organisation).keeper.answer_waiting()

            join = spool.deliver(box, stage="join", request=join_request(signed, WEIGHTS).to_bytes(), weights=None)
            lived = forked(partial(answer, at=step)) if stage == "join" else forked(answer)
            if stage == "join":
                note(box, join, payloads)
            forked(answer)  # the next start
            joined = reply_header(spool.collect(box, join) or b"")
            if not isinstance(joined, JoinReply):
                raise SystemExit("the restarted keeper did not join")
            if stage == "join":
                note(box, join, payloads)
                seen.append(life(root, stage, step, lived, payloads))
                continue
            request = train_request(signed, WEIGHTS, organisation.receipt(joined)).to_bytes()
            train = spool.deliver(box, stage="train", request=request, weights=WEIGHTS)
            if stage == "train":
                lived = forked(partial(answer, at=step))
                note(box, train, payloads)
            forked(answer)
            note(box, train, payloads)
            spool.deliver(box, stage="train", request=request, weights=WEIGHTS)  # a restarted server asks again
            forked(answer)
            note(box, train, payloads)
            seen.append(life(root, stage, step, lived, payloads))
    print(json.dumps(seen))


def life(root: Path, stage: str, step: int, lived: bool, payloads: set[bytes]) -> dict[str, Any]:
    """What one life left: the ledger's kinds, and the kinds of all distinct replies that could ever be read."""
    kinds = [entry.kind for entry in read_ledger(existing(root).ledger.read_bytes())]
    replies = [reply_header(data).kind for data in payloads]
    return {"stage": stage, "step": step, "killed": not lived, "kinds": kinds, "replies": replies}


def note(box: Path, name: str, payloads: set[bytes]) -> None:
    """Remember what anyone could have read in the outbox by now."""
    data = spool.collect(box, name)
    if data is not None:
        payloads.add(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
