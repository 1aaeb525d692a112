"""One trunk in full: how it fares, and what was said of it through the API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field
from starlette.responses import Response

from trunkpulse.adapters.http.api.activity_view import ActivityOut, activity_of
from trunkpulse.adapters.http.api.conditional import etag_of, tag
from trunkpulse.adapters.http.api.context import ApiContext
from trunkpulse.adapters.http.api.models import Out, TrunkOut
from trunkpulse.adapters.http.api.views import trunk_out
from trunkpulse.config.advice import Advice, advise_on
from trunkpulse.config.json_documents import in_words_of_json
from trunkpulse.provisioning.keeping import KeptTrunk
from trunkpulse.recorder import TrunkRecord

__all__ = ["SavedAdviceOut", "TrunkDetailOut", "TrunkSavedOut", "advice_out", "saved", "tagged"]


class TrunkDetailOut(TrunkOut):
    """A trunk: what it is, how it fares, and what was said of it."""

    configuration: dict[str, Any] | None = Field(
        description="What was said of it through the API: the rest is inherited. Of secrets it has "
        "hasPassword and headerNames. Null: the file declares the trunk."
    )
    revision: int | None = Field(description="Counts its changes from 1; null as above.")
    withheld: str | None = Field(description="Why it is not probed; null: nothing is wrong.")
    activity: ActivityOut


class SavedAdviceOut(Out):
    """One thing to reconsider in what was saved."""

    id: str = Field(description="Its code and where: what it is accepted by.")
    code: str
    severity: Literal["warning", "info"]
    where: str
    why: str = Field(description="What is so, and what comes of it.")
    fix: str = Field(description="What to do about it.")
    detail: str = Field(description="Why and fix as one sentence.")


class TrunkSavedOut(TrunkDetailOut):
    """A trunk as it is from now on."""

    advice: list[SavedAdviceOut]


def tagged(
    context: ApiContext, record: TrunkRecord, response: Response, if_none_match: str | None = None
) -> TrunkDetailOut:
    """The trunk in full, with its entity tag on the answer."""
    shown = TrunkDetailOut(**_members(context, record))
    kept = context.trunks.get(record.trunk.id)
    tag(response, etag_of(kept), living=shown, if_none_match=if_none_match)
    return shown


def saved(context: ApiContext, kept: KeptTrunk, response: Response) -> TrunkSavedOut:
    """The same of one that has been saved, with advice."""
    record = context.roster.record(kept.id)
    members = _members(context, record)
    tag(response, etag_of(kept), living=TrunkDetailOut(**members))
    advice = advice_out(context, advise_on(record.trunk, context.configuration()))
    return TrunkSavedOut(**members, advice=advice)


def advice_out(context: ApiContext, found: Sequence[Advice]) -> list[SavedAdviceOut]:
    """Advice as an answer has it, without what was accepted."""
    return [
        SavedAdviceOut(
            id=each.id,
            code=each.code,
            severity=each.severity,
            where=each.where,
            why=in_words_of_json(each.why),
            fix=in_words_of_json(each.fix),
            detail=in_words_of_json(each.message),
        )
        for each in context.accepted.still_given(found)
    ]


def _members(context: ApiContext, record: TrunkRecord) -> dict[str, Any]:
    kept = context.trunks.get(record.trunk.id)
    return {
        **dict(trunk_out(context, record)),
        "configuration": None if kept is None else context.trunks.described(kept),
        "revision": None if kept is None else kept.revision,
        "withheld": context.trunks.withheld.get(record.trunk.id),
        "activity": activity_of(context, record),
    }
