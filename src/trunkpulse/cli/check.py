"""``trunkpulse check``: a configuration file, before it is used."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from trunkpulse.cli.errors import CommandFailed
from trunkpulse.cli.loading import watched
from trunkpulse.cli.output import amount, paint, print_json, print_line, print_table
from trunkpulse.config import Config, ConfigError, load_config
from trunkpulse.config.advice import Advice, advise
from trunkpulse.config.advice.accepting import is_accepted

__all__ = ["check"]

_SEVERITY_STYLES = {"warning": "yellow", "info": "cyan"}


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The configuration file.")],
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead of text.")
    ] = False,
    accepted: Annotated[
        bool, typer.Option("--accepted", help="Show also advice that the file accepts.")
    ] = False,
) -> None:
    """Validate a configuration file and give advice; secrets are looked up, never printed.

    Ends with 0 if the file can be used, whatever the advice, otherwise with 1.
    """
    try:
        with watched(sys.stderr, logged=False) as progress:
            config = load_config(file, os.environ, progress=progress)
    except ConfigError as error:
        if as_json:
            print_json({"valid": False, "problems": list(error.problems), "advice": []})
            raise typer.Exit(1) from error
        raise CommandFailed(str(error)) from error
    found = advise(config)
    accepts = frozenset(config.accepted_advice)
    advice = [each for each in found if accepted or not is_accepted(each, accepts)]
    count = sum(is_accepted(each, accepts) for each in found)
    if as_json:
        print_json(_document(config, advice, accepts, count))
        return
    if advice:
        print_table(
            ("severity", "code", "where", "advice"),
            (
                (
                    paint(each.severity, _SEVERITY_STYLES[each.severity]),
                    each.code,
                    each.where,
                    each.message,
                )
                for each in advice
            ),
            none="",
        )
    print_line(_summary(config), ": ", paint("valid", "green"))
    if count:
        pieces = "1 piece of advice is" if count == 1 else f"{count} pieces of advice are"
        where = "and shown" if accepted else "and not shown; --accepted shows what it is"
        print_line(paint(f"{pieces} accepted in the file {where}.", "dim"))


def _summary(config: Config) -> str:
    return ", ".join((
        amount(len(config.trunks), "trunk"),
        amount(len(config.routes), "route"),
        amount(len(config.event_streams), "event stream"),
    ))  # fmt: skip


def _document(
    config: Config, advice: list[Advice], accepts: frozenset[str], count: int
) -> dict[str, object]:
    return {
        "valid": True,
        "problems": [],
        "advice": [
            {
                "id": each.id,
                "code": each.code,
                "severity": each.severity,
                "where": each.where,
                "why": each.why,
                "fix": each.fix,
                "message": each.message,
                "accepted": is_accepted(each, accepts),
            }
            for each in advice
        ],
        "accepted": count,
        "trunks": len(config.trunks),
        "routes": len(config.routes),
        "eventStreams": len(config.event_streams),
    }
