from __future__ import annotations

import io
from contextlib import suppress
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.model import Direction
from trunkpulse.routing.call_log import BadCallLog, Call, CallLog, Unread, UnreadReason


def read(text: str) -> list[Call | Unread]:
    return list(CallLog(io.StringIO(text, newline="")).calls())


def test_a_log_of_a_switch_is_read_as_it_is() -> None:
    text = (
        "id;time;from;to;colour;seconds;direction;region\r\n"
        "7;2026-03-15T18:14:11Z;+15550000000;+15551230001;red;61.5;Outbound;us-east\r\n"
        ";;;;;;;\r\n"
        "8;1700000000;;tel:+4930123456;;;;\r\n"
        "9;1700000000123;;112\r\n"
    )
    assert read(text) == [
        Call(
            1,
            "+15551230001",
            "+15550000000",
            1_773_598_451_000,
            Direction.OUTBOUND,
            "us-east",
            61.5,
        ),
        Call(2, "tel:+4930123456", at_ms=1_700_000_000_000),
        Call(3, "112", at_ms=1_700_000_000_123),
    ]


@pytest.mark.parametrize(
    ("time", "moment"),
    [
        ("2026-07-01 12:00:00", "2026-07-01T10:00Z"),
        ("2026-07-01T12:00:00Z", "2026-07-01T12:00Z"),
        ("2026-10-25 02:30", "2026-10-25T00:30Z"),  # it comes twice
        ("1700000000", "2023-11-14T22:13:20Z"),
    ],
)
def test_only_times_without_an_offset_go_by_the_clocks_of_the_zone(time: str, moment: str) -> None:
    log = CallLog(io.StringIO(f"to,time\n+1,{time}\n"), zone=ZoneInfo("Europe/Berlin"))
    at_ms = int(datetime.fromisoformat(moment).timestamp() * 1000)
    assert list(log.calls()) == [Call(1, "+1", at_ms=at_ms)]


def test_a_row_is_none_only_if_no_cell_of_it_is_filled() -> None:
    text = "to,cause\n+1,16\n,21\n , \n,\n\n+2,\n"
    assert read(text) == [Call(1, "+1"), Call(2, ""), Call(3, "+2")]


@pytest.mark.parametrize(
    ("row", "reason", "text"),
    [
        ("+1,soon,,", UnreadReason.TIME, "soon"),
        ("+1,-5,,", UnreadReason.TIME, "-5"),
        ("+1,9999999999999999,,", UnreadReason.TIME, "9999999999999999"),
        ("+1,,up,", UnreadReason.DIRECTION, "up"),
        ("+1,,,long", UnreadReason.SECONDS, "long"),
        ("+1,,,604801", UnreadReason.SECONDS, "604801"),
        ("+1,,,,surplus", UnreadReason.CELLS, "surplus"),
        (f"{'1' * 300},,,", UnreadReason.CELLS, f"{'1' * 256}…"),
    ],
)
def test_a_call_that_cannot_be_read_says_why(row: str, reason: UnreadReason, text: str) -> None:
    assert read(f"to,time,direction,seconds\n{row}\n+1,,,\n") == [
        Unread(1, reason, text),
        Call(2, "+1"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "one of them must be called to"),
        ("number,time\n", "one of them must be called to"),
        ("to,to\n", "The column to is there twice"),
        ("to\n" + "\n" * 70_000, "take more than 64 KiB"),
        ('to\n"+1\n+2\n', "cannot be read as CSV"),
        ('to\n"' + "x" * 70_000, "nothing closes"),
        ("to" + ",x" * 600, "more than 512 columns"),
        ("to" + "x" * 70_000, "The first line has more than 64 KiB"),
    ],
)
def test_a_table_that_is_no_log_is_refused_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(BadCallLog, match=said):
        read(text)


def test_a_column_that_is_called_otherwise_is_read_and_missed() -> None:
    text = "to,dst,from\n+1,+2,+3\n"
    log = CallLog(io.StringIO(text), called={"to": "dst"})
    assert log.passed_over == ["to"]
    assert list(log.calls()) == [Call(1, "+2", "+3")]
    with pytest.raises(BadCallLog, match="no column 'dsf', which was to be read as to"):
        CallLog(io.StringIO(text), called={"to": "dsf"})


@given(st.text(max_size=200))
def test_whatever_stands_in_a_log_is_read_or_refused(rows: str) -> None:
    with suppress(BadCallLog):
        for each in read(f"to,from,time,direction,region,seconds\n{rows}"):
            assert len(each.to if isinstance(each, Call) else each.text) <= 257
