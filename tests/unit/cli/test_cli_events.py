"""``trunkpulse events`` with filters, and moments as people type them."""

from __future__ import annotations

import json
import signal
from datetime import datetime

import pytest

from event_schemas import check_event
from trunkpulse.adapters.http.api import event_search
from trunkpulse.cli.errors import WrongUsage
from trunkpulse.cli.moments import moment_ms
from trunkpulse.model import FailureKind
from unit.cli.api_service import Service, service
from unit.cli.command_line import line_of, process
from unit.http.api_world import NOW_MS


async def history(there: Service) -> None:
    world = there.world
    world.succeed("carrier-b")
    await world.pipeline.recorder.flushed()
    await world.flap("carrier-b", 3)
    for place in (0, 1):
        world.fail("carrier-a", place=place, kind=FailureKind.REFUSED)
    await world.pipeline.recorder.flushed()


async def test_a_list_shows_the_newest_changes_first() -> None:
    async with service() as there:
        await history(there)
        everything = await there.said("events", "list")
        two = await there.said("events", "list", "-n", "2")
        oldest = await there.said("events", "list", "-n", "1", "--oldest-first")
    heading, *rows = everything.splitlines()
    assert heading.split() == ["WHEN", "WHAT", "FROM", "TO", "REASON", "FAILED"]
    assert len(rows) == 6
    assert rows[0].split()[2:] == ["carrier-a", "UNKNOWN", "DOWN", "NETWORK_ERROR", "3"]
    assert [row.split()[2] for row in two.splitlines()[1:]] == ["carrier-a", "carrier-b"]
    assert oldest.splitlines()[1].split()[2] == "off-by-file"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--state", "available"), ["carrier-b", "carrier-b"]),
        (("--reason", "network_error"), ["carrier-a"]),
        (("--region", "us-east"), ["carrier-a"]),
        (("--carrier", "umbrella", "--state", "DOWN"), ["carrier-b", "carrier-b"]),
        (("--trunk", "carrier-a"), ["carrier-a"]),
        (("--type", "telephony.prober.isolated"), []),
        (("--from", str(NOW_MS + 3000)), ["carrier-a", "carrier-b"]),
        (("--to", str(NOW_MS + 1000)), ["carrier-b", "off-by-file"]),
    ],
)
async def test_a_list_takes_every_filter(options: tuple[str, ...], expected: list[str]) -> None:
    async with service() as there:
        await history(there)
        listed = json.loads(await there.said("events", "list", *options, "--json"))
        said = await there.said("events", "list", *options)
    assert [each["entityId"] for each in listed["entities"]] == expected
    for each in listed["entities"]:
        check_event(json.dumps(each))
    if not expected:
        assert said == "There are no such events.\n"


async def test_a_tail_takes_filters_and_begins_with_the_latest_of_those() -> None:
    async with service() as there:
        await history(there)
        await there.world.flap("carrier-b", 5)
        out = await there.said("events", "tail", "-n", "2", "--state", "DOWN", "--json")
        few = await there.said("events", "tail", "--reason", "NETWORK_ERROR", "--json")
    events = [json.loads(line) for line in out.splitlines()]
    assert [(each["entityId"], each["state"]) for each in events] == [("carrier-b", "DOWN")] * 2
    assert [json.loads(line)["entityId"] for line in few.splitlines()] == ["carrier-a"]


@pytest.mark.parametrize("looks", [1, 2, 3, 100])
async def test_what_is_wanted_is_found_over_pages_that_are_short_or_empty(
    looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_search, "LOOKS", looks)
    async with service() as there:
        await history(there)
        await there.world.flap("carrier-b", 6)
        few = await there.said("events", "tail", "--reason", "NETWORK_ERROR", "--json")
        some = await there.said("events", "tail", "-n", "2", "--state", "AVAILABLE", "--json")
        listed = json.loads(await there.said("events", "list", "--state", "DOWN", "--json"))
        oldest = ("events", "list", "--state", "AVAILABLE", "--oldest-first", "--json")
        first = json.loads(await there.said(*oldest))
        recorded = [json.loads(event.body) for event in await there.world.store.read()]
    assert [json.loads(line)["entityId"] for line in few.splitlines()] == ["carrier-a"]
    available = [event for event in recorded if event["state"] == "AVAILABLE"]
    assert [json.loads(line) for line in some.splitlines()] == available[-2:]
    assert listed["entities"] == [event for event in recorded if event["state"] == "DOWN"][::-1]
    assert first["entities"] == available


async def test_following_takes_filters_and_says_why_the_service_ends_it() -> None:
    async with service() as there:
        await history(there)
        arguments = ("events", "tail", "-f", "-n", "1", "--state", "DOWN", "--url", there.url)
        block = process(*arguments)
        child = await block.__aenter__()
        try:
            assert "carrier-a  UNKNOWN -> DOWN" in await line_of(child.stdout)
            there.world.succeed("carrier-a")
            await there.world.flap("carrier-b", 3)
            assert "carrier-b  AVAILABLE -> DOWN" in await line_of(child.stdout)
            there.world.feed.close()
            assert "is shutting down" in await line_of(child.stderr)
            child.send_signal(signal.SIGINT)
            await child.wait()
            assert child.returncode == 130
        finally:
            await block.__aexit__(None, None, None)


async def test_a_wrong_filter_is_one_sentence_and_exit_2() -> None:
    async with service() as there:
        for arguments in (
            ("list", "--state", "sick"),
            ("tail", "--reason", "mood"),
            ("list", "--from", "last tuesday"),
            ("list", "--type", "telephony"),
        ):
            outcome = await there.command("events", *arguments)
            assert outcome.code == 2, arguments
            assert outcome.complaint.endswith("."), arguments


NOON = datetime(2026, 3, 15, 12).timestamp()  # noqa: DTZ001 - it is the reader's own time zone


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", NOON * 1000 - 30_000),
        ("2h", NOON * 1000 - 7_200_000),
        ("7d", NOON * 1000 - 7 * 86_400_000),
        ("999999d", 0),
        ("1678902451230", 1678902451230),
        ("2026-03-15 12:00", NOON * 1000),
        ("2026-03-15T12:00:00", NOON * 1000),
        ("2026-03-15T12:00:00Z", 1773576000000),
        ("2026-03-15T14:00+02:00", 1773576000000),
    ],
)
def test_a_moment_may_be_written_in_many_ways(text: str, expected: float) -> None:
    assert moment_ms(text, "--from", now=NOON) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2h ago", "12:00", "2026-13-01", "-5m", "1e9"])
def test_what_is_no_moment_is_told_with_examples(text: str) -> None:
    with pytest.raises(WrongUsage, match=r"^--to .* is no moment; write 2026-03-15, .*\.$"):
        moment_ms(text, "--to", now=NOON)
