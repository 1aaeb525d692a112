"""Mistakes in what an event stream takes, and in where it goes."""

from __future__ import annotations

from unit.config.mistake import DESTINATION, HOOK, STREAM, URL, Mistake, mistake

__all__ = ["IN_DESTINATIONS"]

SECRET = 'secret = "env:PLAIN"\n'


def to(type_: str, rest: str, *, alerts: str = "") -> str:
    return f'{STREAM}{alerts}[event_streams.destination]\ntype = "{type_}"\n{rest}'


def filtered(line: str) -> str:
    return STREAM + line + DESTINATION + URL


IN_DESTINATIONS: list[Mistake] = [
    # --- what it takes
    mistake("stream state", filtered('states = ["BROKEN"]\n'), "states[0]", '"DEGRADED"'),
    mistake("stream direction", filtered('directions = ["up"]\n'), "directions[0]", '"inbound"'),
    mistake("stream carrier", filtered("carriers = [1]\n"), "carriers[0]", "a carrier in quotes"),
    mistake("stream region", filtered('regions = [""]\n'), "regions[0]", "a region in quotes"),
    mistake("paused", filtered('paused = "no"\n'), "paused", "true or false"),
    # --- keys that another type has
    mistake(
        "key of another type",
        HOOK + 'exchange = "x"',
        'destination.exchange (event stream "s") is not a key of a webhook destination',
        "allowed here: type, url, secret, previous_secret, headers",
    ),
    mistake("no such url", to("pagerduty", 'secret = "env:KEY"\nusername = "u"'), "is not a key"),
    mistake("nearly a type", to("pagerdut", SECRET), 'did you mean "pagerduty"?'),
    mistake(
        "no type", STREAM + "[event_streams.destination]\n" + URL, "destination.type", '"amqp"'
    ),
    # --- what each needs
    mistake("no routing key", to("pagerduty", ""), "destination.secret", "the routing key"),
    mistake("other routing key", to("pagerduty", SECRET), "secret", "32 letters and digits"),
    mistake("severity", to("pagerduty", 'secret = "env:KEY"\nseverity = "bad"'), '"critical"'),
    mistake(
        "no user", to("servicenow", SECRET + URL.replace("/hook", "")), "username", "is missing"
    ),
    mistake(
        "path of an instance", to("servicenow", SECRET + URL + 'username = "u"'), "without a path"
    ),
    mistake("no password", to("servicenow", 'url = "https://h"\nusername = "u"'), "the password"),
    mistake("no Apprise URLs", to("apprise", ""), "destination.secret", "Apprise URLs"),
    mistake("no Apprise URL", to("apprise", SECRET), "secret", "must be Apprise URLs", "slack://"),
    mistake("no topic", to("kafka", 'url = "kafka://h:9092"'), "destination.topic", "is missing"),
    mistake("topic", to("kafka", 'url = "kafka://h:9092"\ntopic = "a b"'), "topic", "249"),
    mistake("no broker", to("kafka", 'topic = "t"'), "destination.url", "kafka://"),
    mistake("broker with user", to("kafka", 'url = "kafka://u@h:1"\ntopic = "t"'), "nothing else"),
    mistake("other broker", to("amqp", 'url = "http://h/"'), '"amqp://" or "amqps://"'),
    mistake("password in URL", to("amqp", 'url = "amqp://me:hunter2@h/"'), "without a password"),
    mistake("declare", to("amqp", 'url = "amqp://h/"\ndeclare = 1'), "true or false"),
    mistake("wildcard", to("nats", 'url = "nats://h"\nsubject = "a.>"'), "subject", "wildcards"),
    mistake("no key", to("redis", 'url = "redis://h"'), "destination.key", "is missing"),
    mistake("length", to("redis", 'url = "redis://h"\nkey = "k"\nmax_length = 0'), "max_length"),
    # --- replacing a secret
    mistake(
        "previous alone", HOOK + 'previous_secret = "env:GOOD"', "previous_secret", "no secret"
    ),
    mistake(
        "previous of nowhere",
        HOOK + 'secret = "env:GOOD"\nprevious_secret = "env:NOWHERE"',
        "previous_secret",
        "NOWHERE",
    ),
    # --- headers
    mistake("header of ours", HOOK + 'headers = { Webhook-Id = "x" }', "headers", "set already"),
    mistake("header of HTTP", HOOK + 'headers = { Host = "x" }', '"Host"', "set already"),
    mistake("header name", HOOK + 'headers = { "a b" = "x" }', "headers", '"a b"'),
    mistake("header twice", HOOK + 'headers = { X-A = "1", x-a = "2" }', "there twice"),
    mistake("header value", HOOK + 'headers = { X-A = "hunter2\\n" }', '"X-A"', "printable ASCII"),
    mistake("header number", HOOK + "headers = { X-A = 424242 }", "headers", "must hold texts"),
    mistake("header of nowhere", HOOK + 'headers = { X-A = "env:NOWHERE" }', '"X-A"', "NOWHERE"),
    mistake("no headers", HOOK + 'headers = "X-A: hunter2"', "headers", "a table such as"),
    mistake(
        "many headers",
        HOOK + "headers = { " + ", ".join(f'H{n} = "x"' for n in range(33)) + " }",
        "at most 32 headers, not 33",
    ),
    # --- alerts
    mistake(
        "alerts of a webhook",
        STREAM + "alerts = true\n" + DESTINATION + URL,
        'alerts (event stream "s") must be left out for a webhook destination',
    ),
    mistake(
        "incidents that nothing closes",
        to("pagerduty", 'secret = "env:KEY"', alerts="alerts = false\n"),
        "must not be false for a pagerduty destination",
        "group_by = []",
    ),
    mistake(
        "group", to("apprise", SECRET, alerts='alerts = { group_by = ["name"] }\n'), "group_by[0]"
    ),
    mistake(
        "wait", to("apprise", SECRET, alerts="alerts = { group_wait_seconds = -1 }\n"), "0 to 600"
    ),
    mistake(
        "unknown key of alerts",
        to("apprise", SECRET, alerts="alerts = { grouping = 1 }\n"),
        "alerts.grouping",
        "allowed here: group_by, group_wait_seconds",
    ),
    mistake("neither", to("apprise", SECRET, alerts='alerts = "yes"\n'), "true, false, or a table"),
]
