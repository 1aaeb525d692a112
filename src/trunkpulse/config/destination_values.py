"""What may stand at the keys of a destination of events, whoever wrote it: the file or the API.

Each function takes one value and gives what it stands for, or raises ValueError with what is
allowed, phrased to be read after the key's name: "must be …". What may be a secret, or hold one,
is never repeated.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from urllib.parse import SplitResult, urlsplit

from trunkpulse.config.wording import either, shown

__all__ = [
    "OPTIONS",
    "Option",
    "OptionValue",
    "apprise_urls",
    "broker_url",
    "kafka_url",
    "routing_key",
    "service_url",
    "text_secret",
    "web_headers",
    "webhook_secret",
    "webhook_url",
]

OptionValue = str | int | float | bool

_URL = re.compile(r"[\x21-\x7e]{1,2048}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,4094}[\x21-\x7e])?")
_ROUTING_KEY = re.compile(r"[A-Za-z0-9]{32}")
_WEBHOOK_PREFIX = "whsec_"
_MOST_HEADERS = 32
_LONGEST_SECRET = 4096
_MOST_APPRISE_URLS = 32
_OURS = frozenset(
    {
        *("accept-encoding", "connection", "content-length", "content-type", "expect", "host"),
        *("keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer"),
        *("transfer-encoding", "upgrade", "user-agent"),
    }
)
"""Headers of the connection and of the delivery itself."""


def webhook_url(url: str) -> str:
    """An http or https URL; it may hold a token."""
    allowed = 'must be a URL such as "https://example.com/hook"'
    _web_url(url, allowed)
    return url


def service_url(url: str) -> str:
    """The http or https URL of a server, without a path."""
    allowed = 'must be a URL such as "https://example.service-now.com"'
    parts = _web_url(url, allowed)
    if parts.path not in {"", "/"} or parts.query:
        raise ValueError(f"{allowed}, without a path behind the host")
    return url


def _web_url(url: str, allowed: str) -> SplitResult:
    parts = _split(url, allowed)
    if parts.scheme not in {"http", "https"}:
        raise ValueError(f"{allowed}, that begins with http:// or https://")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"{allowed}, without a user name or password; sign with a secret instead")
    return parts


def broker_url(*schemes: str, example: str) -> Callable[[str], str]:
    """The URL of a message broker with one of these schemes."""
    allowed = f'must be a URL such as "{example}"'

    def parse(url: str) -> str:
        parts = _split(url, allowed)
        if parts.scheme not in schemes:
            raise ValueError(
                f"{allowed}, that begins with {either(f'{scheme}://' for scheme in schemes)}"
            )
        if parts.password is not None:
            raise ValueError(f"{allowed}, without a password; that is the secret")
        if parts.query:
            raise ValueError(f"{allowed}, without a question mark and what follows it")
        return url

    return parse


def kafka_url(url: str) -> str:
    """One broker of a cluster or several: ``kafka://host:port,host2:port2``."""
    allowed = 'must be a URL such as "kafka://kafka1.example.com:9092,kafka2.example.com:9092"'
    scheme, separator, hosts = url.partition("://")
    if scheme != "kafka" or not separator or not _URL.fullmatch(url):
        raise ValueError(f"{allowed}, that begins with kafka://")
    for host in hosts.rstrip("/").split(","):
        parts = _split(f"kafka://{host}", allowed)
        if parts.username is not None or parts.path or parts.query:
            raise ValueError(f"{allowed}, each host with or without its port and with nothing else")
    return url


def _split(url: str, allowed: str) -> SplitResult:
    if not _URL.fullmatch(url):
        raise ValueError(f"{allowed}, of at most 2048 ASCII characters and no white space")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"{allowed}, with a legal host and port") from None
    if parts.scheme and (not host or port == 0 or not _is_web_host(host)):
        raise ValueError(f"{allowed}, with a legal host and port")
    if parts.fragment:
        raise ValueError(f"{allowed}, without a fragment (#…)")
    return parts


