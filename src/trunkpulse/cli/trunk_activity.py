"""``trunkpulse trunks activity``: how many calls are up on a trunk, said or asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from trunkpulse.cli.connection import Api, over_api, segment
from trunkpulse.cli.document import Document
from trunkpulse.cli.errors import WrongUsage
from trunkpulse.cli.output import ago, amount, clock_time, print_json, print_line

__all__ = ["activity", "calls_up"]


@over_api
def activity(
    api: Api,
    trunk_id: Annotated[str, typer.Argument(metavar="ID", help="The trunk's id.")],
    calls: Annotated[
        int | None,
        typer.Argument(
            metavar="[N]", min=0, help="Calls that are up; without it they are asked for."
        ),
    ] = None,
    *,
    expires_seconds: Annotated[
        float | None,
        typer.Option(
            "--expires", metavar="SECONDS", help="For how long it counts; an hour at most."
        ),
    ] = None,
) -> None:
    """Say how many calls are up on a trunk, so that its keepalives pause; or ask."""
    path = f"/api/v2/telephony/trunks/{segment(trunk_id)}/activity"
    if calls is None:
        if expires_seconds is not None:
            raise WrongUsage("--expires belongs to a number of calls; give both, or none.")
        answer = api.get(path)
    else:
        said: dict[str, object] = {"activeCalls": calls}
        if expires_seconds is not None:
            said["expiresSeconds"] = expires_seconds
        answer = api.put(path, said)
    if api.as_json:
        print_json(answer.members)
        return
    print_line(f"{trunk_id}: {_in_words(answer)}.")


def calls_up(trunk: Document) -> Iterator[tuple[str, str]]:
    """The calls of a trunk for its sheet, if there are any."""
    activity = trunk.document("activity")
    if activity.number("activeCalls"):
        yield "calls", _in_words(activity)


def _in_words(activity: Document) -> str:
    calls = amount(int(activity.number("activeCalls")), "call")
    parts = [f"{calls} up"]
    until = activity.number_or_none("reportedUntil")
    if until is not None:
        reported = int(activity.number("reportedCalls"))
        parts.append(f"{reported} reported until {clock_time(until)}")
    proof = activity.number_or_none("lastProof")
    if activity.flag("keepalivesPaused"):
        parts.append(f"keepalives pause (last proof {ago(proof)})")
    elif proof is not None:
        is_old = not activity.flag("lastProofCounts")
        parts.append(f"last proof {ago(proof)}{', too old to count' if is_old else ''}")
    return ", ".join(parts)
