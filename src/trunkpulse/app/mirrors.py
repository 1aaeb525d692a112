"""The listeners that mirrors of live calls come in on."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import AsyncIterator

from trunkpulse.adapters.hep import HepListener
from trunkpulse.adapters.network.errors import BindFailed
from trunkpulse.app.errors import CannotStart
from trunkpulse.node import Node
from trunkpulse.ports import Clock

__all__ = ["listening_for_mirrors"]


@contextlib.asynccontextmanager
async def listening_for_mirrors(node: Node, clock: Clock) -> AsyncIterator[list[HepListener]]:
    """On every address of ``[hep] listen``; raises CannotStart."""
    settings = node.config.hep
    with contextlib.ExitStack() as open_ones:
        listeners: list[HepListener] = []
        for place in settings.listen:
            try:
                listener = HepListener(
                    place,
                    node.live_calls.intake,
                    allow=settings.allow,
                    clock=clock,
                    overdue_seconds=node.roster.prober.turns.overdue_seconds,
                )
            except BindFailed as problem:
                raise CannotStart(_cannot_listen(problem)) from problem
            open_ones.callback(listener.close)
            listeners.append(listener)
        yield listeners


def _cannot_listen(problem: BindFailed) -> str:
    sentence = f"Mirrors of live calls (HEP) cannot be taken in on {problem.place}"
    if problem.errno == errno.EADDRINUSE:
        return (
            f"{sentence} because another program does; stop it, choose another port in "
            "hep.listen, or set listen = [] under [hep]."
        )
    return f"{sentence}: {problem.reason}; correct hep.listen."
