"""How a command that waits for a run is told to end: by Ctrl-C, or by SIGTERM just the same."""

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """SIGTERM ends a wait like Ctrl-C does, so that a stopped command leaves no run behind. For the main thread."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
