"""FreeSWITCH's event socket is cut into the same messages however its bytes come."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkpulse.adapters.switches.conversation import Incomprehensible
from trunkpulse.adapters.switches.freeswitch import (
    MOST_BODY_BYTES,
    MOST_HEADER_BYTES,
    EventSocketFraming,
    EventSocketMessage,
)

SAID = (
    b"Content-Type: auth/request\n\n"
    b"Content-Type: command/reply\nReply-Text: +OK accepted\n\n"
    b"Content-Type: api/response\nContent-Length: 14\n\n-ERR no reply\n"
    b"Content-Length: 41\nContent-Type: text/event-plain\n\n"
    b"Event-Name: HEARTBEAT\nContent-Length: 0\n\n"
    b"\n\r\n\n"
    b"Content-Type: api/response\r\nContent-Length: 27\r\n\n\nD/trunkpulse_carrier-a/UP\n\n"
    b"Content-Type: text/disconnect-notice\nContent-Length: 3\n\n\n\n\n"
)
MESSAGES = [
    EventSocketMessage("auth/request", "", b""),
    EventSocketMessage("command/reply", "+OK accepted", b""),
    EventSocketMessage("api/response", "", b"-ERR no reply\n"),
    EventSocketMessage("text/event-plain", "", b"Event-Name: HEARTBEAT\nContent-Length: 0\n\n"),
    EventSocketMessage("api/response", "", b"\nD/trunkpulse_carrier-a/UP\n"),
    EventSocketMessage("text/disconnect-notice", "", b"\n\n\n"),
]


def in_pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


@settings(deadline=None)
@given(st.lists(st.integers(0, len(SAID)), max_size=20))
def test_any_split_of_the_bytes_gives_the_same_messages(cuts: list[int]) -> None:
    framing = EventSocketFraming()
    heard = [message for piece in in_pieces(SAID, cuts) for message in framing.feed(piece)]
    assert heard == MESSAGES


def test_one_byte_at_a_time_gives_the_same_messages() -> None:
    framing = EventSocketFraming()
    heard = [message for byte in SAID for message in framing.feed(bytes([byte]))]
    assert heard == MESSAGES


@settings(deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=10))
def test_garbage_raises_nothing_but_that_it_is_incomprehensible(pieces: list[bytes]) -> None:
    framing = EventSocketFraming()
    with contextlib.suppress(Incomprehensible):
        for piece in pieces:
            framing.feed(piece)


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [b"\n", b"\r", b":", b"Content-Length: ", b"Content-Type: ", b"-1", b"9" * 30, b"x"]
        ),
        max_size=40,
    )
)
def test_what_only_looks_like_the_protocol_raises_nothing_else_either(pieces: list[bytes]) -> None:
    framing = EventSocketFraming()
    with contextlib.suppress(Incomprehensible):
        for piece in pieces:
            framing.feed(piece)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.2\n\n", "not the event socket"),
        (b"Content-Type: api/response\nContent-Length: many\n\n", "no number"),
        (b"Content-Type: api/response\nContent-Length: -5\n\n", "no number"),
        (b"Content-Type: api/response\nContent-Length: \xd9\xa3\n\n", "no number"),
        (
            f"Content-Type: api/response\nContent-Length: {MOST_BODY_BYTES + 1}\n\n".encode(),
            f"{MOST_BODY_BYTES + 1} bytes",
        ),
        (b"x" * (MOST_HEADER_BYTES + 1), "bytes of headers"),
    ],
)
def test_what_is_not_the_protocol_or_too_much_is_said_to_be(data: bytes, words: str) -> None:
    with pytest.raises(Incomprehensible, match=words):
        EventSocketFraming().feed(data)


def test_a_body_as_long_as_it_may_be_is_taken() -> None:
    framing = EventSocketFraming()
    framing.feed(f"Content-Type: api/response\nContent-Length: {MOST_BODY_BYTES}\n\n".encode())
    [message] = framing.feed(bytes(MOST_BODY_BYTES))
    assert len(message.body) == MOST_BODY_BYTES
