"""``trunkpulse streams``: made, shown, changed and deleted from a shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trunkpulse.model import EventStream
from unit.cli.api_service import Service, service

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
HOOK = ("--type", "webhook", "--to", "https://example.com/hook?token=t0ken")


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    monkeypatch.setenv("OLD_SECRET", OTHER)


async def make(there: Service, *arguments: str) -> EventStream:
    await there.said("streams", "create", "pagers", *HOOK, *arguments)
    return there.world.lanes.streams["pagers"]


async def test_a_stream_is_made_with_all_that_options_can_say() -> None:
    async with service() as there:
        out = await there.said(
            "streams", "create", "pagers", *HOOK,
            "--name", "Pagers", "--secret", "env:HOOK_SECRET",
            "--previous-secret", "env:OLD_SECRET",
            "--event-type", "telephony.trunks.stateChange", "--trunk", "carrier-a",
            "--trunk", "carrier-b", "--carrier", "acme", "--region", "us-east",
            "--direction", "Both", "--state", "down", "--reason", "*",
            "--header", "X-Api-Key=a=b",
        )  # fmt: skip
        made = there.world.lanes.streams["pagers"]
    assert out == "pagers is made; its status is active.\n"
    assert made.destination.secret == SECRET
    assert made.destination.previous_secret == OTHER
    assert made.destination.headers == (("X-Api-Key", "a=b"),)
    assert (made.name, made.trunks, made.carriers) == (
        "Pagers",
        ("carrier-a", "carrier-b"),
        ("acme",),
    )
    assert (made.directions, made.states, made.reason_codes) == (("both",), ("DOWN",), ("*",))


async def test_a_header_that_holds_a_secret_is_looked_up(tmp_path: Path) -> None:
    file = tmp_path / "team"
    file.write_text("noc\n")
    async with service() as there:
        made = await make(
            there, "--header", "Authorization=env:HOOK_SECRET", "--header", f"X-Team=file:{file}"
        )
    assert made.destination.headers == (("Authorization", SECRET), ("X-Team", "noc"))


async def test_the_options_of_a_destination_are_numbers_switches_and_texts() -> None:
    async with service() as there:
        await there.said(
            "streams", "create", "pagers", "--type", "kafka", "--to", "kafka://k.example.com:9092",
            "--option", "topic=5", "--option", "tls=true", "--option", "topic=trunks",
        )  # fmt: skip
        options = dict(there.world.lanes.streams["pagers"].destination.options)
    assert options == {"topic": "trunks", "tls": True}


async def test_a_document_is_read_and_options_win(tmp_path: Path) -> None:
    file = tmp_path / "pagers.json"
    file.write_text(
        json.dumps(
            {
                "id": "another",
                "carriers": ["acme"],
                "states": ["DOWN"],
                "destination": {"type": "webhook", "url": "https://example.com/"},
            }
        )
    )
    async with service() as there:
        await there.said(
            "streams", "create", "pagers", "--document", str(file),
            "--carrier", "umbrella", "--secret", "env:HOOK_SECRET",
        )  # fmt: skip
        made = there.world.lanes.streams["pagers"]
    assert (made.carriers, made.states) == (("umbrella",), ("DOWN",))
    assert (made.destination.url, made.destination.secret) == ("https://example.com/", SECRET)


async def test_a_stream_is_shown_without_what_is_secret() -> None:
    async with service() as there:
        await make(
            there, "--secret", "env:HOOK_SECRET", "--previous-secret", "env:OLD_SECRET",
            "--header", "X-Api-Key=t0psecret", "--carrier", "acme", "--state", "DOWN",
        )  # fmt: skip
        out = await there.said("streams", "show", "pagers")
        table = await there.said("streams", "list")
        as_json = json.loads(await there.said("streams", "show", "pagers", "--json"))
        noc = await there.said("streams", "show", "noc")
    for line in (
        "pagers  active",
        "only         carriers acme; states DOWN",
        "destination  webhook https://example.com/hook?…",
        "secrets      a secret and the one before",
        "headers      X-Api-Key",
        "managed by   the API",
    ):
        assert line in out.splitlines()
    assert as_json["destination"]["hasSecret"] is True
    assert all(secret not in out + table for secret in ("t0ken", "t0psecret", "whsec"))
    assert "managed by   trunkpulse.toml" in noc.splitlines()
    assert "last error   answered 500" in noc.splitlines()


async def test_the_list_says_who_is_active_paused_and_disabled() -> None:
    async with service() as there:
        await make(there)
        await there.said("streams", "pause", "pagers")
        rows = (await there.said("streams", "list")).splitlines()[1:]
    assert [row.split()[:2] for row in rows] == [
        ["audit", "disabled"], ["noc", "active"], ["pagers", "paused"],
    ]  # fmt: skip


async def test_a_stream_is_changed_in_what_is_named() -> None:
    async with service() as there:
        await make(there, "--carrier", "acme", "--secret", "env:HOOK_SECRET")
        out = await there.said(
            "streams", "update", "pagers", "--region", "eu", "--clear", "carriers",
            "--secret", "env:OLD_SECRET", "--previous-secret", "env:HOOK_SECRET",
        )  # fmt: skip
        changed = there.world.lanes.streams["pagers"]
        await there.said("streams", "update", "pagers", "--clear", "destination.previousSecret")
        settled = there.world.lanes.streams["pagers"]
    assert out == "pagers is changed; its status is active.\n"
    assert (changed.carriers, changed.regions) == ((), ("eu",))
    assert (changed.destination.secret, changed.destination.previous_secret) == (OTHER, SECRET)
    assert (settled.destination.secret, settled.destination.previous_secret) == (OTHER, None)


async def test_a_stream_is_paused_resumed_disabled_enabled_and_deleted() -> None:
    async with service() as there:
        await make(there)
        said = [
            await there.said("streams", action, "pagers")
            for action in ("pause", "resume", "disable", "enable", "delete")
        ]
        gone = await there.command("streams", "show", "pagers")
    assert said == [
        "pagers is paused; its status is paused.\n",
        "pagers is delivered to; its status is active.\n",
        "pagers is disabled; its status is disabled.\n",
        "pagers is enabled; its status is active.\n",
        "pagers is deleted.\n",
    ]
    assert gone.code == 1
    assert "no event stream with the id pagers" in gone.complaint


@pytest.mark.parametrize(
    ("arguments", "code", "fragment"),
    [
        (["create", "x", *HOOK, "--secret", "whsec_abc"], 2, '--secret must be written "env:NAME"'),
        (["create", "x", *HOOK, "--secret", "env:NOT_SET"], 2, "NOT_SET, which is not set"),
        (["create", "x", *HOOK, "--header", "X-A"], 2, "--header must be NAME=VALUE"),
        (["create", "x", *HOOK, "--header", "X-A=env:NOT_SET"], 2, "NOT_SET, which is not set"),
        (["create", "x", "--document", "nowhere.json"], 2, "check --document"),
        (["create", "x", "--type", "pigeon"], 2, "destination.type"),
        (["create", "x"], 2, "destination is missing"),
        (["create", "noc", *HOOK], 1, "noc already"),
        (["update", "noc", "--carrier", "x"], 1, "trunkpulse.toml"),
        (["update", "nobody", "--carrier", "x"], 1, "nobody"),
        (["update", "noc"], 2, "Nothing is to be changed"),
        (["update", "noc", "--clear", "name.x", "--name", "y"], 2, "--clear"),
        (["delete", "noc"], 1, "trunkpulse.toml"),
    ],
)
async def test_a_mistake_is_one_sentence(arguments: list[str], code: int, fragment: str) -> None:
    async with service() as there:
        outcome = await there.command("streams", *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert fragment in outcome.complaint
    assert "whsec_abc" not in outcome.complaint


async def test_what_was_done_is_told_to_machines_as_json() -> None:
    async with service() as there:
        made = json.loads(await there.said("streams", "create", "pagers", *HOOK, "--json"))
        paused = json.loads(await there.said("streams", "pause", "pagers", "--json"))
        deleted = json.loads(await there.said("streams", "delete", "pagers", "--json"))
    assert (made["id"], made["paused"], paused["paused"]) == ("pagers", False, True)
    assert deleted == {"id": "pagers", "deleted": True}
