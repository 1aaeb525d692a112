"""One piece of advice, and the words that all of them share."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from trunkpulse.config.wording import shown
from trunkpulse.model import Trunk
from trunkpulse.sip.uri import SipUri

__all__ = ["Advice", "is_loopback", "leaves_this_machine", "named"]

_SHOWN_NAMES = 3


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to reconsider."""

    code: str
    """The kind of advice, for machines."""
    severity: Literal["warning", "info"]
    where: str
    """The part of the configuration that it is about."""
    message: str
    """One sentence: why, and what to do."""


def leaves_this_machine(trunk: Trunk) -> bool:
    return not all(is_loopback(SipUri.parse(target).host) for target in trunk.targets)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def named(kind: str, trunks: Sequence[Trunk]) -> str:
    """``trunk "a"``, or ``trunks "a", "b", "c" and 9 more``."""
    names = ", ".join(shown(trunk.id) for trunk in trunks[:_SHOWN_NAMES])
    more = len(trunks) - _SHOWN_NAMES
    return (
        f"{kind}{'s' if len(trunks) > 1 else ''} {names}{f' and {more} more' if more > 0 else ''}"
    )
