"""Challenges of a far side, and the answers read by other means than our own."""

from __future__ import annotations

import re
from itertools import count

from trunkpulse.sip.digest import Credentials, DigestSession
from trunkpulse.sip.message import Headers, Request, Response, parse_message

ALICE = Credentials("alice", "wonderland")
URI = "sip:sbc.example.com;transport=tcp"
CHALLENGE = 'Digest realm="r", nonce="n1", qop="auth"'


def session(credentials: Credentials = ALICE, cnonce: str | None = None) -> DigestSession:
    numbers = count(1)
    return DigestSession(credentials, new_cnonce=lambda: cnonce or f"cnonce{next(numbers)}")


def unauthorized(*challenges: str) -> Response:
    return Response(401, "Unauthorized", Headers(("WWW-Authenticate", each) for each in challenges))


def sent(lines: bytes) -> Headers:
    """The header lines as the far side reads them."""
    head = b"OPTIONS sip:a SIP/2.0\r\n"
    message = parse_message(head + lines + b"\r\n")
    assert isinstance(message, Request)
    assert head + lines + b"\r\n" == message.encode()
    return message.headers


def answers(lines: bytes, name: str = "Authorization") -> list[dict[str, str]]:
    """The parameters of each header ``name``, read by other means than the session's own."""
    found = []
    for value in sent(lines).every(name):
        assert value.startswith("Digest ")
        pairs = re.findall(r'([a-z]+)=("(?:[^"\\]|\\.)*"|[^", ]+)', value[7:], re.DOTALL)
        rewritten = ", ".join(f"{key}={text}" for key, text in pairs)
        assert rewritten == value[7:], "nothing stands between the parameters but a comma"
        found.append({key: re.sub(r"\\(.)", r"\1", _bare(text)) for key, text in pairs})
    return found


def _bare(text: str) -> str:
    return text[1:-1] if text.startswith('"') else text


def first_answer(challenge: str, credentials: Credentials = ALICE) -> dict[str, str]:
    asked = session(credentials)
    asked.begin()
    assert asked.headers("OPTIONS", URI) == b""
    assert asked.challenged(unauthorized(challenge)) is None
    (answer,) = answers(asked.headers("OPTIONS", URI))
    return answer
