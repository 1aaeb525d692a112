from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.sip.digest import Credentials, DigestSession
from trunkpulse.sip.errors import MalformedMessage, SipError
from trunkpulse.sip.message import Headers, Request, Response, parse_message

ALICE = Credentials("alice", "wonderland")
URI = "sip:sbc.example.com;transport=tcp"
HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
CHALLENGE = 'Digest realm="r", nonce="n1", qop="auth"'

line_text = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20),
    st.text('"\\\\ab,:=;<ä ', min_size=1, max_size=8),
)


def session(credentials: Credentials = ALICE, cnonce: str | None = None) -> DigestSession:
    numbers = count(1)
    return DigestSession(credentials, new_cnonce=lambda: cnonce or f"cnonce{next(numbers)}")


def unauthorized(*challenges: str) -> Response:
    return Response(401, "Unauthorized", Headers(("WWW-Authenticate", each) for each in challenges))


def proxy_wants(*challenges: str) -> Response:
    return Response(407, "", Headers(("Proxy-Authenticate", each) for each in challenges))


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


# --- what is proven ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc_7616_section_3_9_1(algorithm: str, response: str) -> None:
    asked = session(
        Credentials("Mufasa", "Circle of Life"), "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    )
    challenge = (
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=' + algorithm + ", "
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
        'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    assert asked.challenged(unauthorized(challenge)) is None
    assert answers(asked.headers("GET", "/dir/index.html")) == [
        {
            "username": "Mufasa",
            "realm": "http-auth@example.org",
            "uri": "/dir/index.html",
            "algorithm": algorithm,
            "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            "nc": "00000001",
            "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            "qop": "auth",
            "response": response,
            "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
        }
    ]


def test_rfc_7616_section_3_9_2_with_the_values_of_erratum_4897() -> None:
    asked = session(
        Credentials("Jäsøn Doe", "Secret, or not?"),
        "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
    )
    challenge = (
        'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, '
        'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", '
        'opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true'
    )
    assert asked.challenged(unauthorized(challenge)) is None
    (answer,) = answers(asked.headers("GET", "/doe.json"))
    assert answer["username"] == "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
    assert answer["response"] == "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
    assert answer["userhash"] == "true"


def test_a_challenge_without_qop_is_answered_as_rfc_2069_has_it() -> None:
    answer = first_answer('Digest realm="r", nonce="n"')

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    expected = md5(f"{md5('alice:r:wonderland')}:n:{md5(f'OPTIONS:{URI}')}")
    assert answer == {
        "username": "alice",
        "realm": "r",
        "nonce": "n",
        "uri": URI,
        "response": expected,
    }


def test_an_empty_qop_counts_as_none() -> None:
    assert "qop" not in first_answer('Digest realm="r", nonce="n", qop=""')


# --- a far side that checks what it is told --------------------------------------------------


@dataclass
class FarSide:
    """A server that challenges, and lets in who proves to know the password."""

    realm: str
    password: str
    username: str
    algorithm: str | None = "MD5"
    qop: bool = True
    userhash: bool = False
    header: str = "WWW-Authenticate"
    nonce: str = "nonce0"
    opaque: str | None = None
    stale: bool = False
    highest_count: int = 0
    renewals: int = 0

    def challenge(self) -> Response:
        said = [f"realm={quoted(self.realm)}", f"nonce={quoted(self.nonce)}"]
        said += [f"algorithm={self.algorithm}"] if self.algorithm else []
        said += ['qop="auth,auth-int"'] if self.qop else []
        said += [f"opaque={quoted(self.opaque)}"] if self.opaque is not None else []
        said += ["userhash=true"] if self.userhash else []
        said += ["stale=TRUE"] if self.stale else []
        return Response(401, "", Headers([(self.header, "Digest " + ", ".join(said))]))

    def renew(self, *, stale: bool = False) -> Response:
        self.renewals += 1
        self.nonce = f"nonce{self.renewals}"
        self.stale, self.highest_count = stale, 0
        return self.challenge()

    def lets_in(self, lines: bytes, method: str = "OPTIONS", uri: str = URI) -> bool:
        name = {"WWW-Authenticate": "Authorization"}.get(self.header, "Proxy-Authorization")
        for answer in answers(lines, name):
            if answer["realm"] == self.realm and answer["nonce"] == self.nonce:
                return self._believes(answer, method, uri)
        return False

    def _believes(self, answer: dict[str, str], method: str, uri: str) -> bool:
        hash_name = HASHES[(self.algorithm or "MD5").removesuffix("-sess")]

        def hashed(*parts: str) -> str:
            return hashlib.new(hash_name, ":".join(parts).encode()).hexdigest()

        secret = hashed(self.username, self.realm, self.password)
        if self.algorithm and self.algorithm.endswith("-sess"):
            secret = hashed(secret, self.nonce, answer["cnonce"])
        request = hashed(method, uri)
        expected = hashed(secret, self.nonce, request)
        if self.qop:
            number = int(answer["nc"], 16)
            if number <= self.highest_count or len(answer["nc"]) != 8:
                return False
            self.highest_count = number
            expected = hashed(secret, self.nonce, answer["nc"], answer["cnonce"], "auth", request)
        user = hashed(self.username, self.realm) if self.userhash else self.username
        said = {"username": user, "uri": uri, "response": expected}
        return (
            said.items() <= answer.items()
            and answer.get("algorithm") == self.algorithm
            and answer.get("opaque") == self.opaque
        )


def quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


far_sides = st.builds(
    FarSide,
    realm=line_text,
    password=line_text,
    username=line_text,
    algorithm=st.sampled_from([None, *HASHES, *(f"{name}-sess" for name in HASHES)]),
    qop=st.booleans(),
    userhash=st.booleans(),
    header=st.sampled_from(["WWW-Authenticate", "Proxy-Authenticate"]),
    nonce=line_text,
    opaque=st.one_of(st.none(), line_text, st.just("")),
)


@given(far_sides, st.integers(1, 5))
def test_a_far_side_that_checks_everything_lets_us_in_at_once_ever_after(
    far_side: FarSide, more: int
) -> None:
    asked = session(Credentials(far_side.username, far_side.password))
    asked.begin()
    assert asked.challenged(far_side.challenge()) is None
    assert far_side.lets_in(asked.headers("OPTIONS", URI))
    for _ in range(more):
        asked.begin()
        assert far_side.lets_in(asked.headers("OPTIONS", URI))
    for stale in (False, True):
        asked.begin()
        asked.headers("OPTIONS", URI)
        assert asked.challenged(far_side.renew(stale=stale)) is None
        assert far_side.lets_in(asked.headers("OPTIONS", URI))


@given(far_sides)
def test_a_far_side_that_knows_another_password_does_not_let_us_in(far_side: FarSide) -> None:
    asked = session(Credentials(far_side.username, far_side.password + "x"))
    asked.begin()
    assert asked.challenged(far_side.challenge()) is None
    assert not far_side.lets_in(asked.headers("OPTIONS", URI))
    assert "refused" in (asked.challenged(far_side.renew()) or "")


# --- attempts --------------------------------------------------------------------------------


def test_a_nonce_is_used_again_with_its_count_advanced() -> None:
    asked = session()
    asked.challenged(unauthorized(CHALLENGE))
    counts = []
    for _ in range(3):
        (answer,) = answers(asked.headers("OPTIONS", URI))
        counts.append((answer["nonce"], answer["nc"], answer["cnonce"]))
        asked.begin()
    assert counts == [("n1", f"0000000{n}", "cnonce1") for n in (1, 2, 3)]


def test_an_old_nonce_that_is_challenged_anew_is_no_refusal() -> None:
    asked = session()
    asked.challenged(unauthorized(CHALLENGE))
    asked.headers("OPTIONS", URI)
    asked.begin()
    asked.headers("OPTIONS", URI)
    assert asked.challenged(unauthorized('Digest realm="r", nonce="n2", qop="auth"')) is None
    (answer,) = answers(asked.headers("OPTIONS", URI))
    assert (answer["nonce"], answer["nc"]) == ("n2", "00000001")


def test_the_same_nonce_given_once_more_keeps_its_count() -> None:
    asked = session()
    asked.challenged(unauthorized(CHALLENGE))
    asked.headers("OPTIONS", URI)
    asked.begin()
    asked.headers("OPTIONS", URI)
    assert asked.challenged(unauthorized(CHALLENGE)) is None
    (answer,) = answers(asked.headers("OPTIONS", URI))
    assert answer["nc"] == "00000003"
    assert "refused" in (asked.challenged(unauthorized(CHALLENGE)) or "")


def test_a_fresh_nonce_answered_in_vain_is_a_refusal_that_names_the_realm() -> None:
    asked = session()
    asked.begin()
    asked.challenged(unauthorized('Digest realm="gw \\"1\\"", nonce="n1"'))
    asked.headers("OPTIONS", URI)
    problem = asked.challenged(unauthorized('Digest realm="gw \\"1\\"", nonce="n2"'))
    assert problem == "username or password refused for realm 'gw \"1\"'"


def test_refused_credentials_are_not_offered_unasked() -> None:
    asked = session()
    asked.challenged(unauthorized(CHALLENGE))
    asked.headers("OPTIONS", URI)
    asked.challenged(unauthorized('Digest realm="r", nonce="n2"'))
    asked.begin()
    assert asked.headers("OPTIONS", URI) == b""
    assert asked.challenged(unauthorized('Digest realm="r", nonce="n3"')) is None


def test_a_challenge_that_was_not_answered_yet_is_no_refusal_when_it_comes_twice() -> None:
    asked = session()
    assert asked.challenged(unauthorized(CHALLENGE)) is None
    assert asked.challenged(unauthorized(CHALLENGE)) is None


def test_a_stale_nonce_allows_one_more_try_and_not_a_third() -> None:
    asked = session()
    for attempt in range(2):
        asked.begin()
        for number in range(2):
            stale = f'Digest realm="r", nonce="n{attempt}{number}", stale=true'
            assert asked.challenged(unauthorized(stale)) is None
            (answer,) = answers(asked.headers("OPTIONS", URI))
            assert answer["nonce"] == f"n{attempt}{number}"
        problem = asked.challenged(unauthorized('Digest realm="r", nonce="x", stale=true'))
        assert problem == "challenged again after 2 answers in one attempt"


def test_stale_false_is_not_stale() -> None:
    asked = session()
    asked.challenged(unauthorized(CHALLENGE))
    asked.headers("OPTIONS", URI)
    problem = asked.challenged(unauthorized('Digest realm="r", nonce="n2", stale=false'))
    assert "refused" in (problem or "")


# --- several challenges ----------------------------------------------------------------------


def test_the_first_supported_algorithm_of_a_realm_is_taken() -> None:
    separate = [
        'Basic realm="r"',
        'Digest realm="r", nonce="a", algorithm=SHA3-512',
        'Digest realm="r", nonce="b", algorithm=sha-256',
        'Digest realm="r", nonce="c", algorithm=MD5',
    ]
    for challenges in (separate, [", ".join(separate)]):
        asked = session()
        assert asked.challenged(unauthorized(*challenges)) is None
        (answer,) = answers(asked.headers("OPTIONS", URI))
        assert (answer["nonce"], answer["algorithm"]) == ("b", "sha-256")


def test_each_realm_on_the_way_and_each_role_gets_a_header_of_its_own() -> None:
    asked = session()
    asked.begin()
    assert asked.challenged(proxy_wants('Digest realm="p1", nonce="a"')) is None
    asked.headers("OPTIONS", URI)
    both = Response(
        401,
        "",
        Headers(
            [
                ("Proxy-Authenticate", 'Digest realm="p2", nonce="b"'),
                ("WWW-Authenticate", 'Digest realm="p2", nonce="c"'),
            ]
        ),
    )
    assert asked.challenged(both) is None
    lines = asked.headers("OPTIONS", URI)
    proxies = [(each["realm"], each["nonce"]) for each in answers(lines, "Proxy-Authorization")]
    assert proxies == [("p1", "a"), ("p2", "b")]
    assert [each["nonce"] for each in answers(lines)] == ["c"]


def test_no_more_than_eight_realms_are_remembered_and_the_newest_are() -> None:
    asked = session()
    for number in range(20):
        asked.begin()
        assert asked.challenged(unauthorized(f'Digest realm="r{number}", nonce="n"')) is None
    remembered = [each["realm"] for each in answers(asked.headers("OPTIONS", URI))]
    assert remembered == [f"r{number}" for number in range(12, 20)]
    many = unauthorized(*(f'Digest realm="s{number}", nonce="n"' for number in range(100)))
    asked.begin()
    assert asked.challenged(many) is None
    remembered = [each["realm"] for each in answers(asked.headers("OPTIONS", URI))]
    assert remembered == [f"s{number}" for number in range(8)]


def test_white_space_case_order_and_unknown_parameters_do_not_matter() -> None:
    answer = first_answer(
        'dIGEST  NONCE = "a,b" ,, x-new="=,\\"", QOP=auth,\tRealm = plain , Algorithm="MD5", d=x'
    )
    assert (answer["realm"], answer["nonce"], answer["qop"]) == ("plain", "a,b", "auth")


def test_what_the_far_side_wrote_is_echoed_as_it_came() -> None:
    asked = session()
    asked.challenged(unauthorized(r'Digest realm="a\bc", nonce="\"\\", opaque="\o"'))
    assert rb'realm="a\bc", nonce="\"\\",' in asked.headers("OPTIONS", URI)
    assert rb'opaque="\o"' in asked.headers("OPTIONS", URI)


def test_bytes_that_are_no_utf_8_are_echoed_as_they_came() -> None:
    message = parse_message(
        b'SIP/2.0 401 x\r\nWWW-Authenticate: Digest realm="\xff\xe9", nonce="\x80"\r\n\r\n'
    )
    assert isinstance(message, Response)
    asked = session()
    assert asked.challenged(message) is None
    assert b'realm="\xff\xe9", nonce="\x80"' in asked.headers("OPTIONS", URI)


# --- what cannot be answered -----------------------------------------------------------------


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


# --- credentials -----------------------------------------------------------------------------


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
