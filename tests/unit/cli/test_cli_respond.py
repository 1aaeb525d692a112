from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from pathlib import Path

import pytest

from certificates import Authority
from trunkpulse.sip.message import Response, parse_message
from unit.cli.command_line import command, line_of, process

OPTIONS = (
    b"OPTIONS sip:127.0.0.1 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 127.0.0.1:5060;rport;branch=z9hG4bK1\r\n"
    b"Max-Forwards: 70\r\nFrom: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:127.0.0.1>\r\n"
    b"Call-ID: c1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)
GREETING = "Answering OPTIONS with {} on {}:127.0.0.1:"
UDP = ("--listen", "udp:127.0.0.1:0")
TCP = ("--listen", "tcp:127.0.0.1:0")
TLS = ("--listen", "tls:127.0.0.1:0")


def ask(port: int) -> Response:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(30)
        sock.sendto(OPTIONS, ("127.0.0.1", port))
        answer, source = sock.recvfrom(65535)
    assert source == ("127.0.0.1", port)
    response = parse_message(answer)
    assert isinstance(response, Response)
    return response


async def ask_over_connection(port: int, context: ssl.SSLContext | None = None) -> Response:
    """Ask once on a connection of its own."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=context and "sbc.example.com"
    )
    try:
        writer.write(OPTIONS)
        head = await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()
        await writer.wait_closed()
    response = parse_message(head)
    assert isinstance(response, Response)
    return response


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_answers_until_a_signal_ends_it_with_exit_0(number: signal.Signals) -> None:
    async with process("respond", *UDP, "--code", "404", "--verbose") as child:
        greeting = await line_of(child.stdout)
        assert greeting.startswith(GREETING.format(404, "udp"))
        assert ask(int(greeting.rpartition(":")[2])).code == 404
        line = await line_of(child.stdout)
        assert "  udp:127.0.0.1:" in line
        assert line.endswith("  OPTIONS sip:127.0.0.1 SIP/2.0  answered")
        child.send_signal(number)
        out, err = await child.communicate()
    assert (child.returncode, err) == (0, b"")
    assert out == b"1 message arrived, 1 answered\n"


async def test_it_ends_by_itself_after_count_messages_once_delayed_answers_have_left() -> None:
    async with process("respond", *UDP, "--count", "1", "--delay", "0.05") as child:
        greeting = await line_of(child.stdout)
        assert ask(int(greeting.rpartition(":")[2])).code == 200
        out, err = await child.communicate()
    assert (child.returncode, out, err) == (0, b"1 message arrived, 1 answered\n", b"")


async def test_one_command_answers_over_udp_tcp_and_tls_at_once(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    us = authority.issue("sbc.example.com")
    identity = ("--cert", str(us.cert_file), "--key", str(us.key_file))
    trusting = ssl.create_default_context(cafile=str(authority.ca_file))
    async with process(
        "respond", *UDP, *TCP, *TLS, *identity, "--count", "3", "--verbose"
    ) as child:
        ports: dict[str, int] = {}
        for protocol in ("udp", "tcp", "tls"):
            greeting = await line_of(child.stdout)
            assert greeting.startswith(GREETING.format(200, protocol))
            ports[protocol] = int(greeting.rpartition(":")[2])
        assert ask(ports["udp"]).code == 200
        assert " udp:127.0.0.1:" in await line_of(child.stdout)
        assert (await ask_over_connection(ports["tcp"])).code == 200
        assert " tcp:127.0.0.1:" in await line_of(child.stdout)
        assert (await ask_over_connection(ports["tls"], trusting)).code == 200
        assert " tls:127.0.0.1:" in await line_of(child.stdout)
        out, err = await child.communicate()
    assert (child.returncode, out, err) == (0, b"3 messages arrived, 3 answered\n", b"")


async def test_a_tls_handshake_that_fails_is_told_and_counted(tmp_path: Path) -> None:
    us = Authority(tmp_path).issue("sbc.example.com")
    identity = ("--cert", str(us.cert_file), "--key", str(us.key_file))
    async with process("respond", *TLS, *identity, "--verbose") as child:
        port = int((await line_of(child.stdout)).rpartition(":")[2])
        distrustful = ssl.create_default_context()
        with pytest.raises(ssl.SSLCertVerificationError):
            await ask_over_connection(port, distrustful)
        distrust = await line_of(child.stdout)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(OPTIONS)  # in the clear
        in_the_clear = await line_of(child.stdout)
        writer.close()
        child.send_signal(signal.SIGINT)
        out, _ = await child.communicate()
    assert "  tls:127.0.0.1:" in distrust
    # asyncio's clients hang up without the alert that says why.
    assert distrust.endswith("  the TLS handshake failed (it ended early)")
    assert "  the TLS handshake failed (" in in_the_clear
    assert out == b"0 messages arrived, 2 TLS handshakes failed\n"


async def test_an_echo_carries_the_request_and_a_refusal_when_to_come_back() -> None:
    async with process("respond", *UDP, "--echo") as child:
        greeting = await line_of(child.stdout)
        response = ask(int(greeting.rpartition(":")[2]))
    assert (response.headers.first("Content-Type"), response.body) == ("message/sip", OPTIONS)
    async with process("respond", *UDP, "--code", "503", "--retry-after", "30") as child:
        greeting = await line_of(child.stdout)
        response = ask(int(greeting.rpartition(":")[2]))
    assert (response.code, response.headers.first("Retry-After")) == (503, "30")


async def test_who_asks_faster_than_the_rate_is_left_unanswered() -> None:
    async with process("respond", *UDP, "--rate", "1", "--count", "3", "--verbose") as child:
        greeting = await line_of(child.stdout)
        port = int(greeting.rpartition(":")[2])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for _ in range(3):
                sock.sendto(OPTIONS, ("127.0.0.1", port))
            ends = [(await line_of(child.stdout)).rpartition("  ")[2] for _ in range(3)]
        await child.communicate()
    assert ends[0] == "answered"
    assert "rate limited" in ends[1:]


@pytest.mark.parametrize(
    ("protocol", "kind"), [("udp", socket.SOCK_DGRAM), ("tcp", socket.SOCK_STREAM)]
)
async def test_a_busy_port_is_one_sentence(protocol: str, kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        place = f"{protocol}:127.0.0.1:{taken.getsockname()[1]}"
        outcome = await command("respond", *UDP, "--listen", place)
    assert outcome.code == 2
    assert f"cannot listen on {place}: another program uses it;" in outcome.complaint


async def test_a_certificate_that_is_not_there_is_one_sentence_that_names_it(
    tmp_path: Path,
) -> None:
    outcome = await command("respond", *TLS, "--cert", str(tmp_path / "none.pem"))
    assert outcome.code == 2
    assert "none.pem" in outcome.complaint


async def test_a_certificate_without_its_key_is_told_apart_from_what_is_no_certificate(
    tmp_path: Path,
) -> None:
    us = Authority(tmp_path).issue("sbc.example.com")
    (tmp_path / "no.pem").write_text("no certificate\n")
    alone = await command("respond", *TLS, "--cert", str(us.cert_file))
    assert alone.code == 2
    assert alone.complaint == (
        f"The private key of the certificate {us.cert_file} is missing; add its file with --key,"
        " --key-file or, in a configuration, key_file."
    )
    neither = await command("respond", *TLS, "--cert", str(tmp_path / "no.pem"))
    assert neither.code == 2
    assert "no.pem cannot be used (not pem); check the file." in neither.complaint


async def test_a_certificate_and_its_key_may_share_a_file(tmp_path: Path) -> None:
    us = Authority(tmp_path).issue("sbc.example.com")
    both = tmp_path / "both.pem"
    both.write_bytes(us.key_file.read_bytes() + us.cert_file.read_bytes())
    async with process("respond", *TLS, "--cert", str(both)) as child:
        assert (await line_of(child.stdout)).startswith(GREETING.format(200, "tls"))


async def test_any_free_port_may_be_asked_for_twice() -> None:
    async with process("respond", *UDP, *UDP) as child:
        greetings = [await line_of(child.stdout) for _ in range(2)]
    assert len({greeting.rpartition(":")[2] for greeting in greetings}) == 2


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["--listen", "127.0.0.1:5060"], '"udp:"'),
        (["--listen", "sctp:127.0.0.1:5060"], '"udp:", "tcp:" or "tls:"'),
        ([*UDP, "--listen", "udp:localhost:5060"], "udp:localhost:5060"),
        ([*UDP, "--code", "100"], '--code must be a whole number from 200 to 699, not "100".'),
        ([*UDP, "--code", "2OO"], '--code must be a whole number from 200 to 699, not "2OO".'),
        ([*UDP, "--loss", "1.5"], '--loss must be a share from 0 to 1, not "1.5".'),
        ([*UDP, "--loss", "nan"], '--loss must be a share from 0 to 1, not "nan".'),
        ([*UDP, "--loss", "x"], '--loss must be a share from 0 to 1, not "x".'),
        ([*UDP, "--delay", "nan"], '--delay must be from 0 to 3600 seconds, not "nan".'),
        ([*UDP, "--rate", "0"], '--rate must be a whole number from 1 to 1000000, not "0".'),
        ([*UDP, "--count", "0"], '--count must be a whole number from 1 to 1000000, not "0".'),
        ([*UDP, "--code", "404", "--echo"], "--echo goes with --code 200 to 299 only, not with"),
        (
            ["--listen", "tcp:127.0.0.1:5069", *UDP, "--listen", "TCP:127.0.0.1:5069"],
            "--listen tcp:127.0.0.1:5069 is listed twice; take one out.",
        ),
        ([*UDP, "--retry-after", "5"], "--retry-after goes with --code"),
        (
            [*UDP, "--retry-after", "-1", "--code", "503"],
            '--retry-after must be a whole number from 0 to 86400, not "-1".',
        ),
        ([*TCP, *TLS], "needs a certificate; name its PEM file with --cert"),
        ([*UDP, "--cert", "a.pem"], "with --listen tls: only"),
        ([*TCP, "--ca", "a.pem"], "with --listen tls: only"),
        ([], "--listen"),
    ],
)
async def test_a_responder_that_cannot_be_is_one_sentence_and_exit_2(
    arguments: list[str], fragment: str
) -> None:
    outcome = await command("respond", *arguments)
    assert outcome.code == 2
    assert fragment in outcome.complaint
