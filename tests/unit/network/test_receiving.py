"""Datagrams come off a socket the same way, one by one or many at once."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from trunkpulse.adapters.network.receiving import NOBODY, Receiving, receiving_from

LARGEST_BYTES = 65_507
"""That fit into an IPv4 packet beside its headers and those of UDP."""


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["many at once", "one by one"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two sockets, each with the other's address; only IPv4 is read in batches."""
    host = "127.0.0.1" if request.param == socket.AF_INET else "::1"
    with (
        closing(socket.socket(request.param, socket.SOCK_DGRAM)) as here,
        closing(socket.socket(request.param, socket.SOCK_DGRAM)) as there,
    ):
        here.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        here.bind((host, 0))
        here.setblocking(False)
        there.bind((host, 0))
        there.connect(here.getsockname())
        yield here, there


def all_of(receiving: Receiving) -> list[tuple[bytes, object, float | None]]:
    """What waits, the first to arrive first."""
    found: list[tuple[bytes, object, float | None]] = []
    while True:
        try:
            found += reversed(receiving.receive())
        except BlockingIOError:
            return found


def test_what_was_sent_is_received_once_whole_and_in_order(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    here, there = ends
    receiving = receiving_from(here)
    sent = [b"%d" % number * (1 + number % 7) for number in range(150)]
    sent += [b"", b"x" * LARGEST_BYTES, b"the last"]
    for round_ in range(3):
        for data in sent:
            there.send(data)
        received = all_of(receiving)
        assert [data for data, _, _ in received] == sent, round_
        assert {source for _, source, _ in received} == {there.getsockname()}


def test_each_datagram_has_the_moment_at_which_it_came(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    here, there = ends
    receiving = receiving_from(here)
    began = time.time()
    for number in range(100):
        there.send(b"%d" % number)
    ended = time.time()
    stamps = [stamp for _, _, stamp in all_of(receiving)]
    if sys.platform != "linux":  # only Linux notes it
        assert set(stamps) == {None}
        return
    assert None not in stamps
    moments = [stamp for stamp in stamps if stamp is not None]
    assert moments == sorted(moments)
    assert began - 0.001 <= moments[0] <= moments[-1] <= ended + 0.001


def test_who_does_not_ask_may_be_told_of_nobody() -> None:
    with (
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as here,
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as there,
    ):
        here.bind(("127.0.0.1", 0))
        here.setblocking(False)
        there.bind(("127.0.0.1", 0))
        there.sendto(b"hello", here.getsockname())
        ((data, source, _),) = receiving_from(here, asks_who=False).receive()
        assert data == b"hello"
        assert source in {NOBODY, there.getsockname()}


def test_a_refusal_is_raised_and_the_next_datagram_is_received() -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as here:
        here.bind(("127.0.0.1", 0))
        here.setblocking(False)
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as gone:
            gone.bind(("127.0.0.1", 0))
            nobody = gone.getsockname()
        receiving = receiving_from(here)
        here.connect(nobody)
        here.send(b"is anybody there?")
        with pytest.raises(ConnectionRefusedError):
            receiving.receive()
        here.connect(here.getsockname())
        here.send(b"myself")
        assert [data for data, _, _ in receiving.receive()] == [b"myself"]
