import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from reticent.errors import FormatError, NewerFormatError, SettingError, SignatureError
from reticent.records.enrolment import (
    EnrolmentRequest,
    Ticket,
    read_enrolment,
    read_ticket,
    sign_enrolment,
    sign_ticket,
)
from reticent.records.keys import Domain
from reticent.records.signed import Signed, sign
from tests.records.samples import DEVICE, NODE_KEY, OPERATOR, OTHER, offer

REQUEST = EnrolmentRequest(device=DEVICE.public.device_id, device_key=DEVICE.public.hex, node_key=NODE_KEY)


@pytest.fixture(scope="module")
def certificate():
    key = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=1))
        .sign(key, SHA384())
    )
    return built.public_bytes(Encoding.PEM).decode()


@pytest.fixture
def ticket(certificate):
    return Ticket(device=DEVICE.public.device_id, address="127.0.0.1:8443", ca_certificate=certificate, policy=offer())


def test_a_request_proves_that_its_device_holds_the_key():
    signed = sign_enrolment(REQUEST, DEVICE)
    assert read_enrolment(Signed.from_bytes(signed.to_bytes())) == REQUEST


def test_a_request_in_another_devices_name_is_refused():
    with pytest.raises(SignatureError, match="names another device"):
        read_enrolment(sign_enrolment(REQUEST, OTHER))
    stolen = REQUEST.model_copy(update={"device_key": OTHER.public.hex})
    with pytest.raises(SignatureError, match="names another device"):
        read_enrolment(sign_enrolment(stolen, OTHER))
    with pytest.raises(SignatureError):
        read_enrolment(sign(Domain.TICKET, REQUEST.to_value(), DEVICE))


def test_a_newer_request_is_named():
    with pytest.raises(NewerFormatError):
        read_enrolment(sign(Domain.ENROLMENT, {**REQUEST.to_value(), "version": 2}, DEVICE))


def _pem(curve):
    public = ec.generate_private_key(curve).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    "node_key",
    ["", "key", "ü", NODE_KEY[:40], NODE_KEY * 20, _pem(ec.SECP256R1()), NODE_KEY.replace("PUBLIC", "PRIVATE")],
)
def test_only_a_p384_key_in_pem_is_a_node_key(node_key):
    with pytest.raises(SettingError, match="node_key"):
        EnrolmentRequest(device=DEVICE.public.device_id, device_key=DEVICE.public.hex, node_key=node_key)
    with pytest.raises(FormatError, match="node_key"):
        read_enrolment(sign(Domain.ENROLMENT, {**REQUEST.to_value(), "node_key": node_key}, DEVICE))


def test_a_ticket_is_for_one_device_and_its_policy_is_the_same_operators(ticket):
    signed = sign_ticket(ticket, OPERATOR)
    assert read_ticket(Signed.from_bytes(signed.to_bytes()), device=DEVICE.public.device_id) == ticket
    with pytest.raises(SignatureError, match="is for device"):
        read_ticket(signed, device=OTHER.public.device_id)
    with pytest.raises(SignatureError):
        read_ticket(sign_ticket(ticket, OTHER), device=DEVICE.public.device_id)
    with pytest.raises(SignatureError):
        read_ticket(sign(Domain.POLICY, ticket.to_value(), OPERATOR), device=DEVICE.public.device_id)


@pytest.mark.parametrize("address", ["localhost:1", "host.example.org:65535", "[::1]:8443", "10.0.0.1:443"])
def test_an_address_is_a_host_and_a_port(certificate, address):
    assert Ticket(device="0" * 32, address=address, ca_certificate=certificate, policy=offer()).address == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "host",
        "host:",
        "host:0",
        "host:65536",
        "host:1a",
        ":80",
        "https://host:1",
        "user@host:1",
        "host:1/path",
        "host:1 ",
        "host:1\n",
        "-host:1",
        "host name:1",
        "ho\x00st:1",
        "::1:80",
        "a" * 300 + ":1",
        "host:٨٠",
    ],
)
def test_anything_else_is_no_address(certificate, address):
    with pytest.raises(SettingError, match="address"):
        Ticket(device="0" * 32, address=address, ca_certificate=certificate, policy=offer())


@pytest.mark.parametrize(
    "pem", ["", "certificate", NODE_KEY, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_only_a_certificate_is_a_certificate(pem):
    with pytest.raises(SettingError, match="ca_certificate"):
        Ticket(device="0" * 32, address="host:1", ca_certificate=pem, policy=offer())
