"""What is particular to Asterisk; what it shares with others is in tests/contracts."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from certificates import Authority
from switch_servers.asterisk import AsteriskServer
from switch_servers.sockets import HOST
from trunkpulse.adapters.switches.asterisk import Asterisk
from trunkpulse.config.switches import SwitchUrl
from trunkpulse.ports import MOST_ENTRIES, Entry, SwitchRefused, SwitchUnreachable

SECRET = "hush-hush"


@pytest.fixture
async def server() -> AsyncIterator[AsteriskServer]:
    started = AsteriskServer(password=SECRET)
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
async def switch(server: AsteriskServer) -> AsyncIterator[Asterisk]:
    made = Asterisk(server.settings, answer_seconds=10)
    yield made
    await made.close()


async def refusal_of(switch: Asterisk) -> str:
    with pytest.raises(SwitchRefused) as caught:
        await switch.write("carrier-a", up=False)
    await switch.close()
    assert SECRET not in str(caught.value)
    return str(caught.value)


async def test_it_says_what_a_dialplan_reads_from_astdb(
    server: AsteriskServer, switch: Asterisk
) -> None:
    await switch.write("carrier-a", up=False)
    assert server.database == {"/trunkpulse/carrier-a": "DOWN"}
    assert [action["action"] for action in server.actions] == ["Challenge", "Login", "DBPut"]


async def test_the_password_never_leaves_and_events_are_not_wanted(
    server: AsteriskServer, switch: Asterisk
) -> None:
    await switch.write("carrier-a", up=False)
    assert not any(SECRET in value for action in server.actions for value in action.values())
    assert server.actions[1]["events"] == "off"


@pytest.mark.parametrize("modern", [True, False])
@pytest.mark.parametrize("noisy", [True, False])
async def test_values_are_found_whatever_comes_around_them(
    server: AsteriskServer, switch: Asterisk, *, modern: bool, noisy: bool
) -> None:
    server.modern, server.noisy = modern, noisy
    names = [f"trunk-{number}" for number in range(170)]
    for name in names[::2]:
        server.put(name, "DOWN")
    for _ in range(2):
        entries = await switch.read(names)
        assert entries == [
            Entry(name, None, False if number % 2 == 0 else None)
            for number, name in enumerate(names)
        ]
    await switch.write("trunk-1", up=True)
    assert server.value_of("trunk-1") == "UP"


async def test_a_value_that_we_did_not_write_says_nothing(
    server: AsteriskServer, switch: Asterisk
) -> None:
    for name, value in (("a", "up"), ("b", ""), ("c", "DOWN, they say")):
        server.put(name, value)
    assert [entry.up for entry in await switch.read(["a", "b", "c"])] == [None, None, None]
    assert await switch.read([]) == []


async def test_its_database_outlives_a_restart(server: AsteriskServer, switch: Asterisk) -> None:
    await switch.write("carrier-a", up=False)
    await server.restart()
    assert (await switch.read(["carrier-a"]))[0].up is False


async def test_more_names_than_it_is_told_of_are_refused(
    server: AsteriskServer, switch: Asterisk
) -> None:
    with pytest.raises(SwitchRefused, match=f"at most {MOST_ENTRIES} trunks"):
        await switch.read(["carrier-a"] * (MOST_ENTRIES + 1))
    assert server.connections == 0


async def test_a_wrong_password_is_refused_in_its_words(server: AsteriskServer) -> None:
    settings = server.settings
    server.password = "another"
    sentence = await refusal_of(Asterisk(settings, answer_seconds=10))
    assert 'refuses the login ("Authentication failed")' in sentence


async def test_one_that_offers_no_challenge_is_not_given_the_password(
    server: AsteriskServer, switch: Asterisk
) -> None:
    server.challenges = False
    assert "the password is not sent without one" in await refusal_of(switch)
    assert [action["action"] for action in server.actions] == ["Challenge"]


@pytest.mark.parametrize(
    ("username", "password", "what"),
    [
        (None, SECRET, "username"),
        ("trunkpulse\r\nAction: Originate", SECRET, "username"),
        ("trunkpulse", None, "password"),
        ("trunkpulse", f"{SECRET}\r\n", "password"),
    ],
)
async def test_credentials_that_would_be_more_than_that_are_never_sent(
    server: AsteriskServer, username: str | None, password: str | None, what: str
) -> None:
    settings = replace(server.settings, username=username, password=password)
    assert f"without a {what}" in await refusal_of(Asterisk(settings, answer_seconds=10))
    assert server.actions == []


@pytest.mark.parametrize("classes", [(), ("call", "originate"), ("reporting",)])
async def test_a_user_who_may_not_is_told_which_class_it_takes(
    server: AsteriskServer, switch: Asterisk, classes: tuple[str, ...]
) -> None:
    server.classes = frozenset(classes)
    assert '"write = system" in manager.conf' in await refusal_of(switch)
    if "reporting" in classes:
        assert (await switch.read(["carrier-a"]))[0].up is None
    else:
        with pytest.raises(SwitchRefused, match="write = system"):
            await switch.read(["carrier-a", "carrier-b"])


async def test_a_refusal_does_not_cost_the_connection(
    server: AsteriskServer, switch: Asterisk
) -> None:
    server.put("carrier-c", "UP")
    server.classes = frozenset()
    for _ in range(3):
        with pytest.raises(SwitchRefused):
            await switch.read(["carrier-a", "carrier-b", "carrier-c"])
        with pytest.raises(SwitchRefused):
            await switch.write("carrier-a", up=False)
    server.classes = frozenset({"system"})
    assert [entry.up for entry in await switch.read(["carrier-a", "carrier-c"])] == [None, True]
    assert server.connections == 1


async def test_over_tls_its_certificate_is_verified(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    issued = authority.issue(HOST)
    server = AsteriskServer(password=SECRET)
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.tls.load_cert_chain(issued.cert_file, issued.key_file)
    await server.start()
    settings = replace(server.settings, url=SwitchUrl("tls", HOST, server.port))
    trust = ssl.create_default_context(cafile=str(authority.ca_file))
    trusting = Asterisk(settings, answer_seconds=10, tls=trust)
    await trusting.write("carrier-a", up=False)
    assert server.value_of("carrier-a") == "DOWN"
    await trusting.close()
    wary = Asterisk(settings, answer_seconds=10)
    with pytest.raises(SwitchUnreachable, match="certificate"):
        await wary.read(["carrier-a"])
    await server.stop()
