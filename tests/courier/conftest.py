"""One organisation for all of the courier's tests, a fresh device for each, and a server that answers by a script."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

with warnings.catch_warnings():  # flwr's command line, which its package imports, lags behind click
    warnings.simplefilter("ignore", DeprecationWarning)
    import flwr.app  # noqa: F401

from reticent.courier.connection import Fleet
from tests.courier.device import Device
from tests.courier.hostile import Server, serving
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


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as running:
        yield running


@pytest.fixture
def fleet(server: Server) -> Iterator[Fleet]:
    made = Fleet(
        address=f"127.0.0.1:{server.port}",
        ca_certificate=server.ca_certificate,
        key=ec.generate_private_key(ec.SECP384R1()),
        timeout_s=5,
    )
    with contextlib.closing(made):
        yield made
