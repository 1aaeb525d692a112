from __future__ import annotations

from trunkpulse.cli.document import Document
from trunkpulse.cli.trunk_sheet import probe_facts, remarks, where

PLAIN_TLS = {"verify": True, "caFile": None, "certFile": None, "serverName": None}
PLAIN = {"headerNames": [], "maxForwards": 70, "enableNat": False, "tls": PLAIN_TLS}
TARGET = {
    "uri": "sip:sbc.example.com",
    "address": "192.0.2.1:5061",
    "transport": "tls",
    "priority": 0,
    "weight": 100,
}


def test_what_is_as_usual_is_not_mentioned() -> None:
    assert list(probe_facts(Document(PLAIN))) == []
    assert list(remarks(Document(TARGET))) == []


def test_what_is_not_as_usual_is_on_the_sheet() -> None:
    probe = PLAIN | {
        "fromUri": "sip:ping@pbx.example.com",
        "username": "alice",
        "headerNames": ["X-Account"],
        "maxForwards": 0,
        "enableNat": True,
        "tls": PLAIN_TLS | {"verify": False, "certFile": "/me.pem"},
    }
    assert list(probe_facts(Document(probe))) == [
        ("From", "sip:ping@pbx.example.com"),
        ("username", "alice"),
        ("headers", "X-Account"),
        ("hops", "Max-Forwards 0"),
        ("NAT", "the public address is learned and shown in Contact"),
        ("TLS", "verifies nothing, shows /me.pem"),
    ]


def test_what_the_table_has_no_column_for_is_remarked() -> None:
    target = TARGET | {
        "publicAddress": "198.51.100.7:40000",
        "lookupProblem": "no such host name",
        "certificate": {"subject": "CN=sbc.example.com", "notAfter": 0},
        "priority": 10,
        "weight": 30,
    }
    said = list(remarks(Document(target)))
    assert said[0] == "sees us as 198.51.100.7:40000"
    assert said[1] == "its name cannot be looked up (no such host name)"
    assert said[2].startswith("its certificate CN=sbc.example.com ends 1970-01-01")
    assert said[3] == "priority 10, weight 30"


def test_behind_a_name_the_place_is_told() -> None:
    assert where(Document(TARGET)) == "sip:sbc.example.com (tls:192.0.2.1:5061)"
    literal = TARGET | {"uri": "sip:192.0.2.1:5061", "transport": "udp"}
    assert where(Document(literal)) == "sip:192.0.2.1:5061"
