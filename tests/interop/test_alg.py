"""``trunkpulse probe`` through a router that rewrites SIP, to a far side that echoes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from interop.peers.alg import Rewrite, rewriting
from interop.service import responding, trunkpulse

pytestmark = pytest.mark.interop

QUICKLY = ("--count", "2", "--interval", "0.1", "--timeout", "0.7")


async def probed(folder: Path, *rewrites: Rewrite, echo: bool = False) -> tuple[int, str, Any]:
    """Exit code, text and JSON of two probes through an ALG that changes this."""
    options = ("--echo",) if echo else ()
    async with responding(folder, *options) as place, rewriting(place, *rewrites) as router:
        text = await trunkpulse("probe", f"sip:{router}", *QUICKLY, folder=folder)
        document = await trunkpulse("probe", f"sip:{router}", *QUICKLY, "--json", folder=folder)
        assert document.code == text.code
        return text.code, " ".join(text.output.split()), json.loads(document.output)


def codes(document: Any) -> set[str]:
    return {finding["code"] for finding in document["findings"]}


def alg(document: Any) -> str:
    """The sentence that names the ALG."""
    [sentence] = [each["sentence"] for each in document["findings"] if each["code"] == "sip-alg"]
    assert isinstance(sentence, str)
    return sentence


async def test_router_that_leaves_sip_alone_is_no_alg(tmp_path: Path) -> None:
    code, text, document = await probed(tmp_path, echo=True)
    assert (code, document["verdict"]) == (0, "healthy")
    assert "sip-alg" not in codes(document)
    assert "ALG" not in text
    assert document["echo"] == []
    # It translates all the same, and that is told.
    assert "nat-port" in codes(document)


@pytest.mark.parametrize(
    ("rewrite", "evidence"),
    [
        (Rewrite.VIA, "the address in the Via came back as"),
        (Rewrite.CALL_ID, "the Call-ID came back as"),
    ],
)
async def test_alg_is_named_by_what_comes_back_changed(
    rewrite: Rewrite, evidence: str, tmp_path: Path
) -> None:
    code, text, document = await probed(tmp_path, rewrite)
    # The branch still says whose answer it is.
    assert (code, document["verdict"]) == (0, "healthy")
    assert evidence in alg(document)
    assert "SIP ALG" in text
    assert evidence in text


async def test_alg_that_changes_the_branch_is_named_instead_of_a_silence(tmp_path: Path) -> None:
    code, text, document = await probed(tmp_path, Rewrite.BRANCH)
    assert (code, document["verdict"]) == (1, "rewritten")
    assert "the Via branch came back as" in alg(document)
    assert "SIP ALG" in text
    assert "silent" not in codes(document)


async def test_alg_that_changes_contact_is_found_by_the_echo_alone(tmp_path: Path) -> None:
    _, _, unaware = await probed(tmp_path, Rewrite.CONTACT)
    assert "sip-alg" not in codes(unaware)

    _, text, aware = await probed(tmp_path, Rewrite.CONTACT, echo=True)
    assert "Contact arrived at the far side as" in alg(aware)
    assert "SIP ALG" in text
    [changed] = aware["echo"]
    assert changed["name"] == "Contact"
    assert changed["sent"] != changed["arrived"]
    assert changed["arrived"] in text


async def test_echo_shows_every_header_that_was_changed(tmp_path: Path) -> None:
    rewrites = (Rewrite.CONTACT, Rewrite.VIA, Rewrite.CALL_ID)
    _, _, document = await probed(tmp_path, *rewrites, echo=True)
    changed = {each["name"] for each in document["echo"] if not each["ordinary"]}
    assert changed == {"Contact", "Via", "Call-ID"}
