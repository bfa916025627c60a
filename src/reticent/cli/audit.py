"""`reticent audit`: check ledgers and receipts offline, read-only, without any private key."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reticent.audit.finding import Finding
from reticent.errors import SettingError, printable

if TYPE_CHECKING:  # the accountants behind `verify` take a second to import, and `reconcile` needs none
    from reticent.audit.reconcile import Reconciliation
    from reticent.audit.verify import Compared, Verification

_EXISTING = click.Path(path_type=Path, exists=True)


@click.group("audit")
def audit() -> None:
    """Check ledgers and receipts offline. Works on copies; changes nothing and needs no private key.

    Exit code: 0 everything holds, 1 something doesn't (each finding is one line), 2 wrong or incomplete input.

    Example: reticent audit reconcile --server copies/server copies/anna copies/ben
    """


@audit.command("verify")
@click.argument("place", metavar="LEDGER_OR_STATE_FOLDER", type=_EXISTING)
@click.option(
    "--policy",
    "policy_files",
    type=_EXISTING,
    multiple=True,
    help="Compare with this policy file; may be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def verify_command(context: click.Context, place: Path, policy_files: tuple[Path, ...], as_json: bool) -> None:
    """Check one ledger: chain, signatures, rules, and its budget against the accepted policy.

    The policy is taken from a state folder by itself, for a bare ledger from --policy. All charges together are compared
    with the limits of each policy; each charge with the terms of its own policy, where that one is given.

    Example: reticent audit verify copies/ledger.jsonl --policy copies/policy.json
    """
    from reticent.audit.verify import read_offer, verify

    found = verify(place, policies=[read_offer(file) for file in policy_files])
    click.echo(json.dumps(found.to_json(), indent=2) if as_json else _verification(found))
    context.exit(0 if found.holds else 1)


@audit.command("reconcile")
@click.option("--server", required=True, type=_EXISTING, help="The server's folder, or a copy of it.")
@click.argument("places", metavar="LEDGER_OR_STATE_FOLDER...", nargs=-1, required=True, type=_EXISTING)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def reconcile_command(context: click.Context, server: Path, places: tuple[Path, ...], as_json: bool) -> None:
    """Compare devices' ledgers with what the server counter-signed and received.

    A copy of the server's folder needs devices.jsonl, receipts.jsonl and runs/ only, no keys. The verdict is on the ledgers
    that are given: with some of them, the other devices that took part are named as not checked.

    Example: reticent audit reconcile --server copies/server copies/anna copies/ben
    """
    from reticent.audit.reconcile import reconcile

    found = reconcile(server, places)
    click.echo(json.dumps(found.to_json(), indent=2) if as_json else _reconciliation(found))
    context.exit(0 if found.holds else 1)


@audit.command("report")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write here; otherwise FOLDER/report.html."
)
def report_command(folder: Path, out: Path | None) -> None:
    """Make one page of a run's FOLDER: what was promised, what happened, epsilon beside its limits, and how to check it.

    The page needs no network and runs no script. Prints its path. The folder is what `reticent train` leaves; beside its own
    files it may hold an audit.json and a simulation/ of the same plan for more people.

    Example: reticent audit report outputs/my-run
    """
    try:
        from reticent.audit.report.page import page
    except ModuleNotFoundError as missing:
        raise SettingError(
            f"a report needs the package {missing.name}: install it with pip install 'reticent[research]'; nothing was written"
        ) from None
    from reticent.audit.report.read import read_run
    from reticent.records.files import replace_private

    target = out or folder / "report.html"
    if target.suffix != ".html":
        raise SettingError(
            f"--out must end in .html, so that no other file is overwritten: {target}; nothing was written"
        )
    replace_private(target, page(read_run(folder)))
    click.echo(target)


def _verification(found: "Verification") -> str:
    lines = [
        f"device     {found.device}",
        f"ledger     {found.path}",
        f"entries    {found.entries}, the newest {found.head[:16] or 'none'}; {found.witnessed} of them counter-signed",
        f"accepted   {found.consents} policies",
        f"charged    {found.charged} rounds",
        f"released   {found.released}",
        *(f"walls      {walls} ({charges} charges)" for walls, charges in found.walls),
        *([] if found.policies else ["policy     none given, not compared"]),
        *(line for one in found.policies for line in _compared(one)),
        *([f"assumed    {found.assumption}"] if found.events else []),
        *(
            f"epsilon    {one.epsilon:<8.4g} {one.unit} level, {one.adjacency}, against: {one.adversary}; {one.note}"
            for one in found.guarantees()
        ),
    ]
    lines.extend(f"note       {note}" for note in found.notes)
    if found.torn_bytes:
        lines.append(
            f"note       {found.torn_bytes} bytes after the last entry: an append that never returned, or a copy cut off"
        )
    return _printed(lines, found.findings)


def _compared(one: "Compared") -> list[str]:
    return [
        f"policy     {one.policy[:16]}, compared: the terms of {one.charges} charges, the limits with all charges together",
        *(f"limit      {limit:<8.4g} {unit} level, at delta {one.delta:g}" for unit, limit in one.limits),
    ]


def _reconciliation(found: "Reconciliation") -> str:
    names = ("device", "entries", "charged", "released", "receipts", "signed", "received")
    lines = [f"{names[0]:32}" + "".join(f"  {name:>8}" for name in names[1:])]
    for one in found.accounts:
        figures = (one.entries, one.charged, one.released, one.receipted, one.counter_signed, one.received)
        lines.append(f"{one.device:32}" + "".join(f"  {figure:>8}" for figure in figures))
    lines.extend(f"note       {note}" for note in found.notes)
    checked = sum(one.ledger for one in found.accounts)
    part = f", for {checked} ledgers given; {len(found.not_checked)} devices that took part were NOT checked"
    return _printed(lines, found.findings, scope=part if found.not_checked else "")


def _printed(lines: list[str], findings: tuple[Finding, ...], *, scope: str = "") -> str:
    verdict = f"DOES NOT HOLD: {len(findings)} found{scope}" if findings else f"holds{scope}"
    return "\n".join(map(printable, [*lines, *(f"FOUND      {finding}" for finding in findings), verdict]))
