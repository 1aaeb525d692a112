"""Delivery to a message broker: one connection for each stream, opened anew when it is lost.

A broker's library does not reconnect by itself here and does not repeat a message. Both are the
lane's: it tries again later, with the same event id, over restarts of this process too. So what is
sent but not acknowledged is never sent behind the lane's back, after newer events of its trunk.

A connection is shared by all deliveries of a stream that are under way. If one of them gets no
answer in time, the connection is given up with it: the others fail at once and are tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from trunkpulse.adapters.sinks.cloudevents import CloudEvent, cloud_event
from trunkpulse.adapters.sinks.wires import Way, Wire, said
from trunkpulse.ports import Delivery, DeliveryOutcome, SinkAnswer

__all__ = ["BrokerSink", "Line", "Refused", "TryLater", "bounded"]

CLOSE_SECONDS: Final = 1.0
"""What a broker has to say good-bye; the end of the process waits for it."""
TEXT_CHARACTERS: Final = 200
"""What is kept of a broker's words."""


class TryLater(Exception):
    """The broker did not take the event now; the message is a phrase for a person."""

    def __init__(self, detail: str, *, lost: bool = False) -> None:
        """``lost``: the connection is not to be used again."""
        super().__init__(detail)
        self.lost = lost


class Refused(Exception):
    """The broker will never take this event; the message is a phrase for a person."""


class Line(Protocol):
    """An open connection to a broker, or to several of one cluster."""

    @property
    def is_open(self) -> bool:
        """False once it is known that nothing can be published any more."""

    @property
    def wires(self) -> Sequence[Wire]:
        """What it goes over, to be aborted if it cannot be closed."""

    async def publish(self, event: CloudEvent) -> str:
        """Return when the broker has taken it on, with what it said.

        Raises Refused, TryLater and OSError. Can be called while others are under way.
        """

    async def close(self) -> None:
        """Say good-bye; nothing it raises is of interest but a defect."""


class BrokerSink:
    """Delivers to a broker that ``connect`` reaches."""

    def __init__(
        self,
        way: Way,
        connect: Callable[[], Awaitable[Line]],
        *,
        place: str,
        timeout_seconds: float = 20.0,
    ) -> None:
        """``connect`` opens a line, as ``Line.publish`` raises; ``place`` tells people where to.

        ``timeout_seconds`` bounds a whole attempt, half of it the connection.
        """
        self._way = way
        self._connect = connect
        self._place = place
        self._timeout_seconds = timeout_seconds
        self._connect_seconds = timeout_seconds / 2
        self._line: Line | None = None
        self._opening: asyncio.Task[Line] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def deliver(self, delivery: Delivery) -> SinkAnswer:
        """Publish the event once, with its id, and wait until the broker has it."""
        event = cloud_event(delivery)
        line: Line | None = None
        try:
            async with asyncio.timeout(self._timeout_seconds):
                line = await self._ready()
                said_of_it = await line.publish(event)
        except TimeoutError:
            self._drop(line)
            detail = f"no acknowledgement within {self._timeout_seconds:g} seconds"
            return self._answer(DeliveryOutcome.TRY_LATER, event, detail, unheard=True)
        except Refused as refusal:
            return self._answer(DeliveryOutcome.REFUSED, event, str(refusal))
        except TryLater as trouble:
            if trouble.lost:
                self._drop(line)
            return self._answer(DeliveryOutcome.TRY_LATER, event, str(trouble))
        except OSError as error:
            self._drop(line)
            return self._answer(DeliveryOutcome.TRY_LATER, event, said(error), unheard=True)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Not we: what we waited for was cancelled when the connection was closed.
            detail = "the connection was closed"
            return self._answer(DeliveryOutcome.TRY_LATER, event, detail, unheard=True)
        return self._answer(DeliveryOutcome.ACCEPTED, event, said_of_it)

    async def close(self) -> None:
        """Close the connection; safe to repeat."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        self._drop(self._line)
        if self._closing:
            await asyncio.wait(self._closing)

    def _answer(
        self, outcome: DeliveryOutcome, event: CloudEvent, detail: str, *, unheard: bool = False
    ) -> SinkAnswer:
        """``unheard``: the detail is ours, the broker has said nothing."""
        detail = bounded(detail)
        return SinkAnswer(
            outcome=outcome,
            detail=detail,
            request=f"{self._place}, id {event.id}",
            response="" if unheard else detail,
        )

    async def _ready(self) -> Line:
        """A line that is open, and that leads where the stream may still go."""
        line = self._line
        if line is not None:
            if line.is_open and all(self._way.permits(wire.address) for wire in line.wires):
                return line
            self._drop(line)
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        # Who is cancelled does not take the connection from the others that wait for it.
        return await asyncio.shield(self._opening)

    async def _open(self) -> Line:
        try:
            async with asyncio.timeout(self._connect_seconds):
                self._line = await self._connect()
                return self._line
        except TimeoutError:
            raise TryLater(f"no connection within {self._connect_seconds:g} seconds") from None
        finally:
            self._opening = None

    def _drop(self, line: Line | None) -> None:
        """Use this line no more, and close it meanwhile."""
        if line is None or line is not self._line:
            return
        self._line = None
        task = asyncio.create_task(_close(line))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _close(line: Line) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await line.close()
    except OSError:  # a TimeoutError is one
        pass
    finally:
        for wire in line.wires:
            wire.abort()


def bounded(text: str) -> str:
    """A broker's words as one printable line of bounded length."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= TEXT_CHARACTERS else f"{line[: TEXT_CHARACTERS - 1]}…"
