"""What became of the credentials that a test was given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from trunkpulse.cli.probe_advice import CHALLENGES
from trunkpulse.cli.probe_facts import ProbedAttempt, ProbePlan, share_of
from trunkpulse.sip.middlebox import Finding, Severity

__all__ = ["on_credentials"]

_UNREADABLE: Final = ("no challenge that can be read", "challenge cannot be read")
_UNSUPPORTED: Final = "which is not supported"
"""In what a digest session says of a challenge that it could not meet."""


def on_credentials(attempts: Sequence[ProbedAttempt], plan: ProbePlan) -> Iterator[Finding]:
    """Whether credentials that were given were asked for, sent and taken."""
    if plan.identity.credentials is None:
        return
    refused = [attempt for attempt in attempts if attempt.code in CHALLENGES]
    if refused:
        yield _on_refused_credentials(refused[0], share_of(len(refused), attempts))
    elif not any(attempt.challenges for attempt in attempts) and any(
        attempt.code is not None for attempt in attempts
    ):
        yield Finding(
            "not-challenged",
            Severity.NOTE,
            "It never asked for the credentials, so they were not sent.",
        )


def _on_refused_credentials(attempt: ProbedAttempt, share: str) -> Finding:
    header = "WWW-Authenticate" if attempt.code == 401 else "Proxy-Authenticate"
    why = attempt.detail
    if any(words in why for words in _UNREADABLE):
        return Finding(
            "no-challenge",
            Severity.FAULT,
            f"It answers {attempt.code}{share}: it asks for credentials but sends no usable"
            f" {header}; tell its operator.",
        )
    if _UNSUPPORTED in why:
        return Finding(
            "no-challenge",
            Severity.FAULT,
            f"It answers {attempt.code}{share}: it asks for credentials, but {why}; ask its"
            " operator to offer Digest with MD5 or SHA-256.",
        )
    return Finding(
        "credentials",
        Severity.FAULT,
        f"It answers {attempt.code} in spite of the credentials{share}{why and ': '}{why}; check"
        " user name and password, and whether they belong to this host.",
    )
