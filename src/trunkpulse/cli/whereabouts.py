"""Where the service is that a command talks to, and what lets the command in.

On the machine itself both are in a file beside the database, which the service writes at its start
(``adapters.machine_token``). The configuration file or the data folder leads there.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from trunkpulse.adapters.machine_token import (
    MachineToken,
    TokenFileUnreadable,
    machine_token_file,
)
from trunkpulse.cli.errors import WrongUsage
from trunkpulse.cli.output import amount
from trunkpulse.config.document import read_document
from trunkpulse.config.errors import ConfigError
from trunkpulse.config.settings import StorageSettings
from trunkpulse.config.values import api_address, sqlite_path
from trunkpulse.config.wording import printable, shown
from trunkpulse.sip.grammar import host_and_port

__all__ = ["DEFAULT_URL", "TOKEN_VARIABLE", "Asked", "Whereabouts", "database_of", "is_in_use"]

DEFAULT_URL: Final = "http://127.0.0.1:8080"
TOKEN_VARIABLE: Final = "TRUNKPULSE_TOKEN"  # noqa: S105 - its name
_URL_VARIABLE: Final = "TRUNKPULSE_URL"
_CONFIG_VARIABLE: Final = "TRUNKPULSE_CONFIG"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line says of where the service is."""

    url: str | None
    token: str | None
    config: Path | None
    data: Path | None

    @property
    def here(self) -> bool:
        """True if it is on this machine, by its configuration or its data."""
        return self.config is not None or self.data is not None

    def or_by_environment(self) -> Asked:
        """With TRUNKPULSE_CONFIG, if nothing else is said, on the command line or around it.

        Raises WrongUsage if that names a file which there is not.
        """
        said = (self.url, self.token, self.config, self.data)
        around = (os.environ.get(name) for name in (_URL_VARIABLE, TOKEN_VARIABLE))
        config = os.environ.get(_CONFIG_VARIABLE)
        if any(said) or any(around) or not config:
            return self
        file = Path(config)
        if not file.exists():
            # Most often a relative path that was set in another folder.
            raise WrongUsage(
                f"{_CONFIG_VARIABLE} names {printable(config)}, which is not there; set it to the"
                " whole path of the configuration file."
            )
        return replace(self, config=file)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where it is, and what lets one in."""

    url: str
    token: str | None
    certificate: str | None = None
    """The file of the only one to trust; None: what this machine trusts."""

    @classmethod
    def of(cls, asked: Asked) -> Whereabouts:
        """Raises WrongUsage."""
        own = _checked_token(asked.token)
        given = _checked_token(os.environ.get(TOKEN_VARIABLE) or None)
        if not asked.here:
            url, token = _url_of(asked.url), own or given
            if token is not None and not _is_private(url):
                raise WrongUsage(
                    f"{shown(url)} would have the token sent in the clear, for everybody on the way"
                    " to read; use https://."
                )
            return cls(url, token)
        if asked.url:
            raise WrongUsage(
                "--url says where the service is, and so do --config and --data; give one of them."
            )
        try:
            machine = MachineToken.read(machine_token_file(database_of(asked)))
        except TokenFileUnreadable as problem:
            if own is None and given is None:
                raise WrongUsage(str(problem)) from problem
            machine = None
        if machine is not None:
            return cls(machine.url, own or machine.token, machine.certificate)
        return cls(_url_without_a_file(asked), own or given)


def database_of(asked: Asked) -> Path:
    """Where the database of the service is; raises WrongUsage."""
    if asked.config is None:
        assert asked.data is not None
        return StorageSettings().database(asked.data)
    folder = asked.config.parent
    url = _section(asked.config, "storage").get("url")
    if url is None:
        return StorageSettings().database(asked.data or folder)
    key = f"{printable(str(asked.config))}: storage.url"
    if not isinstance(url, str):
        raise WrongUsage(f"{key} must be a text in quotes.")
    try:
        return folder / sqlite_path(url)
    except ValueError as problem:
        raise WrongUsage(f"{key} {problem}.") from problem


def is_in_use(database: Path) -> bool:
    """True if a trunkpulse runs on it; see ``app.composition.alone_with``."""
    try:
        with Path(f"{database}.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _url_of(url: str | None) -> str:
    url = (url or os.environ.get(_URL_VARIABLE) or DEFAULT_URL).rstrip("/")
    if not _is_service_url(url):
        raise WrongUsage(
            f"{shown(url)} is not where a service can be; write it like {DEFAULT_URL}."
        )
    return url


def _is_private(url: str) -> bool:
    """True if nobody between here and there can read what is sent."""
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


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


def _url_without_a_file(asked: Asked) -> str:
    """Where the configuration has the API listen; its secrets are not needed for that."""
    if asked.config is None:
        raise WrongUsage(
            f"No trunkpulse runs with its data in {printable(str(asked.data))}; start it, or name "
            "the folder of its database."
        )
    section = _section(asked.config, "api")
    listen = section.get("listen")
    if listen is None:
        return DEFAULT_URL
    key = f"{printable(str(asked.config))}: api.listen"
    if not isinstance(listen, str):
        raise WrongUsage(f"{key} must be a text in quotes, not {shown(listen)}.")
    try:
        host, port = api_address(listen)
    except ValueError as problem:
        raise WrongUsage(f"{key} {problem}.") from problem
    if port == 0:
        raise WrongUsage(
            f"{key} lets the system choose the port, and no running trunkpulse has written down "
            "which; start it, or say with --data where its database is."
        )
    address = ipaddress.ip_address(host)
    if address.is_unspecified:  # everywhere, so also here
        host = "127.0.0.1" if address.version == 4 else "::1"
    scheme = "http" if section.get("tls") is None else "https"
    return f"{scheme}://{host_and_port(host, port)}"


def _section(file: Path, name: str) -> Mapping[str, object]:
    try:
        section = read_document(file).get(name)
    except ConfigError as error:
        raise WrongUsage(str(error)) from error
    return section if isinstance(section, Mapping) else {}


def _checked_token(token: str | None) -> str | None:
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
        raise WrongUsage(
            f"The token ({amount(len(token), 'character')}) holds white space or characters that"
            " no token has; copy it again."
        )
    return token
