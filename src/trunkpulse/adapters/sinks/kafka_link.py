"""One connection to one Kafka broker: requests go out in order, answers come back in that order.

    size: int32 | api key: int16 | api version: int16 | correlation id: int32 | client id | body
    size: int32 | correlation id: int32 | body

Which versions of each request both sides know is asked first. The requests, their versions and the
authenticators are aiokafka's.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from aiokafka.conn import SaslPlainAuthenticator, ScramAuthenticator
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import (
    ApiVersionRequest,
    SaslAuthenticateRequest,
    SaslHandShakeRequest,
)

from trunkpulse.adapters.sinks.broker import TryLater
from trunkpulse.adapters.sinks.wires import Wire

__all__ = ["Account", "KafkaLink", "check"]

CLIENT_ID: Final = "trunkpulse"
LONGEST_ANSWER_BYTES: Final = 16 * 1024 * 1024
"""The longest are those that list the brokers and partitions of a cluster."""

_SIZE: Final = struct.Struct(">i")


@dataclass(frozen=True, slots=True)
class Account:
    """With what a broker is logged in to."""

    mechanism: str
    """PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."""
    username: str
    password: str


def check(code: int, where: str = "") -> None:
    """Raise TryLater for an error code of Kafka; 0 is none."""
    if code:
        raise TryLater(f"{for_code(code).message}{where}")


class KafkaLink:
    """A connection that is ready for requests once `open` returned."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._versions: dict[int, tuple[int, int]] = {}
        self._correlation_id = 0
        self._waiting: deque[tuple[int, Any, asyncio.Future[dict[str, Any]]]] = deque()
        self._reading = asyncio.create_task(self._read())

    @property
    def is_open(self) -> bool:
        return not self._reading.done()

    async def open(self, account: Account | None) -> None:
        """Agree on versions and log in; raises TryLater and OSError."""
        answer = await self.ask(ApiVersionRequest())
        check(answer["error_code"])
        self._versions = {
            each["api_key"]: (each["min_version"], each["max_version"])
            for each in answer["api_versions"]
        }
        if account is not None:
            await self._log_in(account)

    async def ask(self, request: Any) -> dict[str, Any]:
        """The answer to a request of aiokafka's; raises TryLater and OSError."""
        if not self.is_open:
            raise TryLater("the connection was lost")
        try:
            concrete = request.prepare(self._versions)
        except (KafkaError, NotImplementedError) as error:
            raise TryLater(f"the broker does not know what is asked of it: {error}") from error
        self._correlation_id += 1
        header = concrete.build_request_header(self._correlation_id, CLIENT_ID)
        message = header.encode() + concrete.encode()
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        # Nothing comes between these two: who waits is in the order of the requests.
        self._waiting.append((self._correlation_id, concrete, answer))
        self.wire.writer.write(_SIZE.pack(len(message)) + message)
        await self.wire.writer.drain()
        return await answer

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.wait([self._reading])
        self.wire.writer.close()

    async def _log_in(self, account: Account) -> None:
        answer = await self.ask(SaslHandShakeRequest(account.mechanism))
        if answer["error_code"]:
            offered = ", ".join(answer["enabled_mechanisms"])
            raise TryLater(f"the broker does not offer {account.mechanism}, but {offered}")
        authenticator = _authenticator(account)
        token: bytes | None = None
        try:
            while step := await authenticator.step(token):
                answer = await self.ask(SaslAuthenticateRequest(step[0]))
                if answer["error_code"]:
                    why = answer["error_message"] or for_code(answer["error_code"]).message
                    raise TryLater(f"the broker does not let {account.username} in: {why}")
                token = answer["sasl_auth_bytes"]
        except (ValueError, KeyError, AssertionError) as error:
            raise TryLater(f"the broker's part of {account.mechanism} is wrong") from error

    async def _read(self) -> None:
        reader = self.wire.reader
        try:
            while True:
                (size,) = _SIZE.unpack(await reader.readexactly(_SIZE.size))
                if not _SIZE.size <= size <= LONGEST_ANSWER_BYTES or not self._waiting:
                    break
                frame = BytesIO(await reader.readexactly(size))
                correlation_id, request, answer = self._waiting[0]
                if request.parse_response_header(frame).correlation_id != correlation_id:
                    break
                decoded = request.RESPONSE_TYPE.decode(frame).to_object()
                self._waiting.popleft()
                if not answer.done():  # else whoever asked has given up since
                    answer.set_result(decoded)
        except (OSError, EOFError, ValueError, TypeError, struct.error):
            pass  # what cannot be read ends the connection
        finally:
            self.wire.abort()
            for _, _, answer in self._waiting:
                if not answer.done():
                    answer.set_exception(TryLater("the connection was lost"))
            self._waiting.clear()


def _authenticator(account: Account) -> Any:
    names = {
        "loop": asyncio.get_running_loop(),
        "sasl_plain_username": account.username,
        "sasl_plain_password": account.password,
    }
    if account.mechanism == "PLAIN":
        return SaslPlainAuthenticator(**names)
    return ScramAuthenticator(sasl_mechanism=account.mechanism, **names)
