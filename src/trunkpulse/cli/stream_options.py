"""What an event stream is to be, as options of a command: made into the API's document.

A secret never stands on a command line, where every user of the machine can read it; an option
says where to find it, as the configuration file does.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from trunkpulse.cli.connection import Api
from trunkpulse.cli.described import takes_instead
from trunkpulse.cli.errors import WrongUsage
from trunkpulse.config.secrets import Secrets
from trunkpulse.config.wording import printable, shown

__all__ = ["described", "pair", "read_document", "secret_at"]

_LARGEST_DOCUMENT_BYTES = 1 << 20

Texts = list[str] | None


def described(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with the options that describe a stream instead of its ``document``."""

    @functools.wraps(command)
    def with_document(
        api: Api,
        *,
        document: Path | None,
        name: str | None,
        event_type: Texts,
        trunk: Texts,
        carrier: Texts,
        region: Texts,
        direction: Texts,
        state: Texts,
        reason: Texts,
        type_: str | None,
        to: str | None,
        secret: str | None,
        previous_secret: str | None,
        header: Texts,
        option: Texts,
        **own: object,
    ) -> None:
        members = {} if document is None else read_document(document)
        said: dict[str, object] = {
            "name": name,
            "eventTypes": event_type,
            "trunks": trunk,
            "carriers": carrier,
            "regions": region,
            "directions": direction and [each.lower() for each in direction],
            "states": state and [each.upper() for each in state],
            "reasonCodes": reason and [each.upper() for each in reason],
        }
        destination: dict[str, object] = {
            **_options(option or ()),
            "type": type_,
            "url": to,
            "secret": secret_at("--secret", secret),
            "previousSecret": secret_at("--previous-secret", previous_secret),
            "headers": dict(_header(each) for each in header or ()),
        }
        members |= {key: value for key, value in said.items() if value}
        if given := {key: value for key, value in destination.items() if value not in (None, {})}:
            before = members.get("destination")
            members["destination"] = {**(before if isinstance(before, dict) else {}), **given}
        command(api, document=members, **own)

    takes_instead(with_document, command, _stream_options)
    return with_document


def _stream_options(
    *,
    document: Annotated[
        Path | None,
        typer.Option(
            "--document",
            metavar="FILE",
            help="The stream as the API's JSON, or - for standard input; other options win.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="For people; without one the id.")] = None,
    event_type: Annotated[
        Texts, typer.Option(metavar="TYPE", help="Events that are sent; may be given again.")
    ] = None,
    trunk: Annotated[
        Texts, typer.Option(metavar="ID", help="Only of this trunk; may be given again.")
    ] = None,
    carrier: Annotated[
        Texts,
        typer.Option(metavar="LABEL", help="Only of trunks of this carrier; may be given again."),
    ] = None,
    region: Annotated[
        Texts,
        typer.Option(metavar="LABEL", help="Only of trunks of this region; may be given again."),
    ] = None,
    direction: Annotated[
        Texts,
        typer.Option(
            metavar="DIRECTION",
            help="Only of trunks of exactly this direction; may be given again.",
        ),
    ] = None,
    state: Annotated[
        Texts, typer.Option(metavar="STATE", help="Only changes to this state; may be given again.")
    ] = None,
    reason: Annotated[
        Texts,
        typer.Option(metavar="REASON", help="Only of this reason, * for all; may be given again."),
    ] = None,
    type_: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="What its destination is.")
    ] = None,
    to: Annotated[str | None, typer.Option(metavar="URL", help="Where its destination is.")] = None,
    secret: Annotated[
        str | None,
        typer.Option(metavar="env:NAME|file:PATH", help="Where to find its secret."),
    ] = None,
    previous_secret: Annotated[
        str | None,
        typer.Option(
            metavar="env:NAME|file:PATH", help="The one before, while receivers still go by it."
        ),
    ] = None,
    header: Annotated[
        Texts,
        typer.Option(
            metavar="NAME=VALUE",
            help="Sent with each delivery; a secret as NAME=env:NAME or NAME=file:PATH; may be"
            " given again.",
        ),
    ] = None,
    option: Annotated[
        Texts,
        typer.Option(
            metavar="NAME=VALUE",
            help="A setting of the destination, such as topic=trunks; may be given again.",
        ),
    ] = None,
) -> None:
    """The options that ``described`` adds; ``--url`` is where the service is."""


def read_document(file: Path) -> dict[str, object]:
    """The JSON object in ``file``, or on standard input for ``-``; raises WrongUsage."""
    where = "standard input" if str(file) == "-" else f"the file {printable(str(file))}"
    try:
        if str(file) == "-":
            content = sys.stdin.buffer.read(_LARGEST_DOCUMENT_BYTES + 1)
        else:
            with file.open("rb") as stream:
                content = stream.read(_LARGEST_DOCUMENT_BYTES + 1)
        value = json.loads(content)
    except OSError as problem:
        raise WrongUsage(
            f"{where[0].upper()}{where[1:]} cannot be read ({problem.strerror}); check --document."
        ) from problem
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise WrongUsage(f"There is no JSON object in {where}; check --document.")
    return value


def secret_at(option: str, pointer: str | None) -> str | None:
    """What ``env:NAME`` or ``file:PATH``, given with ``option``, leads to; raises WrongUsage."""
    if pointer is None:
        return None
    try:
        return Secrets(Path(), os.environ).resolve(pointer)
    except ValueError as problem:
        raise WrongUsage(f"{option} {problem}.") from None


def _header(text: str) -> tuple[str, str]:
    """One that begins like a pointer to a secret is looked up, as in the file."""
    name, value = pair("--header", text)
    if not value.startswith(("env:", "file:")):
        return name, value
    try:
        return name, Secrets(Path(), os.environ).resolve(value)
    except ValueError as problem:
        raise WrongUsage(f"--header {shown(name)} {problem}.") from None


def _options(texts: Sequence[str]) -> dict[str, object]:
    """Numbers, true and false as such, all else as text."""
    found: dict[str, object] = {}
    for name, text in (pair("--option", each) for each in texts):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
        found[name] = value if isinstance(value, bool | int | float) else text
    return found


def pair(option: str, text: str) -> tuple[str, str]:
    """NAME and VALUE of what was given with ``option``; raises WrongUsage."""
    name, separator, value = text.partition("=")
    if not separator or not name.strip():
        # What follows may be a token: only its beginning is shown.
        raise WrongUsage(f"{option} must be NAME=VALUE, and {shown(name[:20])} is not.")
    return name.strip(), value.strip()
