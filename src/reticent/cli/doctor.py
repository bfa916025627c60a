"""`reticent doctor`: what works here, what doesn't, and what to do about it."""

import json
import sys

import click


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Machine output.")
def doctor(as_json: bool) -> int:
    """Check this machine. Exit 1 if something that a device needs does not work.

    Example: reticent doctor
    """
    from reticent.keeper.examination import examine

    findings = examine()
    if as_json:
        click.echo(json.dumps([finding.as_dict() for finding in findings], indent=2))
    else:
        marks = {"works": "ok  ", "limited": "some", "missing": "NO  "}
        for finding in findings:
            click.echo(f"{marks[finding.state]} {finding.part:<14} {finding.fact}")
            if finding.advice:
                click.echo(f"     {'':<14} {finding.advice}")
    sys.stdout.flush()
    return 1 if any(finding.state == "missing" for finding in findings) else 0
