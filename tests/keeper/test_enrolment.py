"""An enrolment begins in an empty folder, and nothing is in force before a yes that the ledger holds."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from reticent.aggregate.directory import Device, add_device, read_directory
from reticent.errors import IntegrityError, PolicyViolation, SettingError, SignatureError, StateError
from reticent.keeper import enrolment
from reticent.keeper.state import next_policy, opened
from reticent.keeper.status import read_status
from reticent.records.enrolment import Ticket, read_enrolment, read_ticket, sign_ticket
from reticent.records.keys import PublicKey, SigningKey
from reticent.records.layout import DeviceFolder
from reticent.records.policy import PolicyOffer, approve, sign_policy
from reticent.records.signed import Signed
from tests.keeper.test_daemon import WEIGHTS, Bench
from tests.world import Organisation, enrolled, plan, reply_header


def authority_certificate() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=9))
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def test_a_new_device_is_private_from_the_first_moment(tmp_path: Path) -> None:
    root = tmp_path / "device"
    enrolment.create(root)
    for path in [root, *root.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_the_request_proves_that_it_comes_from_the_device_s_key(tmp_path: Path) -> None:
    root = tmp_path / "device"
    enrolment.create(root)
    request = read_enrolment(Signed.from_bytes((root / "enrolment-request.json").read_bytes()))
    assert request.device == SigningKey.load(DeviceFolder(root).device_key).public.device_id


def test_a_folder_that_holds_anything_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(StateError, match="not empty"):
        enrolment.create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_device_is_open_once_at_a_time(tmp_path: Path) -> None:
    root = enrolled(tmp_path / "device", Organisation())
    with opened(root), pytest.raises(StateError, match="another"), opened(root):
        pytest.fail("a second keeper opened the same device")


def test_no_device_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="device init"), opened(tmp_path / "nothing"):
        pytest.fail("there is nothing to open")


def test_the_ticket_of_another_device_is_refused(tmp_path: Path) -> None:
    organisation = Organisation()
    root = tmp_path / "device"
    enrolment.create(root)
    ticket = Ticket(
        device="0" * 32,
        address="127.0.0.1:9443",
        ca_certificate=authority_certificate(),
        policy=organisation.offer(),
    )
    with opened(root) as state, pytest.raises(SignatureError, match="is for device"):
        read_ticket(sign_ticket(ticket, organisation.operator), device=state.device)


def test_an_edited_policy_file_stops_the_device(tmp_path: Path) -> None:
    organisation = Organisation()
    root = enrolled(tmp_path / "device", organisation)
    looser = organisation.offer(epsilon_employee=100.0)
    DeviceFolder(root).policy.write_bytes(looser.to_bytes())
    with pytest.raises(IntegrityError, match="not the policy that was accepted"), opened(root):
        pytest.fail("a policy nobody accepted was put in force")


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"epsilon_employee": 9.0}, "epsilon_employee"),
        ({"min_noise_multiplier": 0.5}, "min_noise_multiplier"),
        ({"min_cohort": 1}, "min_cohort"),
        ({"models": ("office-60k", "other")}, "models"),
        ({"receipt_key": SigningKey.generate().public.hex}, "receipt_key"),
    ],
)
def test_a_looser_policy_signed_by_the_operator_needs_a_fresh_yes(
    changes: dict[str, object], names: str, tmp_path: Path
) -> None:
    organisation = Organisation()
    with opened(enrolled(tmp_path / "device", organisation)) as state:
        before = state.folder.policy.read_bytes()
        with pytest.raises(PolicyViolation, match=names):
            enrolment.accept_policy(state, organisation.offer(**changes), fresh_yes=False)
        assert state.folder.policy.read_bytes() == before
        assert sum(entry.kind == "consent" for entry in state.payment.ledger.entries) == 1
        enrolment.accept_policy(state, organisation.offer(**changes), fresh_yes=True)
        assert sum(entry.kind == "consent" for entry in state.payment.ledger.entries) == 2


def test_a_stricter_policy_counts_at_once(tmp_path: Path) -> None:
    organisation = Organisation()
    root = enrolled(tmp_path / "device", organisation)
    with opened(root) as state:
        enrolment.accept_policy(state, organisation.offer(epsilon_employee=4.0), fresh_yes=False)
    with opened(root) as state:
        assert state.terms is not None
        assert state.terms.policy.epsilon_employee == 4.0


def test_with_a_council_the_yes_alone_loosens_nothing(tmp_path: Path) -> None:
    organisation, council = Organisation(), SigningKey.generate()
    root = tmp_path / "device"
    enrolment.create(root)
    signed = sign_policy(organisation.policy(council_key=council.public.hex), organisation.operator)
    looser = sign_policy(
        organisation.policy(council_key=council.public.hex, epsilon_employee=9.0), organisation.operator
    )
    with opened(root) as state:
        enrolment.accept_policy(state, PolicyOffer(policy=signed, council=approve(signed, council)), fresh_yes=True)
    with opened(root) as state:
        with pytest.raises(PolicyViolation, match="council"):
            enrolment.accept_policy(state, PolicyOffer(policy=looser, council=None), fresh_yes=True)
        enrolment.accept_policy(state, PolicyOffer(policy=looser, council=approve(looser, council)), fresh_yes=True)


def test_another_operator_can_t_take_a_device_over_without_a_yes(tmp_path: Path) -> None:
    organisation = Organisation()
    stranger = Organisation(receipts=organisation.receipts)
    with (
        opened(enrolled(tmp_path / "device", organisation)) as state,
        pytest.raises(PolicyViolation, match="operator"),
    ):
        enrolment.accept_policy(state, stranger.offer(), fresh_yes=False)


def test_the_same_policy_under_another_operator_s_key_is_taken_over_whole(tmp_path: Path) -> None:
    organisation = Organisation()
    root = enrolled(tmp_path / "device", organisation)
    successor = Organisation(receipts=organisation.receipts)
    with opened(root) as state:
        enrolment.accept_policy(state, successor.offer(), fresh_yes=True)
    with opened(root) as state:
        assert state.terms is not None
        assert state.terms.operator == successor.operator.public


def test_a_council_s_approval_is_for_one_operator(tmp_path: Path) -> None:
    organisation, council = Organisation(), SigningKey.generate()
    successor = Organisation(receipts=organisation.receipts)
    root = tmp_path / "device"
    enrolment.create(root)
    terms = organisation.policy(council_key=council.public.hex)
    first, second = sign_policy(terms, organisation.operator), sign_policy(terms, successor.operator)
    approval = approve(first, council)
    with opened(root) as state:
        enrolment.accept_policy(state, PolicyOffer(policy=first, council=approval), fresh_yes=True)
    with opened(root) as state, pytest.raises(SignatureError, match="another operator"):
        enrolment.accept_policy(state, PolicyOffer(policy=second, council=approval), fresh_yes=True)


def test_a_yes_cut_off_after_the_ledger_is_finished_at_the_next_start(tmp_path: Path) -> None:
    organisation = Organisation()
    root = enrolled(tmp_path / "device", organisation)
    folder = DeviceFolder(root)
    old = folder.policy.read_bytes()
    with opened(root) as state:
        enrolment.accept_policy(state, organisation.offer(epsilon_employee=4.0), fresh_yes=False)
    new = folder.policy.read_bytes()
    folder.policy.write_bytes(old)
    next_policy(folder).write_bytes(new)
    with opened(root) as state:
        assert state.terms is not None
        assert state.terms.policy.epsilon_employee == 4.0
    assert folder.policy.read_bytes() == new


def test_the_status_is_read_beside_a_running_daemon(tmp_path: Path) -> None:
    organisation = Organisation()
    root = enrolled(tmp_path / "device", organisation)
    assert not read_status(root).running
    with opened(root) as state:
        status = read_status(root)
        assert status.running
        assert status.policy_hash == (state.terms and state.terms.policy_hash)
        assert status.epsilon == {"employee": 0.0, "example": 0.0}
    assert json.dumps(read_status(root).as_dict())
    assert dict(read_status(root).lines())["epsilon (employee)"].startswith("0 of 8")


def test_the_operator_s_key_is_part_of_the_yes(tmp_path: Path) -> None:
    organisation = Organisation()
    with opened(enrolled(tmp_path / "device", organisation)) as state:
        assert state.terms is not None
        assert state.terms.operator == PublicKey(organisation.operator.public.hex)


def test_a_number_that_makes_no_sense_is_no_policy() -> None:
    with pytest.raises(SettingError):
        Organisation().policy(delta=float("nan"))


def test_the_limit_a_second_enrolment_of_one_person_is_a_second_device_with_a_whole_budget(tmp_path: Path) -> None:
    """Known and said so (docs/threat-model.md): what the organisation sees of it is a second line of its directory."""
    organisation, directory = Organisation(), tmp_path / "devices.jsonl"
    kinds = {}
    for node_id, name in enumerate(("first", "again"), start=1):
        with opened(enrolled(tmp_path / name, organisation, epsilon_employee=3.0)) as state:
            add_device(
                directory,
                Device(device=state.device, device_key=state.payment.key.public.hex, node_id=node_id),
            )
            bench, signed = Bench(state, organisation), organisation.signed(plan())
            kinds[name] = [reply_header(bench.join(signed, number=number, weights=WEIGHTS)).kind for number in (0, 1)]
    assert kinds == {"first": ["join", "abstain"], "again": ["join", "abstain"]}
    assert len({one.device for one in read_directory(directory)}) == 2
