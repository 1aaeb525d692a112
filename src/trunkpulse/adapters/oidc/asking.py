"""One request to the provider and its JSON: bounded in time and size, and through the guard.

The provider is somebody the configuration names; what its documents name in turn is checked like
any address that comes from outside, so none of them leads to a place inside that ``[outbound]``
does not allow.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import aclosing
from typing import Final

import httpx2

from trunkpulse import __version__
from trunkpulse.adapters.oidc.errors import ProviderAway
from trunkpulse.adapters.outbound import Forbidden, HostUnknown

__all__ = ["Asking", "Json"]

ANSWER_BYTES: Final = 512 * 1024
ANSWER_SECONDS: Final = 10.0

Json = Mapping[str, object]


class Asking:
    """Asks over one transport."""

    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        self._transport = transport

    async def get(self, url: str, what: str) -> Json:
        """The document at ``url``, which is ``what``; raises ProviderAway."""
        status, document = await self._ask("GET", url, what, {}, None)
        if status != 200 or document is None:
            raise ProviderAway(
                f"The OIDC provider answered with status {status} where it should show {what}; "
                "check issuer under [oidc]."
            )
        return document

    async def post(self, url: str, form: str, headers: Mapping[str, str]) -> tuple[int, Json]:
        """The status and the document that the provider answers to ``form``."""
        sent = {"content-type": "application/x-www-form-urlencoded", **headers}
        status, document = await self._ask("POST", url, "a token", sent, form)
        if status >= 500 or (status == 200 and document is None):
            raise ProviderAway(
                f"The OIDC provider failed with status {status}; try again in a while."
            )
        return status, document or {}

    async def close(self) -> None:
        """Close idle connections; safe to repeat."""
        await self._transport.aclose()

    async def _ask(
        self, method: str, url: str, what: str, headers: Mapping[str, str], body: str | None
    ) -> tuple[int, Json | None]:
        request = httpx2.Request(
            method,
            url,
            headers={
                "accept": "application/json",
                "accept-encoding": "identity",
                "user-agent": f"trunkpulse/{__version__}",
                **headers,
            },
            content=None if body is None else body.encode(),
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._exchange(request)
        except TimeoutError:
            reason = f"no answer within {ANSWER_SECONDS:g} seconds"
        except (httpx2.TransportError, OSError) as error:
            reason = _reason(error)
        raise ProviderAway(f"The OIDC provider cannot be asked for {what}: {reason}.") from None

    async def _exchange(self, request: httpx2.Request) -> tuple[int, Json | None]:
        response = await self._transport.handle_async_request(request)
        body = bytearray()
        try:
            async with aclosing(response.aiter_raw()) as chunks:
                async for chunk in chunks:
                    body += chunk
                    if len(body) > ANSWER_BYTES:
                        raise ProviderAway(
                            "The OIDC provider answered more than anybody needs; check issuer "
                            "under [oidc]."
                        )
        finally:
            await response.aclose()
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            document = None
        return response.status_code, document if isinstance(document, dict) else None


def _reason(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, Forbidden | HostUnknown):
            return str(cause).removesuffix(".")
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__
