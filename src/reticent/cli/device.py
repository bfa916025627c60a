"""`reticent device`: an employee's device, from the first key to the daily run."""

import json
import sys
from pathlib import Path

import click

STATE = click.argument("state", type=click.Path(path_type=Path, file_okay=False))


@click.group("device")
def device() -> None:
    """An employee's device.

    \b
    Example: reticent device init ~/.reticent
             reticent device enroll ~/.reticent ticket.json
             reticent device run ~/.reticent
    """


@device.command()
@STATE
@click.option("--recording", help="Begin with recorded sessions from this source (office, drawn, drawn-web) or file.")
@click.option("--person", help="Whose sessions of the recording.")
def init(state: Path, recording: str | None, person: str | None) -> None:
    """Make a device: keys, ledger, encrypted vault, spool, and a request for the operator.

    Example: reticent device init ./device --recording office --person person-002
    """
    from reticent.errors import SettingError
    from reticent.keeper import enrolment
    from reticent.recordings import source
    from reticent.records.layout import DeviceFolder

    if (recording is None) != (person is None):
        raise SettingError("--recording and --person go together; nothing was changed")
    sessions = source.sessions(source.named(recording), person) if recording and person else ()
    where = enrolment.create(state, sessions=sessions)
    request = enrolment.request_file(DeviceFolder(state))
    click.echo(f"made a device in {state}; its vault's key lies in the {where}")
    click.echo(f"give {request} to your operator, then: reticent device enroll {state} TICKET")


@device.command()
@STATE
@click.argument("ticket", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--accept", metavar="HASH", help="Say yes to the policy with this hash (its first 16 digits or more).")
def enroll(state: Path, ticket: Path, accept: str | None) -> None:
    """Read the operator's ticket, show its policy, and put it in force after your yes.

    Example: reticent device enroll ./device ticket.json
    """
    from reticent.keeper import enrolment
    from reticent.keeper.state import opened
    from reticent.records.enrolment import read_ticket
    from reticent.records.files import naming, read_regular
    from reticent.records.policy import read_policy
    from reticent.records.signed import LIMIT_BYTES, Signed

    with opened(state) as device_state:
        with naming(ticket):
            signed = Signed.from_bytes(read_regular(ticket, what="ticket", limit_bytes=LIMIT_BYTES))
            content = read_ticket(signed, device=device_state.device)
            offered = read_policy(content.policy.policy, content.policy.operator)
        _show(offered, signed.key)
        if enrolment.is_accepted(device_state, content):
            click.echo("this ticket is accepted already; nothing was changed")
            return
        _yes(content.policy.hash, accept)
        enrolment.accept_ticket(device_state, content)
    click.echo(f"enrolled; your yes is in the ledger; start with: reticent device run {state}")


@device.command()
@STATE
@click.argument("policy", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--accept", metavar="HASH", help="Say yes to the policy with this hash (its first 16 digits or more).")
def consent(state: Path, policy: Path, accept: str | None) -> None:
    """Put a later policy in force: stricter terms at once, looser ones after your fresh yes.

    Example: reticent device consent ./device policy.json
    """
    from reticent.errors import PolicyViolation
    from reticent.keeper import enrolment
    from reticent.keeper.state import opened
    from reticent.records.files import naming, read_regular
    from reticent.records.policy import PolicyOffer, read_policy
    from reticent.records.signed import LIMIT_BYTES

    with opened(state) as device_state:
        with naming(policy):
            offer = PolicyOffer.from_bytes(read_regular(policy, what="policy", limit_bytes=LIMIT_BYTES))
            offered = read_policy(offer.policy, offer.operator)
        _show(offered, offer.operator.hex)
        if enrolment.is_in_force(device_state, offer):
            click.echo("this policy is accepted already; nothing was changed")
            return
        try:
            enrolment.accept_policy(device_state, offer, fresh_yes=False)
        except PolicyViolation as looser:
            click.echo(str(looser))
            _yes(offer.hash, accept)
            enrolment.accept_policy(device_state, offer, fresh_yes=True)
    click.echo("the policy is in force; the ledger records it")


@device.command()
@STATE
def run(state: Path) -> int:
    """Run the device until Ctrl-C: the keeper, which has no network, and the courier, which sees no captures.

    Example: reticent device run ./device
    """
    from reticent.keeper import supervisor

    return supervisor.run(state, report=click.echo, stopped=supervisor.stop_flag())


@device.command()
@STATE
@click.option("--json", "as_json", is_flag=True, help="Machine output.")
def status(state: Path, as_json: bool) -> None:
    """What this device has promised, spent and sent.

    Example: reticent device status ./device
    """
    from reticent.keeper.status import read_status

    report = read_status(state)
    if as_json:
        click.echo(json.dumps(report.as_dict(), indent=2))
        return
    for name, value in report.lines():
        click.echo(f"{name:<22} {value}")


def _show(policy: object, operator: str) -> None:
    from reticent.errors import printable
    from reticent.records.policy import Policy

    assert isinstance(policy, Policy)  # noqa: S101 - narrows a lazily imported type
    click.echo(f"operator key           {operator[:16]} (ask your operator to read it to you)")
    for name, value in policy.to_value().items():
        if name != "version":
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            click.echo(f"{name:<22} {printable(str(shown)) if shown is not None else 'none'}")


def _yes(policy_hash: str, accept: str | None) -> None:
    """Go on only with a yes to exactly this policy."""
    from reticent.errors import SettingError

    click.echo(f"policy hash            {policy_hash}")
    if accept is not None:
        if len(accept) < 16 or not policy_hash.startswith(accept.lower()):
            raise SettingError(f"--accept names another policy than {policy_hash[:16]}; nothing was accepted")
    elif not sys.stdin.isatty():
        raise SettingError(f"say yes on a terminal, or with --accept {policy_hash[:16]}; nothing was accepted")
    else:
        click.confirm("Do you accept these terms?", abort=True)
