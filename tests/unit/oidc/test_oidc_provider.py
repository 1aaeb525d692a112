"""Signing in by a provider: who is let in, and every way in which somebody else is not."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.types import Receive, Scope, Send

from oidc_provider import ISSUER, Claims, OpenIdProvider
from outbound_world import Dialler, networks, way_out
from trunkpulse.adapters.http.server import serve_http
from trunkpulse.adapters.oidc import NotProved, OidcProvider, ProviderAway
from trunkpulse.adapters.oidc.asking import ANSWER_BYTES, Asking
from unit.http.api_parts import SetClock
from unit.oidc.oidc_flow import CALLBACK, SETTINGS, Flow


async def test_who_comes_back_from_the_provider_is_who_it_says() -> None:
    arrival = await Flow().through()
    assert arrival.identity.subject == (ISSUER, "4711")
    assert arrival.identity.email == "alice@example.com"
    assert arrival.identity.name == "alice.smith"
    assert arrival.identity.display_name == "Alice Smith"
    assert arrival.page == "/console"


async def test_the_secret_goes_as_the_provider_takes_it() -> None:
    flow = Flow()
    flow.provider.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert (await flow.through()).identity.subject == (ISSUER, "4711")


async def test_what_the_provider_says_of_itself_is_asked_for_once_an_hour() -> None:
    flow = Flow()
    await flow.through()
    await flow.through()
    assert flow.provider.asked.count("/.well-known/openid-configuration") == 1
    assert flow.provider.asked.count("/keys") == 1
    flow.clock.seconds += 3601
    await flow.through()
    assert flow.provider.asked.count("/.well-known/openid-configuration") == 2
    assert flow.provider.asked.count("/keys") == 2


async def test_the_provider_may_change_its_keys_at_any_time() -> None:
    flow = Flow()
    await flow.through()
    flow.provider.change_key()
    flow.clock.seconds += 61
    assert (await flow.through()).identity.name == "alice.smith"
    assert flow.provider.asked.count("/keys") == 2


async def test_tokens_of_unknown_keys_do_not_have_the_keys_read_again_and_again() -> None:
    flow = Flow()
    await flow.through()
    stranger = ECKey.generate_key("P-256", {"kid": "stranger"})
    flow.provider.signing = lambda claims: jwt.encode(
        {"alg": "ES256", "kid": "stranger"}, claims, stranger
    )
    flow.clock.seconds += 61
    for _ in range(5):
        with pytest.raises(NotProved, match="not signed by the provider"):
            await flow.through()
    assert flow.provider.asked.count("/keys") == 2


# --- there and back --------------------------------------------------------------------------


async def test_a_code_is_good_once() -> None:
    flow = Flow()
    departure, answer = await flow.there()
    await flow.us.arrive(departure.way_back, answer)
    with pytest.raises(NotProved, match="invalid_grant"):
        await flow.us.arrive(departure.way_back, answer)


async def test_an_answer_with_another_state_is_not_for_this_browser() -> None:
    flow = Flow()
    departure, answer = await flow.there()
    for state in ("", "another", answer["state"][:-1], "€"):
        with pytest.raises(NotProved, match="not for this browser"):
            await flow.us.arrive(departure.way_back, {**answer, "state": state})
    assert "/token" not in flow.provider.asked


async def test_another_browsers_answer_signs_nobody_in() -> None:
    """Somebody has the victim's browser follow a link with a code of their own."""
    flow = Flow()
    victim, _ = await flow.there()
    _, attackers = await flow.there()
    with pytest.raises(NotProved, match="not for this browser"):
        await flow.us.arrive(victim.way_back, attackers)
    with pytest.raises(NotProved, match="takes no cookies"):
        await flow.us.arrive(None, attackers)


