"""Trunks as the documents of the API: what may stand in them, and what a change keeps."""

from __future__ import annotations

from typing import Any

import pytest

from trunkpulse.config.trunk_documents import (
    DocumentRefused,
    MadeTrunk,
    TrunkDocuments,
    document_of,
    secrets_of,
)
from trunkpulse.model import KeepalivePolicy

PLAIN: dict[str, Any] = {"id": "a", "targets": ["sip:192.0.2.1"]}
ENTRUSTED: dict[str, Any] = {
    **PLAIN,
    "advanced": {"username": "alice", "password": "hunter2", "headers": {"X-Key": "k3y"}},
}


def documents() -> TrunkDocuments:
    return TrunkDocuments(KeepalivePolicy())


def made(document: dict[str, Any]) -> MadeTrunk:
    return documents().new(document)


def refused(document: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(DocumentRefused) as problem:
        made(document)
    return problem.value.problems


@pytest.mark.parametrize(
    "document",
    [
        PLAIN,
        {**PLAIN, "name": "Anna", "carrier": "acme", "region": "eu", "direction": "inbound"},
        {**PLAIN, "targets": ["sip:192.0.2.1", "sip:192.0.2.2"], "minAvailableTargets": 2},
        {**PLAIN, "targets": [{"uri": "sip:192.0.2.1", "weight": 7}, "sip:192.0.2.2"]},
        {**PLAIN, "keepalive": {"intervalSeconds": 20, "healthyResponses": ["2xx", "404"]}},
        {**PLAIN, "profile": "twilio", "enabled": False},
        ENTRUSTED,
        {**PLAIN, "advanced": {"headers": {}, "maxForwards": 0, "source": "127.0.0.1:0"}},
        {
            "id": "b",
            "targets": ["sip:sbc.example.com;transport=tls"],
            "advanced": {"tls": {"verify": False, "serverName": "sbc.example.com"}},
        },
    ],
)
def test_a_trunk_that_is_kept_comes_back_as_it_was(document: dict[str, Any]) -> None:
    before = made(document)
    after = documents().restored(document_of(before), secrets_of(before))
    assert after == before
    assert documents().changed(before, {}) == before


def test_many_that_say_the_same_are_restored_alike() -> None:
    makes = documents()
    said = {"carrier": "acme", "keepalive": {"intervalSeconds": 20}}
    every = [
        makes.restored(
            {"id": f"t{n}", "name": f"T {n}", "targets": [f"sip:192.0.2.{n}"], **said}, {}
        )
        for n in range(1, 9)
    ]
    for number, each in enumerate(every, start=1):
        alone = made(
            {
                "id": f"t{number}",
                "name": f"T {number}",
                "targets": [f"sip:192.0.2.{number}"],
                **said,
            }
        )
        assert each == alone
        assert each.said is every[0].said
        assert each.trunk.terms is every[0].trunk.terms


def test_secrets_are_not_shown() -> None:
    entrusted = made(ENTRUSTED)
    shown = document_of(entrusted)
    assert shown["advanced"] == {
        "username": "alice",
        "hasPassword": True,
        "headerNames": ["X-Key"],
    }
    assert "hunter2" not in str(shown) + entrusted.said
    assert "k3y" not in str(shown) + entrusted.said


def test_a_patch_changes_what_it_names_and_null_has_it_inherited_again() -> None:
    before = made({**PLAIN, "carrier": "acme", "keepalive": {"intervalSeconds": 20, "jitter": 0}})
    after = documents().changed(before, {"carrier": None, "keepalive": {"jitter": None}})
    assert after.trunk.carrier is None
    assert after.trunk.keepalive.interval_seconds == 20
    assert after.trunk.keepalive.jitter == KeepalivePolicy().jitter
    assert "jitter" in after.trunk.keepalive.inherited
    assert document_of(after)["keepalive"] == {"intervalSeconds": 20}


def test_secrets_stay_through_a_patch_that_does_not_name_them() -> None:
    before = made(ENTRUSTED)
    after = documents().changed(before, {"name": "Anna", "advanced": {"headers": {"X-Two": "2"}}})
    assert secrets_of(after)["password"] == "hunter2"
    assert after.trunk.identity.headers == (("X-Key", "k3y"), ("X-Two", "2"))


def test_one_header_can_be_taken_away() -> None:
    after = documents().changed(made(ENTRUSTED), {"advanced": {"headers": {"X-Key": None}}})
    assert after.trunk.identity.headers == ()


@pytest.mark.parametrize(
    "patch",
    [
        {"targets": ["sip:198.51.100.66"]},
        {"targets": ["sip:192.0.2.1", "sip:198.51.100.66"]},
        {"targets": ["sip:192.0.2.1;transport=tcp"]},
        {"advanced": {"outboundProxy": "sip:198.51.100.66;lr"}},
    ],
)
def test_secrets_are_not_taken_to_another_place(patch: dict[str, Any]) -> None:
    with pytest.raises(DocumentRefused) as problem:
        documents().changed(made(ENTRUSTED), patch)
    assert [member for member, _ in problem.value.problems] == [
        "advanced.password",
        "advanced.headers.X-Key",
    ]
    assert "hunter2" not in str(problem.value)
    given = {"password": "hunter2", "headers": {"X-Key": "k3y"}}
    moved = {**patch, "advanced": {**patch.get("advanced", {}), **given}}
    assert documents().changed(made(ENTRUSTED), moved).trunk.identity.credentials is not None


SECURE = {**ENTRUSTED, "targets": ["sip:sbc.example.com;transport=tls"]}


def with_tls(document: dict[str, Any], **tls: object) -> dict[str, Any]:
    return {**document, "advanced": {**document["advanced"], "tls": tls}}


@pytest.mark.parametrize(
    "tls", [{"verify": False}, {"serverName": "evil.example.net"}, {"serverName": None}]
)
def test_secrets_are_not_shown_over_tls_that_is_judged_otherwise(tls: dict[str, object]) -> None:
    before = made(with_tls(SECURE, serverName="edge.example.com"))
    with pytest.raises(DocumentRefused) as problem:
        documents().changed(before, {"advanced": {"tls": tls}})
    assert [member for member, _ in problem.value.problems] == [
        "advanced.password",
        "advanced.headers.X-Key",
    ]
    with pytest.raises(DocumentRefused, match="must be given again"):
        documents().listed({**document_of(before), **with_tls(document_of(before), **tls)}, before)
    given = {"password": "hunter2", "headers": {"X-Key": "k3y"}}
    after = documents().changed(before, {"advanced": {"tls": tls, **given}})
    assert secrets_of(after) == secrets_of(before)


def test_tls_may_be_judged_more_strictly_without_the_secrets() -> None:
    before = made(with_tls(SECURE, verify=False))
    tls = {"verify": True, "serverName": "edge.example.com"}
    after = documents().changed(before, {"advanced": {"tls": tls}})
    assert after.trunk.identity.tls.verify
    assert secrets_of(after) == secrets_of(before)


def test_fewer_targets_take_secrets_nowhere() -> None:
    two = made({**ENTRUSTED, "targets": ["sip:192.0.2.1", "sip:192.0.2.2"]})
    one = documents().changed(two, {"targets": ["sip:192.0.2.2"]})
    assert secrets_of(one)["password"] == "hunter2"


def test_the_id_stays() -> None:
    with pytest.raises(DocumentRefused, match="id cannot be changed; make another trunk instead"):
        documents().changed(made(PLAIN), {"id": "b"})


def test_an_export_that_comes_back_keeps_secrets() -> None:
    before = made(ENTRUSTED)
    after = documents().listed({**document_of(before), "carrier": "acme"}, before)
    assert after.trunk.carrier == "acme"
    assert secrets_of(after) == secrets_of(before)


def test_an_export_does_not_take_secrets_to_another_place() -> None:
    before = made(ENTRUSTED)
    with pytest.raises(DocumentRefused, match="must be given again"):
        documents().listed({**document_of(before), "targets": ["sip:198.51.100.66"]}, before)


def test_an_export_is_not_enough_to_make_what_has_secrets() -> None:
    with pytest.raises(DocumentRefused) as problem:
        documents().listed(document_of(made(ENTRUSTED)))
    assert [member for member, _ in problem.value.problems] == [
        "advanced.password",
        "advanced.headers",
    ]


def test_a_list_without_secrets_takes_them_away() -> None:
    before = made(ENTRUSTED)
    assert secrets_of(documents().listed(PLAIN, before)) == {}


@pytest.mark.parametrize(
    ("document", "member", "sentence"),
    [
        ({"id": "a"}, "targets", "targets is missing; it must be a list of 1 to 64 SIP URIs."),
        ({**PLAIN, "id": "-"}, "id", "id must be a name of 1 to 128 letters"),
        ({**PLAIN, "id": "export"}, "id", 'must not be "export" or "import"'),
        ({**PLAIN, "colour": 1}, "colour", "colour is not a known key; allowed here: id, name,"),
        (
            {**PLAIN, "min_available_targets": 1},
            "min_available_targets",
            "(did you mean minAvailableTargets?)",
        ),
        (
            {**PLAIN, "keepalive": {"intervalSeconds": 0}},
            "keepalive.intervalSeconds",
            "must be a number of seconds from 0.1 to 3600, not 0.",
        ),
        ({**PLAIN, "minAvailableTargets": 2}, "minAvailableTargets", "number of targets, 1, not 2"),
        (
            {**PLAIN, "profile": "twilio", "keepalive": {"intervalSeconds": 5}},
            "keepalive.intervalSeconds",
            'must be at least 15, the minimumIntervalSeconds of profile "twilio", not 5.',
        ),
        ({**PLAIN, "profile": "/etc/shadow.toml"}, "profile", "in the configuration file alone"),
        (
            {**PLAIN, "advanced": {"tls": {"caFile": "/etc/shadow"}}},
            "advanced.tls.caFile",
            "must be left out here; files of this machine",
        ),
        ({**PLAIN, "advanced": {"username": "alice"}}, "advanced.username", "beside a password"),
        (
            {**PLAIN, "advanced": {"headers": {"Via": "x"}}},
            "advanced.headers",
            "header Via cannot be added",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_member(
    document: dict[str, Any], member: str, sentence: str
) -> None:
    ((where, said),) = refused(document)
    assert where == member
    assert sentence in said


def test_a_file_that_is_not_there_is_not_told_from_one_that_is() -> None:
    there, gone = (
        refused({**PLAIN, "profile": f"{name}.toml"}) for name in ("/etc/passwd", "/no/such/file")
    )
    assert there == gone


def test_a_password_that_is_none_is_not_repeated() -> None:
    ((_, said),) = refused({**PLAIN, "advanced": {"username": "a", "password": "tops3cret\x00"}})
    assert "tops3cret" not in said
