"""What the tables of event streams turn into, for each type of destination."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from trunkpulse.config.advice import advise
from trunkpulse.config.destinations import KINDS, DestinationInvalidAt, read_destination
from trunkpulse.model import AlertSettings, Destination, EventStream
from unit.config.advised import codes, config, trunk
from unit.config.loading import load

KEY = "whsec_" + base64.b64encode(bytes(32)).decode()
OLDER = "whsec_" + base64.b64encode(bytes(range(32))).decode()
ENVIRON = {"KEY": KEY, "OLDER": OLDER, "ROUTING": "R" * 32, "PASSWORD": "hunter2", "TOKEN": "t0k"}


def only_stream(folder: Path, toml: str) -> EventStream:
    (stream,) = load(folder, f'[[event_streams]]\nid = "s"\n{toml}', **ENVIRON).event_streams
    return stream


def destination(folder: Path, toml: str) -> Destination:
    return only_stream(folder, f"[event_streams.destination]\n{toml}").destination


def test_a_webhook_has_two_keys_while_one_is_replaced_and_headers_that_may_be_secrets(
    tmp_path: Path,
) -> None:
    found = destination(
        tmp_path,
        'type = "webhook"\nurl = "https://h/x"\nsecret = "env:KEY"\n'
        'previous_secret = "env:OLDER"\nheaders = { Authorization = "env:TOKEN", X-A = "1" }\n',
    )
    assert found == Destination(
        type="webhook",
        url="https://h/x",
        secret=KEY,
        previous_secret=OLDER,
        headers=(("Authorization", "t0k"), ("X-A", "1")),
    )
    for secret in (KEY, OLDER, "t0k"):
        assert secret not in repr(found)


@pytest.mark.parametrize(
    ("toml", "url", "options"),
    [
        (
            'type = "pagerduty"\nsecret = "env:ROUTING"\nseverity = "error"',
            "https://events.pagerduty.com/v2/enqueue",
            {"severity": "error"},
        ),
        (
            (
                'type = "servicenow"\nurl = "https://h"\nusername = "u"\nsecret = "env:PASSWORD"\n'
                'mode = "incident"\nassignment_group = "NOC"'
            ),
            "https://h",
            {"username": "u", "mode": "incident", "assignment_group": "NOC"},
        ),
        (
            'type = "amqp"\nurl = "amqps://u@h:5671/v"\nsecret = "env:PASSWORD"\ndeclare = false',
            "amqps://u@h:5671/v",
            {"declare": False},
        ),
        (
            'type = "kafka"\nurl = "kafka://a:9092,b:9092"\ntopic = "t"\ntls = true',
            "kafka://a:9092,b:9092",
            {"topic": "t", "tls": True},
        ),
        ('type = "nats"\nurl = "nats://h"\nsubject = "a.b"', "nats://h", {"subject": "a.b"}),
        (
            'type = "redis"\nurl = "rediss://h:6379/0"\nkey = "k"\nmax_length = 500',
            "rediss://h:6379/0",
            {"key": "k", "max_length": 500},
        ),
    ],
)
def test_each_type_has_keys_of_its_own(
    toml: str, url: str, options: dict[str, object], tmp_path: Path
) -> None:
    found = destination(tmp_path, toml)
    assert found.url == url
    assert dict(found.options) == options


def test_apprise_urls_stand_in_a_file_one_a_line(tmp_path: Path) -> None:
    (tmp_path / "urls").write_text("slack://a/b/c\nmailtos://u:p@h?to=x@y\n")
    found = destination(tmp_path, 'type = "apprise"\nsecret = "file:urls"')
    assert found.secret == "slack://a/b/c\nmailtos://u:p@h?to=x@y"
    assert found.url == ""


def test_what_wakes_people_alerts_and_the_rest_gets_every_event(tmp_path: Path) -> None:
    def alerts(said: str, where: str) -> AlertSettings | None:
        return only_stream(tmp_path, f"{said}[event_streams.destination]\n{where}").alerts

    hook = 'type = "webhook"\nurl = "https://h/x"'
    page = 'type = "pagerduty"\nsecret = "env:ROUTING"'
    (tmp_path / "urls").write_text("slack://a/b/c")
    chat = 'type = "apprise"\nsecret = "file:urls"'
    assert alerts("", hook) is None
    assert alerts("alerts = false\n", hook) is None
    assert alerts("", page) == alerts("alerts = true\n", page) == AlertSettings()
    assert alerts("alerts = false\n", chat) is None
    assert alerts("alerts = { group_by = [], update_seconds = 300 }\n", chat) == AlertSettings(
        group_by=(), update_seconds=300
    )


def test_a_stream_is_filtered_enabled_and_paused_as_the_file_says(tmp_path: Path) -> None:
    stream = only_stream(
        tmp_path,
        'enabled = false\npaused = true\ncarriers = ["acme"]\nregions = ["eu"]\n'
        'directions = ["outbound", "both"]\nstates = ["DOWN"]\n'
        'destination = { type = "webhook", url = "https://h/x" }\n',
    )
    assert (stream.enabled, stream.paused) == (False, True)
    assert (stream.carriers, stream.regions) == (("acme",), ("eu",))
    assert (stream.directions, stream.states) == (("outbound", "both"), ("DOWN",))


def test_all_that_is_wrong_with_a_destination_is_said_at_once() -> None:
    with pytest.raises(DestinationInvalidAt) as caught:
        read_destination({"type": "kafka", "url": 5, "topic": "", "key": "x", "tls": "yes"})
    assert [key for key, _ in caught.value.problems] == ["key", "url", "topic", "tls"]


@pytest.mark.parametrize("type_", KINDS)
def test_no_type_falls_over_what_it_is_not_given(type_: str) -> None:
    strange_values: tuple[object, ...] = (None, 5, [], {}, "", True)
    for strange in strange_values:
        given = {key: strange for key in KINDS[type_].keys if key != "type"}
        with pytest.raises(DestinationInvalidAt):
            read_destination({"type": type_, **given})


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ('destination = { type = "webhook", url = "https://h/", secret = "env:KEY" }', []),
        (
            (
                'carriers = ["acmee"]\n'
                'destination = { type = "webhook", url = "https://h/", secret = "env:KEY" }'
            ),
            ["stream_filter_unknown"],
        ),
        (
            'reason_codes = ["*"]\ndestination = { type = "pagerduty", secret = "env:ROUTING" }',
            ["alerts_every_reason"],
        ),
        (
            (
                'destination = { type = "redis", url = "redis://h", key = "k",'
                ' secret = "env:PASSWORD" }'
            ),
            ["credentials_in_the_clear"],
        ),
        (
            (
                'destination = { type = "redis", url = "redis://127.0.0.1", key = "k",'
                ' secret = "env:PASSWORD" }'
            ),
            [],
        ),
        (
            'destination = { type = "nats", url = "nats://h", subject = "s" }',
            ["stream_unencrypted"],
        ),
        ('destination = { type = "nats", url = "natss://h", subject = "s" }', []),
        ('destination = { type = "nats", url = "nats://127.0.0.1", subject = "s" }', []),
        (
            'destination = { type = "kafka", url = "kafka://h:9092", topic = "t" }',
            ["stream_unencrypted"],
        ),
        ('destination = { type = "kafka", url = "kafka://h:9092", topic = "t", tls = true }', []),
        (
            (
                'destination = { type = "kafka", url = "kafka://h:9092", topic = "t",'
                ' username = "u", secret = "env:PASSWORD" }'
            ),
            ["credentials_in_the_clear"],
        ),
    ],
)
def test_a_destination_that_will_be_regretted_is_advised_against(
    toml: str, expected: list[str], tmp_path: Path
) -> None:
    stream = only_stream(tmp_path, toml)
    assert codes(advise(config(trunk("a"), streams=(stream,)))) == expected
