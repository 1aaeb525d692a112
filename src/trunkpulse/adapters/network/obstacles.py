"""Why no connection came about, or why one ended: from exceptions to words for a person."""

from __future__ import annotations

import errno
import ssl
from typing import Final

from trunkpulse.adapters.network.tls import failure_words
from trunkpulse.model import FailureKind
from trunkpulse.ports import Certificate, Obstacle
from trunkpulse.sip.framing import FramingLost

__all__ = [
    "CONNECTING",
    "IN_THE_QUEUE",
    "SHAKING_HANDS",
    "UNENDED",
    "Misnamed",
    "too_late",
    "why_ended",
    "why_not_opened",
]

CONNECTING: Final = "no connection came about"
IN_THE_QUEUE: Final = "the TLS handshake had to wait for others and did not begin"
SHAKING_HANDS: Final = "the TLS handshake did not end"

UNENDED: Final = Obstacle(FailureKind.MALFORMED, "an answer began and did not end")

_UNREACHABLE: Final = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EACCES}
)


class Misnamed(Exception):
    """The certificate is somebody else's; the message says whose."""


def too_late(phase: str) -> Obstacle:
    """The time was up while ``phase``, as CONNECTING or SHAKING_HANDS, went on."""
    return Obstacle(FailureKind.CONNECT_TIMEOUT, f"{phase} within the time of the attempt")


def why_not_opened(problem: Exception, phase: str, shown: Certificate | None = None) -> Obstacle:
    """What ``problem``, met in ``phase``, says of a connection that did not come about.

    ``shown`` is the certificate that the far side shows, as far as that is known.
    """
    match problem:
        case Misnamed():
            return Obstacle(FailureKind.TLS, str(problem))
        case ssl.SSLError():
            return Obstacle(FailureKind.TLS, failure_words(problem, shown))
        case UnicodeError():
            return Obstacle(FailureKind.TLS, f"no TLS server can have that name ({problem})")
        case TimeoutError():
            return too_late(phase)
        case OSError():
            return _why_not_connected(problem, phase)
        case _:
            return Obstacle(FailureKind.UNREACHABLE, str(problem))


def _why_not_connected(problem: OSError, phase: str) -> Obstacle:
    if phase == SHAKING_HANDS:
        return Obstacle(FailureKind.TLS, failure_words(problem))
    if isinstance(problem, ConnectionRefusedError):
        return Obstacle(FailureKind.REFUSED, "Connection refused")
    if isinstance(problem, ConnectionError):
        return Obstacle(FailureKind.RESET, "the connection was reset as soon as it was opened")
    words = problem.strerror or str(problem)
    if problem.errno not in _UNREACHABLE:
        words = f"{words} (no connection)"
    return Obstacle(FailureKind.UNREACHABLE, words)


def why_ended(cause: Exception | None, *, wants_certificate: bool = False) -> Obstacle:
    """Why a connection ended before the answer came; ``cause`` None: it was closed properly.

    ``wants_certificate``: the far side may have missed a certificate of ours.
    """
    guess = "; it may want a client certificate" if wants_certificate else ""
    match cause:
        case None:
            words = "the far side closed the connection without an answer"
            return Obstacle(FailureKind.RESET, words + guess)
        case FramingLost():
            return Obstacle(FailureKind.MALFORMED, str(cause))
        case ssl.SSLError():
            return Obstacle(FailureKind.TLS, failure_words(cause))
        case _:
            said = (cause.strerror if isinstance(cause, OSError) else None) or str(cause)
            words = f"the connection broke before an answer came ({said})"
            if isinstance(cause, ConnectionResetError):
                words += guess  # its alert may have been lost with the connection
            return Obstacle(FailureKind.RESET, words)
