"""SIP and SIPS URIs (RFC 3261 §19.1): ``sip:user:password@host:port;parameters?headers``.

A value is checked when it is made, so whoever holds a ``SipUri`` may write it on the wire. What
is compared without case (scheme, host, parameter names) is kept in lower case; the rest, escapes
such as ``%23`` included, is kept as it was written.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Self

from trunkpulse.sip.errors import MalformedUri, Ungrammatical, shown
from trunkpulse.sip.grammar import (
    IPV4_PATTERN,
    Parameters,
    check_host,
    check_port,
    find_parameter,
    host_and_port,
    matched,
    split_sent_by,
    write_parameters,
)

__all__ = ["SipUri", "plain_address"]

_LONGEST_CHARACTERS = 1024
_ESCAPED = r"%[0-9A-Fa-f]{2}"
_UNRESERVED = r"A-Za-z0-9\-_.!~*'()"
# What most targets are. There may be a million of them, each in its canonical form already.
_PLAIN = re.compile(rf"(sips?):({IPV4_PATTERN}):([1-5][0-9]{{4}}|[1-9][0-9]{{0,3}})")
_USER = re.compile(rf"(?:[{_UNRESERVED}&=+$,;?/]|{_ESCAPED})+")
_PASSWORD = re.compile(rf"(?:[{_UNRESERVED}&=+$,]|{_ESCAPED})*")
_PARAMETER = re.compile(rf"(?:[{_UNRESERVED}\[\]/:&+$]|{_ESCAPED})+")
_HEADER_NAME = re.compile(rf"(?:[{_UNRESERVED}\[\]/?:+$]|{_ESCAPED})+")
_HEADER_VALUE = re.compile(rf"(?:[{_UNRESERVED}\[\]/?:+$]|{_ESCAPED})*")


def _check(pattern: re.Pattern[str], text: str, what: str) -> None:
    matched(pattern, text, f"{what} {shown(text)} is empty or holds a character to be escaped")


@dataclass(frozen=True, slots=True)
class SipUri:
    """A SIP or SIPS URI; making one that is not legal raises ``MalformedUri``."""

    scheme: str
    """"sip" or "sips"."""
    user: str | None
    """Escapes as written; None when there is none."""
    password: str | None
    host: str
    """Lower case; an IPv6 address stands without its brackets, ready for a resolver."""
    port: int | None = None
    """None when not written: a name without a port is looked up by SRV (RFC 3263)."""
    parameters: Parameters = ()
    """``(name, value)`` in order, names in lower case, value None for a flag such as ``lr``."""
    headers: tuple[tuple[str, str], ...] = ()
    """What follows the question mark; never part of a request line."""

    def __post_init__(self) -> None:
        try:
            self._settle()
        except Ungrammatical as problem:
            raise MalformedUri(f"{shown(str(self))} is not a SIP URI: {problem}") from None

    def _settle(self) -> None:
        """Check every field and bring it into its canonical form."""
        if self.scheme not in {"sip", "sips"}:
            raise Ungrammatical(f"the scheme is {shown(self.scheme)}, not sip or sips")
        if self.user is not None:
            _check(_USER, self.user, "user")
        if self.password is not None:
            if self.user is None:
                raise Ungrammatical("it has a password but no user")
            _check(_PASSWORD, self.password, "password")
        object.__setattr__(self, "host", check_host(self.host))
        if self.port is not None:
            check_port(self.port)
        for name, value in self.parameters:
            _check(_PARAMETER, name, "parameter name")
            if value is not None:
                _check(_PARAMETER, value, "parameter value")
        parameters = tuple((name.lower(), value) for name, value in self.parameters)
        object.__setattr__(self, "parameters", parameters)
        if len({name for name, _ in parameters}) < len(parameters):
            raise Ungrammatical("a parameter is given twice")
        for name, value in self.headers:
            _check(_HEADER_NAME, name, "header name")
            _check(_HEADER_VALUE, value, "header value")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URI; raises ``MalformedUri`` with one sentence that names text and reason."""
        plain = _PLAIN.fullmatch(text)
        if plain is not None:
            return cls._plain(*plain.groups())
        try:
            fields = _split(text)
        except Ungrammatical as problem:
            raise MalformedUri(f"{shown(text)} is not a SIP URI: {problem}") from None
        return cls(*fields)

    @classmethod
    def _plain(cls, scheme: str, host: str, port: str) -> Self:
        """A URI of parts that are known to be right, without checking each once more."""
        uri = object.__new__(cls)
        put = object.__setattr__
        put(uri, "scheme", scheme)
        put(uri, "user", None)
        put(uri, "password", None)
        put(uri, "host", host)
        put(uri, "port", _port(port))
        put(uri, "parameters", ())
        put(uri, "headers", ())
        return uri

    def __str__(self) -> str:
        """The canonical form; ``parse`` gives the same value back."""
        user = "" if self.user is None else self.user
        if self.password is not None:
            user += ":" + self.password
        if self.user is not None:
            user += "@"
        headers = "&".join(f"{name}={value}" for name, value in self.headers)
        return (
            f"{self.scheme}:{user}{host_and_port(self.host, self.port)}"
            f"{write_parameters(self.parameters)}{'?' if headers else ''}{headers}"
        )

    @property
    def transport(self) -> str:
        """The transport parameter in lower case; without one "udp", or "tls" for sips."""
        named = find_parameter(self.parameters, "transport")
        if self.scheme == "sips" and (named or "tcp").lower() == "tcp":
            # sips with transport=tcp is TLS over TCP (RFC 3261 §26.2.2).
            return "tls"
        return (named or "udp").lower()

    @property
    def effective_port(self) -> int:
        """The port as written, or the default: 5061 over TLS, otherwise 5060."""
        if self.port is not None:
            return self.port
        return 5061 if self.scheme == "sips" or self.transport == "tls" else 5060


