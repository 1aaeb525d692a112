"""``StreamListener`` on real connections over loopback: bounded in every way."""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from certificates import Authority
from contracts.far_side import Caller, Ear, answer_to, request
from contracts.our_side import Run, run
from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.network import connection, listener
from trunkpulse.adapters.network.errors import BindFailed
from trunkpulse.adapters.network.listener import StreamListener
from trunkpulse.config.settings import ServerTls
from trunkpulse.model import FailureKind, TransportProtocol
from trunkpulse.ports import Address

__all__ = ["run"]


@dataclass
class Answering(Ear):
    """Answers each request from within, as a responder does."""

    transport: StreamListener | None = None

    def message_received(self, data: bytes, source: Address, now: float) -> None:
        super().message_received(data, source, now)
        if self.transport is not None and data.startswith(b"OPTIONS"):
            self.transport.send(answer_to(data), source)


@dataclass
class Ours:
    ear: Answering
    transport: StreamListener
    callers: list[Caller] = field(default_factory=list)

    async def call(self, context: ssl.SSLContext | None = None) -> Caller:
        host, port = self.transport.local_address[:2]
        name = None if context is None else "localhost"
        streams = await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
        caller = Caller(*streams)
        self.callers.append(caller)
        return caller


@asynccontextmanager
async def listening(
    *, host: str = "127.0.0.1", tls: ServerTls | None = None, **limits: float
) -> AsyncIterator[Ours]:
    ear = Answering()
    ear.transport = await StreamListener.listen(
        TransportProtocol.TCP if tls is None else TransportProtocol.TLS,
        (host, 0),
        ear,
        SystemClock(),
        tls=tls,
        **limits,  # type: ignore[arg-type] # connections_limit and per_host_limit are whole
    )
    our = Ours(ear, ear.transport)
    try:
        yield our
    finally:
        our.transport.close()
        our.transport.close()
        for caller in our.callers:
            caller.reset()
            with contextlib.suppress(OSError):
                await caller.writer.wait_closed()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_answer_goes_back_on_the_connection_that_asked(run: Run, host: str) -> None:
    async def story() -> None:
        async with listening(host=host) as our:
            one, other = await our.call(), await our.call()
            for number, caller in enumerate((one, other, one), start=1):
                caller.say(request(number))
                assert await caller.message() == answer_to(request(number))
            assert our.transport.connections == 2

    run(story)


def test_an_answer_does_not_wait_for_what_went_before_it_to_be_acknowledged(run: Run) -> None:
    async def story() -> None:
        async with listening() as our:
            caller = await our.call()
            caller.say(request())
            await caller.message()
            assert our.transport._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            (connection,) = our.transport._connections.values()
            assert connection._transport is not None
            sock = connection._transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    run(story)


def test_a_ping_is_answered(run: Run) -> None:
    async def story() -> None:
        async with listening() as our:
            caller = await our.call()
            caller.say(b"\r\n\r\n")
            assert await caller.reader.readexactly(2) == b"\r\n"

    run(story)


def test_what_is_no_sip_is_hung_up_on(run: Run) -> None:
    async def story() -> None:
        async with listening() as our:
            caller = await our.call()
            caller.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert await gone(caller)
            assert our.ear.messages == []

    run(story)


def test_one_connection_too_many_is_hung_up_on(run: Run) -> None:
    async def story() -> None:
        async with listening(connections_limit=2) as our:
            _, second, third = [await our.call() for _ in range(3)]
            assert await gone(third)
            assert (our.transport.refused, our.transport.connections) == (1, 2)
            second.say(request())
            assert await second.message() == answer_to(request())

    run(story)


def test_one_host_does_not_take_every_place(run: Run) -> None:
    async def story() -> None:
        async with listening(per_host_limit=1) as our:
            first, second = await our.call(), await our.call()
            assert await gone(second)
            first.say(request())
            assert await first.message() == answer_to(request())

    run(story)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "ROUND_SECONDS", 0.01)


@pytest.mark.usefixtures("impatient")
def test_who_says_nothing_is_hung_up_on(run: Run) -> None:
    async def story() -> None:
        async with listening(idle_seconds=0.05) as our:
            caller = await our.call()
            assert await gone(caller)
            assert our.transport.timed_out == 1

    run(story)


@pytest.mark.usefixtures("impatient")
def test_who_never_gets_a_message_to_its_end_is_hung_up_on(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "WHOLE_MESSAGE_SECONDS", 0.1)

    async def story() -> None:
        async with listening() as our:
            caller = await our.call()
            asked = asyncio.ensure_future(caller.reader.read())
            for byte in request() * 100:  # it would go on for much longer than it is let
                caller.say(bytes([byte]))
                if asked.done() or our.transport.timed_out:
                    break
                await asyncio.wait([asked], timeout=0.005)
            with contextlib.suppress(OSError):
                await asked
            assert our.transport.timed_out == 1

    run(story)


def test_an_answer_to_who_has_gone_is_a_failure_to_send(run: Run) -> None:
    async def story() -> None:
        async with listening() as our:
            our.ear.within = True
            our.transport.send(b"too late", ("127.0.0.1", 9))
            our.ear.within = False
            assert await our.ear.failure() == (
                FailureKind.UNREACHABLE,
                "its connection is gone",
            )

    run(story)


