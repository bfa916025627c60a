import datetime
import socket
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from reticent.errors import FormatError, SettingError
from reticent.server.certificates import issue, validity

NOW = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC)
HOSTS = ("training.example.org", "192.0.2.7", "127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def issued():
    return issue(HOSTS, now=datetime.datetime.now(datetime.UTC))


@pytest.mark.parametrize("host", HOSTS)
def test_the_server_certificate_verifies_for_every_host_under_its_authority(issued, host):
    ca, leaf = (x509.load_pem_x509_certificate(pem) for pem in (issued.ca_certificate, issued.certificate))
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    subject = next(name for name in names if str(name.value) == host)
    verifier = PolicyBuilder().store(Store([ca])).build_server_verifier(subject)
    assert [one.subject for one in verifier.verify(leaf, [])] == [leaf.subject, ca.subject]


def test_it_does_not_verify_for_another_host_nor_under_another_authority(issued):
    ca, leaf = (x509.load_pem_x509_certificate(pem) for pem in (issued.ca_certificate, issued.certificate))
    other = x509.load_pem_x509_certificate(issue(HOSTS, now=NOW).ca_certificate)
    for store, name in ((ca, "example.org"), (other, "localhost")):
        verifier = PolicyBuilder().store(Store([store])).build_server_verifier(x509.DNSName(name))
        with pytest.raises(x509.verification.VerificationError):
            verifier.verify(leaf, [])


def test_a_strict_tls_client_connects(issued, tmp_path):
    (tmp_path / "crt").write_bytes(issued.certificate)
    (tmp_path / "key").write_bytes(issued.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    client = ssl.create_default_context(cadata=issued.ca_certificate.decode())
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    ours, theirs = socket.socketpair()
    with ours, theirs:

        def answer():
            with server.wrap_socket(ours, server_side=True) as tls:
                tls.sendall(b"hello")

        thread = threading.Thread(target=answer)
        thread.start()
        with client.wrap_socket(theirs, server_hostname="127.0.0.1") as tls:
            assert tls.recv(5) == b"hello"
        thread.join()


def test_the_authority_may_sign_and_the_server_certificate_may_not(issued):
    ca, leaf = (x509.load_pem_x509_certificate(pem) for pem in (issued.ca_certificate, issued.certificate))
    for certificate, is_ca in ((ca, True), (leaf, False)):
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        assert constraints.critical
        assert usage.critical
        assert (constraints.value.ca, usage.value.key_cert_sign) == (is_ca, is_ca)
    usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [x509.ExtendedKeyUsageOID.SERVER_AUTH]


def test_validity_starts_before_now_and_ends_when_asked():
    issued = issue(["localhost"], now=NOW, valid_days=30)
    begins, ends = validity(issued.certificate)
    assert begins < NOW < ends == NOW + datetime.timedelta(days=30)
    assert x509.load_pem_x509_certificate(issued.certificate).not_valid_before_utc < NOW


def test_the_repr_shows_no_key(issued):
    assert "PRIVATE" not in repr(issued)


@pytest.mark.parametrize("days", [0, -1, 4000])
def test_a_senseless_validity_is_refused(days):
    with pytest.raises(SettingError):
        issue(["localhost"], now=NOW, valid_days=days)


def test_no_host_is_refused():
    with pytest.raises(SettingError):
        issue([], now=NOW)


def test_bytes_that_are_no_certificate_are_refused():
    with pytest.raises(FormatError):
        validity(b"-----BEGIN CERTIFICATE-----\nnot one\n")
