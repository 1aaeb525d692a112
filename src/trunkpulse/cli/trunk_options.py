"""What a trunk is to be, as options of a command: made into the API's document.

A password never stands on a command line, where every user of the machine can read it; an option
says where to find it, as the configuration file does.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from trunkpulse.cli.connection import Api
from trunkpulse.cli.described import takes_instead
from trunkpulse.cli.errors import WrongUsage
from trunkpulse.cli.stream_options import pair, read_document, secret_at
from trunkpulse.config.wording import shown

__all__ = ["described", "put_in", "take_away"]

Texts = list[str] | None


def described(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with the options that describe a trunk instead of its ``document``."""

    @functools.wraps(command)
    def with_document(
        api: Api,
        *,
        document: Path | None,
        name: str | None,
        target: Texts,
        carrier: str | None,
        region: str | None,
        direction: str | None,
        profile: str | None,
        username: str | None,
        password: str | None,
        set_: Texts,
        **own: object,
    ) -> None:
        members = {} if document is None else read_document(document)
        said: dict[str, object] = {
            "name": name,
            "targets": target,
            "carrier": carrier,
            "region": region,
            "direction": direction and direction.lower(),
            "profile": profile,
            "advanced.username": username,
            "advanced.password": secret_at("--password", password),
        }
        for member, value in said.items():
            if value:
                _put(members, member, value, "--document")
        put_in(members, set_ or ())
        command(api, document=members, **own)

    takes_instead(with_document, command, _trunk_options)
    return with_document


def put_in(document: dict[str, object], settings: Sequence[str]) -> None:
    """Have ``document`` say each NAME=VALUE; numbers, true, false and JSON as such."""
    for name, text in (pair("--set", each) for each in settings):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
        _put(document, name, value, "--set")


def take_away(document: dict[str, object], members: Sequence[str]) -> None:
    """Have a merge patch take away what was said of each of ``members``."""
    for member in members:
        _put(document, member, None, "--clear")


def _put(document: dict[str, object], member: str, value: object, option: str) -> None:
    """Let ``keepalive.jitter`` be ``value``."""
    place = document
    *path, last = member.split(".")
    for name in path:
        inner = place.setdefault(name, {})
        if not isinstance(inner, dict):
            raise WrongUsage(f"{option} {shown(member)} is within what another option sets.")
        place = inner
    place[last] = value


def _trunk_options(
    *,
    document: Annotated[
        Path | None,
        typer.Option(
            "--document",
            metavar="FILE",
            help="The trunk as the API's JSON, or - for standard input; other options win.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="For people; without one the id.")] = None,
    target: Annotated[
        Texts, typer.Option(metavar="SIP-URI", help="Where it ends; may be given again.")
    ] = None,
    carrier: Annotated[str | None, typer.Option(help="Whose it is.")] = None,
    region: Annotated[str | None, typer.Option(help="Where it is.")] = None,
    direction: Annotated[
        str | None, typer.Option(metavar="DIRECTION", help="inbound, outbound or both.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="The preset it starts from.")] = None,
    username: Annotated[
        str | None, typer.Option(help="What it answers challenges as, with --password.")
    ] = None,
    password: Annotated[
        str | None,
        typer.Option(metavar="env:NAME|file:PATH", help="Where to find its password."),
    ] = None,
    set_: Annotated[
        Texts,
        typer.Option(
            "--set",
            metavar="MEMBER=VALUE",
            help="Anything else, such as keepalive.intervalSeconds=20; may be given again.",
        ),
    ] = None,
) -> None:
    """The options that ``described`` adds."""
