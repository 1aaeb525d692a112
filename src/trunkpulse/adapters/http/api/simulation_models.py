"""What a simulation is asked, and what it answers."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from trunkpulse.adapters.http.api.models import Out
from trunkpulse.model import Direction
from trunkpulse.routing.call_log import UnreadReason
from trunkpulse.routing.decision import NoCandidates
from trunkpulse.routing.simulation import MOST_EXAMPLES

__all__ = [
    "MOST_CALLS",
    "ChoicesOut",
    "LostOut",
    "MoveOut",
    "RouteCallsOut",
    "SimulationIn",
    "SimulationOut",
    "TrunkCallsOut",
    "UnreadExampleOut",
    "UnreadOut",
]

MOST_CALLS: Final = 10_000
LARGEST_LOG_CHARACTERS: Final = 3 << 19
"""1.5 MiB, of the 2 MiB that a body may have: quotation marks and line ends are escaped there."""
MOST_SUPPOSITIONS: Final = 100
LARGEST_SEED: Final = 2**53 - 1
"""The largest number that every reader of JSON takes for itself (RFC 8259 section 6)."""

Calls = Field(description="How many.")
Examples = Field(description=f"What was dialled by the first {MOST_EXAMPLES}.")


class SimulationIn(BaseModel):
    """Calls, and what is supposed of the health of trunks."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"numbers": ["+15551230001", "+15551230002"], "suppose": ["carrier-a=DOWN"]},
                {"log": "to,time,seconds\n+15551230001,2026-03-15T18:14:11Z,61\n"},
            ]
        },
    )

    numbers: list[Annotated[str, Field(max_length=256)]] | None = Field(
        default=None,
        max_length=MOST_CALLS,
        description="What is dialled, a call each; instead of log.",
    )
    log: str | None = Field(
        default=None,
        max_length=LARGEST_LOG_CHARACTERS,
        description="Calls as CSV. The first line names the columns: to is needed; from, time "
        "(ISO 8601, or seconds or milliseconds since the epoch), direction, region and seconds are "
        "read, others passed over.",
    )
    timezone: str = Field(
        default="UTC",
        max_length=256,
        description="Whose clocks the times of log go by that have no offset, such as "
        "Europe/Berlin.",
    )
    suppose: list[Annotated[str, Field(max_length=512)]] = Field(
        default=[],
        max_length=MOST_SUPPOSITIONS,
        description="As carrier-a=DOWN, carrier:acme=DOWN, region:us-east=DOWN or all=UNKNOWN; of "
        "several that concern a trunk the last counts.",
    )
    direction: Direction = Field(
        default=Direction.OUTBOUND, description="Of calls that do not say it."
    )
    region: str | None = Field(
        default=None,
        max_length=256,
        description="Of calls that do not say it; absent: this instance's.",
    )
    country: str | None = Field(
        default=None,
        max_length=256,
        description="In which numbers without a plus are dialled, as two letters; absent: that of "
        "the configuration.",
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=LARGEST_SEED,
        description="Of the draws among trunks that share their calls by weight: the same seed "
        "gives the same result.",
    )
    first: int = Field(
        default=0,
        ge=0,
        le=LARGEST_SEED,
        description="How many calls of the log came before, if this is a piece of it.",
    )
    choices: bool = Field(default=False, description="Tell of each call where it goes.")


class TrunkCallsOut(Out):
    """Calls that go to a trunk first."""

    trunk_id: str
    calls: int = Calls
    peak: int | None = Field(
        description="How many at once at most, of those whose time and seconds are known; null if "
        "there are none."
    )


class RouteCallsOut(Out):
    """Calls of a route, those that it loses too."""

    route_id: str
    calls: int = Calls


class LostOut(Out):
    """Calls that find no trunk."""

    route_id: str | None
    reason: NoCandidates
    calls: int = Calls
    examples: list[str] = Examples


class OutlookOut(Out):
    """Where the calls go under one health."""

    trunks: list[TrunkCallsOut]
    routes: list[RouteCallsOut]
    lost: list[LostOut]
    last_resort: int = Field(description="Calls that go to a trunk which is not known to work.")


class MoveOut(Out):
    """Calls that the supposed health sends elsewhere."""

    before: str | None = Field(description="The trunk at present; null: they are lost.")
    after: str | None = Field(description="The trunk as is supposed; null: they are lost.")
    calls: int = Calls
    examples: list[str] = Examples


class UnreadExampleOut(Out):
    """One of the calls that were passed over."""

    row: int = Field(description="Its place in the log, from 1, without the heading.")
    text: str = Field(description="What stands there.")


class UnreadOut(Out):
    """Calls that were passed over because they cannot be read."""

    reason: UnreadReason
    calls: int = Calls
    examples: list[UnreadExampleOut]


class ChoicesOut(Out):
    """Where each call goes; null: nowhere."""

    trunk_ids: list[str]
    present: list[int | None] = Field(description="Of each call a place in trunkIds.")
    supposed: list[int | None] | None = Field(description="The same; null if nothing is supposed.")


class SimulationOut(Out):
    """What came of it."""

    summary: str = Field(description="One sentence for a person.")
    calls: int = Field(description="Those that could be read.")
    unread: list[UnreadOut]
    suppose: list[str]
    unused: list[str] = Field(description="Of suppose, what concerns no trunk of these calls.")
    present: OutlookOut
    supposed: OutlookOut | None = Field(description="Null if nothing is supposed.")
    moves: list[MoveOut]
    choices: ChoicesOut | None
