"""What no sink can work with is refused when it is made, and Retry-After is read with care."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.adapters.outbound import Outside
from trunkpulse.adapters.sinks import SINKS, make_sink
from trunkpulse.adapters.sinks.apprise import FIXED_SERVICES
from trunkpulse.adapters.sinks.exchange import retry_after_seconds
from trunkpulse.config.destinations import KINDS
from trunkpulse.model import Destination, EventStream
from trunkpulse.ports import DestinationInvalid


def a_stream(url: str, secret: str | None = None, type_: str = "webhook") -> EventStream:
    return EventStream(
        id="noc", name="NOC", destination=Destination(type=type_, url=url, secret=secret)
    )


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("0", 0.0),
        (" 7 ", 7.0),
        ("9" * 64, 1e64),
        ("9" * 65, None),
        ("9" * 6000, None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:16:45 -0000", 5.0),
        ("Thu, 01 Jan 99999 00:00:00 GMT", None),
        ("Thu, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Thu, 01 Jan 2026 00:00:00 +9999", None),
        ("Thu, 01 Jan 2026 00:00:00 +99999999999999999", None),
    ],
)
def test_retry_after_is_read_or_passed_over(value: str, seconds: float | None) -> None:
    assert retry_after_seconds(value, 1000.0) == seconds


@given(
    st.text()
    | st.from_regex(r"\A[0-9]{1,80}\Z")
    | st.from_regex(
        r"\A([A-Z][a-z]{2}, )?[0-9]{1,25}[ -]Jan[ -][0-9]{1,25} [0-9:.]{1,25} "
        r"([+-][0-9]{1,25}|[A-Z]{1,5}|.{0,6})\Z"
    )
)
def test_no_retry_after_breaks_a_delivery(value: str) -> None:
    seconds = retry_after_seconds(value, 1000.0)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "ftp://example.com/?hush",
        "http://",
        "http://[hush/",
        "http://example.com:hush/",
    ],
)
def test_a_url_that_cannot_work_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(DestinationInvalid, match="event stream 'noc'") as refusal:
        make_sink(a_stream(url), Outside())
    assert "hush" not in str(refusal.value)


@pytest.mark.parametrize("secret", ["", "whsec_", "not base64!", "whsec_abc", "pässword"])
def test_a_secret_that_cannot_work_is_refused_without_repeating_it(secret: str) -> None:
    with pytest.raises(DestinationInvalid, match="write whsec_ and then 24 to 64") as refusal:
        make_sink(a_stream("http://127.0.0.1:9/", secret), Outside())
    assert "not base64!" not in str(refusal.value)


def test_an_unknown_type_is_refused_with_the_types_there_are() -> None:
    with pytest.raises(
        DestinationInvalid, match="unknown type 'pigeon'; use one of: amqp, apprise,"
    ):
        make_sink(a_stream("http://127.0.0.1:9/", type_="pigeon"), Outside())
    assert set(SINKS) == set(KINDS)


@pytest.mark.parametrize(
    ("type_", "needs"),
    [
        ("pagerduty", "routing key"),
        ("servicenow", "set username"),
        ("apprise", "Apprise URLs"),
    ],
)
def test_what_wakes_people_is_refused_without_what_it_needs(type_: str, needs: str) -> None:
    with pytest.raises(DestinationInvalid, match=needs):
        make_sink(a_stream("http://127.0.0.1:9/", type_=type_), Outside())


@pytest.mark.parametrize(
    "urls",
    [
        "json://127.0.0.1:9/hush",
        "mailtos://me:hush@example.com",
        "https://hooks.slack.com/services/hush",
        "slack://a/b/c\njson://127.0.0.1:9/hush",
        "syslog://hush",
    ],
)
def test_a_stream_of_the_api_may_not_choose_where_apprise_connects_to(urls: str) -> None:
    with pytest.raises(DestinationInvalid, match="only a stream in the configuration") as refusal:
        make_sink(a_stream("", urls, type_="apprise"), Outside())
    assert "hush" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js?template=http://127.0.0.1/hush",
        "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js?TEMPLATE=/etc/hush",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#a?template=/etc/hush",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#a/?+x=hush",
    ],
)
def test_a_stream_of_the_api_may_not_have_apprise_read_files_or_urls(url: str) -> None:
    with pytest.raises(DestinationInvalid, match="parameters") as refusal:
        make_sink(a_stream("", url, type_="apprise"), Outside())
    assert "hush" not in str(refusal.value)


def test_a_stream_of_the_api_may_use_services_with_an_address_of_their_own() -> None:
    for scheme in FIXED_SERVICES:
        make_sink(a_stream("", f"{scheme}://token", type_="apprise"), Outside())


def test_a_package_that_is_missing_is_named_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(DestinationInvalid, match=r"install trunkpulse\[apprise\]"):
        make_sink(a_stream("", "slack://a/b/c", type_="apprise"), Outside())
    # As it is where the extra was never installed: the sink's own module cannot be loaded.
    monkeypatch.setitem(sys.modules, "aio_pika", None)
    monkeypatch.delitem(sys.modules, "trunkpulse.adapters.sinks.amqp", raising=False)
    with pytest.raises(DestinationInvalid, match=r"aio_pika.*install trunkpulse\[amqp\]"):
        make_sink(a_stream("amqp://h/", type_="amqp"), Outside())
