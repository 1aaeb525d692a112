"""The API over TLS of its own, and certificates that are renewed under way."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509

from certificates import Authority, Issued
from trunkpulse.adapters.http import connections, handshakes, server
from trunkpulse.adapters.http.handshakes import Handshakes
from trunkpulse.adapters.http.server import serve_http
from trunkpulse.adapters.http.tls import ServedCertificate
from trunkpulse.adapters.network.tls import LISTENER_CIPHERS, TlsUnusable
from trunkpulse.config.settings import ServerTls
from unit.http.api_world import running


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


def served(issued: Issued) -> ServedCertificate:
    return ServedCertificate(
        ServerTls(cert_file=str(issued.cert_file), key_file=str(issued.key_file))
    )


def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.ca_file))


def renew(old: Issued, new: Issued) -> None:
    """The files of ``old`` hold ``new`` from now on."""
    new.cert_file.replace(old.cert_file)
    new.key_file.replace(old.key_file)


async def shown(http: httpx2.AsyncClient) -> int:
    """The serial number of the certificate that this client's connection shows."""
    answer = await http.get("/healthz")
    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    encoded = answer.extensions["network_stream"].get_extra_info("ssl_object").getpeercert(True)
    return x509.load_der_x509_certificate(encoded).serial_number


def serial(issued: Issued) -> int:
    return x509.load_pem_x509_certificate(issued.cert_file.read_bytes()).serial_number


async def test_a_renewed_certificate_is_shown_and_nobody_is_cut_off(authority: Authority) -> None:
    old = authority.issue("127.0.0.1", file="api")
    new = authority.issue("127.0.0.1", file="renewed")
    first, second = serial(old), serial(new)
    certificate = served(old)
    trust = trusting(authority)
    async with (
        running() as world,
        serve_http(world.app, "127.0.0.1", 0, tls=certificate) as (host, port),
        httpx2.AsyncClient(base_url=f"https://{host}:{port}", verify=trust) as before,
    ):
        assert await shown(before) == first
        assert not certificate.refresh()
        renew(old, new)
        assert certificate.refresh()
        async with httpx2.AsyncClient(base_url=f"https://{host}:{port}", verify=trust) as after:
            assert await shown(after) == second
        assert await shown(before) == first  # the connection that was there goes on


async def test_half_written_files_are_not_shown(authority: Authority) -> None:
    issued = authority.issue("127.0.0.1", file="api")
    other = authority.issue("127.0.0.1", file="other")
    first = serial(issued)
    certificate = served(issued)
    async with (
        running() as world,
        serve_http(world.app, "127.0.0.1", 0, tls=certificate) as (host, port),
    ):
        for content in (b"", other.cert_file.read_bytes()):  # empty, then without its key
            issued.cert_file.write_bytes(content)
            assert not certificate.refresh()
            async with httpx2.AsyncClient(
                base_url=f"https://{host}:{port}", verify=trusting(authority)
            ) as http:
                assert await shown(http) == first
        issued.key_file.write_bytes(other.key_file.read_bytes())
        assert certificate.refresh()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_old_versions_of_tls_are_not_spoken(
    authority: Authority, version: ssl.TLSVersion
) -> None:
    certificate = served(authority.issue("127.0.0.1"))
    trust = trusting(authority)
    trust.set_ciphers("ALL:@SECLEVEL=0")
    trust.minimum_version = trust.maximum_version = version
    async with (
        running() as world,
        serve_http(world.app, "127.0.0.1", 0, tls=certificate) as (host, port),
        httpx2.AsyncClient(base_url=f"https://{host}:{port}", verify=trust) as http,
    ):
        with pytest.raises(httpx2.ConnectError):
            await http.get("/healthz")


async def test_the_strongest_suite_that_both_know_is_used(authority: Authority) -> None:
    """The listeners of SIP have the same: both are made by ``server_context``."""
    certificate = served(authority.issue("127.0.0.1"))
    trust = trusting(authority)
    trust.maximum_version = ssl.TLSVersion.TLSv1_2
    trust.set_ciphers(":".join(reversed(LISTENER_CIPHERS)))
    async with (
        running() as world,
        serve_http(world.app, "127.0.0.1", 0, tls=certificate) as (host, port),
        httpx2.AsyncClient(base_url=f"https://{host}:{port}", verify=trust) as http,
    ):
        answer = await http.get("/healthz")
        connection = answer.extensions["network_stream"].get_extra_info("ssl_object")
        # With the certificate's own kind of key, of which there are two.
        assert connection.cipher()[0] in LISTENER_CIPHERS[:2]


