"""The first thing that anybody runs."""

import json
import signal
import subprocess
import sys

import pytest

from event_schemas import check_event

DEMO = (sys.executable, "-m", "trunkpulse", "demo", "--no-browser")


@pytest.fixture(scope="module")
def transcript() -> list[str]:
    """The lines of a demo that was watched to the end of its story, without the times."""
    with subprocess.Popen(DEMO, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line[7:].rstrip("\n"))
            if "observed:" in line:
                process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    return lines


def test_it_shows_the_outage_with_reason_and_evidence(transcript: list[str]) -> None:
    down = next(line for line in transcript if "AVAILABLE -> DOWN" in line)
    assert "KEEPALIVE_FAILURE, failed attempts 3" in down
    assert "no final answer within 1 s" in transcript[transcript.index(down) + 1]


def test_one_carrier_is_reached_over_udp_and_one_over_tls(transcript: list[str]) -> None:
    places = [line.split(" at ")[1] for line in transcript if "answers OPTIONS at" in line]
    assert len(places) == 2
    assert ["transport=tls" in place for place in places] == [False, True]
    assert any(line.startswith("carrier-b is AVAILABLE") for line in transcript)


def test_it_shows_the_calls_moving_away_and_back(transcript: list[str]) -> None:
    calls = [line for line in transcript if line.startswith("a call to")]
    assert [line.split(" goes to ")[1] for line in calls] == [
        "carrier-a, then carrier-b",
        "carrier-b  (carrier-a skipped: KEEPALIVE_FAILURE)",
        "carrier-a, then carrier-b",
    ]


def test_it_shows_the_webhooks_body_as_it_was_received(transcript: list[str]) -> None:
    start = transcript.index("webhook received, signature verified:") + 1
    end = transcript.index("  }", start) + 1
    event = json.loads("\n".join(transcript[start:end]))
    assert list(event) == [
        "eventType",
        "timestamp",
        "entityId",
        "entityName",
        "state",
        "previousState",
        "reasonCode",
        "metadata",
    ]
    check_event(json.dumps(event))
    assert event["metadata"]["lastSuccessfulKeepalive"] <= event["timestamp"]


def test_it_shows_the_recovery(transcript: list[str]) -> None:
    assert any("DOWN -> AVAILABLE  KEEPALIVE_RESTORED" in line for line in transcript)


def test_a_demo_that_saw_no_failover_does_not_claim_success() -> None:
    ended = subprocess.run(
        (*DEMO, "--seconds", "1"), capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 1
    assert "observed" not in ended.stdout
    assert ended.stderr == ("The demo ended before failover and recovery were both observed.\n")
