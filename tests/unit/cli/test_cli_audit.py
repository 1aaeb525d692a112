"""``trunkpulse audit``: read, taken away and verified from a shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trunkpulse.access.audit import START
from unit.cli.api_service import Service, service


async def three_acts(there: Service) -> None:
    await there.said("trunks", "disable", "carrier-a")
    await there.said("trunks", "enable", "carrier-a")
    outcome = await there.command("trunks", "disable", "nowhere")
    assert outcome.code == 1


async def exported(there: Service, folder: Path) -> Path:
    file = folder / "audit.jsonl"
    said = await there.said("audit", "export", "--output", str(file))
    assert said.startswith("3 entries written to ")
    return file


async def test_what_was_done_is_listed_newest_first() -> None:
    async with service() as there:
        assert await there.said("audit", "list") == "Nothing was done or refused.\n"
        await three_acts(there)
        lines = (await there.said("audit", "list")).splitlines()
        assert [line.split()[0] for line in lines[1:]] == ["3", "2", "1"]
        assert "disable_trunk" in lines[-1]
        assert "this machine" in lines[-1]
        assert "trunk carrier-a" in lines[-1]
        failed = json.loads(await there.said("audit", "list", "--outcome", "failed", "--json"))
        assert [each["position"] for each in failed["entities"]] == [3]
        assert (await there.said("audit", "list", "--limit", "1")).count("\n") == 2


async def test_the_running_service_is_verified_and_its_newest_digest_told() -> None:
    async with service() as there:
        assert await there.said("audit", "verify") == "The audit is empty.\n"
        await three_acts(there)
        said = await there.said("audit", "verify")
        entries = await there.world.store.read_audit(limit=9)
        assert "entries 1 to 3 are as they were written" in said
        head = f"3:{entries[-1].digest}"
        assert head in said
        assert "whole" in await there.said("audit", "verify", "--head", head)
        document = json.loads(await there.said("audit", "verify", "--json"))
        assert (document["whole"], document["entries"], document["position"]) == (True, 3, 3)


async def test_a_digest_that_was_written_down_finds_out_an_audit_made_anew() -> None:
    async with service() as there:
        await three_acts(there)
        other = await there.command("audit", "verify", "--head", f"2:{'a' * 64}")
        assert (other.code, other.out) == (1, "")
        assert "broken at entry 2" in other.err
        beyond = await there.command("audit", "verify", "--head", f"9:{'a' * 64}")
        assert beyond.code == 1
        assert "ends at 3" in beyond.err


async def test_what_was_exported_is_verified_without_a_service(tmp_path: Path) -> None:
    async with service() as there:
        await three_acts(there)
        file = await exported(there, tmp_path)
        said = await there.said("audit", "verify", str(file))
        assert "entries 1 to 3" in said
        later = await there.said("audit", "export", "--after", "2")
        assert later.count("\n") == 1
        part = tmp_path / "part.jsonl"
        part.write_text(later)
        whole = await there.said("audit", "verify", str(part), "--after", "2")
        assert "What came before entry 3" in whole
        digest = (await there.world.store.read_audit(limit=2))[-1].digest
        linked = ("audit", "verify", str(part), "--after", "2", "--head")
        assert "whole" in await there.said(*linked, f"2:{digest}")
        assert "broken at entry 3" in (await there.command(*linked, f"2:{'a' * 64}")).complaint
        assert (await there.command(*linked, f"1:{'a' * 64}")).code == 2


async def test_a_file_without_its_beginning_is_whole_only_if_one_says_where_it_begins(
    tmp_path: Path,
) -> None:
    async with service() as there:
        await three_acts(there)
        part = tmp_path / "part.jsonl"
        part.write_text(await there.said("audit", "export", "--after", "1"))
        for more, place in (((), 1), (("--after", "2"), 3)):
            outcome = await there.command("audit", "verify", str(part), *more)
            assert outcome.code == 1
            assert f"broken at entry {place}" in outcome.complaint
        assert "entries 2 to 3" in await there.said("audit", "verify", str(part), "--after", "1")
        assert (await there.command("audit", "verify", "--after", "1")).code == 2


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (slice(1, None), "1 entry is missing here"),
        (slice(None, 2), "entry 3 was sealed, and the audit ends at 2"),
        (slice(0, 0), "entry 3 was sealed, and the audit ends at 0"),
    ],
)
async def test_a_database_without_its_first_or_last_entries_is_not_called_whole(
    kept: slice, words: str
) -> None:
    async with service() as there:
        await three_acts(there)
        await there.world.access.sealed.catch_up_with(there.world.access.ledger)
        assert "whole" in await there.said("audit", "verify")
        there.world.store.cut_audit(kept)
        outcome = await there.command("audit", "verify")
        assert (outcome.code, outcome.out) == (1, "")
        assert words in outcome.complaint
        again = await there.command("audit", "verify", "--json")
        assert (again.code, json.loads(again.out)["whole"]) == (1, False)


async def test_what_was_wrong_when_the_service_started_is_said_again() -> None:
    async with service() as there:
        await three_acts(there)
        access = there.world.access
        await access.sealed.catch_up_with(access.ledger)
        there.world.store.cut_audit(slice(None, 2))
        await access.ledger.open()
        await access.sealed.open(access.audit)
        for _ in range(2):  # entry 3 again, and on
            await there.said("trunks", "enable", "carrier-a")
        outcome = await there.command("audit", "verify")
        assert outcome.code == 1
        assert "broken at entry 3: its digest is not the one that was sealed" in outcome.complaint
        assert "entries 1 to 2 are as they were written" in outcome.complaint


@pytest.mark.parametrize(
    ("damage", "place", "words"),
    [
        (lambda lines: [*lines[:1], *lines[2:]], 2, "missing"),
        (lambda lines: [lines[1], lines[0], lines[2]], 1, ""),
        (
            lambda lines: [lines[0], lines[1].replace("carrier-a", "carrier-b"), lines[2]],
            2,
            "record",
        ),
        (lambda lines: [lines[0], "nonsense\n", lines[2]], 2, "line 2"),
        (lambda lines: [lines[0], "[1]\n"], 2, "line 2"),
        (lambda lines: [lines[0].replace(START.digest, "1" * 64)], 1, "exchanged"),
    ],
)
async def test_damage_is_found_where_it_is(
    damage: object, place: int, words: str, tmp_path: Path
) -> None:
    assert callable(damage)
    async with service() as there:
        await three_acts(there)
        file = await exported(there, tmp_path)
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join(damage(lines)))
        outcome = await there.command("audit", "verify", str(file))
        assert outcome.code == 1
        assert f"broken at entry {place}" in outcome.complaint or words == ""
        assert words in outcome.complaint


async def test_a_file_that_is_not_there_and_a_head_that_is_none_are_wrong_usage() -> None:
    async with service() as there:
        missing = await there.command("audit", "verify", "/nowhere/audit.jsonl")
        assert (missing.code, "cannot be read" in missing.complaint) == (2, True)
        wrong = await there.command("audit", "verify", "--head", "newest")
        assert (wrong.code, "no position and digest" in wrong.complaint) == (2, True)
