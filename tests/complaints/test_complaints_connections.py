"""Complaints about connections, over real ones."""

from __future__ import annotations

import ssl
from contextlib import AsyncExitStack
from pathlib import Path

from certificates import Authority
from complaints.loopback import carrier, closed_port, service
from trunkpulse.model import FailureKind, Reason, TrunkState


def over_tls(port: int, ca_file: Path) -> str:
    return (
        f'[[trunks]]\nid = "a"\ntargets = ["sip:127.0.0.1:{port};transport=tls"]\n'
        f'[trunks.advanced]\ntls = {{ ca_file = "{ca_file}" }}\n'
    )


def tls_of(authority: Authority) -> ssl.SSLContext:
    issued = authority.issue("127.0.0.1")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(issued.cert_file, issued.key_file)
    return tls


async def test_a_tls_connection_closed_between_probes_is_no_outage(tmp_path: Path) -> None:
    """Asterisk 835: the peer closed its idle connection, and the trunk was unreachable."""
    authority = Authority(tmp_path / "ca")
    async with (
        carrier(tls_of(authority)) as far,
        service(tmp_path, over_tls(far.port, authority.ca_file)) as watched,
    ):
        await watched.until("a", TrunkState.AVAILABLE)
        await far.until(lambda: far.answers >= 3)
        assert far.connections == 1  # it is used again while it lasts
        far.closes_after_answering = True
        before = far.answers
        await far.until(lambda: far.answers >= before + 9)
        assert far.connections >= 9
        assert [change.state for change in await watched.changes()] == [TrunkState.AVAILABLE]
        assert watched.up.node.roster.prober.counts.network_errors == 0


async def test_a_tls_connection_that_closes_as_it_is_used_again_is_no_outage(
    tmp_path: Path,
) -> None:
    """Asterisk 835: the probe that met the closing connection was lost, and counted."""
    authority = Authority(tmp_path / "ca")
    async with AsyncExitStack() as stack:
        far = await stack.enter_async_context(carrier(tls_of(authority)))
        far.closes_when_asked_again = True  # before anybody asks
        trunk = over_tls(far.port, authority.ca_file)
        watched = await stack.enter_async_context(service(tmp_path, trunk))
        await watched.until("a", TrunkState.AVAILABLE)
        await far.until(lambda: far.answers >= 10)
        assert far.connections >= 10
        assert [change.state for change in await watched.changes()] == [TrunkState.AVAILABLE]
        assert watched.up.node.roster.prober.counts.network_errors == 0


async def test_a_refused_tcp_connection_takes_the_trunk_down(tmp_path: Path) -> None:
    """OpenSIPS 3257: a gateway whose port refused connections stayed active."""
    port = closed_port()
    trunk = f'[[trunks]]\nid = "a"\ntargets = ["sip:127.0.0.1:{port};transport=tcp"]\n'
    async with service(tmp_path, trunk) as watched:
        await watched.until("a", TrunkState.DOWN)
        (down,) = await watched.changes()
        assert down.reason is Reason.NETWORK_ERROR
        assert [evidence.failure for evidence in down.evidence] == [FailureKind.REFUSED]
        assert down.failed_attempts == 2
