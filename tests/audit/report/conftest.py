"""One sample report, made once: matplotlib takes its time."""

import os
import warnings
from pathlib import Path

import pytest

from reticent.audit.report.page import page
from reticent.audit.report.read import read_run
from tests.audit.report import samples

os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
os.environ["FLWR_DISABLE_UPDATE_CHECK"] = "1"

with warnings.catch_warnings():  # a test compares with the reasons of aggregate.validation; flwr lags behind click
    warnings.simplefilter("ignore", DeprecationWarning)
    import flwr.app  # noqa: F401


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four real devices, and the same plan simulated for 150 people; with its report.html."""
    place = samples.real().write(tmp_path_factory.mktemp("run"))
    (place / "report.html").write_bytes(page(read_run(place)))
    return place


@pytest.fixture(scope="session")
def html(folder: Path) -> str:
    return (folder / "report.html").read_text()
