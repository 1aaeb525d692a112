"""Mistakes in what a trunk says about its requests: the keys of its advanced table."""

from __future__ import annotations

from unit.config.mistake import OVER_TLS, TRUNK, mistake

__all__ = ["IN_REQUESTS"]

IN_REQUESTS = [
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
]
