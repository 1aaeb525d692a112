"""What a switch in the file becomes, and what is said of one that cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trunkpulse.config import Config, ConfigError, load_config
from trunkpulse.config.advice import advise
from trunkpulse.config.switches import LastOfGroup, SwitchSettings, SwitchType, SwitchUrl
from unit.config.pem import made

TRUNK = """
[[trunks]]
id = "a"
targets = ["sip:192.0.2.1"]
[[trunks]]
id = "carrier-b"
targets = ["sip:192.0.2.2"]
"""


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
        (table(trunks='["carier-b"]'), 'no trunk "carier-b" (did you mean "carrier-b"?)'),
        (
            table(tls='{ ca_file = "ca.pem" }'),
            'switches[0].tls must be left out with "tcp:", which is without TLS',
        ),
        (
            table(url='"https://127.0.0.1/RPC"', tls='{ ca_file = "gone.pem" }'),
            "switches[0].tls.ca_file points at the file",
        ),
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


def test_the_file_of_the_authorities_starts_from_the_folder_and_tells_when_it_is_renewed(
    tmp_path: Path,
) -> None:
    text = table(url='"https://127.0.0.1/RPC"', tls='{ ca_file = "ca.pem" }')
    made().write(tmp_path)
    [before] = loaded(tmp_path, text).switches
    assert before.ca_file == str(tmp_path / "ca.pem")
    assert loaded(tmp_path, text).switches == (before,)
    made().write(tmp_path)
    os.utime(tmp_path / "ca.pem", ns=(1, 1))
    assert loaded(tmp_path, text).switches != (before,)


@pytest.mark.parametrize(
    ("url", "advised"),
    [
        ("http://127.0.0.1:5060/RPC", False),
        ("http://127.0.0.1:5060", False),
        ("http://127.0.0.1:5060/jsonrpc", True),
        ("https://127.0.0.1:5061/", False),
        ("https://127.0.0.1:5061/rpc/", False),
        ("tcp:127.0.0.1:2049", False),
    ],
)
def test_a_path_that_kamailio_seldom_answers_at_is_advised_against(
    tmp_path: Path, url: str, *, advised: bool
) -> None:
    config = loaded(tmp_path, table(url=f'"{url}"'))
    found = [each for each in advise(config) if each.code == "switch_path"]
    assert [each.where for each in found] == (['switch "edge"'] if advised else [])
