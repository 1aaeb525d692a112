"""The running service, as commands talk to it: where it is, and what it says when it says no.

A command is written as a function of an ``Api`` and of its own arguments; ``over_api`` adds the
options that every such command has (``--url``, ``--token``, ``--config``, ``--data``, ``--json``)
and opens the connection.
"""

from __future__ import annotations

import functools
import inspect
import ipaddress
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import quote, urlsplit

import typer

from trunkpulse.cli.document import Document
from trunkpulse.cli.errors import CommandFailed, WrongUsage
from trunkpulse.cli.output import amount
from trunkpulse.config.document import read_document
from trunkpulse.config.errors import ConfigError
from trunkpulse.config.values import api_address
from trunkpulse.config.wording import printable, shown
from trunkpulse.sip.grammar import host_and_port

if TYPE_CHECKING:
    import httpx2

__all__ = ["Api", "ConnectionBroken", "over_api", "segment"]

DEFAULT_URL: Final = "http://127.0.0.1:8080"
_DEADLINE_SECONDS: Final = 15.0
_SILENCE_SECONDS: Final = 60.0
"""A live stream sends a comment far more often than this."""
_USAGE_STATUSES: Final = frozenset({400, 415, 422})
_AWAY_STATUSES: Final = frozenset({429, 502, 503, 504})
"""It may well answer soon."""
_PAGE: Final = 1000
_ERROR_NUMBER: Final = re.compile(r"\[Errno -?\d+\] ")

Query = Mapping[str, str | int | None]


class ConnectionBroken(CommandFailed):
    """The service does not answer, or stopped in the middle; it may be back soon."""


class Api:
    """A conversation with one service; every failure is a ``CommandFailed`` in one sentence."""

    def __init__(self, url: str, token: str | None, *, as_json: bool) -> None:
        # Half a second of imports that no other command shall wait for.
        import httpx2  # noqa: PLC0415

        self.as_json = as_json
        """True if the API's own JSON was asked for."""
        self._url = url
        host = urlsplit(url).hostname or ""
        self._client = httpx2.Client(
            base_url=url,
            headers={"authorization": f"Bearer {token}"} if token else {},
            timeout=_DEADLINE_SECONDS,
            trust_env=not _is_loopback(host),  # no proxy leads back to this machine
        )

    def close(self) -> None:
        """Release the connection."""
        self._client.close()

    def get(self, path: str, query: Query | None = None) -> Document:
        """The document at ``path``."""
        with self._failures():
            return self._read(self._client.get(path, params=_given(query)))

    def post(
        self,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        deadline_seconds: float = _DEADLINE_SECONDS,
    ) -> Document:
        """What the service answers to ``body``."""
        with self._failures():
            response = self._client.post(path, json=body, timeout=deadline_seconds)
            return self._read(response)

    def patch(self, path: str, body: Mapping[str, object]) -> Document:
        """What the service answers to a JSON Merge Patch (RFC 7396)."""
        with self._failures():
            headers = {"content-type": "application/merge-patch+json"}
            content = json.dumps(body).encode()
            return self._read(self._client.patch(path, content=content, headers=headers))

    def delete(self, path: str) -> None:
        """Have what is at ``path`` deleted."""
        with self._failures():
            response = self._client.delete(path)
            if response.status_code != HTTPStatus.NO_CONTENT:
                self._read(response)

    def pages(self, path: str, query: Query | None = None) -> Iterator[Document]:
        """The pages of a list, from the first (or ``query``'s cursor) to the last."""
        asked: dict[str, str | int | None] = {"limit": _PAGE, **(query or {})}
        while True:
            page = self.get(path, asked)
            yield page
            cursor = page.text_or_none("nextCursor")
            if cursor is None:
                return
            asked["cursor"] = cursor

    def live(self, path: str, query: Query | None = None) -> Iterator[tuple[str, str]]:
        """Server-sent events as (id, data), until the service ends the stream."""
        import httpx2  # noqa: PLC0415 - see __init__

        timeout = httpx2.Timeout(_DEADLINE_SECONDS, read=_SILENCE_SECONDS)
        with (
            self._failures(),
            self._client.stream("GET", path, params=_given(query), timeout=timeout) as response,
        ):
            if response.is_error:
                response.read()
                self._read(response)
            for event in httpx2.EventSource(response):
                if event.data:
                    yield event.id, event.data

    @contextmanager
    def _failures(self) -> Iterator[None]:
        import httpx2  # noqa: PLC0415 - see __init__

        try:
            yield
        except httpx2.ConnectError as problem:
            raise ConnectionBroken(
                f"Nothing answers at {self._url} ({_why(problem)});"
                " start it with 'trunkpulse serve', or say with --url where it is."
            ) from problem
        except httpx2.TimeoutException as problem:
            raise ConnectionBroken(
                f"The service at {self._url} does not answer in time; try again, and look at its"
                " log if that goes on."
            ) from problem
        except httpx2.HTTPError as problem:
            raise ConnectionBroken(
                f"The conversation with {self._url} broke off ({_why(problem)});"
                " check that a trunkpulse answers there, and try again."
            ) from problem

    def _read(self, response: httpx2.Response) -> Document:
        try:
            value = response.json()
        except ValueError:
            value = None
        if response.is_success and value is not None:
            return Document(value)
        detail = value.get("detail") if isinstance(value, dict) else None
        status = response.status_code
        if not isinstance(detail, str) or not detail:
            raise CommandFailed(
                f"The server at {self._url} answered with status {status} and nothing that"
                " trunkpulse would say; check --url."
            )
        if status == 401:
            detail += " Give a token with --token or TRUNKPULSE_TOKEN."
        if status in _AWAY_STATUSES:
            raise ConnectionBroken(printable(detail))
        failure = WrongUsage if status in _USAGE_STATUSES else CommandFailed
        raise failure(printable(detail))


