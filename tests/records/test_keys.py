import os
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from reticent.errors import FormatError, SignatureError, StateError
from reticent.records import keys
from reticent.records.keys import Domain, PublicKey, SigningKey
from tests.records.samples import DEVICE, OTHER

P = 2**255 - 19
D = -121665 * pow(121666, P - 2, P) % P


def test_a_key_signs_what_its_public_half_verifies():
    DEVICE.public.verify(Domain.PLAN, b"message", DEVICE.sign(Domain.PLAN, b"message"))


def test_what_is_signed_is_the_domain_and_the_message():
    signature = bytes.fromhex(DEVICE.sign(Domain.REPLY, b"message"))
    ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(DEVICE.public.hex)).verify(
        signature, b"reticent/reply/1\nmessage"
    )


@pytest.mark.parametrize("other", [domain for domain in Domain if domain is not Domain.RECEIPT])
def test_a_signature_for_one_domain_verifies_in_no_other(other):
    signature = DEVICE.sign(Domain.RECEIPT, b"message")
    with pytest.raises(SignatureError, match=f"the {other} signature"):
        DEVICE.public.verify(other, b"message", signature)


@pytest.mark.parametrize(
    "signature",
    ["", "00" * 64, "00" * 63, "zz" * 64, DEVICE.sign(Domain.PLAN, b"other"), OTHER.sign(Domain.PLAN, b"message")],
)
def test_any_other_signature_is_refused(signature):
    with pytest.raises(SignatureError):
        DEVICE.public.verify(Domain.PLAN, b"message", signature)


def test_a_signature_has_one_form_only():
    signature = DEVICE.sign(Domain.PLAN, b"message")
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = int.from_bytes(bytes.fromhex(signature[64:]), "little") + order
    for altered in (signature.upper(), signature + "\n", signature[:64] + scalar.to_bytes(32, "little").hex()):
        with pytest.raises(SignatureError):
            DEVICE.public.verify(Domain.PLAN, b"message", altered)


def test_signing_is_deterministic():
    assert DEVICE.sign(Domain.PLAN, b"m") == DEVICE.sign(Domain.PLAN, b"m")


@pytest.mark.parametrize(
    "text", ["", "0" * 64, "00" * 31, DEVICE.public.hex.upper(), DEVICE.public.hex + "\n", 7, None]
)
def test_only_a_key_is_a_public_key(text):
    with pytest.raises(FormatError):
        PublicKey(text)


def test_every_refused_point_has_small_order_and_none_of_the_eight_is_missing():
    def add(a, b):
        (x1, y1), (x2, y2) = a, b
        product = D * x1 * x2 * y1 * y2 % P
        return (
            (x1 * y2 + x2 * y1) * pow(1 + product, P - 2, P) % P,
            (y1 * y2 + x1 * x2) * pow(1 - product, P - 2, P) % P,
        )

    def decode(y):
        square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
        root = pow(square, (P + 3) // 8, P)
        if root * root % P != square:
            root = root * pow(2, (P - 1) // 4, P) % P
        assert root * root % P == square
        return root, y

    points = set()
    for encoded in keys._SMALL_ORDER:
        x, y = decode(int.from_bytes(encoded, "little") % P)
        for point in ((x, y), (-x % P, y)):
            points.add(point)
            double = add(point, point)
            fourfold = add(double, double)
            assert add(fourfold, fourfold) == (0, 1)
    assert len(points) == 8


@pytest.mark.parametrize("sign_bit", [0, 0x80])
@pytest.mark.parametrize("encoded", sorted(keys._SMALL_ORDER))
def test_a_point_of_small_order_is_no_key(encoded, sign_bit):
    raw = encoded[:31] + bytes([encoded[31] | sign_bit])
    with pytest.raises(FormatError, match="small order"):
        PublicKey(raw.hex())


def test_a_saved_key_is_its_owners_alone_and_reads_back(tmp_path):
    path = tmp_path / "device.key"
    DEVICE.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SigningKey.load(path).public == DEVICE.public


def test_a_key_is_never_overwritten(tmp_path):
    path = tmp_path / "device.key"
    DEVICE.save(path)
    before = path.read_bytes()
    with pytest.raises(StateError, match="never overwritten"):
        OTHER.save(path)
    assert path.read_bytes() == before


def test_a_key_that_others_may_read_is_refused(tmp_path):
    path = tmp_path / "device.key"
    DEVICE.save(path)
    path.chmod(0o640)
    with pytest.raises(StateError, match="mode 640"):
        SigningKey.load(path)


def test_only_a_regular_file_is_read_as_a_key(tmp_path):
    DEVICE.save(tmp_path / "real.key")
    (tmp_path / "link.key").symlink_to(tmp_path / "real.key")
    (tmp_path / "folder.key").mkdir()
    os.mkfifo(tmp_path / "pipe.key", 0o600)
    for name in ("link.key", "folder.key", "pipe.key", "missing.key"):
        with pytest.raises(StateError):
            SigningKey.load(tmp_path / name)
        with pytest.raises(StateError):
            DEVICE.save(tmp_path / ("missing/x" if name == "missing.key" else name))


def _pem(key, encryption):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 4096,
        b"A" * 5000,
        _pem(ed25519.Ed25519PrivateKey.generate(), BestAvailableEncryption(b"password")),
        _pem(rsa.generate_private_key(65537, 2048), NoEncryption()),
        _pem(ed25519.Ed25519PrivateKey.generate(), NoEncryption())[:60],
    ],
    ids=["empty", "zeros", "long", "encrypted", "RSA", "cut off"],
)
def test_a_file_that_holds_no_plain_ed25519_key_is_refused(tmp_path, content):
    path = tmp_path / "device.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(FormatError):
        SigningKey.load(path)


def test_the_private_half_shows_in_no_repr_and_in_no_error(tmp_path):
    path = tmp_path / "device.key"
    DEVICE.save(path)
    secret = (b"\x04" * 32).hex()
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(FormatError) as caught:
        SigningKey.load(path)
    assert secret not in repr(DEVICE) + repr(DEVICE.public) + str(caught.value)
    assert b"\x04" * 32 not in str(caught.value).encode()


def test_a_device_id_is_the_start_of_the_keys_digest():
    assert DEVICE.public.device_id == keys.digest(bytes.fromhex(DEVICE.public.hex))[:32]
