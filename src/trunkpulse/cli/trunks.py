"""``trunkpulse trunks``: which trunks are up, why one is not, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer
from rich.text import Text

from trunkpulse.cli.connection import Api, over_api, segment
from trunkpulse.cli.document import Document
from trunkpulse.cli.errors import WrongUsage
from trunkpulse.cli.isolation_note import note_isolation
from trunkpulse.cli.output import (
    Cell,
    amount,
    clock_time,
    for_how_long,
    paint,
    print_json,
    print_line,
    print_table,
    state_text,
)
from trunkpulse.cli.trunk_activity import activity, calls_up
from trunkpulse.cli.trunk_changes import register
from trunkpulse.cli.trunk_numbers import numbers
from trunkpulse.cli.trunk_replay import Replay, print_replay
from trunkpulse.cli.trunk_sheet import (
    keepalive,
    numbers_so_far,
    pace,
    probe_facts,
    remarks,
    target_row,
    under_maintenance,
    where,
)
from trunkpulse.config.wording import either, shown
from trunkpulse.model import Direction, TrunkState

__all__ = ["trunks"]

PATH = "/api/v2/telephony/trunks"
_TO = " \N{EN DASH} "
_TIMES = "\N{MULTIPLICATION SIGN}"

TrunkId = Annotated[str, typer.Argument(metavar="ID", help="The trunk's id.")]

trunks = typer.Typer(
    help="States of trunks, and the reasons for them.", no_args_is_help=True, rich_markup_mode=None
)


@trunks.command("list")
@over_api
def list_trunks(
    api: Api,
    *,
    state: Annotated[
        str | None,
        typer.Option(metavar="STATE", help=f"Only trunks in this state: {', '.join(TrunkState)}."),
    ] = None,
    carrier: Annotated[str | None, typer.Option(help="Only trunks of this carrier.")] = None,
    region: Annotated[str | None, typer.Option(help="Only trunks of this region.")] = None,
    direction: Annotated[
        str | None,
        typer.Option(
            metavar="DIRECTION", help=f"Only trunks of this direction: {', '.join(Direction)}."
        ),
    ] = None,
    q: Annotated[
        str | None, typer.Option("--q", metavar="TEXT", help="Only ids and names that hold this.")
    ] = None,
) -> None:
    """List trunks and their states."""
    query = {
        "state": _one_of(TrunkState, "--state", state),
        "carrier": carrier,
        "region": region,
        "direction": _one_of(Direction, "--direction", direction),
        "q": q,
    }
    found = [trunk for page in api.pages(PATH, query) for trunk in page.documents("entities")]
    if api.as_json:
        print_json({"entities": [trunk.members for trunk in found], "nextCursor": None})
        return
    print_table(
        ("id", "state", "since", "reason", "carrier", "region", "name"),
        (
            (
                trunk.text("id"),
                _state(trunk),
                for_how_long(trunk.number_or_none("since")),
                trunk.text_or_none("reasonCode") or "",
                trunk.text_or_none("carrier") or "",
                trunk.text_or_none("region") or "",
                trunk.text("name"),
            )
            for trunk in found
        ),
        none="There are no such trunks.",
    )
    note_isolation(api)


@trunks.command()
@over_api
def show(api: Api, trunk_id: TrunkId) -> None:
    """Show one trunk: its state, its settings, and each of its targets."""
    trunk = api.get(f"{PATH}/{segment(trunk_id)}")
    if api.as_json:
        print_json(trunk.members)
        return
    note_isolation(api)
    _print_heading(trunk)
    print_line()
    facts = (
        ("name", trunk.text("name")),
        ("direction", trunk.text("direction")),
        ("region", trunk.text_or_none("region") or "-"),
        ("carrier", trunk.text_or_none("carrier") or "-"),
        ("enabled", "yes" if trunk.flag("enabled") else "no"),
        *under_maintenance(trunk),
        *calls_up(trunk),
        ("needs", f"{amount(int(trunk.number('minAvailableTargets')), 'available target')}"),
        ("profile", trunk.text("profile")),
        ("keepalive", keepalive(trunk.document("keepalive"))),
        ("pace", pace(trunk.document("keepalive"))),
        *probe_facts(trunk.document("probe")),
        ("declared in", trunk.text_or_none("managedBy") or "the API"),
        *((("withheld", why),) if (why := trunk.text_or_none("withheld")) else ()),
    )
    for name, value in facts:
        print_line(paint(f"{name:<12}", "dim"), value)
    print_line()
    print_table(
        (
            "target",
            "state",
            "last answer",
            "rtt",
            "failed",
            "last healthy",
            "next probe",
            "trouble",
        ),
        (tuple(target_row(target)) for target in trunk.documents("targets")),
        none="It has no targets.",
    )
    for target in trunk.documents("targets"):
        if (so_far := numbers_so_far(target)) is not None:
            print_line("- ", where(target), ": ", so_far)
        for remark in remarks(target):
            print_line("- ", where(target), ": ", remark)


@trunks.command()
@over_api
def explain(api: Api, trunk_id: TrunkId, *, replay: Replay = None) -> None:
    """Say why a trunk is in its state, and what happens next."""
    if replay:
        print_replay(api, trunk_id, replay)
        return
    answer = api.get(f"{PATH}/{segment(trunk_id)}/explain")
    if api.as_json:
        print_json(answer.members)
        return
    targets = answer.documents("targets")
    _print_summary(answer, one_line=len(targets) <= 1)
    print_line(paint("rule  ", "dim"), answer.text("rule"))
    print_line(paint("next  ", "dim"), answer.text("next"))
    for name, value in under_maintenance(answer):
        print_line(paint(f"{name}  ", "dim"), value)
    for target in targets:
        print_line()
        resting = answer.text_or_none("reasonCode") in ("ADMIN_DISABLED", "LICENSE_ISSUE")
        state = paint("not probed", "dim") if resting else state_text(target.text("state"))
        print_line(where(target), "  ", state)
        if (so_far := numbers_so_far(target)) is not None:
            print_line(paint(so_far, "dim"), indent=2)
        attempts = target.documents("attempts")
        _print_attempts(attempts)
        if not attempts:
            print_line("no attempts are remembered", indent=2)
    observers = answer.documents("observers")
    if len(observers) > 1:
        print_line()
        print_table(
            ("observer", "region", "state"),
            (
                (seen.text("instanceId"), seen.text("region"), state_text(seen.text("state")))
                for seen in observers
            ),
            none="",
        )


@trunks.command()
@over_api
def history(
    api: Api,
    trunk_id: TrunkId,
    *,
    limit: Annotated[
        int, typer.Option("-n", "--limit", min=1, max=1000, help="How many, newest first.")
    ] = 20,
) -> None:
    """List a trunk's past changes, newest first."""
    page = api.get(f"{PATH}/{segment(trunk_id)}/history", {"limit": limit})
    if api.as_json:
        print_json(page.members)
        return
    print_table(
        ("time", "from", "to", "reason", "failed attempts"),
        (
            (
                clock_time(event.number("timestamp")),
                state_text(event.text("previousState")),
                state_text(event.text("state")),
                event.text("reasonCode"),
                f"{event.document('metadata').number('failedAttempts'):g}",
            )
            for event in page.documents("entities")
        ),
        none="Its state has never changed.",
    )


