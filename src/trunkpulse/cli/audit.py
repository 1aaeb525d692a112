"""``trunkpulse audit``: what administrators did, what was refused, and whether that was touched."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from trunkpulse.access.audit import START, Break, Head, Outcome, Verification
from trunkpulse.cli.connection import Api
from trunkpulse.cli.desk import over_desk
from trunkpulse.cli.document import Document
from trunkpulse.cli.errors import CommandFailed, WrongUsage
from trunkpulse.cli.moments import MOMENT, moment_ms
from trunkpulse.cli.output import (
    Cell,
    amount,
    clock_time,
    paint,
    print_json,
    print_line,
    print_table,
)
from trunkpulse.config.wording import printable, shown

__all__ = ["audit"]

PATH: Final = "/api/v2/audit"
LONGEST_LINE: Final = 4 << 20
"""Of an exported file; an entry is far shorter."""

_POSITION_AND_DIGEST: Final = re.compile(r"(\d{1,18}):([0-9a-f]{64})")
_STYLES: Final = {"refused": "red", "failed": "yellow", "done": "green"}

audit = typer.Typer(
    help="What administrators did and what was refused, in a chain of digests.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Since = Annotated[
    str | None, typer.Option("--from", metavar=MOMENT, help="At this moment or later.")
]
Until = Annotated[str | None, typer.Option("--to", metavar=MOMENT, help="Before this moment.")]


@audit.command("list")
@over_desk
def list_entries(
    api: Api,
    *,
    actor: Annotated[
        str | None, typer.Option(metavar="WHO", help="An id or a name, or user, client, nobody, …")
    ] = None,
    action: Annotated[
        str | None, typer.Option(metavar="OPERATION", help="Such as disable_trunk.")
    ] = None,
    about: Annotated[
        str | None, typer.Option("--object", metavar="ID", help="An object's id, or its kind/id.")
    ] = None,
    outcome: Annotated[Outcome | None, typer.Option(help="Only these.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="So many at most.")] = 50,
) -> None:
    """List what was done and refused, newest first."""
    query = {
        "actor": actor,
        "action": action,
        "object": about,
        "outcome": outcome,
        "from": None if since is None else moment_ms(since, "--from"),
        "to": None if until is None else moment_ms(until, "--to"),
        "limit": min(limit, 1000),
    }
    found: list[Document] = []
    for page in api.pages(PATH, query):
        found += page.documents("entities")
        if len(found) >= limit:
            break
    found = found[:limit]
    if api.as_json:
        print_json({"entities": [each.members for each in found], "nextCursor": None})
        return
    print_table(
        ("position", "when", "who", "from", "what", "about", "outcome"),
        (
            (
                f"{each.number('position'):.0f}",
                clock_time(each.number("at")),
                _who(each.document("actor")),
                each.text_or_none("address") or "-",
                _what(each),
                _about(each),
                _outcome(each),
            )
            for each in found
        ),
        none="Nothing was done or refused.",
    )


@audit.command("export")
@over_desk
def export(
    api: Api,
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Instead of standard output."),
    ] = None,
    after: Annotated[
        int, typer.Option(min=0, metavar="POSITION", help="Only what came after this entry.")
    ] = 0,
) -> None:
    """Write the chain as JSON lines, oldest first, for 'audit verify' and to be kept elsewhere."""
    with ExitStack() as files:
        try:
            out = files.enter_context(output.open("w")) if output is not None else sys.stdout
            lines = 0
            for line in api.lines(f"{PATH}/export", {"after": after}):
                out.write(line + "\n")
                lines += 1
        except OSError as problem:
            where = "standard output" if output is None else printable(str(output))
            raise CommandFailed(
                f"The audit cannot be written to {where}: {problem.strerror or problem}."
            ) from problem
    if output is not None and not api.as_json:
        print_line(f"{amount(lines, 'entry', 'entries')} written to {printable(str(output))}.")


@audit.command("verify")
@over_desk
def verify(
    api: Api,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="What 'audit export' wrote; without it the running service is asked.",
        ),
    ] = None,
    *,
    after: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="POSITION",
            help="What FILE was exported with; it has to begin with the entry after this one.",
        ),
    ] = 0,
    head: Annotated[
        str | None,
        typer.Option(
            metavar="POSITION:DIGEST",
            help="A digest that was written down elsewhere: it has to be in the chain.",
        ),
    ] = None,
) -> None:
    """Check that no entry was changed, dropped, added or exchanged since it was written.

    A service is verified from the first entry to beyond the one that it sealed last.
    """
    known = [] if head is None else [_Known(_head(head), "was written down")]
    found_wrong = None
    if file is None:
        if after:
            raise WrongUsage("--after is about a FILE; a service is verified from the beginning.")
        sealed, found_wrong = _sealed(api)
        known += sealed
        checked = _checked(api.lines(f"{PATH}/export", {"after": 0}), known)
    elif known and known[0].head.position < after:
        raise WrongUsage(
            f"--head is of entry {known[0].head.position:,} and --after {after:,} leaves that out;"
            " give a digest of a later one."
        )
    else:
        try:
            with file.open(encoding="ascii", errors="replace") as lines:
                checked = _checked(_bounded(lines), known, after)
        except OSError as problem:
            raise WrongUsage(
                f"{printable(str(file))} cannot be read: {problem.strerror or problem}."
            ) from problem
    if checked.broken is None:
        checked.broken = _missing(checked, known)
    if checked.broken is None and found_wrong is not None:
        checked.broken = Break(checked.head.position + 1, found_wrong)
    _report(checked, as_json=api.as_json)


@dataclass(frozen=True, slots=True)
class _Known:
    """An entry that is known from elsewhere."""

    head: Head
    how: str
    """Goes with a digest: it 'was sealed'."""


@dataclass(slots=True)
class _Checked:
    """How far a chain is whole."""

    first: int = 0
    entries: int = 0
    head: Head = START
    broken: Break | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    """An exported entry."""

    position: int
    at_ms: int
    record: str
    previous: str
    digest: str


def _checked(lines: Iterable[str], known: Sequence[_Known], after: int = 0) -> _Checked:
    checked = _Checked()
    here = [each.head for each in known if each.head.position == after]
    start = START if after == 0 else here[0] if here else None
    verification = Verification(start)
    for number, text in enumerate(lines, 1):
        entry = _entry(text)
        if entry is None:
            checked.broken = Break(checked.head.position + 1, f"line {number} is no entry")
            return checked
        if number == 1:
            checked.first = entry.position
            if start is None and entry.position != after + 1:
                checked.broken = Break(
                    after + 1, f"what is here begins at entry {entry.position:,}"
                )
                return checked
        checked.broken = verification.add(entry)
        if checked.broken is not None:
            return checked
        for each in known:
            if each.head.position == entry.position and each.head.digest != entry.digest:
                checked.broken = Break(entry.position, f"its digest is not the one that {each.how}")
                return checked
        checked.head = Head(entry.position, entry.digest)
        checked.entries = number
    return checked


def _missing(checked: _Checked, known: Sequence[_Known]) -> Break | None:
    """The chain ends before an entry that is known."""
    for each in known:
        if each.head.position > checked.head.position:
            return Break(
                checked.head.position + 1,
                f"the digest of entry {each.head.position:,} {each.how}, and the audit ends at"
                f" {checked.head.position:,}",
            )
    return None


def _sealed(api: Api) -> tuple[list[_Known], str | None]:
    """The entry that the service has sealed, and what it found wrong by itself."""
    sealed = api.get(f"{PATH}/head").document("sealed")
    position, digest = sealed.number_or_none("position"), sealed.text_or_none("digest")
    known = [] if position is None else [_Known(Head(int(position), digest or ""), "was sealed")]
    return known, sealed.text_or_none("problem")


def _entry(text: str) -> _Line | None:
    try:
        members = json.loads(text)
    except ValueError:
        return None
    if not isinstance(members, dict):
        return None
    position, at_ms = members.get("position"), members.get("at")
    texts = [members.get(key) for key in ("record", "previous", "digest")]
    if type(position) is not int or type(at_ms) is not int:
        return None
    if not all(isinstance(each, str) for each in texts):
        return None
    return _Line(position, at_ms, *map(str, texts))


def _bounded(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if line.strip():
            yield line[:LONGEST_LINE]


def _report(checked: _Checked, *, as_json: bool) -> None:
    broken = checked.broken
    if as_json:
        print_json({
            "whole": broken is None,
            "first": checked.first,
            "entries": checked.entries,
            "position": checked.head.position,
            "digest": checked.head.digest,
            "brokenAt": None if broken is None else broken.position,
            "problem": None if broken is None else broken.problem,
        })  # fmt: skip
    if broken is not None:
        raise CommandFailed(
            f"The audit is broken at entry {broken.position:,}: {broken.problem};"
            f" {_what_is_whole(checked)}."
        )
    if as_json:
        return
    if not checked.entries:
        print_line("The audit is empty.")
        return
    print_line(f"The audit is whole: {_what_is_whole(checked)}.")
    if checked.first > 1:
        print_line(f"What came before entry {checked.first:,} is not part of this.")
    print_line(f"Its newest digest is {checked.head.position}:{checked.head.digest}")
    print_line("Write that down elsewhere: with it, also an audit that was made anew is found out.")


def _what_is_whole(checked: _Checked) -> str:
    if not checked.entries:
        return "nothing before it could be checked"
    return f"entries {checked.first:,} to {checked.head.position:,} are as they were written"


def _head(head: str) -> Head:
    found = _POSITION_AND_DIGEST.fullmatch(head.strip().lower())
    if found is None:
        raise WrongUsage(
            f"--head {shown(head)} is no position and digest; give them as 'audit verify' prints"
            " them."
        )
    return Head(int(found[1]), found[2])


def _who(actor: Document) -> str:
    kind = actor.text("kind")
    name = actor.text_or_none("name") or actor.text_or_none("id")
    claimed = actor.text_or_none("claimed")
    if name and kind in ("machine", "service"):
        return name
    if name:
        return f"{kind} {name}"
    return f"{kind}, as {claimed}" if claimed else kind


def _what(entry: Document) -> str:
    count = entry.number("count")
    action = entry.text("action")
    if entry.document("details").members.get("dryRun") is True:
        action = f"{action} (dry run)"
    return f"{action} ({count:,.0f} times)" if count > 1 else action


def _about(entry: Document) -> str:
    about = entry.document_or_none("object")
    if about is None:
        return "-"
    first = f"{about.text('kind')} {about.text_or_none('id') or ''}".rstrip()
    others = len(entry.documents("changes")) - 1
    return f"{first} and {others:,} more" if others > 0 else first


def _outcome(entry: Document) -> Cell:
    outcome = entry.text("outcome")
    status = entry.number_or_none("status")
    text = outcome if status is None else f"{outcome} ({status:.0f})"
    return paint(text, _STYLES.get(outcome, ""))
