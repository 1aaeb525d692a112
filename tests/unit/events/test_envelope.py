"""The event's JSON: the exact text, bounded, and readable back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.events.envelope import (
    MAX_DETAIL_CHARACTERS,
    MAX_EVIDENCE_TARGETS,
    InvalidEvent,
    decode,
    encode,
)
from trunkpulse.model import (
    AttemptEvidence,
    FailureKind,
    Reason,
    StateChange,
    TargetState,
    TrunkState,
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
    evidence=(
        AttemptEvidence(
            target="sip:127.0.0.1:5061",
            address="udp:127.0.0.1:5061",
            state=TargetState.DOWN,
            failure=FailureKind.TIMEOUT,
            detail="No answer within 4 s",
            at_ms=1678902451229,
            failed_attempts=3,
            last_success_ms=1678902420000,
        ),
    ),
)

texts = st.text(st.characters(codec="utf-8"), max_size=40)
moments = st.integers(0, 2**52)
evidences = st.builds(
    AttemptEvidence,
    target=texts,
    state=st.sampled_from(TargetState),
    code=st.none() | st.integers(100, 699),
    failure=st.none() | st.sampled_from(FailureKind),
    detail=st.none() | texts,
    rtt_ms=st.none() | st.floats(0, 1e5).map(lambda rtt: round(rtt, 3)),
    at_ms=st.none() | moments,
    failed_attempts=st.integers(0, 10**9),
    last_success_ms=st.none() | moments,
)
changes = st.builds(
    StateChange,
    event_id=texts,
    trunk_id=texts,
    trunk_name=texts,
    sequence=st.integers(1, 2**52),
    at_ms=moments,
    previous_state=st.sampled_from(TrunkState),
    state=st.sampled_from(TrunkState),
    reason=st.sampled_from(Reason),
    failed_attempts=st.integers(0, 10**9),
    last_success_ms=st.none() | moments,
    instance_id=texts,
    region=texts,
    evidence=st.lists(evidences, max_size=3).map(tuple),
)


def test_the_event_is_exactly_this_text() -> None:
    assert encode(CHANGE) == (
        '{"eventType":"telephony.trunks.stateChange","timestamp":1678902451230,'
        '"entityId":"carrier-a","entityName":"Primary-PSTN-Trunk",'
        '"state":"DOWN","previousState":"AVAILABLE","reasonCode":"KEEPALIVE_FAILURE",'
        '"metadata":{"failedAttempts":3,"lastSuccessfulKeepalive":1678902420000,'
        '"eventId":"e-1","sequence":7,"instanceId":"edge-1","region":"us-east",'
        '"evidence":[{"target":"sip:127.0.0.1:5061","address":"udp:127.0.0.1:5061",'
        '"state":"DOWN","code":null,'
        '"failure":"timeout","detail":"No answer within 4 s","rttMs":null,"at":1678902451229,'
        '"failedAttempts":3,"lastSuccess":1678902420000,"maintenanceUntil":null}]}}'
    )


def test_a_trunk_that_never_answered_has_null_for_its_last_success() -> None:
    event = json.loads(encode(replace(CHANGE, last_success_ms=None)))
    assert event["metadata"]["lastSuccessfulKeepalive"] is None


@given(changes)
def test_reading_back_gives_the_same_change(change: StateChange) -> None:
    text = encode(change)
    assert decode(text) == change
    assert encode(decode(text)) == text


def test_a_name_in_any_script_stays_readable() -> None:
    assert "Réseau-東京" in encode(replace(CHANGE, trunk_name="Réseau-東京"))


def test_a_long_detail_is_cut_and_a_lone_surrogate_replaced() -> None:
    evidence = replace(CHANGE.evidence[0], detail="\udc80" + "x" * 5000)
    text = encode(replace(CHANGE, evidence=(evidence,)))
    detail = json.loads(text.encode("utf-8"))["metadata"]["evidence"][0]["detail"]
    assert detail == "?" + "x" * (MAX_DETAIL_CHARACTERS - 2) + "…"


def test_evidence_of_many_targets_keeps_those_that_failed() -> None:
    failed = CHANGE.evidence[0]
    healthy = tuple(
        AttemptEvidence(target=f"sip:10.0.0.{n}", state=TargetState.AVAILABLE, code=200)
        for n in range(MAX_EVIDENCE_TARGETS + 5)
    )
    told = decode(encode(replace(CHANGE, evidence=(*healthy, failed)))).evidence
    assert told == (failed, *healthy[: MAX_EVIDENCE_TARGETS - 1])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "The event is not JSON"),
        ("[]", "The event is not an object"),
        ('{"eventType":"other"}', "The event holds an unknown word: 'other' is not"),
        ('{"eventType":"telephony.trunks.stateChange"}', "The event lacks the key 'metadata'"),
        (encode(CHANGE).replace('"DOWN"', '"UP"'), "The event holds an unknown word: 'UP'"),
    ],
)
def test_a_text_that_is_no_event_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InvalidEvent, match=sentence):
        decode(text)
