"""At a real server: a device's request becomes a registered node and a ticket that works."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from reticent.aggregate.directory import read_directory
from reticent.errors import FormatError, SignatureError, StateError
from reticent.records.enrolment import EnrolmentRequest, read_ticket, sign_enrolment
from reticent.records.keys import PublicKey, SigningKey
from reticent.records.policy import check_acceptance
from reticent.records.signed import Signed
from reticent.server import flower, policies
from reticent.server.enrolment import enroll
from reticent.server.status import look


class NewDevice:
    """The keys that a device makes for itself."""

    def __init__(self, node_key=None):
        self.key = SigningKey.generate()
        self.node_key = node_key or ec.generate_private_key(ec.SECP384R1())

    def request(self, folder, *, name="request.json"):
        node_key = self.node_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        body = EnrolmentRequest(device=self.key.public.device_id, device_key=self.key.public.hex, node_key=node_key)
        path = folder / name
        path.write_bytes(sign_enrolment(body, self.key).to_bytes())
        return path


@pytest.fixture(scope="module")
def enrolled(served, tmp_path_factory):
    folder, device = tmp_path_factory.mktemp("device"), NewDevice()
    return device, enroll(served.root, device.request(folder), out=folder / "ticket.json"), folder


def test_the_ticket_is_for_that_device_and_carries_what_it_needs(served, enrolled):
    device, (entry, out), _ = enrolled
    signed = Signed.from_bytes(out.read_bytes())
    assert PublicKey(signed.key) == SigningKey.load(served.paths.operator_key).public
    ticket = read_ticket(signed, device=device.key.public.device_id)
    assert ticket.address == served.settings["address"]
    assert ticket.ca_certificate.encode() == served.paths.ca_certificate.read_bytes()
    assert check_acceptance(ticket.policy, accepted=None, fresh_yes=True) == policies.current(served.paths)[1]
    assert (served.paths.tickets / f"{entry.device}.json").read_bytes() == out.read_bytes()


def test_the_directory_names_it_and_the_superlink_knows_its_node(served, enrolled):
    device, (entry, _), _ = enrolled
    assert entry in read_directory(served.paths.devices)
    assert entry.device_key == device.key.public.hex
    assert entry.node_id in {node.node_id for node in flower.nodes(served.paths)}
    (shown,) = (one for one in look(served.root).devices if one.device == entry.device)
    assert shown.connection == "registered"


def test_the_same_request_again_is_refused_and_says_where_the_ticket_is(served, enrolled):
    _, (entry, _), folder = enrolled
    before = served.paths.devices.read_bytes()
    with pytest.raises(StateError, match=f"enrolled already; its ticket lies in .*{entry.device}.json"):
        enroll(served.root, folder / "request.json")
    assert served.paths.devices.read_bytes() == before


def test_another_device_with_the_same_node_key_is_refused(served, enrolled, tmp_path):
    device, _, _ = enrolled
    before = served.paths.devices.read_bytes()
    with pytest.raises(StateError, match="node key is registered already"):
        enroll(served.root, NewDevice(device.node_key).request(tmp_path))
    assert served.paths.devices.read_bytes() == before


def test_nothing_is_registered_where_the_ticket_could_not_be_written(served, tmp_path):
    (tmp_path / "ticket.json").write_text("mine")
    request = NewDevice().request(tmp_path)
    for out in (tmp_path / "ticket.json", tmp_path / "nowhere" / "ticket.json"):
        with pytest.raises(StateError, match="nobody was enrolled"):
            enroll(served.root, request, out=out)
    assert (tmp_path / "ticket.json").read_text() == "mine"
    enroll(served.root, request)  # its node key is still free


def test_a_request_signed_by_another_device_is_refused(served, tmp_path):
    theirs = json.loads(NewDevice().request(tmp_path).read_bytes())
    ours = json.loads(NewDevice().request(tmp_path).read_bytes())
    (tmp_path / "mixed.json").write_text(json.dumps({**ours, "body": theirs["body"]}))
    with pytest.raises(SignatureError):
        enroll(served.root, tmp_path / "mixed.json")


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b'{"body":{},"key":"","signature":""}', b"\xff\xfe", b"x" * 100_000]
)
def test_what_is_no_request_is_refused(served, tmp_path, data):
    (tmp_path / "request.json").write_bytes(data)
    with pytest.raises(FormatError):
        enroll(served.root, tmp_path / "request.json")


def test_without_a_policy_or_a_running_server_it_is_one_sentence(own_server, tmp_path):
    request = NewDevice().request(tmp_path)
    with pytest.raises(StateError, match="no policy is signed yet"):
        enroll(own_server.root, request)
    policies.publish(own_server.paths, own_server.paths.policy_draft, council=None)
    with pytest.raises(StateError, match="isn't running; start `reticent server serve"):
        enroll(own_server.root, request)
    assert read_directory(own_server.paths.devices) == ()
