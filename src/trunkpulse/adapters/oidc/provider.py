"""The way to the provider and back, for one browser at a time.

We send the browser to the provider with three things by chance, and keep them in a cookie of this
browser, sealed: the ``state``, which has to come back with it, so nobody can send another's answer
into it (RFC 6749 10.12); the ``nonce``, which has to be in the token, so nobody can use another's
code in it; and the verifier of PKCE (RFC 7636), so nobody else can use the code. Nothing is kept
here, so no number of those who set out and never come back matters.

The seal is a key of this process; whoever is at the provider while it restarts begins anew.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from cryptography.fernet import Fernet, InvalidToken

from trunkpulse.adapters.oidc.asking import Asking, Json
from trunkpulse.adapters.oidc.errors import NotProved, ProviderAway
from trunkpulse.adapters.oidc.id_token import claims_of, key_id_of
from trunkpulse.adapters.oidc.metadata import Metadata, Provider
from trunkpulse.admission.people import Identity
from trunkpulse.config.access_settings import OidcSettings
from trunkpulse.ports import Clock

__all__ = ["WAY_BACK_SECONDS", "Departure", "OidcProvider"]

WAY_BACK_SECONDS: Final = 600
"""Within this somebody has to be back from the provider."""
LONGEST_WAY_BACK: Final = 4000
"""Of the cookie; more fits into no browser."""
_ERROR_CODE: Final = re.compile(r"[A-Za-z_]{1,60}")
_PLACE: Final = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,500}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """Where the browser goes, and what it keeps until it is back."""

    url: str
    way_back: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Who came back, and where on our pages they wanted to go."""

    identity: Identity
    page: str
    former: str | None
    """What they set out with."""


