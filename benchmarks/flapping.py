"""A far side of which a part flaps: healthy and unhealthy by turns, one probe each.

Every address answers 200, but those of 127.200.0.0/13 answer 503 to every second OPTIONS that comes
to them. A trunk whose policy is one attempt up and one down changes its state with each probe then,
so that events come at the rate of its probes.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import socket
import sys
from collections.abc import Sequence
from typing import cast

__all__ = ["flapping_uri"]

RECEIVE_BUFFER_BYTES = 16 * 1024 * 1024
_REQUEST = re.compile(rb"OPTIONS (sip:127\.20[0-7]\.[0-9.]+)?")
_COPIED = re.compile(rb"(?im)^(?:via|from|to|call-id|cseq|v|f|t|i) *:[^\r]*\r\n")


def flapping_uri(index: int, port: int) -> str:
    """The SIP URI of the flapping target with this number."""
    return f"sip:127.{200 + index // 62_500}.{index // 250 % 250}.{1 + index % 250}:{port}"


class Responder(asyncio.DatagramProtocol):
    """Answers OPTIONS with what must be copied, and nothing else."""

    def __init__(self) -> None:
        self._ill: set[bytes] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # The event loop's own transport is one without being declared so (Python 3.11).
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        request = _REQUEST.match(data)
        if request is None or self._transport is None:
            return
        answer = b"SIP/2.0 200 OK\r\n"
        uri = request.group(1)
        if uri in self._ill:
            self._ill.discard(uri)
            answer = b"SIP/2.0 503 Service Unavailable\r\n"
        elif uri is not None:
            self._ill.add(uri)
        copied = b"".join(_COPIED.findall(data))
        self._transport.sendto(answer + copied + b"Content-Length: 0\r\n\r\n", addr)


async def respond(port: int) -> None:
    """Answer until the process is ended; says on standard output when it listens."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Responder, local_addr=("0.0.0.0", port))
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    print("listening", flush=True)
    await asyncio.Event().wait()


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Answer OPTIONS, some of them badly.")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args(words)
    asyncio.run(respond(options.port))
    return 0


if __name__ == "__main__":
    sys.exit(main())
