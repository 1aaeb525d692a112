"""Trunks that are put under other defaults are as if the file had said these."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from trunkpulse.config.inheritance import Inheritance
from trunkpulse.config.settings_documents import effective, new_settings
from trunkpulse.model import KeepalivePolicy
from unit.config.loading import load

PROFILES = ("generic", "twilio", "genesys")
SECONDS = st.sampled_from([1.0, 15.0, 16.0, 30.0, 45.0, 60.0, 120.0])
KEEPALIVE = st.fixed_dictionaries(
    {},
    optional={
        "interval_seconds": SECONDS,
        "down_interval_seconds": SECONDS,
        "confirm_interval_seconds": SECONDS,
        "jitter": st.sampled_from([0.0, 0.1, 0.5]),
        "max_failed_attempts": st.integers(1, 4),
        "enabled": st.booleans(),
        "healthy_responses": st.sampled_from([["2xx"], ["2xx", "404"], ["483"]]),
    },
)
OWN = st.fixed_dictionaries(
    {},
    optional={
        "interval_seconds": st.sampled_from([15.0, 20.0, 90.0]),
        "max_failed_attempts": st.integers(1, 4),
        "healthy_responses": st.sampled_from([["2xx"], ["486"]]),
    },
)


def toml(table: dict[str, object]) -> str:
    lines = []
    for key, value in table.items():
        text = str(value).lower() if not isinstance(value, list) else str(value).replace("'", '"')
        lines.append(f"{key} = {text}\n")
    return "".join(lines)


def trunk(profile: str, own: dict[str, object], hops: int) -> str:
    return (
        f'[[trunks]]\nid = "t"\ntargets = ["sip:127.0.0.1"]\nprofile = "{profile}"\n'
        f"[trunks.keepalive]\n{toml(own)}[trunks.advanced]\nmax_forwards = {hops}\n"
    )


def camel(table: dict[str, object]) -> dict[str, object]:
    def name(text: str) -> str:
        first, *others = text.split("_")
        return first + "".join(part.title() for part in others)

    return {name(key): value for key, value in table.items()}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    profile=st.sampled_from(PROFILES),
    own=OWN,
    hops=st.sampled_from([0, 70]),
    first=KEEPALIVE,
    second=KEEPALIVE,
)
def test_a_trunk_inherits_what_it_would_have_inherited_from_the_file(
    profile: str,
    own: dict[str, object],
    hops: int,
    first: dict[str, object],
    second: dict[str, object],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        text = trunk(profile, own, hops)
        plain = load(Path(folder), text)
        wanted = [
            load(Path(folder), f"[keepalive]\n{toml(table)}{text}") for table in (first, second)
        ]
    found = plain.trunks[0]
    for table, there in zip((first, second), wanted, strict=True):  # one after the other
        default, _ = effective(plain, new_settings({"keepalive": camel(table)}))
        found = Inheritance(default).trunk(found)
        assert found.keepalive == there.trunks[0].keepalive
        assert default == there.keepalive
        assert found.keepalive.inherited == there.trunks[0].keepalive.inherited


def test_trunks_that_share_their_terms_share_them_afterwards(tmp_path: Path) -> None:
    text = "".join(
        f'[[trunks]]\nid = "t{n}"\ntargets = ["sip:127.0.0.{n}"]\ncarrier = "acme"\n'
        for n in range(1, 5)
    )
    config = load(tmp_path, text)
    default, _ = effective(config, new_settings({"keepalive": {"jitter": 0.3}}))
    inheritance = Inheritance(default)
    found = [inheritance.trunk(each) for each in config.trunks]
    assert {id(each.terms) for each in found} == {id(found[0].terms)}
    assert found[0].keepalive is default
    assert found[0].keepalive.jitter == 0.3


def test_a_trunk_that_inherits_nothing_new_is_the_same_object(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        '[[trunks]]\nid = "t"\ntargets = ["sip:127.0.0.1"]\n[trunks.keepalive]\njitter = 0.3\n',
    )
    default, _ = effective(config, new_settings({"keepalive": {"jitter": 0.1}}))
    (trunk,) = config.trunks
    assert Inheritance(default).trunk(trunk) is trunk


def test_a_policy_that_nobody_inherited_stays() -> None:
    assert KeepalivePolicy().inherited == frozenset()


def test_what_the_file_says_holds_against_the_settings(tmp_path: Path) -> None:
    config = load(tmp_path, '[keepalive]\njitter = 0.2\n[sip]\nlisten = []\nuser_agent = "file"\n')
    assert config.declared == {"keepalive.jitter", "sip.user_agent"}
    said = new_settings({"keepalive": {"jitter": 0.1, "intervalSeconds": 20}, "userAgent": "api"})
    default, user_agent = effective(config, said)
    assert (default.jitter, default.interval_seconds, user_agent) == (0.2, 20, "file")
