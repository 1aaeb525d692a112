"""Streams as documents: what the file says of them, in the words of JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trunkpulse.config import load_config
from trunkpulse.config.stream_documents import DocumentRefused, changed_stream, new_stream
from trunkpulse.model import AlertSettings, Destination, EventStream

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
HOOK = {"type": "webhook", "url": "https://example.com/hook"}
KAFKA = {"type": "kafka", "url": "kafka://a.example.com:9092", "topic": "trunks"}
PLAIN = Destination(type="webhook", url=HOOK["url"])
PAGER = {"type": "pagerduty", "secret": "0123456789abcdef0123456789abcdef"}


def made(document: dict[str, Any]) -> EventStream:
    return new_stream(document, is_trunk={"a", "b"}.__contains__)


def patched(stream: EventStream, patch: dict[str, Any]) -> EventStream:
    return changed_stream(stream, patch, is_trunk={"a", "b"}.__contains__)


def refused(document: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(DocumentRefused) as caught:
        made(document)
    return dict(caught.value.problems)


def test_the_smallest_document_has_the_defaults_of_the_file() -> None:
    assert made({"id": "noc", "destination": HOOK}) == EventStream(
        id="noc", name="noc", destination=PLAIN
    )


def test_everything_that_can_be_said_is_taken_over() -> None:
    stream = made(
        {
            "id": "noc",
            "name": "Network",
            "eventTypes": ["telephony.trunks.stateChange", "telephony.prober.isolated"],
            "trunks": ["a"],
            "carriers": ["acme"],
            "regions": ["eu"],
            "directions": ["both"],
            "states": ["DOWN"],
            "reasonCodes": ["*"],
            "enabled": False,
            "paused": True,
            "destination": {
                **HOOK,
                "secret": SECRET,
                "previousSecret": OTHER,
                "headers": {"X_Team": "noc", "Authorization": "env:HOME"},
            },
        }
    )
    assert stream == EventStream(
        id="noc",
        name="Network",
        event_types=("telephony.trunks.stateChange", "telephony.prober.isolated"),
        trunks=("a",),
        carriers=("acme",),
        regions=("eu",),
        directions=("both",),
        states=("DOWN",),
        reason_codes=("*",),
        enabled=False,
        paused=True,
        destination=Destination(
            type="webhook",
            url="https://example.com/hook",
            secret=SECRET,
            previous_secret=OTHER,
            # Nothing of this machine is looked up for a client.
            headers=(("X_Team", "noc"), ("Authorization", "env:HOME")),
        ),
    )


def test_a_document_makes_the_stream_that_the_file_would(tmp_path: Path) -> None:
    file = tmp_path / "trunkpulse.toml"
    file.write_text(
        '[[event_streams]]\nid = "p"\ncarriers = ["acme"]\n'
        "alerts = { group_by = [], group_wait_seconds = 5 }\n"
        '[event_streams.destination]\ntype = "pagerduty"\nsecret = "env:KEY"\nseverity = "error"\n'
    )
    (declared,) = load_config(file, {"KEY": PAGER["secret"]}).event_streams
    document = {
        "id": "p",
        "carriers": ["acme"],
        "alerts": {"groupBy": [], "groupWaitSeconds": 5},
        "destination": {**PAGER, "severity": "error"},
    }
    stream = made(document)
    assert stream.alerts == AlertSettings(group_by=(), group_wait_seconds=5)
    assert stream.managed_by is None
    assert (stream.destination, stream.alerts) == (declared.destination, declared.alerts)
    assert stream.carriers == declared.carriers


@pytest.mark.parametrize(
    ("members", "member", "fragment"),
    [
        ({"id": None}, "id", "is missing"),
        ({"id": "-no"}, "id", "must be a name"),
        ({"destination": None}, "destination", "is missing"),
        ({"destination": []}, "destination", "must be an object"),
        ({"eventTypes": ["x"]}, "eventTypes[0]", "telephony.trunks.stateChange"),
        ({"event_types": ["x"]}, "event_types", "did you mean eventTypes?"),
        ({"eventType": ["x"]}, "eventType", "did you mean eventTypes?"),
        ({"trunks": ["zz"]}, "trunks[0]", 'there is no trunk "zz"'),
        ({"trunks": [None]}, "trunks[0]", "not null"),
        ({"trunks": "a"}, "trunks", "a list"),
        ({"states": ["UP"]}, "states[0]", '"DOWN"'),
        ({"paused": "yes"}, "paused", "must be true or false"),
        ({"carriers": ["x"] * 1001}, "carriers", "at most 1,000"),
        ({"alerts": {"group_by": []}}, "alerts.group_by", "groupBy"),
        ({"managedBy": "me"}, "managedBy", "is not a known key"),
    ],
)
def test_a_mistake_is_named_as_the_client_wrote_it(
    members: dict[str, Any], member: str, fragment: str
) -> None:
    found = refused({"id": "noc", "destination": HOOK, **members})
    assert member in found
    assert found[member].startswith(member)
    assert fragment in found[member]
    assert found[member].endswith(".")


@pytest.mark.parametrize(
    ("destination", "member", "fragment"),
    [
        ({"type": "pigeon"}, "destination.type", '"webhook"'),
        ({"url": "https://x/"}, "destination.type", "missing"),
        ({**HOOK, "secret": "s3cr3t"}, "destination.secret", "whsec_"),
        ({**HOOK, "secret": ""}, "destination.secret", "must be a text of 1 to"),
        ({**HOOK, "secret": 5}, "destination.secret", "must be a text"),
        ({**HOOK, "previous_secret": OTHER}, "destination.previous_secret", "previousSecret"),
        ({**HOOK, "topic": "x"}, "destination.topic", "not a key of a webhook destination"),
        ({**HOOK, "url": "ftp://x"}, "destination.url", "http"),
        ({**HOOK, "headers": {"Host": "x"}}, "destination.headers", "Host"),
        ({"type": "kafka", "url": KAFKA["url"]}, "destination.topic", "missing"),
    ],
)
def test_a_mistake_in_a_destination_is_named_too_and_no_secret_is_repeated(
    destination: dict[str, Any], member: str, fragment: str
) -> None:
    found = refused({"id": "noc", "destination": destination})
    assert fragment in found[member]
    assert "s3cr3t" not in found[member]


def test_every_mistake_is_found_in_one_go() -> None:
    found = refused({"id": "!", "enabled": 1, "destination": {**HOOK, "nope": 1}})
    assert set(found) == {"id", "enabled", "destination.nope"}


def test_half_a_character_is_no_text() -> None:
    found = refused({"id": "s", "destination": {"type": "apprise", "secret": "json://\ud800"}})
    assert found


def test_a_patch_changes_what_it_names_and_null_takes_away() -> None:
    before = made(
        {
            "id": "noc",
            "name": "Network",
            "trunks": ["a"],
            "carriers": ["acme"],
            "destination": {**HOOK, "secret": SECRET, "headers": {"X-A": "1", "X-B": "2"}},
        }
    )
    after = patched(
        before,
        {
            "name": None,
            "carriers": ["umbrella"],
            "destination": {"previousSecret": SECRET, "secret": OTHER, "headers": {"X-A": None}},
        },
    )
    assert (after.name, after.trunks, after.carriers) == ("noc", ("a",), ("umbrella",))
    assert after.destination == Destination(
        type="webhook",
        url=HOOK["url"],
        secret=OTHER,
        previous_secret=SECRET,
        headers=(("X-B", "2"),),
    )


@pytest.mark.parametrize(
    "document",
    [
        {"id": "s", "destination": {**HOOK, "secret": SECRET, "headers": {"X-A": "1"}}},
        {"id": "s", "destination": {**KAFKA, "tls": True, "username": "u", "secret": "p"}},
        {"id": "s", "destination": PAGER, "alerts": {"groupBy": []}},
        {"id": "s", "destination": {"type": "apprise", "secret": "json://x"}, "alerts": False},
        {"id": "s", "destination": {"type": "apprise", "secret": "json://x"}},
    ],
)
def test_an_empty_patch_changes_nothing(document: dict[str, Any]) -> None:
    stream = made(document)
    assert patched(stream, {}) == stream
    assert patched(stream, {"id": "s", "paused": True}).destination == stream.destination


def test_the_id_stays() -> None:
    with pytest.raises(DocumentRefused, match="cannot be changed"):
        patched(made({"id": "noc", "destination": HOOK}), {"id": "other"})


def test_a_trunk_that_is_gone_by_now_may_stay_but_none_may_come() -> None:
    stream = EventStream(
        id="s", name="s", destination=PLAIN, trunks=("gone", "a"), carriers=("acme",)
    )
    assert patched(stream, {"trunks": ["b", "gone"]}).trunks == ("b", "gone")
    with pytest.raises(DocumentRefused, match="zz"):
        patched(stream, {"trunks": ["zz"]})


@pytest.mark.parametrize(
    "held",
    [{"secret": SECRET}, {"secret": SECRET, "previousSecret": OTHER}, {"headers": {"X-A": "t"}}],
)
def test_what_was_entrusted_to_one_place_is_not_taken_to_another(held: dict[str, Any]) -> None:
    stream = made({"id": "s", "destination": {**HOOK, **held}})
    near = patched(stream, {"destination": {"url": "https://example.com/other"}})
    assert near.destination.headers == stream.destination.headers
    for url in (
        "https://evil.example.com/hook",
        "http://example.com/hook",
        "https://example.com:8/",
    ):
        with pytest.raises(DocumentRefused) as caught:
            patched(stream, {"destination": {"url": url}})
        assert [member for member, _ in caught.value.problems] == [
            "destination.headers.X-A" if name == "headers" else f"destination.{name}"
            for name in held
        ]
    given = {"url": "https://evil.example.com/", **dict.fromkeys(held)}
    assert patched(stream, {"destination": given}).destination.secret is None


HOOK_WITH_TOKENS = {**HOOK, "headers": {"X-A": "t0ken", "X-B": "t1ken"}}


@pytest.mark.parametrize(
    ("headers", "missing"),
    [
        ({}, ["X-A", "X-B"]),
        ({"X-C": "new"}, ["X-A", "X-B"]),
        ({"X-A": "new"}, ["X-B"]),
        ({"X-A": None}, ["X-B"]),
        ({"X-A": "new", "X-B": None}, []),
        (None, []),
    ],
)
def test_each_header_that_goes_elsewhere_has_to_be_named(
    headers: dict[str, str | None] | None, missing: list[str]
) -> None:
    stream = made({"id": "s", "destination": HOOK_WITH_TOKENS})
    patch = {"destination": {"url": "https://evil.example.com/", "headers": headers}}
    if missing:
        with pytest.raises(DocumentRefused) as caught:
            patched(stream, patch)
        found = [member for member, _ in caught.value.problems]
        assert found == [f"destination.headers.{name}" for name in missing]
    else:
        after = dict(patched(stream, patch).destination.headers)
        assert {"t0ken", "t1ken"}.isdisjoint(after.values())


@pytest.mark.parametrize("less", [{"tls": False}, {"tls": None}, {"saslMechanism": "PLAIN"}])
def test_a_password_is_not_kept_when_its_guard_is_taken_away(less: dict[str, Any]) -> None:
    guarded = {"tls": True, "username": "u", "secret": "p", "saslMechanism": "SCRAM-SHA-512"}
    stream = made({"id": "s", "destination": {**KAFKA, **guarded}})
    with pytest.raises(DocumentRefused) as caught:
        patched(stream, {"destination": less})
    assert [member for member, _ in caught.value.problems] == ["destination.secret"]
    given = patched(stream, {"destination": {**less, "secret": "new"}})
    assert given.destination.secret == "new"
    other_topic = patched(stream, {"destination": {"topic": "other"}})
    assert other_topic.destination.secret == "p"


def test_a_destination_of_another_type_is_a_new_one() -> None:
    stream = made({"id": "s", "carriers": ["acme"], "destination": {**KAFKA, "secret": "p"}})
    after = patched(stream, {"destination": HOOK})
    assert after.destination == PLAIN
    assert after.carriers == ("acme",)
    pager = patched(after, {"destination": PAGER})
    assert pager.alerts == AlertSettings()
    assert patched(pager, {"destination": HOOK}).alerts is None
