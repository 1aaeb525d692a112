"""The certificate that the API shows, exchanged under way when its files are.

A new context is made from the new files and tried as a whole. From then on each handshake is given
it before it says anything about us, so connections that are there are not touched, and half-written
files never show: then the old certificate stays until the new one can be used.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

import structlog

from trunkpulse.adapters.network.tls import TlsUnusable, server_context
from trunkpulse.config.settings import ServerTls
from trunkpulse.config.stamps import FileStamps

__all__ = ["ServedCertificate"]

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 30.0


class ServedCertificate:
    """What ``context`` shows is as new as the files at the last ``refresh``."""

    def __init__(self, tls: ServerTls) -> None:
        """Raises TlsUnusable."""
        self._tls = tls
        self._stamp = self._seen()
        self._newest = self.context = _context(tls)
        self.context.sni_callback = self._show_newest

    def refresh(self) -> bool:
        """Look at the files; True if another certificate is shown from now on."""
        stamp = self._seen()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self._newest = _context(self._tls)
        except TlsUnusable as problem:
            log.warning("api.certificate_not_taken", problem=str(problem))
            return False
        log.info("api.certificate_exchanged", file=self._tls.cert_file)
        return True

    async def follow(self) -> None:
        """Refresh from time to time; never ends."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await asyncio.to_thread(self.refresh)

    def _seen(self) -> tuple[int, ...]:
        tls = self._tls
        return FileStamps().of(tls.cert_file, tls.key_file, tls.ca_file)

    def _show_newest(
        self, handshake: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _first: ssl.SSLContext
    ) -> None:
        handshake.context = self._newest


def _context(tls: ServerTls) -> ssl.SSLContext:
    context = server_context(tls)
    context.set_alpn_protocols(["http/1.1"])
    return context
