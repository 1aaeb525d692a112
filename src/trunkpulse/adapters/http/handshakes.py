"""Takes connections for TLS, and bounds those too that never come to speak it.

The event loop tells a protocol of its connection when the handshake is done, so whoever counts
there does not see one that only opens connections: each would be held for as long as a handshake
may take, until there are no more file descriptors for probes. So connections are accepted here,
and one that is too many is closed before anything is made of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Final

from trunkpulse.adapters.http.connections import Peers

__all__ = ["HANDSHAKE_SECONDS", "Handshakes"]

HANDSHAKE_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 1.0
"""After the system could not give us a connection: it is out of something."""
_ACCEPTED_PER_TURN: Final = 32


class Handshakes:
    """What stands for a server of the event loop: it accepts until it is closed."""

    def __init__(
        self,
        listener: socket.socket,
        connection: Callable[[], asyncio.Protocol],
        context: ssl.SSLContext,
        *,
        peers: Peers,
        tasks: asyncio.TaskGroup,
    ) -> None:
        """``peers`` counts those who have not shaken hands yet, and nobody else."""
        self._listener = listener
        self._connection = connection
        self._context = context
        self._peers = peers
        self._unbegun: dict[socket.socket, str] = {}
        """Accepted in this turn of the loop, by address."""
        self._accepting = tasks.create_task(self._accept(), name="accept TLS")

    def close(self) -> None:
        """Take no more connections, and end those that have not shaken hands."""
        self._accepting.cancel()

    async def wait_closed(self) -> None:
        """Return once that is done."""
        await asyncio.wait([self._accepting])

    async def _accept(self) -> None:
        loop, broken = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    broken.clear()
                    loop.add_reader(self._listener, self._take, tasks, broken)
                    try:
                        await broken.wait()
                    finally:
                        loop.remove_reader(self._listener)
                    await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            # A task that is cancelled before it begins closes nothing.
            for accepted, address in self._unbegun.items():
                accepted.close()
                self._peers.leave(address)

    def _take(self, tasks: asyncio.TaskGroup, broken: asyncio.Event) -> None:
        """Accept who waits; sets ``broken`` if the system cannot give us any more for now."""
        for _ in range(_ACCEPTED_PER_TURN):
            try:
                accepted, place = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):  # nobody waits, or no longer
                return
            except OSError:
                broken.set()
                return
            accepted.setblocking(False)
            address = str(place[0])
            if self._peers.enter(address):
                self._unbegun[accepted] = address
                tasks.create_task(self._shake_hands(accepted, address))
            else:
                accepted.close()

    async def _shake_hands(self, accepted: socket.socket, address: str) -> None:
        del self._unbegun[accepted]
        try:
            with contextlib.suppress(OSError):  # with whoever cannot, or goes: no TLS, no answer
                await asyncio.get_running_loop().connect_accepted_socket(
                    self._connection,
                    accepted,
                    ssl=self._context,
                    ssl_handshake_timeout=HANDSHAKE_SECONDS,
                )
        finally:
            self._peers.leave(address)
