"""What is particular to FreeSWITCH; what it shares with others is in tests/contracts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from switch_servers.freeswitch import FreeSwitchServer
from trunkpulse.adapters.switches.freeswitch import FreeSwitch
from trunkpulse.ports import MOST_ENTRIES, Entry, SwitchRefused

SECRET = "hush-hush"


@pytest.fixture
async def server() -> AsyncIterator[FreeSwitchServer]:
    started = FreeSwitchServer(password=SECRET)
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
async def switch(server: FreeSwitchServer) -> AsyncIterator[FreeSwitch]:
    made = FreeSwitch(server.settings, answer_seconds=10)
    yield made
    await made.close()


async def refusal_of(switch: FreeSwitch) -> str:
    with pytest.raises(SwitchRefused) as caught:
        await switch.read(["carrier-a"])
    await switch.close()
    assert SECRET not in str(caught.value)
    return str(caught.value)


async def test_it_says_what_a_dialplan_reads_from_mod_hash(
    server: FreeSwitchServer, switch: FreeSwitch
) -> None:
    await switch.write("carrier-a", up=False)
    assert server.commands == [f"auth {SECRET}", "api hash insert/trunkpulse/carrier-a/DOWN"]
    assert server.hash == {"trunkpulse_carrier-a": "DOWN"}


async def test_all_is_read_by_one_command(server: FreeSwitchServer, switch: FreeSwitch) -> None:
    names = [f"trunk-{number}" for number in range(MOST_ENTRIES)]
    for name in names[::2]:
        server.put(name, "UP")
    entries = await switch.read(names)
    assert [entry.key for entry in entries] == names
    assert [entry.up for entry in entries] == [True, None] * (MOST_ENTRIES // 2)
    assert server.commands[1:] == ["api hash_dump db trunkpulse"]


async def test_more_names_than_it_is_told_of_are_refused(switch: FreeSwitch) -> None:
    with pytest.raises(SwitchRefused, match=f"at most {MOST_ENTRIES} trunks"):
        await switch.read(["carrier-a"] * (MOST_ENTRIES + 1))


async def test_names_differ_by_the_size_of_their_letters(
    server: FreeSwitchServer, switch: FreeSwitch
) -> None:
    await switch.write("carrier-a", up=True)
    await switch.write("Carrier-A", up=False)
    assert [entry.up for entry in await switch.read(["carrier-a", "Carrier-A"])] == [True, False]


async def test_what_others_keep_in_mod_hash_is_not_taken_for_ours(
    server: FreeSwitchServer, switch: FreeSwitch
) -> None:
    server.hash |= {
        "mytrunkpulse_carrier-a": "UP",
        "last_trunkpulse_carrier-a": "DOWN",
        "trunkpulse_carrier-ab": "UP",
        "trunkpulse_carrier-b": "UP/DOWN",
        "trunkpulse_carrier-c": "maybe",
    }
    entries = await switch.read(["carrier-a", "carrier-b", "carrier-c"])
    assert [entry.up for entry in entries] == [None, None, None]


async def test_it_has_nothing_to_say_of_an_empty_hash(switch: FreeSwitch) -> None:
    assert await switch.read(["carrier-a"]) == [Entry("carrier-a", None, None)]
    assert await switch.read([]) == []


async def test_events_and_log_lines_between_question_and_answer_are_passed_over(
    server: FreeSwitchServer, switch: FreeSwitch
) -> None:
    server.noisy = True
    await switch.write("carrier-a", up=True)
    await switch.write("carrier-b", up=False)
    assert [entry.up for entry in await switch.read(["carrier-a", "carrier-b"])] == [True, False]


async def test_a_user_of_the_directory_needs_no_more_than_two_commands(
    server: FreeSwitchServer,
) -> None:
    server.user = "trunkpulse@default"
    server.allowed_api = frozenset({"hash", "hash_dump"})
    switch = FreeSwitch(server.settings, answer_seconds=10)
    await switch.write("carrier-a", up=False)
    assert (await switch.read(["carrier-a"]))[0].up is False
    assert server.commands[0] == f"userauth trunkpulse@default:{SECRET}"
    await switch.close()


async def test_a_user_who_may_not_is_told_what_to_be_let_do(server: FreeSwitchServer) -> None:
    server.user = "trunkpulse@default"
    server.allowed_api = frozenset({"status"})
    switch = FreeSwitch(server.settings, answer_seconds=10)
    assert 'esl-allowed-api of this user be "hash hash_dump"' in await refusal_of(switch)


async def test_a_refusal_does_not_cost_the_connection(
    server: FreeSwitchServer, switch: FreeSwitch
) -> None:
    for modules, allowed in ((set[str](), None), ({"mod_hash"}, frozenset({"status"}))):
        server.modules, server.allowed_api = modules, allowed
        for _ in range(2):
            with pytest.raises(SwitchRefused):
                await switch.write("carrier-a", up=False)
    server.allowed_api = None
    await switch.write("carrier-a", up=False)
    assert server.value_of("carrier-a") == "DOWN"
    assert server.connections == 1


@pytest.mark.parametrize("user", [None, "trunkpulse@default"])
async def test_a_wrong_password_is_refused_and_not_repeated(
    server: FreeSwitchServer, user: str | None
) -> None:
    server.user = user
    settings = replace(server.settings, password=SECRET)
    server.password = "another"
    assert "refuses the password" in await refusal_of(FreeSwitch(settings, answer_seconds=10))


@pytest.mark.parametrize(
    ("username", "password", "words"),
    [
        ("trunkpulse", SECRET, "NAME@DOMAIN"),
        ("a@b@c", SECRET, "NAME@DOMAIN"),
        ("a@b\napi shutdown", SECRET, "NAME@DOMAIN"),
        (None, f"{SECRET}\n\napi shutdown", "one printable line"),
        ("a@b", f"{SECRET}\r\n", "one printable line"),
    ],
)
async def test_credentials_that_would_be_more_than_that_are_never_sent(
    server: FreeSwitchServer, username: str | None, password: str, words: str
) -> None:
    settings = replace(server.settings, username=username, password=password)
    assert words in await refusal_of(FreeSwitch(settings, answer_seconds=10))
    assert server.commands == []


async def test_an_address_that_the_acl_turns_away_is_told_where_to_be_let_in(
    server: FreeSwitchServer, switch: FreeSwitch
) -> None:
    server.lets_in = False
    assert "apply-inbound-acl" in await refusal_of(switch)


async def test_one_without_mod_hash_is_told_to_load_it(
    server: FreeSwitchServer, switch: FreeSwitch
) -> None:
    server.modules.clear()
    assert "load mod_hash" in await refusal_of(switch)
    with pytest.raises(SwitchRefused, match="load mod_hash"):
        await switch.write("carrier-a", up=True)


async def test_one_connection_serves_until_it_is_lost(
    server: FreeSwitchServer, switch: FreeSwitch
) -> None:
    for _ in range(3):
        await switch.write("carrier-a", up=True)
    assert server.connections == 1
    await server.restart()
    assert (await switch.read(["carrier-a"]))[0].up is None
    await switch.write("carrier-a", up=True)
    assert server.connections == 2
