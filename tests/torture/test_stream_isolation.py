"""One stream's trouble is its own: a slow and a dead receiver delay nobody else."""

from __future__ import annotations

import json
import socket

from torture.ledger import check_deliveries
from torture.peers import world
from torture.service import Installation, answer_of, http, stream, trunk

EVENTS = 20


async def test_a_good_receiver_has_everything_before_a_slow_one_has_answered_once(
    installation: Installation,
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: refused, and no one else's
        dead = f"http://127.0.0.1:{nobody.getsockname()[1]}/hook"
        async with world() as outside:
            carrier = outside.carrier()
            good, slow = await outside.hook(), await outside.hook()
            slow.open.clear()
            installation.write(
                trunk("a", carrier.uri),
                stream("dead", dead),
                stream("slow", slow.url),
                stream("good", good.url),
            )
            async with installation.running(outside.watch) as service, http(service) as api:
                for number in range(1, EVENTS + 1):
                    await good.until_told(number)
                    carrier.up = not carrier.up
                await slow.until_told(1)
                assert len(slow.requests) == 1
                assert slow.finished == 0
                told = await answer_of(api, "/api/v2/events/streams/dead")
                assert told["delivery"]["delivered"] == 0
                assert told["delivery"]["lastError"] == "Connection refused"

                slow.open.set()
                await slow.until_told(EVENTS)
                await good.until_told(EVENTS + 1)  # what the last turn of the carrier brought
                await slow.until_told(EVENTS + 1)
                assert await service.end() == 0
            log = installation.events()
            events = [json.loads(body) for body in log]
            check_deliveries(log, good.requests, events)
            check_deliveries(log, slow.requests, events)
