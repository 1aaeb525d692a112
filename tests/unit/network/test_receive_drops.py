"""What the kernel threw away is told, on the machine that this runs on."""

from __future__ import annotations

import socket
import sys

from trunkpulse.adapters.network.drops import receive_drops

SENT = 400


def test_datagrams_beyond_the_buffer_are_told() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as full,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        full.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        full.bind(("127.0.0.1", 0))
        assert receive_drops(full) == 0
        for _ in range(SENT):
            sender.sendto(b"x" * 300, full.getsockname())
        dropped = receive_drops(full)
        full.setblocking(False)
        read = 0
        while True:
            try:
                full.recv(1000)
            except BlockingIOError:
                break
            read += 1
    if sys.platform == "linux":
        assert dropped == SENT - read > 0
    else:
        assert dropped == 0


def test_a_closed_socket_has_nothing_to_tell() -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.close()
    assert receive_drops(sock) == 0
