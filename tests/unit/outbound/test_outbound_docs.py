"""What the page about outward calls promises of each kind of address is what the guard does."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

import pytest

from trunkpulse.adapters.outbound.guard import Guard
from trunkpulse.config.settings import IpNetwork

PAGE = Path(__file__).parents[3] / "docs/explanation/outward-calls.md"
ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
LITERAL = re.compile(r"`([0-9a-f.:]+(?:/[0-9]+)?)`")
VERDICTS = {"permitted", "if allowed", "if that very address is allowed"}


def promises() -> list[tuple[IpNetwork, str, bool]]:
    """Each network of the table, what is said of it, and whether of streams of the file."""
    return [
        (ipaddress.ip_network(literal), verdict, trusted)
        for kind, of_api, of_file in ROW.findall(PAGE.read_text(encoding="utf-8"))
        for verdict, trusted in ((of_api, False), (of_file, True))
        if verdict in VERDICTS
        for literal in LITERAL.findall(kind)
    ]


@pytest.mark.parametrize(("network", "verdict", "trusted"), promises())
def test_the_guard_does_as_the_page_says(
    network: IpNetwork, verdict: str, *, trusted: bool
) -> None:
    wider = network.supernet() if network.prefixlen else network
    for address in (network[0], network[-1]):
        alone = ipaddress.ip_network(address)
        assert Guard().permits(address, trusted=trusted) is (verdict == "permitted")
        assert Guard((alone,)).permits(address, trusted=trusted)
        in_wider = Guard((wider,)).permits(address, trusted=trusted)
        assert in_wider is (verdict != "if that very address is allowed")


def test_the_table_is_there() -> None:
    assert len(promises()) > 30
