"""Advice on where events may go."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest

from trunkpulse.config.advice import advise
from trunkpulse.config.settings import OutboundSettings
from unit.config.advised import codes, config, trunk


@pytest.mark.parametrize(
    ("network", "included", "expected"),
    [
        ("10.0.0.0/8", False, []),
        ("192.168.7.5/32", False, []),
        ("fd00::/16", False, []),
        ("0.0.0.0/0", True, ["allow_wide"]),
        ("126.0.0.0/7", True, ["allow_wide"]),
        ("10.0.0.0/7", False, ["allow_wide"]),
        ("::/0", True, ["allow_wide"]),
        ("fc00::/7", False, ["allow_wide"]),
    ],
)
def test_networks_that_are_nobodys_own_are_wide(
    network: str, *, included: bool, expected: list[str]
) -> None:
    outbound = OutboundSettings(allow=(ipaddress.ip_network(network),))
    advice = advise(replace(config(trunk("a")), outbound=outbound))
    assert [code for code in codes(advice) if code == "allow_wide"] == expected
    assert any("the machine itself included" in each.message for each in advice) is included
