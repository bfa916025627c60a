"""What the courier is set up with: read strictly, and refused with one sentence."""

import datetime
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from reticent import spool
from reticent.courier.settings import claim, read_connection, read_node_key
from reticent.errors import FormatError, NewerFormatError, StateError
from reticent.records.layout import DeviceFolder
from reticent.server.certificates import issue

CA = issue(["127.0.0.1"], now=datetime.datetime.now(datetime.UTC)).ca_certificate.decode()
KEY = ec.generate_private_key(ec.SECP384R1())


@pytest.fixture
def folder(tmp_path: Path) -> DeviceFolder:
    made = DeviceFolder(tmp_path)
    made.courier.mkdir()
    write(made)
    made.node_key.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    made.node_key.chmod(0o600)
    return made


def write(folder: DeviceFolder, **changes: object) -> None:
    said = {"version": 1, "address": "127.0.0.1:8700", "ca_certificate": CA} | changes
    folder.connection.write_text(json.dumps({key: value for key, value in said.items() if value is not None}))


@pytest.mark.parametrize(
    ("address", "host", "port", "by_name"),
    [
        ("127.0.0.1:8700", "127.0.0.1", 8700, False),
        ("[::1]:65535", "::1", 65535, False),
        ("gateway.example.org:443", "gateway.example.org", 443, True),
        ("localhost:1", "localhost", 1, True),
    ],
)
def test_an_address_is_a_host_and_a_port(
    address: str, host: str, port: int, by_name: bool, folder: DeviceFolder
) -> None:
    write(folder, address=address)
    read = read_connection(folder)
    assert (read.address, read.host, read.port, read.by_name) == (address, host, port, by_name)
    assert "BEGIN" not in repr(read)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "host",
        "host:",
        ":8700",
        "host:0",
        "host:65536",
        "host:8700/path",
        "user@host:8700",
        "https://host:8700",
        "host:8700\n",
        "ho st:8700",
        "::1:8700",
        "[::1::]:8700",
        "[host]:8700",
        "host:٣",
        "a" * 300 + ":1",
        7,
        None,
    ],
)
def test_any_other_address_is_refused(address: object, folder: DeviceFolder) -> None:
    write(folder, address=address)
    with pytest.raises(FormatError):
        read_connection(folder)


@pytest.mark.parametrize("content", ["", "[]", "{}", "nul", "[" * 50_000, '{"version":1}', "\x00", "x" * 70_000])
def test_rubbish_is_not_a_connection(content: str, folder: DeviceFolder) -> None:
    folder.connection.write_text(content)
    with pytest.raises(FormatError, match="nothing was sent"):
        read_connection(folder)


def test_versions_and_strangers_are_refused(folder: DeviceFolder) -> None:
    write(folder, version=2)
    with pytest.raises(NewerFormatError):
        read_connection(folder)
    for changes in ({"version": "1"}, {"version": True}, {"more": 1}, {"ca_certificate": "x"}, {"ca_certificate": "é"}):
        write(folder, **changes)
        with pytest.raises(FormatError):
            read_connection(folder)
    folder.connection.unlink()
    with pytest.raises(StateError):
        read_connection(folder)


@pytest.mark.parametrize("form", [PrivateFormat.OpenSSH, PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_node_key_is_read_in_each_form_that_flower_s_tools_write(form: PrivateFormat, folder: DeviceFolder) -> None:
    folder.node_key.write_bytes(KEY.private_bytes(Encoding.PEM, form, NoEncryption()))
    assert read_node_key(folder).private_numbers() == KEY.private_numbers()


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"",
        lambda: b"-----BEGIN OPENSSH PRIVATE KEY-----\nx\n-----END OPENSSH PRIVATE KEY-----\n",
        lambda: ec.generate_private_key(ec.SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ),
        lambda: ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        lambda: KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
    ],
    ids=["empty", "broken", "P-256", "Ed25519", "encrypted"],
)
def test_another_node_key_is_refused(make: Callable[[], bytes], folder: DeviceFolder) -> None:
    folder.node_key.write_bytes(make())
    with pytest.raises(FormatError, match="P-384"):
        read_node_key(folder)


def test_a_node_key_that_others_can_read_is_refused(folder: DeviceFolder) -> None:
    folder.node_key.chmod(0o640)
    with pytest.raises(StateError, match="other accounts"):
        read_node_key(folder)


def test_one_courier_holds_a_state_folder(folder: DeviceFolder) -> None:
    held = claim(folder)
    with pytest.raises(StateError, match="another courier"):
        claim(folder)
    os.close(held)
    os.close(claim(folder))


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        (lambda folder: folder.connection.unlink(), 2, "connection.json can't be read"),
        (lambda folder: folder.node_key.unlink(), 2, "node.key can't be read"),
        (lambda folder: folder.node_key.chmod(0o644), 2, "other accounts"),
        (lambda folder: (folder.spool / "inbox").rmdir(), 2, "no spool"),
        (lambda folder: write(folder, address="x"), 2, "host:port"),
    ],
)
def test_a_broken_state_folder_ends_the_courier_with_one_sentence(
    spoil: Callable[[DeviceFolder], object], code: int, said: str, folder: DeviceFolder
) -> None:
    folder.keeper.mkdir()
    spool.create(folder.spool)
    spoil(folder)
    done = subprocess.run(
        [sys.executable, "-m", "reticent.courier", str(folder.root)], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_setting_up_a_courier_imports_no_torch(folder: DeviceFolder) -> None:
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "import reticent.courier.__main__, reticent.courier.node\n"
        "from reticent.courier.connection import Fleet\n"
        "from reticent.courier.settings import read_connection, read_node_key\n"
        "from reticent.records.layout import DeviceFolder\n"
        "from pathlib import Path\n"
        "folder = DeviceFolder(Path(sys.argv[1])); connection = read_connection(folder)\n"
        "Fleet(address=connection.address, ca_certificate=connection.ca_certificate, key=read_node_key(folder))\n"
        "found = {name.split('.')[0] for name in sys.modules} & {'torch', 'opacus', 'pynput', 'mss', 'scipy', 'ray'}\n"
        "sys.exit(str(found) if found else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder.root)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_flower_does_not_call_home() -> None:
    code = (
        "import os, sys, warnings; warnings.simplefilter('ignore')\n"
        "os.environ.pop('FLWR_TELEMETRY_ENABLED', None); os.environ.pop('FLWR_DISABLE_UPDATE_CHECK', None)\n"
        "import reticent.courier.node\n"
        "from flwr.supercore import telemetry\n"
        "sys.exit(0 if telemetry.FLWR_TELEMETRY_ENABLED == '0' and os.environ['FLWR_DISABLE_UPDATE_CHECK'] == '1' else 1)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
