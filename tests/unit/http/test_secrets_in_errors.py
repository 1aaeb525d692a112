"""While the database is away: what was sent is not told, neither to who asks nor to the log."""

from __future__ import annotations

import pytest

from access_world import MACHINE_TOKEN, bearer
from unit.http.api_world import World, running

STREAM = {
    "id": "made",
    "destination": {
        "type": "webhook",
        "url": "https://hook.example/x?key=CANARY-url",
        "secret": "whsec_Q0FOQVJZLXNlY3JldC1vZi1hLXdlYmhvb2shISEh",
        "headers": {"authorization": "CANARY-header"},
    },
}
TRUNK = {
    "id": "made",
    "targets": ["sip:127.0.0.1:5999"],
    "advanced": {"username": "alice", "password": "CANARY-password"},
}


async def test_a_503_says_nothing_of_what_was_sent(capfd: pytest.CaptureFixture[str]) -> None:
    async with running(world=World(gate=None)) as world, world.client() as http:
        world.store.plugged = False
        for path, body in (
            ("/api/v2/events/streams", STREAM),
            ("/api/v2/telephony/trunks", TRUNK),
            ("/api/v2/session", {"name": "admin", "password": "CANARY-login"}),
        ):
            answer = await http.post(path, json=body, headers=bearer(MACHINE_TOKEN))
            assert "CANARY" not in answer.text
            assert "whsec_" not in answer.text
            assert (answer.status_code == 503) is (path != "/api/v2/session")
        world.store.plugged = True
    out, err = capfd.readouterr()
    assert "api.store_unavailable" in out + err
    for said in (out, err):
        assert "CANARY" not in said
        assert "whsec_" not in said
        assert MACHINE_TOKEN not in said
