"""The schemas say what the encoders write, word for word, and no less."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from event_schemas import check_event, problems_of
from trunkpulse.events.catalogue import CATALOGUE, REASON_CODES, STATES
from trunkpulse.events.envelope import encode
from trunkpulse.events.prober_envelope import encode_prober
from trunkpulse.events.stream_envelope import encode_disabled
from trunkpulse.events.trial import marked_as_test
from trunkpulse.model import (
    AttemptEvidence,
    EventType,
    FailureKind,
    IsolationEvidence,
    IsolationRule,
    ProberEvent,
    ProberState,
    Reason,
    StateChange,
    StreamDisabled,
    StreamReason,
    TargetState,
    TrunkState,
)

ROOT = Path(__file__).resolve().parents[3]

texts = st.text(st.characters(codec="utf-8"), max_size=300)
moments = st.integers(0, 2**52)
evidences = st.builds(
    AttemptEvidence,
    target=texts,
    address=st.none() | texts,
    state=st.sampled_from(TargetState),
    code=st.none() | st.integers(100, 699),
    failure=st.none() | st.sampled_from(FailureKind),
    detail=st.none() | texts,
    rtt_ms=st.none() | st.floats(0, 1e6),
    at_ms=st.none() | moments,
    failed_attempts=st.integers(0, 1000),
    last_success_ms=st.none() | moments,
    maintenance_until_ms=st.none() | moments,
)
changes = st.builds(
    StateChange,
    event_id=texts.filter(bool),
    trunk_id=texts.filter(bool),
    trunk_name=texts,
    sequence=st.integers(1, 2**40),
    at_ms=moments,
    previous_state=st.sampled_from(TrunkState),
    state=st.sampled_from(TrunkState),
    reason=st.sampled_from(Reason),
    failed_attempts=st.integers(0, 1000),
    last_success_ms=st.none() | moments,
    instance_id=texts,
    region=texts,
    evidence=st.lists(evidences, max_size=70).map(tuple),
)
prober_events = st.builds(
    ProberEvent,
    event_id=texts.filter(bool),
    instance_id=texts.filter(bool),
    region=texts,
    sequence=st.integers(1, 2**40),
    at_ms=moments,
    state=st.sampled_from(ProberState),
    evidence=st.builds(
        IsolationEvidence,
        rule=st.sampled_from(IsolationRule),
        since_ms=moments,
        problem=texts,
        interfaces=st.lists(texts, max_size=3).map(tuple),
        silent_carriers=st.integers(0, 99),
        asked_carriers=st.integers(0, 99),
        failed_attempts=st.integers(0, 99),
        answered_attempts=st.integers(0, 99),
        hold_expired=st.booleans(),
    ),
)
disabled_streams = st.builds(
    StreamDisabled,
    event_id=texts.filter(bool),
    stream_id=texts.filter(bool),
    stream_name=texts,
    sequence=st.integers(1, 2**40),
    at_ms=moments,
    reason=st.sampled_from(StreamReason),
    failing_since_ms=moments,
    detail=texts,
    instance_id=texts,
    region=texts,
)
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
    evidence=(AttemptEvidence(target="sip:127.0.0.1:5061", state=TargetState.DOWN),),
)


def test_every_type_that_can_be_subscribed_to_has_a_schema() -> None:
    assert set(CATALOGUE) == set(EventType)
    for event_type, entry in CATALOGUE.items():
        Draft202012Validator.check_schema(entry.schema)
        assert entry.schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert entry.schema["properties"]["eventType"]["const"] == event_type
        assert entry.schema["x-version"] == entry.version
        assert entry.schema["$id"].endswith(f":{event_type}:{entry.version.split('.')[0]}")
    assert len({entry.schema["$id"] for entry in CATALOGUE.values()}) == len(EventType)


@given(changes)
def test_every_change_that_can_be_written_is_described(change: StateChange) -> None:
    check_event(encode(change))


@given(prober_events)
def test_every_event_of_a_prober_is_described(event: ProberEvent) -> None:
    check_event(encode_prober(event))


@given(disabled_streams)
def test_every_event_of_a_stream_is_described(event: StreamDisabled) -> None:
    check_event(encode_disabled(event))


def test_a_test_event_is_an_event_that_says_so() -> None:
    assert check_event(marked_as_test(CHANGE))["metadata"]["test"] is True


@pytest.mark.parametrize("page", ["event", "prober-event", "stream-event"])
def test_the_events_in_the_documentation_are_events(page: str) -> None:
    text = (ROOT / f"docs/reference/{page}.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert shown
    for example in shown:
        check_event(example)


def test_the_keys_stand_in_the_order_of_the_schema() -> None:
    schema = CATALOGUE[EventType.STATE_CHANGE].schema
    event = json.loads(encode(CHANGE))
    assert list(event) == schema["required"]
    assert list(event["metadata"]) == schema["properties"]["metadata"]["required"]
    (evidence,) = event["metadata"]["evidence"]
    assert (
        list(evidence)
        == schema["properties"]["metadata"]["properties"]["evidence"]["items"]["required"]
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("eventType", "telephony.prober.isolated"),
        ("timestamp", "yesterday"),
        ("timestamp", -1),
        ("entityId", ""),
        ("state", "SICK"),
        ("previousState", None),
        ("reasonCode", "BAD_LUCK"),
        ("metadata", []),
        ("metadata.sequence", 0),
        ("metadata.sequence", 1.5),
        ("metadata.lastSuccessfulKeepalive", "never"),
        ("metadata.evidence", {}),
        ("metadata.evidence.0.failure", "bad_luck"),
        ("metadata.evidence.0.rttMs", "12"),
        ("metadata.evidence.0.code", 42),
        ("severity", "critical"),
    ],
)
def test_what_no_event_says_is_no_event(path: str, value: object) -> None:
    event: Any = json.loads(encode(CHANGE))
    *way, last = path.split(".")
    part = event
    for step in way:
        part = part[int(step)] if step.isdigit() else part[step]
    part[last] = value
    assert list(problems_of(EventType.STATE_CHANGE, event))


def test_every_key_is_required() -> None:
    event: Any = json.loads(encode(CHANGE))
    for part in (event, event["metadata"], event["metadata"]["evidence"][0]):
        for key in list(part):
            value = part.pop(key)
            assert list(problems_of(EventType.STATE_CHANGE, event)), key
            part[key] = value
    assert not list(problems_of(EventType.STATE_CHANGE, event))


def test_a_reader_of_this_version_takes_what_a_later_one_adds() -> None:
    event: Any = json.loads(encode(CHANGE))
    event["metadata"]["weather"] = "fine"
    event["metadata"]["evidence"][0]["mood"] = {"good": True}
    assert not list(problems_of(EventType.STATE_CHANGE, event))
    with pytest.raises(AssertionError, match=r"\$.metadata.weather is not described"):
        check_event(json.dumps(event))  # but our own tests notice that it is not described yet


def test_the_words_that_can_be_asked_for_are_those_that_events_have() -> None:
    of_trunks = list(TrunkState)
    assert list(STATES) == [*of_trunks, "ISOLATED", "CONNECTED", "DISABLED"]
    assert set(Reason).issubset(REASON_CODES)
    for reason in Reason:
        check_event(encode(replace(CHANGE, reason=reason)))
