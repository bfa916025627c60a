"""How an enrolment begins and what its person says yes to: two files carried by hand, no network.

`create` makes the device; `request` is what the operator gets; `accept_ticket` brings the answer; `accept_policy` takes later terms.
"""

import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from reticent import spool
from reticent.actions.action import Session
from reticent.capture.vault import Vault
from reticent.capture.vault_key import Where, load_or_create
from reticent.errors import StateError
from reticent.keeper.state import DeviceState, accepted_offer, last_consent, next_policy
from reticent.records.enrolment import EnrolmentRequest, Ticket, sign_enrolment
from reticent.records.entries import Consent
from reticent.records.files import all_or_nothing, replace_private, write_private
from reticent.records.keys import SigningKey
from reticent.records.layout import DeviceFolder
from reticent.records.ledger import Ledger
from reticent.records.policy import Policy, PolicyOffer, check_acceptance


def create(root: Path, *, sessions: tuple[Session, ...] = ()) -> Where:
    """Make a device in an empty folder: keys, ledger, vault, spool. Returns where the vault's key lies ("keyring" or "file").

    sessions: recorded sessions to begin with.
    Raises: StateError, if the folder holds anything or the disk refuses; the folder is as it was then.
    """
    with all_or_nothing(root, claim="keeper"):
        return _create(DeviceFolder(root), sessions)


def _create(folder: DeviceFolder, sessions: tuple[Session, ...]) -> Where:
    root = folder.root
    try:
        for path in (root, folder.keeper, folder.pending, folder.courier):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        spool.create(folder.spool)
    except OSError as error:
        raise StateError(f"a device can't be made in {root}: {error.strerror}; nothing was sent") from None
    node_key = ec.generate_private_key(ec.SECP384R1())
    write_private(folder.node_key, node_key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    vault_key, where = load_or_create(folder.vault_key)
    with Vault.create(folder.vault, key=vault_key) as vault:
        for session in sessions:
            vault.add(session)
    key = SigningKey.generate()
    key.save(folder.device_key)
    Ledger.create(folder.ledger, key).close()
    node_public = node_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    request = EnrolmentRequest(
        device=key.public.device_id, device_key=key.public.hex, node_key=node_public.decode("ascii")
    )
    replace_private(request_file(folder), sign_enrolment(request, key).to_bytes())
    return where


def request_file(folder: DeviceFolder) -> Path:
    """Where the enrolment request lies, for the person to hand to the operator."""
    return folder.root / "enrolment-request.json"


def accept_ticket(state: DeviceState, ticket: Ticket) -> Policy:
    """Put a ticket's terms in force after its person's yes, and tell the courier where to connect.

    Raises: PolicyViolation, SignatureError; what was in force stays in force then.
    """
    policy = accept_policy(state, ticket.policy, fresh_yes=True)
    replace_private(state.folder.connection, _connection(ticket))
    return policy


def is_accepted(state: DeviceState, ticket: Ticket) -> bool:
    """Whether this very ticket's terms are in force and the courier knows where to connect: nothing is left to do."""
    try:
        known = state.folder.connection.read_bytes()
    except FileNotFoundError:
        return False
    return is_in_force(state, ticket.policy) and known == _connection(ticket)


def is_in_force(state: DeviceState, offer: PolicyOffer) -> bool:
    """Whether these are the terms that the ledger's last consent names."""
    last = last_consent(state.payment.ledger.entries)
    return last is not None and (last.policy_hash, last.operator_key) == (offer.hash, offer.operator.hex)


def _connection(ticket: Ticket) -> bytes:
    return json.dumps({"version": 1, "address": ticket.address, "ca_certificate": ticket.ca_certificate}).encode()


def accept_policy(state: DeviceState, offer: PolicyOffer, *, fresh_yes: bool) -> Policy:
    """Put terms in force: stricter ones at once, looser ones with a fresh yes (and the council's, where set).

    The ledger's consent entry decides: killed before it, the old terms stand; killed after it, the next start ends the change.
    Terms that are in force already are left as they are: no second consent is written.
    """
    accepted = None
    if state.terms is not None:
        accepted = accepted_offer(
            state.folder, policy_hash=state.terms.policy_hash, operator_key=state.terms.operator.hex
        )
    policy = check_acceptance(offer, accepted=accepted, fresh_yes=fresh_yes)
    if is_in_force(state, offer):
        return policy
    replace_private(next_policy(state.folder), offer.to_bytes())
    state.payment.ledger.append(
        Consent(policy_hash=offer.hash, operator_key=offer.operator.hex, receipt_key=policy.receipt_key)
    )
    accepted_offer(state.folder, policy_hash=offer.hash, operator_key=offer.operator.hex)
    return policy
