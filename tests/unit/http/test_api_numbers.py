from __future__ import annotations

import base64

import pytest

from trunkpulse.model import TargetState
from trunkpulse.ports import MinuteNumbers
from unit.http.api_world import NOW_MS, World, running

NUMBERS = "/api/v2/telephony/trunks/carrier-a/numbers"
MINUTE_MS = 60_000
THIS_MINUTE = NOW_MS // MINUTE_MS
UNHEARD = {
    "answers": 0, "losses": 0, "rttMs": None, "smoothedRttMs": None, "jitterMs": None,
    "lossShare": None,
}  # fmt: skip


def minute(ago: int, *, uri: str = "sip:127.0.0.1:5061", answers: int = 2) -> MinuteNumbers:
    return MinuteNumbers(
        trunk_id="carrier-a",
        uri=uri,
        place=None,
        minute=THIS_MINUTE - ago,
        answers=answers,
        losses=1,
        rtt_sum_seconds=0.0125 * answers,
        rtt_max_seconds=0.0625 if answers else 0.0,
        smoothed_rtt_seconds=0.015,
        jitter_seconds=None,
        state=TargetState.AVAILABLE,
    )


def note(world: World, *rtts: float | None) -> None:
    """Have the first target of carrier-a answer after so long, or not at all."""
    index = world.target("carrier-a").index
    world.roster.numbers.reset(index)
    for rtt in rtts:
        if rtt is None:
            world.roster.numbers.lost(index)
        else:
            world.roster.numbers.answered(index, rtt, 200)


async def test_each_target_shows_what_its_attempts_came_to() -> None:
    async with running() as world, world.client() as http:
        note(world, 0.25, 0.5, None)
        for path in ("/carrier-a", "/carrier-a/explain"):
            answer = await http.get(f"/api/v2/telephony/trunks{path}")
            first, second = answer.json()["targets"]
            assert first["numbers"] == {
                "answers": 2,
                "losses": 1,
                "rttMs": 500.0,
                "smoothedRttMs": 281.25,
                "jitterMs": 250.0,
                "lossShare": 0.3333,
            }
            assert second["numbers"] == UNHEARD


async def test_the_minutes_of_the_last_hour_are_listed_oldest_first() -> None:
    async with running() as world, world.client() as http:
        await world.store.add_minutes([minute(1), minute(30, answers=0), minute(61)])
        answer = await http.get(NUMBERS)
        assert answer.status_code == 200
        assert answer.json() == {
            "entities": [
                {
                    "at": (THIS_MINUTE - 30) * MINUTE_MS,
                    "uri": "sip:127.0.0.1:5061",
                    "address": None,
                    "answers": 0,
                    "losses": 1,
                    "rttMeanMs": None,
                    "rttMaxMs": None,
                    "smoothedRttMs": 15.0,
                    "jitterMs": None,
                    "state": "AVAILABLE",
                },
                {
                    "at": (THIS_MINUTE - 1) * MINUTE_MS,
                    "uri": "sip:127.0.0.1:5061",
                    "address": None,
                    "answers": 2,
                    "losses": 1,
                    "rttMeanMs": 12.5,
                    "rttMaxMs": 62.5,
                    "smoothedRttMs": 15.0,
                    "jitterMs": None,
                    "state": "AVAILABLE",
                },
            ],
            "nextCursor": None,
        }


async def test_any_time_can_be_asked_for_and_its_end_is_left_out() -> None:
    async with running() as world, world.client() as http:
        await world.store.add_minutes([minute(ago) for ago in range(200)])
        since, until = (THIS_MINUTE - 150) * MINUTE_MS, (THIS_MINUTE - 140) * MINUTE_MS
        found = (await http.get(NUMBERS, params={"from": since, "to": until})).json()["entities"]
        assert [each["at"] for each in found] == list(range(since, until, MINUTE_MS))


async def test_minutes_are_summed_up_to_steps() -> None:
    async with running() as world, world.client() as http:
        await world.store.add_minutes([minute(ago) for ago in range(120)])
        query = {"from": 0, "to": (THIS_MINUTE + 1) * MINUTE_MS, "step": 60}
        found = (await http.get(NUMBERS, params=query)).json()["entities"]
        assert sum(each["answers"] for each in found) == 240
        assert all(each["at"] % (60 * MINUTE_MS) == 0 for each in found)
        assert len(found) == 3


async def test_pages_lead_through_all_targets_and_minutes() -> None:
    uris = ("sip:127.0.0.1:5061", "sip:127.0.0.1:5062")
    async with running() as world, world.client() as http:
        await world.store.add_minutes([minute(ago, uri=uri) for ago in range(1, 8) for uri in uris])
        seen: list[tuple[int, str]] = []
        query: dict[str, str | int] = {"limit": 3}
        while True:
            page = (await http.get(NUMBERS, params=query)).json()
            seen += [(each["at"], each["uri"]) for each in page["entities"]]
            if page["nextCursor"] is None:
                break
            query["cursor"] = page["nextCursor"]
        assert seen == [
            ((THIS_MINUTE - ago) * MINUTE_MS, uri) for ago in range(7, 0, -1) for uri in uris
        ]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": 20, "to": 20}, "query.from"),
        ({"from": -1}, "query.from"),
        ({"to": 2**60}, "query.to"),
        ({"step": 0}, "query.step"),
        ({"step": 1441}, "query.step"),
        ({"cursor": "%"}, "query.cursor"),
        ({"cursor": base64.b64encode(b'[1,"\\ud800",""]').decode()}, "query.cursor"),
        ({"cursor": base64.b64encode(b"[" * 600).decode()}, "query.cursor"),
        ({"cursor": base64.b64encode(b'[-1,"",""]').decode()}, "query.cursor"),
        ({"since": 3}, "query.since"),
    ],
)
async def test_what_cannot_be_asked_is_said(query: dict[str, str | int], field: str) -> None:
    async with running() as world, world.client() as http:
        answer = await http.get(NUMBERS, params=query)
        assert answer.status_code == 422
        assert [each["field"] for each in answer.json()["errors"]] == [field]


async def test_a_trunk_that_is_not_there_has_no_numbers() -> None:
    async with running() as world, world.client() as http:
        answer = await http.get(NUMBERS.replace("carrier-a", "carrier-z"))
        assert answer.status_code == 404
