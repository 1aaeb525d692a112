"""Whether an ID token proves who somebody is (OpenID Connect Core 3.1.3.7).

Everything about it has to be right: an algorithm with a public key, a key of the provider, the
signature, who made it and for whom, when, and the nonce of the very browser that was sent there.
Which algorithm and which key are never the token's choice alone: one without a signature, or one
"signed" with something that is no secret, is none.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from typing import Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from trunkpulse.adapters.oidc.errors import NotProved

__all__ = ["LEEWAY_SECONDS", "claims_of", "key_id_of"]

ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
LEEWAY_SECONDS: Final = 30
"""By so much the provider's clock may differ from ours."""
LONGEST_CHARACTERS: Final = 64 * 1024
LONGEST_SUBJECT: Final = 255
_FORBIDDEN_HEADERS: Final = frozenset({"jwk", "jku", "x5u", "x5c", "crit"})

_registry = JWSRegistry(algorithms=list(ALGORITHMS))


def key_id_of(token: str) -> str | None:
    """Which key it says that it was signed with; raises NotProved for what is no token."""
    header = _header(token)
    key_id = header.get("kid")
    return key_id if isinstance(key_id, str) else None


def claims_of(
    token: str, keys: KeySet, *, issuer: str, client_id: str, nonce: str, now: float
) -> Mapping[str, object]:
    """What it says, all of it proved; raises NotProved. ``now``: seconds since the epoch."""
    _header(token)
    try:
        claims = jwt.decode(token, keys, algorithms=list(ALGORITHMS), registry=_registry).claims
    except (JoseError, ValueError, TypeError):
        raise NotProved("The provider's token is not signed by the provider; begin anew.") from None
    _check_audience(claims, client_id)
    if claims.get("iss") != issuer:
        raise NotProved("The token was made by somebody else than the provider; begin anew.")
    expires, issued = _moment(claims.get("exp")), _moment(claims.get("iat"))
    if expires is None or now >= expires + LEEWAY_SECONDS:
        raise NotProved("The provider's token has expired; begin anew.")
    if issued is None or issued > now + LEEWAY_SECONDS:
        raise NotProved(
            "The provider's token is of the future; compare the clocks of both machines."
        )
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        raise NotProved("The provider's token is for another attempt to sign in; begin anew.")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
        raise NotProved("The provider's token does not say who you are; begin anew.")
    return claims


def _header(token: str) -> Mapping[str, object]:
    wrong = NotProved("What the provider gave is no token; begin anew.")
    if len(token) > LONGEST_CHARACTERS or token.count(".") != 2:
        raise wrong
    first = token.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        raise wrong from None
    if not isinstance(header, dict) or _FORBIDDEN_HEADERS & header.keys():
        raise wrong
    return header


def _check_audience(claims: Mapping[str, object], client_id: str) -> None:
    given, party = claims.get("aud"), claims.get("azp")
    audience = given if isinstance(given, list) else [given]
    for_us = client_id in audience
    if len(audience) > 1 and party is None:
        for_us = False
    if not for_us or party not in (None, client_id):
        raise NotProved("The provider's token is for somebody else than us; begin anew.")


def _moment(value: object) -> float | None:
    """Seconds since the epoch; JSON may hold a number too long for any moment."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e15 else None
