"""The table of a switch, and the switch that it describes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from trunkpulse.config import kinds
from trunkpulse.config.kinds import (
    ID,
    PEM,
    SECONDS,
    SWITCH,
    USER_NAME,
    Choice,
    Id,
    Seconds,
    UserName,
)
from trunkpulse.config.secrets import sip_password
from trunkpulse.config.section import Allowed, Section, secret_of
from trunkpulse.config.stamps import FileStamps
from trunkpulse.config.switches import LastOfGroup, SwitchSettings, SwitchType, SwitchUrl
from trunkpulse.config.wording import either

__all__ = ["MOST_SWITCHES", "SwitchEntry", "authorities", "switch_from"]

MOST_SWITCHES = 64
MOST_TRUNKS = 10_000
MOST_GROUPS = 1000
_LARGEST_GROUP = 2**31 - 1
_USUAL = SwitchSettings(id="", type=SwitchType.KAMAILIO, url=SwitchUrl("http"))


class SwitchTlsEntry(Section):
    ca_file: Annotated[kinds.Path, Allowed(PEM)]


class SwitchEntry(Section):
    id: Annotated[Id, Allowed(ID)]
    type: Annotated[SwitchType, Choice, Allowed(either(SwitchType))]
    url: Annotated[
        str, Field(max_length=1024), Allowed("where the switch is told, in quotes", secret=True)
    ]
    username: Annotated[UserName | None, Allowed(USER_NAME)] = None
    password: Annotated[
        str | None,
        secret_of(sip_password),
        Field(repr=False),
        Allowed('"env:NAME" or "file:PATH"', secret=True),
    ] = None
    tls: Annotated[SwitchTlsEntry | None, Allowed('a table such as { ca_file = "ca.pem" }')] = None
    trunks: Annotated[
        tuple[Id, ...],
        Field(strict=False, max_length=MOST_TRUNKS),
        Allowed(f"a list of up to {MOST_TRUNKS} ids of trunks", each="the id of a trunk in quotes"),
    ] = ()
    groups: Annotated[
        tuple[Annotated[int, Field(ge=0, le=_LARGEST_GROUP)], ...],
        Field(strict=False, max_length=MOST_GROUPS),
        Allowed("a list of numbers of dispatcher sets", each="a whole number from 0 on"),
    ] = ()
    interval_seconds: Annotated[Seconds, Allowed(SECONDS)] = _USUAL.interval_seconds
    when_none_available: Annotated[LastOfGroup, Choice, Allowed(either(LastOfGroup))] = (
        _USUAL.when_none_available
    )
    dry_run: Annotated[bool, Allowed(SWITCH)] = _USUAL.dry_run
    enabled: Annotated[bool, Allowed(SWITCH)] = _USUAL.enabled


def authorities(entry: SwitchEntry, folder: Path) -> str | None:
    """The absolute path of the file that ``tls`` names, if it does; it starts from ``folder``."""
    return None if entry.tls is None else str(folder.absolute() / entry.tls.ca_file)


def switch_from(entry: SwitchEntry, folder: Path, stamps: FileStamps) -> SwitchSettings:
    """The switch that an entry of the file, which has been checked, describes."""
    ca_file = authorities(entry, folder)
    return SwitchSettings(
        id=entry.id,
        type=entry.type,
        url=SwitchUrl.parse(entry.url, entry.type),
        username=entry.username,
        password=entry.password,
        ca_file=ca_file,
        stamp=stamps.of(ca_file),
        trunks=entry.trunks,
        groups=entry.groups,
        interval_seconds=entry.interval_seconds,
        dry_run=entry.dry_run,
        enabled=entry.enabled,
        when_none_available=entry.when_none_available,
    )
