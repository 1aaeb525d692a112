"""``trunkpulse clients``: over a running service found by its folder, and with a database alone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from trunkpulse.adapters.machine_token import MachineToken, machine_token_file
from unit.cli.command_line import Outcome, command, line_of, process

READ = "telephony.trunks.read"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "trunkpulse.toml"
    file.write_text('[api]\nlisten = "127.0.0.1:0"\n[sip]\nlisten = []\n')
    return file


@asynccontextmanager
async def serving(config: Path) -> AsyncIterator[str]:
    """A real service; gives its URL."""
    async with process("serve", "--config", str(config)) as child:
        while "ready" not in (line := await line_of(child.stderr)):
            assert line, "the service has ended"
        machine = MachineToken.read(config.parent / "machine.token")
        assert machine is not None
        yield machine.url
        child.terminate()
        await child.wait()


def said(outcome: Outcome) -> str:
    assert (outcome.code, outcome.err) == (0, "")
    return outcome.out


async def on(config: Path, *arguments: str) -> str:
    return said(await command("clients", *arguments, "-c", str(config)))


async def made(config: Path, name: str = "grafana", *more: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        await on(config, "create", name, "--scope", READ, *more, "--json")
    )
    return document


async def token(url: str, client: dict[str, Any]) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=url) as http:
        return await http.post(
            "/oauth/token",
            data={
                "grant_type": "client_credentials",
                "client_id": client["clientId"],
                "client_secret": client["clientSecret"],
            },
        )


async def test_a_client_that_was_made_before_the_first_start_gets_in(config: Path) -> None:
    client = await made(config)
    async with serving(config) as url:
        answer = await token(url, client)
        assert answer.status_code == 200
        headers = {"authorization": f"Bearer {answer.json()['access_token']}"}
        async with httpx2.AsyncClient(base_url=url, headers=headers) as http:
            assert (await http.get("/api/v2/telephony/trunks")).status_code == 200
            assert (await http.get("/api/v2/users")).status_code == 403
        # Other commands find the service and get in, whatever port the system chose.
        listed = await command("trunks", "list", "--config", str(config))
        assert said(listed) == "There are no such trunks.\n"
        by_data = await command("clients", "list", "--data", str(config.parent))
        assert "grafana" in said(by_data)
        without = await command("trunks", "list", "--url", url)
        assert without.code == 1
        assert "--config or --data" in without.complaint
        # And a client that is made meanwhile is let in at once.
        assert (await token(url, await made(config, "second"))).status_code == 200
    assert not machine_token_file(config.parent / "trunkpulse.db").exists()


async def test_all_that_can_be_done_to_a_client_works_without_a_service(config: Path) -> None:
    client = await made(config, "noc", "--region", "eu", "--carrier", "acme", "--expires-days", "2")
    shown = await on(config, "show", "noc")
    for part in (client["clientId"], READ, "regions eu; carriers acme", "1 secret"):
        assert part in shown
    assert client["clientSecret"] not in shown + await on(config, "list")
    second = json.loads(await on(config, "rotate", "noc", "--old-for-hours", "1", "--json"))
    assert second["clientSecret"] != client["clientSecret"]
    assert await on(config, "revoke-secret", "noc", second["id"]) == (
        f"noc has the secret {second['id']} no more.\n"
    )
    assert await on(config, "disable", client["clientId"]) == "noc is disabled.\n"
    assert "disabled" in await on(config, "list")
    assert await on(config, "enable", "noc") == "noc is enabled.\n"
    assert "no token is void" in await on(config, "rotate-keys")
    assert "all tokens from before are void" in await on(config, "rotate-keys", "--compromised")
    assert await on(config, "delete", "noc") == "noc is deleted.\n"
    assert json.loads(await on(config, "list", "--json")) == {"entities": [], "nextCursor": None}


async def test_a_secret_is_printed_for_a_person(config: Path) -> None:
    out = await on(config, "create", "grafana", "--scope", READ)
    assert [line.split()[0] for line in out.splitlines()[:2]] == ["clientId", "clientSecret"]
    assert "cannot be shown again" in out


async def test_an_unknown_client_and_an_unknown_scope_are_sentences(config: Path) -> None:
    outcome = await command("clients", "show", "nobody", "--config", str(config))
    assert (outcome.code, "no client with the name nobody" in outcome.complaint) == (1, True)
    outcome = await command(
        "clients", "create", "x", "--scope", "nonsense", "--config", str(config)
    )
    assert (outcome.code, READ in outcome.complaint) == (2, True)


async def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    outcome = await command("clients", "list", "--data", str(tmp_path / "typo"))
    assert (outcome.code, "There is no folder" in outcome.complaint) == (2, True)
    assert not (tmp_path / "typo").exists()


async def test_without_a_service_other_commands_say_so(config: Path) -> None:
    outcome = await command("trunks", "list", "--config", str(config))
    assert (outcome.code, "start it" in outcome.complaint) == (2, True)
    outcome = await command("trunks", "list", "--data", str(config.parent))
    assert (outcome.code, "No trunkpulse runs" in outcome.complaint) == (2, True)


async def test_the_machine_token_is_for_its_owner_alone(config: Path) -> None:
    async with serving(config):
        file = config.parent / "machine.token"
        assert file.stat().st_mode & 0o777 == 0o600
        file.write_text("{}")
        outcome = await command("trunks", "list", "--config", str(config))
        assert (outcome.code, "is not one" in outcome.complaint) == (2, True)


def test_two_databases_in_one_folder_have_tokens_of_their_own(tmp_path: Path) -> None:
    files = {machine_token_file(tmp_path / name) for name in ("trunkpulse.db", "a.db", "b.db")}
    assert len(files) == 3


async def test_which_entry_of_a_list_is_wrong_is_said_in_words(config: Path) -> None:
    outcome = await command(
        "clients", "create", "x", "--scope", READ, "--scope", "fly", "-c", str(config)
    )
    assert outcome.code == 2
    assert outcome.err.startswith('entry 2 of scopes is not valid: "fly" is none of ')
