"""What an answer that is not healthy says beyond its code: why, and whether to be left alone."""

from __future__ import annotations

from typing import Final, NamedTuple

from trunkpulse.sip.errors import SipError
from trunkpulse.sip.message import Response, parse_message
from trunkpulse.sip.retry_after import RetryAfter

__all__ = ["LONGEST_QUIET_SECONDS", "Verdict", "judge"]

LONGEST_QUIET_SECONDS: Final = 3600.0
"""A far side that asks for more is looked at again after an hour: it may have been a mistake."""

_HINTS: Final = {
    403: "the carrier may want another From or Contact",
    408: "the carrier may want another From or Contact",
}


class Verdict(NamedTuple):
    """What to remember of an unhealthy answer."""

    detail: str
    quiet_seconds: float = 0.0
    """For how long no probe shall follow (Retry-After, RFC 3261 20.33)."""


def judge(code: int, data: bytes, challenge_problem: str | None = None) -> Verdict:
    """What ``data``, an answer with this status code, says; ``challenge_problem``: of a 401/407."""
    said = f"answered {code}"
    if code in {401, 407}:
        return Verdict(f"{said}: {challenge_problem}" if challenge_problem else said)
    asked = _retry_after(data)
    if asked:
        quiet = min(asked, LONGEST_QUIET_SECONDS)
        return Verdict(f"{said} and is in maintenance: Retry-After {asked:g} s", quiet)
    hint = _HINTS.get(code)
    return Verdict(f"{said}: {hint}" if hint else said)


def _retry_after(data: bytes) -> float:
    """The seconds of the answer's Retry-After; 0 without one that can be read."""
    try:
        message = parse_message(data)
        value = message.headers.first("Retry-After") if isinstance(message, Response) else None
        return 0.0 if value is None else float(RetryAfter.parse(value).seconds)
    except SipError:
        return 0.0
