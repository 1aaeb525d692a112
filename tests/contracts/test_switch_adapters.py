"""What every adapter for a switch does, whatever the switch speaks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from contracts.switch_benches import BENCHES, PASSWORD, SwitchBench
from switch_servers.sockets import Manner
from trunkpulse.ports import Entry, Switch, SwitchRefused, SwitchUnreachable

SILENT = frozenset({Manner.SILENT, Manner.ABSENT_MINDED})
WRONG = frozenset(Manner) - SILENT - {Manner.PROPER, Manner.DRIBBLING}


def having(manners: frozenset[Manner]) -> list[tuple[str, Manner]]:
    """Each bench with each of these manners that it has."""
    return [
        (name, manner)
        for name, make in sorted(BENCHES.items())
        for manner in Manner
        if manner in manners & make().manners
    ]


@pytest.fixture(params=sorted(BENCHES))
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[SwitchBench]:
    made = BENCHES[request.param]()
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


@pytest.fixture
async def switch(bench: SwitchBench) -> AsyncIterator[Switch]:
    made = bench.switch()
    try:
        yield made
    finally:
        await made.close()


async def everything(bench: SwitchBench, switch: Switch) -> Sequence[Entry]:
    return await switch.read([] if switch.by_address else [bench.first, bench.second])


async def states(bench: SwitchBench, switch: Switch) -> dict[str, bool | None]:
    return {entry.key: entry.up for entry in await everything(bench, switch)}


def is_a_sentence(error: Exception) -> bool:
    text = str(error)
    plain = text.isprintable() and text.endswith(".") and "; " in text
    return plain and len(text) < 400 and PASSWORD not in text


async def test_what_is_written_is_what_the_switch_does(bench: SwitchBench, switch: Switch) -> None:
    await everything(bench, switch)
    await switch.write(bench.first, up=False)
    await switch.write(bench.second, up=True)
    assert bench.goes_to(bench.first) is False
    assert bench.goes_to(bench.second) is True
    assert await states(bench, switch) == {bench.first: False, bench.second: True}
    await switch.write(bench.first, up=True)
    assert bench.goes_to(bench.first) is True


async def test_writing_the_same_again_changes_nothing(bench: SwitchBench, switch: Switch) -> None:
    await everything(bench, switch)
    for _ in range(3):
        await switch.write(bench.first, up=False)
    assert bench.goes_to(bench.first) is False
    assert (await states(bench, switch))[bench.first] is False


async def test_entries_come_in_order_and_with_an_address_or_a_name(
    bench: SwitchBench, switch: Switch
) -> None:
    entries = await everything(bench, switch)
    assert [entry.key for entry in entries] == [bench.first, bench.second]
    for entry in entries:
        assert (entry.uri is not None) is switch.by_address
        assert not entry.held
        assert bench.goes_to(entry.key) is entry.up


async def test_what_somebody_sets_by_hand_is_read(bench: SwitchBench, switch: Switch) -> None:
    await everything(bench, switch)
    await switch.write(bench.first, up=True)
    bench.set_by_hand(bench.first, up=False)
    assert (await states(bench, switch))[bench.first] is False


async def test_after_a_restart_it_is_read_and_set_as_before(
    bench: SwitchBench, switch: Switch
) -> None:
    await everything(bench, switch)
    await switch.write(bench.first, up=False)
    await bench.restart()
    assert (await states(bench, switch))[bench.first] is bench.goes_to(bench.first)
    await switch.write(bench.first, up=False)
    assert bench.goes_to(bench.first) is False


async def test_a_write_is_the_first_thing_after_a_restart(
    bench: SwitchBench, switch: Switch
) -> None:
    await everything(bench, switch)
    await bench.restart()
    await switch.write(bench.first, up=False)
    assert bench.goes_to(bench.first) is False


async def test_one_that_is_gone_is_unreachable_until_it_is_back(bench: SwitchBench) -> None:
    switch = bench.switch()
    await everything(bench, switch)
    await bench.stop()
    for _ in range(2):
        with pytest.raises(SwitchUnreachable) as caught:
            await everything(bench, switch)
        assert is_a_sentence(caught.value)
    with pytest.raises(SwitchUnreachable):
        await switch.write(bench.first, up=False)
    await bench.start()
    assert len(await everything(bench, switch)) == 2
    await switch.close()


@pytest.mark.parametrize(("bench", "manner"), having(SILENT), indirect=["bench"])
async def test_one_that_says_nothing_is_given_up_in_time(
    bench: SwitchBench, manner: Manner
) -> None:
    bench.behave(manner)
    switch = bench.switch(impatient=True)
    with pytest.raises(SwitchUnreachable, match=r"did not answer within 0\.2 s") as caught:
        await everything(bench, switch)
    assert is_a_sentence(caught.value)
    await switch.close()


@pytest.mark.parametrize(("bench", "manner"), having(WRONG), indirect=["bench"])
async def test_whatever_else_it_says_is_told_in_one_sentence_until_it_is_right_again(
    bench: SwitchBench, switch: Switch, manner: Manner
) -> None:
    bench.behave(manner)
    with pytest.raises(SwitchUnreachable) as caught:
        await everything(bench, switch)
    assert is_a_sentence(caught.value)
    bench.behave(Manner.PROPER)
    assert len(await everything(bench, switch)) == 2
    await switch.close()  # what it greets a connection with has to be of this manner too
    bench.behave(manner)
    with pytest.raises(SwitchUnreachable) as caught:
        await switch.write(bench.first, up=False)
    assert is_a_sentence(caught.value)
    bench.behave(Manner.PROPER)
    await switch.write(bench.first, up=False)
    assert bench.goes_to(bench.first) is False


async def test_an_answer_that_comes_byte_by_byte_is_an_answer(
    bench: SwitchBench, switch: Switch
) -> None:
    bench.behave(Manner.DRIBBLING)
    await everything(bench, switch)
    await switch.write(bench.first, up=False)
    assert (await states(bench, switch))[bench.first] is False


@pytest.mark.parametrize(
    "key",
    ["", "a b", "a\r\nAction: Originate", "a\n\napi shutdown", "a/b", "1 sip:192.0.2.9:5060", "ä"],
)
async def test_a_key_that_cannot_be_is_refused_and_never_sent(
    bench: SwitchBench, switch: Switch, key: str
) -> None:
    await everything(bench, switch)
    before = bench.goes_to(bench.first), bench.goes_to(bench.second)
    with pytest.raises(SwitchRefused) as caught:
        await switch.write(key, up=False)
    assert is_a_sentence(caught.value)
    assert (bench.goes_to(bench.first), bench.goes_to(bench.second)) == before


async def test_closing_is_harmless_before_after_and_twice(bench: SwitchBench) -> None:
    switch = bench.switch()
    await switch.close()
    await everything(bench, switch)
    await switch.close()
    await switch.close()
