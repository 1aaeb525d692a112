"""Alerts to whatever Apprise speaks to: chats, e-mail, pagers.

The secret of the destination is one Apprise URL a line, since each holds a token or a password.
Apprise blocks while it sends, so each of its services has a thread, one at a time and only while
it sends: a service that hangs holds up its own notifications and nothing else. What it is told
within the deadline counts at once; a thread that comes too late is left to end by itself, and
until then its service takes nothing new. What it got through after all is not told again.

If one of several services fails the others are not told again: which have been told is remembered
for a while, though not over a restart.

Apprise dials by itself, so the check of addresses that other destinations go through does not
reach it, and it goes by the proxies that the environment names. That is why a stream that was
made through the API may use only services whose address Apprise itself knows, and not those that
take a host name, and no parameters after a ``?``: ``template=`` has Apprise read a file of this
machine or fetch a URL. The configuration file may use all. https://github.com/caronc/apprise/wiki
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from trunkpulse.adapters.outbound import Outside
from trunkpulse.adapters.sinks.alerting import alert_of
from trunkpulse.model import EventStream
from trunkpulse.ports import (
    Alert,
    AlertKind,
    AlertSeverity,
    Delivery,
    DeliveryOutcome,
    DestinationInvalid,
    SinkAnswer,
)

__all__ = ["FIXED_SERVICES", "AppriseSink"]

FIXED_SERVICES = frozenset(
    {
        *("discord", "dingtalk", "feishu", "firehydrant", "gchat", "ifttt", "ilert"),
        *("incidentio", "lark", "opsgenie", "pagerduty", "pagertree", "pbul", "pover", "signl4"),
        *("slack", "spike", "splunk", "squadcast", "tgram", "twilio", "victorops", "vonage"),
        *("webex", "wxteams", "zoom"),
    }
)
"""What an Apprise URL of a stream that was made through the API may begin with."""

REMEMBERED = 256
"""Alerts of which it is known which services have been told."""
DETAIL_CHARACTERS = 120
SHOWN_CHARACTERS = 1000
_WORDS = re.compile(r"[^/:@?&=,;\s]{6,}")
_KINDS = {AlertSeverity.CRITICAL: "failure", AlertSeverity.WARNING: "warning"}


class AppriseSink:
    """Tells every service of one stream."""

    def __init__(
        self, stream: EventStream, _outside: Outside, *, timeout_seconds: float = 20.0
    ) -> None:
        """Raises DestinationInvalid for a destination that can never work.

        ``timeout_seconds`` bounds a notification, the wait for the one before included.
        """
        where = f"The destination of event stream {stream.id!r}"
        if importlib.util.find_spec("apprise") is None:
            raise DestinationInvalid(
                f"{where} needs Apprise, which is not installed; install trunkpulse[apprise]."
            )
        urls = (stream.destination.secret or "").split()
        if not urls:
            raise DestinationInvalid(
                f"{where} needs Apprise URLs, one a line; set its secret to them."
            )
        if stream.managed_by is None:
            for url in urls:
                _check_fixed(url, where)
        self._services = tuple(_Service(url, number) for number, url in enumerate(urls, 1))
        self._timeout_seconds = timeout_seconds
        self._told: OrderedDict[tuple[str, AlertKind, str], set[int]] = OrderedDict()

    async def deliver(self, delivery: Delivery) -> SinkAnswer:
        """Tell one event as an alert of its own."""
        return await self.tell(alert_of(delivery))

    async def tell(self, alert: Alert) -> SinkAnswer:
        """Notify every service that has not been told of this yet."""
        news = (alert.alert_id, alert.kind, alert.summary)
        told = self._told.setdefault(news, set())
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        waiting = [service for service in self._services if service.number not in told]
        problems = await asyncio.gather(
            *(service.notify(alert, told, self._timeout_seconds) for service in waiting)
        )
        asked = f"Apprise, {_kind(alert)}: {alert.title}"[:SHOWN_CHARACTERS]
        failed = [problem for problem in problems if problem is not None]
        if failed:
            return SinkAnswer(
                outcome=DeliveryOutcome.TRY_LATER,
                detail=failed[0],
                request=asked,
                response="\n".join(failed)[:SHOWN_CHARACTERS],
            )
        self._told.pop(news, None)
        return SinkAnswer(outcome=DeliveryOutcome.ACCEPTED, detail="told", request=asked)

    async def close(self) -> None:
        """Nothing is kept open between notifications."""


class _Service:
    """One Apprise URL, and the one thread that may use it."""

    def __init__(self, url: str, number: int) -> None:
        self.number = number
        self._url = url
        self._secrets = sorted(set(_WORDS.findall(url)), key=len, reverse=True)
        self._is_free = asyncio.Semaphore(1)
        self._notifier: Any = None
        """Made at first use, in the thread: Apprise takes a while to load."""

    async def notify(self, alert: Alert, told: set[int], timeout_seconds: float) -> str | None:
        """What went wrong, as a phrase; None if it was told.

        It puts itself among ``told``, be it after the deadline.
        """
        loop = asyncio.get_running_loop()

        def settle(problem: str | None) -> None:
            if problem is None:
                told.add(self.number)
            self._is_free.release()

        try:
            async with asyncio.timeout(timeout_seconds):
                await self._is_free.acquire()
                if self.number in told:  # by the thread that was waited for
                    self._is_free.release()
                    return None
                ended: asyncio.Future[str | None] = loop.create_future()
                try:
                    _start_thread(loop, lambda: self._send(alert), ended, settle)
                except RuntimeError as problem:  # the machine gives out no more threads
                    settle(str(problem))
                    return f"service {self.number}: {problem}"
                return await ended
        except TimeoutError:
            return f"service {self.number} did not take it within {timeout_seconds:g} seconds"

    def _send(self, alert: Alert) -> str | None:
        """In the thread."""
        if self._notifier is None:
            self._notifier = _notifier(self._url)
        if self._notifier is None:
            return f"Apprise does not know what the URL in line {self.number} of the secret means"
        text = alert.summary.removeprefix(alert.title).strip() or alert.title
        result = self._notifier.notify(
            title=alert.title, body=text, notify_type=_kind(alert), body_format="text"
        )
        if result:
            return None
        said = next((entry.message for entry in result.logs()), "it was not taken")
        for secret in self._secrets:
            said = said.replace(secret, "***")
        return f"service {self.number}: {' '.join(said.split())}"[:DETAIL_CHARACTERS]


def _start_thread(
    loop: asyncio.AbstractEventLoop,
    work: Callable[[], str | None],
    ended: asyncio.Future[str | None],
    settle: Callable[[str | None], None],
) -> None:
    """Run ``work`` in a thread that the end of the process does not wait for.

    ``settle`` is told how it ended whether or not anybody waits for that any more.
    """

    def end(said: str | None) -> None:
        settle(said)
        if not ended.done():
            ended.set_result(said)

    def run() -> None:
        said: str | None = "Apprise failed"
        try:
            said = work()
        finally:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(end, said)

    threading.Thread(target=run, name="notify by apprise", daemon=True).start()


def _notifier(url: str) -> Any:
    """What notifies this URL; None if Apprise makes nothing of it."""
    apprise: Any = importlib.import_module("apprise")
    # They put URLs and whole requests into their logs, tokens included.
    said = logging.getLogger("apprise")
    said.propagate = False
    said.setLevel(logging.WARNING)  # what it makes of a failure is in its result
    logging.getLogger("urllib3").setLevel(logging.INFO)
    asset = apprise.AppriseAsset(
        app_id="trunkpulse",
        async_mode=False,
        http_redirects=False,
        service_timeout=0,
        storage_mode="memory",
    )
    # Not `add`, which makes several services of a text with commas: each was checked as one.
    service = apprise.Apprise.instantiate(url, asset=asset)
    return None if service is None else apprise.Apprise(service, asset=asset)


def _kind(alert: Alert) -> str:
    if alert.kind is AlertKind.RESOLVE:
        return "success"
    return _KINDS.get(alert.severity, "info")


def _check_fixed(url: str, where: str) -> None:
    scheme = url.partition("://")[0].lower()
    if scheme not in FIXED_SERVICES:
        raise DestinationInvalid(
            f"{where} uses a service of Apprise that may lead anywhere, which only a stream in "
            f"the configuration file may; use one of: {', '.join(sorted(FIXED_SERVICES))}."
        )
    if "?" in url:
        raise DestinationInvalid(
            f"{where} has an Apprise URL with parameters, which may have Apprise read a file or "
            "fetch a URL, and only a stream in the configuration file may do that; leave out the ? "
            "and what follows it."
        )
