"""The command line, read from the program itself."""

from __future__ import annotations

from typer.main import get_command

from generators.markdown import table
from trunkpulse.cli.program import program

__all__ = ["command_line", "connection_options"]

CONNECTION = ("--url", "--token", "--config", "--data", "--json")
"""Options that every command over the API has; described once."""


def command_line() -> str:
    """Every command with its arguments and options."""
    parts: list[str] = []

    def describe(command: object, path: str) -> None:
        children = getattr(command, "commands", None)
        if children:
            for name, child in children.items():
                describe(child, f"{path} {name}")
            return
        context = command.context_class(command, info_name=path)  # type: ignore[attr-defined]
        pieces = " ".join(command.collect_usage_pieces(context))  # type: ignore[attr-defined]
        over_api = False
        rows: list[tuple[str, str]] = []
        for parameter in command.params:  # type: ignore[attr-defined]
            if parameter.name == "token":
                over_api = True
            record = parameter.get_help_record(context)
            if record is not None:
                rows.append((f"`{record[0]}`", record[1]))
        if over_api:
            rows = [row for row in rows if row[0].strip("`").split()[0] not in CONNECTION]
        summary = " ".join(str(getattr(command, "help", "")).split())
        parts.append(f"### `{path}`\n\n{summary}\n\n```text\n{path} {pieces}\n```\n")
        if rows:
            parts.append("\n" + table(("argument or option", "meaning"), rows))
        if over_api:
            parts.append("\nTakes the [connection options](#connection-options) too.\n")
        parts.append("\n")

    describe(get_command(program), "trunkpulse")
    return "".join(parts).rstrip() + "\n"


def connection_options() -> str:
    """The options that find the service."""
    group = get_command(program)
    listing = group.commands["trunks"].commands["list"]  # type: ignore[attr-defined]
    context = listing.context_class(listing, info_name="list")
    records = [parameter.get_help_record(context) for parameter in listing.params]
    return table(
        ("option", "meaning"),
        ((f"`{name}`", text) for name, text in records if name.split()[0] in CONNECTION),
    )
