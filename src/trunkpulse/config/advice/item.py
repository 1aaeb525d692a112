"""One piece of advice, and the words that all of them share."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from trunkpulse.model import Trunk
from trunkpulse.sip.uri import SipUri

__all__ = [
    "SHOWN_NAMES",
    "Advice",
    "Severity",
    "is_loopback",
    "leaves_this_machine",
    "named",
    "named_some",
]

Severity = Literal["warning", "info"]

SHOWN_NAMES = 3
"""Of those that one advice is about."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to reconsider."""

    code: str
    """The kind of advice, for machines: one of ``codes.RULES``."""
    severity: Severity
    where: str
    """The part of the configuration that it is about."""
    why: str
    """What is so, and what comes of it; without an end, as the fix follows."""
    fix: str
    """What to do about it; without an end too."""

    @property
    def id(self) -> str:
        """What it is accepted by; the same for as long as it is about the same."""
        return f"{self.code} {self.where}"

    @property
    def message(self) -> str:
        """One sentence: why, and what to do."""
        return f"{self.why}; {self.fix}."


def leaves_this_machine(trunk: Trunk) -> bool:
    return not all(is_loopback(SipUri.parse(target).host) for target in trunk.targets)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def named(kind: str, trunks: Sequence[Trunk]) -> str:
    """``trunk "a"``, or ``trunks "a", "b", "c" and 9 more``."""
    return named_some(kind, [trunk.id for trunk in trunks[:SHOWN_NAMES]], len(trunks))


def named_some(kind: str, ids: Sequence[str], count: int) -> str:
    """The same of ``count`` trunks, of which these are the first."""
    names = ", ".join(f'"{each}"' for each in ids[:SHOWN_NAMES])
    more = count - SHOWN_NAMES
    return f"{kind}{'s' if count > 1 else ''} {names}{f' and {more} more' if more > 0 else ''}"
