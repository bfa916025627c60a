"""One stage of a round over a Flower Grid: ask some nodes, hand over each answer, know when to stop waiting."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from reticent.aggregate.mailbox import Arrival, Mailbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long the organisation waits, in seconds. It never depends on what a reply says, only on whether it counts.

    connect_s: for the smallest cohort to be connected. join_s, train_s: for the answers of one stage, at most.
    grace_s: for the rest, once it is settled whether the smallest cohort is reached; twice as long as that took, if that
    is longer. Longer than the 34 seconds after which Flower reports a dead node.
    poll_s: between two looks for a reply. retry_s: before an aborted round is asked again; a device that restarts
    needs about 20. attempts: at one round.
    """

    connect_s: float = 300.0
    join_s: float = 120.0
    train_s: float = 900.0
    grace_s: float = 45.0
    poll_s: float = 0.1
    retry_s: float = 20.0
    attempts: int = 3


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Nodes that gave no answer: the SuperLink didn't take the question, or nothing came in time."""

    undelivered: frozenset[int]
    silent: frozenset[int]


def ask(
    grid: Grid,
    questions: Mapping[int, RecordDict],
    *,
    message_type: str,
    group: str,
    deadline_s: float,
    enough: int,
    pace: Pace,
    receive: Callable[[Arrival], bool],
) -> Unanswered:
    """Ask each node its question and pass each arrival to `receive`, which says whether it counts.

    Ends when all have answered; when the rest had its time of grace, which begins when `enough` count or when so many can't
    be reached any more; at the deadline at last. The messages expire with it, so that nobody is charged for a round that
    is over.
    """
    began = time.monotonic()
    messages = [
        Message(content, dst_node_id=node, message_type=message_type, ttl=deadline_s, group_id=group)
        for node, content in questions.items()
    ]
    identifiers = list(grid.push_messages(messages))
    if len(identifiers) != len(messages):  # Flower refused the whole batch
        identifiers = [""] * len(messages)
    asked = {identifier: node for identifier, node in zip(identifiers, questions, strict=True) if identifier}
    del messages
    pending = set(asked.values())
    counted, ends = 0, began + deadline_s
    settled = False
    with Mailbox(grid, asked, poll_s=pace.poll_s) as mailbox:
        while pending:
            now = time.monotonic()
            if not settled and not counted < enough <= counted + len(pending):
                settled = True
                ends = min(ends, now + max(pace.grace_s, 2 * (now - began)))
            if now >= ends:
                break
            arrival = mailbox.next(timeout_s=pace.poll_s)
            if arrival is not None:
                if arrival.messages is None:
                    list(grid.get_node_ids())  # raises where the run or the connection is gone, not one reply
                pending.discard(arrival.node)
                counted += receive(arrival)
    return Unanswered(undelivered=frozenset(questions) - frozenset(asked.values()), silent=frozenset(pending))