def test_over_tls_only_those_with_a_certificate_get_in_if_one_is_asked_for(
    run: Run, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    own, theirs = authority.issue("localhost"), authority.issue("carrier.example")
    tls = ServerTls(
        cert_file=str(own.cert_file), key_file=str(own.key_file), ca_file=str(authority.ca_file)
    )
    stranger = ssl.create_default_context(cafile=str(authority.ca_file))
    known = ssl.create_default_context(cafile=str(authority.ca_file))
    known.load_cert_chain(theirs.cert_file, theirs.key_file)
    weak = ssl.create_default_context(cafile=str(authority.ca_file))
    weak.load_cert_chain(theirs.cert_file, theirs.key_file)
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("AES128-GCM-SHA256:ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384")

    async def story() -> None:
        async with listening(tls=tls) as our:
            caller = await our.call(known)
            caller.say(request())
            assert await caller.message() == answer_to(request())
            with contextlib.suppress(OSError):
                uninvited = await our.call(stranger)
                uninvited.say(request(2))
                assert await gone(uninvited)
            with pytest.raises(ConnectionError):
                await our.call(weak)
            assert len(our.ear.messages) == 1

    run(story)


def test_an_address_that_is_taken_is_refused(run: Run) -> None:
    async def story() -> None:
        async with listening() as our:
            place = our.transport.local_address[:2]
            with pytest.raises(BindFailed, match="another program uses it"):
                await StreamListener.listen(TransportProtocol.TCP, place, our.ear, SystemClock())

    run(story)


async def gone(caller: Caller) -> bool:
    """True when the other side has hung up, with or without ceremony."""
    try:
        return await caller.reader.read() == b""
    except OSError:
        return True


# --- before the handshake is over ----------------------------------------------------------------


def identity(folder: Path) -> ServerTls:
    issued = Authority(folder).issue("localhost")
    return ServerTls(cert_file=str(issued.cert_file), key_file=str(issued.key_file))


def test_who_never_shakes_hands_takes_a_place_until_it_goes(run: Run, tmp_path: Path) -> None:
    tls = identity(tmp_path)
    trusting = ssl.create_default_context(cafile=str(tmp_path / "test-ca.pem"))

    async def story() -> None:
        async with listening(tls=tls, connections_limit=1) as our:
            idler = await our.call()
            idler.say(b"\x16")  # the first byte of a hello
            refused = await our.call()
            assert await gone(refused)
            assert (our.transport.refused, our.transport.connections) == (1, 0)
            idler.reset()
            while True:  # until its place is free
                with contextlib.suppress(OSError):
                    caller = await our.call(trusting)
                    break
            caller.say(request())
            assert await caller.message() == answer_to(request())
            assert our.transport.connections == 1

    run(story)


def test_closing_ends_handshakes_that_are_under_way(run: Run, tmp_path: Path) -> None:
    tls = identity(tmp_path)

    async def story() -> None:
        async with listening(tls=tls) as our:
            idlers = [await our.call() for _ in range(3)]
            idlers[0].say(b"\x16")
            our.transport.close()
            assert [await gone(idler) for idler in idlers] == [True, True, True]
            # Its place is free at once, for who listens there next.
            place = our.transport.local_address[:2]
            next_one = await StreamListener.listen(
                TransportProtocol.TCP, place, our.ear, SystemClock()
            )
            next_one.close()

    run(story)


def test_who_was_accepted_at_the_very_end_is_hung_up_on(run: Run) -> None:
    async def story() -> None:
        async with listening() as our:
            place = our.transport.local_address[:2]
            with socket.create_connection(place) as caller:
                our.transport._accept()
                our.transport.close()  # before anything was begun with it
                caller.setblocking(False)
                assert await asyncio.get_running_loop().sock_recv(caller, 1) == b""

    run(story)


def test_who_stops_in_the_middle_of_a_handshake_is_hung_up_on(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "HANDSHAKE_SECONDS", 0.05)
    tls = identity(tmp_path)

    async def story() -> None:
        async with listening(tls=tls) as our:
            assert await gone(await our.call())

    run(story)


def test_when_no_file_is_left_callers_wait_until_there_is_one(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "OUT_OF_FILES_SECONDS", 0.05)
    refusals = [OSError(errno.EMFILE, "Too many open files"), OSError(errno.ENFILE, "Same")]

    class Full(socket.socket):
        """Has no room for a connection twice."""

        def accept(self) -> tuple[socket.socket, Address]:
            if refusals:
                raise refusals.pop()
            return super().accept()

    monkeypatch.setattr("socket.socket", Full)

    async def story() -> None:
        async with listening() as our:
            caller = await our.call()
            caller.say(request())
            assert await caller.message() == answer_to(request())
            assert refusals == []

    run(story)


def test_an_answer_to_who_reads_nothing_is_a_failure_to_send(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "WRITE_LIMIT_BYTES", -1)

    async def story() -> None:
        async with listening() as our:
            caller = await our.call()
            caller.say(request())
            assert await our.ear.failure() == (FailureKind.UNREACHABLE, "it reads nothing")

    run(story)
