"""``trunkpulse users``: with the service, and with its database alone."""

from __future__ import annotations

import asyncio
import io
import json
import re
from pathlib import Path

import pytest

from unit.cli.api_service import Service, service
from unit.cli.command_line import Outcome, command, process

PASSWORD = "three old trombones"


async def test_a_user_is_made_shown_changed_and_deleted() -> None:
    async with service() as running:
        said = await running.said(
            "users", "create", "alice", "--role", "engineer", "--role", "auditor",
            "--region", "eu", "--email", "alice@example.com", "--display-name", "Alice S",
        )  # fmt: skip
        assert said.startswith("alice may sign in.\noneTimePassword  ")
        assert "cannot be shown again" in said
        assert 'advice  user alice: no trunk has the region "eu" now' in said
        shown = await running.said("users", "show", "ALICE")
        for part in ("engineer auditor", "regions eu", "alice@example.com", "Alice S"):
            assert part in shown
        assert "password (to be changed)" in shown
        edited = ("users", "edit", "alice", "--role", "operations", "--all-trunks")
        assert await running.said(*edited) == "alice is changed.\n"
        listed = await running.said("users", "list")
        assert re.search(r"alice +enabled +operations +all trunks", listed)
        assert await running.said("users", "disable", "alice") == "alice is disabled.\n"
        assert re.search(r"alice +disabled", await running.said("users", "list"))
        assert await running.said("users", "enable", "alice") == "alice is enabled.\n"
        assert await running.said("users", "delete", "alice") == "alice is deleted.\n"
        assert "no users" in await running.said("users", "list")


async def test_a_password_comes_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    async with service() as running:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
        said = await running.said("users", "create", "alice", "--password-stdin")
        assert said == "alice may sign in.\n"
        await proved(running, "alice", PASSWORD)
        monkeypatch.setattr("sys.stdin", io.StringIO("four new bassoons\n"))
        assert "new password" in await running.said("users", "passwd", "alice")
        await proved(running, "alice", "four new bassoons")
        one_time = json.loads(
            await running.said("users", "passwd", "alice", "--one-time", "--json")
        )
        await proved(running, "alice", one_time["oneTimePassword"])


async def proved(running: Service, name: str, password: str) -> None:
    people = running.world.access.people
    let_in = await people.sign_in(name, password, address="192.0.2.1", agent="")
    assert let_in.principal.name == name


@pytest.mark.parametrize(
    ("arguments", "typed", "said"),
    [
        (("create", "alice", "--password-stdin"), "short\n", "at least 12 characters"),
        (("create", "alice", "--password-stdin"), "", "no password on standard input"),
        (("create", "alice", "--password-stdin", "--no-password"), "", "exclude each other"),
        (("create", "two words"), "", "one word"),
        (("create", "alice", "--role", "nonsense"), "", "no role with the id nonsense"),
        (("show", "nobody"), "", "no user with the name nobody"),
        (("edit", "nobody"), "", "Nothing to change"),
        (("show", "u-nobody"), "", "no user with the id u-nobody"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else None,
)
async def test_what_is_wrong_is_one_sentence(
    arguments: tuple[str, ...], typed: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service() as running:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        outcome = await running.command("users", *arguments)
        assert outcome.code in (1, 2)
        assert said in outcome.complaint


async def test_roles_are_listed_with_what_they_allow() -> None:
    async with service() as running:
        listed = await running.said("users", "roles")
        assert re.search(r"operations +Operations +trunkpulse +events:stream:read", listed)


async def here(folder: Path, *arguments: str) -> Outcome:
    return await command("users", *arguments, "--data", str(folder))


async def test_users_are_made_while_the_service_does_not_run(tmp_path: Path) -> None:
    made = await here(tmp_path, "create", "root", "--role", "administrator", "--json")
    assert (made.code, made.err) == (0, "")
    assert json.loads(made.out)["roles"] == ["administrator"]
    listed = await here(tmp_path, "list", "--json")
    assert [each["name"] for each in json.loads(listed.out)["entities"]] == ["root"]
    last = await here(tmp_path, "disable", "root")
    assert "last administrator" in last.complaint


async def first_words(folder: Path) -> list[str]:
    """What a start says until it is ready."""
    config = folder / "trunkpulse.toml"
    if not config.exists():
        config.write_text('[api]\nlisten = "127.0.0.1:0"\n[sip]\nlisten = []\n')
    said: list[str] = []
    async with process("serve", "--config", str(config), INITIAL="nine blue clarinets") as child:
        assert child.stderr is not None
        while not said or "event=ready" not in said[-1]:
            line = (await child.stderr.readline()).decode()
            assert line, said
            said.append(line)
        child.terminate()
        await asyncio.wait_for(child.wait(), 20)
        said += (await child.stderr.read()).decode().splitlines(keepends=True)
    return said


async def test_the_first_start_tells_the_first_password_once(tmp_path: Path) -> None:
    said = await first_words(tmp_path)
    found = [re.search(r'"admin" was made; .* the password (\S+) ', line) for line in said]
    [password] = [each[1] for each in found if each]
    assert "".join(said).count(password) == 1
    assert "was made" not in "".join(await first_words(tmp_path))


async def test_the_first_password_may_come_from_a_secret(tmp_path: Path) -> None:
    (tmp_path / "trunkpulse.toml").write_text(
        '[api]\nlisten = "127.0.0.1:0"\n[sip]\nlisten = []\n'
        '[access]\ninitial_password = "env:INITIAL"\n'
    )
    said = "".join(await first_words(tmp_path))
    assert "was made" not in said
    assert "clarinets" not in said
    listed = json.loads((await here(tmp_path, "list", "--json")).out)["entities"]
    assert [(each["name"], each["mustChangePassword"]) for each in listed] == [("admin", True)]


async def test_nobody_is_made_where_somebody_is(tmp_path: Path) -> None:
    await here(tmp_path, "create", "root", "--role", "administrator")
    assert "was made" not in "".join(await first_words(tmp_path))
