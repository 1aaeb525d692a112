"""What an unhealthy answer says beyond its code."""

import pytest

from trunkpulse.probing.verdict import LONGEST_QUIET_SECONDS, judge

ANSWER = """\
SIP/2.0 {code} Whatever\r
Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKx\r
From: <sip:a@b>;tag=1\r
To: <sip:c@d>;tag=2\r
Call-ID: 1\r
CSeq: 1 OPTIONS\r
{more}Content-Length: 0\r
\r
"""


def answer(code: int, more: str = "") -> bytes:
    return ANSWER.format(code=code, more=f"{more}\r\n" if more else "").encode()


@pytest.mark.parametrize("code", [404, 480, 500, 503, 600])
def test_retry_after_is_maintenance_for_as_long_as_it_says(code: int) -> None:
    said = judge(code, answer(code, "Retry-After: 120 (be right back);duration=60"))
    assert said.quiet_seconds == 120.0
    assert said.detail == f"answered {code} and is in maintenance: Retry-After 120 s"


def test_a_retry_after_of_a_year_is_not_believed_for_more_than_an_hour() -> None:
    said = judge(503, answer(503, "Retry-After: 31536000"))
    assert said.quiet_seconds == LONGEST_QUIET_SECONDS


@pytest.mark.parametrize("value", ["soon", "-1", "", "0", "99999999999999999999"])
def test_a_retry_after_that_says_nothing_is_none(value: str) -> None:
    assert judge(503, answer(503, f"Retry-After: {value}")) == ("answered 503", 0.0)


@pytest.mark.parametrize("code", [403, 408])
def test_a_refusal_of_who_we_are_says_what_may_help(code: int) -> None:
    assert "another From or Contact" in judge(code, answer(code)).detail


def test_a_challenge_says_why_it_was_not_met() -> None:
    assert judge(401, answer(401)).detail == "answered 401"
    assert judge(407, answer(407), "the credentials were refused").detail == (
        "answered 407: the credentials were refused"
    )


def test_an_answer_that_cannot_be_read_is_its_code_alone() -> None:
    assert judge(503, b"SIP/2.0 503 \r\nRetry-After: 5\r\n") == ("answered 503", 0.0)
