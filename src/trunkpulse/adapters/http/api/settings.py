"""``/api/v2/telephony/settings``: what all trunks inherit, and what probes call us."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Body, Request
from pydantic import Field, WithJsonSchema
from starlette.responses import Response

from trunkpulse.access import Permission
from trunkpulse.adapters.http.api.admission import AdmittedRoute, requires
from trunkpulse.adapters.http.api.auditing import note_change
from trunkpulse.adapters.http.api.conditional import (
    IfMatch,
    IfNoneMatch,
    check_match,
    etag_of,
    etag_of_value,
    tag,
)
from trunkpulse.adapters.http.api.context import ApiContext, Context
from trunkpulse.adapters.http.api.models import KeepaliveOut, Out
from trunkpulse.adapters.http.api.stream_schema import document_schema
from trunkpulse.adapters.http.api.trunk_changes import applied
from trunkpulse.adapters.http.api.trunk_views import SavedAdviceOut, advice_out
from trunkpulse.adapters.http.api.views import keepalive_out
from trunkpulse.config.advice import advise_on
from trunkpulse.config.advice.item import leaves_this_machine
from trunkpulse.config.settings_documents import SettingsEntry
from trunkpulse.model import Trunk
from trunkpulse.provisioning.settings import ShownSettings

__all__ = ["router"]

router = APIRouter(
    route_class=AdmittedRoute, prefix="/api/v2/telephony/settings", tags=["settings"]
)

_SOMEWHERE = "sip:192.0.2.1"
"""An address outside this machine, for advice on what trunks inherit (RFC 5737)."""
_HERE = "sip:127.0.0.1"
MOST_LOOKED_AT = 500
"""Trunks; where all of so few end on this machine, its settings are judged for that."""

Settings = Annotated[
    dict[str, object],
    Body(
        description="All that shall be said: what is not there is as it comes with trunkpulse. "
        "What the file declares may be repeated or left out."
    ),
    Field(max_length=16),
    WithJsonSchema(
        document_schema(
            SettingsEntry,
            required=False,
            example={"keepalive": {"intervalSeconds": 20}, "userAgent": "trunkpulse"},
        )
    ),
]


class SettingsOut(Out):
    """The settings in force."""

    keepalive: KeepaliveOut = Field(description="What each trunk inherits.")
    user_agent: str = Field(description="What probes call us.")
    managed_by: str | None = Field(description="The file, if it declares some of them.")
    managed_members: list[str] = Field(description="Those that it declares; read-only here.")


class SettingsSavedOut(SettingsOut):
    """The settings from now on."""

    advice: list[SavedAdviceOut]


@router.get("", dependencies=[requires(Permission.TRUNK_VIEW)])
async def get_settings(
    context: Context, response: Response, if_none_match: IfNoneMatch = None
) -> SettingsOut:
    """The global settings."""
    found = context.settings.shown()
    shown = _out(found)
    tag(response, _etag(found), living=shown, if_none_match=if_none_match)
    return shown


@router.put("", dependencies=[requires(Permission.TRUNK_EDIT)])
async def put_settings(
    context: Context,
    request: Request,
    document: Settings,
    response: Response,
    if_match: IfMatch = None,
) -> SettingsSavedOut:
    """Set the global settings; every trunk that inherits what has changed follows."""

    def check(present: ShownSettings) -> None:
        check_match(if_match, _etag(present))

    before, after = await applied("", context.settings.put(document, check))
    shown = _out(after)
    note_change(request, "settings", "global", before=_out(before), after=shown)
    tag(response, _etag(after), living=shown)
    return SettingsSavedOut(**dict(shown), advice=_advice(context, after))


def _advice(context: ApiContext, shown: ShownSettings) -> list[SavedAdviceOut]:
    config = replace(context.configuration(), keepalive=shown.keepalive)
    targets = (_HERE if _all_end_here(context) else _SOMEWHERE,)
    one = Trunk(id="any", name="any", targets=targets, keepalive=shown.keepalive)
    found = [each for each in advise_on(one, config) if each.where == "[keepalive]"]
    return advice_out(context, found)


def _all_end_here(context: ApiContext) -> bool:
    """True if there are trunks, few enough to look at, and no probe leaves this machine."""
    records = context.roster.records()
    if not records or len(records) > MOST_LOOKED_AT:
        return False
    return not any(
        each.trunk.enabled and leaves_this_machine(each.trunk) for each in records.values()
    )


def _etag(shown: ShownSettings) -> str:
    if shown.kept is not None:
        return etag_of(shown.kept)
    return etag_of_value((shown.keepalive, shown.user_agent))


def _out(shown: ShownSettings) -> SettingsOut:
    return SettingsOut(
        keepalive=keepalive_out(shown.keepalive),
        user_agent=shown.user_agent,
        managed_by=shown.file,
        managed_members=list(shown.members),
    )
