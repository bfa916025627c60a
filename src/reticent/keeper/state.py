"""What the keeper holds: the device's key, its ledger, the terms its person accepted, and the vault; opened together or not at all."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reticent.capture.vault import Vault
from reticent.capture.vault_key import load_key
from reticent.egress import Payment
from reticent.errors import IntegrityError, StateError
from reticent.records.entries import Consent, Entry
from reticent.records.files import naming
from reticent.records.keys import PublicKey, SigningKey
from reticent.records.layout import DeviceFolder
from reticent.records.ledger import Ledger
from reticent.records.policy import Policy, PolicyOffer, read_policy
from reticent.records.signed import LIMIT_BYTES
from reticent.records.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceState:
    """An enrolment, open for writing. `terms` is None until its person has accepted a policy."""

    folder: DeviceFolder
    payment: Payment
    terms: Terms | None
    vault: Vault

    @property
    def device(self) -> str:
        return self.payment.key.public.device_id


def existing(root: Path) -> DeviceFolder:
    """The device folder at `root`. Raises: StateError, if there is none."""
    folder = DeviceFolder(root)
    if not folder.ledger.exists() or not folder.device_key.exists():
        raise StateError(f"{root} holds no device; make one with 'reticent device init {root}'; nothing was changed")
    return folder


@contextlib.contextmanager
def opened(root: Path) -> Iterator[DeviceState]:
    """Open an enrolment alone; everything is verified first.

    Raises: StateError, if there is none or another process has it open; IntegrityError, if ledger and policy disagree.
    """
    folder = existing(root)
    key = SigningKey.load(folder.device_key)
    with contextlib.ExitStack() as stack:
        with naming(folder.ledger):
            ledger = stack.enter_context(Ledger.open(folder.ledger, key))
        with naming(folder.vault_key):
            vault_key = load_key(folder.vault_key)
        with naming(folder.vault):
            vault = stack.enter_context(Vault.open(folder.vault, key=vault_key))
        terms = accepted_terms(folder, ledger.entries)
        yield DeviceState(folder=folder, payment=Payment(ledger=ledger, key=key), terms=terms, vault=vault)


def accepted_terms(folder: DeviceFolder, entries: tuple[Entry, ...]) -> Terms | None:
    """The policy that the ledger's last consent names, None if there was none.

    Raises: IntegrityError, if the policy file is not the one that was accepted.
    """
    consent = last_consent(entries)
    if consent is None:
        return None
    offer = accepted_offer(folder, policy_hash=consent.policy_hash, operator_key=consent.operator_key)
    operator = PublicKey(consent.operator_key)
    policy: Policy = read_policy(offer.policy, operator)
    return Terms(policy=policy, policy_hash=offer.policy.id, operator=operator)


def last_consent(entries: tuple[Entry, ...]) -> Consent | None:
    """What its person said yes to last."""
    return next((entry.body for entry in reversed(entries) if isinstance(entry.body, Consent)), None)


def accepted_offer(folder: DeviceFolder, *, policy_hash: str, operator_key: str) -> PolicyOffer:
    """The policy file with this hash and signer; finishes an acceptance that was cut off between ledger and rename.

    Raises: IntegrityError, if the file is not the one that was accepted.
    """
    for path in (folder.policy, next_policy(folder)):
        if path.is_file() and path.stat().st_size <= LIMIT_BYTES:
            with naming(path):
                offer = PolicyOffer.from_bytes(path.read_bytes())
            if (offer.hash, offer.operator.hex) == (policy_hash, operator_key):
                if path != folder.policy:
                    path.replace(folder.policy)
                return offer
    raise IntegrityError(f"{folder.policy} is not the policy that was accepted; nothing was sent")


def next_policy(folder: DeviceFolder) -> Path:
    """Where terms lie between the yes and the ledger's consent entry."""
    return folder.policy.with_name("policy.json.next")
