"""The event of a prober that suspects itself, as text."""

from __future__ import annotations

import json

import pytest

from trunkpulse.events.envelope import InvalidEvent
from trunkpulse.events.prober_envelope import decode_prober, encode_prober, event_type_of
from trunkpulse.model import IsolationEvidence, IsolationRule, ProberEvent, ProberState

EVENT = ProberEvent(
    event_id="e-1",
    instance_id="edge-1",
    region="us-east",
    sequence=7,
    at_ms=1_700_000_000_000,
    state=ProberState.ISOLATED,
    evidence=IsolationEvidence(
        rule=IsolationRule.PEERS,
        since_ms=1_700_000_000_000,
        problem="16 of 16 carriers that were asked gave no answer",
        silent_carriers=16,
        asked_carriers=16,
        failed_attempts=40,
    ),
)


def test_it_has_the_keys_of_every_event() -> None:
    event = json.loads(encode_prober(EVENT))
    assert list(event) == [
        *("eventType", "timestamp", "entityId", "entityName"),
        *("state", "previousState", "reasonCode", "metadata"),
    ]
    assert event["eventType"] == "telephony.prober.isolated"
    assert event["entityId"] == event["entityName"] == "edge-1"
    assert (event["previousState"], event["state"]) == ("CONNECTED", "ISOLATED")
    assert event["reasonCode"] == "PROBER_ISOLATED"
    assert event["metadata"]["sequence"] == 7
    assert event["metadata"]["evidence"]["silentCarriers"] == 16


def test_what_is_encoded_decodes_to_the_same() -> None:
    text = encode_prober(EVENT)
    assert decode_prober(text) == EVENT
    assert event_type_of(text) == "telephony.prober.isolated"


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        "{}",
        encode_prober(EVENT).replace("PEERS", "MOON"),
        encode_prober(EVENT).replace("telephony.prober.isolated", "telephony.prober.restored"),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidEvent):
        decode_prober(text)
