"""The smallest pieces of SIP: tokens, quoted strings, hosts, ports, parameters (RFC 3261 §25).

A check returns what it accepts and raises ``Ungrammatical`` with the reason alone; whoever knows
where the text stood puts the place in front. White space is space and tab and a digit is an ASCII
digit: ``str.strip`` and ``str.isdigit`` know more of both than SIP does, and are not used bare.
"""

from __future__ import annotations

import ipaddress
import re

from trunkpulse.sip.errors import Ungrammatical, shown

__all__ = [
    "BLANK",
    "IPV4_PATTERN",
    "Parameters",
    "check_host",
    "check_line",
    "check_parameters",
    "check_port",
    "check_range",
    "check_token",
    "find_parameter",
    "host_and_port",
    "is_ipv4",
    "is_token",
    "matched",
    "parse_number",
    "parse_parameters",
    "quote",
    "split_outside_quotes",
    "split_sent_by",
    "unquote",
    "write_parameters",
]

BLANK = " \t"
"""White space within a line."""

Parameters = tuple[tuple[str, str | None], ...]
"""``;name=value`` and ``;flag`` (value None) in order; a quoted value keeps its quotes."""

_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
# Underscores are not in the RFC's host names, but they are in real networks' (container names).
_HOST_NAME = re.compile(
    r"(?=.{1,253}\.?\Z)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
    r"(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?"
)
_LOOKS_LIKE_IPV4 = re.compile(r"[0-9.]+")
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
IPV4_PATTERN = rf"(?:{_OCTET}\.){{3}}{_OCTET}"
"""An IPv4 address, for use within a regular expression."""
_IPV4 = re.compile(IPV4_PATTERN)
_IPV6_CHARACTERS = re.compile(r"[0-9A-Fa-f:.]+")
# RFC 3261 §25 lets an IPv4 tail follow a third colon; RFC 5118 §4.10 asks to read it as two.
_THIRD_COLON = re.compile(r":::(?=[0-9]+\.)")
_DIGITS = re.compile(r"[0-9]{1,10}")
_LINE_BREAKS = re.compile(r"[\r\n\ud800-\udc7f\udd00-\udfff]")
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_NEEDS_ESCAPE = re.compile(r'(["\\])')
# Possessive, so that hostile input costs one pass.
_QUOTED = r'"(?:[^"\\]++|\\.)*+"'
_WHOLE_QUOTED = re.compile(_QUOTED, re.DOTALL)
_PIECES = re.compile(rf'{_QUOTED}|<[^>]*+>|[^"<,;]++|[,;]', re.DOTALL)
_OPAQUE_VALUE = re.compile(r"[^\s\",;<>\x00-\x20\x7f]+")
_BRACKETED = re.compile(r"(\[[^\]]*\])[ \t]*(?::(.*))?", re.DOTALL)


def is_token(text: str) -> bool:
    """True if ``text`` is one token: a method, a header name, a parameter name."""
    return _TOKEN.fullmatch(text) is not None


def check_token(text: str, what: str) -> str:
    """``text`` itself if it is a token; ``what`` names it in the error."""
    if not is_token(text):
        raise Ungrammatical(f"{what} {shown(text)} is not a token")
    return text


def check_line(text: str, what: str) -> str:
    """``text`` itself if it stays on its line and can be put into bytes again."""
    if _LINE_BREAKS.search(text):
        raise Ungrammatical(f"{what} {shown(text)} holds a line break or half a character")
    return text


def matched(pattern: re.Pattern[str], text: str, complaint: str) -> re.Match[str]:
    """The match of all of ``text``; ``complaint`` is the reason if there is none."""
    match = pattern.fullmatch(text)
    if match is None:
        raise Ungrammatical(complaint)
    return match


def check_host(host: str) -> str:
    """The canonical form of a host: lower-case name, IPv4, or IPv6 address without brackets."""
    if ":" in host:
        # Only these characters: the ipaddress module also knows zone identifiers, SIP does not.
        if _IPV6_CHARACTERS.fullmatch(host):
            try:
                return str(ipaddress.IPv6Address(_THIRD_COLON.sub("::", host)))
            except ValueError:
                pass
        raise Ungrammatical(f"{shown(host)} is not an IPv6 address")
    if _LOOKS_LIKE_IPV4.fullmatch(host):
        if _IPV4.fullmatch(host):
            return host
        raise Ungrammatical(f"{shown(host)} is not an IPv4 address")
    if not _HOST_NAME.fullmatch(host):
        raise Ungrammatical(f"{shown(host)} is not a host name or address")
    return host.lower()


def is_ipv4(host: str) -> bool:
    """True if ``host``, in its canonical form, is an IPv4 address: no name looks like one."""
    return _LOOKS_LIKE_IPV4.fullmatch(host) is not None


