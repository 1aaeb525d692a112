"""A stream that is made over the API of a real service: real database, real receiver."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
from standardwebhooks import Webhook

from access_world import bearer
from complaints.loopback import Watched, closed_port, service
from http_receiver import Receiver, Request

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STREAMS = "/api/v2/events/streams"
ALLOWED = '[outbound]\nallow = ["127.0.0.0/8"]\n'


async def asked(watched: Watched, method: str, path: str, body: Any = None) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=watched.up.url, trust_env=False) as client:
        answer = await client.request(method, path, json=body, headers=bearer(watched.up.token))
    assert answer.is_success, answer.text
    return answer


def verified(request: Request) -> dict[str, Any]:
    event = Webhook(SECRET).verify(request.body, request.headers)
    assert isinstance(event, dict)
    return event


def database(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir() if ".db" in file.name)


async def test_a_stream_and_its_secret_outlive_the_process_and_are_sealed(tmp_path: Path) -> None:
    receiver = Receiver()
    await receiver.start()
    trunks = "".join(
        f'[[trunks]]\nid = "{name}"\ntargets = ["sip:127.0.0.1:{closed_port()}"]\n'
        f"enabled = {enabled}\n"
        for name, enabled in (("a", "true"), ("b", "BEE"))
    )
    made = {
        "id": "hook",
        "destination": {"type": "webhook", "url": receiver.url, "secret": SECRET},
        "trunks": ["b"],
    }
    try:
        async with service(tmp_path, ALLOWED + trunks.replace("BEE", "false")) as watched:
            shown = (await asked(watched, "POST", STREAMS, made)).text
            assert SECRET not in shown + (await asked(watched, "GET", STREAMS)).text
        async with service(tmp_path, ALLOWED + trunks.replace("BEE", "true")) as watched:
            await receiver.came.wait()
            assert json.loads((await asked(watched, "GET", f"{STREAMS}/hook")).text)["trunks"] == [
                "b"
            ]
            await asked(watched, "DELETE", f"{STREAMS}/hook")
        assert {verified(each)["entityId"] for each in receiver.requests} == {"b"}
        async with service(tmp_path, ALLOWED + trunks.replace("BEE", "true")) as watched:
            listed = json.loads((await asked(watched, "GET", STREAMS)).text)
            assert listed["entities"] == []
    finally:
        await receiver.stop()
    written = database(tmp_path)
    assert b"hook" in written
    assert SECRET.encode() not in written
    assert b"token=hush" not in written
