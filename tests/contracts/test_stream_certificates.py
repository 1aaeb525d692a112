"""What is known of far sides' certificates: those not trusted, those renewed, those of long ago."""

import asyncio
import contextlib
import random
import ssl
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certificates import Authority, Issued, self_signed
from contracts.far_side import Caller, Ear, Far, answering, far_side, request
from contracts.our_side import Run, run
from trunkpulse.adapters.network import flow, streams
from trunkpulse.adapters.network.streams import StreamTransport
from trunkpulse.adapters.network.tls import client_context, server_context
from trunkpulse.config.settings import ServerTls
from trunkpulse.model import FailureKind, TlsSettings, TransportProtocol
from trunkpulse.ports import TransportPlan

__all__ = ["run"]

HOUR = 3600.0


class SteppedClock:
    """Stands still unless a test moves it; ``wall`` is that of this machine at first."""

    def __init__(self) -> None:
        self.passed = 0.0
        self._began = time.time()

    def monotonic(self) -> float:
        return 100.0 + self.passed

    def wall(self) -> float:
        return self._began + self.passed


class Watch:
    """A transport over TLS on stepped time, and the authority that it trusts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder / "ca")
        self.clock = SteppedClock()
        self.opened: list[StreamTransport] = []

    def transport(self, ear: Ear) -> StreamTransport:
        tls = TlsSettings(ca_file=str(self.authority.ca_file))
        plan = TransportPlan(TransportProtocol.TLS, ("127.0.0.1", 0), tls, "127.0.0.1")
        made = StreamTransport.open(plan, ear, self.clock, rng=random.Random(1))
        self.opened.append(made)
        return made

    def lasting(self, days: float, name: str = "far.example") -> Issued:
        """A certificate with so many days to go; none if there are less than 0."""
        now = datetime.now(UTC)
        return self.authority.issue(
            "127.0.0.1",
            name,
            not_before=now - timedelta(days=400),
            not_after=now + timedelta(days=days),
            file=name,
        )


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(tmp_path)


def shows(issued: Issued) -> ssl.SSLContext:
    return server_context(ServerTls(cert_file=str(issued.cert_file), key_file=str(issued.key_file)))


async def fail(transport: StreamTransport, ear: Ear, far: Far, number: int) -> str:
    """Make an attempt that fails for its certificate; why, in words."""
    transport.send(request(number), far.address)
    await ear.until(lambda: len(ear.failures) == number)
    _, kind, detail = ear.failures[-1]
    assert kind is FailureKind.TLS
    return detail


# --- not trusted ---------------------------------------------------------------------------------


def test_an_expired_certificate_is_known_and_its_last_day_is_told(run: Run, watch: Watch) -> None:
    issued = watch.lasting(-30)
    last_day = datetime.now(UTC) - timedelta(days=30)

    async def story() -> None:
        ear = Ear()
        transport = watch.transport(ear)
        async with far_side(answering, tls=shows(issued)) as far:
            assert await fail(transport, ear, far, 1) == (
                f"the certificate is not trusted (certificate has expired on {last_day:%Y-%m-%d})"
            )
            shown = transport.certificate(far.address)
            assert shown is not None
            assert shown.not_after_ms == int(last_day.timestamp()) * 1000
            assert not ear.left
            assert not ear.messages
        transport.close()

    run(story)


def test_nothing_is_said_to_whom_only_the_certificate_is_read(run: Run, watch: Watch) -> None:
    issued = self_signed(watch.folder, "127.0.0.1")
    heard: list[object] = []

    async def noting(caller: Caller) -> None:
        with contextlib.suppress(OSError):  # it hangs up without ceremony
            heard.append(await caller.reader.read())

    async def story() -> None:
        ear = Ear()
        transport = watch.transport(ear)
        async with far_side(noting, tls=shows(issued)) as far:
            assert "self-signed" in await fail(transport, ear, far, 1)
            shown = transport.certificate(far.address)
            assert shown is not None
            assert shown.subject == "CN=127.0.0.1"
            assert ear.left == []
        assert heard in ([], [b""])
        transport.close()

    run(story)


def test_one_that_is_not_trusted_is_read_once_an_hour(run: Run, watch: Watch) -> None:
    """The far side is greeted twice when it is read and once, in vain, when it is not."""
    context = shows(self_signed(watch.folder, "127.0.0.1"))
    greetings: list[str | None] = []
    context.sni_callback = lambda session, name, _: greetings.append(name)

    async def story() -> None:
        ear = Ear()
        transport = watch.transport(ear)
        async with far_side(answering, tls=context) as far:
            for number, greeted in ((1, 2), (2, 3), (3, 4), (4, 6)):
                await fail(transport, ear, far, number)
                watch.clock.passed += 0.4 * HOUR
                assert len(greetings) == greeted
        transport.close()

    run(story)


def test_another_kind_of_distrust_is_read_at_once(run: Run, watch: Watch) -> None:
    untrusted, expired = self_signed(watch.folder, "127.0.0.1"), watch.lasting(-3)
    context = shows(untrusted)
    others = shows(expired)

    async def story() -> None:
        ear = Ear()
        transport = watch.transport(ear)
        async with far_side(answering, tls=context) as far:
            await fail(transport, ear, far, 1)
            watch.clock.passed += 10
            context.sni_callback = lambda session, *_: setattr(session, "context", others)
            assert "has expired on" in await fail(transport, ear, far, 2)
            shown = transport.certificate(far.address)
            assert shown is not None
            assert "far.example" in shown.names
        transport.close()

    run(story)


def test_while_it_is_read_the_distrust_is_what_stands_in_the_way(run: Run, watch: Watch) -> None:
    """The second connection meets a far side that never shakes hands."""
    context = shows(self_signed(watch.folder, "127.0.0.1"))

    async def story() -> None:
        looked = asyncio.Event()

        async def handing_on(caller: Caller) -> None:
            hello = await caller.reader.read(4096)
            reader, writer = await asyncio.open_connection(*secure.address[:2])
            writer.write(hello)
            caller.say(await reader.read(65536))  # up to the certificate
            await caller.reader.read()
            writer.close()

        async def saying_nothing(caller: Caller) -> None:
            await caller.reader.read(1)
            looked.set()
            await caller.reader.read()

        ear = Ear()
        transport = watch.transport(ear)
        async with (
            far_side(answering, tls=context) as secure,
            far_side(handing_on, saying_nothing) as far,
        ):
            transport.send(request(1), far.address)
            await looked.wait()
            obstacle = transport.withdraw(request(1), far.address)
            assert obstacle is not None
            assert obstacle.kind is FailureKind.TLS
            assert "self-signed" in obstacle.detail
        transport.close()

    run(story)


# --- renewed -------------------------------------------------------------------------------------


@pytest.fixture
def in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """However time is moved, no flow counts as unused."""
    monkeypatch.setattr(streams, "UNUSED_SECONDS", float("inf"))


@pytest.mark.usefixtures("in_use")
@pytest.mark.parametrize(("days", "hours"), [(300, 24), (20, 6)])
def test_a_renewed_certificate_is_seen_within_a_day_and_sooner_near_its_end(
    run: Run, watch: Watch, days: float, hours: float
) -> None:
    context, renewed = shows(watch.lasting(days, "old.example")), None

    async def story() -> None:
        ear = Ear()
        transport = watch.transport(ear)
        async with far_side(answering, tls=context) as far:
            transport.send(request(1), far.address)
            await ear.answers(1)
            renewed = shows(watch.lasting(300, "new.example"))
            context.sni_callback = lambda session, *_: setattr(session, "context", renewed)
            watch.clock.passed += hours * 0.74 * HOUR
            transport._look_after()
            transport.send(request(2), far.address)
            await ear.answers(2)
            assert far.calls == 1
            watch.clock.passed += hours * 0.26 * HOUR
            transport._look_after()
            assert ear.failures == []
            transport.send(request(3), far.address)
            await ear.answers(3)
            assert far.calls == 2
            shown = transport.certificate(far.address)
            assert shown is not None
            assert "new.example" in shown.names
        transport.close()

    assert renewed is None
    run(story)


@pytest.mark.usefixtures("in_use")
def test_a_connection_over_which_an_answer_is_awaited_is_not_closed(run: Run, watch: Watch) -> None:
    context = shows(watch.lasting(300))

    async def story() -> None:
        heard = asyncio.Event()
        go_on = asyncio.Event()

        async def taking_its_time(caller: Caller) -> None:
            await caller.message()
            heard.set()
            await go_on.wait()
            await answering(caller)

        ear = Ear()
        transport = watch.transport(ear)
        async with far_side(taking_its_time, tls=context) as far:
            transport.send(request(1), far.address)
            await heard.wait()
            watch.clock.passed += 24 * HOUR
            transport._look_after()
            transport.send(request(2), far.address)
            go_on.set()
            await ear.answers(1)
            assert far.calls == 1
        transport.close()

    run(story)


# --- of long ago ---------------------------------------------------------------------------------


def test_a_certificate_is_known_for_a_day_after_its_connection_was_closed_for_disuse(
    run: Run, watch: Watch
) -> None:
    context = shows(watch.lasting(300))

    async def story() -> None:
        hung_up = asyncio.Event()

        async def noticing(caller: Caller) -> None:
            await answering(caller)
            hung_up.set()

        ear = Ear()
        transport = watch.transport(ear)
        async with far_side(noticing, tls=context) as far:
            transport.send(request(1), far.address)
            await ear.answers(1)
            watch.clock.passed += 0.5 * HOUR
            transport._look_after()
            await hung_up.wait()
            assert transport.certificate(far.address) is not None
            transport.send(request(2), far.address)
            assert transport.certificate(far.address) is not None
            await ear.answers(2)
            for passes in (0.5, 23, 1):
                watch.clock.passed += passes * HOUR
                transport._look_after()
                assert (transport.certificate(far.address) is None) is (passes == 1)
            assert transport._round is None or not transport._flows
        transport.close()

    run(story)


def test_so_many_certificates_are_remembered_and_no_more(
    run: Run, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "RESTING_LIMIT", 1)
    context = shows(watch.lasting(300))

    async def story() -> None:
        ear = Ear()
        transport = watch.transport(ear)
        async with far_side(answering, tls=context) as one, far_side(answering, tls=context) as two:
            for number, far in enumerate((one, two), start=1):
                transport.send(request(number), far.address)
                await ear.answers(number)
            watch.clock.passed += 0.5 * HOUR
            transport._look_after()
            known = [transport.certificate(far.address) is not None for far in (one, two)]
            assert known == [False, True]
        transport.close()

    run(story)


# --- what is trusted -----------------------------------------------------------------------------


def test_who_trusts_the_same_shares_what_was_read_for_it(watch: Watch) -> None:
    """Which name is asked for makes no difference to it; which files, and whether renewed, does."""
    tls = TlsSettings(ca_file=str(watch.authority.ca_file))
    context = client_context(tls)
    assert client_context(replace(tls)) is context
    assert client_context(replace(tls, server_name="sbc.example.com")) is context
    assert client_context(replace(tls, stamp=(1, 2, 3))) is not context
    assert client_context(replace(tls, verify=False)) is not context
