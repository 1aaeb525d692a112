"""Challenges that cannot be answered, and credentials that nobody could know."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.sip.digest import Credentials
from trunkpulse.sip.errors import MalformedMessage, SipError
from trunkpulse.sip.message import Response
from unit.sip.challenges import ALICE, CHALLENGE, URI, sent, session, unauthorized


@pytest.mark.parametrize(
    ("challenge", "named"),
    [
        ('Digest realm="r", nonce="n", qop="auth-int"', "only qop 'auth-int' is offered"),
        ('Digest realm="r", nonce="n", algorithm=SHA3', "only algorithm 'SHA3' is offered"),
        ('Digest realm="r", nonce="n", algorithm=""', "no challenge that can be read"),
        ('Digest realm="r", nonce="n", algorithm="\u017fha-256"', "no challenge that can be read"),
        ('Basic realm="r"', "only scheme 'Basic' is offered"),
        ("Negotiate abc==, NTLM", "only scheme 'Negotiate', scheme 'NTLM' is offered"),
        ('Digest realm="r"', "no challenge that can be read"),
        ('Digest nonce="n"', "no challenge that can be read"),
        ('realm="r", nonce="n"', "no challenge that can be read"),
        ("Digest", "no challenge that can be read"),
        ("", "no challenge that can be read"),
        ('Digest realm="r", nonce="n', "no challenge that can be read"),
        ('Digest realm="r", nonce="n", nonce="m"', "no challenge that can be read"),
        ('Digest realm="r", nonce="n", opaque=', "no challenge that can be read"),
        ('Digest realm="a\x00b", nonce="n"', "no challenge that can be read"),
        ('Digest realm="a", nonce="\t"', "no challenge that can be read"),
        ('Digest realm="a", nonce="n", opaque="\x1b[0m"', "no challenge that can be read"),
        (f'Digest realm="a", nonce="{"n" * 1024}"', "no challenge that can be read"),
    ],
)
def test_what_cannot_be_answered_is_said_and_nothing_is_sent(challenge: str, named: str) -> None:
    asked = session()
    assert (asked.challenged(unauthorized(challenge)) or "").startswith(named)
    assert asked.headers("OPTIONS", URI) == b""


def test_a_response_without_any_challenge_is_said_to_have_none() -> None:
    assert session().challenged(Response(401, "Unauthorized")) == "no challenge that can be read"


def test_one_broken_challenge_does_not_hide_the_next() -> None:
    asked = session()
    broken = 'Digest realm="r, nonce="n'
    assert asked.challenged(unauthorized(broken, 'Digest realm="r", nonce="ok"')) is None


challenge_like = st.lists(
    st.sampled_from(
        [
            *(
                "Digest ",
                "Basic",
                "realm=",
                "nonce=",
                "qop=",
                "auth",
                "stale=true",
                "algorithm=MD5",
            ),
            *('"', "\\", ",", " ", "=", "<", ">", "\x00", "\u017f", "\udcff", '"r"', '"n"', ", "),
        ]
    ),
    max_size=16,
).map("".join)


@given(st.lists(st.one_of(challenge_like, st.text(max_size=40)), max_size=4))
def test_nothing_that_a_response_says_raises_or_breaks_the_next_request(texts: list[str]) -> None:
    try:
        response = unauthorized(*texts)
    except MalformedMessage:
        return
    asked = session()
    for _ in range(3):
        asked.begin()
        for _ in range(4):
            asked.challenged(response)
            sent(asked.headers("OPTIONS", URI))


def test_hostile_challenges_cost_one_pass() -> None:
    long = 8000
    for text in ("a" * long, '"' + '\\"' * (long // 2), "a " * (long // 2), "a=," * (long // 3)):
        asked = session()
        assert asked.challenged(unauthorized(*["Digest " + text] * 200)) is not None


@pytest.mark.parametrize(
    ("username", "password", "what"),
    [
        ("", "p", "the username is empty"),
        ("a\r\nVia: x", "p", "the username holds a line break"),
        ("a\ud800", "p", "half a character"),
        ("a" * 257, "p", "the username has 257 characters"),
        ("a", "secret\n", "the password holds a line break"),
        ("a", "secret\ud800", "half a character"),
        ("a", "secret" * 100, "the password has 600 characters"),
    ],
)
def test_credentials_that_nobody_could_know_are_refused_unseen(
    username: str, password: str, what: str
) -> None:
    with pytest.raises(SipError, match=what) as caught:
        Credentials(username, password)
    assert "secret" not in str(caught.value)


def test_a_password_is_never_shown() -> None:
    assert "wonderland" not in repr(ALICE)
    asked = session()
    asked.challenged(unauthorized(CHALLENGE))
    assert b"wonderland" not in asked.headers("OPTIONS", URI)
    assert "wonderland" not in (asked.challenged(unauthorized(CHALLENGE)) or "refused")


@pytest.mark.parametrize(("method", "uri"), [("OPT IONS", URI), ("OPTIONS", "sip:a\r\nVia: x")])
def test_a_request_line_that_could_not_be_sent_is_not_signed(method: str, uri: str) -> None:
    asked = session()
    asked.challenged(unauthorized(CHALLENGE))
    with pytest.raises(SipError):
        asked.headers(method, uri)
