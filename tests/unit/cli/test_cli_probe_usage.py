"""What may not stand on the command line of ``trunkpulse probe``."""

from __future__ import annotations

import pytest

from unit.cli.command_line import command


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["127.0.0.1"], 'must begin with "sip:"; write sip:127.0.0.1'),
        (["127.0.0.1:5066"], "write sip:127.0.0.1:5066"),
        (["[::1]:5066"], "write sip:[::1]:5066"),
        (["tel:1"], "must be a SIP URI"),
        (["http://127.0.0.1"], "must be a SIP URI"),
        (["bob:secret@127.0.0.1"], "without a password"),
        (["sip:127.0.0.1;transport=ws"], "over udp, tcp or tls"),
        (["sips:127.0.0.1;transport=udp"], "over TLS"),
        (["sip:127.0.0.1:70000"], "70000"),
        (["sip:127.0.0.1", "--from", "bob"], "--from must be a SIP URI"),
        (["sip:127.0.0.1", "--contact", "tel:1"], "--contact must be a SIP URI"),
        (["sip:127.0.0.1", "--header", "no colon"], 'written as "Name: value"'),
        (["sip:127.0.0.1", "--header", "Via: x"], "--header must hold only headers"),
        (["sip:127.0.0.1", "--to", "bob"], "--to must be a SIP URI"),
        (["sip:127.0.0.1", "--request-uri", "bob"], "--request-uri must be a SIP URI"),
        (["sip:127.0.0.1", "--outbound-proxy", "sip:192.0.2.1"], 'marked with ";lr"'),
        (
            ["sip:127.0.0.1", "--max-forwards", "256"],
            '--max-forwards must be a whole number from 0 to 255, not "256".',
        ),
        (["sip:127.0.0.1", "--username", "me"], "set TRUNKPULSE_PASSWORD, or say where it is"),
        (["sip:127.0.0.1", "--username", ""], "--username must be"),
        (["sip:127.0.0.1", "--password", "env:X"], "--password needs a --username"),
        (
            ["sip:127.0.0.1", "--username", "me", "--password", "wonderland"],
            '--password must be written "env:NAME"',
        ),
        (["sip:127.0.0.1", "--key-file", "me.key"], "add --cert-file"),
        (["sip:127.0.0.1", "--ca-file", "ca.pem", "--insecure"], "leave one of them out"),
        (["sip:127.0.0.1", "--server-name", "a b"], "--server-name must be a host name"),
        (["sip:127.0.0.1", "--source", "here"], "--source must be a local IP address"),
        (["sip:127.0.0.1", "--source", "192.0.2.1"], "the local address 192.0.2.1"),
        (["sip:127.0.0.1", "--source", "::1"], "at an IPv6 address like ::1, the --source of the"),
        (["sip:[::1]", "--source", "127.0.0.1"], "IPv4 address like 127.0.0.1, the --source of"),
        (
            ["sip:sbc.invalid", "--source", "::1", "--outbound-proxy", "sip:127.0.0.1;lr"],
            "--outbound-proxy must be at an IPv6 address like ::1",
        ),
        (
            ["sip:127.0.0.1", "--server-name", "sbc.example.com"],
            "--server-name is of use over TLS only; add ;transport=tls to the SIP-URI",
        ),
        (["sip:sbc.invalid:5060", "--insecure"], "--insecure is of use over TLS only"),
        (["sip:sbc.invalid;transport=udp", "--ca-file", "a"], "--ca-file is of use over TLS only"),
        (
            ["sip:127.0.0.1;transport=tcp", "--cert-file", "a", "--key-file", "b", "--insecure"],
            "--cert-file, --key-file and --insecure are of use over TLS only",
        ),
        (
            ["sips:sbc.invalid", "--outbound-proxy", "sip:127.0.0.1;lr", "--insecure"],
            "add ;transport=tls to --outbound-proxy",
        ),
        (
            ["sip:127.0.0.1", "--timeout", "nan"],
            '--timeout must be from 0.1 to 32 seconds, not "nan".',
        ),
        (["sip:127.0.0.1", "--timeout", "33"], "from 0.1 to 32 seconds"),
        (
            ["sip:127.0.0.1", "--count", "0"],
            '--count must be a whole number from 1 to 10000, not "0".',
        ),
        (["sip:127.0.0.1", "-c", "10001"], "from 1 to 10000"),
        (["sip:127.0.0.1", "-c", "two"], 'from 1 to 10000, not "two".'),
        (
            ["sip:127.0.0.1", "--interval", "soon"],
            '--interval must be from 0.05 to 3600 seconds, not "soon".',
        ),
        (["sip:127.0.0.1", "--frequency", "1"], "No such option: --frequency"),
        ([], "Missing argument 'SIP-URI'"),
    ],
)
async def test_a_probe_that_cannot_be_made_is_one_sentence_and_exit_2(
    arguments: list[str], fragment: str
) -> None:
    outcome = await command("probe", *arguments)
    assert outcome.code == 2
    assert fragment in outcome.complaint


async def test_tls_options_for_a_name_that_may_lead_to_tls_are_taken() -> None:
    outcome = await command("probe", "sip:sbc.invalid", "--server-name", "sbc.example.com")
    assert outcome.code == 1
    assert "sbc.invalid" in outcome.complaint
