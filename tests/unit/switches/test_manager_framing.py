"""Asterisk's manager interface is cut into the same messages however its bytes come."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkpulse.adapters.switches.asterisk import (
    MOST_MESSAGE_BYTES,
    ManagerFraming,
    ManagerMessage,
)
from trunkpulse.adapters.switches.conversation import Incomprehensible

SAID = (
    b"Asterisk Call Manager/7.0.3\r\n"
    b"Response: Success\r\nActionID: trunkpulse-1\r\nChallenge: 840415273\r\n\r\n"
    b"Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 3\r\n\r\n"
    b"\r\n\r\n"
    b"Event: DBGetResponse\r\nFamily: trunkpulse\r\nVal: a: b\r\nval: second\r\nno field\r\n\r\n"
    b"Response: Error\r\nMessage: Gr\xfc\xdfe\r\n\r\n"
)
MESSAGES = [
    ManagerMessage({}, greeting="Asterisk Call Manager/7.0.3"),
    ManagerMessage({"response": "Success", "actionid": "trunkpulse-1", "challenge": "840415273"}),
    ManagerMessage({"event": "FullyBooted", "privilege": "system,all", "uptime": "3"}),
    ManagerMessage({}),
    ManagerMessage({"event": "DBGetResponse", "family": "trunkpulse", "val": "a: b"}),
    ManagerMessage({"response": "Error", "message": "Gr\ufffd\ufffde"}),
]


def in_pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


@settings(deadline=None)
@given(st.lists(st.integers(0, len(SAID)), max_size=20))
def test_any_split_of_the_bytes_gives_the_same_messages(cuts: list[int]) -> None:
    framing = ManagerFraming()
    heard = [message for piece in in_pieces(SAID, cuts) for message in framing.feed(piece)]
    assert heard == MESSAGES


def test_one_byte_at_a_time_gives_the_same_messages() -> None:
    framing = ManagerFraming()
    heard = [message for byte in SAID for message in framing.feed(bytes([byte]))]
    assert heard == MESSAGES


@settings(deadline=None)
@given(
    st.sampled_from([b"", b"Asterisk Call Manager/5.0.2\r\n"]),
    st.lists(st.binary(max_size=200), max_size=10),
)
def test_garbage_raises_nothing_but_that_it_is_incomprehensible(
    greeting: bytes, pieces: list[bytes]
) -> None:
    framing = ManagerFraming()
    framing.feed(greeting)
    with contextlib.suppress(Incomprehensible):
        for piece in pieces:
            framing.feed(piece)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not the manager interface"),
        (b"\r\n", "not the manager interface"),
        (b"x" * (MOST_MESSAGE_BYTES + 1), "in one message"),
        (
            b"Asterisk Call Manager/5.0.2\r\n" + b"Output: x\r\n" * 6000,
            "in one message",
        ),
    ],
)
def test_what_is_not_the_protocol_or_too_much_is_said_to_be(data: bytes, words: str) -> None:
    with pytest.raises(Incomprehensible, match=words):
        ManagerFraming().feed(data)


def test_many_short_messages_at_once_are_not_too_much() -> None:
    framing = ManagerFraming()
    framing.feed(b"Asterisk Call Manager/5.0.2\r\n")
    events = framing.feed(b"Event: Newchannel\r\n\r\n" * 5000)
    assert len(events) == 5000
