"""The tables of an event stream: what it takes, and where it goes.

Which keys a destination has depends on its type. Here are all of them, each with what may stand
there; that they belong together is checked afterwards, by ``destinations``.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PlainValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from trunkpulse.config.destination_values import OPTIONS
from trunkpulse.config.destinations import KINDS
from trunkpulse.config.kinds import ID, LABEL, SWITCH, FilledList, Id, Label, List
from trunkpulse.config.secrets import Secrets
from trunkpulse.config.section import Allowed, Section, SwitchOr, secret_of, text_of
from trunkpulse.config.streams import direction, event_type, group_label, reason_code, trunk_state
from trunkpulse.config.wording import either, shown
from trunkpulse.model import AlertSettings, EventType

__all__ = ["AlertsEntry", "DestinationEntry", "StreamEntry"]

_ALERTS = AlertSettings()
_POINTER = '"env:NAME" or "file:PATH"'
_SECONDS = "a number of seconds from {} to {}"


def _option(name: str) -> PlainValidator:
    return PlainValidator(OPTIONS[name])


def _allowed(name: str) -> Allowed:
    return Allowed(OPTIONS[name].phrase)


def _headers(raw: object, info: ValidationInfo) -> tuple[tuple[str, str], ...]:
    """Texts by name; one that begins like a pointer to a secret is looked up."""
    if not isinstance(raw, dict) or not isinstance(info.context, Secrets):
        raise PydanticCustomError("dict_type", "not a table")
    return tuple((name, _header_value(name, value, info.context)) for name, value in raw.items())


def _header_value(name: str, value: object, secrets: Secrets) -> str:
    if not isinstance(value, str):
        raise ValueError(  # noqa: TRY004 - what pydantic makes a finding of
            f"must hold texts, but the value of {shown(name)} is not one"
        )
    if not value.startswith(("env:", "file:")):
        return value
    try:
        return secrets.resolve(value)
    except ValueError as problem:
        raise ValueError(f"holds {shown(name)}, whose value {problem}") from None


def _as_it_is(secret: str) -> str:
    return secret


class DestinationEntry(Section):
    type: Annotated[str, Allowed(either(KINDS))]
    url: Annotated[str | None, Allowed("a URL in quotes", secret=True)] = None
    secret: Annotated[
        str | None, secret_of(_as_it_is), Field(repr=False), Allowed(_POINTER, secret=True)
    ] = None
    previous_secret: Annotated[
        str | None, secret_of(_as_it_is), Field(repr=False), Allowed(_POINTER, secret=True)
    ] = None
    headers: Annotated[
        tuple[tuple[str, str], ...] | None,
        PlainValidator(_headers),
        Field(repr=False),
        Allowed('a table such as { "X-Team" = "noc", Authorization = "env:NAME" }', secret=True),
    ] = None
    severity: Annotated[str | None, _option("severity"), _allowed("severity")] = None
    mode: Annotated[str | None, _option("mode"), _allowed("mode")] = None
    assignment_group: Annotated[
        str | None, _option("assignment_group"), _allowed("assignment_group")
    ] = None
    close_code: Annotated[str | None, _option("close_code"), _allowed("close_code")] = None
    username: Annotated[str | None, _option("username"), _allowed("username")] = None
    exchange: Annotated[str | None, _option("exchange"), _allowed("exchange")] = None
    routing_key: Annotated[str | None, _option("routing_key"), _allowed("routing_key")] = None
    declare: Annotated[bool | None, _option("declare"), _allowed("declare")] = None
    topic: Annotated[str | None, _option("topic"), _allowed("topic")] = None
    sasl_mechanism: Annotated[str | None, _option("sasl_mechanism"), _allowed("sasl_mechanism")] = (
        None
    )
    tls: Annotated[bool | None, _option("tls"), _allowed("tls")] = None
    subject: Annotated[str | None, _option("subject"), _allowed("subject")] = None
    key: Annotated[str | None, _option("key"), _allowed("key")] = None
    max_length: Annotated[int | None, _option("max_length"), _allowed("max_length")] = None

    def given(self) -> dict[str, object]:
        """What the file says, secrets and headers in full."""
        said = {name: getattr(self, name) for name in self.model_fields_set}
        if self.headers is not None:
            said["headers"] = dict(self.headers)
        return said


class AlertsEntry(Section):
    group_by: Annotated[
        tuple[Annotated[str, text_of(group_label)], ...],
        List,
        Allowed('a list such as ["carrier", "region"]', each='"carrier" or "region"'),
    ] = _ALERTS.group_by
    group_wait_seconds: Annotated[float, Field(ge=0, le=600), Allowed(_SECONDS.format(0, 600))] = (
        _ALERTS.group_wait_seconds
    )
    update_seconds: Annotated[float, Field(ge=1, le=86400), Allowed(_SECONDS.format(1, 86400))] = (
        _ALERTS.update_seconds
    )
    flapping_changes: Annotated[
        int, Field(ge=2, le=1000), Allowed("a whole number from 2 to 1000")
    ] = _ALERTS.flapping_changes
    flapping_seconds: Annotated[
        float, Field(ge=1, le=86400), Allowed(_SECONDS.format(1, 86400))
    ] = _ALERTS.flapping_seconds

    def settings(self) -> AlertSettings:
        """What the table says, and the defaults where it says nothing."""
        return AlertSettings(
            group_by=self.group_by,
            group_wait_seconds=self.group_wait_seconds,
            update_seconds=self.update_seconds,
            flapping_changes=self.flapping_changes,
            flapping_seconds=self.flapping_seconds,
        )


class StreamEntry(Section):
    id: Annotated[Id, Allowed(ID)]
    name: Annotated[Label | None, Allowed(LABEL)] = None
    enabled: Annotated[bool, Allowed(SWITCH)] = True
    paused: Annotated[bool, Allowed(SWITCH)] = False
    event_types: Annotated[
        tuple[Annotated[str, text_of(event_type)], ...],
        FilledList,
        Allowed(
            "a list of at least one event type",
            each='a text such as "telephony.trunks.stateChange"',
        ),
    ] = (EventType.STATE_CHANGE.value,)
    trunks: Annotated[
        tuple[Id, ...],
        List,
        Allowed("a list of ids of trunks", each="the id of a trunk in quotes"),
    ] = ()
    carriers: Annotated[
        tuple[Label, ...], List, Allowed("a list of carriers", each="a carrier in quotes")
    ] = ()
    regions: Annotated[
        tuple[Id, ...], List, Allowed("a list of regions", each="a region in quotes")
    ] = ()
    directions: Annotated[
        tuple[Annotated[str, text_of(direction)], ...],
        List,
        Allowed("a list of directions", each='"inbound", "outbound" or "both"'),
    ] = ()
    states: Annotated[
        tuple[Annotated[str, text_of(trunk_state)], ...],
        List,
        Allowed("a list of states", each='a text such as "DOWN"'),
    ] = ()
    reason_codes: Annotated[
        tuple[Annotated[str, text_of(reason_code)], ...],
        FilledList,
        Allowed("a list of at least one reason", each='a text such as "NETWORK_ERROR"'),
    ] = ("KEEPALIVE_FAILURE", "NETWORK_ERROR")
    destination: Annotated[DestinationEntry, Allowed("a table with a type and a url")]
    alerts: Annotated[
        bool | AlertsEntry | None,
        SwitchOr(AlertsEntry),
        Allowed("true, false, or a table such as { group_wait_seconds = 30 }"),
    ] = None

    def alert_settings(self) -> bool | AlertSettings | None:
        """What was said of alerts; None: nothing."""
        return self.alerts.settings() if isinstance(self.alerts, AlertsEntry) else self.alerts
