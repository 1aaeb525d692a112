"""HTTP to where a guard lets it: the connections of httpcore2 behind the interface of httpx2.

What is not here is half of it: no redirects (a transport follows none), no proxies and no
certificates from the environment, no sockets of the machine, no cookies, no retries.

A host is resolved when a connection is made, each of its addresses is checked, and only literal
addresses are dialled. So what was checked is what is connected to: between the two nobody asks a
name server again. The name stays what the certificate has to be for.

A connection that is kept open is checked again before it serves another request, because what is
allowed may have changed meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, Final, Protocol

import httpcore2
import httpx2

from trunkpulse.ports import Address

__all__ = ["Door", "GuardedTransport"]

MOST_TRIED: Final = 8
"""Of a host's addresses; all of them are checked."""

_TRANSLATED: Final[dict[type[Exception], type[httpx2.TransportError]]] = {
    httpcore2.ConnectTimeout: httpx2.ConnectTimeout,
    httpcore2.ReadTimeout: httpx2.ReadTimeout,
    httpcore2.WriteTimeout: httpx2.WriteTimeout,
    httpcore2.PoolTimeout: httpx2.PoolTimeout,
    httpcore2.ConnectError: httpx2.ConnectError,
    httpcore2.ReadError: httpx2.ReadError,
    httpcore2.WriteError: httpx2.WriteError,
    httpcore2.LocalProtocolError: httpx2.LocalProtocolError,
    httpcore2.RemoteProtocolError: httpx2.RemoteProtocolError,
    httpcore2.UnsupportedProtocol: httpx2.UnsupportedProtocol,
}


class Door(Protocol):
    """Says where a host leads and what may be connected to."""

    async def addresses(self, host: str, port: int) -> list[Address]:
        """The addresses of ``host``, each of them permitted; raises Forbidden or HostUnknown."""

    def is_open(self, address: Address) -> bool:
        """Whether this address is permitted, as things are now."""


class GuardedTransport(httpx2.AsyncBaseTransport):
    """What an HTTP sink sends its requests through."""

    def __init__(
        self,
        door: Door,
        network: httpcore2.AsyncNetworkBackend,
        tls: ssl.SSLContext,
        *,
        connections: int,
        idle_seconds: float,
        connect_seconds: float,
    ) -> None:
        """``network`` dials the literal addresses.

        ``connect_seconds`` is for the name, the connection and, again, for the TLS handshake; a
        request may ask for less in its ``timeout`` extension.
        """
        self._connect_seconds = connect_seconds
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=idle_seconds,
            network_backend=_GuardedNetwork(door, network),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it and give the answer, whose body is yet to be read; raises TransportError."""
        if not isinstance(request.stream, httpx2.AsyncByteStream):
            raise TypeError("the body of the request cannot be read asynchronously")
        asked: dict[str, Any] = dict(request.extensions.get("timeout") or {})
        asked["connect"] = min(asked.get("connect") or self._connect_seconds, self._connect_seconds)
        extensions = {**request.extensions, "timeout": asked}
        if request.url.host.endswith("."):
            # A name may be written to its end; the certificate of its host is without the dot.
            extensions.setdefault("sni_hostname", request.url.host.removesuffix("."))
        url = httpcore2.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        with _as_httpx2():
            answer = await self._pool.handle_async_request(
                httpcore2.Request(
                    request.method,
                    url,
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=extensions,
                )
            )
        return httpx2.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer.stream),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        """Close all connections; safe to repeat."""
        with _as_httpx2():
            await self._pool.aclose()


class _Body(httpx2.AsyncByteStream):
    """The body of an answer, as it comes."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts: AsyncIterable[bytes] = self._stream
        with _as_httpx2():
            async for part in parts:
                yield part

    async def aclose(self) -> None:
        with _as_httpx2():
            await self._stream.aclose()


class _GuardedNetwork(httpcore2.AsyncNetworkBackend):
    """Dials the addresses that the door gives, one after another, and nothing else."""

    def __init__(self, door: Door, network: httpcore2.AsyncNetworkBackend) -> None:
        self._door = door
        self._network = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._door.addresses(host, port)
                return await self._first_of(addresses[:MOST_TRIED], timeout)
        except TimeoutError as late:
            raise httpcore2.ConnectTimeout(late) from late
        except OSError as error:
            raise httpcore2.ConnectError(error) from error

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        raise httpcore2.ConnectError("sockets of this machine are not for events")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _first_of(
        self, addresses: list[Address], timeout: float | None
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to the first that takes one; each gets its share of the time."""
        share = None if timeout is None else timeout / len(addresses)
        *others, last = addresses
        for address in others:
            # Why it did not work is told of the last one.
            with contextlib.suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                return await self._dial(address, share)
        return await self._dial(last, None)  # whoever waits for all of this has the deadline

    async def _dial(self, address: Address, timeout: float | None) -> httpcore2.AsyncNetworkStream:
        literal = str(ipaddress.ip_address(address[0]))  # raises ValueError for a name
        stream = await self._network.connect_tcp(literal, address[1], timeout=timeout)
        return _GuardedStream(stream, address, self._door)


class _GuardedStream(httpcore2.AsyncNetworkStream):
    """A connection that is not used again once its address is no longer permitted."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream, address: Address, door: Door) -> None:
        self._stream = stream
        self._address = address
        self._door = door

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        encrypted = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        return _GuardedStream(encrypted, self._address, self._door)

    def get_extra_info(self, info: str) -> Any:
        # The pool asks this of an idle connection before it gives it to a request, and closes
        # one on which something has come: nothing but its end can.
        if info == "is_readable" and not self._door.is_open(self._address):
            return True
        return self._stream.get_extra_info(info)


@contextlib.contextmanager
def _as_httpx2() -> Iterator[None]:
    """What httpcore2 raises, raised as httpx2 calls it."""
    try:
        yield
    except tuple(_TRANSLATED) as error:
        named = next(httpx for core, httpx in _TRANSLATED.items() if isinstance(error, core))
        # The pool hides the cause, which is what tells a person what happened.
        raise named(str(error)) from (error.__cause__ or error.__context__ or error)
