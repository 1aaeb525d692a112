"""What our server says to each torture message of RFC 4475.

It answers OPTIONS and nothing else: other methods get 405 before their headers and bodies are
looked at, so the 400, 406 or 415 that the RFC expects of an element that takes calls is a 405
here. Why one is not answered at all stands beside it.
"""

from __future__ import annotations

from typing import Final

import pytest

from torture.sip.rfc4475_application import APPLICATION
from torture.sip.rfc4475_invalid import INVALID
from torture.sip.rfc4475_valid import VALID
from trunkpulse.sip.headers import NameAddr
from trunkpulse.sip.message import Response, parse_message
from trunkpulse.sip.server import AnswerSettings, answer_request

MESSAGES: Final = VALID | INVALID | APPLICATION
SETTINGS: Final = AnswerSettings(tag_key=b"torture")

ANSWERS: Final[dict[str, int | None]] = {
    # Well-formed OPTIONS; the last Max-Forwards is zero, and we are who was asked.
    **dict.fromkeys(("lwsdisp", "semiuri", "transports", "badbranch", "zeromf"), 200),
    # OPTIONS that break the grammar where it can be forgiven.
    **dict.fromkeys(("badaspec", "baddn"), 200),
    # Methods that we do not take; unknown ones too, where 501 would be as good.
    **dict.fromkeys(("wsinv", "intmeth", "esc01", "escnull", "esc02", "longreq", "dblreq"), 405),
    **dict.fromkeys(("mpart01", "unksm2", "cparam01", "cparam02", "regescrt", "inv2543"), 405),
    # The same, where an element that takes the method would find more to say: see above.
    **dict.fromkeys(("ltgtruri", "escruri", "baddate", "regbadct"), 405),
    **dict.fromkeys(("invut", "regaut01", "sdp01"), 405),
    **dict.fromkeys(("clerr", "ncl", "scalar02", "lwsstart", "trws"), 400),
    **dict.fromkeys(("mismatch01", "mismatch02", "mcl01"), 400),
    **dict.fromkeys(("unkscm", "novelsc"), 416),
    "bext01": 420,
    "badvers": 505,
    # Where its URI ends is a guess, so it is no request line.
    "lwsruri": None,
    # A response copies Via, From, To, Call-ID and CSeq: these are broken, missing or manifold.
    **dict.fromkeys(("badinv01", "quotbal", "insuf", "multi01"), None),
    # Nobody answers a response.
    **dict.fromkeys(("unreason", "noreason", "scalarlg", "bigcode", "bcast"), None),
}


def answer_to(name: str) -> Response | None:
    answer = answer_request(MESSAGES[name], "192.0.2.9", 5060, settings=SETTINGS)
    if answer is None:
        return None
    message = parse_message(answer.data)
    assert isinstance(message, Response)
    return message


def test_every_message_is_there_and_has_its_answer() -> None:
    assert (len(VALID), len(INVALID), len(APPLICATION)) == (13, 19, 17)
    assert ANSWERS.keys() == MESSAGES.keys()


@pytest.mark.parametrize(("name", "code"), ANSWERS.items())
def test_a_message_gets_its_answer_or_none(name: str, code: int | None) -> None:
    answer = answer_to(name)
    assert (answer and answer.code) == code


def test_an_answer_says_what_is_missing_or_too_much() -> None:
    unsupported = answer_to("bext01")
    assert unsupported is not None
    # Proxy-Require is for proxies and is not ours to refuse.
    assert unsupported.headers.members("Unsupported") == [
        "nothingSupportsThis",
        "nothingSupportsThisEither",
    ]
    not_allowed = answer_to("intmeth")
    assert not_allowed is not None
    assert not_allowed.headers.single("Allow") == "OPTIONS"
    malformed = answer_to("clerr")
    assert malformed is not None
    assert "Content-Length is 9999" in malformed.reason


@pytest.mark.parametrize("name", [name for name, code in ANSWERS.items() if code is not None])
def test_an_answer_copies_what_it_must_copy_unaltered(name: str) -> None:
    answer = answer_to(name)
    assert answer is not None
    copied = {
        line.split(b":", 1)[1].strip()
        for line in MESSAGES[name].split(b"\r\n")
        if line.lower().startswith((b"call-id", b"i:"))
    }
    assert answer.headers.single("Call-ID").encode() in copied
    assert NameAddr.parse(answer.headers.single("To")).tag
