"""Host names to addresses: literals without a lookup, failures in words, a deadline."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import pytest

from trunkpulse.adapters.network.resolver import SystemResolver
from trunkpulse.ports import Address, ResolutionFailed


async def _no_lookup(host: str, port: int) -> Sequence[Address]:
    raise AssertionError(f"{host} port {port} was looked up")


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", ("127.0.0.1", 5060)),
        ("::1", ("::1", 5060, 0, 0)),
        ("[::1]", ("::1", 5060, 0, 0)),
        ("[2001:DB8:0::7]", ("2001:db8::7", 5060, 0, 0)),
    ],
)
async def test_literal_address_is_not_looked_up(host: str, address: Address) -> None:
    assert await SystemResolver(lookup=_no_lookup).resolve(host, 5060) == (address,)


async def test_name_of_this_machine_is_resolved_by_the_system() -> None:
    addresses = await SystemResolver().resolve("localhost", 5060)
    assert {address[:2] for address in addresses} <= {("127.0.0.1", 5060), ("::1", 5060)}
    assert addresses


async def test_addresses_keep_their_order_without_repeats() -> None:
    async def lookup(host: str, port: int) -> Sequence[Address]:
        return [("127.0.0.2", port), ("127.0.0.1", port), ("127.0.0.2", port)]

    addresses = await SystemResolver(lookup=lookup).resolve("sbc.example.com", 5060)
    assert addresses == (("127.0.0.2", 5060), ("127.0.0.1", 5060))


@pytest.mark.parametrize(
    ("error", "phrase"),
    [
        (socket.gaierror(socket.EAI_NONAME, "?"), "no such host name"),
        (socket.gaierror(socket.EAI_AGAIN, "?"), "the name server did not answer"),
        (socket.gaierror(socket.EAI_FAIL, "?"), "the name server answered with an error"),
        (socket.gaierror(socket.EAI_MEMORY, "Out of memory"), "Out of memory"),
    ],
)
async def test_failed_lookup_is_told_in_words(error: socket.gaierror, phrase: str) -> None:
    async def lookup(host: str, port: int) -> Sequence[Address]:
        raise error

    with pytest.raises(ResolutionFailed, match=rf"^sbc\.example\.com: {phrase}$"):
        await SystemResolver(lookup=lookup).resolve("sbc.example.com", 5060)


async def test_name_without_an_address_is_a_failure() -> None:
    async def lookup(host: str, port: int) -> Sequence[Address]:
        return ()

    with pytest.raises(ResolutionFailed, match="the name has no address"):
        await SystemResolver(lookup=lookup).resolve("sbc.example.com", 5060)


@pytest.mark.parametrize("host", ["x" * 64 + ".example.com", "two..dots", ""])
async def test_what_is_no_host_name_is_a_failure(host: str) -> None:
    with pytest.raises(ResolutionFailed):
        await SystemResolver().resolve(host, 5060)


async def test_silent_name_server_is_given_up_on_the_deadline() -> None:
    async def lookup(host: str, port: int) -> Sequence[Address]:
        await asyncio.Event().wait()
        return ()

    resolver = SystemResolver(deadline_seconds=0.01, lookup=lookup)
    with pytest.raises(ResolutionFailed, match=r"no answer .* within 0\.01 seconds"):
        await resolver.resolve("sbc.example.com", 5060)
