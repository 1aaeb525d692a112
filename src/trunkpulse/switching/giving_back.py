"""Gives back what we took out of a switch that nobody looks after any more.

A switch that was taken out of the file, is no longer enabled, or is reached elsewhere by now, gets
back what we took out of it, and nothing else: what is up, held by hand or gone is not ours. One
that is out of reach is tried a few times; then the log says what stays out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from trunkpulse.config.switches import SwitchSettings
from trunkpulse.ports import Entry, Switch, SwitchRefused, SwitchUnreachable
from trunkpulse.switching.deadline import in_time
from trunkpulse.switching.taken import Taken

__all__ = ["PAUSES_SECONDS", "give_back", "named_some"]

log = structlog.get_logger(__name__)

PAUSES_SECONDS: Final = (0.5, 1.0, 2.0, 4.0)
"""After a try that failed; after the last of them there is one try more, and no other."""
MOST_NAMED: Final = 3
"""Entries that a sentence names."""


async def give_back(settings: SwitchSettings, switch: Switch, taken: Taken) -> bool:
    """Set up again what is ``taken``, which is empty then; False if some of it stays out.

    Closes ``switch``, and never raises but when it is cancelled.
    """
    count, problem = len(taken), "It took the orders and did not follow them; look at its log."
    try:
        for pause in (*PAUSES_SECONDS, None):
            try:
                await _try(switch, taken)
            except (SwitchUnreachable, SwitchRefused) as trouble:
                problem = str(trouble)
            except Exception:
                # As in a round: a defect of one adapter must not end the node.
                log.exception("switch.defect", switch=settings.id)
                break
            if not taken:
                log.info("switch.gave_back", switch=settings.id, entries=count)
                return True
            if pause is not None:
                await asyncio.sleep(pause)
        log.warning(
            "switch.not_given_back",
            switch=settings.id,
            url=str(settings.url),
            entries=len(taken),
            some=named_some(taken),
            problem=problem,
            fix="set them active there by hand",
        )
        return False
    finally:
        await _close(settings, switch)


def named_some(taken: Taken) -> str:
    """The first few of the keys, for a sentence."""
    keys = list(taken.groups)
    more = len(keys) - MOST_NAMED
    return ", ".join(keys[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


async def _try(switch: Switch, taken: Taken) -> None:
    """Give back what can be; raises what the last order that failed, or a reading, raised."""
    names = () if switch.by_address else taken.besides(frozenset())
    entries = await _read(switch, taken, names)
    refused: SwitchRefused | None = None
    for entry in entries:
        if entry.key in taken:
            try:
                await in_time(switch.write(entry.key, up=True))
            except SwitchRefused as problem:
                refused = problem
    await _read(switch, taken, names)
    if refused is not None and taken:
        raise refused


async def _read(switch: Switch, taken: Taken, names: Sequence[str]) -> Sequence[Entry]:
    entries = await in_time(switch.read(names))
    taken.note(entries)
    return entries


async def _close(settings: SwitchSettings, switch: Switch) -> None:
    try:
        await switch.close()
    except Exception:
        # It never raises, says the port; this one has a defect.
        log.exception("switch.defect", switch=settings.id)
