"""The mistakes that a person makes in a configuration file, and what each sentence must hold."""

from __future__ import annotations

import base64
from dataclasses import dataclass

__all__ = ["ENVIRON", "HOOK", "MISTAKES", "ROUTE", "SECRETS", "TRUNK", "Mistake"]

PASTED = "whsec_" + base64.b64encode(b"p" * 27).decode()
ENVIRON = {
    "GOOD": "whsec_" + base64.b64encode(b"g" * 32).decode(),
    "EMPTY": " ",
    "SHORT": "whsec_" + base64.b64encode(b"topsecret").decode(),
    "PLAIN": "hunter2hunter2hunter2",
    "TWO_LINES": "hunter2\nhunter2",
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


MISTAKES = [
    # --- the document
    mistake("syntax", "[api]\nlisten = \n", "line 2, column 10", "not valid TOML"),
    mistake("unclosed text at the end", '[api]\nlisten = """a', "line 2", "not valid TOML"),
    mistake("key twice", '[api]\nlisten = "a"\nlisten = "b"', "line 3", "not valid TOML"),
    mistake("too many digits", "a = " + "9" * 5000, "too many digits"),
    mistake("nested too deeply", "a = " + "[" * 20000, "nested too deeply"),
    # --- keys
    mistake("unknown section", "[trunk]\n", "trunk ", "(did you mean trunks?)", "event_streams"),
    mistake("unknown key", "[api]\nlisen = 1", "api.lisen", "did you mean listen?", "here: listen"),
    mistake("far-off key", "[api]\nxyzzy = 1", "api.xyzzy is not a known key; allowed here"),
    mistake(
        "unknown key of a trunk",
        TRUNK + "[trunks.keepalive]\nintervall = 3",
        'trunks[0].keepalive.intervall (trunk "a")',
        "did you mean interval_seconds?",
    ),
    mistake("key with a line break", '[api]\n"a\\nb" = 1', 'api."a\\nb"', "allowed here: listen"),
    mistake("unknown list of tables", "[[providers]]\n[[providers]]", "providers", "trunks"),
    mistake("section as a list", "[[api]]", "api must be a table, begun with [api]", "a list of 1"),
    mistake("section as a number", "sip = 3", "sip must be a table, begun with [sip]", "not 3"),
    mistake("trunks as a table", '[trunks]\nid = "a"', "trunks must be", "begun with [[trunks]]"),
    mistake("trunk as a number", "trunks = [7]", "trunks[0] must be a table, not 7"),
    # --- pacing
    mistake("no probes", "[pacing]\nprobes_per_second = 0", "pacing.probes_per_second", "0.01"),
    mistake("pace as a text", '[pacing]\nprobes_per_second = "9"', "number of probes", '"9"'),
    mistake("carriers as a list", "[pacing]\ncarriers = [5]", "pacing.carriers must be a table"),
    mistake("cap of zero", "[pacing.carriers]\nacme = 0", "pacing.carriers", '"acme"', "not 0"),
    mistake("cap as a switch", "[pacing.carriers]\nacme = true", '"acme"', "not true"),
    mistake("cap that is no number", "[pacing.carriers]\nacme = nan", '"acme"', "from 0.01"),
    mistake("cap of nobody", '[pacing.carriers]\n" " = 5', "carriers for keys", 'not " "'),
    # --- numbers
    mistake("less than no trunks", "[numbers]\nrollup_trunks = -1", "0 to 10000", "not -1"),
    mistake("trunks as a switch", "[numbers]\nrollup_trunks = true", "whole number", "not true"),
    mistake("kept for no time", "[numbers]\nretention_days = 0", "days from 1 to 3650", "not 0"),
    # --- instance, storage, api, sip
    mistake("bad instance id", '[instance]\nid = "edge 1"', "instance.id", "letters", '"edge 1"'),
    mistake("bad region", '[instance]\nregion = ""', "instance.region", "letters", 'not ""'),
    mistake(
        "other database",
        '[storage]\nurl = "postgresql://me:hunter2@db/x"',
        "storage.url",
        "this version stores in SQLite",
        "sqlite:///PATH",
    ),
    mistake("in memory", '[storage]\nurl = "sqlite://"', "storage.url must name a file", "memory"),
    mistake("named memory", '[storage]\nurl = "sqlite:///:memory:"', "storage.url", "memory"),
    mistake("database options", '[storage]\nurl = "sqlite:///a?mode=ro"', "storage.url", "options"),
    mistake("database number", "[storage]\nurl = 5", "storage.url", "sqlite:///PATH"),
    mistake(
        "no choice of metrics",
        '[metrics]\nper_trunk = "yes"',
        "metrics.per_trunk",
        'must be "auto", true or false, not "yes"',
    ),
    mistake("no port", '[api]\nlisten = "127.0.0.1"', "api.listen", '"127.0.0.1:8080"'),
    mistake("port too high", '[api]\nlisten = "127.0.0.1:65536"', "api.listen", "a port"),
    mistake("bad address", '[api]\nlisten = "127.0.0.256:1"', "api.listen", "an IP address"),
    mistake(
        "open to the world",
        '[api]\nlisten = "0.0.0.0:8080"',
        "api.listen",
        "loopback",
        "until access control exists",
    ),
    mistake("open over IPv6", '[api]\nlisten = "[::]:80"', "api.listen", "until access control"),
    mistake("listen as text", '[sip]\nlisten = "udp:127.0.0.1:1"', "sip.listen", "a list"),
    mistake(
        "web sockets",
        '[sip]\nlisten = ["udp:127.0.0.1:1", "ws:127.0.0.1:2"]',
        'sip.listen[1] must begin with "udp:", "tcp:" or "tls:", the transports that this version'
        ' speaks, not "ws:".',
    ),
    mistake("SCTP", '[sip]\nlisten = ["sctp:127.0.0.1:1"]', "sip.listen[0]", 'not "sctp:"'),
    mistake("no transport", '[sip]\nlisten = ["127.0.0.1:1"]', "sip.listen[0]", '"udp:'),
    mistake("no port to listen on", '[sip]\nlisten = ["tcp:127.0.0.1"]', "sip.listen[0]", "a port"),
    mistake("bare IPv6", '[sip]\nlisten = ["udp:::1:5060"]', "sip.listen[0]", "[::1]:5061"),
    mistake(
        "listening twice",
        '[sip]\nlisten = ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060", "UDP:127.0.0.1:05060"]',
        'sip.listen[2] is listed twice, "udp:127.0.0.1:5060"; take one out.',
    ),
    mistake(
        "listener without a certificate",
        '[sip]\nlisten = ["tls:127.0.0.1:1"]',
        "sip.tls must be set for those who connect over TLS, such as "
        '{ cert_file = "me.pem", key_file = "me.key" }.',
    ),
    mistake(
        "certificate without a listener",
        '[sip]\ntls = { cert_file = "me.pem", key_file = "me.key" }',
        "sip.tls must be left out while nothing listens for TLS; "
        'add such as "tls:127.0.0.1:5061" to listen.',
    ),
    mistake(
        "listener's certificate is not there",
        '[sip]\nlisten = ["tls:127.0.0.1:1"]\ntls = { cert_file = "gone.pem" }',
        "sip.tls.cert_file points at the file ",
        "gone.pem, which cannot be read (No such file or directory)",
    ),
    mistake(
        "listener's key without a certificate",
        '[sip]\nlisten = ["tls:127.0.0.1:1"]\ntls = { key_file = "me.key" }',
        "sip.tls.cert_file is missing; it must be the path of a PEM file in quotes.",
    ),
    mistake("no network", '[sip]\nallow = ["lan"]', "sip.allow[0]", "IP network", '"lan"'),
    mistake("host bits", '[sip]\nallow = ["10.0.0.1/8"]', "sip.allow[0]", '"10.0.0.0/8"'),
    mistake("agent", '[sip]\nuser_agent = "a\\r\\nb"', "sip.user_agent", "printable ASCII"),
    # --- keepalive
    mistake("negative", "[keepalive]\ninterval_seconds = -5", "interval_seconds", "0.1 to", "-5"),
    mistake("nan", "[keepalive]\ninterval_seconds = nan", "keepalive.interval_seconds", "nan"),
    mistake("infinite", "[keepalive]\ndown_interval_seconds = inf", "down_interval_seconds", "inf"),
    mistake("a day", "[keepalive]\nconfirm_interval_seconds = 86400", "confirm_", "to 3600"),
    mistake("as text", '[keepalive]\ninterval_seconds = "30"', "a number of seconds", '"30"'),
    mistake("as switch", "[keepalive]\ninterval_seconds = true", "interval_seconds", "not true"),
    mistake("as date", "[keepalive]\njitter = 1979-05-27", "keepalive.jitter", "a date or time"),
    mistake("very long", "[keepalive]\njitter = 0x1" + "0" * 5000, "jitter", "0 to 0.5", "long"),
    mistake("late", "[keepalive]\ntimeout_seconds = 33", "keepalive.timeout_seconds", "0.1 to 32"),
    mistake("no attempts", "[keepalive]\nmax_failed_attempts = 0", "max_failed", "1 to 100"),
    mistake("fraction", "[keepalive]\nmin_successful_attempts = 1.5", "min_succ", "whole", "1.5"),
    mistake("jitter", "[keepalive]\njitter = 0.6", "keepalive.jitter", "from 0 to 0.5", "not 0.6"),
    mistake("switch", '[keepalive]\nenabled = "yes"', "keepalive.enabled", "true or false"),
    mistake("provisional", '[keepalive]\nhealthy_responses = ["1xx"]', "responses[0]", "never a"),
    mistake("code 700", '[keepalive]\nhealthy_responses = ["700"]', "responses[0]", '"2xx"'),
    mistake("code as number", "[keepalive]\nhealthy_responses = [200]", "responses[0]", "not 200"),
    mistake("no codes", "[keepalive]\nhealthy_responses = []", "healthy_responses", "at least one"),
    mistake(
        "pause",
        "[keepalive]\npause_on_active_calls = true",
        "keepalive.pause_on_active_calls",
        "not supported by this version yet",
    ),
    # --- trunks
    mistake("no id", 'trunks = [{ targets = ["sip:x"] }]', "trunks[0].id is missing", "a name"),
    mistake("bad id", '[[trunks]]\nid = "a/b"\ntargets = ["sip:x"]', "trunks[0].id", '"a/b"'),
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
    mistake(
        "request URI", TRUNK + '[trunks.advanced]\nrequest_uri = "x"', "request_uri", "SIP URI"
    ),
    mistake("contact", TRUNK + "[trunks.advanced]\ncontact_uri = 5", "contact_uri", "a SIP URI"),
    mistake("source", TRUNK + '[trunks.advanced]\nsource = "eth0"', "advanced.source", '"eth0"'),
    mistake(
        "IPv4 source, IPv6 target",
        '[[trunks]]\nid = "a"\ntargets = ["sip:h", "sip:127.0.0.1", "sip:[::1]:5061"]\n'
        '[trunks.advanced]\nsource = "127.0.0.1"',
        'trunks[0].targets[2] (trunk "a")',
        "an IPv4 address like 127.0.0.1, the source",
        'not "sip:[::1]:5061"',
    ),
    mistake(
        "IPv6 source, IPv4 target",
        '[[trunks]]\nid = "a"\ntargets = ["sip:127.0.0.1:5061", "sip:[::1]:5061"]\n'
        '[trunks.advanced]\nsource = "[::1]:5070"',
        'trunks[0].targets[0] (trunk "a")',
        "an IPv6 address like ::1, the source",
        'not "sip:127.0.0.1:5061"',
    ),
    mistake(
        "reserved header",
        TRUNK + '[trunks.advanced]\nheaders = { Via = "x" }',
        "trunks[0].advanced.headers",
        "Via",
    ),
    mistake(
        "injected header",
        TRUNK + '[trunks.advanced]\nheaders = { X-A = "hunter2\\r\\nVia: x" }',
        "trunks[0].advanced.headers",
        '"X-A"',
    ),
    mistake("header number", TRUNK + "[trunks.advanced]\nheaders = { X-A = 4 }", "headers", "X-A"),
    mistake("header list", TRUNK + "[trunks.advanced]\nheaders = []", "headers", "must be a table"),
    mistake(
        "header twice",
        TRUNK + '[trunks.advanced]\nheaders = { X-A = "1", x-a = "2" }',
        "headers",
        "each header once",
    ),
    mistake(
        "33 headers",
        TRUNK + "[trunks.advanced.headers]\n" + "".join(f'X-{n} = "1"\n' for n in range(33)),
        "at most 32 headers",
    ),
    mistake(
        "IPv4 source, IPv6 proxy",
        TRUNK + '[trunks.advanced]\nsource = "127.0.0.1"\noutbound_proxy = "sip:[::1];lr"',
        'trunks[0].advanced.outbound_proxy (trunk "a") must be at an IPv4 address like 127.0.0.1',
    ),
    mistake("to", TRUNK + '[trunks.advanced]\nto_uri = "tel:1"', "advanced.to_uri", "a SIP URI"),
    mistake(
        "hops",
        TRUNK + "[trunks.advanced]\nmax_forwards = 256",
        'advanced.max_forwards (trunk "a") must be a whole number from 0 to 255, not 256.',
    ),
    mistake(
        "strict proxy",
        TRUNK + '[trunks.advanced]\noutbound_proxy = "sip:edge.example.com"',
        'trunks[0].advanced.outbound_proxy (trunk "a") must be the URI of a loose router, marked'
        ' with ";lr" as in "sip:edge.example.com;lr", not "sip:edge.example.com".',
    ),
    mistake(
        "proxy over web sockets",
        TRUNK + '[trunks.advanced]\noutbound_proxy = "sip:edge;lr;transport=ws"',
        "advanced.outbound_proxy",
        'must be reached over udp, tcp or tls, not over "ws"',
    ),
    mistake(
        "proxy with a password",
        TRUNK + '[trunks.advanced]\noutbound_proxy = "sip:me:hunter2@edge;lr"',
        "advanced.outbound_proxy",
        "without a password",
    ),
    mistake("nat", TRUNK + '[trunks.advanced]\nenable_nat = "yes"', "enable_nat", "true or false"),
    *(
        mistake(
            f"advertised {written}",
            TRUNK + f'[trunks.advanced]\nadvertised_address = "{written}"',
            'trunks[0].advanced.advertised_address (trunk "a") must be an IP address or a host name'
            ' with or without a port, such as "198.51.100.7", "pbx.example.com:5060" or'
            f' "[2001:db8::7]:5060", not "{written}".',
        )
        for written in ("", "a b", "192.0.2.256", "pbx:0", "pbx:65536", "sip:pbx", "[::1", "-")
    ),
    mistake(
        "user name without a password",
        TRUNK + '[trunks.advanced]\nusername = "me"',
        'trunks[0].advanced.username (trunk "a") must stand beside a password, such as'
        ' password = "env:CARRIER_PASSWORD".',
    ),
    mistake(
        "password without a user name",
        TRUNK + '[trunks.advanced]\npassword = "env:PLAIN"',
        'trunks[0].advanced.password (trunk "a") must stand beside the username that it belongs'
        " to.",
    ),
    mistake("blank user name", TRUNK + '[trunks.advanced]\nusername = " "', "1 to 128 printable"),
    mistake(
        "password in the file",
        TRUNK + '[trunks.advanced]\nusername = "me"\npassword = "hunter2"',
        "advanced.password",
        'must be written "env:NAME"',
    ),
    mistake(
        "password of two lines",
        TRUNK + '[trunks.advanced]\nusername = "me"\npassword = "env:TWO_LINES"',
        "advanced.password",
        "it must be one line of at most 256 printable characters",
    ),
    mistake(
        "password not set",
        TRUNK + '[trunks.advanced]\nusername = "me"\npassword = "env:NOWHERE"',
        "environment variable NOWHERE, which is not set",
    ),
    *(
        mistake(
            f"TLS for {targets}",
            f'[[trunks]]\nid = "a"\ntargets = {targets}\n[trunks.advanced]\ntls = {{}}',
            'trunks[0].advanced.tls (trunk "a") must be left out while nothing is reached over TLS;'
            ' add ";transport=tls" to the URIs that shall be.',
        )
        for targets in ('["sip:192.0.2.1"]', '["sip:x:5060"]', '["sip:x;transport=tcp", "sip:y:1"]')
    ),
    mistake(
        "TLS before a proxy over UDP",
        OVER_TLS + 'outbound_proxy = "sip:edge:5060;lr"\ntls = { verify = false }',
        'trunks[0].advanced.tls (trunk "a") must be left out while nothing is reached over TLS',
    ),
    *(
        mistake(
            f"TLS: {what}",
            f"{OVER_TLS}tls = {{ {tls} }}",
            f'trunks[0].advanced.tls.{key} (trunk "a") ',
            sentence,
        )
        for what, tls, key, sentence in (
            ("another key", "verfy = true", "verfy", "(did you mean verify?)"),
            ("verify", 'verify = "no"', "verify", "must be true or false"),
            ("name", 'server_name = "a b"', "server_name", "must be a host name or an IP address"),
            ("no path", 'ca_file = ""', "ca_file", "must be the path of a PEM file in quotes"),
            (
                "key alone",
                'key_file = "me.key"',
                "key_file",
                "must stand beside cert_file, the certificate that it belongs to.",
            ),
            (
                "missing authority",
                'ca_file = "gone.pem"',
                "ca_file",
                "gone.pem, which cannot be read (No such file or directory);",
            ),
            (
                "authority is a folder",
                'ca_file = "."',
                "ca_file",
                "cannot be read (Is a directory)",
            ),
            (
                "authority is no text",
                'ca_file = "binary"',
                "ca_file",
                "holds no certificate in PEM",
            ),
            ("authority is a key", 'ca_file = "me.key"', "ca_file", "holds no certificate in PEM"),
            ("large authority", 'ca_file = "huge"', "ca_file", "huge, which is larger than 1 MiB"),
            (
                "missing key",
                'cert_file = "me.pem", key_file = "gone.key"',
                "key_file",
                "gone.key, which cannot be read",
            ),
            (
                "certificate is a key",
                'cert_file = "me.key", key_file = "me.key"',
                "cert_file",
                "me.key, which holds no certificate in PEM",
            ),
            (
                "key is a certificate",
                'cert_file = "me.pem", key_file = "ca.pem"',
                "key_file",
                "ca.pem, which holds no private key in PEM",
            ),
            (
                "no key anywhere",
                'cert_file = "me.pem"',
                "cert_file",
                "me.pem, which holds no private key; name its key in key_file.",
            ),
            (
                "key of another",
                'cert_file = "me.pem", key_file = "other.key"',
                "key_file",
                "other.key, whose private key does not belong to the certificate;",
            ),
            (
                "key behind a password",
                'cert_file = "me.pem", key_file = "locked.key"',
                "key_file",
                "locked.key, whose private key is locked with a password;",
            ),
        )
    ),
    # --- routes
    mistake("route id twice", TRUNK + (ROUTE + MEMBERS) * 2, "routes[1].id", "unique"),
    mistake("route without trunks", ROUTE, 'routes[0].trunks (route "r") is missing'),
    mistake("route with none", ROUTE + "trunks = []", "routes[0].trunks", "at least one trunk"),
    mistake(
        "dangling trunk in a route",
        TRUNK + ROUTE + 'trunks = [{ id = "a" }, { id = "b" }]',
        "routes[0].trunks[1].id",
        'there is no trunk "b"',
    ),
    mistake(
        "trunk twice in a route",
        TRUNK + ROUTE + 'trunks = [{ id = "a" }, { id = "a" }]',
        "routes[0].trunks[1].id",
        "once in a route",
    ),
    mistake("priority", TRUNK + ROUTE + 'trunks = [{ id = "a", priority = 0 }]', "1 to 65535"),
    mistake("weight", TRUNK + ROUTE + 'trunks = [{ id = "a", weight = -1 }]', "weight", "-1"),
    mistake("number", TRUNK + ROUTE + MEMBERS + 'numbers = ["1555"]', "numbers[0]", "E.164"),
    mistake("16 digits", TRUNK + ROUTE + MEMBERS + f'numbers = ["+{"1" * 16}"]', "1 to 15 digits"),
    mistake("other digits", TRUNK + ROUTE + MEMBERS + 'numbers = ["+\u0661"]', "1 to 15 digits"),
    mistake("backwards", TRUNK + ROUTE + MEMBERS + 'numbers = ["+19-+10"]', "lower number to the"),
    mistake("lengths", TRUNK + ROUTE + MEMBERS + 'numbers = ["+1-+10"]', "equally many digits"),
    mistake("route region", TRUNK + ROUTE + MEMBERS + 'regions = [""]', "regions[0]", "a region"),
    mistake("when none", TRUNK + ROUTE + MEMBERS + 'when_none_available = "x"', '"try_all"'),
    # --- event streams
    mistake("stream id twice", HOOK + HOOK, "event_streams[1].id", "unique"),
    mistake("no destination", STREAM, 'destination (event stream "s") is missing', "a url"),
    mistake("dangling stream", STREAM + 'trunks = ["b"]\n' + DESTINATION + URL, 'no trunk "b"'),
    mistake(
        "event type",
        STREAM + 'event_types = ["x"]\n' + DESTINATION + URL,
        "event_streams[0].event_types[0]",
        '"telephony.trunks.stateChange"',
    ),
    mistake(
        "reason",
        STREAM + 'reason_codes = ["OOPS"]\n' + DESTINATION + URL,
        "event_streams[0].reason_codes[0]",
        '"KEEPALIVE_FAILURE"',
        '"*"',
    ),
    mistake(
        "later destination",
        STREAM + '[event_streams.destination]\ntype = "pagerduty"\n' + URL,
        "destination.type",
        'not supported by this version yet; use "webhook"',
    ),
    mistake("destination type", HOOK.replace('"webhook"', '"fax"'), 'be "webhook", not "fax"'),
    mistake("no URL", STREAM + DESTINATION, "destination.url", "is missing", "https://"),
    mistake("other URL", STREAM + DESTINATION + 'url = "ftp://x"', "destination.url", "https://"),
    mistake("no host", STREAM + DESTINATION + 'url = "http:///x"', "destination.url", "host"),
    mistake(
        "no such address",
        STREAM + DESTINATION + 'url = "http://1.2.3.999/hook"',
        "destination.url",
        "with a legal host and port",
    ),
    mistake("bad port", STREAM + DESTINATION + 'url = "http://h:99999"', "destination.url", "port"),
    mistake("fragment", STREAM + DESTINATION + 'url = "http://h/#x"', "destination.url", "#"),
    mistake(
        "blank", STREAM + DESTINATION + 'url = "http://h/ x"', "destination.url", "white space"
    ),
    mistake(
        "userinfo",
        STREAM + DESTINATION + 'url = "https://me:hunter2@h/x"',
        "destination.url",
        "without a user name or password",
    ),
    mistake("user", STREAM + DESTINATION + 'url = "http://me@h/"', "url", "without a user name"),
    mistake("literal secret", HOOK + f'secret = "{PASTED}"', "destination.secret", '"env:NAME"'),
    mistake("env secret", HOOK + f'secret = "env:{PASTED}"', "destination.secret", '"env:NAME"'),
    mistake("secret number", HOOK + "secret = 424242", "destination.secret", '"env:NAME"'),
    mistake("unset", HOOK + 'secret = "env:NOWHERE"', "destination.secret", "NOWHERE", "not set"),
    mistake("empty", HOOK + 'secret = "env:EMPTY"', "destination.secret", "EMPTY", "is empty"),
    mistake("short", HOOK + 'secret = "env:SHORT"', "destination.secret", "24 to 64"),
    mistake("plain", HOOK + 'secret = "env:PLAIN"', "destination.secret", '"whsec_"'),
    mistake("no file", HOOK + 'secret = "file:gone"', "destination.secret", "gone", "be read"),
    mistake("empty file", HOOK + 'secret = "file:empty"', "destination.secret", "is empty"),
    mistake("binary file", HOOK + 'secret = "file:binary"', "destination.secret", "not text"),
    mistake("folder", HOOK + 'secret = "file:."', "destination.secret", "cannot be read"),
    mistake("null path", HOOK + 'secret = "file:a\\u0000"', "destination.secret", "not a path"),
    mistake("large file", HOOK + 'secret = "file:large"', "destination.secret", "too large"),
]
