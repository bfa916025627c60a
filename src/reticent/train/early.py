"""What of a run can begin before the rest of it is imported?"""

from reticent.sim.helper import get_ready
from reticent.train.settings import InProcess, Settings, Simulation, SuperLink


def begin_early(settings: Settings) -> None:
    """Let worker processes import what they need while this one does. Returns at once."""
    if has_helper(settings.engine):
        get_ready()


def has_helper(engine: Simulation | SuperLink) -> bool:
    """Whether a run's workers, and what scores beside them, are forked from the helper."""
    return isinstance(engine, InProcess) and engine.workers != 1
