"""Canaries in every place that a secret can be in: none is ever heard of again.

The real process is given secrets by its file and its environment, and requests carry more of them,
right and wrong, in bodies, headers, forms and addresses. Then all that came out is searched: every
answer, the metrics, the audit, the log.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

import httpx2

from access_world import bearer
from torture.peers import world
from torture.service import Installation, Service, route, trunk
from torture.watch import PATIENCE_SECONDS

FORM = {"content-type": "application/x-www-form-urlencoded"}
CONFIG = """
[metrics]
token = "env:SCRAPE"
[oidc]
issuer = "https://login.example.com"
client_id = "trunkpulse"
client_secret = "env:OIDC"
[access]
initial_password = "env:INITIAL"
[[event_streams]]
id = "filed"
[event_streams.destination]
type = "webhook"
url = "http://127.0.0.1:9/hook?token=QUERY"
secret = "env:HOOK"
[event_streams.destination.headers]
x-api-key = "env:HEADER"
"""


@dataclass
class Canaries:
    """Secrets, each known by where it was put."""

    planted: dict[str, str] = field(default_factory=dict)

    def plant(self, place: str, form: str = "canary-{}-5f1b9c") -> str:
        secret = form.format(f"{len(self.planted):03}")
        self.planted[place] = secret
        return secret

    def heard(self, text: str) -> Iterator[str]:
        """The places whose secrets stand in ``text``, plainly or in another spelling."""
        for place, secret in self.planted.items():
            spellings = {
                secret,
                base64.b64encode(secret.encode()).decode().rstrip("="),
                json.dumps(secret)[1:-1],
            }
            if any(each in text for each in spellings):
                yield place


async def test_no_secret_is_ever_told(installation: Installation) -> None:
    canaries = Canaries()
    plant = canaries.plant
    hook = "whsec_" + base64.b64encode(b"canary of the hook, 32 bytes long").decode()
    canaries.planted["secret of a stream in the file"] = hook
    environ = {
        "SCRAPE": plant("token of scrapers"),
        "OIDC": plant("client secret of the provider"),
        "INITIAL": plant("first password"),
        "HOOK": hook,
        "HEADER": plant("header of a stream in the file"),
        "CARRIER": plant("password at a carrier"),
    }
    config = CONFIG.replace("QUERY", plant("query of a destination in the file"))
    async with world() as outside:
        carrier = outside.carrier()
        more = '[trunks.advanced]\nusername = "alice"\npassword = "env:CARRIER"'
        installation.write(trunk("a", carrier.uri, more=more), route("us", "a"), config)
        service = await installation.spawn(outside.watch, environ)
        try:
            await service.until_logged("ready")
            canaries.planted["token of the machine"] = service.token
            told = [text async for text in answers(service, plant)]
            assert await service.end() == 0
        finally:
            if not service.has_ended:
                service.process.kill()
                await service.ended()
    assert len(told) > 50
    for text in (*told, *service.text):
        assert not list(canaries.heard(text)), text


Plant = Callable[[str], str]


async def answers(service: Service, plant: Plant) -> AsyncIterator[str]:
    """All that the service says to requests with secrets in them."""
    async with httpx2.AsyncClient(
        base_url=service.api, trust_env=False, timeout=PATIENCE_SECONDS
    ) as api:
        for headers in wrong_credentials(plant):
            for path in ("/api/v2/telephony/trunks", "/metrics", "/api/v2/session"):
                yield said(await api.get(path, headers=headers))
        for path, form in forms(plant):
            yield said(await api.post(path, content=form, headers=FORM))
        machine = bearer(service.token)
        for method, path, body in documents(plant):
            text = body if isinstance(body, str) else json.dumps(body)
            for proof in ({}, machine):
                sent = {**proof, "content-type": "application/json"}
                yield said(await api.request(method, path, content=text, headers=sent))
        for path in READ:
            yield said(await api.get(path, headers=machine))


def said(answer: httpx2.Response) -> str:
    assert answer.status_code < 500, answer.text
    return f"{answer.status_code} {answer.headers.multi_items()} {answer.text}"


READ = (
    "/metrics",
    "/readyz",
    "/api/v2/audit",
    "/api/v2/audit/export",
    "/api/v2/advice",
    "/api/v2/events/streams",
    "/api/v2/events/streams/filed",
    "/api/v2/events/streams/made",
    "/api/v2/telephony/trunks",
    "/api/v2/telephony/trunks/a",
    "/api/v2/telephony/trunks/a/explain",
    "/api/v2/telephony/trunks/made",
    "/api/v2/telephony/trunks/export?format=json",
    "/api/v2/telephony/trunks/export?format=csv",
    "/api/v2/telephony/settings",
    "/api/v2/users",
    "/api/v2/oauth/clients",
    "/api/v2/session",
)


def wrong_credentials(plant: Plant) -> Iterator[dict[str, str]]:
    basic = base64.b64encode(f"me:{plant('basic')}".encode()).decode()
    yield {"authorization": f"Bearer {plant('bearer')}"}
    yield {"authorization": f"Bearer {plant('two bearers')} {plant('two bearers, second')}"}
    yield {"authorization": f"Basic {basic}"}
    yield {"authorization": plant("no scheme")}
    yield {"cookie": f"trunkpulse_session={plant('cookie')}", "x-csrf-token": plant("csrf")}
    yield {"cookie": f"__Host-trunkpulse_session={plant('cookie over TLS')}"}
    # The head and the body of a token may be read by anybody; its signature is what counts.
    yield {"authorization": f"Bearer eyJhbGciOiJFZERTQSJ9.e30.{plant('signature')}"}


def forms(plant: Plant) -> Iterator[tuple[str, str]]:
    grant = {"grant_type": "client_credentials", "client_id": "nobody"}
    for name in ("/oauth/token", "/oauth/revoke"):
        yield name, urlencode({**grant, "client_secret": plant(f"secret for {name}")})
        yield name, urlencode({"client_secret": plant(f"nothing else for {name}")})
        yield name, f"client_secret={plant(f'twice {name}')}&client_secret=x&client_id=a"
        yield name, f"%zz={plant(f'broken {name}')}"
    yield "/oauth/revoke", urlencode({"token": plant("token to revoke")})
    yield "/oauth/token", urlencode({**grant, "grant_type": "password", "password": plant("grant")})


def documents(plant: Plant) -> Iterator[tuple[str, str, object]]:
    session, users = "/api/v2/session", "/api/v2/users"
    for shape in ("{0}", ["{0}"], {"x": "{0}"}):
        for name, path, rest in (
            ("password", session, {"name": "admin"}),
            ("password", users, {"name": "bob", "roles": ["administrator"]}),
            ("password", f"{session}/password", {"newPassword": plant("another new one")}),
        ):
            value = json.loads(json.dumps(shape).replace("{0}", plant(f"{path} as {shape}")))
            method = "PUT" if path.endswith("/password") else "POST"
            yield method, path, {**rest, name: value}
    yield "POST", session, '{"name": "admin", "password": "' + plant("broken JSON") + '"'
    yield "POST", session, {"name": 5, "password": plant("name of a wrong kind")}
    yield "POST", session, {"name": "admin", "password": plant("too long") + "x" * 2000}
    yield "POST", users, {"name": "", "password": plant("no name")}
    yield "PUT", f"{users}/nobody/password", {"password": plant("of nobody")}
    yield from streams(plant)
    yield from trunks(plant)


def streams(plant: Plant) -> Iterator[tuple[str, str, object]]:
    path = "/api/v2/events/streams"
    whole = {
        "type": "webhook",
        "url": f"https://bob:{plant('user info')}@hook.example/x?key={plant('query')}",
        "secret": "whsec_" + base64.b64encode(plant("secret, 32 bytes of it").encode()).decode(),
        "headers": {"authorization": plant("header")},
    }
    yield "POST", path, {"id": "made", "destination": whole}
    yield "POST", path, {"id": "made", "destination": whole}  # there already
    for name, value in (
        ("secret", plant("short secret")),
        ("secret", [plant("listed secret")]),
        ("secret", {"value": plant("secret in an object")}),
        ("headers", {"authorization": [plant("listed header")]}),
        ("headers", {"x y": plant("header with a bad name")}),
        ("url", f"ftp://bob:{plant('user info of FTP')}@hook.example/"),
        ("url", f"https://bob:{plant('user info without a host')}@/"),
        ("url", [f"https://hook.example/?key={plant('query in a list')}"]),
    ):
        yield "POST", path, {"id": "bad", "destination": {**whole, name: value}}
        yield "PATCH", f"{path}/made", {"destination": {name: value}}
        yield "PATCH", f"{path}/filed", {"destination": {name: value}}
    yield "POST", f"{path}/filed/test", {}


def trunks(plant: Plant) -> Iterator[tuple[str, str, object]]:
    path = "/api/v2/telephony/trunks"
    made = {"id": "made", "targets": ["sip:127.0.0.1:5999"], "enabled": False}
    good = {"username": "alice", "password": plant("password of a trunk")}
    yield "POST", path, {**made, "advanced": good}
    for value in (
        [plant("password in a list")],
        {"x": plant("password in an object")},
        plant("password in two lines") + "\n",
        plant("password too long") + "x" * 300,
    ):
        bad = {"username": "alice", "password": value}
        yield "POST", path, {**made, "id": "bad", "advanced": bad}
        yield "PATCH", f"{path}/made", {"advanced": bad}
        yield "PATCH", f"{path}/a", {"advanced": bad}
    yield "POST", path, {**made, "targets": [f"sip:bob:{plant('password in a target')}@127.0.0.1"]}
    yield (
        "POST",
        f"{path}/import",
        {"entities": [{**made, "advanced": {"password": [plant("row")]}}]},
    )
