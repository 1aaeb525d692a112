"""``/api/v2/advice``: what to reconsider, from the configuration and from what probes have seen.

What probes have seen is looked for among all trunks, which takes a second for a million. It is
kept for so much longer than it took that whoever asks again and again costs little.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request

from trunkpulse.access import Permission
from trunkpulse.adapters.http.api.admission import AdmittedRoute, requires
from trunkpulse.adapters.http.api.context import ApiContext, Context
from trunkpulse.adapters.http.api.models import Entities, Out
from trunkpulse.adapters.http.api.paging import Cursor, Limit, position_of
from trunkpulse.adapters.http.api.reach import InReach, Reach
from trunkpulse.config.advice import Advice
from trunkpulse.probing.expiry import Expiry, expiring
from trunkpulse.probing.publicity import Sighting
from trunkpulse.probing.target import ProbeTarget
from trunkpulse.recorder import TrunkRecord

__all__ = ["Findings", "router"]

router = APIRouter(route_class=AdmittedRoute, prefix="/api/v2/advice", tags=["instance"])

RECORDS_PER_STEP = 256
KEPT_TIMES = 20.0
"""What was found is told for so many times longer than it took to find it."""


class AdviceOut(Out):
    """One thing to reconsider."""

    code: str
    severity: Literal["warning", "info"]
    where: str
    message: str


class Findings:
    """What the probes have seen of all trunks, looked for by one request at a time."""

    def __init__(self) -> None:
        self._found: Sequence[Advice] = ()
        self._until = 0.0
        self._looking = asyncio.Lock()

    async def told(self, context: ApiContext) -> Sequence[Advice]:
        """What was found just now, or a moment ago."""
        async with self._looking:
            begun = context.clock.monotonic()
            if begun >= self._until:
                self._found = await _of_targets(context)
                ended = context.clock.monotonic()
                self._until = ended + KEPT_TIMES * (ended - begun)
            return self._found


async def _findings(request: Request) -> Findings:
    findings = request.app.state.findings
    assert isinstance(findings, Findings)
    return findings


@router.get("", dependencies=[requires(Permission.TRUNK_VIEW, within_limits=True)])
async def list_advice(
    context: Context,
    findings: Annotated[Findings, Depends(_findings)],
    reach: InReach,
    *,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Entities[AdviceOut]:
    """What the probes have seen first, then what the configuration shows.

    Whoever is limited to some regions or carriers gets what is about a single trunk of theirs.
    """
    start = 0 if cursor is None else position_of(cursor, field="query.cursor")
    found = [
        *_of_refusals(context),
        *_of_names(context),
        *await findings.told(context),
        *await context.advice(),
    ]
    if reach.limits is not None:
        found = [each for each in found if _is_about_one(each, reach)]
    page = found[start : start + limit]
    more = start + limit < len(found)
    return Entities(
        entities=[
            AdviceOut(
                code=each.code, severity=each.severity, where=each.where, message=each.message
            )
            for each in page
        ],
        next_cursor=str(start + limit) if more else None,
    )


def _is_about_one(advice: Advice, reach: Reach) -> bool:
    """True if it is about one trunk, within reach; what names several may name others."""
    kind, _, name = advice.where.partition(" ")
    return kind == "trunk" and reach.has(name.strip('"'))


def _of_refusals(context: ApiContext) -> Iterator[Advice]:
    for problem in context.refused():
        yield Advice(
            "configuration_refused",
            "warning",
            "configuration",
            f"the configuration on disk was refused and the one before goes on: {problem}",
        )


def _of_names(context: ApiContext) -> Iterator[Advice]:
    for uri, trouble in context.roster.locator.troubles().items():
        kept = (
            "what was last known of it stays in use, so mend the DNS before it changes"
            if trouble.has_answer
            else "nothing was ever known of it, so its trunks cannot be probed; check the name"
        )
        yield Advice(
            "name_not_found",
            "warning",
            uri,
            f"{uri} cannot be looked up ({trouble.problem}); {kept}.",
        )


async def _of_targets(context: ApiContext) -> list[Advice]:
    found: list[Advice] = []
    now_ms = context.now_ms()
    records = iter(list(context.roster.records().values()))
    while batch := list(islice(records, RECORDS_PER_STEP)):
        for record in batch:
            found += [_of_expiry(record, each) for each in expiring(record.targets, now_ms)]
            for target in record.targets:
                sightings = context.roster.public.sightings(target)
                if len(sightings) > 1:
                    found.append(_of_moving(record, target, sightings[-1]))
        await context.turns.give_way()  # probes must leave on time
    return found


def _of_expiry(record: TrunkRecord, each: Expiry) -> Advice:
    days = each.days_left
    when = "has ended" if days < 0 else f"ends in {days} day{'' if days == 1 else 's'}"
    return Advice(
        "certificate_expiring",
        "warning",
        f"trunk {record.trunk.id}",
        f"the certificate of {each.target.place} ({each.certificate.subject}) {when}; ask whoever"
        " runs it to renew it.",
    )


def _of_moving(record: TrunkRecord, target: ProbeTarget, last: Sighting) -> Advice:
    return Advice(
        "public_address_changes",
        "info",
        f"trunk {record.trunk.id}",
        f"{target.place} has seen us at more than one public address, at last {last.public}; give"
        " the NAT a fixed address, or set advertised_address.",
    )
