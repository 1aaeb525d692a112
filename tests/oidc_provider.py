"""An OpenID provider, faithful in all that a client can see of it, and with mistakes on request.

It checks what a good one checks: redirect address, PKCE, who exchanges a code, and that a code is
used once. It is spoken to through a transport, so no socket is needed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import httpx2
from joserfc import jwt
from joserfc.jwk import ECKey

ISSUER = "https://login.example.com/realms/noc"
CLIENT_ID, CLIENT_SECRET = "trunkpulse", "p@ss:word/%"

Claims = dict[str, Any]


def _key(key_id: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": key_id, "use": "sig", "alg": "ES256"})


@dataclass
class OpenIdProvider(httpx2.AsyncBaseTransport):
    """One issuer, with one person at its browser."""

    wall: Callable[[], float]
    issuer: str = ISSUER
    person: Claims = field(
        default_factory=lambda: {
            "sub": "4711",
            "email": "alice@example.com",
            "email_verified": True,
            "preferred_username": "alice.smith",
            "name": "Alice Smith",
        }
    )
    metadata: Claims = field(default_factory=dict)
    """What its discovery document says otherwise."""
    token: Claims = field(default_factory=dict)
    """What its ID tokens say otherwise; None: they leave it out."""
    signing: Callable[[Claims], str] | None = None
    """Signs ID tokens in another way."""
    away: bool = False
    asked: list[str] = field(default_factory=list)
    """Paths, in order."""
    redirect_uris: tuple[str, ...] = ("http://127.0.0.1:8080/api/v2/session/oidc/callback",)

    def __post_init__(self) -> None:
        self.key = _key("first")
        self._codes: dict[str, dict[str, str]] = {}

    def change_key(self) -> None:
        self.key = _key(secrets.token_hex(4))

    # --- the browser's side -----------------------------------------------------------------

    def sign_in(self, url: str) -> str:
        """Where the browser is sent that comes with ``url`` and whose person says yes."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert url.startswith(f"{self.issuer}/authorize?")
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert asked["redirect_uri"] in self.redirect_uris
        assert "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        answer = {"code": code, "state": asked["state"], "iss": self.issuer}
        return f"{asked['redirect_uri']}?{urlencode(answer)}"

    # --- the client's side ------------------------------------------------------------------

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path.removeprefix(urlsplit(self.issuer).path)
        self.asked.append(path)
        if self.away:
            raise httpx2.ConnectError("nobody is there")
        match request.method, path:
            case "GET", "/.well-known/openid-configuration":
                return _json(200, self._metadata())
            case "GET", "/keys":
                return _json(200, {"keys": [self.key.as_dict(private=False)]})
            case "POST", "/token":
                form = parse_qs((await request.aread()).decode(), strict_parsing=True)
                given = {name: values[0] for name, values in form.items()}
                return self._exchange(request.headers, given)
            case _:
                return _json(404, {})

    def _metadata(self) -> Claims:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "authorization_response_iss_parameter_supported": True,
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            **self.metadata,
        }

    def _exchange(self, headers: httpx2.Headers, form: dict[str, str]) -> httpx2.Response:
        if not self._is_our_client(headers, form):
            return _json(401, {"error": "invalid_client"})
        asked = self._codes.pop(form["code"], None)  # a code is good once
        if asked is None or form["redirect_uri"] != asked["redirect_uri"]:
            return _json(400, {"error": "invalid_grant"})
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != asked["code_challenge"]:
            return _json(400, {"error": "invalid_grant"})
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": int(self.wall()),
            "exp": int(self.wall()) + 300,
            "nonce": asked["nonce"],
            **self.person,
            **self.token,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        return _json(200, {"token_type": "Bearer", "id_token": self._signed(claims)})

    def _signed(self, claims: Claims) -> str:
        if self.signing is not None:
            return self.signing(claims)
        return jwt.encode({"alg": "ES256", "kid": self.key.kid}, claims, self.key)

    def _is_our_client(self, headers: httpx2.Headers, form: dict[str, str]) -> bool:
        if "client_secret_basic" in self._metadata()["token_endpoint_auth_methods_supported"]:
            scheme, _, pair = headers.get("authorization", "").partition(" ")
            name, _, secret = base64.b64decode(pair).decode().partition(":")
            given = (unquote(name), unquote(secret))
            return scheme == "Basic" and given == (CLIENT_ID, CLIENT_SECRET)
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)


def _json(status: int, document: Claims) -> httpx2.Response:
    return httpx2.Response(
        status,
        headers={"content-type": "application/json"},
        stream=httpx2.ByteStream(json.dumps(document).encode()),
    )
