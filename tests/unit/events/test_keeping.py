"""A stream at rest: it comes back as it was, and nothing in it gives a secret away."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.events.keeping import kept, restored
from trunkpulse.model import AlertSettings, Destination, EventStream
from trunkpulse.ports import KeptStream, SecretUnreadable
from vaults import a_vault

NOW_MS = 1_700_000_000_000
STREAM = EventStream(
    id="noc",
    name="Größe",
    destination=Destination(
        type="webhook",
        url="https://example.com/t0ken-in-path",
        secret="whsec_t0psecret",
        previous_secret="whsec_0lder",
        headers=(("X-Api-Key", "t0ken"),),
        options=(("topic", "x"), ("tls", True), ("max_length", 5)),
    ),
    trunks=("a", "b"),
    carriers=("acme",),
    states=("DOWN",),
    alerts=AlertSettings(group_by=("carrier",), update_seconds=5.5),
    paused=True,
)

texts = st.text(st.characters(exclude_categories=["Cs"]))
lists = st.lists(texts, max_size=3).map(tuple)
streams = st.builds(
    EventStream,
    id=texts,
    name=texts,
    destination=st.builds(
        Destination,
        type=texts,
        url=texts,
        secret=st.none() | texts,
        previous_secret=st.none() | texts,
        headers=st.lists(st.tuples(texts, texts), max_size=3).map(tuple),
        options=st.lists(
            st.tuples(texts, texts | st.booleans() | st.integers() | st.floats(allow_nan=False)),
            max_size=3,
        ).map(tuple),
    ),
    event_types=lists,
    trunks=lists,
    carriers=lists,
    regions=lists,
    directions=lists,
    states=lists,
    reason_codes=lists,
    alerts=st.none() | st.builds(AlertSettings, group_by=lists),
    enabled=st.booleans(),
    paused=st.booleans(),
)


def through_json(stream: KeptStream) -> KeptStream:
    return replace(
        stream,
        definition=json.loads(json.dumps(stream.definition)),
        secrets=json.loads(json.dumps(stream.secrets)),
    )


@given(streams)
def test_a_stream_comes_back_from_json_as_it_was(stream: EventStream) -> None:
    vault = a_vault()
    found = restored(through_json(kept(stream, vault, now_ms=NOW_MS, before=None)), vault)
    assert found == stream
    options, before = found.destination.options, stream.destination.options
    assert [type(value) for _, value in options] == [type(value) for _, value in before]


def test_the_database_sees_no_secret_and_not_where_events_go() -> None:
    row = kept(STREAM, a_vault(), now_ms=NOW_MS, before=None)
    seen = json.dumps([row.definition, dict(row.secrets)])
    for secret in ("t0ken", "t0psecret", "0lder", "example.com", "X-Api-Key"):
        assert secret not in seen
    assert set(row.secrets) == {"url", "secret", "previous_secret", "headers"}


def test_changes_are_counted_and_the_beginning_is_remembered() -> None:
    first = kept(STREAM, a_vault(), now_ms=NOW_MS, before=None)
    second = kept(STREAM, a_vault(), now_ms=NOW_MS + 9, before=first)
    assert (first.revision, first.created_ms, first.changed_ms) == (1, NOW_MS, NOW_MS)
    assert (second.revision, second.created_ms, second.changed_ms) == (2, NOW_MS, NOW_MS + 9)


def test_a_stream_that_was_written_before_a_setting_existed_has_its_default() -> None:
    row = kept(STREAM, a_vault(), now_ms=NOW_MS, before=None)
    old = {
        name: value for name, value in row.definition.items() if name not in {"states", "alerts"}
    }
    found = restored(replace(row, definition=old), a_vault())
    assert found == replace(STREAM, states=(), alerts=None)


def test_a_secret_that_is_moved_to_another_stream_or_member_does_not_open_there() -> None:
    row = kept(STREAM, a_vault(), now_ms=NOW_MS, before=None)
    with pytest.raises(SecretUnreadable, match="stream:mine:"):
        restored(replace(row, id="mine"), a_vault())
    swapped = {**row.secrets, "url": row.secrets["secret"]}
    with pytest.raises(SecretUnreadable, match="stream:noc:url"):
        restored(replace(row, secrets=swapped), a_vault())


def test_another_key_is_one_sentence() -> None:
    row = kept(STREAM, a_vault(1), now_ms=NOW_MS, before=None)
    with pytest.raises(SecretUnreadable, match="which is not among the keys"):
        restored(row, a_vault(2))


def test_what_another_version_wrote_is_one_sentence_without_what_it_wrote() -> None:
    row = kept(STREAM, a_vault(), now_ms=NOW_MS, before=None)
    odd = replace(row, definition={**row.definition, "trunks": {"t0ken": 1}})
    with pytest.raises(SecretUnreadable, match=r"'noc' .* another version") as caught:
        restored(odd, a_vault())
    assert "t0ken" not in str(caught.value)
