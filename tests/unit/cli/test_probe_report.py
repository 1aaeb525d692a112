"""What is told of several servers: while they are probed, and at the end."""

from __future__ import annotations

import asyncio
import io
import os
import pty
from collections.abc import Sequence
from contextlib import closing, redirect_stdout
from dataclasses import replace

import pytest
from rich.console import Console

from trunkpulse.cli.probe_document import probe_document
from trunkpulse.cli.probe_facts import FarSide, ProbedAttempt, ProbedServer
from trunkpulse.cli.probe_report import Progress, print_summary, print_unfinished, servers_table
from trunkpulse.model import TransportProtocol
from trunkpulse.ports import Certificate, Server
from trunkpulse.sip.echo import HeaderDifference
from unit.cli.command_line import PROGRAM
from unit.cli.far_side import UdpPeer
from unit.cli.probed import LOCAL, SILENCE, answered, plan

NOW_MS = 1_800_000_000_000
DAY_MS = 86_400_000


def server(
    number: int, attempts: Sequence[ProbedAttempt], protocol: TransportProtocol
) -> ProbedServer:
    return ProbedServer(
        server=Server(protocol, (f"192.0.2.{number}", 5060), priority=10, weight=60),
        local=LOCAL,
        attempts=list(attempts),
    )


def one_alive_of_two() -> list[ProbedServer]:
    return [
        server(1, [answered(), answered(404, rtt=0.3)], TransportProtocol.UDP),
        server(2, [SILENCE, SILENCE], TransportProtocol.TCP),
    ]


def told(servers: Sequence[ProbedServer], left_out: Sequence[Server] = ()) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        progress = Progress(plan(), live=True)
        progress.started(servers)
        for each in servers:
            for attempt in each.attempts:
                progress.attempted(each, attempt)
        progress.ended()
        print_summary(plan(), servers, left_out, NOW_MS)
    return out.getvalue()


def test_into_a_pipe_there_is_a_plain_row_for_each_attempt_of_each_server() -> None:
    text = told(one_alive_of_two())
    assert "Probing sip:sbc.example.com at 2 servers: 5 attempts at each," in text
    assert "  udp:192.0.2.1:5060 from 10.0.0.5:40000 (priority 10, weight 60)\n" in text
    rows = [line.split() for line in text.splitlines() if line.startswith(("udp:", "tcp:"))]
    assert [row[:3] for row in rows if len(row) > 3] == [
        ["udp:192.0.2.1:5060", "1", "200"],
        ["udp:192.0.2.1:5060", "1", "404"],
        ["tcp:192.0.2.2:5060", "1", "-"],
        ["tcp:192.0.2.2:5060", "1", "-"],
    ]
    assert "\x1b" not in text


def test_each_server_has_its_verdict_and_all_of_them_have_one() -> None:
    text = told(one_alive_of_two())
    first, second = text.split("\nudp:192.0.2.1:5060\n")[1].split("\ntcp:192.0.2.2:5060\n")
    assert "Unreliable: some attempts" in first
    assert "2 sent, 0 answered, 100 % lost\n" in second
    assert "Not healthy: nothing ever came back." in second
    assert "\nNot healthy: 0 of 2 servers are.\n" in text
    healthy = [server(n, [answered()], TransportProtocol.UDP) for n in (1, 2)]
    assert "\nHealthy: so are all 2 servers.\n" in told(healthy)


def test_settings_are_recommended_for_those_that_are_alive() -> None:
    assert 'healthy_responses = ["2xx", "404"]' in told(one_alive_of_two())


def test_servers_that_the_source_cannot_reach_are_named() -> None:
    other = Server(TransportProtocol.TLS, ("2001:db8::1", 5061, 0, 0))
    text = told([server(1, [answered()], TransportProtocol.UDP)], [other])
    assert (
        "Left out, being of another address family than the source: tls:[2001:db8::1]:5061." in text
    )


def test_servers_of_which_nothing_is_known_at_an_interruption_are_named() -> None:
    out = io.StringIO()
    with redirect_stdout(out):
        print_unfinished([server(1, [answered()], TransportProtocol.UDP)])
        print_unfinished([*one_alive_of_two(), server(3, [], TransportProtocol.TCP)])
    assert out.getvalue() == "\nInterrupted; no attempt had ended yet at tcp:192.0.2.3:5060.\n"


def test_connections_are_told_in_plain_words() -> None:
    opened = replace(answered(), connect_seconds=0.001)
    for attempts, sentence in (
        ([SILENCE], "No connection was opened."),
        ([opened], "1 connection opened, used once."),
        ([opened, answered()], "1 connection opened, 1 probe over an open one."),
        ([opened, opened], "2 connections opened, none used twice."),
    ):
        assert f"\n{sentence}\n" in told([server(1, attempts, TransportProtocol.TCP)])


