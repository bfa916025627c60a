"""Two people who differ in a typed secret alone can't be told apart by anything that leaves, bit for bit."""

from types import SimpleNamespace

import numpy as np
import pytest

from reticent.actions.action import Frame, Session
from reticent.actions.coalesce import coalesce
from reticent.actions.events import EventKind, InputEvent
from reticent.actions.examples import pool
from reticent.actions.vocabulary import FRAME_HEIGHT, FRAME_WIDTH
from reticent.capture.keys import key_class
from reticent.client import Task, answer
from reticent.egress import SimulatedRelease
from reticent.model.public import initial
from reticent.privacy.noise import SeededNoise
from tests.world import MODEL, plan

SECRETS = ("Correct7horse!battery", "Winterx3clock?mustard")
STEP_MS = 90


def typed(secret: str) -> tuple[InputEvent, ...]:
    """What the listener makes of the keys of a secret, at fixed times."""
    keys = [SimpleNamespace(char=char) for char in secret] + [SimpleNamespace(name="enter")]
    kinds = (EventKind.KEY_DOWN, EventKind.KEY_UP)
    return tuple(
        InputEvent(t_ms=STEP_MS * number + 30 * up, kind=kinds[up], key=key_class(key), x=0.5, y=0.5)
        for number, key in enumerate(keys)
        for up in (0, 1)
    )


def person(secret: str) -> Session:
    """The same grey screen throughout: the secret is the only difference."""
    actions = coalesce(typed(secret))
    screen = Frame(thumbnail=np.full((FRAME_HEIGHT, FRAME_WIDTH), 99, dtype=np.uint8), patch=None)
    return Session(actions=actions, frames=(screen,) * len(actions))


def released(secret: str, *, seed: int) -> SimulatedRelease:
    asked = plan()
    task = Task(plan=asked, plan_id="0" * 64, round=0)
    weights = initial(MODEL, "heads")
    return answer(task, weights, lambda: pool([person(secret)] * 5), SeededNoise(seed))


def test_the_listener_gives_the_same_events_for_both() -> None:
    assert typed(SECRETS[0]) == typed(SECRETS[1])


def test_under_the_same_noise_the_output_is_identical() -> None:
    one, other = (released(secret, seed=11) for secret in SECRETS)
    assert one.values.tobytes() == other.values.tobytes()


def test_the_comparison_can_fail() -> None:
    """Another noise, or one action more, shows in the output."""
    base = released(SECRETS[0], seed=11).values
    assert released(SECRETS[0], seed=12).values.tobytes() != base.tobytes()
    assert released(SECRETS[0] + "\t", seed=11).values.tobytes() != base.tobytes()


@pytest.mark.parametrize("secret", SECRETS)
def test_no_repr_on_the_way_holds_a_piece_of_it(secret: str) -> None:
    session = person(secret)
    for thing in (*typed(secret), session, *session.actions, *session.frames, pool([session])):
        assert not any(secret[start : start + 5] in repr(thing) for start in range(len(secret) - 4))