def parse_number(text: str, what: str, *, lowest: int, highest: int) -> int:
    """A decimal number of at most ten digits within the limits, both inclusive."""
    if not _DIGITS.fullmatch(text):
        raise Ungrammatical(f"{what} {shown(text)} is not a number")
    return check_range(int(text), what, lowest=lowest, highest=highest)


def check_range(number: int, what: str, *, lowest: int, highest: int) -> int:
    """``number`` itself if it is within the limits, both inclusive."""
    if not lowest <= number <= highest:
        raise Ungrammatical(f"{what} {number} is not between {lowest} and {highest}")
    return number


def check_port(port: int) -> int:
    """``port`` itself if it is between 1 and 65535."""
    return check_range(port, "port", lowest=1, highest=65535)


def split_sent_by(text: str) -> tuple[str, int | None]:
    """``host``, ``host:port``, ``[v6]`` or ``[v6]:port``, the host checked and canonical.

    >>> split_sent_by("[::1]:5060")
    ('::1', 5060)
    """
    if text.startswith("["):
        bracketed = _BRACKETED.fullmatch(text)
        # A colon, because [example.com] and [192.0.2.1] are no IPv6 references.
        if bracketed is None or ":" not in bracketed[1]:
            raise Ungrammatical(f"{shown(text)} is not an IPv6 address in brackets")
        host, port = bracketed[1][1:-1], bracketed[2]
    else:
        host, colon, rest = text.partition(":")
        if ":" in rest:
            raise Ungrammatical(f"{shown(text)} has a colon too many; is it IPv6 without brackets?")
        host, port = host.rstrip(BLANK), rest if colon else None
    if port is None:
        return check_host(host), None
    return check_host(host), parse_number(port.strip(BLANK), "port", lowest=1, highest=65535)


def host_and_port(host: str, port: int | None) -> str:
    """The inverse of ``split_sent_by``."""
    written = f"[{host}]" if ":" in host else host
    return written if port is None else f"{written}:{port}"


def split_outside_quotes(text: str, separator: str) -> list[str]:
    """``text`` cut at each comma or semicolon outside quoted strings and angle brackets.

    >>> split_outside_quotes('"a,b" <sip:x,y>, c', ",")
    ['"a,b" <sip:x,y>', 'c']
    """
    parts: list[str] = []
    start = position = 0
    while position < len(text):
        piece = _PIECES.match(text, position)
        if piece is None:
            raise Ungrammatical(f"{shown(text[position:])} is opened and never closed")
        if piece[0] == separator:
            parts.append(text[start:position].strip(BLANK))
            start = piece.end()
        position = piece.end()
    parts.append(text[start:].strip(BLANK))
    return parts


def quote(text: str) -> str:
    """``text`` as a quoted string."""
    return '"' + _NEEDS_ESCAPE.sub(r"\\\1", text) + '"'


def unquote(text: str) -> str:
    """The inverse of ``quote``; quoted pairs lose their backslash."""
    if not _WHOLE_QUOTED.fullmatch(text):
        raise Ungrammatical(f"{shown(text)} is not a quoted string")
    return _QUOTED_PAIR.sub(r"\1", text[1:-1])


def parse_parameters(parts: list[str]) -> Parameters:
    """``name=value`` and ``flag`` pieces, white space around the equals sign allowed.

    Values stay opaque: a branch or tag is compared byte by byte, so nothing in it is decoded.
    """
    parameters: list[tuple[str, str | None]] = []
    for part in parts:
        name, equals, value = part.partition("=")
        parameters.append((name.rstrip(BLANK), value.lstrip(BLANK) if equals else None))
    return check_parameters(tuple(parameters))


def check_parameters(parameters: Parameters) -> Parameters:
    """``parameters`` themselves if each name is a token that comes once and values are legal."""
    seen: set[str] = set()
    for name, value in parameters:
        check_token(name, "parameter name")
        if name.lower() in seen:
            raise Ungrammatical(f"parameter {shown(name)} is given twice")
        seen.add(name.lower())
        if (
            value is not None
            and not _OPAQUE_VALUE.fullmatch(value)
            and not _WHOLE_QUOTED.fullmatch(check_line(value, "parameter value"))
        ):
            raise Ungrammatical(f"parameter {shown(name)} has the illegal value {shown(value)}")
    return parameters


def find_parameter(parameters: Parameters, name: str) -> str | None:
    """The value of parameter ``name`` (lower case), "" if it stands without one, None if absent."""
    for key, value in parameters:
        if key.lower() == name:
            return value or ""
    return None


def write_parameters(parameters: Parameters) -> str:
    """``;name=value;flag``."""
    return "".join(
        f";{name}" if value is None else f";{name}={value}" for name, value in parameters
    )
