"""Flower's grid as a simulation uses it: nobody is left out without a word, and a wait can be ended."""

import threading
from collections.abc import Iterable

import pytest
from flwr.app import Error, Message, RecordDict

from reticent.aggregate.attempt import TRAIN_MESSAGE
from reticent.errors import RoundAborted
from reticent.sim.flower import Stoppable, Stopped
from reticent.sim.grid import WorkerGrid
from reticent.sim.workers import local_workers
from tests.sim.world import a_plan, make_worker


class Grid(WorkerGrid):
    """Takes as many messages as it is told to, and answers each with an error, or never."""

    def __init__(self, *, takes: int, answers: bool) -> None:
        super().__init__(local_workers(make_worker(a_plan()), workers=1))
        self._takes, self._answers = takes, answers
        self._taken: dict[str, Message] = {}

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        for number, message in enumerate(list(messages)[: self._takes]):
            message.metadata.__dict__["_message_id"] = f"message-{number}"
            self._taken[f"message-{number}"] = message
        return list(self._taken)

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        return [Message(Error(code=0), reply_to=self._taken[one]) for one in message_ids if self._answers]


def asked(grid: Grid, stopped: threading.Event) -> list[Message]:
    messages = [Message(RecordDict(), dst_node_id=node, message_type=TRAIN_MESSAGE) for node in (1, 2)]
    return list(Stoppable(grid, stopped).send_and_receive(messages))


def test_a_client_that_failed_aborts_the_round():
    with pytest.raises(RoundAborted, match="a client failed"):
        asked(Grid(takes=2, answers=True), threading.Event())


def test_a_client_that_was_not_asked_aborts_the_round():
    with pytest.raises(RoundAborted, match="less than was asked"):
        asked(Grid(takes=1, answers=True), threading.Event())


def test_a_wait_ends_when_the_main_thread_was_interrupted():
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(Stopped):
        asked(Grid(takes=2, answers=False), stopped)
