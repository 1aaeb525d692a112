"""What is particular to Kamailio: its states, its sets, its duplicates, its two protocols."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch_servers.kamailio import KamailioOverCtl, KamailioOverHttp, KamailioServer, record
from trunkpulse.adapters.switches.binrpc import (
    Packet,
    PacketFraming,
    Value,
    question,
    values_of,
)
from trunkpulse.adapters.switches.conversation import Incomprehensible
from trunkpulse.adapters.switches.kamailio import KamailioSwitch, _values
from trunkpulse.ports import MOST_ENTRIES, SwitchRefused, SwitchUnreachable
from unit.switching.turns import turns_of_others

A = "sip:192.0.2.1:5060"
BODY = record({"N": 300, "S": [{"x": "abcdefghij"}]})
ANSWER = bytes([0xA1, 0x1C, 0, 0, 0, len(BODY), 7]) + BODY


@pytest.fixture(params=[KamailioOverHttp, KamailioOverCtl])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[KamailioServer]:
    make: Callable[[], KamailioServer] = request.param
    made = make()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def web() -> AsyncIterator[KamailioOverHttp]:
    made = KamailioOverHttp()
    await made.start()
    yield made
    await made.stop()


async def test_a_password_goes_as_it_is_only_where_nobody_can_listen(web: KamailioOverHttp) -> None:
    web.username, web.password = "pulse", "hush"
    switch = KamailioSwitch(web.settings)
    await switch.read([])
    await switch.close()
    told = replace(web.settings, url=replace(web.url, host="0.0.0.0"))  # is no loopback address
    switch = KamailioSwitch(told)
    with pytest.raises(SwitchRefused, match="use https, or let it ask for Digest"):
        await switch.read([])
    await switch.close()


async def test_half_a_character_is_no_answer(web: KamailioOverHttp) -> None:
    web.put("sip:\ud800@192.0.2.1")
    switch = KamailioSwitch(web.settings)
    with pytest.raises(SwitchUnreachable, match="no JSON-RPC"):
        await switch.read([])
    await switch.close()


@pytest.mark.parametrize(
    ("flags", "up", "held"),
    [
        ("AX", True, False),
        ("AP", True, False),
        ("TP", True, False),
        ("IX", False, False),
        ("IP", False, False),
        ("DX", False, True),
    ],
)
async def test_each_state_of_a_destination_is_told_apart(
    server: KamailioServer, flags: str, *, up: bool, held: bool
) -> None:
    server.put(A).flags = flags
    switch = KamailioSwitch(server.settings)
    [entry] = await switch.read([])
    assert (entry.up, entry.held, entry.group) == (up, held, "1")
    await switch.close()


async def test_down_is_inactive_without_probing_and_up_is_active(server: KamailioServer) -> None:
    server.put(A)
    switch = KamailioSwitch(server.settings)
    await switch.read([])
    await switch.write(f"1 {A}", up=False)
    assert server.flags_of(f"1 {A}") == "IX"
    await switch.write(f"1 {A}", up=True)
    assert server.flags_of(f"1 {A}") == "AX"
    await switch.close()


async def test_only_the_sets_that_are_named_are_looked_after(server: KamailioServer) -> None:
    server.put(A, group=1)
    server.put(A, group=2)
    switch = KamailioSwitch(replace(server.settings, groups=(2,)))
    assert [each.key for each in await switch.read([])] == [f"2 {A}"]
    with pytest.raises(SwitchRefused):
        await switch.write(f"1 {A}", up=False)
    await switch.close()


async def test_destinations_written_alike_are_told_apart_by_their_duid(
    server: KamailioServer,
) -> None:
    server.put(A, duid="one")
    second = server.put(A, duid="two")
    server.put(A)
    switch = KamailioSwitch(server.settings)
    first, other, lost = await switch.read([])
    assert (first.uri, other.uri, lost.uri) == (A, A, None)
    assert len({first.key, other.key, lost.key}) == 3
    await switch.write(other.key, up=False)
    assert second.flags == "IX"
    assert server.flags_of(f"1 {A}") == "AX"
    with pytest.raises(SwitchRefused, match="a duid each"):
        await switch.write(lost.key, up=False)
    await switch.close()


async def test_a_kamailio_without_lists_has_no_entries(server: KamailioServer) -> None:
    switch = KamailioSwitch(server.settings)
    assert list(await switch.read([])) == []
    await switch.close()


async def test_more_destinations_than_anybody_has_are_refused(web: KamailioOverHttp) -> None:
    for number in range(MOST_ENTRIES + 1):
        web.put(f"sip:192.0.2.1:{number}")
    switch = KamailioSwitch(web.settings, answer_seconds=30)
    with pytest.raises(SwitchRefused, match="name the sets"):
        await switch.read([])
    await switch.close()


@pytest.mark.parametrize("asks", ["Basic", "Digest"])
async def test_a_password_is_shown_to_who_asks_the_way_they_ask(
    web: KamailioOverHttp, asks: str
) -> None:
    web.put(A)
    web.asks, web.username, web.password = asks, "pulse", "correct-horse"
    switch = KamailioSwitch(web.settings)
    assert len(await switch.read([])) == 1
    asked = len(web.calls)
    assert len(await switch.read([])) == 1
    assert len(web.calls) == asked + 1
    await switch.close()


async def test_a_wrong_password_is_told_without_the_password(web: KamailioOverHttp) -> None:
    web.username, web.password = "pulse", "correct-horse"
    for settings in (
        replace(web.settings, password="battery-staple"),
        replace(web.settings, username=None, password=None),
    ):
        switch = KamailioSwitch(settings)
        with pytest.raises(SwitchRefused, match=r"does not let us in \(HTTP 401\)") as caught:
            await switch.read([])
        assert "battery" not in str(caught.value)
        assert "battery" not in repr(settings)
        await switch.close()


@given(st.data())
def test_answers_are_the_same_however_the_bytes_are_split(data: st.DataObject) -> None:
    stream = ANSWER * 3
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    framing = PacketFraming()
    packets: list[Packet] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        packets += framing.feed(stream[start:end])
    inner: list[tuple[str, Value]] = [("x", "abcdefghij")]
    whole: list[tuple[str, Value]] = [("N", 300), ("S", inner)]
    assert [(each.cookie, each.fault) for each in packets] == [(7, False)] * 3
    assert [values_of(each) for each in packets] == [[whole]] * 3


@given(garbage=st.binary(max_size=64), framed=st.booleans())
def test_garbage_is_never_anything_but_incomprehensible(garbage: bytes, *, framed: bool) -> None:
    data = bytes([0xA1, 0x10, len(garbage), 1]) + garbage if framed else garbage
    try:
        packets = PacketFraming().feed(data)
        values = [values_of(each) for each in packets]
    except Incomprehensible:
        return
    assert len(values) == len(packets)


def answer_of(body: bytes) -> Packet:
    [packet] = PacketFraming().feed(
        bytes([0xA1, 0x1C]) + len(body).to_bytes(4, "big") + b"\1" + body
    )
    return packet


def test_structs_within_structs_have_a_bottom() -> None:
    deep = b"\x03" + b"\x25s\0\x03" * 500
    with pytest.raises(Incomprehensible, match="too deeply"):
        values_of(answer_of(deep))


async def test_a_long_answer_does_not_hold_the_event_loop_up() -> None:
    body = record({f"uri-{number}": "sip:192.0.2.1:5060" for number in range(20_000)})
    assert await turns_of_others(_values(answer_of(body))) > 0
    [values] = await _values(answer_of(body))
    assert isinstance(values, list)
    assert len(values) == 20_000


def test_a_question_is_written_as_kamailio_documents_it() -> None:
    # Examples of src/modules/ctl/binrpc.h: int 7 is 10 07, "abcdef" 71 and the text, and 0 is 00.
    assert question(0x123, "abcdef", 7, 0) == bytes.fromhex("a1010b0123") + (
        b"\x71abcdef\0" + b"\x10\x07" + b"\x00"
    )


async def test_a_list_that_is_none_is_not_understood(web: KamailioOverHttp) -> None:
    web.put(A).flags = ""
    switch = KamailioSwitch(web.settings)
    with pytest.raises(SwitchUnreachable, match="not understood"):
        await switch.read([])
    await switch.close()


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
names = st.sampled_from(["RECORDS", "SET", "ID", "TARGETS", "DEST", "URI", "FLAGS", "ATTRS"])
nested = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4)
)


@given(nested)
def test_a_list_of_any_shape_is_read_or_not_understood(answer: object) -> None:
    switch = KamailioSwitch(KamailioOverCtl().settings)
    shaped = {"RECORDS": [{"SET": {"ID": 1, "TARGETS": [{"DEST": answer}]}}]}
    for each in (answer, {"RECORDS": answer}, shaped):
        try:
            entries = [entry for entry, _ in switch._entries(each)]
        except SwitchUnreachable:
            continue
        assert len({entry.key for entry in entries}) == len(entries)
