"""What is read in a hurry is read as if there were time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.sip.errors import MalformedUri
from trunkpulse.sip.grammar import is_ipv4
from trunkpulse.sip.request import request_uri_bytes
from trunkpulse.sip.uri import SipUri, plain_address

NUMBERS = st.integers(0, 300).map(str) | st.sampled_from(["", "00", "01", "٣", "1e1", "-1"])
PORTS = st.integers(0, 70_000).map(str) | st.sampled_from(["", "05060", "٣", "5060;lr", "5060 "])


@given(
    st.sampled_from(["sip", "sips", "SIP", "tel"]),
    st.lists(NUMBERS, min_size=4, max_size=4).map(".".join) | st.just("sbc.example.com"),
    PORTS,
)
def test_plain_uris_are_those_that_a_full_parse_finds_plain(
    scheme: str, host: str, port: str
) -> None:
    text = f"{scheme}:{host}:{port}"
    try:
        # Made field by field, each is checked.
        uri = SipUri(scheme.lower(), None, None, host, int(port) if port.isdecimal() else -1)
    except MalformedUri:
        assert plain_address(text) is None
        return
    if plain_address(text) is None:
        assert str(uri) != text or scheme != "sip" or not is_ipv4(uri.host)
    else:
        assert plain_address(text) == (uri.host, uri.port)
        assert SipUri.parse(text) == uri
        assert request_uri_bytes(uri) == text.encode()


@pytest.mark.parametrize("host", ["1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4."])
def test_digits_and_dots_that_are_no_address_are_no_host(host: str) -> None:
    with pytest.raises(MalformedUri, match="is not an IPv4 address"):
        SipUri.parse(f"sip:{host}")
