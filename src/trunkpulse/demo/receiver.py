"""A webhook receiver as an operator would write it: verify first, then believe."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ["Receiver"]


class Receiver:
    """Keeps the events whose signature is right, in the order in which they came."""

    def __init__(self) -> None:
        self.secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        self.arrived: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=1000)
        self.forged = 0
        """Requests with a wrong signature, or none."""
        self.app = Starlette(routes=[Route("/hook", self._take, methods=["POST"])])
        self._webhook = Webhook(self.secret)

    async def _take(self, request: Request) -> Response:
        body = await request.body()
        try:
            self._webhook.verify(body, dict(request.headers))
        except WebhookVerificationError:
            self.forged += 1
            return Response(status_code=401)
        await self.arrived.put(json.loads(body))
        return Response(status_code=204)
