"""This package's engine, started as `reticent train` starts it: workers' imports begin before this process's own.

Worker processes import this file too, so it imports nothing that they don't need.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent))

if TYPE_CHECKING:
    from reticent.sim.worker import Worker


def make_worker(task: str) -> "Worker":
    from kernel import SpeedWorker  # torch: who only asks needs none

    return SpeedWorker(task)  # type: ignore[return-value]  # a worker by form


if __name__ == "__main__":
    if "--workers=1" not in sys.argv:
        from reticent.sim.helper import get_ready

        get_ready()
    from asker import main

    main()