def _is_web_host(host: str) -> bool:
    """False for what looks like an IPv4 address and is none (WHATWG URL 3.5)."""
    if not host.rsplit(".", 1)[-1].isdigit():
        return True
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def webhook_secret(secret: str) -> str:
    """A signing key of Standard Webhooks 1.0."""
    try:
        key = base64.b64decode(secret.removeprefix(_WEBHOOK_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_WEBHOOK_PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError(
            "must be a secret of Standard Webhooks: "
            f'"{_WEBHOOK_PREFIX}" followed by 24 to 64 random bytes in base64'
        )
    return secret


def routing_key(secret: str) -> str:
    """The integration key of a PagerDuty service, which has 32 characters."""
    if not _ROUTING_KEY.fullmatch(secret):
        raise ValueError(
            "must be the routing key of a PagerDuty service: 32 letters and digits, shown under "
            "Integrations as its integration key"
        )
    return secret


def text_secret(secret: str) -> str:
    """A password or a token."""
    if not secret.isprintable() or not 1 <= len(secret) <= _LONGEST_SECRET:
        raise ValueError(
            f"must be one line of at most {_LONGEST_SECRET} printable characters: a password or "
            "a token"
        )
    return secret


def apprise_urls(secret: str) -> str:
    """Apprise URLs, one a line."""
    urls = secret.split()
    if not 1 <= len(urls) <= _MOST_APPRISE_URLS or any(
        not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://[\x21-\x7e]{0,4000}", url) for url in urls
    ):
        raise ValueError(
            f'must be Apprise URLs such as "slack://…" or "mailtos://…", one a line and '
            f"{_MOST_APPRISE_URLS} at most"
        )
    return secret


def web_headers(headers: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Headers that every delivery carries on top of its own; a value may be a token."""
    if len(headers) > _MOST_HEADERS:
        raise ValueError(f"must hold at most {_MOST_HEADERS} headers, not {len(headers)}")
    checked: dict[str, tuple[str, str]] = {}
    for name, value in headers.items():
        lower = name.lower()
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"must hold names of headers, and {shown(name)} is none")
        if lower in _OURS or lower.startswith("webhook-"):
            raise ValueError(f"must hold other headers than {shown(name)}, which is set already")
        if lower in checked:
            raise ValueError(f"must hold each header once, but {shown(name)} is there twice")
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(
                "must hold texts of 1 to 4096 printable ASCII characters, but the value of "
                f"{shown(name)} is not one"
            )
        checked[lower] = (name, value)
    return tuple(checked.values())


class Option:
    """How the value of one option is read, and how a sentence names what is allowed."""

    def __init__(self, phrase: str, is_allowed: Callable[[object], bool]) -> None:
        self.phrase = phrase
        self._is_allowed = is_allowed

    def __call__(self, value: object) -> OptionValue:
        if not isinstance(value, str | int | float) or not self._is_allowed(value):
            raise ValueError(f"must be {self.phrase}, not {shown(value)}")
        return value


def _text(longest: int, pattern: str = ".") -> Callable[[object], bool]:
    legal = re.compile(f"(?:{pattern}){{1,{longest}}}")

    def is_allowed(value: object) -> bool:
        if not isinstance(value, str) or not value.isprintable() or value != value.strip():
            return False
        return legal.fullmatch(value) is not None

    return is_allowed


def _name(longest: int, phrase: str = "printable characters") -> Option:
    return Option(f"a text of 1 to {longest} {phrase}", _text(longest))


def _choice(*choices: str) -> Option:
    return Option(either(choices), lambda value: isinstance(value, str) and value in choices)


_SWITCH = Option("true or false", lambda value: isinstance(value, bool))


def _whole(least: int, most: int) -> Option:
    return Option(
        f"a whole number from {least} to {most}",
        lambda value: (
            isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        ),
    )


OPTIONS: Mapping[str, Option] = {
    "assignment_group": _name(100),
    "close_code": _name(100),
    "declare": _SWITCH,
    "exchange": _name(255),
    "key": _name(512),
    "max_length": _whole(1, 100_000_000),
    "mode": _choice("event", "incident"),
    "routing_key": _name(255),
    "sasl_mechanism": _choice("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
    "severity": _choice("critical", "error", "warning", "info"),
    "subject": Option(
        'the name of a subject such as "trunkpulse.events", without white space and wildcards',
        _text(255, r"[^\s*>]"),
    ),
    "tls": _SWITCH,
    "topic": Option(
        'a text of 1 to 249 letters, digits, ".", "_" and "-"', _text(249, r"[A-Za-z0-9._-]")
    ),
    "username": _name(128),
}
"""What destinations have of their own, by key; which types have which is in ``destinations``."""
