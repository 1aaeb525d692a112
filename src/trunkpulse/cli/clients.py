"""``trunkpulse clients``: the machines that may use the API."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Final

import typer

from trunkpulse.cli.connection import Api, segment
from trunkpulse.cli.desk import over_desk
from trunkpulse.cli.document import Document
from trunkpulse.cli.errors import CommandFailed
from trunkpulse.cli.limits import limits_of
from trunkpulse.cli.output import (
    Cell,
    amount,
    clock_time,
    paint,
    print_facts,
    print_json,
    print_line,
    print_table,
)

__all__ = ["clients"]

PATH: Final = "/api/v2/oauth/clients"
KEYS_PATH: Final = "/api/v2/oauth/keys"
_ID_PREFIX: Final = "tpc_"
_DAY_MS: Final = 24 * 3600 * 1000
_HOUR_MS: Final = 3600 * 1000

clients = typer.Typer(
    help="The machines that may use the API, and what each may do.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

ClientName = Annotated[str, typer.Argument(metavar="CLIENT", help="Its name or id.")]


@clients.command("list")
@over_desk
def list_clients(api: Api) -> None:
    """List clients."""
    found = [client for page in api.pages(PATH) for client in page.documents("entities")]
    if api.as_json:
        print_json({"entities": [client.members for client in found], "nextCursor": None})
        return
    print_table(
        ("id", "name", "state", "scopes", "only", "secrets", "expires"),
        (
            (
                client.text("id"),
                client.text("name"),
                _state(client),
                " ".join(client.texts("scopes")),
                limits_of(client),
                str(len(client.documents("secrets"))),
                _moment(client.number_or_none("expires")),
            )
            for client in found
        ),
        none="There are no clients; 'trunkpulse clients create' makes one.",
    )


@clients.command()
@over_desk
def show(api: Api, name: ClientName) -> None:
    """Show a client; its secrets cannot be shown again."""
    client = _found(api, name)
    if api.as_json:
        print_json(client.members)
        return
    print_line(paint(client.text("name"), "bold"), "  ", _state(client))
    print_line()
    print_facts(_facts(client), width=10)


@clients.command()
@over_desk
def create(
    api: Api,
    name: Annotated[str, typer.Argument(metavar="NAME", help="For people; no two are the same.")],
    *,
    scope: Annotated[
        list[str],
        typer.Option(
            metavar="SCOPE", help="What it may do, as telephony.trunks.read; may be given again."
        ),
    ],
    region: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="Only trunks of this region; may be given again."),
    ] = None,
    carrier: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="Only trunks of this carrier; may be given again."),
    ] = None,
    expires_days: Annotated[
        int | None,
        typer.Option(min=1, max=36500, metavar="N", help="It is let in for so many days."),
    ] = None,
) -> None:
    """Make a client; prints its id and its secret, which cannot be shown again."""
    document: dict[str, object] = {"name": name, "scopes": scope}
    if region:
        document["regions"] = region
    if carrier:
        document["carriers"] = carrier
    if expires_days is not None:
        document["expires"] = _now_ms() + expires_days * _DAY_MS
    _show_secret(api, api.post(PATH, document))


@clients.command()
@over_desk
def rotate(
    api: Api,
    name: ClientName,
    *,
    old_for_hours: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=24 * 365,
            metavar="N",
            help="The secret that it has is good for so many hours; otherwise until"
            " 'revoke-secret'.",
        ),
    ] = None,
) -> None:
    """Give a client a second secret to exchange the first one for; prints it once."""
    client = _found(api, name)
    document: dict[str, object] = {}
    if old_for_hours is not None:
        document["othersExpire"] = _now_ms() + old_for_hours * _HOUR_MS
    _show_secret(api, api.post(f"{_path(client)}/secrets", document))


@clients.command("revoke-secret")
@over_desk
def revoke_secret(
    api: Api,
    name: ClientName,
    secret_id: Annotated[str, typer.Argument(metavar="SECRET", help="Its id, as 'show' lists it.")],
) -> None:
    """Take a secret away from a client; it and all tokens of the client are void at once."""
    client = _found(api, name)
    api.delete(f"{_path(client)}/secrets/{segment(secret_id)}")
    _say(api, client, f"has the secret {secret_id} no more", {"id": secret_id, "deleted": True})


@clients.command()
@over_desk
def disable(api: Api, name: ClientName) -> None:
    """Let a client in no more; its tokens are void at once."""
    _switch(api, name, enabled=False)


@clients.command()
@over_desk
def enable(api: Api, name: ClientName) -> None:
    """Let a client in again; it has to get new tokens."""
    _switch(api, name, enabled=True)


@clients.command()
@over_desk
def delete(api: Api, name: ClientName) -> None:
    """Delete a client; its tokens are void at once."""
    client = _found(api, name)
    api.delete(_path(client))
    _say(api, client, "is deleted", {"id": client.text("id"), "deleted": True})


@clients.command("rotate-keys")
@over_desk
def rotate_keys(
    api: Api,
    *,
    compromised: Annotated[
        bool,
        typer.Option(
            "--compromised",
            help="The keys may be known to others: sign with a new one at once, void all tokens.",
        ),
    ] = False,
) -> None:
    """Sign access tokens with a new key; it is exchanged every 90 days by itself."""
    query = "?compromised=true" if compromised else ""
    found = api.post(f"{KEYS_PATH}/rotate{query}")
    if api.as_json:
        print_json(found.members)
        return
    newest = found.documents("entities")[-1]
    if compromised:
        print_line(f"The key {newest.text('id')} signs now; all tokens from before are void.")
    else:
        moment = clock_time(newest.number("signsFrom"))
        print_line(f"The key {newest.text('id')} signs from {moment} on; no token is void by that.")


def _found(api: Api, name: str) -> Document:
    """The client with this id or name."""
    if name.startswith(_ID_PREFIX):
        return api.get(f"{PATH}/{segment(name)}")
    found = api.get(PATH, {"name": name}).documents("entities")
    if not found:
        raise CommandFailed(
            f"There is no client with the name {name}; 'trunkpulse clients list' lists them."
        )
    return found[0]


def _path(client: Document) -> str:
    return f"{PATH}/{segment(client.text('id'))}"


def _switch(api: Api, name: str, *, enabled: bool) -> None:
    client = api.patch(_path(_found(api, name)), {"enabled": enabled})
    _say(api, client, f"is {'enabled' if enabled else 'disabled'}", client.members)


def _show_secret(api: Api, made: Document) -> None:
    if api.as_json:
        print_json(made.members)
        return
    print_line(f"clientId      {made.text('clientId')}")
    print_line(f"clientSecret  {made.text('clientSecret')}")
    print_line("Keep the secret now; it cannot be shown again.")


def _say(api: Api, client: Document, done: str, document: object) -> None:
    if api.as_json:
        print_json(Document(document).members)
    else:
        print_line(f"{client.text('name')} {done}.")


def _state(client: Document) -> Cell:
    if client.flag("active"):
        return paint("active", "green")
    return paint("expired", "yellow") if client.flag("enabled") else paint("disabled", "dim")


def _facts(client: Document) -> Iterator[tuple[str, str]]:
    yield "id", client.text("id")
    yield "scopes", " ".join(client.texts("scopes"))
    yield "only", limits_of(client)
    yield "expires", _moment(client.number_or_none("expires"))
    secrets = client.documents("secrets")
    for place, secret in enumerate(secrets):
        ends = secret.number_or_none("expires")
        until = "" if ends is None else f", good until {clock_time(ends)}"
        made = clock_time(secret.number("created"))
        label = amount(len(secrets), "secret") if place == 0 else ""
        yield label, f"{secret.text('id')} of {made}{until}"
    if not secrets:
        yield "secrets", "none, so it cannot get tokens; 'trunkpulse clients rotate' makes one"
    yield "made", clock_time(client.number("created"))
    yield "changed", clock_time(client.number("changed"))


def _moment(moment_ms: float | None) -> str:
    return "never" if moment_ms is None else clock_time(moment_ms)


def _now_ms() -> int:
    return int(time.time() * 1000)