@pytest.mark.parametrize(
    "suite",
    ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-RSA-AES256-SHA384", "AES256-SHA"],
)
async def test_who_knows_only_weak_suites_is_turned_away(authority: Authority, suite: str) -> None:
    """Without forward secrecy, or without authenticated encryption."""
    certificate = served(authority.issue("127.0.0.1"))
    trust = trusting(authority)
    trust.maximum_version = ssl.TLSVersion.TLSv1_2
    trust.set_ciphers(f"{suite}:@SECLEVEL=0")
    async with (
        running() as world,
        serve_http(world.app, "127.0.0.1", 0, tls=certificate) as (host, port),
        httpx2.AsyncClient(base_url=f"https://{host}:{port}", verify=trust) as http,
    ):
        with pytest.raises(httpx2.ConnectError):
            await http.get("/healthz")


async def test_plain_http_at_the_port_of_tls_is_nothing(authority: Authority) -> None:
    certificate = served(authority.issue("127.0.0.1"))
    async with (
        running() as world,
        serve_http(world.app, "127.0.0.1", 0, tls=certificate) as (host, port),
        httpx2.AsyncClient(base_url=f"http://{host}:{port}") as http,
    ):
        with pytest.raises(httpx2.TransportError):
            await http.get("/healthz")


async def test_connections_that_never_shake_hands_are_bounded_too(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "IN_ALL", 2)
    async with (
        asyncio.timeout(10),
        running() as world,
        serve_http(world.app, "127.0.0.1", 0, tls=served(authority.issue("127.0.0.1"))) as place,
    ):
        silent = [await asyncio.open_connection(*place) for _ in range(2)]
        too_many, one_more = await asyncio.open_connection(*place)
        assert await too_many.read() == b""
        for _, writer in (*silent, ("", one_more)):
            writer.close()
        base = f"https://{place[0]}:{place[1]}"
        async with httpx2.AsyncClient(base_url=base, verify=trusting(authority)) as http:
            answer = None
            while answer is None:  # until it is seen that those have gone
                with contextlib.suppress(httpx2.TransportError):
                    answer = await http.get("/healthz")
        assert answer.status_code == 200


class _OutOfDescriptors(socket.socket):
    """A listener that the system has no connection for, once."""

    refused = False

    def accept(self) -> tuple[socket.socket, Any]:
        if not self.refused:
            self.refused = True
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


async def test_a_system_that_is_out_of_descriptors_is_asked_again(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshakes, "_PAUSE_SECONDS", 0.01)

    plainly = server.bind

    def bind(host: str, port: int) -> socket.socket:
        bound = plainly(host, port)
        listener = _OutOfDescriptors(fileno=bound.detach())
        listener.setblocking(False)
        return listener

    monkeypatch.setattr(server, "bind", bind)
    certificate = served(authority.issue("127.0.0.1"))
    async with (
        running() as world,
        serve_http(world.app, "127.0.0.1", 0, tls=certificate) as (host, port),
        httpx2.AsyncClient(base_url=f"https://{host}:{port}", verify=trusting(authority)) as http,
    ):
        assert (await http.get("/healthz")).status_code == 200


async def test_who_comes_as_it_closes_is_let_go_without_a_word(authority: Authority) -> None:
    listener = server.bind("127.0.0.1", 0)
    complaints: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, about: complaints.append(about))
    with contextlib.closing(listener), socket.socket() as caller:
        async with asyncio.TaskGroup() as tasks:
            accepting = Handshakes(
                listener,
                asyncio.Protocol,
                served(authority.issue("127.0.0.1")).context,
                peers=connections.Peers(),
                tasks=tasks,
            )
            await asyncio.sleep(0)
            caller.connect(listener.getsockname())
            loop.call_soon(accepting.close)
            await accepting.wait_closed()
    assert complaints == []


def test_a_certificate_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(TlsUnusable, match="check the path"):
        ServedCertificate(ServerTls(cert_file=str(tmp_path / "none.pem")))
