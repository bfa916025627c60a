"""reticent: federated training of small UI-action models; raw input never leaves the device.

The names below are the Python API of docs/guide-researcher.md. Importing the package imports nothing else: each name
brings what it needs when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reticent.actions.action import Frame
    from reticent.actions.events import Button, EventKind, InputEvent, KeyClass
    from reticent.api import Run, calibrate, epsilon, make_model, run
    from reticent.model.catalogue import register
    from reticent.model.inputs import Inputs
    from reticent.model.own import Model
    from reticent.model.trunk import Features
    from reticent.recordings.archive import read_archive, write_archive
    from reticent.recordings.recorded import RecordedSession, record_session

__version__ = "0.1.0"

__all__ = [
    "Button",
    "EventKind",
    "Features",
    "Frame",
    "InputEvent",
    "Inputs",
    "KeyClass",
    "Model",
    "RecordedSession",
    "Run",
    "calibrate",
    "epsilon",
    "make_model",
    "read_archive",
    "record_session",
    "register",
    "run",
    "write_archive",
]

_MODULES = {
    "reticent.actions.action": ("Frame",),
    "reticent.actions.events": ("Button", "EventKind", "InputEvent", "KeyClass"),
    "reticent.api": ("Run", "calibrate", "epsilon", "make_model", "run"),
    "reticent.model.catalogue": ("register",),
    "reticent.model.inputs": ("Inputs",),
    "reticent.model.own": ("Model",),
    "reticent.model.trunk": ("Features",),
    "reticent.recordings.archive": ("read_archive", "write_archive"),
    "reticent.recordings.recorded": ("RecordedSession", "record_session"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """PEP 562: import a public name's module when it is asked for."""
    if name not in _HOME:
        raise AttributeError(f"module 'reticent' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
