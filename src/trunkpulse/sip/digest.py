"""Digest authentication of requests (RFC 3261 §22, RFC 7616, RFC 8760), the side that is asked.

A far side that wants proof answers 401 or 407 with challenges, one per *realm*. We prove that we
know the password by a hash over it, the realm's *nonce* and the request, never by showing it:

    A1       = username:realm:password            (-sess: H(that):nonce:cnonce)
    A2       = method:uri
    response = H(H(A1):nonce:nc:cnonce:qop:H(A2))  (without qop: H(H(A1):nonce:H(A2)))

``cnonce`` is ours; ``nc`` counts the requests that this nonce was used for. So a nonce serves the
next requests as well, and a session sends the proof unasked from then on, until the far side
wants another nonce. That is not a refusal. It is one when the far side challenges again although
we answered the nonce that it gave us in this very attempt, unless it says ``stale=true``.

What the far side wrote is hashed without its backslashes and echoed with them, exactly as it came.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from trunkpulse.sip.errors import SipError, Ungrammatical, shown
from trunkpulse.sip.grammar import check_token, quote, split_outside_quotes, unquote
from trunkpulse.sip.message import Response

__all__ = ["Credentials", "DigestSession"]

MAX_RESENDS = 2
"""How often a request is sent again within one attempt."""
MAX_REALMS = 8
"""How many realms a session proves itself to; of more, the one first met is forgotten."""
MAX_ECHO_CHARACTERS = 1024
"""What realm, nonce and opaque of one challenge may have together: we send all of it back."""
MAX_CREDENTIAL_CHARACTERS = 256

_ANSWERED_WITH = {
    "WWW-Authenticate": b"Authorization",
    "Proxy-Authenticate": b"Proxy-Authorization",
}
_HASHES = {
    name: hash_name
    for name, hash_name in (("MD5", "md5"), ("SHA-256", "sha256"), ("SHA-512-256", "sha512_256"))
    # Not every build of OpenSSL has them all; a far side's next offer is tried then.
    if hash_name in hashlib.algorithms_available
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UNFIT = re.compile(r"[\x00-\x1f\x7f\ud800-\udc7f\udd00-\udfff]")
# Possessive, so that hostile input costs one pass.
_WORD = r"[A-Za-z0-9\-.!%*_+`'~]++"
_PARAMETER = re.compile(
    # A scheme in front begins the next challenge; "realm =" is none, only generous with blanks.
    rf"(?:({_WORD})[ \t]++(?!=))?+"
    rf'({_WORD})[ \t]*+=[ \t]*+("(?:[^"\\]++|\\.)*+"|[^\s",\\]++)',
    re.DOTALL,
)
_SCHEME = re.compile(rf"({_WORD})(?:[ \t].*+)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are to a far side that challenges us.

    Raises ``SipError`` with one sentence, which never shows the password, if no far side could
    know them.
    """

    username: str
    password: str = field(repr=False)
    """Never printed, logged or returned."""

    def __post_init__(self) -> None:
        if not self.username:
            raise SipError("the username is empty; write the one that the far side knows")
        for what, text in (("username", self.username), ("password", self.password)):
            if len(text) > MAX_CREDENTIAL_CHARACTERS:
                raise SipError(
                    f"the {what} has {len(text)} characters; at most"
                    f" {MAX_CREDENTIAL_CHARACTERS} are allowed"
                )
            if _UNFIT.search(text):
                raise SipError(
                    f"the {what} holds a line break, a control character or half a character;"
                    " take it out"
                )


class _Unsupported(SipError):
    """A challenge that can be read but asks for what we do not do; the message names it."""