async def test_a_stolen_code_is_worth_nothing_in_another_browser() -> None:
    """The code comes with a state that fits, but the verifier and the nonce are another's."""
    flow = Flow()
    _, victims = await flow.there()
    own, answer = await flow.there()
    with pytest.raises(NotProved, match="invalid_grant"):
        await flow.us.arrive(own.way_back, {**answer, "code": victims["code"]})


async def test_who_is_away_for_too_long_begins_anew() -> None:
    flow = Flow()
    departure, answer = await flow.there()
    flow.clock.seconds += 601
    with pytest.raises(NotProved, match="away for too long"):
        await flow.us.arrive(departure.way_back, answer)


@pytest.mark.parametrize("way_back", ["", "nonsense", "x" * 10_000, "gAAAAA==", "ü"])
async def test_what_the_browser_kept_cannot_be_made_up(way_back: str) -> None:
    flow = Flow()
    _, answer = await flow.there()
    with pytest.raises(NotProved):
        await flow.us.arrive(way_back, answer)


async def test_what_the_browser_keeps_tells_it_nothing() -> None:
    departure, answer = await Flow().there()
    content = base64.urlsafe_b64decode(departure.way_back)
    assert answer["state"].encode() not in content
    assert b"verifier" not in content


@pytest.mark.parametrize("issuer", [None, "https://evil.example.com"])
async def test_an_answer_of_another_provider_is_refused(issuer: str | None) -> None:
    flow = Flow()
    departure, answer = await flow.there()
    answer = {name: value for name, value in {**answer, "iss": issuer}.items() if value}
    with pytest.raises(NotProved, match="another provider"):
        await flow.us.arrive(departure.way_back, answer)


@pytest.mark.parametrize(
    ("error", "said"),
    [("access_denied", r"\(access_denied\)"), ("<script>\n", r"\(no reason given\)")],
)
async def test_who_says_no_at_the_provider_is_not_let_in(error: str, said: str) -> None:
    flow = Flow()
    departure, answer = await flow.there()
    with pytest.raises(NotProved, match=said):
        await flow.us.arrive(departure.way_back, {"state": answer["state"], "error": error,
                                                  "iss": ISSUER})  # fmt: skip


# --- who it is -------------------------------------------------------------------------------


@pytest.mark.parametrize("verified", [False, None, "true", 1])
async def test_an_address_that_is_not_verified_is_nobodys(verified: object) -> None:
    flow = Flow()
    flow.provider.person["email_verified"] = verified
    assert (await flow.through()).identity.email is None


@pytest.mark.parametrize(
    ("claims", "roles"),
    [
        ({"groups": ["noc-engineers", "canteen"]}, ("engineer",)),
        ({"groups": ["noc", "noc-engineers"]}, ("operations", "auditor", "engineer")),
        ({"groups": "noc-engineers"}, ("engineer",)),
        ({"groups": [1, None, {}]}, ()),
        ({"groups": {"noc": True}}, ()),
        ({}, ()),
    ],
    ids=str,
)
async def test_groups_stand_for_roles(claims: Claims, roles: tuple[str, ...]) -> None:
    mapping = {"noc-engineers": ("engineer",), "noc": ("operations", "auditor")}
    flow = Flow(replace(SETTINGS, roles=mapping, allow_signup=True))
    flow.provider.person.update(claims)
    identity = (await flow.through()).identity
    assert identity.roles == roles
    assert identity.may_sign_up


async def test_roles_may_be_within_another_claim() -> None:
    flow = Flow(replace(SETTINGS, roles={"noc": ("operations",)}, roles_claim="realm_access.roles"))
    flow.provider.person["realm_access"] = {"roles": ["noc"]}
    assert (await flow.through()).identity.roles == ("operations",)


async def test_without_a_mapping_the_provider_has_no_say_in_roles() -> None:
    assert (await Flow().through()).identity.roles is None


