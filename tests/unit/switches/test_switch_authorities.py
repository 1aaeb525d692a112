"""A switch over TLS with a certificate of an authority of one's own."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from certificates import Authority
from switch_servers.asterisk import AsteriskServer
from switch_servers.opensips import OpenSipsServer
from switch_servers.sockets import HOST
from trunkpulse.adapters.switches.asterisk import Asterisk
from trunkpulse.adapters.switches.opensips import OpenSips
from trunkpulse.config.switches import SwitchSettings, SwitchUrl
from trunkpulse.ports import SwitchRefused, SwitchUnreachable

SECRET = "correct-horse"
NAMES = ["carrier-a"]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture(params=["https", "tls"])
async def settings(
    request: pytest.FixtureRequest, authority: Authority
) -> AsyncIterator[SwitchSettings]:
    """Of a switch whose certificate the authority has issued."""
    web = request.param == "https"
    server = OpenSipsServer() if web else AsteriskServer(password=SECRET)
    issued = authority.issue(HOST)
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.tls.load_cert_chain(issued.cert_file, issued.key_file)
    await server.start()
    url = SwitchUrl(request.param, HOST, server.port, "/mi" if web else "")
    yield replace(server.settings, url=url)
    await server.stop()


def adapter(settings: SwitchSettings) -> OpenSips | Asterisk:
    kind = OpenSips if settings.url.scheme == "https" else Asterisk
    return kind(settings, answer_seconds=10)


async def test_it_is_trusted_with_the_authority_and_by_nobody_without(
    settings: SwitchSettings, authority: Authority
) -> None:
    trusting = adapter(replace(settings, ca_file=str(authority.ca_file)))
    assert [each.up for each in await trusting.read(NAMES)] in ([], [None])
    await trusting.close()
    wary = adapter(settings)
    with pytest.raises(SwitchUnreachable, match="certificate"):
        await wary.read(NAMES)
    await wary.close()


async def test_another_authority_is_not_enough(settings: SwitchSettings, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other")
    wary = adapter(replace(settings, ca_file=str(stranger.ca_file)))
    with pytest.raises(SwitchUnreachable, match="certificate"):
        await wary.read(NAMES)
    await wary.close()


async def test_a_file_that_went_away_is_named_and_ends_nothing(
    settings: SwitchSettings, tmp_path: Path
) -> None:
    lost = adapter(replace(settings, ca_file=str(tmp_path / "gone.pem")))
    with pytest.raises(SwitchRefused, match=r"gone\.pem of tls\.ca_file cannot be used"):
        await lost.read(NAMES)
    await lost.close()
