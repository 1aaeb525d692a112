"""Digest answers before a far side that checks what it is told."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.sip.digest import Credentials
from trunkpulse.sip.message import Headers, Response
from unit.sip.challenges import URI, answers, session

HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
line_text = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20),
    st.text('"\\\\ab,:=;<ä ', min_size=1, max_size=8),
)


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