class OidcProvider:
    """One provider, as ``[oidc]`` describes it."""

    def __init__(
        self,
        settings: OidcSettings,
        asking: Asking,
        clock: Clock,
        *,
        public_url: str | None = None,
    ) -> None:
        """``public_url`` is where browsers reach us; None: where each of them came."""
        self.settings = settings
        self.public_url = public_url
        self._asking = asking
        self._clock = clock
        self._provider = Provider(settings.issuer, asking, clock)
        self._seal = Fernet(Fernet.generate_key())

    async def depart(self, redirect_uri: str, page: str, *, former: str | None = None) -> Departure:
        """Send a browser there; ``page`` is where on our pages it goes in the end.

        ``former`` is the key of the session that it is in; it comes back with the browser. Raises
        ProviderAway.
        """
        metadata = await self._provider.metadata()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(dict.fromkeys(("openid", *self.settings.scopes))),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge.decode("ascii").rstrip("="),
            "code_challenge_method": "S256",
        }
        kept = {
            "state": state,
            "nonce": nonce,
            "verifier": verifier,
            "redirect_uri": redirect_uri,
            "page": page if _PLACE.fullmatch(page) else "/",
        }
        if former is not None:
            kept["former"] = former
        sealed = self._seal.encrypt_at_time(json.dumps(kept).encode(), int(self._clock.wall()))
        endpoint = metadata.authorization_endpoint
        joint = "&" if "?" in endpoint else "?"
        return Departure(url=f"{endpoint}{joint}{urlencode(asked)}", way_back=sealed.decode())

    async def arrive(self, way_back: str | None, answer: Mapping[str, str]) -> Arrival:
        """Who has come back with ``answer``, the query of the URL; raises NotProved, ProviderAway.

        ``way_back`` is what the browser kept.
        """
        kept = self._opened(way_back)
        state = answer.get("state", "")
        if not hmac.compare_digest(state.encode(), kept["state"].encode()):
            raise NotProved(
                "This answer of the provider is not for this browser, or is an old one; begin anew."
            )
        metadata = await self._provider.metadata()
        issuer = answer.get("iss")
        if issuer != self.settings.issuer and (issuer is not None or metadata.says_issuer):
            raise NotProved("This answer comes from another provider; begin anew.")
        if "error" in answer:
            raise NotProved(f"The provider did not let you in ({_code(answer['error'])}).")
        code = answer.get("code", "")
        if not code:
            raise NotProved("The provider sent you back without a code; begin anew.")
        token = await self._exchanged(metadata, code, kept)
        keys = await self._provider.keys(key_id_of(token))
        claims = claims_of(
            token,
            keys,
            issuer=self.settings.issuer,
            client_id=self.settings.client_id,
            nonce=kept["nonce"],
            now=self._clock.wall(),
        )
        return Arrival(
            identity=identity_from(claims, self.settings),
            page=kept["page"],
            former=kept.get("former"),
        )

    async def close(self) -> None:
        """Close idle connections; safe to repeat."""
        await self._asking.close()

    def _opened(self, way_back: str | None) -> dict[str, str]:
        late = NotProved(
            "You have been away for too long, or your browser takes no cookies; begin anew."
        )
        if way_back is None or len(way_back) > LONGEST_WAY_BACK:
            raise late
        try:
            content = self._seal.decrypt_at_time(
                way_back.encode(), WAY_BACK_SECONDS, int(self._clock.wall())
            )
        except (InvalidToken, ValueError):
            raise late from None
        return {str(key): str(value) for key, value in json.loads(content).items()}

    async def _exchanged(self, metadata: Metadata, code: str, kept: Mapping[str, str]) -> str:
        """The ID token that the provider gives for ``code``."""
        client_id, secret = self.settings.client_id, self.settings.client_secret
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": kept["redirect_uri"],
            "code_verifier": kept["verifier"],
        }
        headers: dict[str, str] = {}
        if secret is not None and metadata.takes_basic:
            # Both are encoded as in a form first (RFC 6749 2.3.1).
            pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = client_id
            if secret is not None:
                form["client_secret"] = secret
        status, answer = await self._asking.post(metadata.token_endpoint, urlencode(form), headers)
        if status != 200:
            error = _code(answer.get("error"))
            if error == "invalid_client":
                raise ProviderAway(
                    "The OIDC provider does not take our client_id and client_secret; correct "
                    "them under [oidc]."
                )
            raise NotProved(f"The provider did not take its own code ({error}); begin anew.")
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise NotProved("The provider gave no ID token; is the scope openid allowed there?")
        return token


def identity_from(claims: Json, settings: OidcSettings) -> Identity:
    """Who the claims say that somebody is, and which of our roles they stand for."""
    subject = str(claims["sub"])
    email = _text(claims.get("email"), 254)
    roles: Sequence[str] | None = None
    if settings.roles:
        values = _values(claims, settings.roles_claim)
        roles = tuple(dict.fromkeys(r for each in values for r in settings.roles.get(each, ())))
    return Identity(
        subject=(settings.issuer, subject),
        # Whoever may write any address of theirs there could be anybody.
        email=email if claims.get("email_verified") is True else None,
        name=_text(claims.get("preferred_username"), 128) or email or subject,
        display_name=_text(claims.get("name"), 200),
        roles=roles,
        may_sign_up=settings.allow_signup,
    )


def _values(claims: Json, name: str) -> list[str]:
    """The texts of a claim, which may be within others: ``realm_access.roles``."""
    value: object = claims.get(name)
    if value is None:
        value = claims
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    listed = value if isinstance(value, list) else [value]
    return [each for each in listed if isinstance(each, str)]


def _text(value: object, longest: int) -> str | None:
    """A text that a person may read; None if it is none."""
    if not isinstance(value, str) or not value.strip() or len(value) > longest:
        return None
    return value if value.isprintable() else None


def _code(error: object) -> str:
    """A code of RFC 6749, and nothing else that somebody may have put there."""
    return error if isinstance(error, str) and _ERROR_CODE.fullmatch(error) else "no reason given"
