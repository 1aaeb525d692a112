"""``trunkpulse users``: the people who may sign in. A password is never an argument."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from getpass import getpass
from typing import Annotated, Final

import typer

from trunkpulse.cli.advice import print_advice
from trunkpulse.cli.connection import Api, segment
from trunkpulse.cli.desk import over_desk
from trunkpulse.cli.document import Document
from trunkpulse.cli.errors import CommandFailed, WrongUsage
from trunkpulse.cli.limits import limits_of
from trunkpulse.cli.output import (
    Cell,
    clock_time,
    paint,
    print_facts,
    print_json,
    print_line,
    print_table,
)

__all__ = ["users"]

PATH: Final = "/api/v2/users"
ROLES_PATH: Final = "/api/v2/roles"
_LONGEST_LINE: Final = 4096

users = typer.Typer(
    help="The people who may sign in, and what each may do.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

UserName = Annotated[str, typer.Argument(metavar="USER", help="Their name or id.")]
GivenRoles = Annotated[
    list[str] | None,
    typer.Option(
        "--role", metavar="ROLE", help="The id of a role, as engineer; may be given again."
    ),
]
Regions = Annotated[
    list[str] | None,
    typer.Option(
        "--region", metavar="LABEL", help="Only trunks of this region; may be given again."
    ),
]
Carriers = Annotated[
    list[str] | None,
    typer.Option(
        "--carrier", metavar="LABEL", help="Only trunks of this carrier; may be given again."
    ),
]
Email = Annotated[
    str | None,
    typer.Option("--email", metavar="ADDRESS", help="By it the OIDC provider's user is found."),
]
DisplayName = Annotated[
    str | None, typer.Option("--display-name", metavar="TEXT", help="For people.")
]


@users.command("list")
@over_desk
def list_users(api: Api) -> None:
    """List users."""
    found = [user for page in api.pages(PATH) for user in page.documents("entities")]
    if api.as_json:
        print_json({"entities": [user.members for user in found], "nextCursor": None})
        return
    print_table(
        ("name", "state", "roles", "only", "signs in by", "id"),
        (
            (
                user.text("name"),
                _state(user),
                " ".join(user.texts("roles")) or "-",
                limits_of(user),
                _signs_in_by(user),
                user.text("id"),
            )
            for user in found
        ),
        none="There are no users; 'trunkpulse users create' makes one.",
    )


@users.command()
@over_desk
def show(api: Api, name: UserName) -> None:
    """Show a user."""
    user = _found(api, name)
    if api.as_json:
        print_json(user.members)
        return
    print_line(paint(user.text("name"), "bold"), "  ", _state(user))
    print_line()
    print_facts(_facts(user), width=13)


@users.command()
@over_desk
def create(
    api: Api,
    name: Annotated[str, typer.Argument(metavar="NAME", help="To sign in by; one word.")],
    *,
    role: GivenRoles = None,
    region: Regions = None,
    carrier: Carriers = None,
    email: Email = None,
    display_name: DisplayName = None,
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="Read their password from standard input."),
    ] = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="They sign in by the OIDC provider alone.")
    ] = False,
) -> None:
    """Make a user; prints a password to be used once, which cannot be shown again."""
    if password_stdin and no_password:
        raise WrongUsage("--password-stdin and --no-password exclude each other; give one of them.")
    document: dict[str, object] = {"name": name, "roles": role or []}
    document |= _given(region=region, carrier=carrier, email=email, display_name=display_name)
    if password_stdin:
        document["password"] = _line_of_stdin()
    if no_password:
        document["providerOnly"] = True
    made = api.post(PATH, document)
    if api.as_json:
        print_json(made.members)
        return
    print_line(f"{made.text('name')} may sign in.")
    _show_password(made)
    print_advice(made)


@users.command()
@over_desk
def edit(
    api: Api,
    name: UserName,
    *,
    role: GivenRoles = None,
    region: Regions = None,
    carrier: Carriers = None,
    email: Email = None,
    display_name: DisplayName = None,
    all_trunks: Annotated[
        bool, typer.Option("--all-trunks", help="Limit them to no region or carrier any more.")
    ] = False,
) -> None:
    """Change a user; what is given takes the place of what there was."""
    changes = _given(region=region, carrier=carrier, email=email, display_name=display_name)
    if all_trunks:
        changes = {"regions": None, "carriers": None, **changes}
    if role:
        changes["roles"] = role
    if not changes:
        raise WrongUsage("Nothing to change was given; 'trunkpulse users edit --help' says what.")
    user = api.patch(_path(_found(api, name)), changes)
    _say(api, user, "is changed", user.members)
    if not api.as_json:
        print_advice(user)


@users.command()
@over_desk
def passwd(
    api: Api,
    name: UserName,
    *,
    one_time: Annotated[
        bool, typer.Option("--one-time", help="Make one and print it, instead of asking for it.")
    ] = False,
) -> None:
    """Give a user another password, asked for or from standard input; they have to change it.

    Their sessions end, and whoever was kept waiting after too many guesses may try again.
    """
    user = _found(api, name)
    document = {} if one_time else {"password": _asked_password(user.text("name"))}
    made = api.put(f"{_path(user)}/password", document)
    if api.as_json:
        print_json(made.members)
        return
    print_line(f"{user.text('name')} has a new password, to be changed at the next sign-in.")
    _show_password(made)


@users.command()
@over_desk
def disable(api: Api, name: UserName) -> None:
    """Let a user in no more; their sessions end at once."""
    _switch(api, name, enabled=False)


@users.command()
@over_desk
def enable(api: Api, name: UserName) -> None:
    """Let a user in again."""
    _switch(api, name, enabled=True)


@users.command()
@over_desk
def delete(api: Api, name: UserName) -> None:
    """Delete a user; their sessions end at once."""
    user = _found(api, name)
    api.delete(_path(user))
    _say(api, user, "is deleted", {"id": user.text("id"), "deleted": True})


@users.command("roles")
@over_desk
def list_roles(api: Api) -> None:
    """List the roles that a user may have, and what each allows."""
    found = [role for page in api.pages(ROLES_PATH) for role in page.documents("entities")]
    if api.as_json:
        print_json({"entities": [role.members for role in found], "nextCursor": None})
        return
    print_table(
        ("id", "name", "made by", "permissions"),
        (
            (
                role.text("id"),
                role.text("name"),
                "trunkpulse" if role.flag("builtIn") else "you",
                " ".join(role.texts("permissions")),
            )
            for role in found
        ),
        none="There are no roles.",
    )


def _found(api: Api, name: str) -> Document:
    """The user with this name or id."""
    found = api.get(PATH, {"name": name}).documents("entities")
    if found:
        return found[0]
    if name.startswith("u-"):
        return api.get(f"{PATH}/{segment(name)}")
    raise CommandFailed(
        f"There is no user with the name {name}; 'trunkpulse users list' lists them."
    )


def _path(user: Document) -> str:
    return f"{PATH}/{segment(user.text('id'))}"


def _given(
    *,
    region: list[str] | None,
    carrier: list[str] | None,
    email: str | None,
    display_name: str | None,
) -> dict[str, object]:
    named: dict[str, object] = {
        "regions": region or None,
        "carriers": carrier or None,
        "email": email,
        "displayName": display_name,
    }
    return {member: value for member, value in named.items() if value is not None}


def _switch(api: Api, name: str, *, enabled: bool) -> None:
    user = api.patch(_path(_found(api, name)), {"enabled": enabled})
    _say(api, user, f"is {'enabled' if enabled else 'disabled'}", user.members)


def _asked_password(name: str) -> str:
    """From a terminal twice, without showing it; from anything else one line."""
    if not sys.stdin.isatty():
        return _line_of_stdin()
    password = getpass(f"New password of {name}: ")
    if getpass("Once more: ") != password:
        raise WrongUsage("These were two different passwords; nothing was changed.")
    return password


def _line_of_stdin() -> str:
    line = sys.stdin.readline(_LONGEST_LINE).rstrip("\r\n")
    if not line:
        raise WrongUsage("There is no password on standard input; write it there as one line.")
    return line


def _show_password(made: Document) -> None:
    password = made.text_or_none("oneTimePassword")
    if password is not None:
        print_line(f"oneTimePassword  {password}")
        print_line("Tell it to them now; it cannot be shown again.")


def _say(api: Api, user: Document, done: str, document: object) -> None:
    if api.as_json:
        print_json(Document(document).members)
    else:
        print_line(f"{user.text('name')} {done}.")


def _state(user: Document) -> Cell:
    if not user.flag("enabled"):
        return paint("disabled", "dim")
    return paint("enabled", "green")


def _signs_in_by(user: Document) -> str:
    ways = []
    if user.flag("hasPassword"):
        once = " (to be changed)" if user.flag("mustChangePassword") else ""
        ways.append(f"password{once}")
    if user.text_or_none("provider") is not None:
        ways.append("provider")
    return ", ".join(ways) or "provider, not yet"


def _facts(user: Document) -> Iterator[tuple[str, str]]:
    yield "id", user.text("id")
    if (display_name := user.text_or_none("displayName")) is not None:
        yield "called", display_name
    if (email := user.text_or_none("email")) is not None:
        yield "e-mail", email
    yield "roles", " ".join(user.texts("roles")) or "none, so they may do nothing"
    yield "may", " ".join(user.texts("permissions")) or "nothing"
    yield "only", limits_of(user)
    yield "signs in by", _signs_in_by(user)
    if (provider := user.text_or_none("provider")) is not None:
        yield "provider", provider
    yield "made", clock_time(user.number("created"))
    yield "changed", clock_time(user.number("changed"))
