"""Which addresses events may go to."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbound_world import networks
from trunkpulse.adapters.outbound import Forbidden
from trunkpulse.adapters.outbound.guard import AddressKind, Guard, check_spelling, kind_of

IPV4 = st.ip_addresses(v=4)
IPV6 = st.ip_addresses(v=6)


@pytest.mark.parametrize(
    ("literal", "kind"),
    [
        ("93.184.215.14", AddressKind.PUBLIC),
        ("9.255.255.255", AddressKind.PUBLIC),
        ("11.0.0.0", AddressKind.PUBLIC),
        ("172.15.255.255", AddressKind.PUBLIC),
        ("172.32.0.0", AddressKind.PUBLIC),
        ("100.63.255.255", AddressKind.PUBLIC),
        ("100.128.0.0", AddressKind.PUBLIC),
        ("223.255.255.255", AddressKind.PUBLIC),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", AddressKind.PUBLIC),
        ("2001:4860:4860::8888", AddressKind.PUBLIC),
        ("127.0.0.1", AddressKind.LOOPBACK),
        ("127.255.255.255", AddressKind.LOOPBACK),
        ("::1", AddressKind.LOOPBACK),
        ("10.255.255.255", AddressKind.PRIVATE),
        ("172.31.255.255", AddressKind.PRIVATE),
        ("192.168.255.255", AddressKind.PRIVATE),
        ("fdff::1", AddressKind.PRIVATE),
        ("fec0::1", AddressKind.PRIVATE),
        ("100.64.0.0", AddressKind.SHARED),
        ("100.127.255.255", AddressKind.SHARED),
        ("169.254.0.1", AddressKind.LINK_LOCAL),
        ("fe80::1", AddressKind.LINK_LOCAL),
        ("fe80::1%eth0", AddressKind.LINK_LOCAL),
        ("febf::1", AddressKind.LINK_LOCAL),
        ("::1%lo", AddressKind.LINK_LOCAL),
        ("2001:4860:4860::8888%eth0", AddressKind.LINK_LOCAL),
        ("169.254.169.254", AddressKind.METADATA),
        ("169.254.170.2", AddressKind.METADATA),
        ("100.100.100.200", AddressKind.METADATA),
        ("168.63.129.16", AddressKind.METADATA),
        ("192.0.0.192", AddressKind.METADATA),
        ("fd00:ec2::254", AddressKind.METADATA),
        ("fd20:ce::254", AddressKind.METADATA),
        ("224.0.0.1", AddressKind.MULTICAST),
        ("239.255.255.255", AddressKind.MULTICAST),
        ("ff02::1", AddressKind.MULTICAST),
        ("0.0.0.0", AddressKind.UNSPECIFIED),
        ("0.255.255.255", AddressKind.UNSPECIFIED),
        ("::", AddressKind.UNSPECIFIED),
        ("192.88.99.1", AddressKind.TUNNEL),
        ("2002::1", AddressKind.TUNNEL),
        ("2002:5db8:d70e::1", AddressKind.TUNNEL),
        ("2001::1", AddressKind.TUNNEL),
        ("192.0.0.1", AddressKind.RESERVED),
        ("192.0.2.1", AddressKind.RESERVED),
        ("198.51.100.1", AddressKind.RESERVED),
        ("203.0.113.1", AddressKind.RESERVED),
        ("198.18.0.1", AddressKind.RESERVED),
        ("198.19.255.255", AddressKind.RESERVED),
        ("240.0.0.1", AddressKind.RESERVED),
        ("255.255.255.255", AddressKind.RESERVED),
        ("2001:db8::1", AddressKind.RESERVED),
        ("2001:1ff::1", AddressKind.RESERVED),
        ("3fff:fff::1", AddressKind.RESERVED),
        ("100::1", AddressKind.RESERVED),
        ("5f00::1", AddressKind.RESERVED),
        ("4000::1", AddressKind.RESERVED),
        ("::127.0.0.1", AddressKind.RESERVED),
        ("::ffff:0:8.8.8.8", AddressKind.RESERVED),
        ("64:ff9b:1::8.8.8.8", AddressKind.RESERVED),
    ],
)
def test_addresses_are_told_apart(literal: str, kind: AddressKind) -> None:
    assert kind_of(ipaddress.ip_address(literal)) is kind


@given(inner=IPV4, prefix=st.sampled_from(["::ffff:0:0", "64:ff9b::"]))
def test_what_stands_for_an_ipv4_address_is_judged_by_it(
    inner: ipaddress.IPv4Address, prefix: str
) -> None:
    outer = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | int(inner))
    assert kind_of(outer) is kind_of(inner)
    guard = Guard((ipaddress.ip_network(inner),))
    assert guard.permits(outer, trusted=False)


@given(address=IPV4 | IPV6)
def test_what_is_public_is_so_to_the_standard_library_too(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """Two readings of the same registries: where they differ, ours is the stricter one."""
    if kind_of(address) is AddressKind.PUBLIC:
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        nat64 = address in ipaddress.ip_network("64:ff9b::/96")
        assert nat64 or (mapped or address).is_global
        assert not address.is_multicast


@given(address=IPV4 | IPV6)
def test_trust_only_ever_adds(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    guard = Guard()
    assert guard.permits(address, trusted=True) or not guard.permits(address, trusted=False)
    assert guard.permits(address, trusted=False) is (kind_of(address) is AddressKind.PUBLIC)


@pytest.mark.parametrize("literal", ["127.0.0.1", "::1", "10.0.0.1", "fc00::1", "100.64.0.1"])
def test_the_file_may_lead_inside_and_the_api_may_not(literal: str) -> None:
    address = ipaddress.ip_address(literal)
    assert Guard().permits(address, trusted=True)
    assert not Guard().permits(address, trusted=False)


@pytest.mark.parametrize(
    "literal", ["169.254.1.1", "fe80::1", "224.0.0.1", "0.0.0.0", "::", "240.0.0.1", "2002::1"]
)
@pytest.mark.parametrize("trusted", [True, False])
def test_the_rest_needs_the_allow_list(literal: str, *, trusted: bool) -> None:
    address = ipaddress.ip_address(literal)
    assert not Guard().permits(address, trusted=trusted)
    assert Guard((ipaddress.ip_network(literal),)).permits(address, trusted=trusted)


def test_an_allowed_network_is_open_and_its_neighbour_is_not() -> None:
    guard = Guard(networks("10.20.0.0/16", "fd12::/48"))
    for literal in ("10.20.0.1", "10.20.255.255", "fd12::7", "::ffff:10.20.0.1"):
        assert guard.permits(ipaddress.ip_address(literal), trusted=False)
    for literal in ("10.21.0.1", "fd12:0:1::7", "::ffff:10.21.0.1", "127.0.0.1"):
        assert not guard.permits(ipaddress.ip_address(literal), trusted=False)


@pytest.mark.parametrize("literal", ["169.254.169.254", "100.100.100.200", "fd00:ec2::254"])
def test_metadata_opens_to_nothing_wider_than_itself(literal: str) -> None:
    address = ipaddress.ip_address(literal)
    wide = Guard(networks("0.0.0.0/0", "::/0", "169.254.0.0/16", "100.64.0.0/10", "fd00::/8"))
    assert not wide.permits(address, trusted=True)
    assert Guard((ipaddress.ip_network(literal),)).permits(address, trusted=False)


def test_one_bad_address_among_good_ones_refuses_all() -> None:
    good, bad = ("93.184.215.14", 443), ("10.0.0.1", 443)
    Guard().check("hook.example", [good, good], trusted=False)
    for addresses in ([good, bad], [bad, good]):
        with pytest.raises(Forbidden) as caught:
            Guard().check("hook.example", addresses, trusted=False)
        assert str(caught.value) == (
            "hook.example leads to a private address, where events may not go; to permit it, add "
            "its network to allow under [outbound] in the configuration."
        )


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://10.0.0.1/hook", "10.0.0.1 is a private address,"),
        ("https://[::ffff:10.0.0.1]:8443/hook", "::ffff:10.0.0.1 is a private address,"),
        ("https://[fe80::1%25eth0]/", "is a link-local address,"),
        ("amqp://bob@127.0.0.1:5672/vhost", "127.0.0.1 is a loopback address,"),
        ("kafka://kafka.example.com:9092,169.254.169.254:9092", "address of a cloud's metadata,"),
        ("http://2130706433/", "four decimal numbers"),
    ],
)
def test_an_address_in_a_url_that_is_not_permitted_is_refused(url: str, said: str) -> None:
    with pytest.raises(Forbidden) as caught:
        Guard().check_written(url, trusted=False)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["", "https://93.184.215.14/", "http://10.20.0.1/", "kafka://a.example:1,10.20.0.2:2"],
)
def test_a_url_of_permitted_addresses_and_of_names_passes(url: str) -> None:
    Guard(networks("10.20.0.0/16")).check_written(url, trusted=False)


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0x7f.1", "017700000001", "127.1", "0", "127.0.0.1.", "0x"]
)
def test_a_number_that_is_no_address_is_refused(host: str) -> None:
    with pytest.raises(Forbidden, match="four decimal numbers"):
        check_spelling(host)


@pytest.mark.parametrize(
    "host",
    [
        "192.0.2.1",
        "::1",
        "::ffff:192.0.2.1",
        "fe80::1%1",
        "example.com",
        "0x7f.example",
        "1e100.net",
    ],
)
def test_what_is_a_name_or_an_address_to_everybody_is_not(host: str) -> None:
    check_spelling(host)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["{}", "{:#x}", "0{:o}", "{:#X}"]))
def test_no_whole_number_passes_for_a_name(number: int, written: str) -> None:
    with pytest.raises(Forbidden):
        check_spelling(written.format(number))
