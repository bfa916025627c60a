"""What of a run can begin before the rest of it is imported?"""

from reticent.sim.helper import get_ready
from reticent.train.settings import InProcess, Settings


def begin_early(settings: Settings) -> None:
    """Let worker processes import what they need while this one does. Returns at once."""
    if isinstance(settings.engine, InProcess) and settings.engine.workers != 1:
        get_ready()
