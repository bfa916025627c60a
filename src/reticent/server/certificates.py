"""The server's TLS certificates: one certificate authority a server folder, used once.

The authority's private key signs one server certificate and is then forgotten: it is never written anywhere, so nobody
can later make a second certificate that devices would believe.
"""

import datetime
import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from reticent.errors import FormatError, SettingError

VALID_DAYS = 5 * 365
_CLOCK_SKEW = datetime.timedelta(hours=26)  # a device whose clock or time zone is off must still believe a new server


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM bytes. `key` is the secret of `certificate`; the authority's own key no longer exists."""

    ca_certificate: bytes
    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Certificates(...)"


def issue(hosts: Sequence[str], *, now: datetime.datetime, valid_days: int = VALID_DAYS) -> Certificates:
    """A fresh authority and one server certificate for `hosts` (IP addresses or DNS names), in that order.

    Keys: ECDSA P-256. Both certificates start a day before `now` (clocks differ) and end `valid_days` after it.
    Raises: SettingError for no host, or for a validity outside 1 day to 10 years.
    """
    if not hosts:
        raise SettingError("a server certificate needs at least one host name or address; nothing was written")
    if not 1 <= valid_days <= 3650:
        raise SettingError(f"a certificate valid for {valid_days} days was asked for; 1 to 3650 are allowed")
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "reticent server authority")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "reticent server")])
    ca_identifier = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())

    def draft(subject: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _CLOCK_SKEW)
            .not_valid_after(now + datetime.timedelta(days=valid_days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_identifier), critical=False
            )
        )

    ca_certificate = (
        draft(ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    certificate = (
        draft(name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return Certificates(
        ca_certificate=ca_certificate.public_bytes(serialization.Encoding.PEM),
        certificate=certificate.public_bytes(serialization.Encoding.PEM),
        key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def validity(certificate: bytes) -> tuple[datetime.datetime, datetime.datetime]:
    """When a PEM certificate begins and ends (UTC). Raises FormatError for anything else."""
    try:
        read = x509.load_pem_x509_certificate(certificate)
        return read.not_valid_before_utc, read.not_valid_after_utc
    except ValueError:
        raise FormatError("the server's certificate is not a PEM certificate; nothing was started") from None


def trust(ca_certificate: Path) -> ssl.SSLContext:
    """A client context that believes this one authority, not the machine's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(ca_certificate)
    return context


def listener(certificate: Path, key: Path) -> ssl.SSLContext:
    """The context that devices meet: TLS 1.3, because nothing older needs to connect."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    return context


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
