"""Trunks to a real Kamailio over every transport, and what it may answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from certificates import Authority
from interop.peers import kamailio as far
from interop.peers.kamailio import Kamailio, ServerIdentity, running_kamailio
from interop.peers.software import ipv6_loopback
from interop.service import serving
from interop.settings import config_file, trunk
from trunkpulse.model import TransportProtocol

pytestmark = pytest.mark.interop

LONG = 20
"""Three attempts that wait so long for a time-out take longer than a test waits for anything."""


def address(family: str) -> str:
    return ipv6_loopback() if family == "IPv6" else "127.0.0.1"


def identity(folder: Path, host: str, *, mutual: bool) -> tuple[ServerIdentity, dict[str, object]]:
    """The certificate of a server at ``host``, and the ``tls`` table of a trunk to it."""
    authority = Authority(folder)
    table: dict[str, object] = {"ca_file": authority.ca_file}
    if mutual:
        ours = authority.issue("trunkpulse.example.com")
        table |= {"cert_file": ours.cert_file, "key_file": ours.key_file}
    own = authority.issue(host, file="server")
    return ServerIdentity(
        own=own, ca_file=authority.ca_file, clients_need_certificates=mutual
    ), table


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
@pytest.mark.parametrize("transport", ["udp", "tcp", "tls", "mutual tls"])
async def test_trunk_over_every_transport_is_up_dies_at_once_and_comes_back(
    transport: str, family: str, tmp_path: Path
) -> None:
    host = address(family)
    protocol = TransportProtocol(transport.rpartition(" ")[2])
    mutual = transport.startswith("mutual")
    certified, tls = None, None
    if protocol is TransportProtocol.TLS:
        certified, tls = identity(tmp_path / "certificates", host, mutual=mutual)
    async with running_kamailio(
        tmp_path / "kamailio", host, protocol=protocol, identity=certified
    ) as far_side:
        advanced = {} if tls is None else {"tls": tls}
        carrier = trunk("carrier", far_side.uri, {"timeout_seconds": LONG}, **advanced)
        async with serving(config_file(tmp_path, {}, more=carrier)) as service:
            await service.changes("carrier", 1)
            await far_side.answers(4)
            await far_side.kill()
            await service.changes("carrier", 2)
            await far_side.start()
            up, down, again = await service.changes("carrier", 3)

    assert [(each["state"], each["reasonCode"]) for each in (up, down, again)] == [
        ("AVAILABLE", "KEEPALIVE_RESTORED"),
        ("DOWN", "NETWORK_ERROR"),
        ("AVAILABLE", "KEEPALIVE_RESTORED"),
    ]
    [alive] = up["metadata"]["evidence"]
    assert alive["code"] == 200
    assert alive["address"] == f"{protocol}:{far_side.place}"
    [dead] = down["metadata"]["evidence"]
    assert dead["failure"] == "refused"


async def test_kamailio_that_wants_a_certificate_does_not_let_us_in_without(
    tmp_path: Path,
) -> None:
    certified, tls = identity(tmp_path / "certificates", "127.0.0.1", mutual=True)
    trusting = {"ca_file": tls["ca_file"]}
    async with running_kamailio(
        tmp_path / "kamailio", protocol=TransportProtocol.TLS, identity=certified
    ) as far_side:
        config = config_file(tmp_path, {}, more=trunk("carrier", far_side.uri, tls=trusting))
        async with serving(config) as service:
            [change] = await service.changes("carrier", 1)
            assert (change["state"], change["reasonCode"]) == ("DOWN", "NETWORK_ERROR")
            [evidence] = change["metadata"]["evidence"]
            assert evidence["failure"] == "tls"
            assert "certificate" in evidence["detail"]
            assert far_side.answered == []


@pytest.mark.parametrize(
    ("healthy", "state"), [(["404"], "AVAILABLE"), (["2xx", "4xx"], "AVAILABLE"), (None, "DOWN")]
)
async def test_404_is_what_the_trunk_says_it_is(
    healthy: list[str] | None, state: str, tmp_path: Path
) -> None:
    keepalive = {} if healthy is None else {"healthy_responses": healthy}
    async with running_kamailio(tmp_path / "kamailio", answer=far.NOT_FOUND) as far_side:
        carrier = trunk("carrier", far_side.uri, keepalive)
        async with serving(config_file(tmp_path, {}, more=carrier)) as service:
            [change] = await service.changes("carrier", 1)
            assert change["state"] == state
            assert change["metadata"]["evidence"][0]["code"] == 404


@pytest.mark.parametrize(("healthy", "state"), [(["3xx"], "AVAILABLE"), (None, "DOWN")])
async def test_redirection_is_an_answer_and_is_not_followed(
    healthy: list[str] | None, state: str, tmp_path: Path
) -> None:
    keepalive = {} if healthy is None else {"healthy_responses": healthy}
    async with running_kamailio(tmp_path / "kamailio", answer=far.REDIRECT) as far_side:
        carrier = trunk("carrier", far_side.uri, keepalive)
        async with serving(config_file(tmp_path, {}, more=carrier)) as service:
            [change] = await service.changes("carrier", 1)
            assert change["state"] == state
            assert change["metadata"]["evidence"][0]["code"] == 302


async def challenged(
    far_side: Kamailio, folder: Path, password: str | None
) -> tuple[str, dict[str, object]]:
    """The first state of a trunk to ``far_side``, and the evidence for it."""
    proof = {"username": far.USERNAME, "password": "env:CARRIER_PASSWORD"} if password else {}
    config = config_file(folder, {}, more=trunk("carrier", far_side.uri, **proof))
    async with serving(config, CARRIER_PASSWORD=password or "") as service:
        [change] = await service.changes("carrier", 1)
        [evidence] = change["metadata"]["evidence"]
        return change["state"], evidence


@pytest.mark.parametrize("digest", ["MD5", "SHA-256"])
@pytest.mark.parametrize("challenge", [far.CHALLENGE, far.PROXY_CHALLENGE], ids=["401", "407"])
async def test_challenge_is_met_with_the_right_password(
    challenge: str, digest: str, tmp_path: Path
) -> None:
    async with running_kamailio(tmp_path / "kamailio", answer=challenge, digest=digest) as far_side:
        state, evidence = await challenged(far_side, tmp_path, far.PASSWORD)
        assert (state, evidence["code"]) == ("AVAILABLE", 200)


async def test_wrong_password_takes_the_trunk_down_and_is_named(tmp_path: Path) -> None:
    async with running_kamailio(tmp_path / "kamailio", answer=far.CHALLENGE) as far_side:
        state, evidence = await challenged(far_side, tmp_path, "open barley")
        assert (state, evidence["code"]) == ("DOWN", 401)
        assert "username or password refused" in str(evidence["detail"])
        assert "barley" not in str(evidence)


async def test_challenge_without_credentials_is_judged_as_any_answer(tmp_path: Path) -> None:
    async with running_kamailio(tmp_path / "kamailio", answer=far.CHALLENGE) as far_side:
        state, evidence = await challenged(far_side, tmp_path, None)
        assert (state, evidence["code"]) == ("DOWN", 401)
