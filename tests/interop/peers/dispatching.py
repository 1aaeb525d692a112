"""Kamailio as a proxy that sends calls to the destinations of its dispatcher list.

It runs the configuration that the documentation gives, at places of its own.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from interop.peers.ports import free_port
from interop.peers.processes import PeerProcess, run_to_end
from interop.peers.software import peer

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "push-into-kamailio.md"
READY = "dispatcher-ready"
CALL = "dispatcher-call-to"
OWN = f"""
debug=1
log_stderror=yes
children=2
tcp_children=1
auto_aliases=no
event_route[core:worker-one-init] {{
  xlog("L_ALERT", "{READY}\\n");
}}
"""


class DispatchingKamailio:
    """One that may be killed and started again."""

    def __init__(self, folder: Path, destinations: Mapping[str, int]) -> None:
        """``destinations`` are SIP URIs with their priorities, in set 1."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._port = free_port("127.0.0.1")
        self._control = free_port("127.0.0.1")
        self.place = f"127.0.0.1:{self._port}"
        self.urls = {
            "http": f"http://{self.place}/RPC",
            "tcp": f"tcp:127.0.0.1:{self._control}",
            "udp": f"udp:127.0.0.1:{self._control}",
            "unix": f"unix:{folder}/ctl",
        }
        lines = [f"1 {uri} 0 {priority}" for uri, priority in destinations.items()]
        (folder / "dispatcher.list").write_text("\n".join(lines) + "\n")
        self._process: PeerProcess | None = None

    async def start(self) -> None:
        config = self._folder / "kamailio.cfg"
        config.write_text(self._script())
        own = str(self._folder)
        options = ("-DD", "-E", "-m", "16", "-M", "4", "-Y", own, "-P", f"{own}/kamailio.pid")
        self._process = await PeerProcess.start(
            peer("kamailio"), "-f", str(config), *options, folder=self._folder
        )
        await self._process.line(READY)

    def _script(self) -> str:
        page = PAGE.read_text(encoding="utf-8")
        blocks: list[str] = re.findall(
            r"^```text\n(#!KAMAILIO.*?)^```$", page, re.MULTILINE | re.DOTALL
        )
        [script] = blocks
        told = f'xlog("L_ALERT", "{CALL} $du\\n");'
        sockets = "".join(
            f'modparam("ctl", "binrpc", "{self.urls[way]}")\n' for way in ("tcp", "udp", "unix")
        )
        for documented, here in (
            ("127.0.0.1:5060", self.place),
            ("/etc/kamailio/dispatcher.list", str(self._folder / "dispatcher.list")),
            ('modparam("ctl", "binrpc", "tcp:127.0.0.1:2049")\n', sockets),
            ("exit; }\n  t_relay();", f"exit; }}\n  {told}\n  t_relay();"),
        ):
            assert documented in script, documented
            script = script.replace(documented, here)
        return script + OWN

    @property
    def called(self) -> list[str]:
        """Where it has sent calls since it was started."""
        assert self._process is not None
        lines = [line for line in self._process.lines.entries if CALL in line]
        return [line.rpartition(" ")[2] for line in lines]

    async def flags(self) -> dict[str, str]:
        """What its list says: URI to flags."""
        said = await self.command("dispatcher.list")
        return dict(re.findall(r"URI: (\S+)\s+FLAGS: (\S+)", said))

    async def command(self, *words: str) -> str:
        """What somebody at its control socket is answered."""
        outcome = await run_to_end(
            peer("kamcmd"), "-s", self.urls["tcp"], *words, folder=self._folder
        )
        assert outcome.code == 0, outcome.output
        return outcome.output

    async def kill(self) -> None:
        """All its processes at once, as if the power had failed; safe to repeat."""
        if self._process is not None:
            await self._process.kill()


@asynccontextmanager
async def dispatching(
    folder: Path, destinations: Mapping[str, int]
) -> AsyncIterator[DispatchingKamailio]:
    """A Kamailio that places calls; gone at the end of the block."""
    proxy = DispatchingKamailio(folder, destinations)
    try:
        await proxy.start()
        yield proxy
    finally:
        await proxy.kill()
