"""What a switch in the file becomes, and what is said of one that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkpulse.config import Config, ConfigError, load_config
from trunkpulse.config.switches import LastOfGroup, SwitchSettings, SwitchType, SwitchUrl

TRUNK = '[[trunks]]\nid = "a"\ntargets = ["sip:192.0.2.1"]\n'


def loaded(folder: Path, text: str) -> Config:
    file = folder / "trunkpulse.toml"
    file.write_text(TRUNK + text)
    return load_config(file, {"SECRET": "hush-hush"})


def table(**keys: str) -> str:
    given = {"id": '"edge"', "type": '"kamailio"', "url": '"tcp:127.0.0.1:2049"', **keys}
    return "[[switches]]\n" + "".join(f"{key} = {value}\n" for key, value in given.items())


def test_every_key_arrives(tmp_path: Path) -> None:
    text = table(
        url='"http://127.0.0.1:5060/RPC"',
        username='"pulse"',
        password='"env:SECRET"',
        trunks='["a"]',
        groups="[1, 2]",
        interval_seconds="5",
        dry_run="true",
        enabled="false",
        when_none_available='"keep_last"',
    )
    assert loaded(tmp_path, text).switches == (
        SwitchSettings(
            id="edge",
            type=SwitchType.KAMAILIO,
            url=SwitchUrl("http", "127.0.0.1", 5060, "/RPC"),
            username="pulse",
            password="hush-hush",
            trunks=("a",),
            groups=(1, 2),
            interval_seconds=5.0,
            dry_run=True,
            enabled=False,
            when_none_available=LastOfGroup.KEEP_LAST,
        ),
    )


@pytest.mark.parametrize(
    ("kind", "written", "canonical"),
    [
        ("kamailio", "http://127.0.0.1", "http://127.0.0.1:80/RPC"),
        ("kamailio", "HTTPS://Edge.example.com/rpc", "https://edge.example.com:443/rpc"),
        ("kamailio", "tcp:127.0.0.1", "tcp:127.0.0.1:2049"),
        ("kamailio", "tcp://[::1]:2046", "tcp:[::1]:2046"),
        ("kamailio", "udp:edge:2046", "udp:edge:2046"),
        ("kamailio", "unix:/run/kamailio/ctl", "unix:/run/kamailio/ctl"),
        ("kamailio", "unix:///run/kamailio/ctl", "unix:/run/kamailio/ctl"),
        ("opensips", "http://127.0.0.1", "http://127.0.0.1:8888/mi"),
        ("freeswitch", "tcp:127.0.0.1", "tcp:127.0.0.1:8021"),
        ("asterisk", "tls:pbx.example.com", "tls:pbx.example.com:5039"),
    ],
)
def test_an_address_has_one_canonical_form(kind: str, written: str, canonical: str) -> None:
    url = SwitchUrl.parse(written, SwitchType(kind))
    assert str(url) == canonical
    assert SwitchUrl.parse(str(url), SwitchType(kind)) == url


@pytest.mark.parametrize(
    "written",
    [
        "",
        "127.0.0.1",
        "ftp:127.0.0.1",
        "http:127.0.0.1",
        "http://",
        "http://127.0.0.1:0/RPC",
        "http://127.0.0.1:70000/RPC",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/RPC#top",
        "tcp:127.0.0.1/RPC",
        "tcp:::1:2049",
        "unix:ctl",
        f"unix:/{'x' * 200}",
        "tls:127.0.0.1",
        "http://pulse:hush-hush@127.0.0.1/RPC",
        "http://127.0.0.1/RPC?key=hush-hush",
        "http://127.0.0.1/ä",
    ],
)
def test_an_address_that_leads_nowhere_is_refused_and_not_repeated(written: str) -> None:
    with pytest.raises(ValueError, match="must ") as caught:
        SwitchUrl.parse(written, SwitchType.KAMAILIO)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (table(type='"kamalio"'), 'switches[0].type must be "kamailio", "opensips"'),
        (table(url='"ftp:x"'), "switches[0].url must be a text such as "),
        (table() + table(), "switches[1].id must be unique"),
        (table(trunks='["b"]'), "switches[0].trunks[0] must be the id of a trunk in this file"),
        (table(groups='["one"]'), "switches[0].groups[0] must be a whole number from 0 on"),
        (table(interval_seconds="0"), "switches[0].interval_seconds must be a number of seconds"),
        (table(when_none_available='"no"'), 'must be "fail" or "keep_last"'),
        (table(username='"pulse"'), 'username must be left out with "tcp:", which asks for none'),
        (table(password='"hush-hush"'), 'must be written "env:NAME"'),
        (
            table(type='"asterisk"', url='"tcp:127.0.0.1"', groups="[1]"),
            "switches[0].groups must be left out with type asterisk",
        ),
        (
            table(type='"freeswitch"', url='"tcp:h"', when_none_available='"keep_last"'),
            'switches[0].when_none_available must be "fail" with type freeswitch',
        ),
        (table(groop="[1]"), "did you mean groups?"),
    ],
)
def test_what_is_wrong_is_one_sentence_that_names_the_key(
    tmp_path: Path, text: str, sentence: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    assert any(sentence in problem for problem in caught.value.problems), caught.value.problems
    assert not any("hush" in problem for problem in caught.value.problems)
