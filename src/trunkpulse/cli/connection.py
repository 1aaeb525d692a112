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
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import quote, urlsplit

import typer

from trunkpulse.cli.document import Document
from trunkpulse.cli.errors import CommandFailed, WrongUsage
from trunkpulse.cli.whereabouts import DEFAULT_URL, Asked, Whereabouts
from trunkpulse.config.wording import printable

if TYPE_CHECKING:
    import httpx2

__all__ = ["Api", "ConnectionBroken", "Query", "connected_by", "over_api", "segment"]

_DEADLINE_SECONDS: Final = 15.0
_SILENCE_SECONDS: Final = 60.0
"""A live stream sends a comment far more often than this."""
_USAGE_STATUSES: Final = frozenset({400, 415, 422})
_AWAY_STATUSES: Final = frozenset({429, 502, 503, 504})
"""It may well answer soon."""
_PAGE: Final = 1000
_ERROR_NUMBER: Final = re.compile(r"\[Errno -?\d+\] ")

_REQUEST_PART: Final = re.compile(r"(^|; )(?:body|query)\.")
_LIST_ENTRY: Final = re.compile(r"(^|; )(?:body|query)\.([A-Za-z]+)\.(\d+)(?=\s)")

Query = Mapping[str, str | int | None]


class ConnectionBroken(CommandFailed):
    """The service does not answer, or stopped in the middle; it may be back soon."""


class Api:
    """A conversation with one service; every failure is a ``CommandFailed`` in one sentence."""

    def __init__(
        self, url: str, token: str | None, *, as_json: bool, certificate: str | None = None
    ) -> None:
        """``certificate`` is the file of the only one to trust; None: what this machine trusts."""
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
            # No proxy leads back to this machine.
            trust_env=certificate is None and not _is_loopback(host),
            verify=True if certificate is None else _trusting(certificate),
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

    def get_with_etag(self, path: str) -> tuple[Document, str | None]:
        """The document at ``path``, and its entity tag for ``put``."""
        with self._failures():
            response = self._client.get(path)
            return self._read(response), response.headers.get("etag")

    def put(
        self, path: str, body: Mapping[str, object], *, if_match: str | None = None
    ) -> Document:
        """What the service answers when ``body`` takes the place of what is at ``path``."""
        with self._failures():
            headers = {"if-match": if_match} if if_match else {}
            return self._read(self._client.put(path, json=body, headers=headers))

    def lines(self, path: str, query: Query | None = None) -> Iterator[str]:
        """The lines of a text, as they come in."""
        with (
            self._failures(),
            self._client.stream("GET", path, params=_given(query)) as response,
        ):
            if response.is_error:
                response.read()
                self._read(response)
            yield from response.iter_lines()

    def patch(
        self, path: str, body: Mapping[str, object], *, if_match: str | None = None
    ) -> Document:
        """What the service answers to a JSON Merge Patch (RFC 7396)."""
        with self._failures():
            headers = {"content-type": "application/merge-patch+json"}
            if if_match:
                headers["if-match"] = if_match
            content = json.dumps(body).encode()
            return self._read(self._client.patch(path, content=content, headers=headers))

    def download(self, path: str, query: Query | None = None) -> Iterator[bytes]:
        """What is at ``path`` as it comes, however much it is."""
        with (
            self._failures(),
            self._client.stream("GET", path, params=_given(query)) as response,
        ):
            if response.is_error:
                response.read()
                self._read(response)
            yield from response.iter_bytes()

    def upload(
        self,
        path: str,
        content: bytes,
        media_type: str,
        query: Query | None = None,
        *,
        deadline_seconds: float = _DEADLINE_SECONDS,
    ) -> Document:
        """What the service answers to a list of things; every line of it that is wrong is told."""
        with self._failures():
            response = self._client.post(
                path,
                content=content,
                params=_given(query),
                headers={"content-type": media_type},
                timeout=deadline_seconds,
            )
            if response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY:
                raise WrongUsage(printable_lines(response.json()))
            return self._read(response)

    def delete(self, path: str, *, deadline_seconds: float = _DEADLINE_SECONDS) -> None:
        """Have what is at ``path`` deleted."""
        with self._failures():
            response = self._client.delete(path, timeout=deadline_seconds)
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
        except UnicodeEncodeError as problem:
            raise WrongUsage(
                "What was given holds bytes that are not UTF-8, which no request can carry; write"
                " it anew in that encoding."
            ) from problem
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
            detail += (
                " Give a token with --token or TRUNKPULSE_TOKEN, or, on the machine itself,"
                " --config or --data."
            )
        if status in _AWAY_STATUSES:
            raise ConnectionBroken(printable(detail))
        failure = WrongUsage if status in _USAGE_STATUSES else CommandFailed
        raise failure(printable(_of_a_command(detail)))


def _of_a_command(detail: str) -> str:
    """``detail`` without the parts of a request, which nobody who gives a command has seen."""
    detail = _LIST_ENTRY.sub(lambda at: f"{at[1]}entry {int(at[3]) + 1} of {at[2]}", detail)
    return _REQUEST_PART.sub(r"\1", detail)


def _why(problem: Exception) -> str:
    """What the system said, without the number it has for it."""
    return _ERROR_NUMBER.sub("", str(problem)) or type(problem).__name__


def printable_lines(problem: object) -> str:
    """Each detail of a problem on a line of its own."""
    found = Document(problem)
    errors = found.documents("errors") if "errors" in found.members else []
    details = [each.text("detail") for each in errors] or [found.text("detail")]
    more = found.number_or_none("total")
    if more is not None and more > len(details):
        details.append(f"There are {more - len(details):,.0f} more.")
    return "\n".join(map(printable, details))


def _trusting(file: str) -> ssl.SSLContext:
    """Trusts the certificate in ``file``, whoever made it and whatever name it has."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(file)
    except OSError as problem:
        raise WrongUsage(
            f"The certificate of the API, {printable(file)}, cannot be read; run this as the user "
            "that trunkpulse runs as, or say with --url where it is."
        ) from problem
    return context


def segment(text: str) -> str:
    """An id as one segment of a path."""
    return quote(text, safe="")


def _given(query: Query | None) -> dict[str, str | int]:
    return {key: value for key, value in (query or {}).items() if value is not None}


# --- where the service is ------------------------------------------------------------------------


def over_api(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with the options that find the service instead of its first parameter."""
    return connected_by(lambda asked: nullcontext(Whereabouts.of(asked)), command)


def connected_by(
    connect: Callable[[Asked], AbstractContextManager[Whereabouts]],
    command: Callable[..., None],
) -> Callable[..., None]:
    """``command`` with these options too; ``connect`` says for how long the service is where."""

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
        asked = Asked(url=url, token=token, config=config, data=data).or_by_environment()
        with connect(asked) as place:
            api = Api(place.url, place.token, as_json=as_json, certificate=place.certificate)
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
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help="On the machine itself: find the service by its configuration file, and get in"
            " without a token; otherwise TRUNKPULSE_CONFIG.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIRECTORY",
            help="The folder of its database, as for 'serve'; beside --config or instead of it.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the API's JSON.")] = False,
) -> None:
    """The options that ``over_api`` adds."""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
