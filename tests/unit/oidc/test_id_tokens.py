"""An ID token that is wrong in anything proves nothing."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from oidc_provider import CLIENT_ID, CLIENT_SECRET, Claims, OpenIdProvider
from trunkpulse.adapters.oidc import NotProved
from unit.oidc.oidc_flow import Flow


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ({"nonce": "another"}, "another attempt"),
        ({"nonce": None}, "another attempt"),
        ({"aud": "another-client"}, "somebody else than us"),
        ({"aud": None}, "somebody else than us"),
        ({"aud": ["another-client"]}, "somebody else than us"),
        ({"aud": [CLIENT_ID, "another"]}, "somebody else than us"),
        ({"aud": [CLIENT_ID, "another"], "azp": "another"}, "somebody else than us"),
        ({"azp": "another"}, "somebody else than us"),
        ({"iss": "https://evil.example.com"}, "somebody else than the provider"),
        ({"iss": None}, "somebody else than the provider"),
        ({"exp": 1_700_000_000 - 31}, "expired"),
        ({"exp": None}, "expired"),
        ({"exp": "soon"}, "expired"),
        ({"exp": True}, "expired"),
        ({"exp": 10**400}, "expired"),
        ({"iat": 1_700_000_000 + 3600}, "clocks"),
        ({"iat": None}, "clocks"),
        ({"sub": None}, "who you are"),
        ({"sub": ""}, "who you are"),
        ({"sub": 4711}, "who you are"),
    ],
    ids=str,
)
async def test_a_token_that_is_wrong_in_anything_is_no_proof(token: Claims, said: str) -> None:
    flow = Flow()
    flow.provider.token = token
    with pytest.raises(NotProved, match=said):
        await flow.through()


async def test_a_token_for_several_is_ours_if_we_are_the_authorized_party() -> None:
    flow = Flow()
    flow.provider.token = {"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID}
    assert (await flow.through()).identity.name == "alice.smith"


def without_signature(provider: OpenIdProvider) -> Callable[[Claims], str]:
    def sign(claims: Claims) -> str:
        return f"{_part({'alg': 'none'})}.{_part(claims)}."

    return sign


def with_the_public_key_as_a_secret(provider: OpenIdProvider) -> Callable[[Claims], str]:
    shared = provider.key.as_pem(private=False)

    def sign(claims: Claims) -> str:
        text = f"{_part({'alg': 'HS256', 'kid': str(provider.key.kid)})}.{_part(claims)}"
        digest = hmac.digest(shared, text.encode(), "sha256")
        return f"{text}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"

    return sign


def with_the_clients_secret(provider: OpenIdProvider) -> Callable[[Claims], str]:
    shared = OctKey.import_key(CLIENT_SECRET * 4)
    return lambda claims: jwt.encode({"alg": "HS256"}, claims, shared, algorithms=["HS256"])


def with_another_key_of_the_same_name(provider: OpenIdProvider) -> Callable[[Claims], str]:
    other = ECKey.generate_key("P-256", {"kid": str(provider.key.kid)})
    return lambda claims: jwt.encode({"alg": "ES256", "kid": str(other.kid)}, claims, other)


def with_a_key_that_it_brings_along(provider: OpenIdProvider) -> Callable[[Claims], str]:
    own = RSAKey.generate_key(2048)

    def sign(claims: Claims) -> str:
        header: dict[str, Any] = {"alg": "RS256", "jwk": own.as_dict(private=False)}
        return jwt.encode(header, claims, own)

    return sign


def with_its_own_key_and_another_beside(provider: OpenIdProvider) -> Callable[[Claims], str]:
    other = ECKey.generate_key("P-256").as_dict(private=False)

    def sign(claims: Claims) -> str:
        header: dict[str, Any] = {"alg": "ES256", "kid": provider.key.kid, "jwk": other}
        return jwt.encode(header, claims, provider.key)

    return sign


def with_changed_claims(provider: OpenIdProvider) -> Callable[[Claims], str]:
    def sign(claims: Claims) -> str:
        token = jwt.encode({"alg": "ES256", "kid": str(provider.key.kid)}, claims, provider.key)
        head, _, signature = token.split(".")
        return f"{head}.{_part({**claims, 'sub': 'somebody-else'})}.{signature}"

    return sign


def with_no_token_at_all(provider: OpenIdProvider) -> Callable[[Claims], str]:
    return lambda _: "this is no token"


def _part(document: Claims) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "signing",
    [
        without_signature,
        with_the_public_key_as_a_secret,
        with_the_clients_secret,
        with_another_key_of_the_same_name,
        with_a_key_that_it_brings_along,
        with_its_own_key_and_another_beside,
        with_changed_claims,
        with_no_token_at_all,
    ],
    ids=lambda each: str(each.__name__),
)
async def test_a_token_that_the_provider_did_not_sign_is_no_proof(
    signing: Callable[[OpenIdProvider], Callable[[Claims], str]],
) -> None:
    flow = Flow()
    flow.provider.signing = signing(flow.provider)
    with pytest.raises(NotProved):
        await flow.through()
