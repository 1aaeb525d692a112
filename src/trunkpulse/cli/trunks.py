"""``trunkpulse trunks``: which trunks are up, why one is not, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.text import Text

from trunkpulse.cli.connection import Api, over_api, segment
from trunkpulse.cli.document import Document
from trunkpulse.cli.output import (
    Cell,
    ago,
    amount,
    clock_time,
    for_how_long,
    paint,
    print_json,
    print_line,
    print_table,
    state_text,
)
from trunkpulse.model import Direction, TrunkState

__all__ = ["trunks"]

PATH = "/api/v2/telephony/trunks"

TrunkId = Annotated[str, typer.Argument(metavar="ID", help="The trunk's id.")]

trunks = typer.Typer(
    help="States of trunks, and the reasons for them.", no_args_is_help=True, rich_markup_mode=None
)


@trunks.command("list")
@over_api
def list_trunks(
    api: Api,
    *,
    state: Annotated[TrunkState | None, typer.Option(help="Only trunks in this state.")] = None,
    carrier: Annotated[str | None, typer.Option(help="Only trunks of this carrier.")] = None,
    region: Annotated[str | None, typer.Option(help="Only trunks of this region.")] = None,
    direction: Annotated[
        Direction | None, typer.Option(help="Only trunks of this direction.")
    ] = None,
    q: Annotated[
        str | None, typer.Option("--q", metavar="TEXT", help="Only ids and names that hold this.")
    ] = None,
) -> None:
    """List trunks and their states."""
    query = {"state": state, "carrier": carrier, "region": region, "direction": direction, "q": q}
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


@trunks.command()
@over_api
def show(api: Api, trunk_id: TrunkId) -> None:
    """Show one trunk: its state, its settings, and each of its targets."""
    trunk = api.get(f"{PATH}/{segment(trunk_id)}")
    if api.as_json:
        print_json(trunk.members)
        return
    _print_heading(trunk)
    print_line()
    facts = (
        ("name", trunk.text("name")),
        ("direction", trunk.text("direction")),
        ("region", trunk.text_or_none("region") or "-"),
        ("carrier", trunk.text_or_none("carrier") or "-"),
        ("enabled", "yes" if trunk.flag("enabled") else "no"),
        ("needs", f"{amount(int(trunk.number('minAvailableTargets')), 'available target')}"),
        ("keepalive", _keepalive(trunk.document("keepalive"))),
        ("declared in", trunk.text_or_none("managedBy") or "the API"),
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
        (tuple(_target(target)) for target in trunk.documents("targets")),
        none="It has no targets.",
    )


@trunks.command()
@over_api
def explain(api: Api, trunk_id: TrunkId) -> None:
    """Say why a trunk is in its state, and what happens next."""
    answer = api.get(f"{PATH}/{segment(trunk_id)}/explain")
    if api.as_json:
        print_json(answer.members)
        return
    print_line(state_text(answer.text("state")), "  ", answer.text("summary"))
    print_line(paint("rule  ", "dim"), answer.text("rule"))
    print_line(paint("next  ", "dim"), answer.text("next"))
    for target in answer.documents("targets"):
        print_line()
        print_line(target.text("uri"), "  ", state_text(target.text("state")))
        attempts = target.documents("attempts")
        for attempt in attempts:
            print_line(*_attempt(attempt), indent=2)
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


def _keepalive(policy: Document) -> str:
    if not policy.flag("enabled"):
        return "off"
    falls = amount(int(policy.number("maxFailedAttempts")), "failure")
    rises = amount(int(policy.number("minSuccessfulAttempts")), "success", "successes")
    healthy = ", ".join(policy.texts("healthyResponses"))
    return (
        f"every {policy.number('intervalSeconds'):g} s; DOWN after {falls}, AVAILABLE after"
        f" {rises}; healthy is {healthy} within {policy.number('timeoutSeconds'):g} s"
    )


def _target(target: Document) -> Iterator[Cell]:
    code, rtt = target.number_or_none("lastCode"), target.number_or_none("rttMs")
    due = target.number_or_none("nextAttemptInSeconds")
    failure = target.text_or_none("failure")
    yield target.text("uri")
    yield state_text(target.text("state"))
    yield "-" if code is None else f"{code:g}"
    yield "-" if rtt is None else f"{rtt:.1f} ms"
    yield f"{target.number('failedAttempts'):g}"
    yield ago(target.number_or_none("lastSuccessfulKeepalive"))
    yield "-" if due is None else f"in {max(0.0, due):.0f} s"
    yield paint(target.text_or_none("detail") or failure or "", "red")


def _attempt(attempt: Document) -> Iterator[Cell]:
    code, rtt = attempt.number_or_none("code"), attempt.number_or_none("rttMs")
    yield f"{clock_time(attempt.number('at'))}  "
    if attempt.flag("success"):
        yield paint("healthy", "green")
    else:
        yield paint("failed ", "red")
    if code is not None:
        yield f"  answered {code:g}"
        if rtt is not None:
            yield f" after {rtt:.1f} ms"
    elif detail := attempt.text_or_none("detail") or attempt.text_or_none("failure"):
        yield f"  {detail}"
