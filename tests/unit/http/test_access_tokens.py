"""Access tokens and the keys that sign them: what is taken, and what is not."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from authlib.oauth2.rfc9068.claims import JWTAccessTokenClaims
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey
from joserfc.jws import JWSRegistry

from trunkpulse.access import Permission
from trunkpulse.adapters import tokens as tokens_module
from trunkpulse.adapters.keyring import KeysUnusable
from trunkpulse.adapters.signing import (
    JWKS_MAX_AGE_SECONDS,
    LEAD_SECONDS,
    LONGEST_TOKEN_SECONDS,
    ROTATION_SECONDS,
    SigningKeys,
)
from trunkpulse.adapters.storage.memory_documents import MemoryDocuments
from trunkpulse.adapters.tokens import AUDIENCE, LEEWAY_SECONDS, AccessTokens, TokenInvalid
from trunkpulse.adapters.vault import AesGcmVault
from trunkpulse.admission.clients import Client
from trunkpulse.ports import DocumentKind
from unit.http.api_parts import SetClock
from vaults import a_vault

ISSUER = "https://trunkpulse.example.com"
LIFETIME = 900
CLIENT = Client(
    id="tpc_1",
    name="grafana",
    permissions=frozenset({Permission.TRUNK_VIEW, Permission.TRUNK_EDIT}),
    generation=7,
    created_ms=0,
    changed_ms=0,
)
READ = frozenset({Permission.TRUNK_VIEW})


class Desk:
    """Keys and tokens over a store, as after a start."""

    def __init__(self) -> None:
        self.store = MemoryDocuments()
        self.clock = SetClock()
        self.vault = a_vault()
        self.issuer = ISSUER

    async def start(self) -> tuple[SigningKeys, AccessTokens]:
        keys = SigningKeys(self.store, self.vault, self.clock)
        await keys.load()
        tokens = AccessTokens(
            keys, self.clock, issuer=lambda: self.issuer, lifetime_seconds=lambda: LIFETIME
        )
        return keys, tokens


@pytest.fixture
def desk() -> Desk:
    return Desk()


def parts(token: str) -> tuple[dict[str, object], dict[str, object]]:
    header, payload, _ = token.split(".")
    decoded = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, payload)]
    return decoded[0], decoded[1]


def forged(header: dict[str, object], claims: dict[str, object], signature: str = "") -> str:
    encoded = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in (header, claims)
    )
    return ".".join((*encoded, signature))


async def test_a_token_says_who_may_do_what_and_for_how_long(desk: Desk) -> None:
    keys, tokens = await desk.start()
    issued = tokens.issue(CLIENT, READ)
    header, claims = parts(issued.text)
    assert header == {"typ": "at+jwt", "alg": "Ed25519", "kid": keys.signer().id}
    now = int(desk.clock.wall())
    assert claims == {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "tpc_1",
        "client_id": "tpc_1",
        "scope": "telephony.trunks.read",
        "iat": now,
        "exp": now + LIFETIME,
        "jti": claims["jti"],
        "generation": 7,
    }
    token = tokens.read(issued.text)
    assert (token.client_id, token.generation, token.permissions) == ("tpc_1", 7, READ)
    assert tokens.issue(CLIENT, READ).text != issued.text


async def test_others_can_verify_a_token_by_what_is_published(desk: Desk) -> None:
    keys, tokens = await desk.start()
    published = [key.public() for key in keys.published]
    assert all("d" not in key for key in published)
    text = tokens.issue(CLIENT, READ).text
    ring = KeySet.import_key_set({"keys": published})  # type: ignore[typeddict-item]
    found = jwt.decode(text, ring, registry=JWSRegistry(algorithms=["Ed25519"]))
    essential = {"essential": True}
    checked = JWTAccessTokenClaims(
        found.claims,
        found.header,
        {"iss": {"value": ISSUER}, "aud": {"value": AUDIENCE}, "client_id": essential},
    )
    checked.validate(now=int(desk.clock.wall()), leeway=0)


async def test_a_token_expires(desk: Desk) -> None:
    _, tokens = await desk.start()
    text = tokens.issue(CLIENT, READ).text
    desk.clock.seconds += LIFETIME + LEEWAY_SECONDS - 0.001
    tokens.read(text)
    desk.clock.seconds += 0.001
    with pytest.raises(TokenInvalid, match="expired"):
        tokens.read(text)


async def test_a_token_from_the_future_is_refused(desk: Desk) -> None:
    _, tokens = await desk.start()
    text = tokens.issue(CLIENT, READ).text
    desk.clock.seconds -= LEEWAY_SECONDS
    tokens.read(text)
    desk.clock.seconds -= 0.001
    with pytest.raises(TokenInvalid, match="future"):
        tokens.read(text)


async def test_a_token_that_was_verified_before_is_still_looked_at_each_time(desk: Desk) -> None:
    keys, tokens = await desk.start()
    issued = tokens.issue(CLIENT, READ)
    first = tokens.read(issued.text)
    assert tokens.read(issued.text) == first
    desk.issuer = "https://elsewhere.example.com"
    with pytest.raises(TokenInvalid, match="another service"):
        tokens.read(issued.text)
    desk.issuer = ISSUER
    desk.clock.seconds += LIFETIME + LEEWAY_SECONDS
    with pytest.raises(TokenInvalid, match="expired"):
        tokens.read(issued.text)
    desk.clock.seconds -= LIFETIME
    await keys.replace_all()
    with pytest.raises(TokenInvalid, match="not in use any more"):
        tokens.read(issued.text)


async def test_of_all_tokens_the_last_ones_are_remembered_and_forged_ones_are_not(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens_module, "MOST_REMEMBERED", 3)
    _, tokens = await desk.start()
    texts = [tokens.issue(CLIENT, READ).text for _ in range(5)]
    for text in texts:
        tokens.read(text)
        with pytest.raises(TokenInvalid):
            tokens.read(text[:-4] + ("AAAA" if text[-4:] != "AAAA" else "BBBB"))
    assert len(tokens._verified) == 3
    for text in texts:
        assert tokens.read(text).client_id == CLIENT.id


async def test_a_token_of_another_service_is_refused(desk: Desk) -> None:
    _, tokens = await desk.start()
    _, foreign = await Desk().start()
    with pytest.raises(TokenInvalid, match="not in use"):
        tokens.read(foreign.issue(CLIENT, READ).text)
    text = tokens.issue(CLIENT, READ).text
    desk.issuer = "https://elsewhere.example.com"
    with pytest.raises(TokenInvalid, match="another service"):
        tokens.read(text)


def as_none(header: dict[str, object], claims: dict[str, object], _: SigningKeys) -> str:
    return forged({**header, "alg": "none"}, claims)


def by_the_public_key_as_a_password(
    header: dict[str, object], claims: dict[str, object], keys: SigningKeys
) -> str:
    signed_part = forged({**header, "alg": "HS256"}, claims).removesuffix(".")
    password = keys.signer().jwk.as_pem(private=False)
    code = hmac.digest(password, signed_part.encode(), "sha256")
    return f"{signed_part}.{base64.urlsafe_b64encode(code).decode().rstrip('=')}"


def by_a_key_that_it_brings_along(
    header: dict[str, object], claims: dict[str, object], _: SigningKeys
) -> str:
    own = OKPKey.generate_key("Ed25519")
    header = {**header, "jwk": own.as_dict(private=False)}
    return jwt.encode(header, claims, own, algorithms=["Ed25519"])


def by_another_key_of_the_same_name(
    header: dict[str, object], claims: dict[str, object], _: SigningKeys
) -> str:
    return jwt.encode(header, claims, OKPKey.generate_key("Ed25519"), algorithms=["Ed25519"])


def for_another_audience(
    header: dict[str, object], claims: dict[str, object], keys: SigningKeys
) -> str:
    return signed(header, {**claims, "aud": "urn:else"}, keys)


def for_no_audience(header: dict[str, object], claims: dict[str, object], keys: SigningKeys) -> str:
    return signed(header, {k: v for k, v in claims.items() if k != "aud"}, keys)


def of_another_type(header: dict[str, object], claims: dict[str, object], keys: SigningKeys) -> str:
    return signed({**header, "typ": "JWT"}, claims, keys)


def without_an_end(header: dict[str, object], claims: dict[str, object], keys: SigningKeys) -> str:
    return signed(header, {k: v for k, v in claims.items() if k != "exp"}, keys)


def with_an_end_in_words(
    header: dict[str, object], claims: dict[str, object], keys: SigningKeys
) -> str:
    return signed(header, {**claims, "exp": "never"}, keys)


def with_another_payload(
    header: dict[str, object], claims: dict[str, object], keys: SigningKeys
) -> str:
    signature = signed(header, claims, keys).rpartition(".")[2]
    return forged(header, {**claims, "scope": "users.edit"}, signature)


def with_a_critical_extension(
    header: dict[str, object], claims: dict[str, object], keys: SigningKeys
) -> str:
    return forged({**header, "crit": ["b64"], "b64": False}, claims, "AAAA")


def with_a_header_that_leads_elsewhere(
    header: dict[str, object], claims: dict[str, object], keys: SigningKeys
) -> str:
    return signed({**header, "jku": "https://example.com/jwks"}, claims, keys)


def signed(header: dict[str, object], claims: dict[str, object], keys: SigningKeys) -> str:
    return jwt.encode(header, claims, keys.signer().jwk, algorithms=["Ed25519"], default_type=None)


Forge = Callable[[dict[str, object], dict[str, object], SigningKeys], str]


@pytest.mark.parametrize(
    "forge",
    [
        as_none,
        by_the_public_key_as_a_password,
        by_a_key_that_it_brings_along,
        by_another_key_of_the_same_name,
        for_another_audience,
        for_no_audience,
        of_another_type,
        without_an_end,
        with_an_end_in_words,
        with_another_payload,
        with_a_critical_extension,
        with_a_header_that_leads_elsewhere,
    ],
)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")  # of the forgers
async def test_a_forged_token_is_refused(desk: Desk, forge: Forge) -> None:
    keys, tokens = await desk.start()
    header, claims = parts(tokens.issue(CLIENT, READ).text)
    tokens.read(signed(header, claims, keys))  # the forger knows how
    with pytest.raises(TokenInvalid):
        tokens.read(forge(header, claims, keys))


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "ä.ö.ü", "e30.e30.", "x" * 5000, "\0.."])
async def test_what_is_no_token_is_refused(desk: Desk, text: str) -> None:
    _, tokens = await desk.start()
    with pytest.raises(TokenInvalid):
        tokens.read(text)


# --- keys ----------------------------------------------------------------------------------------


async def test_a_key_is_exchanged_without_an_outage(desk: Desk) -> None:
    keys, tokens = await desk.start()
    first = keys.signer()
    text = tokens.issue(CLIENT, READ).text
    second = await keys.rotate()
    assert [key.id for key in keys.published] == [first.id, second.id]  # before it signs
    assert keys.signer() == first
    assert LEAD_SECONDS > JWKS_MAX_AGE_SECONDS  # nobody has an older list by then
    desk.clock.seconds += LEAD_SECONDS - 1
    last = tokens.issue(CLIENT, READ).text
    assert parts(last)[0]["kid"] == first.id
    desk.clock.seconds += 1
    assert keys.signer() == second
    assert parts(tokens.issue(CLIENT, READ).text)[0]["kid"] == second.id
    tokens.read(text)
    desk.clock.seconds += LIFETIME - 2
    tokens.read(last)  # until the last token of the first key has expired
    await keys.tend()
    assert [key.id for key in keys.published] == [first.id, second.id]
    desk.clock.seconds += LONGEST_TOKEN_SECONDS
    await keys.tend()
    assert [key.id for key in keys.published] == [second.id]
    assert len(await desk.store.load_documents(DocumentKind.SIGNING_KEY)) == 1


async def test_a_key_is_exchanged_by_itself_after_ninety_days(desk: Desk) -> None:
    keys, _ = await desk.start()
    first = keys.signer()
    desk.clock.seconds += ROTATION_SECONDS - 1
    await keys.tend()
    assert [key.id for key in keys.published] == [first.id]
    desk.clock.seconds += 1
    await keys.tend()
    await keys.tend()
    assert len(keys.published) == 2
    assert await keys.rotate() == keys.published[1]  # one that waits is enough


async def test_keys_and_tokens_survive_a_restart(desk: Desk) -> None:
    keys, tokens = await desk.start()
    await keys.rotate()
    text = tokens.issue(CLIENT, READ).text
    again, reader = await desk.start()
    assert [key.id for key in again.published] == [key.id for key in keys.published]
    assert reader.read(text) == tokens.read(text)
    desk.clock.seconds += LEAD_SECONDS
    assert again.signer().id == keys.signer().id


async def test_keys_that_others_may_know_are_void_at_once(desk: Desk) -> None:
    keys, tokens = await desk.start()
    text = tokens.issue(CLIENT, READ).text
    await keys.rotate()
    key = await keys.replace_all()
    assert [each.id for each in keys.published] == [key.id]
    with pytest.raises(TokenInvalid):
        tokens.read(text)
    tokens.read(tokens.issue(CLIENT, READ).text)
    again, _ = await desk.start()
    assert [each.id for each in again.published] == [key.id]


async def test_a_lost_vault_key_means_a_new_key_and_void_tokens(desk: Desk) -> None:
    keys, tokens = await desk.start()
    text = tokens.issue(CLIENT, READ).text
    desk.vault = a_vault(2)
    again, reader = await desk.start()
    assert again.signer().id != keys.signer().id
    with pytest.raises(TokenInvalid):
        reader.read(text)
    reader.read(reader.issue(CLIENT, READ).text)
    [kept] = await desk.store.load_documents(DocumentKind.SIGNING_KEY)
    assert kept.id == again.signer().id


async def test_nobody_puts_a_key_of_their_own_into_the_database(desk: Desk) -> None:
    keys, _ = await desk.start()
    [kept] = await desk.store.load_documents(DocumentKind.SIGNING_KEY)
    own = OKPKey.generate_key("Ed25519", {"kid": "open"})
    await desk.store.save_documents(
        [
            replace(kept, id="open", secrets={"jwk": json.dumps(own.as_dict(private=True))}),
            replace(kept, id="copied"),  # what was sealed for one place opens in no other
        ]
    )
    again, _ = await desk.start()
    assert [key.id for key in again.published] == [keys.signer().id]


class NoKeys(AesGcmVault):
    def seal(self, text: str, about: str) -> str:
        raise KeysUnusable("There is no key.")


async def test_a_service_without_a_vault_signs_until_it_ends(desk: Desk) -> None:
    desk.vault = NoKeys(a_vault()._keys)
    keys, tokens = await desk.start()
    tokens.read(tokens.issue(CLIENT, READ).text)
    assert await desk.store.load_documents(DocumentKind.SIGNING_KEY) == []
    again, _ = await desk.start()
    assert again.signer().id != keys.signer().id
