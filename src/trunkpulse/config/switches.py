"""``[[switches]]``: what runs calls already and is told which of its ways out are alive."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, Self
from urllib.parse import urlsplit

from trunkpulse.sip.errors import Ungrammatical
from trunkpulse.sip.grammar import host_and_port, split_sent_by

__all__ = ["LINKS", "LastOfGroup", "Link", "SwitchSettings", "SwitchType", "SwitchUrl"]

_LONGEST_CHARACTERS = 1024
_PATH = re.compile(r"/[\x21-\x7e]*")
_LONGEST_SOCKET_BYTES = 107
"""Of a Unix socket's path; the system takes no longer ones."""


class SwitchType(StrEnum):
    """Which program it is."""

    KAMAILIO = "kamailio"
    OPENSIPS = "opensips"
    FREESWITCH = "freeswitch"
    ASTERISK = "asterisk"

    @property
    def by_address(self) -> bool:
        """True if it has lists of addresses, in groups, and does not know our trunks by name."""
        return self in {SwitchType.KAMAILIO, SwitchType.OPENSIPS}


class LastOfGroup(StrEnum):
    """What becomes of the last entry of a group that would go down."""

    FAIL = "fail"
    """It goes down like any other: calls fail at once instead of after a while."""
    KEEP_LAST = "keep_last"
    """It stays up."""


class Link(NamedTuple):
    """How a type of switch is reached over one kind of address."""

    default_port: int | None
    """None: there is no usual port (or there are no ports)."""
    default_path: str = ""
    example: str = ""


LINKS: Final = {
    SwitchType.KAMAILIO: {
        "http": Link(80, "/RPC", "http://127.0.0.1:5060/RPC"),
        "https": Link(443, "/RPC", "https://kamailio.example.com/RPC"),
        "tcp": Link(2049, example="tcp:127.0.0.1:2049"),
        "udp": Link(2049, example="udp:127.0.0.1:2049"),
        "unix": Link(None, example="unix:/run/kamailio/kamailio_ctl"),
    },
    SwitchType.OPENSIPS: {
        "http": Link(8888, "/mi", "http://127.0.0.1:8888/mi"),
        "https": Link(443, "/mi", "https://opensips.example.com/mi"),
        "udp": Link(8080, example="udp:127.0.0.1:8080"),
    },
    SwitchType.FREESWITCH: {"tcp": Link(8021, example="tcp:127.0.0.1:8021")},
    SwitchType.ASTERISK: {
        "tcp": Link(5038, example="tcp:127.0.0.1:5038"),
        "tls": Link(5039, example="tls:asterisk.example.com:5039"),
    },
}
"""What may stand before the colon of ``url``, for each type."""


@dataclass(frozen=True, slots=True)
class SwitchUrl:
    """Where a switch is told: ``http://HOST:PORT/PATH``, ``tcp:HOST:PORT``, ``unix:/PATH``."""

    scheme: str
    """One of those in ``LINKS``."""
    host: str = ""
    """A name, or an address without brackets; empty with ``unix``."""
    port: int = 0
    """0 with ``unix``."""
    path: str = ""
    """Of HTTP, without a query (it may hold a secret, and this is shown), or of a Unix socket."""

    @classmethod
    def parse(cls, text: str, kind: SwitchType) -> Self:
        """Read what a file says; raises ValueError with what is allowed, after the key's name.

        The text may hold a password by mistake, so it is never repeated.
        """
        links = LINKS[kind]
        scheme, colon, rest = text.partition(":")
        scheme = scheme.lower()
        link = links.get(scheme)
        sound = text.isascii() and text.isprintable() and len(text) <= _LONGEST_CHARACTERS
        if not (colon and sound) or link is None:
            raise ValueError(_allowed(kind))
        if scheme == "unix":
            return cls(scheme, path=_socket_path(rest.removeprefix("//")))
        place, slash, path = rest.removeprefix("//").partition("/")
        web = scheme in {"http", "https"}
        if "@" in place:
            raise ValueError("must be without a user or password; write username and password")
        if (web and not rest.startswith("//")) or (slash and not web):
            raise ValueError(_allowed(kind))
        host, port = _host_and_port(place, kind)
        path = f"/{path}" if path else link.default_path
        if web and "?" in path:
            raise ValueError("must be without a query (the question mark and what follows it)")
        if web and (not _PATH.fullmatch(path) or urlsplit(f"//h{path}").fragment):
            raise ValueError(_allowed(kind))
        return cls(scheme, host, port or link.default_port or 0, path if web else "")

    def __str__(self) -> str:
        """As a file may write it; ``parse`` gives the same value back."""
        if self.scheme == "unix":
            return f"unix:{self.path}"
        slashes = "//" if self.path else ""
        return f"{self.scheme}:{slashes}{host_and_port(self.host, self.port)}{self.path}"


def _allowed(kind: SwitchType) -> str:
    examples = [f'"{link.example}"' for link in LINKS[kind].values()]
    listed = " or ".join([", ".join(examples[:-1]), examples[-1]] if examples[1:] else examples)
    return f"must be a text such as {listed} with type {kind.value}"


def _socket_path(path: str) -> str:
    if not path.startswith("/") or len(path) > _LONGEST_SOCKET_BYTES:
        raise ValueError(
            "must name a Unix socket by its whole path, such as "
            f'"unix:/run/kamailio/kamailio_ctl", of at most {_LONGEST_SOCKET_BYTES} characters'
        )
    return path


def _host_and_port(place: str, kind: SwitchType) -> tuple[str, int | None]:
    try:
        return split_sent_by(place)
    except Ungrammatical:
        raise ValueError(_allowed(kind)) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchSettings:
    """One switch of the configuration file."""

    id: str
    type: SwitchType
    url: SwitchUrl
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    """The absolute path of its authorities' file; None: those that this machine trusts."""
    stamp: tuple[int, ...] = ()
    """Of the files, so that renewed ones make other settings."""
    trunks: tuple[str, ...] = ()
    """Ids of the trunks that it is told of; empty: all."""
    groups: tuple[int, ...] = ()
    """Dispatcher sets that are looked after; empty: all. Only of what goes by address."""
    interval_seconds: float = 2.0
    """How often it is read back."""
    dry_run: bool = False
    """True: it is read, and what would be written is only said."""
    enabled: bool = True
    """False: it is not even connected to."""
    when_none_available: LastOfGroup = LastOfGroup.FAIL
    """Only of what has groups."""
