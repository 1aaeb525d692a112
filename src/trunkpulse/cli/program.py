"""The program: every command in its place, and how any of them ends.

Whatever goes wrong, a person reads one sentence on stderr and never a traceback:

    0    done
    1    the thing asked about is bad, or does not answer
    2    the command line or the configuration is wrong
    130  interrupted (Ctrl-C)
    141  whoever read the output has gone, as for any program that SIGPIPE ends
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from trunkpulse import __version__
from trunkpulse.cli.advice import advice
from trunkpulse.cli.audit import audit
from trunkpulse.cli.check import check
from trunkpulse.cli.clients import clients
from trunkpulse.cli.demo import demo
from trunkpulse.cli.errors import CommandFailed
from trunkpulse.cli.events import events
from trunkpulse.cli.keys import keys
from trunkpulse.cli.licence import license_group
from trunkpulse.cli.maintenance import maintenance
from trunkpulse.cli.output import complain, print_line
from trunkpulse.cli.probe import probe
from trunkpulse.cli.respond import respond
from trunkpulse.cli.routes import routes
from trunkpulse.cli.serve import serve
from trunkpulse.cli.streams import streams
from trunkpulse.cli.switches import switches
from trunkpulse.cli.trunks import trunks
from trunkpulse.cli.users import users

__all__ = ["program", "run"]

INTERRUPTED = 130
READER_GONE = 141

program = typer.Typer(
    name="trunkpulse",
    help="Watches SIP trunks with OPTIONS keepalives and routes calls over the ones that answer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print_line(f"trunkpulse {__version__}")
        raise typer.Exit


@program.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and end."
        ),
    ] = False,
) -> None:
    del version  # its callback has dealt with it


for command in (demo, serve, check, probe, respond):
    program.command()(command)
for name, group in (
    ("trunks", trunks),
    ("routes", routes),
    ("streams", streams),
    ("events", events),
    ("keys", keys),
    ("clients", clients),
    ("users", users),
    ("maintenance", maintenance),
    ("switches", switches),
    ("advice", advice),
    ("license", license_group),
    ("audit", audit),
):
    program.add_typer(group, name=name)


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A character that the locale cannot write shall not cost the whole answer.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _carry_out(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        _let_go_of_stdout()
        return READER_GONE
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _carry_out(arguments: Sequence[str]) -> int:
    try:
        code = program(list(arguments), prog_name="trunkpulse", standalone_mode=False)
    except CommandFailed as failure:
        complain(str(failure))
        return failure.exit_code
    except TyperException as mistake:
        _explain_usage(mistake)
        return mistake.exit_code
    except typer.Abort:
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def _explain_usage(mistake: TyperException) -> None:
    """One sentence of what was wrong with the command line and where to read how it goes."""
    message = mistake.format_message().strip()
    if "\n" in message:
        complain(message)  # no arguments at all: the message is the help itself
        return
    context = getattr(mistake, "ctx", None)
    command = context.command_path if context is not None else "trunkpulse"
    message = message.rstrip(".").replace(". ", "; ")
    complain(f"{message[:1].upper()}{message[1:]}; '{command} --help' says how it goes.")


def _let_go_of_stdout() -> None:
    """Nobody reads any more: what is still buffered must not fail again at exit."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
