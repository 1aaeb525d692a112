"""Mistakes in routes and event streams."""

from __future__ import annotations

from unit.config.mistake import (
    DESTINATION,
    HOOK,
    MEMBERS,
    PASTED,
    ROUTE,
    STREAM,
    TRUNK,
    URL,
    mistake,
)

__all__ = ["IN_ROUTES_AND_STREAMS"]

IN_ROUTES_AND_STREAMS = [
    # --- routes
    mistake("route id twice", TRUNK + (ROUTE + MEMBERS) * 2, "routes[1].id", "unique"),
    mistake("route without trunks", ROUTE, 'routes[0].trunks (route "r") is missing'),
    mistake("route with none", ROUTE + "trunks = []", "routes[0].trunks", "at least one trunk"),
    mistake(
        "dangling trunk in a route",
        TRUNK + ROUTE + 'trunks = [{ id = "a" }, { id = "b" }]',
        "routes[0].trunks[1].id",
        'there is no trunk "b"',
    ),
    mistake(
        "trunk twice in a route",
        TRUNK + ROUTE + 'trunks = [{ id = "a" }, { id = "a" }]',
        "routes[0].trunks[1].id",
        "once in a route",
    ),
    mistake("priority", TRUNK + ROUTE + 'trunks = [{ id = "a", priority = 0 }]', "1 to 65535"),
    mistake("weight", TRUNK + ROUTE + 'trunks = [{ id = "a", weight = -1 }]', "weight", "-1"),
    mistake("number", TRUNK + ROUTE + MEMBERS + 'numbers = ["1555123"]', "numbers[0]", "E.164"),
    mistake("16 digits", TRUNK + ROUTE + MEMBERS + f'numbers = ["+{"1" * 16}"]', "1 to 15 digits"),
    mistake("other digits", TRUNK + ROUTE + MEMBERS + 'numbers = ["+\u0661"]', "1 to 15 digits"),
    mistake("backwards", TRUNK + ROUTE + MEMBERS + 'numbers = ["+19-+10"]', "lower number to the"),
    mistake("lengths", TRUNK + ROUTE + MEMBERS + 'numbers = ["+1-+10"]', "equally many digits"),
    mistake(
        "pattern", TRUNK + ROUTE + MEMBERS + 'numbers = ["+1[9-2]X"]', "numbers[0]", "brackets"
    ),
    mistake(
        "expression", TRUNK + ROUTE + MEMBERS + 'numbers = ["+1(5|6)"]', "numbers[0]", "pattern"
    ),
    mistake("long", TRUNK + ROUTE + MEMBERS + f'numbers = ["+{"X" * 16}"]', "at most 15 digits"),
    mistake("ramp", TRUNK + ROUTE + MEMBERS + "failback_ramp_seconds = 3601", "0 to 3600", "3601"),
    mistake(
        "zone", TRUNK + ROUTE + MEMBERS + 'timezone = "Mars/Base"', "routes[0].timezone", "Mars"
    ),
    mistake(
        "day",
        TRUNK + ROUTE + MEMBERS + 'times = [{ days = ["mon", "workdays"] }]',
        'routes[0].times[0].days[1] (route "r") must be a day such as "mon"',
        'not "workdays"',
    ),
    mistake(
        "time",
        TRUNK + ROUTE + MEMBERS + 'times = [{ from = "8 am" }]',
        'routes[0].times[0].from (route "r") must be a time of day',
        'not "8 am"',
    ),
    mistake(
        "next day",
        TRUNK + ROUTE + MEMBERS + 'times = [{ from = "24:00" }]',
        'routes[0].times[0].from (route "r") must be before "24:00"',
        'write "00:00"',
    ),
    mistake(
        "seconds",
        TRUNK + ROUTE + MEMBERS + "times = [{ to = 08:00:30 }]",
        "routes[0].times[0].to",
        'not "08:00:30"',
    ),
    mistake(
        "no time",
        TRUNK + ROUTE + MEMBERS + 'times = [{ from = "08:00", to = "08:00" }]',
        "routes[0].times[0]",
        "different times in from and to",
    ),
    mistake(
        "name of a time",
        TRUNK + ROUTE + MEMBERS + 'times = [{ form = "08:00" }]',
        "routes[0].times[0].form",
        "did you mean from?",
        "allowed here: days, from, to",
    ),
    mistake("a number of times", TRUNK + ROUTE + MEMBERS + "times = [8]", "times[0]", "a table"),
    mistake(
        "too many times",
        TRUNK + ROUTE + MEMBERS + f"times = [{'{},' * 65}]",
        "routes[0].times",
        "up to 64 times",
    ),
    mistake("country", '[routing]\ncountry = "ZZ"', "routing.country", '"US"', 'not "ZZ"'),
    mistake("time zone", '[routing]\ntimezone = "CEST5"', "routing.timezone", "Europe/Berlin"),
    mistake("route region", TRUNK + ROUTE + MEMBERS + 'regions = [""]', "regions[0]", "a region"),
    mistake("when none", TRUNK + ROUTE + MEMBERS + 'when_none_available = "x"', '"try_all"'),
    # --- event streams
    mistake("stream id twice", HOOK + HOOK, "event_streams[1].id", "unique"),
    mistake("no destination", STREAM, 'destination (event stream "s") is missing', "a url"),
    mistake("dangling stream", STREAM + 'trunks = ["b"]\n' + DESTINATION + URL, 'no trunk "b"'),
    mistake(
        "event type",
        STREAM + 'event_types = ["x"]\n' + DESTINATION + URL,
        "event_streams[0].event_types[0]",
        '"telephony.trunks.stateChange"',
    ),
    mistake(
        "reason",
        STREAM + 'reason_codes = ["OOPS"]\n' + DESTINATION + URL,
        "event_streams[0].reason_codes[0]",
        '"KEEPALIVE_FAILURE"',
        '"*"',
    ),
    mistake(
        "destination type",
        HOOK.replace('"webhook"', '"fax"'),
        'be "webhook", "pagerduty"',
        'not "fax"',
    ),
    mistake("no URL", STREAM + DESTINATION, "destination.url", "is missing", "https://"),
    mistake("other URL", STREAM + DESTINATION + 'url = "ftp://x"', "destination.url", "https://"),
    mistake("no host", STREAM + DESTINATION + 'url = "http:///x"', "destination.url", "host"),
    mistake(
        "no such address",
        STREAM + DESTINATION + 'url = "http://1.2.3.999/hook"',
        "destination.url",
        "with a legal host and port",
    ),
    mistake("bad port", STREAM + DESTINATION + 'url = "http://h:99999"', "destination.url", "port"),
    mistake("fragment", STREAM + DESTINATION + 'url = "http://h/#x"', "destination.url", "#"),
    mistake(
        "blank", STREAM + DESTINATION + 'url = "http://h/ x"', "destination.url", "white space"
    ),
    mistake(
        "userinfo",
        STREAM + DESTINATION + 'url = "https://me:hunter2@h/x"',
        "destination.url",
        "without a user name or password",
    ),
    mistake("user", STREAM + DESTINATION + 'url = "http://me@h/"', "url", "without a user name"),
    mistake("literal secret", HOOK + f'secret = "{PASTED}"', "destination.secret", '"env:NAME"'),
    mistake("env secret", HOOK + f'secret = "env:{PASTED}"', "destination.secret", '"env:NAME"'),
    mistake("secret number", HOOK + "secret = 424242", "destination.secret", '"env:NAME"'),
    mistake("unset", HOOK + 'secret = "env:NOWHERE"', "destination.secret", "NOWHERE", "not set"),
    mistake("empty", HOOK + 'secret = "env:EMPTY"', "destination.secret", "EMPTY", "is empty"),
    mistake("short", HOOK + 'secret = "env:SHORT"', "destination.secret", "24 to 64"),
    mistake("plain", HOOK + 'secret = "env:PLAIN"', "destination.secret", '"whsec_"'),
    mistake("no file", HOOK + 'secret = "file:gone"', "destination.secret", "gone", "be read"),
    mistake("empty file", HOOK + 'secret = "file:empty"', "destination.secret", "is empty"),
    mistake("binary file", HOOK + 'secret = "file:binary"', "destination.secret", "not text"),
    mistake("folder", HOOK + 'secret = "file:."', "destination.secret", "cannot be read"),
    mistake("null path", HOOK + 'secret = "file:a\\u0000"', "destination.secret", "not a path"),
    mistake("large file", HOOK + 'secret = "file:large"', "destination.secret", "too large"),
]
