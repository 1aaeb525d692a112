import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.sip import framing
from trunkpulse.sip.framing import Frame, FramingLost, MessageFramer, Pulse

HEAD = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\n"


def message(body: bytes = b"", length: bytes = b"Content-Length: %d") -> bytes:
    return HEAD + length % len(body) + b"\r\n\r\n" + body


messages = st.binary(max_size=80).map(message)
pieces = st.lists(st.one_of(messages, st.just(b"\r\n\r\n")), max_size=6)


def framed(data: bytes, *cuts: int, expects_pongs: bool = False) -> list[Frame]:
    framer = MessageFramer(expects_pongs=expects_pongs)
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    frames: list[Frame] = []
    for start, end in itertools.pairwise(places):
        frames += framer.feed(data[start:end])
    return frames


@given(pieces, st.lists(st.integers(0, 2000), max_size=12))
def test_any_portions_give_the_same_frames(sent: list[bytes], cuts: list[int]) -> None:
    expected = [Pulse.PING if each == b"\r\n\r\n" else each for each in sent]
    assert framed(b"".join(sent), *cuts) == expected


@given(pieces)
def test_single_bytes_give_the_same_frames(sent: list[bytes]) -> None:
    data = b"".join(sent)
    assert framed(data, *range(len(data))) == framed(data)


@pytest.mark.parametrize(
    "length",
    [
        b"Content-Length: %d",
        b"content-length:%d",
        b"CONTENT-LENGTH \t: %d  ",
        b"l: %d",
        b"L : %d",
        b"Content-Length:\r\n %d",
        b"Content-Length: 5\r\nContent-Length: %d",
    ],
)
def test_the_length_may_be_spelled_in_any_way(length: bytes) -> None:
    body = b"12345"
    assert framed(message(body, length) + message()) == [message(body, length), message()]


def test_line_feeds_alone_end_headers_too() -> None:
    lines = b"OPTIONS sip:a SIP/2.0\nl: 2\n\nhi"
    assert framed(lines + message()) == [lines, message()]


def test_a_length_that_is_part_of_another_header_is_none() -> None:
    with pytest.raises(FramingLost, match="has no Content-Length"):
        framed(HEAD + b"X-Content-Length: 0\r\nSubject: l: 5\r\n\r\n")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (HEAD + b"\r\n", "has no Content-Length"),
        (HEAD + b"Content-Length: 1\r\nl: 2\r\n\r\n", "'1, 2' is not one number"),
        (HEAD + b"Content-Length: -1\r\n\r\n", "'-1' is not one number"),
        (HEAD + b"Content-Length: 70000\r\n\r\n", "is longer than 65535"),
        (b"X" * 70_000, "is not how a SIP message begins"),
        (HEAD + b"A: " + b"x" * 70_000, "headers of a message are longer than 65535"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "is not how a SIP message begins"),
        (b"\xedOPTIONS sip:a SIP/2.0\r\nl: 0\r\n\r\n", "is not how a SIP message begins"),
        (b"\x16\x03\x01", "is not how a SIP message begins"),
        (b"\r\n \r\n", "is not how a SIP message begins"),
    ],
)
def test_a_stream_that_cannot_be_told_apart_is_lost(data: bytes, reason: str) -> None:
    with pytest.raises(FramingLost, match=reason):
        framed(data)
    with pytest.raises(FramingLost, match=reason):
        framed(data, *range(0, len(data), 97))


def test_what_no_sip_speaker_says_is_noticed_before_its_end_comes() -> None:
    with pytest.raises(FramingLost, match="SSH-2"):
        MessageFramer().feed(b"SSH-2.0-OpenSSH_9.6\r\n")


def test_half_a_ping_is_waited_for_where_pings_may_come() -> None:
    framer = MessageFramer()
    assert framer.feed(b"\r\n") == []
    assert framer.feed(b"\r") == []
    assert framer.feed(b"\n") == [Pulse.PING]


def test_a_pong_is_told_at_once_where_pongs_are_expected() -> None:
    framer = MessageFramer(expects_pongs=True)
    assert framer.feed(b"\r") == []
    assert framer.feed(b"\n") == [Pulse.PONG]
    assert framer.feed(b"\r\n" + message()) == [Pulse.PONG, message()]
    assert framer.feed(b"\r\n\r\n") == [Pulse.PING]


def test_who_is_in_the_middle_of_a_message_is_known() -> None:
    framer = MessageFramer()
    seen = [framer.is_within_message]
    for portion in (b"\r\n", message(b"12345")[:-1], b"5"):
        framer.feed(portion)
        seen.append(framer.is_within_message)
    assert seen == [False, False, True, False]


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_nothing_but_its_own_error_escapes(portions: list[bytes]) -> None:
    framer = MessageFramer()
    try:
        for portion in portions:
            framer.feed(portion)
    except FramingLost:
        return


@given(pieces, st.binary(min_size=1, max_size=40), st.lists(st.integers(0, 2000), max_size=12))
def test_what_came_whole_before_a_fault_is_the_same_in_any_portions(
    sent: list[bytes], garbage: bytes, cuts: list[int]
) -> None:
    data = b"".join(sent) + b"\x00" + garbage
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    framer = MessageFramer()
    frames: list[Frame] = []
    with pytest.raises(FramingLost) as lost:  # noqa: PT012 - any of the portions may show it
        for start, end in itertools.pairwise(places):
            frames += framer.feed(data[start:end])
    expected = [Pulse.PING if each == b"\r\n\r\n" else each for each in sent]
    assert frames + lost.value.frames == expected


def test_a_length_with_something_behind_it_that_is_no_line_end_is_none() -> None:
    with pytest.raises(FramingLost, match="has no Content-Length"):
        framed(HEAD + b"Content-Length: 5\r6\r\n\r\n")


@given(st.sampled_from([b" ", b"\t", b"\x01", b"\n", b"\x80"]), st.integers(0, 60))
def test_what_stands_before_a_start_line_is_a_fault_in_any_portions(mark: bytes, cut: int) -> None:
    data = mark + b"OPTIONS sip:a SIP/2.0\r\nl: 0\r\n\r\n"
    with pytest.raises(FramingLost):
        framed(data, cut)


class Searches:
    """Stands in for a pattern, and counts how many bytes its searches had before them."""

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self._pattern = pattern
        self.looked_at = 0

    def search(self, data: bytearray, start: int) -> re.Match[bytes] | None:
        self.looked_at += len(data) - start
        return self._pattern.search(data, start)


def test_a_message_byte_by_byte_takes_work_in_proportion_to_its_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searches = Searches(framing._END_OF_HEADERS)
    monkeypatch.setattr(framing, "_END_OF_HEADERS", searches)
    data = HEAD + b"Subject: " + b"x" * 32_000 + b"\r\nl: 32000\r\n\r\n" + b"y" * 32_000
    assert framed(data, *range(len(data))) == [data]
    assert searches.looked_at < 5 * len(data)
