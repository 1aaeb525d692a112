"""Mistakes in the document itself and in the sections that stand alone."""

from __future__ import annotations

from unit.config.mistake import TRUNK, mistake

__all__ = ["IN_SECTIONS"]

IN_SECTIONS = [
    # --- the document
    mistake("syntax", "[api]\nlisten = \n", "line 2, column 10", "not valid TOML"),
    mistake(
        "unclosed text",
        '[api]\nlisten = "127.0.0.1:80\n[sip]\n',
        "line 2, column 23",
        "not valid TOML: the line ends within a text; close its quote",
    ),
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
    # --- outbound
    mistake("allowed by name", '[outbound]\nallow = ["lan"]', "outbound.allow[0]", "IP network"),
    mistake("allowed bits", '[outbound]\nallow = ["10.0.0.1/8"]', "allow[0]", '"10.0.0.0/8"'),
    mistake("allowed all", "[outbound]\nallow = true", "outbound.allow must be a list", "not true"),
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
    *(
        mistake(
            f"public url {url}", f'[api]\npublic_url = "{url}"', "api.public_url", "https://NAME"
        )
        for url in (
            "",
            "trunkpulse.example.com",
            "ftp://a.example",
            "https://a.example/",
            "https://a.example/path",
            "https://a.example?q",
            "https://bob@a.example",
            "https://a.example:0",
            "https://a.example:99999",
            "https://a b.example",
            "https://ä.example",
        )
    ),
    mistake("life too short", "[api]\ntoken_lifetime_seconds = 59", "from 60 to 3600"),
    mistake("life too long", "[api]\ntoken_lifetime_seconds = 3601", "from 60 to 3600"),
    mistake(
        "open to the world",
        '[api]\nlisten = "0.0.0.0:8080"',
        "api.listen",
        'must be a loopback address such as 127.0.0.1 or [::1], not "0.0.0.0:8080", unless the API '
        "serves TLS itself (api.tls) or the reverse proxy in front that does is declared "
        "(api.trusted_proxies)",
    ),
    mistake(
        "open over IPv6", '[api]\nlisten = "[::]:80"', "api.listen", '"[::]:80"', "in the clear"
    ),
    mistake(
        "everybody as a proxy",
        '[api]\ntrusted_proxies = ["0.0.0.0/0"]',
        "api.trusted_proxies[0]",
        'must be only where reverse proxies are, not "0.0.0.0/0"',
    ),
    mistake(
        "a proxy by name",
        '[api]\ntrusted_proxies = ["proxy.example"]',
        "api.trusted_proxies[0]",
        "an IP network",
    ),
    mistake(
        "too many proxies",
        f"[api]\ntrusted_proxies = {['10.0.0.1'] * 65}",
        "api.trusted_proxies",
        "must be a list of up to 64 IP networks",
    ),
    mistake(
        "any origin",
        '[api]\nallowed_origins = ["*"]',
        "api.allowed_origins[0]",
        'not "*"; there are no wildcards',
    ),
    mistake(
        "an origin with a path",
        '[api]\nallowed_origins = ["https://noc.example.com/"]',
        "api.allowed_origins[0]",
        "one origin as browsers write it",
    ),
    mistake(
        "an origin with the usual port",
        '[api]\nallowed_origins = ["https://noc.example.com:443"]',
        "api.allowed_origins[0]",
        "one origin as browsers write it",
    ),
    mistake(
        "a host with a port",
        '[api]\nhosts = ["trunkpulse.example.com:8080"]',
        "api.hosts[0]",
        "a whole name without a port",
    ),
    mistake("any host", '[api]\nhosts = ["*.example.com"]', "api.hosts[0]", "a whole name"),
    mistake(
        "TLS with files that are not there",
        '[api]\ntls = { cert_file = "none.pem" }',
        "api.tls.cert_file",
    ),
    mistake(
        "TLS and a public address without",
        '[api]\npublic_url = "http://a.example"\n'
        'tls = { cert_file = "me.pem", key_file = "me.key" }',
        "api.public_url must begin with https:// while the API serves TLS (api.tls).",
    ),
    mistake(
        "a token in the open",
        '[metrics]\ntoken = "scrape-me-0123456789abcdef"',
        "metrics.token",
        'must be written "env:NAME"',
    ),
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
    mistake("too few calls", "[sip]\ncalls_per_second = 0", "sip.calls_per_second", "1 to 1000000"),
    mistake("another redirect", "[sip]\nredirect_code = 301", "sip.redirect_code", "300 or 302"),
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
        '[keepalive]\npause_on_active_calls = "yes"',
        'keepalive.pause_on_active_calls must be true or false, not "yes".',
    ),
    # --- hep
    mistake(
        "mirror over a connection",
        '[hep]\nlisten = ["tcp:127.0.0.1:9060"]',
        'hep.listen[0] must be "udp:", an IP address and a port',
        '"tcp:127.0.0.1:9060"',
    ),
    mistake("mirror by name", '[hep]\nlisten = ["udp:localhost:9060"]', "hep.listen[0]", "IP"),
    mistake(
        "mirrors at one address",
        '[hep]\nlisten = ["udp:127.0.0.1:9060", "UDP:127.0.0.1:09060"]',
        'hep.listen[1] is listed twice, "udp:127.0.0.1:9060"; take one out.',
    ),
    mistake("mirrors of a host", '[hep]\nallow = ["sbc"]', "hep.allow[0]", "IP network", '"sbc"'),
    mistake("open secret", '[hep]\nsecret = "hunter2"', "hep.secret must be", "env:NAME"),
    mistake("no calls", "[hep]\nmost_calls = 0", "hep.most_calls", "from 1 to 10000000, not 0"),
    mistake("short calls", "[hep]\ncall_lifetime_seconds = 1", "call_lifetime", "60 to 604800"),
]
