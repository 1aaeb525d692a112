"""``[hep]``: where mirrors of live calls are taken in, and from whom."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from trunkpulse.config.kinds import List
from trunkpulse.config.section import Allowed, Section, secret_of, text_of
from trunkpulse.config.settings import HepSettings, IpNetwork, ListenAddress
from trunkpulse.config.values import api_address, network
from trunkpulse.config.wording import shown

__all__ = ["HepEntry", "hep_settings"]

_KEY = re.compile(r"[!-~]{1,128}")


def _listen(text: str) -> ListenAddress:
    """``udp:HOST:PORT``."""
    transport, _, place = text.partition(":")
    try:
        if transport.lower() == "udp":
            return api_address(place)
    except ValueError:
        pass  # it is said of the whole text
    raise ValueError(
        'must be "udp:", an IP address and a port, such as "udp:127.0.0.1:9060" or '
        f'"udp:[::1]:9060", not {shown(text)}'
    )


def _key(secret: str) -> str:
    if not _KEY.fullmatch(secret):
        raise ValueError(
            "points at a secret that no mirror can show; it must be 1 to 128 printable ASCII "
            "characters without blanks"
        )
    return secret


class HepEntry(Section):
    listen: Annotated[
        tuple[Annotated[ListenAddress, text_of(_listen)], ...],
        Field(strict=False, max_length=16),
        Allowed("a list of up to 16 addresses", each='a text such as "udp:127.0.0.1:9060"'),
    ] = HepSettings().listen
    allow: Annotated[
        tuple[Annotated[IpNetwork, text_of(network)], ...],
        List,
        Allowed("a list of IP networks", each='a text such as "127.0.0.0/8"'),
    ] = HepSettings().allow
    secret: Annotated[
        str | None, secret_of(_key), Allowed('a text such as "env:NAME"', secret=True)
    ] = None
    most_calls: Annotated[
        int, Field(ge=1, le=10_000_000), Allowed("a whole number of calls from 1 to 10000000")
    ] = HepSettings().most_calls
    call_lifetime_seconds: Annotated[
        float, Field(ge=60, le=604_800), Allowed("a number of seconds from 60 to 604800")
    ] = HepSettings().call_lifetime_seconds


def hep_settings(entry: HepEntry) -> HepSettings:
    """The section as the rest of the program sees it."""
    return HepSettings(
        listen=entry.listen,
        allow=entry.allow,
        secret=entry.secret,
        most_calls=entry.most_calls,
        call_lifetime_seconds=entry.call_lifetime_seconds,
    )
