from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from unit.cli.command_line import command

GOOD = """
[[trunks]]
id = "carrier-a"
targets = ["sip:192.0.2.1:5061"]
[trunks.keepalive]
max_failed_attempts = 1
[[trunks]]
id = "carrier-b"
targets = ["sip:192.0.2.2"]
[[routes]]
id = "out"
trunks = [{ id = "carrier-a" }, { id = "carrier-b" }]
[[event_streams]]
id = "noc"
name = "NOC"
destination = { type = "webhook", url = "http://127.0.0.1:9/", secret = "env:CHECK_TEST_SECRET" }
"""
BAD = """
[keepalive]
interval_second = 3
[[trunks]]
id = "carrier-a"
targets = ["http://192.0.2.1"]
"""


async def test_a_valid_file_is_summed_up_with_its_advice(
    tmp_path: Path,
) -> None:
    file = tmp_path / "trunkpulse.toml"
    file.write_text(GOOD.replace(', secret = "env:CHECK_TEST_SECRET"', ""))
    outcome = await command("check", str(file))
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.endswith("2 trunks, 1 route, 1 event stream: valid\n")
    heading, *advice = outcome.out.splitlines()[:-1]
    assert heading.split() == ["SEVERITY", "CODE", "WHERE", "ADVICE"]
    assert any("carrier-a" in line and "max_failed_attempts" in line for line in advice)


async def test_a_missing_secret_is_named_and_nothing_is_printed_of_others(tmp_path: Path) -> None:
    file = tmp_path / "trunkpulse.toml"
    file.write_text(GOOD)
    outcome = await command("check", str(file))
    assert outcome.code == 1
    assert "CHECK_TEST_SECRET" in outcome.complaint


async def test_an_invalid_file_gives_one_sentence_per_problem_and_exit_1(tmp_path: Path) -> None:
    file = tmp_path / "trunkpulse.toml"
    file.write_text(BAD)
    outcome = await command("check", str(file))
    assert (outcome.code, outcome.out) == (1, "")
    first, second = outcome.err.splitlines()
    assert "interval_second" in first
    assert "targets" in second
    assert all(str(file) in line for line in (first, second))


async def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    outcome = await command("check", str(tmp_path / "none.toml"))
    assert outcome.code == 1
    assert "cannot be read (No such file or directory)" in outcome.complaint


async def test_json_lists_problems_and_advice(tmp_path: Path) -> None:
    file = tmp_path / "trunkpulse.toml"
    file.write_text(BAD)
    bad = await command("check", str(file), "--json")
    document = json.loads(bad.out)
    assert (bad.code, bad.err) == (1, "")
    assert document["valid"] is False
    assert len(document["problems"]) == 2
    file.write_text(GOOD.replace(', secret = "env:CHECK_TEST_SECRET"', ""))
    good = await command("check", str(file), "--json")
    document = json.loads(good.out)
    assert good.code == 0
    assert (document["valid"], document["trunks"], document["routes"]) == (True, 2, 1)
    [advice] = document["advice"]
    assert (advice["id"], advice["accepted"]) == ('single_failure trunk "carrier-a"', False)
    assert {"id", "code", "severity", "where", "why", "fix", "message", "accepted"} == set(advice)


async def test_what_the_file_accepts_is_counted_and_shown_when_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "trunkpulse.toml"
    accepting = "[advice]\naccept = ['single_failure trunk \"carrier-a\"']\n"
    file.write_text(accepting + GOOD.replace(', secret = "env:CHECK_TEST_SECRET"', ""))
    hidden = await command("check", str(file))
    assert hidden.out == (
        "2 trunks, 1 route, 1 event stream: valid\n"
        "1 piece of advice is accepted in the file and not"
        " shown; --accepted shows what it is.\n"
    )
    shown = await command("check", str(file), "--accepted")
    assert "max_failed_attempts" in shown.out
    document = json.loads((await command("check", str(file), "--json")).out)
    assert (document["advice"], document["accepted"]) == ([], 1)
    document = json.loads((await command("check", str(file), "--json", "--accepted")).out)
    assert [each["accepted"] for each in document["advice"]] == [True]


async def test_help_says_how_it_goes_without_the_service_being_imported() -> None:
    script = (
        "import sys; from trunkpulse.cli.program import run; run(['check', '--help']); "
        "sys.exit(any(name in sys.modules for name in ('fastapi', 'sqlalchemy', 'httpx2')))"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await child.communicate()
    assert child.returncode == 0
    assert b"Usage: trunkpulse check" in out
