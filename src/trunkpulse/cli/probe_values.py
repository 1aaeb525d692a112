"""What may stand on the command line of ``trunkpulse probe``, and what it comes to."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from trunkpulse.cli.errors import WrongUsage
from trunkpulse.cli.probe_facts import ProbePlan
from trunkpulse.config.endpoint import Endpoint, family
from trunkpulse.config.secrets import Secrets
from trunkpulse.config.values import extra_headers, probe_target
from trunkpulse.config.wording import shown
from trunkpulse.model import TlsSettings
from trunkpulse.sip.digest import Credentials
from trunkpulse.sip.errors import SipError

__all__ = [
    "PASSWORD",
    "check_way",
    "credentials",
    "headers",
    "legal",
    "target_uri",
    "tls_settings",
]

ValueT = TypeVar("ValueT")

PASSWORD: Final = "TRUNKPULSE_PASSWORD"  # noqa: S105 - the name of a variable
_SCHEMES: Final = ("sip:", "sips:", "tel:")


def legal(name: str, read: Callable[[str], ValueT], text: str) -> ValueT:
    """``text`` as ``read`` takes it; what is wrong with it is told with the option's name."""
    try:
        return read(text)
    except ValueError as problem:
        raise WrongUsage(f"{name} {problem}.") from problem


def target_uri(text: str) -> str:
    """A target as ``probe_target`` takes it; an address alone is told what is missing."""
    try:
        return probe_target(text)
    except ValueError:
        if text.lower().startswith(_SCHEMES) or not _is_target(f"sip:{text}"):
            raise
        raise ValueError(f'must begin with "sip:"; write sip:{text}') from None


def _is_target(text: str) -> bool:
    try:
        probe_target(text)
    except ValueError:
        return False
    return True


def check_way(plan: ProbePlan) -> None:
    """The source and the TLS options suit where probes are sent to; raises WrongUsage.

    What ``trunkpulse check`` refuses in a trunk is refused here too, or the trunk that is
    recommended in the end would not load.
    """
    identity, way = plan.identity, Endpoint.of(str(plan.way))
    where = "The SIP-URI" if identity.outbound_proxy is None else "--outbound-proxy"
    if identity.source is not None:
        source = identity.source[0]
        if family(way.host) not in {None, family(source)}:
            raise WrongUsage(
                f"{where} must be at an {family(source)} address like {source}, the --source of"
                f" the probe, not {shown(str(plan.way))}."
            )
    options = _tls_options(identity.tls)
    if options and not way.may_be_tls:
        named = " and ".join(filter(None, (", ".join(options[:-1]), options[-1])))
        verb = "is" if len(options) == 1 else "are"
        whose = where[:1].lower() + where[1:]
        raise WrongUsage(
            f"{named} {verb} of use over TLS only; add ;transport=tls to {whose}, in quotes."
        )


def _tls_options(tls: TlsSettings) -> list[str]:
    """The options that were given, as they are written."""
    given = (
        ("--ca-file", tls.ca_file),
        ("--cert-file", tls.cert_file),
        ("--key-file", tls.key_file),
        ("--server-name", tls.server_name),
        ("--insecure", not tls.verify),
    )
    return [option for option, value in given if value]


def headers(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Headers as ``Name: value``."""
    found: dict[str, object] = {}
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon:
            raise WrongUsage(f'--header must be written as "Name: value", not {shown(text)}.')
        if name.strip().lower() in map(str.lower, found):
            raise WrongUsage(f"--header names {shown(name.strip())} twice; join the values.")
        found[name.strip()] = value.strip()
    try:
        return extra_headers(found)
    except ValueError as problem:
        raise WrongUsage(f"--header {problem}.") from problem


def credentials(username: str | None, password: str | None) -> tuple[Credentials | None, str]:
    """Who we are to a far side that asks, and where the password is, as ``env:`` or ``file:``.

    The password itself is never on the command line, where every user of the machine could read
    it. Raises WrongUsage.
    """
    where = password or f"env:{PASSWORD}"
    if username is None:
        if password is not None:
            raise WrongUsage("--password needs a --username to belong to.")
        return None, where
    if not username or not username.isprintable():
        raise WrongUsage("--username must be a text of printable characters.")
    if password is None and not os.environ.get(PASSWORD):
        if not sys.stdin.isatty():
            raise WrongUsage(
                f"--username needs a password: set {PASSWORD}, or say where it is with"
                " --password env:NAME or --password file:PATH."
            )
        try:
            typed = getpass.getpass(f"Password of {username}: ", stream=sys.stderr)
        except EOFError as problem:
            raise WrongUsage("No password was typed.") from problem
        return _credentials(username, typed), where
    found = legal("--password", Secrets(Path.cwd(), os.environ).resolve, where)
    return _credentials(username, found), where


def _credentials(username: str, password: str) -> Credentials:
    try:
        return Credentials(username, password)
    except SipError as problem:  # it never repeats the password
        raise WrongUsage(f"--username cannot be used: {problem}.") from problem


def tls_settings(
    *,
    insecure: bool,
    ca_file: Path | None,
    cert_file: Path | None,
    key_file: Path | None,
    server_name: str | None,
) -> TlsSettings:
    """How connections over TLS are judged; raises WrongUsage for what makes no sense."""
    if key_file is not None and cert_file is None:
        raise WrongUsage("--key-file needs the certificate that it belongs to: add --cert-file.")
    if insecure and ca_file is not None:
        raise WrongUsage("--insecure trusts everybody, --ca-file only some: leave one of them out.")
    return TlsSettings(
        verify=not insecure,
        ca_file=_absolute(ca_file),
        cert_file=_absolute(cert_file),
        key_file=_absolute(key_file),
        server_name=server_name,
    )


def _absolute(file: Path | None) -> str | None:
    return None if file is None else str(file.absolute())
