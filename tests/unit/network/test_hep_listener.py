"""The socket that mirrors come in on."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections import Counter
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.hep import MOST_NAMED, HepListener
from trunkpulse.adapters.network.errors import BindFailed
from trunkpulse.calls.hep import Mirrored, frame
from trunkpulse.calls.intake import Fate, Intake
from unit.calls.calling import FAR, OUT, US, Talk, message

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


class Heard(Intake):
    """An intake that tells when it has had so many frames."""

    def __init__(self) -> None:
        self.talk = Talk()
        super().__init__(self.talk.ledger, None)
        self._waiting: tuple[int, asyncio.Event] | None = None
        self.losses = 0

    def take(self, data: bytes, now: float) -> None:
        super().take(data, now)
        self._tell()

    def lost(self, now: float) -> None:
        super().lost(now)
        self.losses += 1

    def refuse(self) -> None:
        super().refuse()
        self._tell()

    def _tell(self) -> None:
        if self._waiting is not None and self.fates.total() >= self._waiting[0]:
            self._waiting[1].set()

    async def count(self, number: int) -> None:
        self._waiting = number, asyncio.Event()
        self._tell()
        async with asyncio.timeout(10):
            await self._waiting[1].wait()


def listening(
    intake: Intake,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    allow: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = LOOPBACK,
    overdue: Callable[[], float] = float,
) -> HepListener:
    return HepListener(
        (host, port), intake, allow=allow, clock=SystemClock(), overdue_seconds=overdue
    )


def invite(number: int) -> bytes:
    payload = message("INVITE sip:b@x SIP/2.0", call_id=str(number))
    return frame(Mirrored(payload, US, FAR))


def answer(number: int) -> bytes:
    payload = message("SIP/2.0 200 OK", call_id=str(number), to_tag="t")
    return frame(Mirrored(payload, FAR, US))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_frames_are_followed(host: str) -> None:
    intake = Heard()
    listener = listening(intake, host)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        for number in range(200):
            sender.sendto(invite(number), listener.place)
            sender.sendto(answer(number), listener.place)
        sender.sendto(b"junk", listener.place)
        await intake.count(401)
    assert intake.fates == Counter({Fate.FOLLOWED: 400, Fate.MALFORMED: 1})
    assert intake.talk.ledger.up(OUT) == 200
    assert listener.dropped_datagrams == 0
    listener.close()
    listener.close()


async def test_whoever_is_not_allowed_is_counted_and_not_heard() -> None:
    intake = Heard()
    listener = listening(intake, allow=(ipaddress.ip_network("127.0.0.2/32"),))
    with capture_logs() as lines:
        for host in ("127.0.0.1", "127.0.0.2", "127.0.0.1"):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((host, 0))
                sender.sendto(invite(1), listener.place)
        await intake.count(3)
    assert intake.fates == Counter({Fate.NOT_ALLOWED: 2, Fate.FOLLOWED: 1})
    assert [(line["event"], line["sender"]) for line in lines] == [("hep.not_allowed", "127.0.0.1")]
    listener.close()


async def test_of_senders_that_anybody_can_make_up_the_log_names_a_few() -> None:
    intake = Heard()
    listener = listening(intake, allow=(ipaddress.ip_network("127.0.0.1/32"),))
    with capture_logs() as lines:
        for number in range(2, 2 + 2 * MOST_NAMED):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((f"127.0.0.{number}", 0))
                sender.sendto(invite(1), listener.place)
        await intake.count(2 * MOST_NAMED)
    assert len(lines) == MOST_NAMED
    listener.close()


async def test_what_waits_is_read_in_turns_with_everything_else() -> None:
    intake = Heard()
    listener = listening(intake)
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(3000):
            sender.sendto(invite(number), listener.place)
    turns = 0

    def another_turn() -> None:
        nonlocal turns
        turns += 1
        if intake.fates.total() < 3000:
            loop.call_soon(another_turn)

    another_turn()
    await intake.count(3000)
    assert turns > 5  # in one go it would be one or two
    listener.close()


async def test_while_probes_are_late_it_reads_more_slowly_and_goes_on() -> None:
    intake, asked = Heard(), 0

    def overdue() -> float:
        nonlocal asked
        asked += 1
        return 1.0

    listener = listening(intake, overdue=overdue)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(500):
            sender.sendto(invite(number), listener.place)
    await intake.count(500)
    assert 1 <= asked < 100
    listener.close()


async def test_the_intake_is_told_that_the_kernel_had_no_room() -> None:
    intake = Heard()
    listener = listening(intake)
    large = b"HEP3" + bytes(60_000)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(invite(1), listener.place)
        await intake.count(1)
        assert intake.losses == 0
        sent = 1
        while not listener.dropped_datagrams:
            sender.sendto(large, listener.place)
            sent += 1
        await intake.count(sent - listener.dropped_datagrams)
    assert intake.losses == 1
    assert not intake.is_whole(SystemClock().monotonic())
    listener.close()


async def test_a_place_that_is_taken_is_said_to_be() -> None:
    first = listening(Heard())
    with pytest.raises(BindFailed, match="another program uses it"):
        listening(Heard(), port=first.place[1])
    first.close()
