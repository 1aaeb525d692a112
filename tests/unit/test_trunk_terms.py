from __future__ import annotations

import sys
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from trunkpulse.model import Direction, KeepalivePolicy, ProbeIdentity, Trunk, TrunkTerms
from trunkpulse.model import trunk as layout

PLAIN = Trunk(id="a", name="A", targets=("sip:192.0.2.1:5060",))
FULL = Trunk(
    id="b",
    name="B",
    targets=("sip:192.0.2.1:5060", "sip:192.0.2.2:5060"),
    weights=(1, 2),
    direction=Direction.INBOUND,
    region="eu",
    carrier="acme",
    min_available_targets=2,
    enabled=False,
    profile="msft",
    keepalive=KeepalivePolicy(interval_seconds=7.0),
    identity=ProbeIdentity(max_forwards=0),
    managed_by="trunks.toml",
)


def test_a_trunk_tells_all_that_it_was_made_of() -> None:
    assert PLAIN.targets == ("sip:192.0.2.1:5060",)
    assert (PLAIN.weights, PLAIN.direction, PLAIN.region) == ((), Direction.BOTH, None)
    assert (PLAIN.enabled, PLAIN.profile, PLAIN.keepalive) == (True, "generic", KeepalivePolicy())
    assert (FULL.id, FULL.name, len(FULL.targets)) == ("b", "B", 2)
    assert (FULL.weights, FULL.direction) == ((1, 2), Direction.INBOUND)
    assert (FULL.region, FULL.carrier, FULL.min_available_targets) == ("eu", "acme", 2)
    assert (FULL.enabled, FULL.profile) == (False, "msft")
    assert FULL.keepalive == KeepalivePolicy(interval_seconds=7.0)
    assert (FULL.identity.max_forwards, FULL.managed_by) == (0, "trunks.toml")


def test_a_trunk_without_targets_has_none() -> None:
    assert Trunk(id="a", name="", targets=()).targets == ()


def with_field(trunk: Trunk, name: str, value: Any) -> Trunk:
    return replace(trunk, **{name: value})


CHANGES: dict[str, object] = {
    "id": "z",
    "name": "Z",
    "targets": ("sip:192.0.2.9:5060",),
    "weights": (9,),
    "direction": Direction.OUTBOUND,
    "region": "us",
    "carrier": "other",
    "min_available_targets": 3,
    "enabled": True,
    "profile": "teams",
    "keepalive": KeepalivePolicy(interval_seconds=8.0),
    "identity": ProbeIdentity(max_forwards=1),
    "managed_by": None,
}


def test_every_field_is_tried() -> None:
    assert set(CHANGES) == {each.name for each in fields(Trunk)}


@pytest.mark.parametrize("name", CHANGES)
def test_a_field_can_be_replaced_and_makes_another_trunk(name: str) -> None:
    changed = with_field(FULL, name, CHANGES[name])
    assert getattr(changed, name) == CHANGES[name]
    assert changed != FULL
    again = with_field(changed, name, getattr(FULL, name))
    assert again == FULL
    assert hash(again) == hash(FULL)


def test_trunks_on_equal_terms_share_them() -> None:
    assert replace(FULL, id="c", name="C").terms is FULL.terms
    assert replace(FULL, enabled=True).terms is not FULL.terms


def test_terms_that_were_forgotten_are_still_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "_MOST_TERMS", 1)
    others = [replace(FULL, region=f"r{number}") for number in range(5)]
    assert [each.region for each in others] == ["r0", "r1", "r2", "r3", "r4"]
    assert replace(others[0]) == others[0]
    assert replace(others[0]).terms is not others[0].terms


def test_a_trunk_never_changes() -> None:
    with pytest.raises(FrozenInstanceError):
        PLAIN.name = "B"  # type: ignore[misc]  # what is tested
    with pytest.raises(FrozenInstanceError):
        PLAIN.enabled = False  # type: ignore[misc]  # what is tested


def test_a_trunk_prints_its_settings() -> None:
    assert "carrier='acme'" in repr(FULL)


def test_a_trunk_is_as_small_as_its_ends() -> None:
    assert sys.getsizeof(PLAIN) <= 4 * 8 + 32  # four references, and what every object has
    assert not hasattr(PLAIN, "__dict__")
    assert set(TrunkTerms._fields) == {each.name for each in fields(Trunk)} - {
        "id",
        "name",
        "targets",
    }
