from __future__ import annotations

import signal
import socket

import pytest

from trunkpulse.sip.message import Response, parse_message
from unit.cli.command_line import command, line_of, process

OPTIONS = (
    b"OPTIONS sip:127.0.0.1 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 127.0.0.1:5060;rport;branch=z9hG4bK1\r\n"
    b"Max-Forwards: 70\r\nFrom: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:127.0.0.1>\r\n"
    b"Call-ID: c1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)
GREETING = "Answering OPTIONS with {} on udp:127.0.0.1:"


def ask(port: int) -> Response:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(30)
        sock.sendto(OPTIONS, ("127.0.0.1", port))
        answer, source = sock.recvfrom(65535)
    assert source == ("127.0.0.1", port)
    response = parse_message(answer)
    assert isinstance(response, Response)
    return response


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_answers_until_a_signal_ends_it_with_exit_0(number: signal.Signals) -> None:
    async with process(
        "respond", "--listen", "udp:127.0.0.1:0", "--code", "404", "--verbose"
    ) as child:
        greeting = await line_of(child.stdout)
        assert greeting.startswith(GREETING.format(404))
        assert ask(int(greeting.rpartition(":")[2])).code == 404
        assert (await line_of(child.stdout)).endswith("OPTIONS sip:127.0.0.1 SIP/2.0  answered")
        child.send_signal(number)
        out, err = await child.communicate()
    assert (child.returncode, err) == (0, b"")
    assert out == b"1 datagram arrived, 1 answered\n"


async def test_it_ends_by_itself_after_count_datagrams_once_delayed_answers_have_left() -> None:
    async with process(
        "respond", "--listen", "udp:127.0.0.1:0", "--count", "1", "--delay", "0.05"
    ) as child:
        greeting = await line_of(child.stdout)
        assert ask(int(greeting.rpartition(":")[2])).code == 200
        out, err = await child.communicate()
    assert (child.returncode, out, err) == (0, b"1 datagram arrived, 1 answered\n", b"")


async def test_a_busy_port_is_one_sentence() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        outcome = await command("respond", "--listen", f"udp:127.0.0.1:{taken.getsockname()[1]}")
    assert outcome.code == 2
    assert "another program uses it" in outcome.complaint


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["--listen", "127.0.0.1:5060"], '"udp:"'),
        (["--listen", "tcp:127.0.0.1:5060"], "UDP only"),
        (["--listen", "udp:127.0.0.1:0", "--code", "100"], "--code"),
        (["--listen", "udp:127.0.0.1:0", "--loss", "1.5"], "--loss"),
        (["--listen", "udp:127.0.0.1:0", "--delay", "nan"], "--delay"),
        ([], "--listen"),
    ],
)
async def test_a_responder_that_cannot_be_is_one_sentence_and_exit_2(
    arguments: list[str], fragment: str
) -> None:
    outcome = await command("respond", *arguments)
    assert outcome.code == 2
    assert fragment in outcome.complaint
