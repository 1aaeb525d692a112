"""Where the API may be reached from, by which names and through whom."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from certificates import Authority
from trunkpulse.config import Config, load_config

PROXIES = 'trusted_proxies = ["10.0.0.0/8", "fd00::1"]\n'
TLS = 'tls = { cert_file = "api.pem", key_file = "api.key" }\n'


def load(folder: Path, text: str, environ: dict[str, str] | None = None) -> Config:
    path = folder / "trunkpulse.toml"
    path.write_text(text)
    return load_config(path, environ or {})


def certified(folder: Path) -> None:
    issued = Authority(folder / "ca").issue("127.0.0.1", file="api")
    issued.cert_file.replace(folder / "api.pem")
    issued.key_file.replace(folder / "api.key")


@pytest.mark.parametrize("listen", ["0.0.0.0:443", "[::]:443", "192.0.2.1:443"])
@pytest.mark.parametrize("protected_by", [PROXIES, TLS])
def test_beyond_loopback_it_listens_with_tls_or_behind_a_declared_proxy(
    tmp_path: Path, listen: str, protected_by: str
) -> None:
    certified(tmp_path)
    config = load(tmp_path, f'[api]\nlisten = "{listen}"\n{protected_by}')
    assert config.api.listen[1] == 443


def test_what_makes_it_public_is_read(tmp_path: Path) -> None:
    certified(tmp_path)
    config = load(
        tmp_path,
        f'[api]\nhosts = ["TrunkPulse.example.com", "[2001:DB8::1]"]\n{PROXIES}{TLS}'
        'allowed_origins = ["https://noc.example.com", "http://127.0.0.1:3000"]\n'
        '[metrics]\ntoken = "env:SCRAPE"',
        {"SCRAPE": "scrape-me-0123456789abcdef"},
    )
    api = config.api
    assert api.hosts == ("trunkpulse.example.com", "2001:db8::1")
    assert api.trusted_proxies == (
        ipaddress.ip_network("10.0.0.0/8"),
        ipaddress.ip_network("fd00::1"),
    )
    assert api.allowed_origins == ("https://noc.example.com", "http://127.0.0.1:3000")
    assert api.tls is not None
    assert api.tls.cert_file == str(tmp_path / "api.pem")
    assert config.metrics.token == "scrape-me-0123456789abcdef"
    assert "scrape-me" not in repr(config)


def test_a_renewed_certificate_needs_no_restart_and_another_file_does(tmp_path: Path) -> None:
    certified(tmp_path)
    text = f"[api]\n{TLS}"
    before = load(tmp_path, text).api
    issued = Authority(tmp_path / "ca").issue("127.0.0.1", file="new")
    issued.cert_file.replace(tmp_path / "api.pem")
    issued.key_file.replace(tmp_path / "api.key")
    after = load(tmp_path, text).api
    assert after != before
    assert after.bound_to == before.bound_to
    (tmp_path / "api.pem").rename(tmp_path / "other.pem")
    assert load(tmp_path, text.replace("api.pem", "other.pem")).api.bound_to != before.bound_to
