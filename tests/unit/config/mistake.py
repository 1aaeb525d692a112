"""A mistake in a configuration file: what it is made of, and the lines that many have in common."""

from __future__ import annotations

import base64
from dataclasses import dataclass

__all__ = [
    "DESTINATION",
    "ENVIRON",
    "HOOK",
    "MEMBERS",
    "OVER_TLS",
    "PASTED",
    "ROUTE",
    "SECRETS",
    "STREAM",
    "TEAMS",
    "TRUNK",
    "URL",
    "Mistake",
    "mistake",
]

PASTED = "whsec_" + base64.b64encode(b"p" * 27).decode()
ENVIRON = {
    "GOOD": "whsec_" + base64.b64encode(b"g" * 32).decode(),
    "EMPTY": " ",
    "SHORT": "whsec_" + base64.b64encode(b"topsecret").decode(),
    "PLAIN": "hunter2hunter2hunter2",
    "TWO_LINES": "hunter2\nhunter2",
    "KEY": "R" * 32,
}
SECRETS = (PASTED, "hunter2", "424242", *(value for value in ENVIRON.values() if value.strip()))

TRUNK = '[[trunks]]\nid = "a"\ntargets = ["sip:127.0.0.1:5061", "sip:127.0.0.1:5062"]\n'
TEAMS = """
[[trunks]]
id = "a"
targets = ["sip:sip.pstnhub.example.com:5061;transport=tls"]
profile = "teams"
[trunks.advanced]
contact_uri = "sip:sbc.example.com"
from_uri = "sip:sbc.example.com"
"""
OVER_TLS = '[[trunks]]\nid = "a"\ntargets = ["sip:x;transport=tls"]\n[trunks.advanced]\n'
ROUTE = '[[routes]]\nid = "r"\n'
MEMBERS = 'trunks = [ { id = "a" } ]\n'
STREAM = '[[event_streams]]\nid = "s"\n'
DESTINATION = '[event_streams.destination]\ntype = "webhook"\n'
URL = 'url = "http://127.0.0.1:9000/hook"\n'
HOOK = STREAM + DESTINATION + URL


@dataclass(frozen=True)
class Mistake:
    name: str
    toml: str
    fragments: tuple[str, ...]


def mistake(name: str, toml: str, *fragments: str) -> Mistake:
    return Mistake(name, toml, fragments)
