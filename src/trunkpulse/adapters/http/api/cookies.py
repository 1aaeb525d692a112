"""The cookies of people's browsers: who has signed in, and who is at a provider just now.

A third one says who has ever signed in there (``admission.devices``); it stays when they sign out.

Over TLS a cookie is ``Secure`` and its name begins with ``__Host-``, so browsers take it from this
host alone and send it over nothing else. No page's script can read one. The session's is sent
with nothing that another site began (``SameSite=Strict``); the other one has to come along when
the provider sends the browser back, so it is ``Lax``, and lives for minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from fastapi import Request
from starlette.responses import Response

from trunkpulse.adapters.http.api.admission import SESSION_COOKIE
from trunkpulse.adapters.http.api.proxies import is_https
from trunkpulse.adapters.oidc import WAY_BACK_SECONDS
from trunkpulse.admission.devices import DEVICE_SECONDS

__all__ = ["DEVICE", "SESSION", "WAY_BACK", "BrowserCookie"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserCookie:
    """One of them: given to a browser, brought along by it, taken from it."""

    name: str
    same_site: Literal["lax", "strict"]
    seconds: int | None
    """How long the browser keeps it; None: until it is closed."""

    def give(self, request: Request, response: Response, text: str) -> None:
        """Have the browser keep ``text`` and bring it along."""
        response.set_cookie(
            self._name(request),
            text,
            max_age=self.seconds,
            secure=is_https(request),
            httponly=True,
            samesite=self.same_site,
        )

    def brought_by(self, request: Request) -> str | None:
        """What the browser brought along."""
        return request.cookies.get(self._name(request))

    def take(self, request: Request, response: Response) -> None:
        """Have the browser forget it."""
        response.delete_cookie(
            self._name(request),
            secure=is_https(request),
            httponly=True,
            samesite=self.same_site,
        )

    def _name(self, request: Request) -> str:
        return f"__Host-{self.name}" if is_https(request) else self.name


SESSION: Final = BrowserCookie(name=SESSION_COOKIE, same_site="strict", seconds=None)
"""Who has signed in."""
DEVICE: Final = BrowserCookie(name="trunkpulse_device", same_site="strict", seconds=DEVICE_SECONDS)
"""Who has ever signed in there."""
WAY_BACK: Final = BrowserCookie(name="trunkpulse_oidc", same_site="lax", seconds=WAY_BACK_SECONDS)
"""What comes along from the provider; good for one time."""
