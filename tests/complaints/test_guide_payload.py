"""What the guide shows of an event holds to the letter, and scripts that know no more go on."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from complaints.loopback import closed_port, service
from event_schemas import check_event
from http_receiver import Receiver
from trunkpulse.events.envelope import encode
from trunkpulse.model import Reason, StateChange, TrunkState

CONSUMER = Path(__file__).with_name("guide_consumer.py")

SHOWN = """\
{"eventType": "telephony.trunks.stateChange", "timestamp": 1678902451230,
 "entityId": "carrier-a", "entityName": "Primary-PSTN-Trunk",
 "state": "DOWN", "previousState": "AVAILABLE", "reasonCode": "KEEPALIVE_FAILURE",
 "metadata": {"failedAttempts": 3, "lastSuccessfulKeepalive": 1678902420000}}
"""
"""As it stands in the guide."""

CHANGE = StateChange(
    event_id="e-1",
    trunk_id="carrier-a",
    trunk_name="Primary-PSTN-Trunk",
    sequence=7,
    at_ms=1678902451230,
    previous_state=TrunkState.AVAILABLE,
    state=TrunkState.DOWN,
    reason=Reason.KEEPALIVE_FAILURE,
    failed_attempts=3,
    last_success_ms=1678902420000,
    instance_id="edge-1",
    region="us-east",
)


async def consumed(event: bytes) -> str:
    """What the script makes of it."""
    script = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", str(CONSUMER)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await script.communicate(event)
    assert script.returncode == 0
    return out.decode().rstrip("\n")


def test_the_event_of_the_guide_is_written_byte_for_byte_up_to_what_is_added() -> None:
    compact = json.dumps(json.loads(SHOWN), separators=(",", ":"))
    written = encode(CHANGE)
    assert written.startswith(f'{compact.removesuffix("}}")},"eventId":')
    assert list(json.loads(written)) == list(json.loads(SHOWN))


async def test_a_script_of_the_guide_reads_the_guides_event_and_ours_alike() -> None:
    line = await consumed(SHOWN.encode())
    assert line == (
        "17:47:31 Primary-PSTN-Trunk (carrier-a): AVAILABLE -> DOWN because of KEEPALIVE_FAILURE;"
        " 3 failed, last good 31 s before"
    )
    assert await consumed(encode(CHANGE).encode()) == line


async def test_a_script_of_the_guide_reads_what_is_really_delivered(tmp_path: Path) -> None:
    receiver = Receiver()
    await receiver.start()
    try:
        setup = (
            f'[[trunks]]\nid = "carrier-a"\nname = "Primary-PSTN-Trunk"\n'
            f'targets = ["sip:127.0.0.1:{closed_port()}"]\n'
            '[[event_streams]]\nid = "noc"\n[event_streams.destination]\n'
            f'type = "webhook"\nurl = "{receiver.url}"\n'
        )
        async with service(tmp_path, setup):
            await receiver.came.wait()
        (request,) = receiver.requests
    finally:
        await receiver.stop()
    check_event(request.body)
    assert list(json.loads(request.body)) == list(json.loads(SHOWN))
    line = await consumed(request.body)
    assert line.endswith(
        "Primary-PSTN-Trunk (carrier-a): UNKNOWN -> DOWN because of NETWORK_ERROR;"
        " 2 failed, last good never"
    )
