"""Kamailio as the far side of a trunk: it answers every OPTIONS 200 and says when it did."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from interop.peers.ports import free_port
from interop.peers.processes import PeerProcess
from interop.peers.software import peer
from trunkpulse.sip.grammar import host_and_port

READY = "far-side-ready"
ANSWERED = "far-side-answered"

# Modules are named without a path: Kamailio knows where its package has put them. One worker
# answers in the order of arrival. The moment is taken before the answer is sent and told after,
# so that what it tells has really left and cannot have arrived earlier.
CONFIG = """\
#!KAMAILIO
debug=1
log_stderror=yes
children=1
disable_tcp=yes
auto_aliases=no
listen=udp:{place}
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "xlog.so"
event_route[core:worker-one-init] {{
  xlog("L_ALERT", "{ready}\\n");
}}
request_route {{
  if (method != "OPTIONS") {{ exit; }}
  $var(at) = $TV(Sn);
  sl_send_reply("200", "OK");
  xlog("L_ALERT", "{answered} $var(at)\\n");
}}
"""


class Kamailio:
    """One Kamailio that may be started, killed and started again on the same address."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        self._program = peer("kamailio")
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.place = host_and_port(host, free_port(host))
        self.uri = f"sip:{self.place}"
        self._process: PeerProcess | None = None

    async def start(self) -> None:
        """Returns when it listens and has a worker that answers."""
        config = self._folder / "kamailio.cfg"
        config.write_text(CONFIG.format(place=self.place, ready=READY, answered=ANSWERED))
        own = str(self._folder)
        options = ("-DD", "-E", "-m", "8", "-M", "4", "-Y", own, "-P", f"{own}/kamailio.pid")
        self._process = await PeerProcess.start(
            self._program, "-f", str(config), *options, folder=self._folder
        )
        await self._process.line(READY)

    async def answers(self, number: int) -> None:
        """Returns when it has answered so many OPTIONS since it was started."""
        await self._running.lines.until(lambda _: True if len(self.answered) >= number else None)

    @property
    def answered(self) -> list[float]:
        """When its answers since the last start left, in seconds since the epoch."""
        lines = [line for line in self._running.lines.entries if ANSWERED in line]
        return [float(line.rpartition(" ")[2]) for line in lines]

    async def kill(self) -> None:
        """All its processes at once, as if the power had failed; safe to repeat."""
        if self._process is not None:
            await self._process.kill()

    def freeze(self) -> None:
        """It hears nothing and says nothing, but its port stays open."""
        self._running.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on with what has come in meanwhile."""
        self._running.signal(signal.SIGCONT)

    @property
    def _running(self) -> PeerProcess:
        assert self._process is not None
        return self._process


@asynccontextmanager
async def running_kamailio(folder: Path, host: str = "127.0.0.1") -> AsyncIterator[Kamailio]:
    """A Kamailio that answers; whatever became of it, it is gone at the end of the block."""
    far_side = Kamailio(folder, host)
    try:
        await far_side.start()
        yield far_side
    finally:
        await far_side.kill()
