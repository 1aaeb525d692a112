"""The chain of the audit: whatever is done to it is found, and nothing can look like another."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.access.audit import (
    START,
    Act,
    Actor,
    Head,
    ObjectChange,
    Outcome,
    Verification,
    canonical,
    digest_of,
    verify,
)
from trunkpulse.ports import AuditEntry

TEXT = st.text(max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.dictionaries(TEXT, JSON, max_size=4)


def chain(records: list[dict[str, object]]) -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    head = START
    for place, record in enumerate(records, 1):
        text = canonical({**record, "at": place * 10})
        digest = digest_of(head.digest, text)
        entries.append(
            AuditEntry(
                position=place, at_ms=place * 10, record=text, previous=head.digest, digest=digest
            )
        )
        head = Head(place, digest)
    return entries


def act(**other: object) -> Act:
    whole: dict[str, object] = {
        "action": "disable_trunk",
        "actor": Actor("user", "u1", "Ann"),
        "outcome": Outcome.DONE,
        **other,
    }
    return Act(**whole)  # type: ignore[arg-type]  # a test's shorthand


@given(st.lists(RECORDS, max_size=6))
def test_what_was_not_touched_is_whole(records: list[dict[str, object]]) -> None:
    assert verify(chain(records)) is None


@given(st.lists(RECORDS, min_size=1, max_size=6), st.data())
def test_an_entry_that_was_changed_is_found_where_it_is(
    records: list[dict[str, object]], data: st.DataObject
) -> None:
    entries = chain(records)
    place = data.draw(st.integers(0, len(entries) - 1))
    other = data.draw(
        st.sampled_from(
            [
                replace(entries[place], record=entries[place].record.replace("{", "{ ", 1)),
                replace(entries[place], digest="f" * 64),
                replace(entries[place], previous="e" * 64),
                replace(entries[place], at_ms=7),
                replace(entries[place], position=99),
            ]
        )
    )
    found = verify([*entries[:place], other, *entries[place + 1 :]])
    assert found is not None
    assert found.position == place + 1


@given(st.lists(RECORDS, min_size=2, max_size=6), st.data())
def test_an_entry_that_was_dropped_or_exchanged_is_found(
    records: list[dict[str, object]], data: st.DataObject
) -> None:
    entries = chain(records)
    place = data.draw(st.integers(0, len(entries) - 2))
    dropped = verify([*entries[:place], *entries[place + 1 :]])
    assert dropped is not None
    assert dropped.position == place + 1
    swapped = [*entries]
    swapped[place], swapped[place + 1] = swapped[place + 1], swapped[place]
    assert verify(swapped) is not None


def test_whoever_makes_all_digests_anew_is_found_by_a_digest_kept_elsewhere() -> None:
    kept_elsewhere = chain([{"what": 1}, {"what": 2}])[-1]
    forged = chain([{"what": 1}, {"what": 3}, {"what": 4}])
    assert verify(forged) is None  # the chain alone cannot know
    found = verify(forged[2:], Head(kept_elsewhere.position, kept_elsewhere.digest))
    assert found is not None
    assert "exchanged" in found.problem


def test_a_part_of_a_chain_is_checked_from_its_first_entry_on() -> None:
    entries = chain([{}, {}, {}, {}])
    verification = Verification(None)
    assert [verification.add(each) for each in entries[2:]] == [None, None]
    assert verification.head == Head(4, entries[-1].digest)


def test_the_digest_is_sha_256_over_the_link_and_the_record() -> None:
    # printf '%064d{"at":1}' 0 | sha256sum
    assert digest_of(START.digest, '{"at":1}') == (
        "62ba866f33a8b18b59779b268da27db68a071c7b73d6555ceb1627256e2b5d7d"
    )


@given(TEXT, TEXT)
def test_no_text_makes_an_entry_look_like_two_or_hides_in_it(name: str, path: str) -> None:
    record = act(actor=Actor("nobody", claimed=name), path=path).record(1)
    assert record.isascii()
    assert record.isprintable()
    assert json.loads(record)["actor"]["claimed"] == name


def test_controls_and_marks_of_direction_are_escaped() -> None:
    evil = "\r\n2026-01-01 all is well\x1b[2J\u202e\u2066\x00"
    record = act(actor=Actor("nobody", claimed=evil)).record(1)
    assert r"\r\n2026-01-01 all is well\u001b[2J\u202e\u2066\u0000" in record


def test_what_is_too_long_is_cut_and_what_is_too_large_is_known_by_its_digest() -> None:
    long = act(actor=Actor("nobody", claimed="x" * 100_000)).record(1)
    assert len(long) < 2000
    large = ObjectChange("route", "r", None, {"trunks": ["t"] * 10_000})
    many = act(changes=(large,) * 3).record(1)
    assert len(many) < 2000
    shown = json.loads(many)["changes"][0]["after"]
    assert shown["tooLargeBytes"] > 16_384
    assert len(shown["sha256"]) == 64


def test_the_objects_of_one_act_are_bounded_together() -> None:
    each = ObjectChange("route", "r", {"x": "y" * 10_000}, {"x": "z" * 10_000})
    assert len(act(changes=(each,) * 20).record(1)) < 200_000
