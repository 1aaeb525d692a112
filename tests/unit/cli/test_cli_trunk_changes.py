"""``trunkpulse trunks``: made, changed, deleted, taken out and brought in from a shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unit.cli.api_service import service

TARGET = ("--target", "sip:192.0.2.1:5060")


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARRIER_PASSWORD", "hunter2")


async def test_a_trunk_is_made_with_all_that_options_can_say() -> None:
    async with service() as there:
        out = await there.said(
            "trunks", "create", "made", *TARGET, "--target", "sip:192.0.2.2", "--name", "Made",
            "--carrier", "acme", "--region", "eu", "--direction", "Outbound",
            "--profile", "generic", "--username", "alice",
            "--password", "env:CARRIER_PASSWORD", "--set", "keepalive.intervalSeconds=10",
            "--set", 'advanced.headers={"X-A": "1"}', "--set", "advanced.enableNat=true",
        )  # fmt: skip
        made = there.world.roster.record("made").trunk
    first, advice = out.splitlines()
    assert first == "made is made; its state is UNKNOWN."
    assert advice.startswith('advice  trunk "made": intervalSeconds is 10, and carriers limit')
    assert made.targets == ("sip:192.0.2.1:5060", "sip:192.0.2.2")
    assert (made.name, made.carrier, made.region, made.direction) == (
        "Made",
        "acme",
        "eu",
        "outbound",
    )
    assert made.identity.credentials is not None
    assert made.identity.credentials.password == "hunter2"
    assert (made.identity.headers, made.identity.enable_nat) == ((("X-A", "1"),), True)


async def test_a_trunk_is_made_of_a_document(tmp_path: Path) -> None:
    file = tmp_path / "trunk.json"
    file.write_text('{"targets": ["sip:192.0.2.1"], "carrier": "acme"}')
    async with service() as there:
        await there.said("trunks", "create", "made", "--document", str(file), "--carrier", "other")
        assert there.world.roster.record("made").trunk.carrier == "other"


async def test_a_trunk_is_edited_shown_and_deleted() -> None:
    async with service() as there:
        await there.said("trunks", "create", "made", *TARGET, "--carrier", "acme")
        out = await there.said(
            "trunks", "edit", "made", "--set", "keepalive.jitter=0", "--clear", "carrier"
        )
        assert out == "made is changed; its state is UNKNOWN.\n"
        made = there.world.roster.record("made").trunk
        assert (made.carrier, made.keepalive.jitter) == (None, 0)
        assert "the API" in await there.said("trunks", "show", "made")
        assert await there.said("trunks", "delete", "made") == "made is deleted.\n"
        assert "made" not in there.world.board


async def test_what_is_wrong_is_one_sentence_and_the_right_code() -> None:
    async with service() as there:
        for arguments, code, said in (
            (("create", "made"), 2, "targets is missing"),
            (("create", "carrier-a", *TARGET), 1, "There is a trunk with the id carrier-a already"),
            (("edit", "carrier-a", "--name", "x"), 1, "is declared in trunkpulse.toml"),
            (("edit", "nobody", "--name", "x"), 1, "There is no trunk with the id nobody."),
            (("edit", "carrier-a"), 2, "Nothing is to be changed"),
            (("create", "x", *TARGET, "--password", "hunter2"), 2, "never as the secret itself"),
            (("create", "x", *TARGET, "--set", "jitter"), 2, "must be NAME=VALUE"),
            (("import", "/no/such/file"), 2, "cannot be read (No such file or directory)"),
        ):
            outcome = await there.command("trunks", *arguments)
            assert outcome.code == code, outcome
            assert said in outcome.err
            assert len(outcome.err.splitlines()) == 1
            assert "hunter2" not in outcome.err


@pytest.mark.parametrize("form", ["csv", "json"])
async def test_trunks_go_out_and_come_in_again(form: str, tmp_path: Path) -> None:
    file = tmp_path / f"trunks.{form}"
    async with service() as there:
        await there.said(
            "trunks", "create", "made", *TARGET,
            "--username", "alice", "--password", "env:CARRIER_PASSWORD", "--name", "A\u2028B",
        )  # fmt: skip
        await there.said("trunks", "export", "--format", form, "-o", str(file))
        assert "hunter2" not in file.read_text()
        out = await there.said("trunks", "import", str(file), "--upsert")
        assert out == "0 trunks made, 0 changed, 1 as before.\n"
        file.write_text(file.read_text().replace("192.0.2.1:5060", "192.0.2.1:5061"))
        outcome = await there.command("trunks", "import", str(file), "--upsert")
        assert "must be given again" in outcome.err


async def test_a_dry_run_says_what_would_come_of_it(tmp_path: Path) -> None:
    file = tmp_path / "trunks.csv"
    file.write_text("id,targets\na,sip:192.0.2.1\nb,sip:192.0.2.2\n")
    async with service() as there:
        out = await there.said("trunks", "import", str(file), "--dry-run")
        assert out == "2 trunks would be made, 0 changed, 0 as before.\n"
        assert "a" not in there.world.board
        answer = json.loads(await there.said("trunks", "import", str(file), "--json"))
        assert answer == {"created": 2, "changed": 0, "unchanged": 0, "dryRun": False}


async def test_every_line_that_is_wrong_is_told(tmp_path: Path) -> None:
    file = tmp_path / "trunks.csv"
    file.write_text("id,targets\na,nowhere\n-,sip:192.0.2.2\ncarrier-a,sip:192.0.2.3\n")
    async with service() as there:
        outcome = await there.command("trunks", "import", str(file))
    assert outcome.code == 2
    assert [line.partition(":")[0] for line in outcome.err.splitlines()] == [
        "Line 2",
        "Line 3",
        "Line 4",
    ]


async def test_settings_are_shown_and_set() -> None:
    async with service() as there:
        before = await there.said("trunks", "settings")
        assert "keepalive.intervalSeconds         30\n" in before
        out = await there.said(
            "trunks", "settings", "--set", "keepalive.intervalSeconds=20", "--set", "userAgent=x/1"
        )
        assert "keepalive.intervalSeconds         20\n" in out
        assert "userAgent                         x/1\n" in out
        cleared = await there.said("trunks", "settings", "--clear", "userAgent", "--json")
        assert json.loads(cleared)["userAgent"] == "trunkpulse"


async def test_an_edit_may_be_of_the_revision_that_was_looked_at() -> None:
    async with service() as there:
        await there.said("trunks", "create", "made", *TARGET)
        await there.said("trunks", "edit", "made", "--name", "One", "--if-match", "1")
        late = await there.command("trunks", "edit", "made", "--name", "Two", "--if-match", "1")
        assert (late.code, there.world.roster.record("made").trunk.name) == (1, "One")
        assert "made has revision 2 by now, not 1, and nothing was done" in late.err


async def test_settings_are_shown_as_the_file_would_have_them() -> None:
    async with service() as there:
        rows = dict(
            line.split(None, 1) for line in (await there.said("trunks", "settings")).splitlines()
        )
    assert rows["keepalive.intervalSeconds"] == "30"
    assert rows["keepalive.enabled"] == "true"


async def test_what_is_wrong_is_said_without_the_parts_of_a_request(tmp_path: Path) -> None:
    out = str(tmp_path / "trunks.xml")
    async with service() as there:
        wrong = await there.command("trunks", "export", "--format", "xml", "-o", out)
    assert wrong.code == 2
    assert "format must be" in wrong.err
    assert "query." not in wrong.err
