"""Calls, placed by SIPp through a real Kamailio, leave a carrier that dies and come back to it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from interop.journal import DEADLINE_SECONDS
from interop.peers.callers import Carrier, callers, carrier
from interop.peers.ports import free_port
from interop.peers.processes import running_process
from interop.peers.software import peer
from interop.settings import config_file
from trunkpulse.app import Running, running
from trunkpulse.config import load_config
from trunkpulse.model import StateChange, TrunkState

pytestmark = pytest.mark.interop

CALLS_PER_SECOND = 50
RAMP_SECONDS = 6
ROUTE = f"""
[[routes]]
id = "everywhere"
numbers = ["+1"]
failback_ramp_seconds = {RAMP_SECONDS}
trunks = [{{ id = "carrier-a" }}, {{ id = "carrier-b" }}]
"""

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "redirect-calls.md"
DOCUMENTED_PLACE = "192.0.2.10:5080"
READY = "proxy-ready"
AROUND_THE_SCRIPT = """\
#!KAMAILIO
debug=1
log_stderror=yes
children=2
disable_tcp=yes
auto_aliases=no
dns=off
rev_dns=off
listen=udp:{place}
loadmodule "xlog.so"
event_route[core:worker-one-init] {{
    xlog("L_ALERT", "{ready}\\n");
}}
{script}
"""


def script_file(folder: Path, place: str, asks: str) -> Path:
    """The script of the documentation, listening on ``place`` and asking ``asks``."""
    blocks: list[str] = re.findall(
        r"^```text\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    (script,) = [block for block in blocks if "request_route" in block]
    assert DOCUMENTED_PLACE in script
    folder.mkdir()
    script = script.replace(DOCUMENTED_PLACE, asks)
    config = folder / "kamailio.cfg"
    config.write_text(AROUND_THE_SCRIPT.format(place=place, ready=READY, script=script))
    return config


@asynccontextmanager
async def proxy(folder: Path, asks: str) -> AsyncIterator[str]:
    """A Kamailio that asks ``asks`` where calls may go; gives its place."""
    place = f"127.0.0.1:{free_port('127.0.0.1')}"
    config = script_file(folder, place, asks)
    own = str(folder)
    options = ("-DD", "-E", "-m", "16", "-M", "4", "-Y", own, "-P", f"{own}/kamailio.pid")
    command = (peer("kamailio"), "-f", str(config), *options)
    async with running_process(*command, folder=folder) as process:
        await process.line(READY)
        yield place


class Silence(asyncio.DatagramProtocol):
    """In the place of a dead carrier: hears everything and answers nothing."""

    def __init__(self) -> None:
        self._first_heard: dict[bytes, float] = {}

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data.startswith(b"INVITE "):
            call = data.partition(b"Call-ID:")[2].partition(b"\r\n")[0]
            self._first_heard.setdefault(call, asyncio.get_running_loop().time())

    def calls_between(self, begin: float, end: float) -> int:
        return sum(begin < moment < end for moment in self._first_heard.values())


@asynccontextmanager
async def silence(dead: Carrier) -> AsyncIterator[Silence]:
    transport, listening = await asyncio.get_running_loop().create_datagram_endpoint(
        Silence, local_addr=("127.0.0.1", dead.port)
    )
    try:
        yield listening
    finally:
        transport.close()


class Changes:
    """The changes of trunks that were recorded, and when."""

    def __init__(self, up: Running) -> None:
        self._up = up
        self._came = asyncio.Event()
        up.node.listen(self._note)

    def _note(self, _changes: Sequence[StateChange]) -> None:
        self._came.set()

    async def until(self, trunk: str, state: TrunkState) -> float:
        """The moment at which that trunk is known to be in that state."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while self._up.node.board.status(trunk).state is not state:
                self._came.clear()
                await self._came.wait()
        return asyncio.get_running_loop().time()


async def test_calls_leave_a_dead_carrier_none_is_lost_and_it_gets_its_share_back(
    tmp_path: Path,
) -> None:
    ours = f"127.0.0.1:{free_port('127.0.0.1')}"
    async with carrier(tmp_path, "a") as one, carrier(tmp_path, "b") as other:
        trunks = {"carrier-a": one.uri, "carrier-b": other.uri}
        file = config_file(tmp_path, trunks, sip=f'["udp:{ours}"]', more=ROUTE)
        async with (
            running(load_config(file, {}), tmp_path) as up,
            proxy(tmp_path / "proxy", ours) as place,
        ):
            changes = Changes(up)
            await changes.until("carrier-a", TrunkState.AVAILABLE)
            await changes.until("carrier-b", TrunkState.AVAILABLE)
            async with callers(tmp_path, place, calls_per_second=CALLS_PER_SECOND) as calling:
                await asyncio.sleep(1.5)  # of calls to both
                await one.kill()
                async with silence(one) as dead:
                    began = asyncio.get_running_loop().time()
                    down = await changes.until("carrier-a", TrunkState.DOWN)
                    await asyncio.sleep(1.5)  # of calls to the other one
                    until = asyncio.get_running_loop().time()
                    before, after = dead.calls_between(began, down), dead.calls_between(down, until)
                await one.start()
                await changes.until("carrier-a", TrunkState.AVAILABLE)
                await asyncio.sleep(RAMP_SECONDS + 3.0)  # on the way back, and with its whole share
                placed, lost = await calling.stop()
            await one.finish()
    shares = [calls for calls in one.calls if calls]
    assert before > 0, "no call met the dead carrier, so nothing was shown"
    assert after == 0
    assert lost == 0
    assert placed > 8 * CALLS_PER_SECOND
    # Half of two to three seconds, times what the ramp gives; at the end half of two seconds.
    assert sum(shares[:3]) < 0.75 * CALLS_PER_SECOND
    assert sum(shares[-3:-1]) > 0.6 * CALLS_PER_SECOND
