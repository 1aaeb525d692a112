"""Kamailio as the far side of a trunk: it answers every OPTIONS its way and says when it did."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from certificates import Issued
from interop.peers.ports import free_port
from interop.peers.processes import PeerProcess, run_to_end
from interop.peers.software import lacking, peer
from trunkpulse.model import TransportProtocol
from trunkpulse.sip.grammar import host_and_port

READY = "far-side-ready"
ANSWERED = "far-side-answered"

REALM = "carrier.example"
USERNAME = "alice"
PASSWORD = "open sesame"

# --- what it answers: the middle of its script --------------------------------------------------

OK = 'sl_send_reply("200", "OK");'
NOT_FOUND = 'sl_send_reply("404", "Not Found");'
REDIRECT = """\
append_to_reply("Contact: <sip:elsewhere@127.0.0.1:9>\\r\\n");
  sl_send_reply("302", "Moved Temporarily");"""
# Flag 1 of the challenge offers qop=auth. Without credentials, or with wrong ones, it is sent anew.
CHALLENGE = f"""\
if (!pv_www_authenticate("{REALM}", "{PASSWORD}", "0") || $au != "{USERNAME}") {{
    www_challenge("{REALM}", "1");
    exit;
  }}
  {OK}"""
PROXY_CHALLENGE = CHALLENGE.replace("www_", "proxy_")

# Modules are named without a path: Kamailio knows where its package has put them. One worker
# answers in the order of arrival. The moment is taken before the answer is sent and told after,
# so that what it tells has really left and cannot have arrived earlier.
CONFIG = """\
#!KAMAILIO
debug=1
log_stderror=yes
children=1
auto_aliases=no
dns=off
rev_dns=off
listen={protocol}:{place}
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "textops.so"
loadmodule "auth.so"
modparam("auth", "algorithm", "{digest}")
{transport}
event_route[core:worker-one-init] {{
  xlog("L_ALERT", "{ready}\\n");
}}
request_route {{
  if (method != "OPTIONS") {{ exit; }}
  $var(at) = $TV(Sn);
  {answer}
  xlog("L_ALERT", "{answered} $var(at)\\n");
}}
"""

STREAMS_ARE_OFF = "disable_tcp=yes"
TCP = "tcp_children=1"
TLS = """\
tcp_children=1
enable_tls=yes
loadmodule "tls.so"
modparam("tls", "config", "{folder}/tls.cfg")"""

TLS_CONFIG = """\
[server:default]
method = TLSv1.2+
private_key = {key_file}
certificate = {cert_file}
verify_certificate = {verify}
require_certificate = {verify}
ca_list = {ca_file}
"""


@dataclass(frozen=True, kw_only=True)
class ServerIdentity:
    """What it shows over TLS, and what it wants to be shown."""

    own: Issued
    ca_file: Path
    clients_need_certificates: bool = False
    """True: a client without a certificate of this authority is turned away (mutual TLS)."""

    def configuration(self) -> str:
        return TLS_CONFIG.format(
            key_file=self.own.key_file,
            cert_file=self.own.cert_file,
            ca_file=self.ca_file,
            verify="yes" if self.clients_need_certificates else "no",
        )


class Kamailio:
    """One Kamailio that may be started, killed and started again on the same address."""

    def __init__(
        self,
        folder: Path,
        host: str = "127.0.0.1",
        *,
        protocol: TransportProtocol = TransportProtocol.UDP,
        answer: str = OK,
        digest: str = "MD5",
        identity: ServerIdentity | None = None,
    ) -> None:
        self._program = peer("kamailio")
        self._folder = folder
        self._protocol = protocol
        self._answer = answer
        self._digest = digest
        self._identity = identity
        folder.mkdir(parents=True, exist_ok=True)
        self.place = host_and_port(host, free_port(host))
        udp = protocol is TransportProtocol.UDP
        self.uri = f"sip:{self.place}" if udp else f"sip:{self.place};transport={protocol}"
        self._process: PeerProcess | None = None

    async def start(self) -> None:
        """Returns when it listens and has a worker that answers."""
        config = self._folder / "kamailio.cfg"
        config.write_text(
            CONFIG.format(
                protocol=self._protocol,
                place=self.place,
                transport=self._transport(),
                digest=self._digest,
                answer=self._answer,
                ready=READY,
                answered=ANSWERED,
            )
        )
        if self._protocol is TransportProtocol.TLS:
            await self._check_for_tls(config)
        own = str(self._folder)
        options = ("-DD", "-E", "-m", "16", "-M", "4", "-Y", own, "-P", f"{own}/kamailio.pid")
        self._process = await PeerProcess.start(
            self._program, "-f", str(config), *options, folder=self._folder
        )
        await self._process.line(READY)

    async def _check_for_tls(self, config: Path) -> None:
        """Its package for TLS is one of its own; the test does not go on without it."""
        check = (self._program, "-c", "-f", str(config))
        outcome = await run_to_end(*check, folder=self._folder)
        if outcome.code != 0 and "could not find module <tls>" in outcome.output:
            lacking("Kamailio has no TLS here (Debian package kamailio-tls-modules)")

    def _transport(self) -> str:
        if self._protocol is TransportProtocol.UDP:
            return STREAMS_ARE_OFF
        if self._protocol is TransportProtocol.TCP:
            return TCP
        assert self._identity is not None, "a server over TLS has a certificate"
        (self._folder / "tls.cfg").write_text(self._identity.configuration())
        return TLS.format(folder=self._folder)

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
async def running_kamailio(
    folder: Path,
    host: str = "127.0.0.1",
    *,
    protocol: TransportProtocol = TransportProtocol.UDP,
    answer: str = OK,
    digest: str = "MD5",
    identity: ServerIdentity | None = None,
) -> AsyncIterator[Kamailio]:
    """A Kamailio that answers; whatever became of it, it is gone at the end of the block."""
    far_side = Kamailio(
        folder, host, protocol=protocol, answer=answer, digest=digest, identity=identity
    )
    try:
        await far_side.start()
        yield far_side
    finally:
        await far_side.kill()