@pytest.mark.parametrize(
    "page",
    [
        "//evil.example.com",
        "https://evil.example.com",
        "/\\evil",
        "javascript:alert(1)",
        "",
        "/a b",
    ],
)
async def test_nobody_is_sent_on_to_another_site(page: str) -> None:
    flow = Flow()
    departure, answer = await flow.there(page)
    assert (await flow.us.arrive(departure.way_back, answer)).page == "/"


# --- the provider itself ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"issuer": "https://evil.example.com"}, "calls itself something else"),
        ({"token_endpoint": "http://login.example.com/token"}, "token_endpoint is not https"),
        ({"jwks_uri": None}, "nothing usable as its jwks_uri"),
        ({"authorization_endpoint": "https://"}, "nothing usable as its authorization_endpoint"),
        ({"token_endpoint": "file:///etc/passwd"}, "nothing usable"),
        ({"token_endpoint": "https://[broken"}, "nothing usable"),
    ],
    ids=str,
)
async def test_a_provider_that_says_nonsense_of_itself_is_not_used(
    metadata: Claims, said: str
) -> None:
    flow = Flow()
    flow.provider.metadata = metadata
    with pytest.raises(ProviderAway, match=said):
        await flow.us.depart(CALLBACK, "/")


async def test_a_provider_that_is_away_is_said_to_be() -> None:
    flow = Flow()
    flow.provider.away = True
    with pytest.raises(ProviderAway, match="cannot be asked for what it is"):
        await flow.us.depart(CALLBACK, "/")
    flow.provider.away = False
    assert (await flow.through()).identity.name == "alice.smith"


async def test_a_wrong_client_secret_is_told_to_whoever_can_mend_it() -> None:
    flow = Flow(replace(SETTINGS, client_secret="another"))
    with pytest.raises(ProviderAway, match=r"client_id and client_secret") as problem:
        await flow.through()
    assert "another" not in str(problem.value)


async def test_an_endless_answer_is_not_read_to_its_end() -> None:
    class Endless(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            return httpx2.Response(200, stream=httpx2.ByteStream(b" " * (ANSWER_BYTES + 1)))

    with pytest.raises(ProviderAway, match="more than anybody needs"):
        await Asking(Endless()).get("https://login.example.com", "what it is")


async def test_a_provider_on_this_machine_needs_to_be_allowed(tmp_path: Path) -> None:
    network = Dialler()
    asking = Asking(way_out(tmp_path, network).transport(trusted=False))
    settings = replace(SETTINGS, issuer="http://127.0.0.1:9")
    provider = OidcProvider(settings, asking, SetClock())
    with pytest.raises(ProviderAway, match=r"\[outbound\]"):
        await provider.depart(CALLBACK, "/")
    assert network.dialled == []
    await provider.close()


async def test_a_provider_on_this_machine_that_is_allowed_signs_in_over_sockets(
    tmp_path: Path,
) -> None:
    clock = SetClock()
    there = OpenIdProvider(clock.wall)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        url, method = f"{there.issuer}{scope['path']}", scope["method"]
        headers = [(name.decode(), value.decode()) for name, value in scope["headers"]]
        response = await there.handle_async_request(
            httpx2.Request(method, url, headers=headers, content=body)
        )
        start = {"type": "http.response.start", "status": response.status_code, "headers": []}
        await send(start)
        await send({"type": "http.response.body", "body": await response.aread()})

    async with serve_http(answer, "127.0.0.1", 0) as (host, port):
        there.issuer = f"http://{host}:{port}"
        outside = way_out(tmp_path, Dialler(), allow=lambda: networks("127.0.0.0/8"))
        settings = replace(SETTINGS, issuer=there.issuer)
        us = OidcProvider(settings, Asking(outside.transport(trusted=False)), clock)
        departure = await us.depart(CALLBACK, "/")
        back = dict(parse_qsl(urlsplit(there.sign_in(departure.url)).query))
        assert (await us.arrive(departure.way_back, back)).identity.name == "alice.smith"
        await us.close()
    assert there.asked == ["/.well-known/openid-configuration", "/token", "/keys"]
