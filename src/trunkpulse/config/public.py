"""What makes the API fit to be reached from outside: names, proxies, origins, TLS.

Passwords and tokens may not travel in the clear. So beyond loopback the API listens only with TLS
of its own, or behind reverse proxies that the configuration declares.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

from trunkpulse.config.certificates import Certificates
from trunkpulse.config.checks import server_files
from trunkpulse.config.report import Report
from trunkpulse.config.sections import ApiEntry
from trunkpulse.config.wording import shown
from trunkpulse.sip.grammar import host_and_port

__all__ = ["check_api"]


def check_api(api: ApiEntry, folder: Path, certificates: Certificates, report: Report) -> None:
    """Whoever listens beyond loopback is protected; its files can be used."""
    host, port = api.listen
    exposed = not ipaddress.ip_address(host).is_loopback
    if exposed and api.tls is None and not api.trusted_proxies:
        report.add(
            ("api", "listen"),
            "must be a loopback address such as 127.0.0.1 or [::1], not "
            f"{shown(host_and_port(host, port))}, unless the API serves TLS itself (api.tls) or "
            "the reverse proxy in front that does is declared (api.trusted_proxies), because "
            "passwords and tokens would travel in the clear",
        )
    if api.tls is not None:
        for key, problem in certificates.problems(server_files(api.tls, folder)):
            report.add(("api", "tls", key), problem)
        if api.public_url is not None and urlsplit(api.public_url).scheme != "https":
            report.add(
                ("api", "public_url"), "must begin with https:// while the API serves TLS (api.tls)"
            )