def plain_address(text: str) -> tuple[str, int] | None:
    """Address and port of a URI that is ``sip:IPV4:PORT`` and nothing else, None of any other.

    The same as ``parse`` would find, for those who ask of a million.
    """
    found = _PLAIN.fullmatch(text)
    if found is None or found[1] != "sip":
        return None
    return found[2], _port(found[3])


@functools.lru_cache(maxsize=1024)
def _port(text: str) -> int:
    """The number itself, as one object: a million targets have few ports."""
    return int(text)


_Fields = tuple[
    str, str | None, str | None, str, int | None, Parameters, tuple[tuple[str, str], ...]
]


def _split(text: str) -> _Fields:
    """The fields of ``SipUri`` in order; which characters they may hold is checked there."""
    if len(text) > _LONGEST_CHARACTERS:
        raise Ungrammatical(f"it is longer than {_LONGEST_CHARACTERS} characters")
    if any(character in text for character in " \t\r\n"):
        raise Ungrammatical("it holds white space")
    scheme, colon, rest = text.partition(":")
    if not colon or scheme.lower() not in {"sip", "sips"}:
        raise Ungrammatical("it does not begin with sip: or sips:")
    # No part after the user may hold an "@", and a user may hold ";" and "?": look for it first.
    user, at, rest = rest.rpartition("@")
    name, has_password, password = user.partition(":")
    rest, question, header_text = rest.partition("?")
    sent_by, *parameter_texts = rest.split(";")
    host, port = split_sent_by(sent_by)
    parameters: list[tuple[str, str | None]] = []
    for parameter in parameter_texts:
        key, equals, value = parameter.partition("=")
        parameters.append((key, value if equals else None))
    headers: list[tuple[str, str]] = []
    for header in header_text.split("&") if question else ():
        key, equals, value = header.partition("=")
        if not equals:
            raise Ungrammatical(f"header {shown(header)} has no value")
        headers.append((key, value))
    return (
        scheme.lower(),
        name if at else None,
        password if has_password else None,
        host,
        port,
        tuple(parameters),
        tuple(headers),
    )
