"""JSON-RPC 2.0 over HTTP, as Kamailio (xhttp, jsonrpcs) and OpenSIPS (mi_http) speak it.

A transport is used without httpx2's client around it, as for destinations of events: no redirects,
no proxies or certificates from the environment, no cookies, no log of addresses.

Who asks for a password is given it the way they ask: Digest (RFC 7616) or Basic (RFC 7617). It is
never sent unasked, and over plain HTTP to another machine never as it is (Basic).
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import aclosing
from functools import lru_cache
from http import HTTPStatus
from ipaddress import ip_address
from ssl import SSLContext
from typing import Any, Final

import httpx2

from trunkpulse import __version__
from trunkpulse.adapters.switches.trust import trusting
from trunkpulse.adapters.switches.wording import plain, reason_of
from trunkpulse.config.switches import SwitchSettings
from trunkpulse.ports import SwitchRefused, SwitchUnreachable

__all__ = ["ANSWER_SECONDS", "MOST_BYTES", "CallRefused", "HttpJsonRpc", "result_of"]

ANSWER_SECONDS: Final = 2.0
"""For one call: connecting, asking and the whole answer."""
MOST_BYTES: Final = 8 * 1024 * 1024
"""Of one answer; ten thousand destinations with all that is said of them take half of it."""
IDLE_SECONDS: Final = 30.0


class CallRefused(SwitchRefused):
    """An error that a JSON-RPC answer speaks of."""

    def __init__(self, sentence: str, code: object) -> None:
        """``code`` is the error's, whatever stands there."""
        super().__init__(sentence)
        self.code = code


