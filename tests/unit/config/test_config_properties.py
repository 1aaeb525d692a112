"""Whatever stands in the file, loading it gives a configuration or a ConfigError."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from trunkpulse.config import Config, ConfigError, load_config
from trunkpulse.config.route_schema import number_rule
from trunkpulse.config.schema import Document, Section
from trunkpulse.config.values import probe_target
from trunkpulse.model import NumberRange
from trunkpulse.sip.uri import SipUri

SETTINGS = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

WORDS = [
    "a",
    "env:HOME",
    "file:edge.toml",
    "sip:127.0.0.1:5060",
    "2xx",
    "+1-+2",
    "127.0.0.1:8080",
    "webhook",
    "both",
    "http://[",
    "sqlite:///x",
    "sips:x",
    "sip:x;transport=tcp;lr",
    "tls:127.0.0.1:0",
    "edge.toml",
    "teams",
]


def written(value: object) -> str:
    """``value`` as TOML; None is written as a date."""
    match value:
        case bool():
            text = "true" if value else "false"
        case float():
            text = str(value)
        case int():
            text = hex(value) if value > 10**19 else str(value)
        case str():
            # JSON's escapes are TOML's, but for DEL, which JSON leaves as it is.
            text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
        case list():
            text = f"[{', '.join(written(item) for item in value)}]"
        case dict():
            pairs = (f"{written(str(key))} = {written(item)}" for key, item in value.items())
            text = f"{{ {', '.join(pairs)} }}"
        case _:
            text = "1979-05-27T07:32:00Z"
    return text


def known_keys() -> list[str]:
    """Every key that the schema knows."""
    return sorted({key for section in Section.__subclasses__() for key in section.by_key()})


TEXTS = st.sampled_from(WORDS) | st.text(st.characters(codec="utf-8"), max_size=20)
SCALARS = (
    TEXTS
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**400, max_value=10**401)
    | st.floats()
    | st.none()
)
NAMES = st.sampled_from(known_keys()) | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=25,
)
ENTRIES = st.dictionaries(NAMES, VALUES, max_size=6)
DOCUMENTS = st.dictionaries(
    st.sampled_from(sorted(Document.model_fields)) | TEXTS,
    ENTRIES | st.lists(ENTRIES, max_size=4) | VALUES,
    max_size=6,
)


def load(folder: Path, content: bytes) -> Config:
    path = folder / "edge.toml"
    path.write_bytes(content)
    return load_config(path, {"HOME": "x"})


def assert_loads_or_says_why(folder: Path, content: bytes) -> None:
    problems: tuple[str, ...] = ()
    try:
        load(folder, content)
    except ConfigError as error:
        problems = error.problems or ("an error without a problem",)
    for problem in problems:
        assert problem.isprintable()
        assert problem.startswith(str(folder / "edge.toml"))
        assert problem.endswith(".")


@SETTINGS
@given(DOCUMENTS)
@example({"trunks": [{"id": "a", "targets": ["sip:x"], "min_available_targets": 10**400}]})
@example({"unknown": [{}], "api": [{}], "trunks": {}, "routes": [1, {}]})
def test_any_document_loads_or_is_a_config_error(
    tmp_path: Path, document: dict[str, object]
) -> None:
    toml = "".join(f"{written(key)} = {written(value)}\n" for key, value in document.items())
    assert_loads_or_says_why(tmp_path, toml.encode())


@SETTINGS
@given(st.binary(max_size=80) | st.text(st.characters(codec="utf-8")).map(str.encode))
def test_any_bytes_load_or_are_a_config_error(tmp_path: Path, content: bytes) -> None:
    assert_loads_or_says_why(tmp_path, content)


@SETTINGS
@given(st.text(st.characters(codec="utf-8"), min_size=8, max_size=40))
def test_a_literal_secret_is_never_repeated(tmp_path: Path, secret: str) -> None:
    toml = (
        '[[event_streams]]\nid = "s"\n[event_streams.destination]\ntype = "webhook"\n'
        f'url = "https://example.com"\nsecret = {written("whsec_" + secret)}\n'
    )
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, toml.encode())
    assert str(caught.value).count("\n") == 0
    assert "whsec_" not in str(caught.value)
    assert 'must be written "env:NAME"' in str(caught.value)


@SETTINGS
@given(
    st.from_regex(r"sip:[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}:[0-9]{1,5}", fullmatch=True)
)
@example("sip:127.0.0.1:5060")
def test_the_short_way_for_ordinary_targets_agrees_with_the_parser(target: str) -> None:
    try:
        canonical = str(SipUri.parse(target))
    except ValueError:
        with pytest.raises(ValueError, match="must be a SIP URI"):
            probe_target(target)
    else:
        assert probe_target(target) == canonical


@SETTINGS
@given(
    st.integers(min_value=1, max_value=15).flatmap(
        lambda size: st.tuples(*[st.text("0123456789", min_size=size, max_size=size)] * 2)
    )
)
def test_a_range_is_accepted_only_from_low_to_high(ends: tuple[str, str]) -> None:
    first, last = ends
    found = None
    with suppress(ValueError):
        found = number_rule(f"+{first}-+{last}")
    assert (found is not None) == (int(first) <= int(last))
    assert found is None or isinstance(found, NumberRange)
    assert found is None or (found.first, found.last) == (f"+{first}", f"+{last}")
