"""TLS handshakes of a ``StreamTransport``: whose turn it is, and far sides that ask for more."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from certificates import Authority
from contracts.far_side import Caller, Far, answer_to, answering, far_side
from contracts.our_side import Run, ours, run
from trunkpulse.adapters.network import dialling
from trunkpulse.adapters.network.tls import server_context
from trunkpulse.config.settings import ServerTls
from trunkpulse.model import FailureKind, TlsSettings, TransportProtocol
from trunkpulse.ports import TransportPlan

__all__ = ["run"]


class Tls:
    """A far side's context, and how it is called."""

    def __init__(self, folder: Path) -> None:
        authority = Authority(folder)
        issued = authority.issue("127.0.0.1")
        self.ca_file = str(authority.ca_file)
        self.context = server_context(
            ServerTls(cert_file=str(issued.cert_file), key_file=str(issued.key_file))
        )
        tls = TlsSettings(ca_file=self.ca_file)
        self.plan = TransportPlan(TransportProtocol.TLS, ("127.0.0.1", 0), tls, "127.0.0.1")

    def asking_for_ours(self) -> ssl.SSLContext:
        self.context.load_verify_locations(self.ca_file)
        self.context.verify_mode = ssl.CERT_REQUIRED
        return self.context


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return Tls(tmp_path)


# --- one after another ---------------------------------------------------------------------------


class Stubborn:
    """Takes connections and never shakes hands."""

    def __init__(self) -> None:
        self.called = asyncio.Event()

    async def __call__(self, caller: Caller) -> None:
        self.called.set()
        while await caller.reader.read(65536):
            pass


def test_who_waits_for_its_turn_is_not_said_to_have_shaken_hands(
    run: Run, tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialling, "HANDSHAKES_AT_ONCE", 1)

    async def story() -> None:
        one, two = Stubborn(), Stubborn()
        async with far_side(one) as first, far_side(two) as second, ours(tls.plan) as our:
            our.send(first, 1)
            await one.called.wait()
            data = our.send(second, 2)
            await two.called.wait()
            obstacle = our.transport.withdraw(data, second.address)
            assert obstacle is not None
            assert obstacle.detail == (
                "the TLS handshake had to wait for others and did not begin"
                " within the time of the attempt"
            )

    run(story)


def test_far_sides_that_never_shake_hands_keep_nobody_else_from_it(
    run: Run, tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once they have failed they wait among their like."""
    monkeypatch.setattr(dialling, "HANDSHAKES_AT_ONCE", 1)

    async def story() -> None:
        stubborn = Stubborn()
        async with (
            far_side(stubborn) as deaf,
            far_side(answering, tls=tls.context) as far,
            ours(tls.plan) as our,
        ):
            data = our.send(deaf, 1)
            await stubborn.called.wait()
            our.transport.withdraw(data, deaf.address)
            stubborn.called.clear()
            our.send(deaf, 2)
            await stubborn.called.wait()
            our.send(far, 3)
            await our.ear.answers(1)

    run(story)


# --- far sides that ask for a certificate of ours ------------------------------------------------


@contextmanager
def blocking(met: Callable[[socket.socket], None]) -> Iterator[Far]:
    """A far side in a thread of its own, as OpenSSL's own server is one: it sends its alerts."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            caller, _ = server.accept()
            with caller:
                caller.settimeout(3)
                met(caller)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(3)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Far(server.getsockname())
        finally:
            thread.join()


def test_an_alert_that_asks_for_our_certificate_is_told(run: Run, tls: Tls) -> None:
    context = tls.asking_for_ours()

    def refusing(caller: socket.socket) -> None:
        secured = context.wrap_socket(caller, server_side=True, do_handshake_on_connect=False)
        with contextlib.suppress(ssl.SSLError):
            secured.do_handshake()
        # What was said meanwhile is read, lest the alert be lost with the connection.
        with socket.socket(fileno=secured.detach()) as bare, contextlib.suppress(OSError):
            bare.settimeout(3)
            while bare.recv(65536):
                pass

    async def story() -> None:
        with blocking(refusing) as far:
            async with ours(tls.plan) as our:
                our.send(far)
                kind, detail = await our.ear.failure()
                # Over TLS 1.3 it comes after our first words, and those may meet a reset first.
                assert (kind, detail) == (
                    FailureKind.TLS,
                    "the TLS handshake failed (tlsv13 alert certificate required)",
                ) or (kind is FailureKind.RESET and "may want a client certificate" in detail)

    run(story)


def resetting(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@pytest.mark.parametrize(
    ("version", "guessed"), [(ssl.TLSVersion.TLSv1_3, True), (ssl.TLSVersion.TLSv1_2, False)]
)
@pytest.mark.parametrize("broken", [False, True], ids=["closed", "reset"])
def test_who_hangs_up_upon_the_first_word_may_want_our_certificate(
    run: Run, tls: Tls, version: ssl.TLSVersion, *, guessed: bool, broken: bool
) -> None:
    """With TLS 1.2 it would have said so within the handshake."""
    tls.context.minimum_version = tls.context.maximum_version = version

    async def hanging_up(caller: Caller) -> None:
        await caller.message()
        if broken:
            resetting(caller.writer.get_extra_info("socket"))
            caller.reset()

    async def story() -> None:
        async with far_side(hanging_up, tls=tls.context) as far, ours(tls.plan) as our:
            our.send(far)
            kind, detail = await our.ear.failure()
            assert kind is FailureKind.RESET
            assert ("broke" in detail) is broken
            assert detail.endswith("; it may want a client certificate") is guessed

    run(story)


def test_who_has_spoken_wants_no_certificate(run: Run, tls: Tls) -> None:
    async def answering_once(caller: Caller) -> None:
        first, _ = await caller.message(), await caller.message()
        caller.say(answer_to(first))

    async def story() -> None:
        async with far_side(answering_once, tls=tls.context) as far, ours(tls.plan) as our:
            our.send(far, 1)
            our.send(far, 2)
            assert await our.ear.failure() == (
                FailureKind.RESET,
                "the far side closed the connection without an answer",
            )

    run(story)
