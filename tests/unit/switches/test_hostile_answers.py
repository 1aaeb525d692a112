"""Whatever a far side says, an adapter raises the port's two errors and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from switch_servers.kamailio import record
from switch_servers.sockets import HOST, TcpStandIn
from trunkpulse.adapters.switches.asterisk import Asterisk
from trunkpulse.adapters.switches.freeswitch import FreeSwitch
from trunkpulse.adapters.switches.kamailio import KamailioSwitch
from trunkpulse.adapters.switches.opensips import OpenSips
from trunkpulse.config.switches import SwitchSettings, SwitchType, SwitchUrl
from trunkpulse.ports import Switch, SwitchRefused, SwitchUnreachable

OF_FREESWITCH = [
    b"Content-Type: auth/request\n\n",
    b"Content-Type: command/reply\nReply-Text: +OK accepted\n\n",
    b"Content-Type: command/reply\nReply-Text: -ERR \xff\n\n",
    b"Content-Type: api/response\nContent-Length: 9\n\n",
    b"Content-Type: api/response\n\n",
    b"Content-Type: text/disconnect-notice\n\n",
    b"Content-Type: text/rude-rejection\n\n",
    b"D/trunkpulse_a/UP\n",
    b"-ERR no reply\n",
    b"+OK\n",
    b"\n",
]
OF_ASTERISK = [
    b"Asterisk Call Manager/7.0.3\r\n",
    b"Response: Success\r\n",
    b"Response: Error\r\n",
    b"Challenge: 1\r\n",
    b"Message: \xff\r\n",
    b"Event: DBGetResponse\r\n",
    *(b"ActionID: trunkpulse-%d\r\n" % number for number in range(1, 5)),
    b"Val: UP\r\n",
    b"\r\n",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "default", "Active"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("PARTITIONS", "SETS", "Destinations", "name", "id", "URI", "state", "code"),
                    *("RECORDS", "SET", "ID", "TARGETS", "DEST", "FLAGS", "ATTRS", "DUID"),
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


RECORDS = st.recursive(
    st.integers(0, 300) | st.sampled_from(["", "AX", "sip:192.0.2.1"]),
    lambda inner: st.dictionaries(
        st.sampled_from(["RECORDS", "SET", "ID", "TARGETS", "DEST", "URI", "FLAGS", "ATTRS"]),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)
OF_CHALLENGES = [
    *('realm="r"', 'nonce="n"', "stale", 'qop="auth"', 'qop="auth-int"', "qop=", "algorithm=MD5"),
    *("algorithm=SHA-3", "opaque=", 'realm="', "=", "\xa0", "\xff", "Basic", "Digest", "Negotiate"),
]
"""What a 401 may ask with, in any order."""


class Parrot(TcpStandIn):
    """Says the same to everybody, whatever it is asked, and hangs up."""

    def __init__(self, said: bytes) -> None:
        super().__init__()
        self._said = said

    def forget(self) -> None:
        """It never learns."""

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._said)
        writer.write_eof()
        await reader.read()  # until the other side has had enough too


def asked_of(kind: SwitchType, scheme: str, adapter: Callable[..., Switch], said: bytes) -> None:
    """Have it read and write a switch that says this."""

    async def ask() -> None:
        server = Parrot(said)
        await server.start()
        told = SwitchSettings(
            id="pbx",
            type=kind,
            url=SwitchUrl(scheme, HOST, server.port, "/mi" if scheme == "http" else ""),
            username=None if kind is SwitchType.FREESWITCH else "hush",
            password="hush",
        )
        switch = adapter(told, answer_seconds=5)
        with contextlib.suppress(SwitchRefused, SwitchUnreachable):
            await switch.read(["a", "b"])
        with contextlib.suppress(SwitchRefused, SwitchUnreachable):
            await switch.write("a", up=True)
        await switch.close()
        await server.stop()

    asyncio.run(ask())


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(OF_FREESWITCH) | st.binary(max_size=20), max_size=12))
def test_of_freeswitch(pieces: list[bytes]) -> None:
    said = b"".join([*OF_FREESWITCH[:2], *pieces])
    asked_of(SwitchType.FREESWITCH, "tcp", FreeSwitch, said)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(OF_ASTERISK) | st.binary(max_size=20), max_size=16))
def test_of_asterisk(pieces: list[bytes]) -> None:
    asked_of(SwitchType.ASTERISK, "tcp", Asterisk, b"".join([OF_ASTERISK[0], *pieces]))


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(["result", "error", "id"]), JSON)
def test_of_opensips(key: str, value: object) -> None:
    body = json.dumps({"jsonrpc": "2.0", key: value}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    asked_of(SwitchType.OPENSIPS, "http", OpenSips, head + body)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(["result", "error", "id"]), JSON)
def test_of_kamailio(key: str, value: object) -> None:
    body = json.dumps({"jsonrpc": "2.0", key: value}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    asked_of(SwitchType.KAMAILIO, "http", KamailioSwitch, head + body)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([1, 3]), RECORDS, st.binary(max_size=12))
def test_of_kamailio_in_binary(kind: int, value: object, more: bytes) -> None:
    body = record(value) + more
    head = bytes([0xA1, kind << 4 | 3 << 2]) + len(body).to_bytes(4, "big") + b"\1"
    asked_of(SwitchType.KAMAILIO, "tcp", KamailioSwitch, head + body)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(["Digest", "Basic", "digest\t", ""]),
    st.lists(st.sampled_from(OF_CHALLENGES) | st.text(max_size=6), max_size=6),
)
@example("Digest", ['realm="r"', 'nonce="n"', 'qop="auth-int"'])
@example("Digest", ['realm="r"', 'nonce="n"', "stale"])
@example("", ["\xa0"])
def test_of_somebody_who_asks_for_a_password(scheme: str, fields: list[str]) -> None:
    challenge = f"{scheme} {', '.join(fields)}".encode("latin-1", "replace")
    sound = b"".join(challenge[at : at + 1] for at in range(len(challenge)) if challenge[at] > 31)
    head = b"HTTP/1.1 401 No\r\nContent-Length: 0\r\nWWW-Authenticate: " + sound + b"\r\n\r\n"
    asked_of(SwitchType.KAMAILIO, "http", KamailioSwitch, head * 3)


@pytest.mark.parametrize("said", [b"", b"\r\n", b"HTTP/1.1 500 \r\n\r\n", b"HTTP/1.1 200 OK\r\n"])
def test_of_no_json_at_all(said: bytes) -> None:
    asked_of(SwitchType.OPENSIPS, "http", OpenSips, said)
