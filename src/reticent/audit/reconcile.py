"""Do the devices' ledgers and the organisation's folder tell the same story?"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from reticent.audit.finding import Finding
from reticent.audit.history import History, read_history
from reticent.audit.server_side import Reply, ServerSide, read_server_side
from reticent.errors import FormatError, IntegrityError

DISAGREE = "server and device disagree"
"""Whose finding it is where one side's word stands against the other's: a receipt is signed by the server alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One device's figures on both sides. ledger: whether one was given; entries and the next three are from it.

    lost: releases in the ledger that the server does not hold: sent and lost, dropped by the server, or not sent yet.
    """

    device: str
    ledger: bool
    entries: int
    charged: int
    released: int
    receipted: int
    counter_signed: int
    received: int
    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What was compared and what was found.

    not_checked: devices that took part and whose ledger was not given; nothing is said about them. notes: what an auditor
    should know and nobody need answer for.
    """

    accounts: tuple[Account, ...]
    not_checked: tuple[str, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing was found in what was given."""
        return not self.findings

    def to_json(self) -> dict[str, JsonValue]:
        return {
            "holds": self.holds,
            "not_checked": list(self.not_checked),
            "devices": [{name: getattr(one, name) for name in Account.__slots__} for one in self.accounts],
            "findings": [finding.to_json() for finding in self.findings],
            "notes": list(self.notes),
        }


def reconcile(server: Path, ledgers: Sequence[Path]) -> Reconciliation:
    """Compare ledgers (files or state folders) with a server's folder.

    Guarantee where it holds: each counter-signed head is in its device's ledger; each reply that the server received was
    charged beforehand, by the very plan, and is recorded as released with the same payload; each receipt that a ledger
    holds is in the server's index. So nobody restored, forked or shortened a ledger below its newest counter-signed head.
    Where a counter-signed head is not in the ledger, either side may have made that up, and the finding names no culprit;
    what a device's own signature shows (its replies, two ledgers) is found under the device.
    The verdict is on the ledgers that were given, be it one of many; other devices that took part are named as not checked.
    Raises: StateError, FormatError, NewerFormatError, for input that can't be compared at all.
    """
    side = read_server_side(server)
    findings, notes = list(side.findings), []
    histories: dict[str, History] = {}
    for place in ledgers:
        history = read_history(place)
        if history.broken:
            findings.append(history.broken)
        if not history.chain.hashes:
            continue
        known = histories.get(history.name)
        if known is None:
            histories[history.name] = history
            continue
        apart = _first_difference(known.chain.hashes, history.chain.hashes)
        longer = max(known, history, key=lambda one: len(one.chain.hashes))
        histories[history.name] = longer
        if apart is None:
            notes.append(f"{history.name}: two copies of its ledger were given; the longer one was compared")
        else:
            said = f"two ledgers of it were given, and they differ from entry {apart} on: it was forked"
            findings.append(Finding(subject=history.name, kind="forked", sentence=said))
    everybody = sorted({*side.devices, *side.receipts, *side.replies, *histories})
    accounts, not_checked = [], []
    for device in everybody:
        mine = histories.get(device)
        findings.extend(_standing(device, side))
        if mine is None:
            receipts, replies = len(side.receipts.get(device, ())), len(side.replies.get(device, ()))
            if receipts or replies:
                not_checked.append(device)
                notes.append(
                    f"{device}: NOT checked: the server holds {receipts} heads and {replies} replies of it, "
                    "and no ledger of it was given"
                )
            else:
                notes.append(f"{device}: is enrolled, never took part, and no ledger of it was given")
        else:
            findings.extend(_heads(mine, side))
            findings.extend(_witnesses(mine, side))
            findings.extend(_charges(mine, side))
            findings.extend(finding for reply in side.replies.get(device, ()) for finding in _reply(reply, mine))
        accounts.append(_account(device, side, mine))
    notes.extend(
        f"{account.device}: {account.lost} of its releases are not at the server: sent and lost, or not sent yet"
        for account in accounts
        if account.lost
    )
    return Reconciliation(
        accounts=tuple(accounts),
        not_checked=tuple(not_checked),
        findings=tuple(_distinct(findings)),
        notes=tuple(notes),
    )


def _distinct(findings: Iterable[Finding]) -> list[Finding]:
    return list(dict.fromkeys(findings))


def _first_difference(one: Sequence[str], other: Sequence[str]) -> int | None:
    return next((index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)


def _account(device: str, side: ServerSide, history: History | None) -> Account:
    received = {(reply.header.plan_id, reply.header.round) for reply in side.replies.get(device, ())}
    return Account(
        device=device,
        ledger=history is not None,
        entries=len(history.chain.hashes) if history else 0,
        charged=len(history.chain.charges) if history else 0,
        released=len(history.chain.releases) if history else 0,
        receipted=len(history.receipts) if history else 0,
        counter_signed=len(side.receipts.get(device, ())),
        received=len(received),
        lost=len(set(history.chain.releases) - received) if history else 0,
    )


def _standing(device: str, side: ServerSide) -> Iterator[Finding]:
    """Who is known to whom."""
    receipts, replies = len(side.receipts.get(device, ())), len(side.replies.get(device, ()))
    if device not in side.devices:
        said = (
            f"is not in the server's directory of devices, and {receipts} heads and {replies} replies of it are there"
        )
        yield Finding(subject=device, kind="unknown", sentence=said)


def _heads(history: History, side: ServerSide) -> Iterator[Finding]:
    """Every head that the server counter-signed is in the ledger."""
    chain, name = history.chain, history.name
    shown: dict[int, str] = {}
    beyond: list[int] = []
    for receipt, signed in side.receipts.get(name, ()):
        if shown.setdefault(receipt.index, receipt.head) != receipt.head:
            said = (
                f"the server counter-signed two different entries {receipt.index} of device {name}: "
                "the ledger was forked, or the server signed a head that the device never showed"
            )
            yield Finding(subject=DISAGREE, kind="two-heads", sentence=said)
        elif receipt.index >= len(chain.hashes):
            beyond.append(receipt.index)
        elif chain.hashes[receipt.index] != receipt.head:
            said = (
                f"entry {receipt.index} of the ledger of device {name} is not the one that the server counter-signed: "
                "the ledger was forked or restored, or the server signed a head that the device never showed"
            )
            yield Finding(subject=DISAGREE, kind="other-head", sentence=said)
        else:
            try:
                chain.check_receipt(signed)
            except (IntegrityError, FormatError) as error:
                said = f"the server's receipt for entry {receipt.index} of device {name}: {error}"
                yield Finding(subject=DISAGREE, kind="receipt", sentence=said)
    if beyond and history.broken is None:
        said = (
            f"the ledger of device {name} ends at entry {len(chain.hashes) - 1}, and the server counter-signed entry "
            f"{max(beyond)}: the ledger was shortened or restored, or the server signed a head that the device never showed"
        )
        yield Finding(subject=DISAGREE, kind="beyond-ledger", sentence=said)


def _witnesses(history: History, side: ServerSide) -> Iterator[Finding]:
    """Every receipt in the ledger is in the server's index."""
    held = {signed for _, signed in side.receipts.get(history.name, ())}
    for index, signed in history.receipts:
        if signed not in held:
            said = f"its index lacks the receipt that entry {index} of device {history.name} holds"
            yield Finding(subject="server", kind="lost-receipt", sentence=said)


def _charges(history: History, side: ServerSide) -> Iterator[Finding]:
    """Every charge is for what its plan asked, where the server still holds the plan."""
    chain, name = history.chain, history.name
    for index, charge in chain.charges.values():
        plan, operator = side.plans.get(charge.plan_id, (None, ""))
        if plan is None:
            continue
        if charge.events != plan.events() or charge.round >= plan.rounds:
            said = f"entry {index} charged something else than plan {charge.plan_id[:16]} asks"
            yield Finding(subject=name, kind="other-plan", sentence=said)
        consent = [consent for place, consent in chain.consents if place < index][-1]
        if consent.operator_key != operator:
            said = (
                f"plan {charge.plan_id[:16]} is not signed by the operator whose policy was in force at entry {index}"
            )
            yield Finding(subject=name, kind="other-plan", sentence=said)


def _reply(reply: Reply, history: History) -> Iterator[Finding]:
    """A reply that the server received was paid for and is recorded."""
    chain, name, header = history.chain, history.name, reply.header
    where = f"round {header.round} of plan {header.plan_id[:16]}"
    charge = chain.charges.get((header.plan_id, header.round))
    release = chain.releases.get((header.plan_id, header.round))
    if charge is None:
        yield Finding(subject=name, kind="uncharged", sentence=f"sent {where} and its ledger has no charge for it")
    elif charge[1].weights_hash != header.weights_hash:
        said = f"sent {where} for other weights than it charged"
        yield Finding(subject=name, kind="uncharged", sentence=said)
    if release is None:
        yield Finding(subject=name, kind="unrecorded", sentence=f"sent {where} and its ledger has no release of it")
        return
    index, body = release
    if (body.payload_hash, body.bytes) != (header.payload_hash, reply.size_bytes):
        said = f"sent another payload for {where} than entry {index} of its ledger records"
        yield Finding(subject=name, kind="other-payload", sentence=said)
    elif header.index != index:
        said = f"sent {where} as entry {header.index} of its ledger and recorded it as entry {index}"
        yield Finding(subject=name, kind="forked", sentence=said)
