"""Digest answers (RFC 7616, RFC 2069): known values, attempts, several challenges."""

from __future__ import annotations

import hashlib

import pytest

from trunkpulse.sip.digest import Credentials
from trunkpulse.sip.message import Headers, Response, parse_message
from unit.sip.challenges import CHALLENGE, URI, answers, first_answer, session, unauthorized


def proxy_wants(*challenges: str) -> Response:
    return Response(407, "", Headers(("Proxy-Authenticate", each) for each in challenges))


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
