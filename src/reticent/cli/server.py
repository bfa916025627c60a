"""`reticent server`: an organisation's half, from an empty folder to a finished run."""

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from reticent.errors import Refused, SettingError

FOLDER = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group("server")
def server() -> None:
    """An organisation's server: what devices connect to, and the runs it asks them for.

    Example: reticent server init srv && reticent server policy srv srv/policy.yaml && reticent server serve srv
    """


@server.command()
@FOLDER
@click.option(
    "--address",
    default="127.0.0.1:9443",
    show_default=True,
    help="host:port that devices connect to; port 0 picks a free one.",
)
def init(folder: Path, address: str) -> None:
    """Make certificates, keys and settings in a new folder.

    Example: reticent server init srv --address training.example.org:9443
    """
    from reticent.server.creation import create

    settings = create(folder, address=address, now=datetime.datetime.now(datetime.UTC))
    click.echo(f"made {folder}: devices will connect to {settings.address}")
    click.echo(f"next: edit {folder / 'policy.yaml'}, then `reticent server policy {folder} {folder / 'policy.yaml'}`")


@server.command()
@FOLDER
@click.argument("draft", metavar="POLICY.yaml", type=click.Path(path_type=Path))
@click.option("--council", type=click.Path(path_type=Path), help="The works council's signed approval of this policy.")
def policy(folder: Path, draft: Path, council: Path | None) -> None:
    """Sign the terms that devices are asked to accept.

    Example: reticent server policy srv srv/policy.yaml
    """
    from reticent.server import policies
    from reticent.server.settings import open_folder

    paths, _ = open_folder(folder)
    click.echo(policies.summary(*policies.publish(paths, draft, council=council)))


@server.command()
@FOLDER
@click.argument("request", metavar="REQUEST.json", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Where the ticket goes too; DIR/tickets/ keeps one.")
def enroll(folder: Path, request: Path, out: Path | None) -> None:
    """Enrol the device that made REQUEST.json, and write the ticket that it needs.

    Example: reticent server enroll srv request.json --out ticket.json
    """
    from reticent.server import enrolment

    device, ticket = enrolment.enroll(folder, request, out=out)
    click.echo(f"enrolled {device.device} as node {device.node_id}; its ticket is {ticket}")


@server.command()
@FOLDER
def serve(folder: Path) -> None:
    """Run the server in the foreground until Ctrl-C or SIGTERM.

    Example: reticent server serve srv
    """
    from reticent.server import supervisor

    supervisor.serve(folder, say=click.echo)


@server.command()
@FOLDER
@click.argument("draft", metavar="[PLAN.yaml]", required=False, type=click.Path(path_type=Path))
@click.option("--resume", metavar="PLAN_ID", help="Go on with an earlier run after its last applied round.")
@JSON
def run(folder: Path, draft: Path | None, resume: str | None, as_json: bool) -> int:
    """Ask the enrolled devices for the rounds of a plan, and wait for the end.

    Exit codes: 0 all rounds were applied, 1 the run stopped before, 2 wrong input (nothing was asked of any device).

    Example: reticent server run srv plan.yaml
    """
    from reticent.server import reading
    from reticent.server import run as runs
    from reticent.server.interruption import interrupted_by_sigterm

    if (draft is None) is (resume is None):
        raise click.UsageError("give either a PLAN.yaml or --resume PLAN_ID")
    first = 0 if resume is None else runs.lines_so_far(folder, resume)

    def note(sentence: str) -> None:
        click.echo(f"note     {sentence}", err=as_json)

    try:
        plan_id = runs.submit_file(folder, draft, say=note) if draft is not None else runs.resume(folder, str(resume))
    except Refused as refusal:
        raise SettingError(f"devices would refuse this: {refusal}") from None

    def show(line: Mapping[str, Any]) -> None:
        if not as_json:
            click.echo(reading.describe(line))

    def show_wait(sentence: str) -> None:
        click.echo(f"waiting  {sentence}", err=as_json)

    try:
        with interrupted_by_sigterm():
            if not as_json:
                click.echo(f"plan {plan_id}")
            outcome = runs.wait(folder, plan_id, on_round=show, on_wait=show_wait, first=first)
    except BrokenPipeError:
        runs.stop(folder, plan_id)
        raise
    except KeyboardInterrupt:
        runs.stop(folder, plan_id)
        click.echo(f"stopped; `reticent server run {folder} --resume {plan_id}` goes on", err=True)
        raise
    if as_json:
        click.echo(json.dumps(outcome.to_value(), indent=2))
    else:
        click.echo(outcome.sentence())
    return 0 if outcome.complete else 1


@server.command()
@FOLDER
@JSON
def status(folder: Path, as_json: bool) -> None:
    """Show what runs, who is enrolled and connected, and how far the runs came.

    Example: reticent server status srv
    """
    from reticent.server.status import look

    found = look(folder)
    click.echo(json.dumps(found.to_value(), indent=2) if as_json else found.text())
