"""``trunkpulse trunks create``, ``edit``, ``delete``, ``export``, ``import``, ``settings``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from trunkpulse.cli.advice import print_advice
from trunkpulse.cli.connection import Api, Query, over_api, segment
from trunkpulse.cli.document import Document
from trunkpulse.cli.errors import CommandFailed, WrongUsage
from trunkpulse.cli.output import amount, paint, print_json, print_line, state_text
from trunkpulse.cli.trunk_options import described, put_in, take_away
from trunkpulse.config.wording import plain_number, printable

__all__ = ["register"]

PATH = "/api/v2/telephony/trunks"
SETTINGS = "/api/v2/telephony/settings"
LARGEST_BYTES = 64 << 20
IMPORT_SECONDS = 600.0

TrunkId = Annotated[str, typer.Argument(metavar="ID", help="The trunk's id.")]
Clear = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MEMBER",
        help="Take away what was said of it, such as keepalive.jitter, so that it is inherited"
        " again; may be given again.",
    ),
]


def register(trunks: typer.Typer) -> None:
    """Add these commands to the others."""
    for command in (create, edit, delete, export, settings):
        trunks.command()(over_api(command))
    trunks.command("import")(over_api(import_))


@described
def create(api: Api, trunk_id: TrunkId, document: dict[str, object]) -> None:
    """Make a trunk; it is probed from now on."""
    _say(api, api.post(PATH, {**document, "id": trunk_id}), "is made")


@described
def edit(
    api: Api,
    trunk_id: TrunkId,
    *,
    clear: Clear = None,
    if_match: Annotated[
        int | None,
        typer.Option(
            metavar="REVISION",
            help="Only if it is still this revision, which 'trunks show --json' tells.",
        ),
    ] = None,
    document: dict[str, object],
) -> None:
    """Change a trunk that was made through the API; what is not named stays as it is."""
    take_away(document, clear or ())
    if not document:
        raise WrongUsage(
            "Nothing is to be changed; 'trunkpulse trunks edit --help' says what can be."
        )
    path = f"{PATH}/{segment(trunk_id)}"
    etag = None if if_match is None else _etag_of(api, path, trunk_id, if_match)
    _say(api, api.patch(path, document, if_match=etag), "is changed")


def delete(api: Api, trunk_id: TrunkId) -> None:
    """Delete a trunk that was made through the API; it is probed no more."""
    api.delete(f"{PATH}/{segment(trunk_id)}")
    if api.as_json:
        print_json({"id": trunk_id, "deleted": True})
    else:
        print_line(f"{trunk_id} is deleted.")


def export(
    api: Api,
    *,
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="csv, a table, or json.")
    ] = "csv",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Where to; else standard output."),
    ] = None,
    carrier: Annotated[str | None, typer.Option(help="Only trunks of this carrier.")] = None,
    region: Annotated[str | None, typer.Option(help="Only trunks of this region.")] = None,
) -> None:
    """Write down all trunks that were made through the API, as 'import' takes them."""
    query = {"format": form.lower(), "carrier": carrier, "region": region}
    if output is None:
        sys.stdout.flush()
        _save(api, query, sys.stdout.buffer)
        return
    try:
        with output.open("wb") as file:
            _save(api, query, file)
    except OSError as problem:
        raise CommandFailed(
            f"The file {printable(str(output))} cannot be written"
            f" ({problem.strerror or problem}); name another with --output."
        ) from problem


def import_(
    api: Api,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A table or JSON as 'export' writes it.")
    ],
    *,
    upsert: Annotated[
        bool, typer.Option("--upsert", help="Replace trunks that are there already.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would come of it.")
    ] = False,
) -> None:
    """Make many trunks at once: all of them, or none and every reason why not."""
    is_json = file.suffix.lower() == ".json"
    answer = api.upload(
        f"{PATH}/import",
        _content(file),
        "application/json" if is_json else "text/csv",
        {"mode": "upsert" if upsert else "create", "dryRun": "true" if dry_run else "false"},
        deadline_seconds=IMPORT_SECONDS,
    )
    if api.as_json:
        print_json(answer.members)
        return
    made, changed = int(answer.number("created")), int(answer.number("changed"))
    print_line(
        f"{amount(made, 'trunk')} {'would be ' if dry_run else ''}made, {changed} changed,"
        f" {answer.number('unchanged'):g} as before."
    )


def settings(
    api: Api,
    *,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="MEMBER=VALUE",
            help="Such as keepalive.intervalSeconds=20 or userAgent=ping; may be given again.",
        ),
    ] = None,
    clear: Clear = None,
) -> None:
    """Show what all trunks inherit, or change it."""
    found, etag = api.get_with_etag(SETTINGS)
    if set_ or clear:
        members = dict(found.members)
        put_in(members, set_ or ())
        take_away(members, clear or ())
        found = api.put(SETTINGS, members, if_match=etag)
    if api.as_json:
        print_json(found.members)
        return
    managed = found.texts("managedMembers")
    keepalive = {
        f"keepalive.{name}": value for name, value in found.document("keepalive").members.items()
    }
    for name, value in {**keepalive, "userAgent": found.text("userAgent")}.items():
        where = f"  (declared in {found.text_or_none('managedBy')})" if name in managed else ""
        text = " ".join(map(_text, value)) if isinstance(value, list) else _text(value)
        print_line(paint(f"{name:<34}", "dim"), text, where)
    print_advice(found)


def _etag_of(api: Api, path: str, trunk_id: str, revision: int) -> str | None:
    """The entity tag of this revision, if it is the present one."""
    present, etag = api.get_with_etag(path)
    now = present.number_or_none("revision")
    if now is not None and now != revision:  # without one the file declares it, which is told
        raise CommandFailed(
            f"{trunk_id} has revision {now:.0f} by now, not {revision}, and nothing was done; look"
            " at it, and make your change to what is there."
        )
    return etag


def _text(value: object) -> str:
    """As the file would have it."""
    if isinstance(value, bool):
        return str(value).lower()
    return plain_number(value) if isinstance(value, float) else str(value)


def _save(api: Api, query: Query, file: BinaryIO) -> None:
    file.writelines(api.download(f"{PATH}/export", query))
    file.flush()


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_BYTES + 1)
    except OSError as problem:
        raise WrongUsage(
            f"The file {printable(str(file))} cannot be read ({problem.strerror}); check its path."
        ) from problem
    if len(content) > LARGEST_BYTES:
        raise WrongUsage(
            f"The file {printable(str(file))} is larger than 64 MiB; part it and import the parts."
        )
    return content


def _say(api: Api, trunk: Document, done: str) -> None:
    if api.as_json:
        print_json(trunk.members)
        return
    print_line(f"{trunk.text('id')} {done}; its state is ", state_text(trunk.text("state")), ".")
    print_advice(trunk)
