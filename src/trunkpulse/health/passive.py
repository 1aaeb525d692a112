"""What the end of a real call says of the far side, where a probe would have asked.

An INVITE goes through more than an OPTIONS: behind the far side there may be somebody whose phone
is off, or a carrier that has no more lines. So its answers are read with more care than those to
probes, and none of them ever makes a target DOWN; at most it is asked at once.

=================  ==========  ====================================================================
answer             meaning     why
=================  ==========  ====================================================================
none for 8 s       doubt       it was sent five times (RFC 3261 17.1.1.2): not even 100 came
100                alive       the next hop is there; nothing else is known yet
101-199, 2xx       success     the call went through
3xx                alive       it redirects, so it works
408, 500, 503      doubt       it could not, or somebody behind it did not answer
all others         alive       401, 407, 404, 486, 603...: it works, and says no for its own reasons
=================  ==========  ====================================================================

*Success* counts like an answer to a probe. *Alive* proves that the far side is there, and no more.
*Doubt* has it probed at once.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

__all__ = ["Meaning", "meaning_of"]


class Meaning(Enum):
    """See the module's opening."""

    SUCCESS = "success"
    ALIVE = "alive"
    DOUBT = "doubt"


_DOUBTS: Final = frozenset({408, 500, 503})


def meaning_of(code: int | None) -> Meaning:
    """What this answer of the far side to an INVITE means; None: there was none at all."""
    if code is None or code in _DOUBTS:
        return Meaning.DOUBT
    return Meaning.SUCCESS if 100 < code < 300 else Meaning.ALIVE