def _why(problem: Exception) -> str:
    """What the system said, without the number it has for it."""
    return _ERROR_NUMBER.sub("", str(problem)) or type(problem).__name__


def segment(text: str) -> str:
    """An id as one segment of a path."""
    return quote(text, safe="")


def _given(query: Query | None) -> dict[str, str | int]:
    return {key: value for key, value in (query or {}).items() if value is not None}


# --- where the service is ------------------------------------------------------------------------


def over_api(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with the options that find the service instead of its first parameter."""

    @functools.wraps(command)
    def connected(
        *,
        url: str | None,
        token: str | None,
        config: Path | None,
        data: Path | None,
        as_json: bool,
        **own: object,
    ) -> None:
        del data  # the address is in the file
        token = token or os.environ.get("TRUNKPULSE_TOKEN") or None
        api = Api(_service_url(url, config), _checked_token(token), as_json=as_json)
        try:
            command(api, **own)
        finally:
            api.close()

    _, *parameters = inspect.signature(command, eval_str=True).parameters.values()
    parameters += inspect.signature(_connection_options, eval_str=True).parameters.values()
    # Typer reads a command's options from its signature.
    connected.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    connected.__annotations__ = {each.name: each.annotation for each in parameters}
    return connected


def _connection_options(
    *,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help=f"Where the service is; otherwise TRUNKPULSE_URL, or {DEFAULT_URL}.",
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(metavar="TOKEN", help="An access token; otherwise TRUNKPULSE_TOKEN."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Find the service by its configuration file."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIRECTORY", help="As for 'serve', beside --config; the address needs no data."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the API's JSON.")] = False,
) -> None:
    """The options that ``over_api`` adds."""


def _service_url(url: str | None, config: Path | None) -> str:
    if url and config:
        raise WrongUsage("--url and --config both say where the service is; give one of them.")
    if config is not None:
        return _url_of_file(config)
    url = (url or os.environ.get("TRUNKPULSE_URL") or DEFAULT_URL).rstrip("/")
    if not _is_service_url(url):
        raise WrongUsage(
            f"{shown(url)} is not where a service can be; write it like {DEFAULT_URL}."
        )
    return url


def _is_service_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    extra = parts.username or parts.password or parts.query or parts.fragment
    legal = url.isascii() and url.isprintable() and " " not in url
    return bool(
        legal and parts.scheme in {"http", "https"} and parts.hostname and port != 0 and not extra
    )


def _url_of_file(file: Path) -> str:
    """Where the API of this configuration listens; its secrets are not needed for that."""
    try:
        section = read_document(file).get("api", {})
    except ConfigError as error:
        raise WrongUsage(str(error)) from error
    listen = section.get("listen") if isinstance(section, dict) else None
    if listen is None:
        return DEFAULT_URL
    key = f"{printable(str(file))}: api.listen"
    if not isinstance(listen, str):
        raise WrongUsage(f"{key} must be a text in quotes, not {shown(listen)}.")
    try:
        host, port = api_address(listen)
    except ValueError as problem:
        raise WrongUsage(f"{key} {problem}.") from problem
    if port == 0:
        raise WrongUsage(f"{key} lets the system choose the port; say with --url which it chose.")
    return f"http://{host_and_port(host, port)}"


def _checked_token(token: str | None) -> str | None:
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
        raise WrongUsage(
            f"The token ({amount(len(token), 'character')}) holds white space or characters that"
            " no token has; copy it again."
        )
    return token


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
