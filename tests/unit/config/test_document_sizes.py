"""How much a document may hold: what is too much is refused before any of it is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from trunkpulse.config.json_documents import MOST_FOUND, DocumentRefused
from trunkpulse.config.route_documents import new_route
from trunkpulse.config.settings_documents import new_settings
from trunkpulse.config.stream_documents import new_stream
from trunkpulse.config.trunk_documents import TrunkDocuments
from trunkpulse.model import KeepalivePolicy

Document = dict[str, Any]

HOOK = {"type": "webhook", "url": "https://hooks.example.com/"}
WRONG = ["?"] * 60_000
UNKNOWN = dict.fromkeys((f"key{number}" for number in range(20_000)), 1)


def trunk(**members: object) -> object:
    document = {"id": "a", "targets": ["sip:192.0.2.1"], **members}
    return TrunkDocuments(KeepalivePolicy()).new(document)


def stream(**members: object) -> object:
    document = {"id": "noc", "destination": HOOK, **members}
    return new_stream(document, is_trunk=lambda _: False)


def route(**members: object) -> object:
    document = {"id": "us", "trunks": [{"id": "a"}], **members}
    return new_route(document, is_trunk=lambda _: True)


def settings(**members: object) -> object:
    return new_settings(members)


@pytest.mark.parametrize(
    ("make", "document", "member", "most"),
    [
        (trunk, {"targets": WRONG}, "targets", "64"),
        (trunk, {"targets": [{"uri": "?", **UNKNOWN}]}, "targets[0]", "8"),
        (trunk, {"keepalive": {"healthyResponses": WRONG}}, "keepalive.healthyResponses", "64"),
        (trunk, {"keepalive": UNKNOWN}, "keepalive", "64"),
        (trunk, {"advanced": {"headers": UNKNOWN}}, "advanced.headers", "64"),
        (trunk, UNKNOWN, "", "64"),
        (stream, {"reasonCodes": WRONG}, "reasonCodes", "64"),
        (stream, {"alerts": {"groupBy": WRONG}}, "alerts.groupBy", "64"),
        (stream, {"destination": {**HOOK, **UNKNOWN}}, "destination", "64"),
        (stream, {"trunks": WRONG}, "trunks", "1,000"),
        (route, {"numbers": WRONG}, "numbers", "10,000"),
        (route, {"trunks": [{"id": "a", **UNKNOWN}]}, "trunks[0]", "8"),
        (settings, {"keepalive": {"healthyResponses": WRONG}}, "keepalive.healthyResponses", "64"),
    ],
)
def test_what_holds_too_much_is_one_mistake_whatever_is_in_it(
    make: Callable[..., object], document: Document, member: str, most: str
) -> None:
    with pytest.raises(DocumentRefused) as caught:
        make(**document)
    sentence = f"{member or 'The document'} must hold at most {most} of them."
    assert caught.value.problems == [(member, sentence)]


def test_of_many_wrong_numbers_the_first_are_told_by_their_places() -> None:
    numbers = ["+1", *["?"] * 9_999]
    with pytest.raises(DocumentRefused) as caught:
        route(numbers=numbers)
    told = [member for member, _ in caught.value.problems]
    assert told == [f"numbers[{place}]" for place in range(1, MOST_FOUND + 1)]


def test_as_much_as_may_be_is_taken() -> None:
    targets = [{"uri": f"sip:192.0.2.{number}", "weight": 5} for number in range(1, 65)]
    assert trunk(targets=targets)
    many = [f"t{number}" for number in range(1000)]
    assert route(trunks=[{"id": each, "priority": 1, "weight": 5} for each in many])
    assert stream(carriers=many, regions=many)
