"""What probes have seen and what the configuration shows, as advice."""

import httpx2

from trunkpulse.ports import Certificate
from unit.http.api_world import NOW_MS, World, running

ADVICE = "/api/v2/advice"
DAY_MS = 24 * 3600 * 1000

SEEN_AT = """\
SIP/2.0 200 OK\r
Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx;received={host};rport={port}\r
From: <sip:a@b>;tag=1\r
To: <sip:c@d>;tag=2\r
Call-ID: 1\r
CSeq: 1 OPTIONS\r
Content-Length: 0\r
\r
"""


def ending_in(days: float) -> Certificate:
    return Certificate(
        subject="CN=sbc.example.com",
        issuer="CN=CA",
        names=("sbc.example.com",),
        not_before_ms=NOW_MS - DAY_MS,
        not_after_ms=NOW_MS + int(days * DAY_MS),
        protocol="TLSv1.3",
        cipher="TLS_AES_256_GCM_SHA384",
    )


def see(world: World, host: str, port: int = 40_000) -> None:
    target = world.target("carrier-b")
    world.roster.public.learn(target, SEEN_AT.format(host=host, port=port).encode(), 5.0)


async def advised(http: httpx2.AsyncClient, code: str) -> bool:
    return any(each["code"] == code for each in (await http.get(ADVICE)).json()["entities"])


async def test_the_configurations_advice_is_there() -> None:
    async with running() as world, world.client() as http:
        assert (await http.get(ADVICE)).json() == {
            "entities": [
                {
                    "id": "interval_short [keepalive]",
                    "code": "interval_short",
                    "severity": "warning",
                    "where": "[keepalive]",
                    "why": "it is short",
                    "fix": "wait longer",
                    "message": "it is short; wait longer.",
                    "accepted": False,
                }
            ],
            "nextCursor": None,
        }


async def test_a_certificate_that_ends_within_thirty_days_is_told_of() -> None:
    async with running() as world, world.client() as http:
        for days, told in ((30.5, None), (29.5, "ends in 29 days"), (-0.5, "has ended")):
            world.transport.shown = ending_in(days)
            found = [
                each["message"]
                for each in (await http.get(ADVICE)).json()["entities"]
                if each["code"] == "certificate_expiring" and "carrier-b" in each["where"]
            ]
            assert [told in each for each in found if told] == [True] * (told is not None)
            assert bool(found) == bool(told)


async def test_a_trunk_shows_the_certificate_of_its_targets() -> None:
    async with running() as world, world.client() as http:
        world.transport.shown = ending_in(90)
        trunk = (await http.get("/api/v2/telephony/trunks/carrier-b")).json()
        shown = trunk["targets"][0]["certificate"]
        assert shown["names"] == ["sbc.example.com"]
        assert shown["notAfter"] == NOW_MS + 90 * DAY_MS
        samples = (await http.get("/metrics")).text
        line = next(
            line
            for line in samples.splitlines()
            if line.startswith("trunkpulse_target_certificate_expiry") and "carrier-b" in line
        )
        assert float(line.rpartition(" ")[2]) == (NOW_MS + 90 * DAY_MS) // 1000


async def test_a_public_address_that_changes_is_recorded_and_advised_about() -> None:
    async with running() as world, world.client() as http:
        see(world, "198.51.100.7")
        see(world, "198.51.100.7")
        assert not await advised(http, "public_address_changes")
        see(world, "198.51.100.8", 1024)
        trunk = (await http.get("/api/v2/telephony/trunks/carrier-b")).json()
        (target,) = trunk["targets"]
        assert target["publicAddress"] == "198.51.100.8:1024"
        assert [each["address"] for each in target["publicAddresses"]] == [
            "198.51.100.7:40000",
            "198.51.100.8:1024",
        ]
        assert await advised(http, "public_address_changes")
        assert "trunkpulse_nat_address_changes_total 1.0" in (await http.get("/metrics")).text


async def test_advice_comes_in_pages() -> None:
    async with running() as world, world.client() as http:
        world.transport.shown = ending_in(1)
        everything = (await http.get(ADVICE)).json()["entities"]
        collected, cursor = [], None
        while True:
            query = {"limit": "1"} | ({} if cursor is None else {"cursor": cursor})
            page = (await http.get(ADVICE, params=query)).json()
            collected += page["entities"]
            cursor = page["nextCursor"]
            if cursor is None:
                break
        assert collected == everything
        assert len(collected) > 2
        assert (await http.get(ADVICE, params={"cursor": "x"})).status_code == 422


async def test_a_route_whose_calls_another_takes_is_told_when_it_is_saved() -> None:
    trunks = [{"id": "carrier-a"}, {"id": "carrier-b"}]
    document = {"id": "mine", "numbers": ["+1", "+33"], "trunks": trunks}
    async with running() as world, world.client() as http:
        made = (await http.post("/api/v2/routing/routes", json=document)).json()
        [advice] = [each for each in made["advice"] if each["code"] == "route_same_numbers"]
        assert advice["where"] == 'route "mine"'
        assert 'route "us" has "+1" too' in advice["why"]
        changed = await http.patch("/api/v2/routing/routes/mine", json={"numbers": ["+33"]})
        assert all(each["code"] != "route_same_numbers" for each in changed.json()["advice"])


async def test_a_configuration_that_was_refused_is_told_of_until_one_is_taken() -> None:
    async with running() as world, world.client() as http:
        assert not await advised(http, "configuration_refused")
        world.refused = ("trunks[0].id must be unique.",)
        first = (await http.get(ADVICE)).json()["entities"][0]
        assert first["code"] == "configuration_refused"
        assert first["message"] == (
            "the configuration on disk was refused and the one before goes on:"
            " trunks[0].id must be unique; correct the file and have it read again."
        )
