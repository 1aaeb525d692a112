"""The lines for Kamailio that the documentation gives, tried in a Kamailio that has no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from interop.peers.ports import free_port
from interop.peers.processes import run_to_end, running_process
from interop.peers.software import peer
from interop.service import trunkpulse

pytestmark = pytest.mark.interop

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "watch-kamailio-or-asterisk.md"
CONFIG = """\
#!KAMAILIO
debug=1
log_stderror=yes
children=1
disable_tcp=yes
auto_aliases=no
listen=udp:{place}
{modules}
request_route {{
{snippet}
}}
"""
SAYS_WHEN_IT_IS_READY = """\
loadmodule "xlog.so"
event_route[core:worker-one-init] {
  xlog("L_ALERT", "documented-lines-ready\\n");
}
"""


def block_with(text: str) -> str:
    """The one fenced block of the page's Kamailio section that holds ``text``."""
    section = PAGE.read_text(encoding="utf-8").partition("## Kamailio\n")[2].partition("\n## ")[0]
    blocks: list[str] = re.findall(r"^```text\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    (block,) = [each for each in blocks if text in each]
    return block


def script(folder: Path, place: str, *, modules: str | None = None, rest: str = "") -> str:
    """The path of a configuration with what the page says, ``modules`` instead of its own."""
    file = folder / "kamailio.cfg"
    file.write_text(
        CONFIG.format(
            place=place,
            modules=block_with("loadmodule") if modules is None else modules,
            snippet=block_with("options_reply();"),
        )
        + rest
    )
    return str(file)


async def test_kamailio_takes_the_documented_lines_with_the_documented_modules(
    tmp_path: Path,
) -> None:
    outcome = await run_to_end(
        peer("kamailio"), "-c", "-f", script(tmp_path, "127.0.0.1:5060"), folder=tmp_path
    )
    assert outcome.code == 0, outcome.output
    assert "ERROR" not in outcome.output
    assert "config file ok" in outcome.output


@pytest.mark.parametrize("missing", ["pv.so", "siputils.so"])
async def test_kamailio_refuses_the_lines_when_a_module_is_missing(
    tmp_path: Path, missing: str
) -> None:
    lines = block_with("loadmodule").splitlines()
    fewer = "\n".join(line for line in lines if missing not in line)
    assert fewer.count("loadmodule") == len(lines) - 1
    file = script(tmp_path, "127.0.0.1:5060", modules=fewer)
    outcome = await run_to_end(peer("kamailio"), "-c", "-f", file, folder=tmp_path)
    assert outcome.code != 0


async def test_a_kamailio_with_the_documented_lines_is_a_healthy_target(tmp_path: Path) -> None:
    place = f"127.0.0.1:{free_port('127.0.0.1')}"
    file = script(tmp_path, place, rest=SAYS_WHEN_IT_IS_READY)
    own = str(tmp_path)
    options = ("-DD", "-E", "-m", "8", "-M", "4", "-Y", own, "-P", f"{own}/kamailio.pid")
    async with running_process(peer("kamailio"), "-f", file, *options, folder=tmp_path) as process:
        await process.line("documented-lines-ready")
        outcome = await trunkpulse("probe", f"sip:{place}", folder=tmp_path)
        assert outcome.code == 0, outcome.output
