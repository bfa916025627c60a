"""The same rounds as a ServerApp and a ClientApp under Flower's own simulation, which is made of Ray: for compatibility.

One node a person. What is asked and answered is what `WorkerGrid` carries, so integers and weights are the same to the bit.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

from flwr.app import Context, Message
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.simulation import run_simulation

from reticent.errors import ReticentError, RoundAborted
from reticent.sim.actors import Packed, packed, unpacked
from reticent.sim.grid import decode_slice, encode_share
from reticent.sim.rounds import Nodes
from reticent.sim.worker import floats_of
from reticent.sim.workers import MakeWorker

_PULL_S = 0.1  # between two looks for replies, as Flower's own grid does
_ONE_CORE: dict[str, dict[str, Any]] = {"client_resources": {"num_cpus": 1, "num_gpus": 0.0}}


def play(make_worker: MakeWorker, rounds: Callable[[Nodes], None], *, people: int) -> None:
    """Play `rounds` over one node a person, on the Ray that this process is connected to; Flower ends it afterwards.

    Raises: what `rounds` raises; ReticentError, if Flower's simulation fails; no unfinished round is applied then.
    """
    app, stopped, before = ServerApp(), threading.Event(), set(threading.enumerate())
    raised: list[BaseException] = []

    @app.main()
    def main(grid: Grid, context: Context) -> None:  # Flower calls it in a thread
        try:
            rounds(Stoppable(grid, stopped))
        except BaseException as error:
            raised.append(error)

    log = logging.getLogger("flwr")
    level = log.level
    log.setLevel(logging.ERROR)  # not that its function is deprecated, nor each of its steps
    try:
        run_simulation(app, client_app(packed(make_worker)), num_supernodes=people, backend_config=_ONE_CORE)
    except RuntimeError as error:
        raise ReticentError("Flower's simulation failed; no unfinished round was applied") from error
    finally:
        stopped.set()
        for thread in set(threading.enumerate()) - before:
            if not thread.daemon:
                thread.join()  # no round goes on behind who interrupted it
        log.setLevel(level)
    if raised:
        raise raised[0]


def client_app(worker: Packed) -> ClientApp:
    """What answers for a node, in an actor of Flower's; each actor makes one worker and keeps it."""
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        logging.getLogger("flwr").setLevel(logging.ERROR)  # nor that Flower ends this actor
        number, people, weights, clip_norm = decode_slice(message.content)
        share = unpacked(worker).answer(number, people, floats_of(weights), clip_norm)
        return Message(encode_share(share), reply_to=message)

    return app


class Stopped(Exception):
    """The main thread was interrupted."""


class Stoppable:
    """Flower's grid, whose wait ends when the main thread says so: its own would go on for ever in its thread."""

    def __init__(self, grid: Grid, stopped: threading.Event) -> None:
        self._grid = grid
        self._stopped = stopped

    def get_node_ids(self) -> Iterable[int]:
        return self._grid.get_node_ids()

    def send_and_receive(self, messages: Iterable[Message]) -> Iterable[Message]:
        """All replies. Raises: RoundAborted, if a client failed or wasn't asked."""
        asked = list(messages)
        waiting = set(self._grid.push_messages(asked))
        if len(waiting) < len(asked):
            raise RoundAborted("Flower's simulation took less than was asked of it; nothing was applied")
        while waiting:
            if self._stopped.wait(_PULL_S):
                raise Stopped
            for reply in self._grid.pull_messages(waiting):
                waiting.discard(reply.metadata.reply_to_message_id)
                if reply.has_error():
                    raise RoundAborted("a client failed under Flower's simulation; nothing was applied")
                yield reply
