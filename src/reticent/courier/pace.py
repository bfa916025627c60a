"""When to try again: soon while something happens, seldom while nothing does, and never all devices at once."""

import random
from typing import Final

_SHORTEST_PULL_S: Final = 0.25
_LONGEST_PULL_S: Final = 3.0  # a stock SuperNode's
_SHORTEST_RETRY_S: Final = 1.0
_LONGEST_RETRY_S: Final = 30.0


def until_next_pull(*, idle_s: float) -> float:
    """Seconds to wait before asking for messages again: a tenth of the time since the last one, between .25 and 3."""
    return random.uniform(0.8, 1.2) * min(_LONGEST_PULL_S, max(_SHORTEST_PULL_S, idle_s / 10))  # noqa: S311


class Backoff:
    """1, 2, 4 … 30 seconds, each shortened at random by up to a half."""

    def __init__(self) -> None:
        self._next_s = _SHORTEST_RETRY_S

    def reset(self) -> None:
        """Begin again at the shortest."""
        self._next_s = _SHORTEST_RETRY_S

    def wait_s(self) -> float:
        """The next wait."""
        wait_s, self._next_s = self._next_s, min(_LONGEST_RETRY_S, 2 * self._next_s)
        return wait_s * random.uniform(0.5, 1.0)  # noqa: S311