class HttpJsonRpc:
    """Calls one HTTP address; one call at a time."""

    def __init__(self, settings: SwitchSettings, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._place = str(settings.url)
        self._url = httpx2.URL(self._place)
        self._seconds = answer_seconds
        self._ca_file = settings.ca_file
        self._transport: httpx2.AsyncHTTPTransport | None = None
        """Made by the first call, because the file of its authorities may have gone by then."""
        self._ids = itertools.count(1)
        self._credentials = (
            (settings.username, settings.password or "") if settings.username is not None else None
        )
        self._auth: httpx2.Auth | None = None
        self._overheard = settings.url.scheme == "http" and not _is_loopback(settings.url.host)

    async def call(self, method: str, params: Sequence[object] | Mapping[str, object] = ()) -> Any:
        """What ``method`` gives back; raises SwitchUnreachable or SwitchRefused."""
        number = next(self._ids)
        asked = {"jsonrpc": "2.0", "id": number, "method": method}
        body = json.dumps(asked | ({"params": params} if params else {})).encode()
        try:
            async with asyncio.timeout(self._seconds):
                status, content = await self._exchange(body)
        except TimeoutError:
            raise SwitchUnreachable(
                f"{self._place} did not answer within {self._seconds:g} s; "
                "check that it runs and is not overloaded."
            ) from None
        except (httpx2.TransportError, httpx2.StreamError, OSError) as error:
            raise SwitchUnreachable(
                f"{self._place} cannot be reached: {reason_of(error)}; "
                "check that it runs and listens there."
            ) from None
        return self._result(status, content, number)

    async def close(self) -> None:
        """Close the connection; safe to repeat."""
        if self._transport is None:
            return
        try:
            async with asyncio.timeout(self._seconds):
                await self._transport.aclose()
        except (TimeoutError, httpx2.TransportError, OSError):
            pass  # it is gone either way

    def _connected(self) -> httpx2.AsyncHTTPTransport:
        if self._transport is None:
            known = self._ca_file is None
            self._transport = httpx2.AsyncHTTPTransport(
                verify=_trust_of_this_machine() if known else trusting(self._ca_file),
                limits=httpx2.Limits(
                    max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_SECONDS
                ),
            )
        return self._transport

    async def _exchange(self, body: bytes) -> tuple[int, bytes]:
        status, headers, content = await self._ask(body)
        if status == HTTPStatus.UNAUTHORIZED and self._credentials is not None:
            self._auth = _auth_for(headers, *self._credentials)
            if isinstance(self._auth, httpx2.BasicAuth) and self._overheard:
                self._auth = None
                raise SwitchRefused(
                    f"{self._place} asks for the password as it is (Basic), which is not sent over "
                    "plain http to another machine; use https, or let it ask for Digest."
                )
            if self._auth is not None:
                status, _, content = await self._ask(body)
        return status, content

    async def _ask(self, body: bytes) -> tuple[int, httpx2.Headers, bytes]:
        request = httpx2.Request(
            "POST",
            self._url,
            headers={
                "content-type": "application/json",
                "accept-encoding": "identity",
                "user-agent": f"trunkpulse/{__version__}",
            },
            content=body,
            extensions={"timeout": {"connect": self._seconds, "pool": self._seconds}},
        )
        transport = self._connected()
        flow = (self._auth or httpx2.Auth()).async_auth_flow(request)
        async with aclosing(flow):
            following = await self._proved(anext(flow))
            while True:
                response = await transport.handle_async_request(following)
                try:
                    content = await self._content(response)
                finally:
                    await response.aclose()
                try:
                    following = await self._proved(flow.asend(response))
                except StopAsyncIteration:
                    return response.status_code, response.headers, content

    async def _proved(self, step: Awaitable[httpx2.Request]) -> httpx2.Request:
        """The request with the proof of who we are."""
        try:
            return await step
        except (ValueError, LookupError, NotImplementedError):  # httpx2, of odd challenges
            self._auth = None
            raise SwitchRefused(
                f"{self._place} asks for a password in a way that is not understood; let it ask "
                "for Digest with qop auth, or for Basic."
            ) from None

    async def _content(self, response: httpx2.Response) -> bytes:
        content = bytearray()
        async with aclosing(response.aiter_raw()) as chunks:
            async for chunk in chunks:
                content += chunk
                if len(content) > MOST_BYTES:
                    raise SwitchUnreachable(
                        f"{self._place} answered more than {MOST_BYTES // 1024**2} MiB; "
                        "check that url leads to the right place."
                    )
        return bytes(content)

    def _result(self, status: int, content: bytes, number: int) -> Any:
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise SwitchRefused(
                f"{self._place} does not let us in (HTTP {status}); check username and password, "
                "and who may ask there."
            )
        try:
            # Whoever speaks of an error in JSON says more than the status does.
            return result_of(content, number, self._place)
        except SwitchUnreachable:
            if status == HTTPStatus.OK:
                raise
        raise SwitchRefused(
            f"{self._place} answered HTTP {status} and no JSON-RPC; check the path of url."
        )


def result_of(content: bytes, number: int, place: str) -> Any:
    """What a JSON-RPC answer to request ``number`` gives back.

    Raises CallRefused for an error that it speaks of, SwitchUnreachable for what is no answer.
    """
    try:
        answer = json.loads(content)
        if b"\\ud" in content.lower():
            json.dumps(answer, ensure_ascii=False).encode()  # half a character can go nowhere
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or answer.get("id", number) not in [number, str(number), None]:
        raise SwitchUnreachable(
            f"{place} answered something that is no JSON-RPC; check that url leads to the right "
            "place."
        )
    error = answer.get("error")
    if error is not None:
        said = error.get("message") if isinstance(error, dict) else error
        words = plain(said) if isinstance(said, str) else "something that is no text"
        sentence = f'{place} refused, saying "{words}"; see its log.'
        raise CallRefused(sentence, error.get("code") if isinstance(error, dict) else None)
    if "result" not in answer:
        raise SwitchUnreachable(f"{place} answered without a result; check its version.")
    return answer["result"]


def _auth_for(headers: httpx2.Headers, username: str, password: str) -> httpx2.Auth | None:
    """The way to prove who we are that is asked for, the stronger one first; None: neither."""
    offered = {
        scheme.lower()
        for each in headers.get_list("www-authenticate")
        for scheme in each.split(None, 1)[:1]
    }
    if "digest" in offered:
        return httpx2.DigestAuth(username, password)
    if "basic" in offered:
        return httpx2.BasicAuth(username, password)
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


@lru_cache(maxsize=1)
def _trust_of_this_machine() -> SSLContext:
    return httpx2.create_ssl_context(trust_env=False)
