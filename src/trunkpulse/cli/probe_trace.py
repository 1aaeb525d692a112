"""Every message as it went over the wire, on stderr, without what would let others in."""

from __future__ import annotations

import re
import sys
from typing import Final

from trunkpulse.cli.baseline import Sighting
from trunkpulse.cli.output import amount, clock_time
from trunkpulse.cli.probe_facts import place
from trunkpulse.config.wording import printable
from trunkpulse.model import FailureKind

__all__ = ["masked", "print_sighting"]

# With the challenge, the response is all that guessing the password takes (RFC 7616 5.4, 5.8).
_DIGEST_RESPONSE: Final = re.compile(r'(\bresponse\s*=\s*)(?:"[^"\r\n]*"?|[^\s,"]+)', re.IGNORECASE)


def masked(text: str) -> str:
    """``text`` with every digest response in it made unreadable."""
    return _DIGEST_RESPONSE.sub(r'\1"(hidden)"', text)


def print_sighting(seen: Sighting) -> None:
    """One message with its moment, or why it was not delivered."""
    moment = f"{clock_time(seen.at_ms)}.{seen.at_ms % 1000:03}"
    peer = place(seen.peer)
    over = f" over {seen.protocol.value.upper()}" if seen.protocol.reliable else ""
    text = ""
    if seen.obstacle is not None:
        heading = f"not delivered to {peer}{over}: {seen.obstacle.detail}"
        if seen.obstacle.kind is FailureKind.REFUSED:
            heading = f"refused by {peer} ({_how_refused(seen.obstacle.detail)})"
    else:
        direction = f"sent{over} to" if seen.sent else f"received{over} from"
        heading = f"{direction} {peer} ({amount(len(seen.data), 'byte')})"
        text = masked(seen.data.decode("utf-8", "backslashreplace"))
    for line in (f"--- {moment} {heading}", *text.splitlines()):
        sys.stderr.write(f"{printable(line)}\n")


def _how_refused(detail: str) -> str:
    """``ICMP port unreachable`` of ``Connection refused (ICMP port unreachable)``."""
    _, parenthesis, words = detail.partition(" (")
    return words.removesuffix(")") if parenthesis else detail
