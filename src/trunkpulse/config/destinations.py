"""What each type of destination takes, in one table for the file and for the API.

A new type is a line here, and a sink under ``adapters/sinks``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from trunkpulse.config.destination_values import (
    OPTIONS,
    OptionValue,
    apprise_urls,
    broker_url,
    kafka_url,
    routing_key,
    service_url,
    text_secret,
    web_headers,
    webhook_secret,
    webhook_url,
)
from trunkpulse.config.wording import did_you_mean, either, shown
from trunkpulse.model import AlertSettings, Destination

__all__ = ["KINDS", "DestinationInvalidAt", "DestinationKind", "alerts_of", "read_destination"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationKind:
    """What a destination of one type is made of."""

    url: Callable[[str], str] | None
    """None: it has no URL."""
    default_url: str = ""
    """Empty: a URL has to be given."""
    secret: Callable[[str], str]
    credential: str
    """What the secret is, as in "the password"."""
    needs_secret: bool = False
    has_previous_secret: bool = False
    has_headers: bool = False
    options: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    """Those of ``options`` that have to be given."""
    alerts: bool = False
    """It wakes people: they are told of alerts and not of each event."""
    alerts_only: bool = False
    """What it opens it has to close again, which single events do not see to."""

    @property
    def keys(self) -> tuple[str, ...]:
        """All that may be said of it."""
        return (
            "type",
            *(() if self.url is None else ("url",)),
            "secret",
            *(("previous_secret",) if self.has_previous_secret else ()),
            *(("headers",) if self.has_headers else ()),
            *self.options,
        )


KINDS: Mapping[str, DestinationKind] = MappingProxyType(
    {
        "webhook": DestinationKind(
            url=webhook_url,
            secret=webhook_secret,
            credential="the signing key",
            has_previous_secret=True,
            has_headers=True,
        ),
        "pagerduty": DestinationKind(
            url=webhook_url,
            default_url="https://events.pagerduty.com/v2/enqueue",
            secret=routing_key,
            credential="the routing key",
            needs_secret=True,
            has_previous_secret=True,
            options=("severity",),
            alerts=True,
            alerts_only=True,
        ),
        "servicenow": DestinationKind(
            url=service_url,
            secret=text_secret,
            credential="the password",
            needs_secret=True,
            options=("username", "mode", "assignment_group", "close_code"),
            needs=("username",),
            alerts=True,
            alerts_only=True,
        ),
        "amqp": DestinationKind(
            url=broker_url("amqp", "amqps", example="amqps://user@rabbitmq.example.com:5671/"),
            secret=text_secret,
            credential="the password",
            options=("exchange", "routing_key", "declare", "username"),
        ),
        "kafka": DestinationKind(
            url=kafka_url,
            secret=text_secret,
            credential="the password",
            options=("topic", "username", "sasl_mechanism", "tls"),
            needs=("topic",),
        ),
        "nats": DestinationKind(
            url=broker_url("nats", "natss", "tls", example="nats://nats.example.com:4222"),
            secret=text_secret,
            credential="the token or password",
            options=("subject", "username"),
            needs=("subject",),
        ),
        "redis": DestinationKind(
            url=broker_url("redis", "rediss", example="rediss://redis.example.com:6379/0"),
            secret=text_secret,
            credential="the password",
            options=("key", "max_length", "username"),
            needs=("key",),
        ),
        "apprise": DestinationKind(
            url=None,
            secret=apprise_urls,
            credential="Apprise URLs",
            needs_secret=True,
            alerts=True,
        ),
    }
)
"""By the ``type`` of a destination."""


class DestinationInvalidAt(ValueError):
    """A destination is not valid; ``problems`` says at which key, and what is wrong there.

    Each is a key (empty: the destination as a whole) and a predicate to be read after its name.
    No value that may be a secret is in them.
    """

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{key} {predicate}".strip() for key, predicate in problems))
        self.problems = problems


def read_destination(
    given: Mapping[str, object], *, spelt: Callable[[str], str] = str
) -> Destination:
    """The destination that these keys describe; secrets and headers stand there as they are.

    Raises DestinationInvalidAt with all that is wrong, where other keys are named as ``spelt``.
    """
    type_ = given.get("type")
    kind = KINDS.get(type_) if isinstance(type_, str) else None
    if kind is None or not isinstance(type_, str):
        raise DestinationInvalidAt([("type", _other_type(type_))])
    reading = _Reading(given, kind)
    reading.check_keys(type_, spelt)
    found = Destination(
        type=type_,
        url=reading.url(),
        secret=reading.secret(),
        previous_secret=reading.previous_secret(),
        headers=reading.headers(),
        options=reading.options(),
    )
    if reading.problems:
        raise DestinationInvalidAt(reading.problems)
    return found


def alerts_of(type_: str, said: AlertSettings | bool | None) -> AlertSettings | None:  # noqa: FBT001 - as the file says it
    """How a stream to this type of destination alerts, by what was said of it.

    None: nothing was said. Raises ValueError with what is wrong, to be read after the key's name.
    """
    kind = KINDS[type_]
    if said is None:
        said = kind.alerts
    if said is False and kind.alerts_only:
        raise ValueError(
            f"must not be false for a {type_} destination, which has to close what it opens; "
            "write group_by = [] for an alert of each trunk"
        )
    if said is False:
        return None
    if not kind.alerts:
        types = either(name for name, each in KINDS.items() if each.alerts)
        raise ValueError(
            f"must be left out for a {type_} destination, which gets every event; alerts are for "
            f"{types}"
        )
    return AlertSettings() if said is True else said


class _Reading:
    """Reads one destination, and goes on after what is wrong."""

    def __init__(self, given: Mapping[str, object], kind: DestinationKind) -> None:
        self.problems: list[tuple[str, str]] = []
        self._given = given
        self._kind = kind

    def check_keys(self, type_: str, spelt: Callable[[str], str]) -> None:
        known = self._kind.keys
        for key in self._given:
            if key not in known:
                near = did_you_mean(key, known)
                hint = f" (did you mean {spelt(near)}?)" if near else ""
                allowed = ", ".join(map(spelt, known))
                self._say(
                    key, f"is not a key of a {type_} destination{hint}; allowed here: {allowed}"
                )

    def url(self) -> str:
        if self._kind.url is None:
            return ""
        url = self._text("url", self._kind.url)
        if url is None and not self._kind.default_url:
            self._say("url", _missing_url(self._kind.url))
        return url or self._kind.default_url

    def secret(self) -> str | None:
        secret = self._text("secret", self._kind.secret)
        if secret is None and self._kind.needs_secret:
            self._say("secret", f"is missing; it must be {self._kind.credential}")
        return secret

    def previous_secret(self) -> str | None:
        if not self._kind.has_previous_secret:
            return None
        previous = self._text("previous_secret", self._kind.secret)
        if previous is not None and self._given.get("secret") is None:
            self._say("previous_secret", "must be left out while there is no secret")
        return previous

    def headers(self) -> tuple[tuple[str, str], ...]:
        said = self._given.get("headers")
        if said is None or not self._kind.has_headers:
            return ()
        if not isinstance(said, Mapping):
            self._say("headers", 'must be a table such as { "X-Team" = "noc" }')
            return ()
        try:
            return web_headers({str(name): value for name, value in said.items()})
        except ValueError as problem:
            self._say("headers", str(problem))
            return ()

    def options(self) -> tuple[tuple[str, OptionValue], ...]:
        found: list[tuple[str, OptionValue]] = []
        for name in self._kind.options:
            value = self._given.get(name)
            if value is not None:
                try:
                    found.append((name, OPTIONS[name](value)))
                except ValueError as problem:
                    self._say(name, str(problem))
            elif name in self._kind.needs:
                self._say(name, f"is missing; it must be {OPTIONS[name].phrase}")
        return tuple(found)

    def _text(self, key: str, parse: Callable[[str], str]) -> str | None:
        value = self._given.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            self._say(key, "must be a text")
            return ""
        try:
            return parse(value)
        except ValueError as problem:
            self._say(key, str(problem))
            return ""

    def _say(self, key: str, predicate: str) -> None:
        self.problems.append((key, predicate))


def _other_type(type_: object) -> str:
    near = did_you_mean(type_, KINDS) if isinstance(type_, str) else None
    hint = f" (did you mean {shown(near)}?)" if near else ""
    if type_ is None:
        return f"is missing; it must be {either(KINDS)}"
    return f"must be {either(KINDS)}, not {shown(type_)}{hint}"


def _missing_url(parse: Callable[[str], str]) -> str:
    """What a URL must be, in the words of its parser."""
    try:
        parse("")
    except ValueError as problem:
        allowed = str(problem).partition(", ")[0].removeprefix("must be ")
        return f"is missing; it must be {allowed}"
    return "is missing"
