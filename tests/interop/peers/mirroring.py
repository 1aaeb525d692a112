"""A Kamailio in the middle that mirrors its calls by HEP, and one behind it that takes them all."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from interop.peers.ports import free_port
from interop.peers.processes import Outcome, PeerProcess, run_to_end, running_process
from interop.peers.sipp import SCENARIOS
from interop.peers.software import peer

READY = "kamailio-ready"
ANSWERED = "options-answered"
PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "live-calls.md"

HEAD = """\
#!KAMAILIO
debug=1
log_stderror=yes
children=1
disable_tcp=yes
auto_aliases=no
dns=off
rev_dns=off
listen=udp:{place}
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "textops.so"
loadmodule "rr.so"
loadmodule "siputils.so"
event_route[core:worker-one-init] {{
  xlog("L_ALERT", "kamailio-ready\\n");
}}
"""

TAKES_CALLS = """\
request_route {{
  if (method == "OPTIONS") {{
    sl_send_reply("200", "OK");
    xlog("L_ALERT", "options-answered\\n");
    exit;
  }}
  if (method == "ACK") {{ exit; }}
  if (method == "INVITE") {{
    if ($rU == "busy") {{ sl_send_reply("503", "Service Unavailable"); exit; }}
    append_to_reply("Contact: <sip:b@{place}>\\r\\n");
  }}
  sl_send_reply("200", "OK");
}}
"""

PASSES_ON = """\
{documented}
request_route {{
  if (has_totag()) {{
    loose_route();
  }} else {{
    record_route();
    $du = "sip:{far}";
  }}
  forward();
}}
"""


@dataclass(frozen=True)
class CallPath:
    """A proxy, and the far side behind it."""

    proxy: str
    far: str
    far_side: PeerProcess

    @property
    def uri(self) -> str:
        """Of the far side, for a trunk."""
        return f"sip:{self.far}"

    @property
    def answered(self) -> int:
        """OPTIONS that the far side has answered."""
        return sum(ANSWERED in line for line in self.far_side.lines.entries)

    async def answers(self, number: int) -> None:
        """Returns when it has answered so many."""
        await self.far_side.lines.until(lambda _: True if self.answered >= number else None)


def documented(collector: str) -> str:
    """What the documentation has one write in Kamailio, with this place to mirror to."""
    section = PAGE.read_text(encoding="utf-8").partition("## Kamailio\n")[2].partition("\n## ")[0]
    [lines] = re.findall(r"^```text\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    text, changed = re.subn(r"127\.0\.0\.1:9060", collector, lines)
    assert changed, lines
    return str(text)


@asynccontextmanager
async def mirroring(folder: Path, collector: str) -> AsyncIterator[CallPath]:
    """Calls to the proxy go on to the far side, and are mirrored to ``collector`` (HOST:PORT)."""
    proxy, far = (f"127.0.0.1:{free_port('127.0.0.1')}" for _ in range(2))
    passes_on = PASSES_ON.format(documented=documented(collector), far=far)
    takes = TAKES_CALLS.format(place=far)
    async with (
        _kamailio(folder / "far", HEAD.format(place=far) + takes) as far_side,
        _kamailio(folder / "proxy", HEAD.format(place=proxy) + passes_on),
    ):
        yield CallPath(proxy, far, far_side)


@asynccontextmanager
async def _kamailio(folder: Path, script: str) -> AsyncIterator[PeerProcess]:
    config = _written(folder, script)
    own = str(folder)
    options = ("-DD", "-E", "-m", "64", "-M", "8", "-Y", own, "-P", f"{own}/kamailio.pid")
    command = (peer("kamailio"), "-f", str(config), *options)
    async with running_process(*command, folder=folder) as process:
        await process.line(READY)
        yield process


def _written(folder: Path, script: str) -> Path:
    folder.mkdir(parents=True)
    config = folder / "kamailio.cfg"
    config.write_text(script)
    return config


async def place_calls(
    place: str, folder: Path, *, calls: int, a_second: int, milliseconds: int
) -> Outcome:
    """SIPp places so many calls at this rate, each of which lasts so long."""
    port = str(free_port("127.0.0.1"))
    return await run_to_end(
        peer("sipp"), "-sf", str(SCENARIOS / "places_calls.xml"), "-i", "127.0.0.1", "-p", port,
        "-m", str(calls), "-r", str(a_second), "-d", str(milliseconds), "-l", "5000",
        "-timeout", "60", "-timeout_error", "-nostdin", place,
        folder=folder,
    )  # fmt: skip
