"""The command line: finds a command, turns an error of this package into one sentence and an exit code.

Commands are imported when they are called, so that `reticent privacy` does not wait for torch or Flower.
"""

import importlib
import sys
import traceback

import click

from reticent import __version__
from reticent.errors import ReticentError

CLOSED_PIPE = 128 + 13
"""What a shell shows for a program that SIGPIPE ended: whoever read the output, `head` perhaps, has enough."""

COMMANDS = {
    "audit": ("audit", "check ledgers and receipts offline"),
    "data": ("data", "recorded sessions: import, describe"),
    "device": ("device", "an employee's device: init, enroll, consent, run, status"),
    "doctor": ("doctor", "what works here, what doesn't, and what to do about it"),
    "evaluate": ("evaluate", "metrics and baselines of a checkpoint"),
    "privacy": ("privacy", "epsilon and calibration"),
    "train": ("train", "an experiment: simulated people, or enrolled devices"),
    "server": ("server", "an organisation's server: init, policy, enroll, serve, run, status"),
}


class LazyGroup(click.Group):
    """Lists commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"reticent.cli.{module}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(__version__)
def root(debug: bool) -> None:
    """Federated training of small UI-action models; raw keystrokes and screens never leave the device.

    Example: reticent privacy epsilon --noise-multiplier 5 --steps 50 --delta 1e-6
    """


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Exit codes: 0 success, 1 a check failed, 2 wrong use or incomplete input; a closed pipe ends it quietly."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    try:
        result = root.main(args=arguments, prog_name="reticent", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except SystemExit:  # click's way, outside its standalone mode, for a closed pipe and nothing else
        return CLOSED_PIPE
    except click.Abort:
        click.echo("reticent: stopped", err=True)
        return 130
    except click.exceptions.NoArgsIsHelpError as asked:
        click.echo(asked.format_message(), err=True)
        return 2
    except click.ClickException as wrong:
        where = f" (see '{wrong.ctx.command_path} --help')" if isinstance(wrong, click.UsageError) and wrong.ctx else ""
        said = " ".join(wrong.format_message().split()).rstrip(".")
        click.echo(f"reticent: {said}; nothing was done{where}", err=True)
        return 2
    except ReticentError as error:
        if debug:
            traceback.print_exc()
        click.echo(f"reticent: {' '.join(str(error).split())}", err=True)
        return error.exit_code
    except OSError as error:
        if debug:
            traceback.print_exc()
        click.echo(
            f"reticent: {error.filename or 'a file'}: {error.strerror or type(error).__name__}; nothing was sent",
            err=True,
        )
        return 2
    return result if isinstance(result, int) else 0