trunks.command()(numbers)
trunks.command()(activity)
register(trunks)


@trunks.command()
@over_api
def disable(api: Api, trunk_id: TrunkId) -> None:
    """Take a trunk out of service: no calls and no probes, at once."""
    _administer(api, trunk_id, "disable", "is out of service")


@trunks.command()
@over_api
def enable(api: Api, trunk_id: TrunkId) -> None:
    """Put a trunk back in service; it is probed at once."""
    _administer(api, trunk_id, "enable", "is in service")


@trunks.command()
@over_api
def probe(api: Api, trunk_id: TrunkId) -> None:
    """Probe a trunk's targets now, without waiting for their turn."""
    answer = api.post(f"{PATH}/{segment(trunk_id)}/probe")
    if api.as_json:
        print_json(answer.members)
        return
    print_line(
        f"{trunk_id}: {amount(int(answer.number('targets')), 'probe')} on the way;"
        f" 'trunkpulse trunks explain {trunk_id}' shows what comes of it."
    )


def _administer(api: Api, trunk_id: str, action: str, done: str) -> None:
    trunk = api.post(f"{PATH}/{segment(trunk_id)}/{action}")
    if api.as_json:
        print_json(trunk.members)
        return
    print_line(f"{trunk_id} {done}; its state is ", state_text(trunk.text("state")), ".")


