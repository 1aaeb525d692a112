"""What is particular to OpenSIPS; what it shares with others is in tests/contracts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from switch_servers.opensips import NEW_NAMES, OLD_NAMES, OpenSipsServer
from trunkpulse.adapters.switches.opensips import OpenSips
from trunkpulse.config.switches import SwitchSettings
from trunkpulse.ports import MOST_ENTRIES, Entry, SwitchRefused, SwitchUnreachable

URI = "sip:192.0.2.1:5060"


@pytest.fixture
async def server() -> AsyncIterator[OpenSipsServer]:
    started = OpenSipsServer()
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
async def switch(server: OpenSipsServer) -> AsyncIterator[OpenSips]:
    made = opensips(server.settings)
    yield made
    await made.close()


def opensips(settings: SwitchSettings) -> OpenSips:
    return OpenSips(settings, answer_seconds=10)


async def test_it_is_told_by_set_and_address_as_texts(
    server: OpenSipsServer, switch: OpenSips
) -> None:
    server.dispatcher.put(URI, group=3)
    assert await switch.read([]) == [Entry(f"3 {URI}", URI, up=True, group="3")]
    await switch.write(f"3 {URI}", up=False)
    told = server.dispatcher.calls[-1]
    assert told["method"] == "ds_set_state"
    assert told["params"] == {"state": "i", "group": "3", "address": URI}
    assert server.dispatcher.state_of(URI, 3) == "Inactive"


async def test_what_it_probes_itself_is_not_in_use(
    server: OpenSipsServer, switch: OpenSips
) -> None:
    server.dispatcher.put(URI).state = "Probing"
    server.dispatcher.put("sip:192.0.2.2").state = "Meditating"
    assert [entry.up for entry in await switch.read([])] == [False, None]


async def test_sets_of_other_partitions_are_named_with_theirs(
    server: OpenSipsServer, switch: OpenSips
) -> None:
    server.dispatcher.put(URI, group=1)
    other = server.dispatcher.put(URI, group=1, partition="edge")
    entries = await switch.read([])
    assert [entry.key for entry in entries] == [f"1 {URI}", f"edge:1 {URI}"]
    await switch.write(f"edge:1 {URI}", up=False)
    assert other.state == "Inactive"
    assert server.dispatcher.destinations[0].state == "Active"


async def test_sets_that_are_not_looked_after_are_not_seen(server: OpenSipsServer) -> None:
    for group in (1, 2, 3):
        server.dispatcher.put(URI, group=group)
    switch = opensips(replace(server.settings, groups=(1, 3)))
    assert [entry.group for entry in await switch.read([])] == ["1", "3"]
    with pytest.raises(SwitchRefused, match="has listed no destination"):
        await switch.write(f"2 {URI}", up=False)
    assert server.dispatcher.state_of(URI, 2) == "Active"
    await switch.close()


async def test_of_destinations_that_are_written_alike_the_one_that_can_be_set_is_seen(
    server: OpenSipsServer, switch: OpenSips
) -> None:
    first = server.dispatcher.put("sip:SBC.example.com")
    second = server.dispatcher.put("sip:sbc.example.com")
    second.state = "Inactive"
    assert await switch.read([]) == [
        Entry("1 sip:SBC.example.com", "sip:SBC.example.com", up=True, group="1")
    ]
    await switch.write("1 sip:SBC.example.com", up=False)
    assert first.state == "Inactive"


async def test_no_destinations_are_no_entries(switch: OpenSips) -> None:
    assert await switch.read([]) == []


async def test_the_names_of_either_version_are_found_and_kept(
    server: OpenSipsServer, switch: OpenSips
) -> None:
    server.dispatcher.put(URI)
    for names in (NEW_NAMES, OLD_NAMES, NEW_NAMES):
        server.dispatcher.names = names
        assert len(await switch.read([])) == 1
        server.dispatcher.calls.clear()
        await switch.read([])
        await switch.write(f"1 {URI}", up=False)
        assert [call["method"] for call in server.dispatcher.calls] == list(names)


async def test_one_without_a_dispatcher_is_told_to_load_it(
    server: OpenSipsServer, switch: OpenSips
) -> None:
    server.dispatcher.loaded = False
    with pytest.raises(SwitchRefused, match="load its dispatcher module"):
        await switch.read([])


async def test_what_it_complains_of_is_told_in_its_words_and_not_taken_for_another_version(
    server: OpenSipsServer, switch: OpenSips
) -> None:
    server.dispatcher.trouble = "no more pkg memory"
    with pytest.raises(SwitchRefused, match="no more pkg memory"):
        await switch.read([])
    assert len(server.dispatcher.calls) == 1


async def test_a_destination_that_is_no_longer_there_is_refused_in_its_words(
    server: OpenSipsServer, switch: OpenSips
) -> None:
    server.dispatcher.put(URI)
    await switch.read([])
    server.dispatcher.destinations.clear()
    with pytest.raises(SwitchRefused, match="destination not found"):
        await switch.write(f"1 {URI}", up=False)
    assert await switch.read([]) == []
    with pytest.raises(SwitchRefused, match="has listed no destination"):
        await switch.write(f"1 {URI}", up=False)


async def test_a_strange_address_is_told_as_it_is_listed(
    server: OpenSipsServer, switch: OpenSips
) -> None:
    uri = 'sip:"; drop"@sbc.example.com;x=\r\n\u00e4'
    server.dispatcher.put(uri)
    [entry] = await switch.read([])
    await switch.write(entry.key, up=False)
    assert server.dispatcher.calls[-1]["params"]["address"] == uri
    assert server.dispatcher.state_of(uri) == "Inactive"


async def test_more_destinations_than_are_looked_after_are_refused(
    server: OpenSipsServer, switch: OpenSips
) -> None:
    for number in range(MOST_ENTRIES + 1):
        server.dispatcher.put(f"sip:{number}.example.com", group=number % 2)
    with pytest.raises(SwitchRefused, match="name the sets to look after in groups"):
        await switch.read([])
    halved = opensips(replace(server.settings, groups=(1,)))
    assert len(await halved.read([])) == MOST_ENTRIES // 2
    await halved.close()


@pytest.mark.parametrize(
    "listed",
    [
        None,
        [],
        "OK",
        {},
        {"PARTITIONS": {}},
        {"PARTITIONS": [7]},
        {"PARTITIONS": [{"SETS": []}]},
        {"PARTITIONS": [{"name": "default", "SETS": 7}]},
        {"PARTITIONS": [{"name": "default", "SETS": [{"id": "1", "Destinations": []}]}]},
        {"PARTITIONS": [{"name": "default", "SETS": [{"id": 1}]}]},
        {"PARTITIONS": [{"name": "default", "SETS": [{"id": 1, "Destinations": [{}]}]}]},
    ],
)
async def test_a_list_of_another_shape_is_not_understood(
    server: OpenSipsServer, switch: OpenSips, listed: object
) -> None:
    server.dispatcher.listed = listed
    with pytest.raises(SwitchUnreachable, match="in a way that is not understood"):
        await switch.read([])
