"""The cookies of people's browsers: who has signed in, and who is at a provider just now.

A third one says who has ever signed in there (``admission.devices``); it stays when they sign out.

Over TLS a cookie is ``Secure`` and its name begins with ``__Host-``, so browsers take it from this
host alone and send it over nothing else. No page's script can read one. The session's is sent
with nothing that another site began (``SameSite=Strict``); the other one has to come along when
the provider sends the browser back, so it is ``Lax``, and lives for minutes.
"""

from __future__ import annotations

from typing import Final

from fastapi import Request
from starlette.responses import Response

from trunkpulse.adapters.http.api.admission import SESSION_COOKIE
from trunkpulse.adapters.http.api.proxies import is_https
from trunkpulse.admission.devices import DEVICE_SECONDS

__all__ = [
    "device_cookie_of",
    "give_device",
    "give_session",
    "give_way_back",
    "session_cookie_of",
    "take_session",
    "take_way_back",
    "way_back_of",
]

WAY_BACK_COOKIE: Final = "trunkpulse_oidc"
DEVICE_COOKIE: Final = "trunkpulse_device"


def give_session(request: Request, response: Response, cookie: str) -> None:
    """Have the browser keep the session until it is closed."""
    response.set_cookie(
        _named(SESSION_COOKIE, request),
        cookie,
        secure=is_https(request),
        httponly=True,
        samesite="strict",
    )


def session_cookie_of(request: Request) -> str | None:
    """What the session's cookie holds."""
    return request.cookies.get(_named(SESSION_COOKIE, request))


def take_session(request: Request, response: Response) -> None:
    """Have the browser forget it."""
    response.delete_cookie(
        _named(SESSION_COOKIE, request),
        secure=is_https(request),
        httponly=True,
        samesite="strict",
    )


def give_device(request: Request, response: Response, mark: str) -> None:
    """Have the browser keep the mark of who has signed in there."""
    response.set_cookie(
        _named(DEVICE_COOKIE, request),
        mark,
        max_age=DEVICE_SECONDS,
        secure=is_https(request),
        httponly=True,
        samesite="strict",
    )


def device_cookie_of(request: Request) -> str | None:
    """The mark that the browser brought along."""
    return request.cookies.get(_named(DEVICE_COOKIE, request))


def give_way_back(request: Request, response: Response, text: str, seconds: int) -> None:
    """Have the browser bring ``text`` along when it comes back from the provider."""
    response.set_cookie(
        _named(WAY_BACK_COOKIE, request),
        text,
        max_age=seconds,
        secure=is_https(request),
        httponly=True,
        samesite="lax",
    )


def way_back_of(request: Request) -> str | None:
    """What the browser brought along."""
    return request.cookies.get(_named(WAY_BACK_COOKIE, request))


def take_way_back(request: Request, response: Response) -> None:
    """Have the browser forget it: it is good for one time."""
    response.delete_cookie(
        _named(WAY_BACK_COOKIE, request),
        secure=is_https(request),
        httponly=True,
        samesite="lax",
    )


def _named(name: str, request: Request) -> str:
    return f"__Host-{name}" if is_https(request) else name
