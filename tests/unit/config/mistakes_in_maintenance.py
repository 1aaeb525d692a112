"""Mistakes in a maintenance window."""

from __future__ import annotations

from unit.config.mistake import Mistake, mistake

__all__ = ["IN_MAINTENANCE"]

SPAN = "starts = 2026-12-06T02:00:00Z\nends = 2026-12-06T05:00:00Z\n"
DAILY = 'repeat = "daily"\nat = "02:00"\nduration_seconds = 3600\n'


def window(rest: str) -> str:
    return f'[[maintenance]]\nid = "w"\n{rest}'


IN_MAINTENANCE: list[Mistake] = [
    mistake("window without id", f"[[maintenance]]\n{SPAN}", "maintenance[0].id", "is missing"),
    mistake(
        "window twice", window(SPAN) + window(SPAN), 'maintenance[1].id (maintenance window "w")'
    ),
    mistake("window of no trunk", window(SPAN + 'trunks = ["x"]'), "there is no trunk", '"x"'),
    mistake("window key", window(SPAN + "carrier = 1"), "did you mean carriers?"),
    mistake("neither once nor again", window(""), "starts", "is missing", "or set repeat"),
    mistake("without an end", window("starts = 2026-12-06T02:00:00Z"), "ends", "is missing"),
    mistake(
        "ends first",
        window('starts = "2026-12-06T02:00:00Z"\nends = "2026-12-06T02:00:00+01:00"'),
        "maintenance[0].ends",
        "must be after starts",
    ),
    mistake("no moment", window('starts = "soon"'), "starts", "a moment such as", '"soon"'),
    mistake("a date alone", window("starts = 2026-12-06\n"), "starts", "a moment such as"),
    mistake("a far year", window("starts = 9999-12-31T23:59:59Z"), "starts", "from 2000 to 9000"),
    mistake("once and again", window(SPAN + DAILY), "starts", "must be left out"),
    mistake("once with a time", window(SPAN + 'at = "02:00"'), "at", "must be left out"),
    mistake("repeat", window('repeat = "yearly"'), "repeat", '"daily" or "weekly"'),
    mistake("again at no time", window('repeat = "daily"'), "at", "is missing"),
    mistake("time of day", window('repeat = "daily"\nat = "2 am"'), "at", "a time of day"),
    mistake("time with offset", window('at = "02:00Z"'), "at", "set time_zone instead"),
    mistake("again without length", window('repeat = "daily"\nat = 02:00:00'), "duration_seconds"),
    mistake("too short", window(DAILY.replace("3600", "59")), "duration_seconds", "60 to 604800"),
    mistake(
        "longer than a day", window(DAILY.replace("3600", "86401")), "duration_seconds", "86400"
    ),
    mistake("weekly without days", window(DAILY.replace("daily", "weekly")), "days", "must name"),
    mistake("daily with days", window(DAILY + 'days = ["sunday"]'), "days", 'repeat to "weekly"'),
    mistake("day", window(DAILY + 'days = ["sun"]'), "days[0]", '"saturday" or "sunday"'),
    mistake("zone", window(DAILY + 'time_zone = "Mars/Base"'), "time_zone", '"Mars/Base"', "UTC"),
    mistake("zone as a path", window(DAILY + 'time_zone = "../x"'), "time_zone", "a time zone"),
]
