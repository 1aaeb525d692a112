"""What the README types to get a token, list trunks and be refused, against a real service."""

from __future__ import annotations

import re
from pathlib import Path

from interop.peers.processes import run_to_end
from interop.peers.software import peer
from interop.service import PROGRAMS, Service, serving

ROOT = Path(__file__).resolve().parents[2]
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONFIG = """
[api]
listen = "127.0.0.1:0"
[sip]
listen = []
[[trunks]]
id = "carrier-a"
name = "Carrier A"
targets = ["sip:127.0.0.1:9"]
"""


def typed() -> list[str]:
    """The commands of the README's blocks about tokens, in order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    about_tokens = [block for block in CONSOLE.findall(text) if "$TOKEN" in block]
    return [line[2:] for block in about_tokens for line in block.splitlines() if line[:2] == "$ "]


async def test_a_token_from_the_readme_lists_trunks_and_is_refused_on_a_change(
    tmp_path: Path,
) -> None:
    peer("curl")
    config = tmp_path / "trunks.toml"
    config.write_text(CONFIG)
    async with serving(config) as service:
        answers = await answers_of(service, config, typed())
        listed, refused = answers[-2:]
        assert listed.startswith('{"entities":[{"id":"carrier-a","name":"Carrier A",')
        assert refused == (
            "dashboard may not do this; it takes the permission telephony:trunk:edit, or a token "
            "with the scope telephony.trunks.edit."
        )
        [trunk] = (await service.get("/api/v2/telephony/trunks"))["entities"]
        assert trunk["enabled"]


async def answers_of(service: Service, config: Path, commands: list[str]) -> list[str]:
    """What each of these prints, typed one after the other."""
    mark = "--- typed ---"
    script = "\n".join(
        ["set -e", f'export PATH="{PROGRAMS}:$PATH" TRUNKPULSE_CONFIG="{config}"']
        + [f"{command}\necho '{mark}'" for command in commands]
    )
    script = script.replace("http://127.0.0.1:8080", service.url)
    outcome = await run_to_end("bash", "-c", script, folder=config.parent)
    assert outcome.code == 0, outcome.output
    return [answer.strip() for answer in outcome.output.split(mark)][:-1]
