"""``Connection``, given bytes by hand: what it keeps within bounds, and when it is quiet."""

from __future__ import annotations

import asyncio

from trunkpulse.adapters.network.connection import PONG, WRITE_LIMIT_BYTES, Connection
from trunkpulse.sip.framing import FramingLost

PING = b"\r\n\r\n"
MESSAGE = b"SIP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class Wire(asyncio.Transport):
    """A transport that keeps what is written, as full as a test says."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 5060)})
        self.written = bytearray()
        self.buffered = 0
        self.aborted = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def is_closing(self) -> bool:
        return bool(self.aborted)

    def abort(self) -> None:
        self.aborted += 1


class SteppedClock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


class Owner:
    def __init__(self, *, has_enough_after: int = 1000) -> None:
        self.messages: list[bytes] = []
        self.portions = 0
        self.ends: list[Exception | None] = []
        self._has_enough_after = has_enough_after

    def message_came(self, connection: Connection, data: bytes, now: float) -> None:
        self.messages.append(data)
        if len(self.messages) == self._has_enough_after:
            connection.abort()

    def portion_ended(self, connection: Connection) -> None:
        self.portions += 1

    def connection_ended(self, connection: Connection, cause: Exception | None) -> None:
        self.ends.append(cause)


def connected(owner: Owner, clock: SteppedClock | None = None) -> tuple[Connection, Wire]:
    connection = Connection(owner, clock or SteppedClock(), expects_pongs=True)
    wire = Wire()
    connection.connection_made(wire)
    return connection, wire


def test_each_ping_gets_a_pong() -> None:
    connection, wire = connected(Owner())
    connection.data_received(PING * 3)
    assert wire.written == PONG * 3


def test_who_pings_and_never_reads_does_not_fill_our_memory() -> None:
    connection, wire = connected(Owner())
    wire.buffered = WRITE_LIMIT_BYTES + 1
    connection.data_received(PING * 3)
    assert wire.written == b""
    assert connection.is_congested


def test_what_comes_with_the_message_upon_which_its_owner_gave_up_is_not_heard() -> None:
    owner = Owner(has_enough_after=1)
    connection, _ = connected(owner)
    connection.data_received(MESSAGE * 3)
    connection.data_received(MESSAGE)
    assert owner.messages == [MESSAGE]
    assert owner.portions == 1


def test_what_came_whole_before_garbage_is_heard_and_then_the_reason_of_the_end() -> None:
    owner = Owner()
    connection, wire = connected(owner)
    connection.data_received(MESSAGE + MESSAGE + b"\x00\x01\x02\n")
    assert owner.messages == [MESSAGE, MESSAGE]
    assert wire.aborted == 1
    connection.data_received(MESSAGE)
    connection.connection_lost(None)
    assert owner.messages == [MESSAGE, MESSAGE]
    assert isinstance(connection.cause, FramingLost)
    assert owner.ends == [connection.cause]
    assert connection.has_ended


def test_only_a_pong_to_a_ping_of_ours_counts() -> None:
    connection, wire = connected(Owner())
    connection.data_received(PONG)
    assert connection.pongs == 0
    connection.ping()
    assert wire.written == PING
    connection.data_received(PONG)
    connection.data_received(PONG)
    assert (connection.pongs, connection.pinged_at) == (1, None)


def test_a_message_is_timed_from_its_own_first_byte() -> None:
    clock = SteppedClock()
    connection, _ = connected(Owner(), clock)
    seen = [connection.message_since]
    for portion in (MESSAGE[:10], MESSAGE[10:20], MESSAGE[20:] + MESSAGE[:10], MESSAGE[10:], PING):
        clock.now += 1
        connection.data_received(portion)
        seen.append(connection.message_since)
    assert seen == [None, 101.0, 101.0, 103.0, None, None]


def test_nothing_is_written_once_it_has_ended() -> None:
    owner = Owner()
    connection, wire = connected(owner)
    connection.connection_lost(OSError("gone"))
    connection.write(MESSAGE)
    connection.ping()
    connection.abort()
    assert wire.written == b""
    assert not connection.is_open
    assert not connection.is_congested
    assert [str(cause) for cause in owner.ends] == ["gone"]
