"""One organisation for all of the courier's tests, and a fresh device for each."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

with warnings.catch_warnings():  # flwr's command line, which its package imports, lags behind click
    warnings.simplefilter("ignore", DeprecationWarning)
    import flwr.app  # noqa: F401

from tests.courier.device import Device
from tests.courier.organisation import Organisation


@pytest.fixture(scope="session")
def organisation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organisation]:
    running = Organisation(tmp_path_factory.mktemp("organisation"))
    try:
        running.start()
        yield running
    finally:
        running.end()


@pytest.fixture(scope="session")
def enrolled(organisation: Organisation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Device, int]]:
    """One device whose key is registered, and its node id. Its courier runs."""
    device = Device(tmp_path_factory.mktemp("device"), organisation.port, organisation.ca_certificate)
    node_id = organisation.register(device.key)
    try:
        device.connect()
        yield device, node_id
    finally:
        device.end()


@pytest.fixture
def stranger(organisation: Organisation, tmp_path: Path) -> Iterator[Device]:
    """A device whose key nobody registered."""
    device = Device(tmp_path / "device", organisation.port, organisation.ca_certificate)
    try:
        yield device
    finally:
        device.end()