def test_what_was_changed_on_the_way_is_shown_header_by_header() -> None:
    probed = server(1, [answered()], TransportProtocol.UDP)
    probed.echo = (
        HeaderDifference("Contact", "<sip:10.0.0.5>", "<sip:198.51.100.7>"),
        HeaderDifference("Max-Forwards", "70", "69", ordinary=True),
        HeaderDifference("Authorization", 'Digest response="00ff"', None),
    )
    text = told([probed])
    rows = [line.split() for line in text.splitlines()]
    assert ["Contact", "<sip:10.0.0.5>", "<sip:198.51.100.7>", "a", "middlebox"] in rows
    assert ["Max-Forwards", "70", "69", "any", "proxy"] in rows
    assert "00ff" not in text
    probed.echo = ()
    assert "nothing of it was changed on the way there" in told([probed])


def test_facts_of_the_far_side_and_its_certificate_are_told() -> None:
    probed = server(1, [answered()], TransportProtocol.TLS)
    probed.far_side = FarSide(software="sbc/1", allow=("OPTIONS", "INVITE"), supported=("timer",))
    probed.certificate = Certificate(
        subject="CN=x",
        issuer="CN=ca",
        names=("*.example.com",),
        not_before_ms=0,
        not_after_ms=NOW_MS + 29 * DAY_MS,
        protocol="TLSv1.2",
        cipher="ECDHE",
    )
    text = told([probed])
    for line in (
        "The far side calls itself sbc/1.",
        "Allow: OPTIONS, INVITE",
        "Supported: timer",
        "TLSv1.2, ECDHE.",
        "Certificate of CN=x for *.example.com, issued by CN=ca, 29 days left, verified.",
    ):
        assert f"{line}\n" in text
    assert "in 29 days; after that the trunk is down" in text
    assert "RFC 5922 7.2 does not let stand for sbc.example.com" in text
    probed.certificate = replace(probed.certificate, not_after_ms=NOW_MS + 31 * DAY_MS)
    assert "after that the trunk is down" not in told([probed])


def test_a_document_of_several_servers_has_each_of_them_and_what_they_share() -> None:
    document = probe_document(plan(), one_alive_of_two(), NOW_MS)
    assert set(document) == {
        "target", "healthy", "verdict", "diagnosis", "recommendedKeepalive", "recommendedTrunk",
        "servers",
    }  # fmt: skip
    assert (document["healthy"], document["verdict"]) == (False, "unreliable")
    servers = document["servers"]
    assert isinstance(servers, list)
    assert [each["protocol"] for each in servers] == ["udp", "tcp"]
    assert [each["verdict"] for each in servers] == ["unreliable", "silent"]
    assert [each["recommendedKeepalive"] is None for each in servers] == [False, True]


@pytest.mark.parametrize("attempts", [[], [answered()], [SILENCE]])
def test_the_table_of_servers_holds_whatever_has_been_seen(
    attempts: Sequence[ProbedAttempt],
) -> None:
    console = Console(file=io.StringIO(), width=120)
    console.print(servers_table([server(1, attempts, TransportProtocol.UDP)]))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "udp:192.0.2.1:5060" in text
    assert f"{len(attempts)}" in text


async def test_on_a_terminal_a_table_of_servers_is_kept_up_to_date() -> None:
    with closing(UdpPeer()) as peer:
        terminal, inner = pty.openpty()
        child: asyncio.subprocess.Process | None = None
        try:
            child = await asyncio.create_subprocess_exec(
                *PROGRAM, "probe", peer.uri, "-c", "2", "-i", "0.05",
                stdin=asyncio.subprocess.DEVNULL, stdout=inner, stderr=inner,
                env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
            )  # fmt: skip
            reading = asyncio.create_task(asyncio.to_thread(_read_all, terminal))
            async with asyncio.timeout(60):
                await child.wait()
                os.close(inner)
                inner = -1
                screen = await reading
        finally:
            if child is not None and child.returncode is None:
                child.kill()
            if inner >= 0:
                os.close(inner)
            os.close(terminal)
    assert child.returncode == 0
    assert f"udp:127.0.0.1:{peer.address[1]}" in screen
    assert "jitter" in screen
    assert "\x1b[2K" in screen  # lines of the table were drawn anew
    assert screen.count("healthy") >= 2


def _read_all(descriptor: int) -> str:
    data = b""
    while True:
        try:
            more = os.read(descriptor, 65536)
        except OSError:  # the other side has been closed
            break
        if not more:
            break
        data += more
    return data.decode()
