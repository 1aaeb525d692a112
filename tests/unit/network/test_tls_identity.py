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
        (("sips:sip.example.com",), EXAMPLE),
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
