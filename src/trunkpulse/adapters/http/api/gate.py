"""Finds out who asks.

Three things prove it, and the first that a request brings decides:

1. a bearer token that is this machine's own, as commands on the machine have it;
2. a bearer token that is a client's access token;
3. the cookie of a person's session, and, to change anything, the session's CSRF token beside it:
   a page of another site can have the cookie sent along, and can never read the token.

A token that is no good is not overlooked for a cookie beside it. Whatever a token says, its client
is asked what is true now, so a client that was changed, disabled or deleted is out at once.
"""

from __future__ import annotations

import hashlib
import hmac
from http import HTTPStatus
from typing import Final, NoReturn, Protocol

from fastapi import Request

from trunkpulse.access import Permission, Principal, PrincipalKind
from trunkpulse.adapters.http.api.admission import SESSION_COOKIE
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.adapters.tokens import AccessTokens, TokenInvalid
from trunkpulse.admission.clients import Clients
from trunkpulse.admission.errors import ForgedRequest
from trunkpulse.admission.revocations import RevokedTokens
from trunkpulse.ports import Clock

__all__ = ["CSRF_HEADER", "HOST_COOKIE", "CredentialsGate", "MachineGate", "Sessions", "machine"]

HOST_COOKIE: Final = f"__Host-{SESSION_COOKIE}"
"""Its name over TLS: browsers take it from this host alone, and only over TLS."""
CSRF_HEADER: Final = "x-csrf-token"

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_REALM: Final = 'Bearer realm="trunkpulse"'


class Sessions(Protocol):
    """People who have signed in."""

    async def principal_of(self, cookie: str, csrf: str | None, safe: bool) -> Principal | None:
        """Whose session this is; None if it is none (any more).

        ``safe``: the request changes nothing. Raises ForgedRequest if it does and ``csrf`` is not
        the session's token.
        """


class NoSessions:
    """Where only machines get in."""

    async def principal_of(self, cookie: str, csrf: str | None, safe: bool) -> Principal | None:
        """Nobody."""
        return None


class CredentialsGate:
    """``admission.Gate``; see the module's opening."""

    def __init__(
        self,
        *,
        machine_token: str,
        clients: Clients,
        tokens: AccessTokens,
        revoked: RevokedTokens,
        clock: Clock,
        sessions: Sessions | None = None,
    ) -> None:
        self._machine = MachineGate(machine_token)
        self._clients = clients
        self._tokens = tokens
        self._revoked = revoked
        self._clock = clock
        self.sessions: Sessions = sessions or NoSessions()

    async def principal(self, request: Request) -> Principal:
        """Whoever sent ``request``; raises a Problem."""
        token = bearer_token(request)
        if token is not None:
            return self._machine.whose(token) or self._client_of(token)
        https = request.url.scheme == "https"
        cookie = request.cookies.get(HOST_COOKIE if https else SESSION_COOKIE)
        if cookie is not None:
            return await self._person(request, cookie)
        raise _unproved()

    def _client_of(self, text: str) -> Principal:
        try:
            token = self._tokens.read(text)
        except TokenInvalid as problem:
            _refuse(f"The access token is no good: {problem}.")
        client = self._clients.get(token.client_id)
        if client is None or not client.active(int(self._clock.wall() * 1000)):
            _refuse("The client that this access token was given to may not come in any more.")
        if token.generation != client.generation or token.id in self._revoked:
            _refuse("This access token has been revoked; get a new one from POST /oauth/token.")
        return client.principal(token.permissions)

    async def _person(self, request: Request, cookie: str) -> Principal:
        safe = request.method in _SAFE_METHODS
        try:
            person = await self.sessions.principal_of(
                cookie, request.headers.get(CSRF_HEADER), safe
            )
        except ForgedRequest as forged:
            raise Problem(HTTPStatus.FORBIDDEN, str(forged)) from None
        if person is None:
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "The session is over; sign in again.",
                headers={"www-authenticate": _REALM},
            )
        return person


class MachineGate:
    """Lets in whoever has the machine's own token, and nobody else."""

    def __init__(self, token: str) -> None:
        self._digest = hashlib.sha256(token.encode()).digest()

    async def principal(self, request: Request) -> Principal:
        """Whoever sent ``request``; raises a Problem."""
        token = bearer_token(request)
        person = None if token is None else self.whose(token)
        if person is None:
            raise _unproved()
        return person

    def whose(self, token: str) -> Principal | None:
        """Whoever runs this machine, if it is its token."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        return machine() if hmac.compare_digest(digest, self._digest) else None


def machine() -> Principal:
    """Whoever runs this machine: they may do everything."""
    return Principal(
        kind=PrincipalKind.MACHINE,
        id="machine",
        name="this machine",
        permissions=frozenset(Permission),
    )


def bearer_token(request: Request) -> str | None:
    """What the request brings as a bearer token (RFC 6750 2.1); None if it brings none.

    Raises a Problem if what it brings is not to be read as exactly one.
    """
    headers = request.headers.getlist("authorization")
    if not headers:
        return None
    scheme, _, token = headers[0].partition(" ")
    token = token.strip()
    if len(headers) > 1 or scheme.lower() != "bearer" or not token:
        _refuse("The Authorization header must be one: Bearer and the access token.")
    return token


def _unproved() -> Problem:
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        "This takes an access token, from POST /oauth/token, or a session.",
        headers={"www-authenticate": _REALM},
    )


def _refuse(detail: str) -> NoReturn:
    raise Problem(
        HTTPStatus.UNAUTHORIZED,
        detail,
        headers={"www-authenticate": f'{_REALM}, error="invalid_token"'},
    )
