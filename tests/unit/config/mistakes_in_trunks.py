"""Mistakes in a trunk: its name, its targets and its profile."""

from __future__ import annotations

from unit.config.mistake import TEAMS, TRUNK, mistake

__all__ = ["IN_TRUNKS"]

IN_TRUNKS = [
    mistake("no id", 'trunks = [{ targets = ["sip:x"] }]', "trunks[0].id is missing", "a name"),
    mistake("bad id", '[[trunks]]\nid = "a/b"\ntargets = ["sip:x"]', "trunks[0].id", '"a/b"'),
    mistake(
        "an id that is a path",
        '[[trunks]]\nid = "export"\ntargets = ["sip:192.0.2.1"]',
        'trunks[0].id (trunk "export")',
        'must not be "export" or "import"',
    ),
    mistake("no targets", '[[trunks]]\nid = "a"', 'trunks[0].targets (trunk "a")', "1 to 64"),
    mistake("empty targets", '[[trunks]]\nid = "a"\ntargets = []', "targets", "1 to 64"),
    mistake(
        "65 targets",
        f'[[trunks]]\nid = "a"\ntargets = {[f"sip:10.0.0.{n}" for n in range(65)]}',
        "1 to 64 SIP URIs",
    ),
    mistake("bad URI", '[[trunks]]\nid = "a"\ntargets = ["tel:1"]', "targets[0]", "a SIP URI"),
    mistake(
        "IPv6 without brackets",
        '[[trunks]]\nid = "a"\ntargets = ["sip:2001:db8::1"]',
        "targets[0]",
        "has a colon too many (is it IPv6 without brackets?).",
    ),
    mistake(
        "headers in a target",
        '[[trunks]]\nid = "a"\ntargets = ["sip:192.0.2.1?x=y"]',
        'trunks[0].targets[0] (trunk "a") must be a SIP URI without headers, because it only says'
        " where an OPTIONS goes; take out the question mark and what follows it.",
    ),
    mistake(
        "sips over UDP",
        '[[trunks]]\nid = "a"\ntargets = ["sips:x;transport=udp"]',
        'trunks[0].targets[0] (trunk "a") must be reached over TLS if it begins with "sips:",'
        ' not over "udp".',
    ),
    *(
        mistake(
            f"target over {transport}",
            f'[[trunks]]\nid = "a"\ntargets = ["sip:x", "sip:y;transport={transport}"]',
            'trunks[0].targets[1] (trunk "a") must be reached over udp, tcp or tls, not over'
            f' "{transport}", which this version does not speak.',
        )
        for transport in ("ws", "WSS", "sctp")
    ),
    mistake(
        "target table without a URI",
        '[[trunks]]\nid = "a"\ntargets = [{ weight = 1 }]',
        'trunks[0].targets[0].uri (trunk "a") is missing; it must be a SIP URI',
    ),
    mistake(
        "target table with another key",
        '[[trunks]]\nid = "a"\ntargets = [{ uri = "sip:x", wieght = 1 }]',
        "trunks[0].targets[0].wieght",
        "(did you mean weight?); allowed here: uri, weight.",
    ),
    mistake(
        "target without a share",
        '[[trunks]]\nid = "a"\ntargets = [{ uri = "sip:x", weight = 0 }]',
        "trunks[0].targets[0].weight",
        "must be a whole number from 1 to 65535, not 0.",
    ),
    mistake(
        "password in a target table",
        '[[trunks]]\nid = "a"\ntargets = [{ uri = "sip:me:hunter2@x" }]',
        "trunks[0].targets[0].uri",
        "without a password",
    ),
    mistake(
        "target number",
        '[[trunks]]\nid = "a"\ntargets = [424242]',
        "trunks[0].targets[0]",
        'or a table such as { uri = "sip:192.0.2.1:5060", weight = 50 }.',
    ),
    mistake(
        "password in a URI",
        '[[trunks]]\nid = "a"\ntargets = ["sip:me:hunter2@x"]',
        "targets[0]",
        "without a password",
    ),
    mistake(
        "password without a scheme",
        '[[trunks]]\nid = "a"\ntargets = ["me:hunter2@x"]',
        "targets[0]",
        "without a password",
    ),
    mistake(
        "target twice",
        '[[trunks]]\nid = "a"\ntargets = ["sip:X:1", "SIP:x:1"]',
        "trunks[0].targets[1]",
        "must not repeat",
    ),
    *(
        mistake(
            f"target twice, written {written}",
            f'[[trunks]]\nid = "a"\ntargets = ["sip:X:5060", "sip:y", "{written}"]',
            "trunks[0].targets[2]",
            'must not repeat a target of this trunk, "sip:x:5060"',
            "leads too",
        )
        for written in ("sip:x:5060;transport=UDP", "sip:X:5060;lr")
    ),
    *(
        mistake(
            f"target twice, {first} and {second}",
            f'[[trunks]]\nid = "a"\ntargets = ["{first}", {{ uri = "{second}" }}]',
            "trunks[0].targets[1]",
            "must not repeat a target of this trunk",
        )
        for first, second in (
            ("sip:192.0.2.1", "sip:192.0.2.1:5060"),
            ("sip:192.0.2.1;transport=tls", "sip:192.0.2.1:5061;transport=tls"),
            ("sips:192.0.2.1", "sip:192.0.2.1:5061;transport=tls"),
            ("sips:[2001:db8::1]", "sips:[2001:db8::1]:5061"),
            ("sip:x;transport=tcp", "sip:x;transport=TCP;lr"),
            ("sips:x", "sips:x;transport=tcp"),
        )
    ),
    mistake("trunk id twice", TRUNK + TRUNK, "trunks[1].id", "unique", "trunks[0]"),
    mistake("min targets", TRUNK + "min_available_targets = 3", "min_available_targets", "2, not"),
    mistake("direction", TRUNK + 'direction = "out"', "direction", '"inbound", "outbound" or'),
    mistake("trunk region", TRUNK + 'region = "us east"', "trunks[0].region", '"us east"'),
    mistake("carrier", TRUNK + 'carrier = "  "', "carrier", "printable characters"),
    mistake("name", TRUNK + 'name = "a\\nb"', "trunks[0].name", "printable characters", "a\\nb"),
    mistake(
        "no such profile",
        TRUNK + 'profile = "acme"',
        'trunks[0].profile (trunk "a") must be "generic", "twilio", "teams" or "genesys", or the'
        ' path of a file of your own such as "profiles/acme.toml", not "acme".',
    ),
    *(
        mistake(
            f"profile {written}",
            TRUNK + f'profile = "{written}"',
            f'not "{written}" (did you mean "{meant}"?).',
        )
        for written, meant in (("twillio", "twilio"), ("Twilio", "twilio"), ("team", "teams"))
    ),
    mistake(
        "no such file of a profile",
        TRUNK + 'profile = "acme.toml"',
        'trunks[0].profile (trunk "a") points at the file acme.toml, which is not there; write the'
        " profile, or correct the path.",
    ),
    mistake("null in a profile", TRUNK + 'profile = "a\\u0000/b"', "profile", "not there"),
    *(
        mistake(
            f"{key} below the profile's limit",
            TRUNK + f'profile = "twilio"\n[trunks.keepalive]\n{key} = 14.9',
            f'trunks[0].keepalive.{key} (trunk "a") must be at least 15, the'
            ' minimum_interval_seconds of profile "twilio", not 14.9.',
        )
        for key in ("interval_seconds", "confirm_interval_seconds", "down_interval_seconds")
    ),
    mistake(
        "a whole number below the profile's limit",
        TRUNK + 'profile = "twilio"\n[trunks.keepalive]\ninterval_seconds = 5',
        'minimum_interval_seconds of profile "twilio", not 5.',
    ),
    mistake(
        "teams over UDP",
        TEAMS.replace(";transport=tls", ""),
        'trunks[0].targets[0] (trunk "a") must be reached over TLS, as profile "teams" requires;'
        ' write it with ";transport=tls".',
    ),
    mistake(
        "teams by SIPS",
        TEAMS.replace("sip:sip.", "sips:sip."),
        'must begin with "sip:", as profile "teams" requires, not "sips:sip.pstnhub',
    ),
    mistake(
        "teams by SIPS and without a transport",
        TEAMS.replace("sip:sip.", "sips:sip.").replace(";transport=tls", ""),
        'must begin with "sip:" and have ";transport=tls", as profile "teams" requires, not "sips:',
    ),
    mistake(
        "teams over UDP with a server name",
        TEAMS.replace(";transport=tls", "") + 'tls = { server_name = "sbc.example.com" }',
        'trunks[0].targets[0] (trunk "a") must be reached over TLS, as profile "teams" requires;',
    ),
    mistake(
        "teams through a proxy over TCP",
        TEAMS + 'outbound_proxy = "sip:edge;lr;transport=tcp"',
        'trunks[0].advanced.outbound_proxy (trunk "a") must be reached over TLS, as profile',
    ),
    mistake(
        "teams without verification",
        TEAMS + "tls = { verify = false }",
        'trunks[0].advanced.tls.verify (trunk "a") must be true, as profile "teams" requires.',
    ),
    *(
        mistake(
            f"teams with {what}",
            TEAMS.replace('contact_uri = "sip:sbc.example.com"', contact),
            'trunks[0].advanced.contact_uri (trunk "a") must be a SIP URI of a full domain name'
            ' without a user, such as "sip:sbc.example.com:5061;transport=tls", as profile "teams"'
            " requires.",
        )
        for what, contact in (
            ("no contact", ""),
            ("a user in the contact", 'contact_uri = "sip:me@sbc.example.com"'),
            ("an address in the contact", 'contact_uri = "sip:192.0.2.1"'),
            ("half a name in the contact", 'contact_uri = "sip:sbc"'),
        )
    ),
    *(
        mistake(
            f"teams with {what}",
            TEAMS.replace('from_uri = "sip:sbc.example.com"', sender),
            'trunks[0].advanced.from_uri (trunk "a") must be "sip:sbc.example.com", the host of'
            ' contact_uri without a user, as profile "teams" requires.',
        )
        for what, sender in (
            ("no sender", ""),
            ("a user in the sender", 'from_uri = "sip:me@sbc.example.com"'),
            ("another sender", 'from_uri = "sip:other.example.com"'),
        )
    ),
]
