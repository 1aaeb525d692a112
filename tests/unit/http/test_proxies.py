"""Who asks, where declared reverse proxies stand between, and where somebody only says so."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import HTTPConnection
from starlette.types import Scope

from trunkpulse.adapters.http.api.proxies import (
    MOST_HOPS,
    believe_proxies,
    client_address,
    from_this_machine,
    is_https,
)

DECLARED = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "fd00::/8")))
PROXY = "10.0.0.1"


def request(*headers: tuple[str, str], peer: str | None = PROXY) -> Scope:
    return {
        "type": "http",
        "scheme": "http",
        "client": None if peer is None else (peer, 4711),
        "headers": [
            (b"host", b"internal:8080"),
            *((name.encode(), value.encode("latin-1")) for name, value in headers),
        ],
    }


def asker(scope: Scope) -> str:
    assert believe_proxies(scope, DECLARED) is None
    return client_address(HTTPConnection(scope))


@pytest.mark.parametrize(
    ("said", "client"),
    [
        (["203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7:5000"], "203.0.113.7"),
        (["[2001:db8::7]:5000"], "2001:db8::7"),
        (["2001:db8::7"], "2001:db8::7"),
        (["::ffff:203.0.113.7"], "203.0.113.7"),
        (["198.51.100.9, 203.0.113.7"], "203.0.113.7"),  # the left one is the client's own word
        (["198.51.100.9", "203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7, 10.1.1.1"], "203.0.113.7"),  # two proxies in a row
        (["127.0.0.1, 203.0.113.7, 10.1.1.1, fd00::5"], "203.0.113.7"),
        (["10.3.3.3"], "10.3.3.3"),  # a proxy asks on its own behalf
        (["unknown"], PROXY),
        (["203.0.113.7, unknown, 10.1.1.1"], "10.1.1.1"),
        (["203.0.113.7,"], PROXY),
        ([""], PROXY),
        ([], PROXY),
    ],
)
def test_the_first_address_from_the_right_that_is_no_proxy_asks(
    said: Sequence[str], client: str
) -> None:
    assert asker(request(*(("x-forwarded-for", each) for each in said))) == client


@pytest.mark.parametrize(
    ("said", "client", "https"),
    [
        ("for=203.0.113.7", "203.0.113.7", False),
        ("For=203.0.113.7;Proto=https", "203.0.113.7", True),
        ('for="[2001:db8::7]:4711";proto=https', "2001:db8::7", True),
        ("for=198.51.100.9;proto=https, for=203.0.113.7;proto=http", "203.0.113.7", False),
        ('for="a\\"b,for=1.1.1.1", for=203.0.113.7', "203.0.113.7", False),
        ("for=203.0.113.7;proto=https, for=10.1.1.1;proto=http", "203.0.113.7", True),
        ("for=_hidden", PROXY, False),
        ("proto=https", PROXY, True),
    ],
)
def test_the_standard_header_says_the_same(said: str, client: str, *, https: bool) -> None:
    scope = request(("forwarded", said))
    assert asker(scope) == client
    assert is_https(HTTPConnection(scope)) is https


@pytest.mark.parametrize(
    "said", ['for="203.0.113.7', "for", "for=1.1.1.1;for=2.2.2.2", "for=1.1.1.1 x", "=1", ",,"]
)
def test_a_forwarded_header_that_cannot_be_read_is_refused(said: str) -> None:
    problem = believe_proxies(request(("forwarded", said)), DECLARED)
    assert problem is not None
    assert problem.status == 400


def test_two_spellings_that_name_different_clients_are_refused() -> None:
    headers = ("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=198.51.100.9")
    problem = believe_proxies(request(*headers), DECLARED)
    assert problem is not None
    assert problem.status == 400
    agreeing = ("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=203.0.113.7;proto=https")
    scope = request(*agreeing)
    assert asker(scope) == "203.0.113.7"
    assert is_https(HTTPConnection(scope))


@pytest.mark.parametrize("peer", ["203.0.113.1", "11.0.0.1", "127.0.0.1", "::1", None])
def test_nobody_else_is_believed(peer: str | None) -> None:
    told = (
        ("x-forwarded-for", "198.51.100.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "for=192.0.2.1;proto=https;host=evil.example"),
    )
    scope = request(*told, peer=peer)
    before = dict(scope)
    assert believe_proxies(scope, DECLARED) is None
    assert scope == before
    assert client_address(HTTPConnection(scope)) == (peer or "unknown")


@pytest.mark.parametrize(
    ("said", "https"),
    [
        ("https", True),
        ("http", False),
        ("http, https", True),
        ("https, http", False),
        ("ftp", False),
    ],
)
def test_the_nearest_proxy_says_which_scheme(said: str, *, https: bool) -> None:
    scope = request(("x-forwarded-for", "203.0.113.7"), ("x-forwarded-proto", said))
    assert asker(scope) == "203.0.113.7"
    assert is_https(HTTPConnection(scope)) is https


def test_each_hop_may_say_its_own_scheme() -> None:
    scope = request(
        ("x-forwarded-for", "203.0.113.7, 10.1.1.1"), ("x-forwarded-proto", "https, http")
    )
    assert asker(scope) == "203.0.113.7"
    assert is_https(HTTPConnection(scope))


def test_the_host_that_was_asked_for_stands_where_all_look() -> None:
    scope = request(
        ("x-forwarded-for", "203.0.113.7"), ("x-forwarded-host", "trunkpulse.example.com")
    )
    assert asker(scope) == "203.0.113.7"
    assert HTTPConnection(scope).headers.getlist("host") == ["trunkpulse.example.com"]


@given(
    forged=st.lists(st.ip_addresses().map(str), max_size=40),
    chain=st.lists(st.integers(0, 255).map(lambda n: f"10.9.9.{n}"), max_size=MOST_HOPS - 1),
    cut=st.integers(0, 40),
)
def test_whatever_a_client_writes_it_stays_who_it_is(
    forged: list[str], chain: list[str], cut: int
) -> None:
    hops = [*forged, "203.0.113.7", *chain]
    lines = ", ".join(hops[:cut]), ", ".join(hops[cut:])
    scope = request(*(("x-forwarded-for", line) for line in lines if line))
    assert asker(scope) == "203.0.113.7"


def test_proxies_beyond_the_bound_are_not_followed() -> None:
    hops = ["203.0.113.7", *(f"10.9.9.{n}" for n in range(MOST_HOPS + 5))]
    assert asker(request(("x-forwarded-for", ", ".join(hops)))) == "10.9.9.5"


@given(
    st.text(max_size=200).filter(lambda text: text.isascii() or text.encode("latin-1", "ignore"))
)
def test_no_header_breaks_it(text: str) -> None:
    written = text.encode("latin-1", "ignore").decode("latin-1")
    for name in ("forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"):
        problem = believe_proxies(request((name, written)), DECLARED)
        assert problem is None or problem.status == 400


@pytest.mark.parametrize(
    ("peer", "headers", "here"),
    [
        ("127.0.0.1", (), True),
        ("::1", (), True),
        ("127.0.0.1", (("x-forwarded-for", "127.0.0.1"),), False),
        ("127.0.0.1", (("forwarded", "for=127.0.0.1"),), False),
        ("192.0.2.1", (), False),
        (PROXY, (("x-forwarded-for", "127.0.0.1"),), False),
        (PROXY, (), False),
        (None, (), False),
    ],
)
def test_only_who_comes_straight_from_loopback_is_on_this_machine(
    peer: str | None, headers: Sequence[tuple[str, str]], *, here: bool
) -> None:
    scope = request(*headers, peer=peer)
    assert believe_proxies(scope, DECLARED) is None
    assert from_this_machine(HTTPConnection(scope)) is here
