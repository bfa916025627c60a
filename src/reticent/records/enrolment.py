"""How a device and an organisation come to know each other: one request, one ticket, carried by hand."""

import re
from typing import Annotated, ClassVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import AfterValidator, StringConstraints

from reticent.errors import SignatureError
from reticent.records.keys import Domain, PublicKey, SigningKey
from reticent.records.policy import PolicyOfferField
from reticent.records.record import DeviceId, Key, Record, Version1
from reticent.records.signed import Signed, sign


def _node_key(text: str) -> str:
    try:
        key = load_pem_public_key(text.encode("ascii"))
    except (ValueError, TypeError):
        key = None
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP384R1):
        return text
    raise ValueError("a node key is an ECDSA P-384 public key in PEM")


def _certificate(text: str) -> str:
    try:
        x509.load_pem_x509_certificates(text.encode("ascii"))
    except (ValueError, TypeError):
        raise ValueError("a CA certificate is X.509 in PEM") from None
    return text


def _address(text: str) -> str:
    match = re.fullmatch(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\]):([0-9]{1,5})", text)
    if match is None or not 1 <= int(match[1]) <= 65535:
        raise ValueError('an address is "host:port" with a port from 1 to 65535')
    return text


class EnrolmentRequest(Record):
    """What a device shows to be enrolled: its own key, which signs everything, and its Flower node key (PEM)."""

    TITLE: ClassVar[str] = "enrolment request"

    version: Version1 = 1
    device: DeviceId
    device_key: Key
    node_key: Annotated[str, StringConstraints(max_length=2048), AfterValidator(_node_key)]


class Ticket(Record):
    """What an organisation hands back: where its gateway is, whom to trust there, and the policy to be asked about."""

    TITLE: ClassVar[str] = "ticket"

    version: Version1 = 1
    device: DeviceId
    address: Annotated[str, StringConstraints(max_length=260), AfterValidator(_address)]
    ca_certificate: Annotated[str, StringConstraints(max_length=16384), AfterValidator(_certificate)]
    policy: PolicyOfferField


def sign_enrolment(request: EnrolmentRequest, key: SigningKey) -> Signed:
    """Sign a request with the device's own key, which proves that it holds it."""
    return sign(Domain.ENROLMENT, request.to_value(), key)


def read_enrolment(signed: Signed) -> EnrolmentRequest:
    """Return the request, if the key that it names signed it and gives the device its id.

    Raises: SignatureError, FormatError, NewerFormatError.
    """
    key = PublicKey(signed.key)
    signed.check(Domain.ENROLMENT, key)
    request = EnrolmentRequest.from_bytes(signed.body)
    if request.device_key != key.hex or request.device != key.device_id:
        raise SignatureError("the enrolment request names another device than its signature; nothing was accepted")
    return request


def sign_ticket(ticket: Ticket, key: SigningKey) -> Signed:
    """Sign a ticket as the operator."""
    return sign(Domain.TICKET, ticket.to_value(), key)


def read_ticket(signed: Signed, *, device: str) -> Ticket:
    """Return the ticket, if it is for `device` and whoever signed it signed the policy inside too.

    Whether to trust that operator is the person's decision: show `PublicKey(signed.key)` and ask.
    Raises: SignatureError, FormatError, NewerFormatError.
    """
    operator = PublicKey(signed.key)
    signed.check(Domain.TICKET, operator)
    ticket = Ticket.from_bytes(signed.body)
    if ticket.device != device:
        raise SignatureError(f"the ticket is for device {ticket.device}, this is {device}; nothing was accepted")
    ticket.policy.policy.check(Domain.POLICY, operator)
    return ticket