@dataclass(frozen=True, slots=True)
class _Challenge:
    """One Digest challenge that we can answer."""

    realm: str
    """Like nonce and opaque as it stood between its quotes, backslashes included."""
    nonce: str
    opaque: str | None
    algorithm: str | None
    """As written; None: not said, which means MD5."""
    has_qop: bool
    """False: written for RFC 2069, whose hash has neither count nor cnonce."""
    userhash: bool
    stale: bool = field(compare=False)
    """Its nonce replaces one that was merely too old."""

    @property
    def is_session(self) -> bool:
        return (self.algorithm or "").upper().endswith("-SESS")

    def hashed(self, *parts: str) -> str:
        """H of the parts joined by colons, in hexadecimal."""
        name = _HASHES[(self.algorithm or "MD5").upper().removesuffix("-SESS")]
        # The far side chooses the algorithm; MD5 proves here, it keeps no data secret.
        digest = hashlib.new(name, usedforsecurity=False)
        digest.update(":".join(parts).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


_Realm = tuple[str, str]
"""The challenge's header and the realm: a proxy and a server may both use one name."""


class _Proof:
    """What a realm is given with each request, and how far its nonce has been used."""

    __slots__ = ("_cnonce", "_count", "_secret", "_username", "answered", "challenge", "fresh")

    def __init__(self, challenge: _Challenge, credentials: Credentials, cnonce: str) -> None:
        self.challenge = challenge
        self.fresh = True
        """The challenge came in the attempt under way."""
        self.answered = False
        """And was answered in it."""
        self._cnonce = cnonce
        self._count = 0
        realm = _plain(challenge.realm)
        secret = challenge.hashed(credentials.username, realm, credentials.password)
        if challenge.is_session:
            secret = challenge.hashed(secret, _plain(challenge.nonce), cnonce)
        self._secret = secret
        username = credentials.username
        self._username = (
            challenge.hashed(username, realm) if challenge.userhash else quote(username)[1:-1]
        )

    def value(self, method: str, uri: str) -> str:
        """The header's value for one request; counts it."""
        challenge = self.challenge
        self._count += 1
        count = f"{self._count:08x}"
        nonce, request = _plain(challenge.nonce), challenge.hashed(method, uri)
        if challenge.has_qop:
            response = challenge.hashed(self._secret, nonce, count, self._cnonce, "auth", request)
        else:
            response = challenge.hashed(self._secret, nonce, request)
        said = [
            f'Digest username="{self._username}"',
            f'realm="{challenge.realm}"',
            f'nonce="{challenge.nonce}"',
            f"uri={quote(uri)}",
            f'response="{response}"',
        ]
        if challenge.algorithm is not None:
            said.append(f"algorithm={challenge.algorithm}")
        if challenge.opaque is not None:
            said.append(f'opaque="{challenge.opaque}"')
        if challenge.has_qop or challenge.is_session:
            said.append(f"cnonce={quote(self._cnonce)}")
        if challenge.has_qop:
            said += ["qop=auth", f"nc={count}"]
        if challenge.userhash:
            said.append("userhash=true")
        return ", ".join(said)


class DigestSession:
    """Answers the challenges that one target makes, attempt after attempt.

    An attempt is ``begin``, a request with ``headers``, and for each 401 or 407 ``challenged`` and,
    if that gives None, the request again with new ``headers``.
    """

    __slots__ = ("_credentials", "_new_cnonce", "_proofs", "_resends")

    def __init__(self, credentials: Credentials, *, new_cnonce: Callable[[], str]) -> None:
        """``new_cnonce`` gives a text that nobody can guess, anew for each nonce."""
        self._credentials = credentials
        self._new_cnonce = new_cnonce
        self._proofs: dict[_Realm, _Proof] = {}
        self._resends = 0

    def begin(self) -> None:
        """A new attempt starts."""
        self._resends = 0
        for proof in self._proofs.values():
            proof.fresh = proof.answered = False

    def headers(self, method: str, uri: str) -> bytes:
        """Whole header lines for one request: one for each realm known, b"" before any challenge.

        ``uri`` is the Request-URI as it is sent. Raises ``SipError`` if the two could not stand in
        a request line.
        """
        check_token(method, "method")
        if _CONTROL.search(uri):
            raise Ungrammatical(f"Request-URI {shown(uri)} holds a control character")
        lines: list[bytes] = []
        for (header, _), proof in self._proofs.items():
            proof.answered = proof.fresh
            value = proof.value(method, uri).encode("utf-8", "surrogateescape")
            lines.append(b"%s: %s\r\n" % (_ANSWERED_WITH[header], value))
        return b"".join(lines)

    def challenged(self, response: Response) -> str | None:
        """Take in the challenges of a 401 or 407; never raises, whatever they say.

        None: sending the request again with ``headers`` may help. Otherwise why it would not, as a
        phrase for a person. Of a realm's challenges the first that we can answer counts (RFC 8760
        §2.4).
        """
        found, unsupported = _choose(response)
        if not found:
            if unsupported:
                return f"only {', '.join(unsupported[:3])} is offered, which is not supported"
            return "no challenge that can be read"
        refused = [realm for realm, challenge in found.items() if self._refuses(realm, challenge)]
        for realm, challenge in found.items():
            if realm in refused:
                # Nor is it offered unasked the next time: far sides lock out who keeps guessing.
                del self._proofs[realm]
            else:
                self._learn(realm, challenge)
        if refused:
            return f"username or password refused for realm {shown(_plain(refused[0][1]))}"
        if self._resends >= MAX_RESENDS:
            return f"challenged again after {MAX_RESENDS} answers in one attempt"
        self._resends += 1
        return None

    def _refuses(self, realm: _Realm, challenge: _Challenge) -> bool:
        """True if this realm has seen our answer to its latest nonce and does not like it."""
        proof = self._proofs.get(realm)
        return proof is not None and proof.answered and not challenge.stale

    def _learn(self, realm: _Realm, challenge: _Challenge) -> None:
        known = self._proofs.get(realm)
        if known is not None and known.challenge == challenge:
            # The same nonce once more: its count goes on, or the request would look replayed.
            known.fresh = True
            known.answered = False
            return
        if known is None and len(self._proofs) >= MAX_REALMS:
            del self._proofs[next(iter(self._proofs))]
        self._proofs[realm] = _Proof(challenge, self._credentials, self._new_cnonce())


# --- reading challenges ----------------------------------------------------------------------


def _choose(response: Response) -> tuple[dict[_Realm, _Challenge], list[str]]:
    """Of each realm the first challenge that we can answer; and what else was asked for."""
    found: dict[_Realm, _Challenge] = {}
    unsupported: dict[str, None] = {}
    for header, offer in _offers(response):
        try:
            challenge = _read(offer)
        except _Unsupported as problem:
            unsupported[str(problem)] = None
        except Ungrammatical:
            continue
        else:
            if len(found) < MAX_REALMS:
                found.setdefault((header, challenge.realm), challenge)
    return found, list(unsupported)


@dataclass(slots=True)
class _Offer:
    """A challenge as it stands in its header: any scheme, values with their quotes."""

    scheme: str
    parameters: dict[str, str] = field(default_factory=dict)
    """By name in lower case."""
    broken: bool = False


def _offers(response: Response) -> Iterator[tuple[str, _Offer]]:
    """Every challenge with the name of its header, in order.

    Both headers are read whatever the code: a proxy that forked the request collects them all
    (RFC 3261 §16.7).
    """
    for header in _ANSWERED_WITH:
        for text in response.headers.every(header):
            for offer in _split_offers(text):
                yield header, offer


def _split_offers(text: str) -> list[_Offer]:
    """The challenges of one header. The comma that parts two also parts their parameters."""
    try:
        members = split_outside_quotes(text, ",")
    except Ungrammatical:
        return []
    offers: list[_Offer] = []
    for member in filter(None, members):
        parameter = _PARAMETER.fullmatch(member)
        scheme = parameter[1] if parameter else _scheme_alone(member)
        if scheme:
            offers.append(_Offer(scheme))
        if not offers:
            continue
        offer = offers[-1]
        if parameter is not None and parameter[2].lower() not in offer.parameters:
            offer.parameters[parameter[2].lower()] = parameter[3]
        elif scheme is None:
            # Not a parameter, or one that comes twice and could mean either.
            offer.broken = True
    return offers


def _scheme_alone(member: str) -> str | None:
    """The scheme of a challenge without parameters, such as ``Negotiate``."""
    match = _SCHEME.fullmatch(member)
    return match[1] if match else None


def _read(offer: _Offer) -> _Challenge:
    """Raises ``_Unsupported`` if we cannot answer it and ``Ungrammatical`` if nobody could."""
    if offer.scheme.lower() != "digest":
        raise _Unsupported(f"scheme {shown(offer.scheme)}")
    given = offer.parameters
    if offer.broken or "realm" not in given or "nonce" not in given:
        raise Ungrammatical("a challenge lacks its realm or nonce, or is broken")
    raw = {name: _between_quotes(value) for name, value in given.items()}
    algorithm = raw.get("algorithm")
    name = check_token("MD5" if algorithm is None else algorithm, "algorithm")
    if name.upper().removesuffix("-SESS") not in _HASHES:
        raise _Unsupported(f"algorithm {shown(name)}")
    qops = [qop.strip().lower() for qop in raw.get("qop", "").split(",")]
    if "auth" not in qops and any(qops):
        raise _Unsupported(f"qop {shown(raw['qop'])}")
    opaque = raw.get("opaque")
    echo = raw["realm"] + raw["nonce"] + (opaque or "")
    if len(echo) > MAX_ECHO_CHARACTERS or _CONTROL.search(echo):
        raise Ungrammatical("a challenge is too long or holds control characters")
    return _Challenge(
        realm=raw["realm"],
        nonce=raw["nonce"],
        opaque=opaque,
        algorithm=algorithm,
        has_qop="auth" in qops,
        userhash=raw.get("userhash", "").lower() == "true",
        stale=raw.get("stale", "").lower() == "true",
    )


def _between_quotes(value: str) -> str:
    return value[1:-1] if value.startswith('"') else value


def _plain(raw: str) -> str:
    """What stood between quotes, without the backslashes of its quoted pairs."""
    return unquote(f'"{raw}"')
