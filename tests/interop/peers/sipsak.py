"""sipsak, with which people have always asked whether a SIP server answers."""

from __future__ import annotations

from pathlib import Path

from interop.peers.processes import Outcome, run_to_end
from interop.peers.software import peer


async def sipsak(uri: str, folder: Path) -> Outcome:
    """Send one OPTIONS; the code is 0 if the answer was 200."""
    return await run_to_end(peer("sipsak"), "-vv", "-s", uri, folder=folder)
