"""Whose certificate it is (RFC 5922 7)."""

import pytest

from trunkpulse.adapters.network.tls import misnamed

EXAMPLE = "sip.example.com"


@pytest.mark.parametrize(
    ("names", "domain"),
    [
        (("sip.example.com",), EXAMPLE),
        (("SIP.Example.COM.",), EXAMPLE),
        (("sip:sip.example.com",), EXAMPLE),
        (("sip:SIP.example.com", "other.example"), EXAMPLE),
        (("*.example.com",), EXAMPLE),
        (("192.0.2.1",), "192.0.2.1"),
        (("2001:db8::1",), "2001:db8:0:0::1"),
        (("mail.example", "sip.example.com"), EXAMPLE),
        (("http://sip.example.com", "sip.example.com"), EXAMPLE),
        (("sip:sip.example.com:5061",), EXAMPLE),
        (("sip:sip.example.com;transport=tls",), EXAMPLE),
        (("sip:sip.example.com?subject=x",), EXAMPLE),
        (("sip:[2001:db8::1]:5061",), "2001:db8::1"),
        (("sip:example.com", "192.0.2.1"), "192.0.2.1"),
        (("sip:user@example.com", "sip.example.com"), EXAMPLE),
        (("2001:db8::1",), "[2001:db8::1]"),
        (("sip.example.com",), "sip.example.com."),
    ],
)
def test_these_are_the_right_ones(names: tuple[str, ...], domain: str) -> None:
    assert misnamed(names, domain) is None


@pytest.mark.parametrize(
    ("names", "domain"),
    [
        (("sip.example.net",), EXAMPLE),
        (("example.com",), EXAMPLE),
        (("*.example.com",), "example.com"),
        (("*.example.com",), "a.sip.example.com"),
        (("*",), "com"),
        (("*.com",), "example.com"),
        (("s*.example.com",), EXAMPLE),
        (("sip:user@sip.example.com",), EXAMPLE),
        (("sip:user;a=b@sip.example.com",), EXAMPLE),
        (("sip:user@example.net;x=sip.example.com",), EXAMPLE),
        (("sip:sip.example.com@example.net",), EXAMPLE),
        (("sips:sip.example.com",), EXAMPLE),
        (("sip:*.example.net",), EXAMPLE),
        (("http://sip.example.com",), EXAMPLE),
        (("192.0.2.1",), "192.0.2.10"),
        (("192.0.2.1",), EXAMPLE),
        ((EXAMPLE,), "192.0.2.1"),
        ((), EXAMPLE),
    ],
)
def test_these_are_not(names: tuple[str, ...], domain: str) -> None:
    assert misnamed(names, domain) is not None


def test_once_a_certificate_names_sip_domains_its_host_names_do_not_count() -> None:
    names = ("sip:example.net", "sip.example.com")
    assert misnamed(names, EXAMPLE) == (
        "the certificate is for example.net, not for sip.example.com"
    )


def test_the_sentence_names_a_few_of_many() -> None:
    names = tuple(f"host-{number}.example" for number in range(20))
    assert misnamed(names, EXAMPLE) == (
        "the certificate is for host-0.example, host-1.example, host-2.example and others,"
        " not for sip.example.com"
    )
    assert misnamed((), EXAMPLE) == "the certificate is for nobody, not for sip.example.com"


def test_a_name_that_is_no_name_is_shown_harmlessly() -> None:
    words = misnamed(("\x1b[2Jsip.example.com", "x" * 10_000), EXAMPLE)
    assert words is not None
    assert words.isprintable()
    assert len(words) < 250
