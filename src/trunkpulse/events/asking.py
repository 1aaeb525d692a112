"""One question to a destination: whatever becomes of it is an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from trunkpulse.ports import DeliveryOutcome, SinkAnswer

__all__ = ["answer_to"]

log = structlog.get_logger(__name__)


async def answer_to(
    ask: Callable[[], Coroutine[Any, Any, SinkAnswer]],
    *,
    within_seconds: float | None,
    **about: str,
) -> SinkAnswer:
    """What the destination said, or why it did not; ``about`` is for the log of a defect.

    ``within_seconds`` is None if it is the caller who has a deadline.
    """
    try:
        async with asyncio.timeout(within_seconds):
            return await ask()
    except TimeoutError:
        limit = "" if within_seconds is None else f" within {within_seconds:g} seconds"
        detail = f"no answer{limit}"
    except (Exception, asyncio.CancelledError) as defect:
        # At this boundary everything is caught: a defect in one sink would otherwise end the
        # node and with it all probing. A cancellation nobody asked for is a defect too.
        if isinstance(defect, asyncio.CancelledError) and _is_cancelled():
            raise
        log.exception("delivery.sink_failed", **about)
        detail = "the destination's adapter failed"
    return SinkAnswer(outcome=DeliveryOutcome.TRY_LATER, detail=detail)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