def _print_heading(trunk: Document) -> None:
    reason = trunk.text_or_none("reasonCode")
    parts: list[Cell] = [paint(trunk.text("id"), "bold"), "  ", _state(trunk)]
    if since := for_how_long(trunk.number_or_none("since")):
        parts.append(f" {since}")
    if reason:
        parts.append(f" ({reason})")
    print_line(*parts)


def _state(trunk: Document) -> Text:
    """The state in its colour; what an administrator took down is no alarm."""
    state = trunk.text("state")
    if trunk.text_or_none("reasonCode") == "ADMIN_DISABLED":
        return paint(state, "dim")
    return state_text(state)


def _print_summary(answer: Document, *, one_line: bool) -> None:
    """The state and what is wrong; with several targets each clause has a line of its own."""
    state, summary = state_text(answer.text("state")), answer.text("summary")
    first, *others = [summary] if one_line else summary.split("; ")
    print_line(state, "  ", first, ";" if others else "")
    for number, clause in enumerate(others, start=1):
        print_line(clause, ";" if number < len(others) else "", indent=len(state) + 2)


def _print_attempts(runs: Sequence[Document]) -> None:
    """Runs of like attempts, oldest first, a line for each."""
    moments = [_moments(run) for run in runs]
    verdicts = [_verdict(run) for run in runs]
    width = max(map(len, moments), default=0)
    verdict_width = max(map(len, verdicts), default=0)
    for run, moment, verdict in zip(runs, moments, verdicts, strict=True):
        style = "green" if run.flag("success") else "red"
        what = _what_came(run)
        print_line(
            f"{moment:<{width}}  ",
            paint(f"{verdict:<{verdict_width}}" if what else verdict, style),
            f"  {what}" if what else "",
            indent=2,
        )


def _moments(run: Document) -> str:
    first, last = clock_time(run.number("since")), clock_time(run.number("at"))
    if first == last:
        return first
    day, _, time_of_day = last.partition(" ")
    return f"{first}{_TO}{time_of_day if first.startswith(f'{day} ') else last}"


def _verdict(run: Document) -> str:
    word = "healthy" if run.flag("success") else "failed"
    count = run.number_or_none("count")
    return f"{word} {_TIMES}{count:g}" if count is not None and count > 1 else f"{word:<7}"


def _what_came(run: Document) -> str:
    """The answer and how long it took, or why there was none."""
    code, trip = run.number_or_none("code"), run.number_or_none("rttMs")
    detail = run.text_or_none("detail") or run.text_or_none("failure") or ""
    if code is None or detail:
        return detail
    alone = run.number_or_none("count") == 1
    when = "" if trip is None else f"{'' if alone else ', at last'} after {trip:.1f} ms"
    return f"answered {code:g}{when}"


def _one_of(kind: type[StrEnum], option: str, text: str | None) -> str | None:
    """The member of ``kind`` that ``text`` names, in whatever case people type it."""
    members = {member.lower(): member.value for member in kind}
    if text is None or text.lower() in members:
        return text and members[text.lower()]
    raise WrongUsage(f"{option} must be {either(kind)}, not {shown(text)}.")
