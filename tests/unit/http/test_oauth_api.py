"""Tokens over HTTP: how a machine gets one, what it opens, how it is called back."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import httpx2
import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from access_world import ISSUER, MACHINE_TOKEN, access_over, bearer
from access_world import load as load_access
from trunkpulse.access import Limits, Permission
from trunkpulse.adapters.http.api.gate import machine
from trunkpulse.adapters.signing import LEAD_SECONDS
from trunkpulse.admission.clients import Client, ClientDraft, MadeSecret
from unit.http.api_world import World, running

TRUNKS = "/api/v2/telephony/trunks"
READ, EDIT = "telephony.trunks.read", "telephony.trunks.edit"
GRANT = {"grant_type": "client_credentials"}
DRAFT = ClientDraft(
    name="grafana", permissions=frozenset({Permission.TRUNK_VIEW, Permission.TRUNK_EDIT})
)


@dataclass
class Scene:
    """The real gate, somebody outside, and a client that they have the secret of."""

    world: World
    http: httpx2.AsyncClient
    made: MadeSecret

    @property
    def client(self) -> Client:
        return self.made.client

    async def ask(self, form: dict[str, str], **headers: str) -> httpx2.Response:
        return await self.http.post("/oauth/token", data=form, headers=headers)

    async def token(self, scope: str | None = None) -> str:
        form = {**GRANT, "client_id": self.client.id, "client_secret": self.made.text}
        answer = await self.ask(form if scope is None else {**form, "scope": scope})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def revoke(self, token: str, by: MadeSecret | None = None) -> httpx2.Response:
        by = by or self.made
        return await self.http.post(
            "/oauth/revoke",
            data={"token": token, "client_id": by.client.id, "client_secret": by.text},
        )

    async def status(self, token: str) -> int:
        return (await self.http.get(TRUNKS, headers=bearer(token))).status_code


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with running(world=World(gate=None)) as world, world.client() as http:
        made = await world.access.clients.create(DRAFT, machine())
        yield Scene(world, http, made)


def basic(client_id: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


# --- getting a token -----------------------------------------------------------------------------


async def test_a_client_gets_a_token_that_opens_what_it_may_do(scene: Scene) -> None:
    answer = await scene.ask(GRANT, authorization=basic(scene.client.id, scene.made.text))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    body = answer.json()
    assert body == {
        "access_token": body["access_token"],
        "token_type": "Bearer",
        "expires_in": 900,
        "scope": f"{EDIT} {READ}",
    }
    assert await scene.status(body["access_token"]) == 200


async def test_the_secret_may_stand_in_the_form(scene: Scene) -> None:
    assert await scene.status(await scene.token()) == 200


async def test_a_token_is_good_for_the_scopes_that_were_asked_for(scene: Scene) -> None:
    token = await scene.token(READ)
    assert await scene.status(token) == 200
    answer = await scene.http.post(f"{TRUNKS}/carrier-a/disable", headers=bearer(token))
    assert answer.status_code == 403
    assert "telephony.trunks.edit" in answer.json()["detail"]
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


async def test_a_token_is_good_within_the_clients_limits(scene: Scene) -> None:
    made = await scene.world.access.clients.create(
        replace(DRAFT, name="eu", limits=Limits(regions=frozenset({"eu"}))), machine()
    )
    scene.made = made
    answer = await scene.http.get("/api/v2/instances", headers=bearer(await scene.token()))
    assert answer.status_code == 403
    assert "limited" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({**GRANT, "scope": "users.edit"}, "invalid_scope"),
        ({**GRANT, "scope": f"{READ} nonsense"}, "invalid_scope"),
        ({**GRANT, "client_secret": "tps_x"}, "invalid_request"),
        ({**GRANT, "client_id": "somebody-else"}, "invalid_request"),
    ],
)
async def test_what_is_asked_wrongly_is_named_as_the_standard_does(
    scene: Scene, form: dict[str, str], error: str
) -> None:
    answer = await scene.ask(form, authorization=basic(scene.client.id, scene.made.text))
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.json()["error_description"].endswith(".")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "body",
    [
        b"grant_type=client_credentials&grant_type=client_credentials",
        b"grant_type=%ff%fe",
        b"grant_type=\xc3\xa4",
        b"&".join(b"a%d=1" % number for number in range(40)),
        b"a=" + b"b" * 20_000,
    ],
)
async def test_a_form_that_is_none_is_an_invalid_request(scene: Scene, body: bytes) -> None:
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "authorization": basic(scene.client.id, scene.made.text),
    }
    answer = await scene.http.post("/oauth/token", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_json_is_no_form(scene: Scene) -> None:
    answer = await scene.http.post("/oauth/token", json=GRANT)
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no-colon").decode(),
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        "Bearer abc",
        basic("tpc_unknown", "tps_x"),
    ],
)
async def test_who_does_not_prove_to_be_a_client_is_told_how_to(
    scene: Scene, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    answer = await scene.ask(GRANT, **headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic ")


async def test_an_id_and_a_secret_may_be_encoded_as_in_a_form(scene: Scene) -> None:
    encoded = scene.made.text.replace("_", "%5F")
    answer = await scene.ask(GRANT, authorization=basic(scene.client.id, encoded))
    assert answer.status_code == 200


async def test_a_secret_in_the_address_is_refused_and_not_repeated(scene: Scene) -> None:
    answer = await scene.http.post(
        f"/oauth/token?client_id={scene.client.id}&client_secret={scene.made.text}", data=GRANT
    )
    assert answer.status_code == 422
    assert scene.made.text not in answer.text


async def test_guessing_is_slowed_down_and_harms_nobody_elsewhere(scene: Scene) -> None:
    answers = [
        await scene.ask(GRANT, authorization=basic(scene.client.id, f"tps_{number:043}"))
        for number in range(40)
    ]
    assert [each.status_code for each in answers] == [401] * 30 + [429] * 10
    answer = answers[-1]
    assert answer.json()["error"] == "temporarily_unavailable"
    assert int(answer.headers["retry-after"]) == 10
    async with from_address(scene, "127.0.0.2") as elsewhere:
        wrong = basic(scene.client.id, "tps_wrong")
        answer = await elsewhere.post("/oauth/token", data=GRANT, headers={"authorization": wrong})
    assert answer.status_code == 401


async def test_a_client_with_the_right_secret_is_never_kept_waiting(scene: Scene) -> None:
    """Neither by guesses from all over the world nor by those from its own address."""
    for number in range(70):
        async with from_address(scene, f"2001:db8:0:{number:x}::1") as stranger:
            wrong = basic(scene.client.id, f"tps_{number:043}")
            answer = await stranger.post(
                "/oauth/token", data=GRANT, headers={"authorization": wrong}
            )
            assert answer.status_code == 401
    wrong = basic(scene.client.id, "tps_wrong")
    answers = [await scene.ask(GRANT, authorization=wrong) for _ in range(40)]
    assert answers[-1].status_code == 429
    right = {"authorization": basic(scene.client.id, scene.made.text)}
    assert (await scene.ask(GRANT, **right)).status_code == 200
    async with from_address(scene, "198.51.100.7") as elsewhere:
        answer = await elsewhere.post("/oauth/token", data=GRANT, headers=right)
    assert answer.status_code == 200


def from_address(scene: Scene, address: str) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=scene.world.app, client=(address, 5))
    return httpx2.AsyncClient(transport=transport, base_url=scene.http.base_url)


# --- what a token is worth -----------------------------------------------------------------------


async def test_whatever_needs_proof_refuses_without(scene: Scene) -> None:
    answer = await scene.http.get(TRUNKS)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="trunkpulse"'
    assert "POST /oauth/token" in answer.json()["detail"]
    for path in ("/healthz", "/oauth/jwks", "/.well-known/oauth-authorization-server"):
        assert (await scene.http.get(path)).status_code == 200


@pytest.mark.parametrize(
    "value", ["Bearer", "Bearer ", "Bearer a b", "Basic eDp5", "Bearer x.y.z", "Bearer tpm_x", "x"]
)
async def test_a_bad_token_is_refused_and_called_bad(scene: Scene, value: str) -> None:
    answer = await scene.http.get(TRUNKS, headers={"authorization": value})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_two_tokens_are_none(scene: Scene) -> None:
    header = ("authorization", f"Bearer {MACHINE_TOKEN}")
    answer = await scene.http.get(TRUNKS, headers=[header, header])
    assert answer.status_code == 401


async def test_the_machine_itself_may_do_everything(scene: Scene) -> None:
    headers = bearer(MACHINE_TOKEN)
    assert (await scene.http.get(TRUNKS, headers=headers)).status_code == 200
    answer = await scene.http.post(f"{TRUNKS}/carrier-a/disable", headers=headers)
    assert answer.status_code == 200
    assert (await scene.http.get("/api/v2/users", headers=headers)).status_code == 200


async def test_a_token_expires(scene: Scene) -> None:
    token = await scene.token()
    scene.world.clock.seconds += 899
    assert await scene.status(token) == 200
    scene.world.clock.seconds += 10
    assert await scene.status(token) == 401


@pytest.mark.parametrize("how", ["disabled", "narrowed", "deleted", "expired", "secret"])
async def test_a_token_is_void_at_once_when_its_client_changes(scene: Scene, how: str) -> None:
    clients, client_id = scene.world.access.clients, scene.client.id
    soon = int(scene.world.clock.wall() * 1000) + 1000
    if how == "expired":
        await clients.change(client_id, lambda each: replace(each, expires_ms=soon), machine())
    token = await scene.token()
    assert await scene.status(token) == 200
    match how:
        case "disabled":
            await clients.change(client_id, lambda each: replace(each, enabled=False), machine())
        case "narrowed":
            only = frozenset({Permission.TRUNK_VIEW})
            await clients.change(client_id, lambda each: replace(each, permissions=only), machine())
        case "deleted":
            await clients.delete(client_id, machine())
        case "expired":
            scene.world.clock.seconds += 1
        case "secret":
            await clients.remove_secret(client_id, scene.made.id, machine())
    assert await scene.status(token) == 401


async def test_a_second_secret_leaves_tokens_alone(scene: Scene) -> None:
    token = await scene.token()
    await scene.world.access.clients.add_secret(scene.client.id, machine())
    assert await scene.status(token) == 200


async def test_tokens_are_let_in_while_the_database_is_away(scene: Scene) -> None:
    token = await scene.token()
    scene.world.store.plugged = False
    assert await scene.status(token) == 200


async def test_tokens_outlive_a_key_and_a_restart(scene: Scene) -> None:
    access = scene.world.access
    await access.keys.rotate()
    scene.world.clock.seconds += LEAD_SECONDS - 1
    token = await scene.token()
    scene.world.clock.seconds += 2
    assert await scene.status(token) == 200  # another key signs by now
    again = access_over(scene.world.store, scene.world.clock)
    await load_access(again)
    assert again.tokens.read(token).client_id == scene.client.id
    assert again.clients.get(scene.client.id) == scene.client


# --- calling it back -----------------------------------------------------------------------------


async def test_a_revoked_token_is_void_and_others_are_not(scene: Scene) -> None:
    token, other = await scene.token(), await scene.token()
    assert (await scene.revoke(token)).status_code == 200
    assert await scene.status(token) == 401
    assert await scene.status(other) == 200
    assert (await scene.revoke(token)).status_code == 200  # safe to repeat


async def test_a_token_is_revoked_by_its_own_client_alone(scene: Scene) -> None:
    token = await scene.token()
    stranger = await scene.world.access.clients.create(replace(DRAFT, name="b"), machine())
    answer = await scene.revoke(token, by=stranger)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    nobody = replace(stranger, text="tps_wrong")
    assert (await scene.revoke(token, by=nobody)).status_code == 401
    assert await scene.status(token) == 200


async def test_to_revoke_what_is_void_is_no_error(scene: Scene) -> None:
    assert (await scene.revoke("nonsense")).status_code == 200
    form = {"client_id": scene.client.id, "client_secret": scene.made.text}
    answer = await scene.http.post("/oauth/revoke", data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


# --- what is published ---------------------------------------------------------------------------


async def test_what_the_server_can_do_is_published_as_the_standard_says(scene: Scene) -> None:
    answer = await scene.http.get("/.well-known/oauth-authorization-server")
    document = answer.json()
    assert document["issuer"] == ISSUER
    assert document["token_endpoint"] == f"{ISSUER}/oauth/token"
    assert READ in document["scopes_supported"]
    # The standard wants HTTPS of all addresses; on loopback they are what they are.
    secured = {
        key: value.replace("http://", "https://") if isinstance(value, str) else value
        for key, value in document.items()
    }
    # There is no authorization page, so no response type either, which authlib takes for absent.
    assert secured["response_types_supported"] == []
    AuthorizationServerMetadata({**secured, "response_types_supported": ["none"]}).validate()


async def test_the_keys_are_published_and_may_be_kept_for_a_while(scene: Scene) -> None:
    answer = await scene.http.get("/oauth/jwks")
    assert answer.headers["cache-control"] == "public, max-age=300"
    [key] = answer.json()["keys"]
    assert key == {
        "kty": "OKP",
        "crv": "Ed25519",
        "use": "sig",
        "alg": "Ed25519",
        "kid": scene.world.access.keys.signer().id,
        "x": key["x"],
    }
