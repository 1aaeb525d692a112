"""Profiles: data about carriers that comes between [keepalive] and what a trunk says itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from trunkpulse.config import Config, ConfigError, load_config
from trunkpulse.config.profiles import built_in
from trunkpulse.config.values import BUILT_IN_PROFILES
from trunkpulse.health.hysteresis import Run, pace_seconds
from trunkpulse.model import KeepalivePolicy, ProbeIdentity, TargetState, TlsSettings, Trunk
from unit.config.pem import PemFiles

TEAMS = 'contact_uri = "sip:sbc.example.com:5061;transport=tls"\nfrom_uri = "sip:sbc.example.com"\n'


def load(folder: Path, toml: str, **environ: str) -> Config:
    path = folder / "edge.toml"
    path.write_text(toml, "utf-8")
    return load_config(path, environ)


def trunk(
    folder: Path,
    profile: str,
    *,
    keepalive: str = "",
    own: str = "",
    advanced: str = "",
    target: str = "sip:sbc.example.com;transport=tls",
) -> Trunk:
    (only,) = load(
        folder,
        f"[keepalive]\n{keepalive}\n"
        f'[[trunks]]\nid = "a"\ntargets = ["{target}"]\nprofile = "{profile}"\n'
        f"[trunks.keepalive]\n{own}\n[trunks.advanced]\n{advanced}",
        PASSWORD="hunter2",
    ).trunks
    return only


def acme(folder: Path, text: str) -> str:
    (folder / "profiles").mkdir(exist_ok=True)
    (folder / "profiles" / "acme.toml").write_text(text, "utf-8")
    return "profiles/acme.toml"


def problems(folder: Path, profile: str, **more: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        trunk(folder, profile, **more)
    assert caught.value.__context__ is None
    return [problem.removeprefix(f"{folder}/") for problem in caught.value.problems]


@pytest.mark.parametrize("name", BUILT_IN_PROFILES)
def test_a_profile_that_comes_with_trunkpulse_describes_itself(name: str) -> None:
    assert built_in(name).name == name
    assert built_in(name).description.endswith(".")


def test_the_profile_of_any_carrier_changes_nothing(tmp_path: Path) -> None:
    found = trunk(tmp_path, "generic", keepalive="interval_seconds = 1")
    assert found.profile == "generic"
    assert found.keepalive == KeepalivePolicy(interval_seconds=1)
    assert found.identity == ProbeIdentity()


def test_a_profile_comes_after_the_defaults_and_before_the_trunk(tmp_path: Path) -> None:
    text = "[keepalive]\ninterval_seconds = 40\nmax_failed_attempts = 4\njitter = 0.1\n"
    found = trunk(
        tmp_path,
        acme(tmp_path, 'description = "Acme"\n' + text),
        keepalive="interval_seconds = 20\ntimeout_seconds = 2\njitter = 0.2",
        own="max_failed_attempts = 5\ninterval_seconds = 30",
    )
    assert found.profile == "profiles/acme.toml"
    assert found.keepalive == KeepalivePolicy(
        interval_seconds=30, timeout_seconds=2, max_failed_attempts=5, jitter=0.1
    )


def test_a_trunk_overrides_the_requests_of_its_profile_key_by_key(
    tmp_path: Path, pem_files: PemFiles
) -> None:
    name = acme(
        tmp_path,
        'description = "Acme"\n[advanced]\nfrom_uri = "sip:ping@acme.example"\n'
        'contact_uri = "sip:acme.example"\nusername = "acme"\n'
        '[advanced.tls]\nca_file = "ca.pem"\nserver_name = "acme.example"\n',
    )
    pem_files.write(tmp_path / "profiles")
    pem_files.write(tmp_path)
    found = trunk(
        tmp_path,
        name,
        advanced='contact_uri = "sip:me.example"\npassword = "env:PASSWORD"\n'
        'tls = { cert_file = "both.pem", server_name = "sbc.example" }',
    ).identity
    assert found.from_uri == "sip:ping@acme.example"
    assert found.contact_uri == "sip:me.example"
    assert found.credentials is not None
    assert (found.credentials.username, found.credentials.password) == ("acme", "hunter2")
    # A path starts from the folder of the file that it stands in.
    assert replace(found.tls, stamp=()) == TlsSettings(
        ca_file=str(tmp_path / "profiles/ca.pem"),
        cert_file=str(tmp_path / "both.pem"),
        server_name="sbc.example",
    )


def shortest_gap(policy: KeepalivePolicy) -> float:
    """The least time between two attempts, whatever happens and with the worst of luck."""
    runs = [Run(state) for state in TargetState] + [Run(TargetState.AVAILABLE, failures=1)]
    return min(pace_seconds(run, policy, 0.0) for run in runs)


@pytest.mark.parametrize(
    "own",
    ["", "interval_seconds = 15", "jitter = 0.5", "down_interval_seconds = 16\njitter = 0.2"],
)
@pytest.mark.parametrize("inherited", ["", "interval_seconds = 5", "confirm_interval_seconds = 1"])
def test_twilio_hears_an_options_at_most_every_15_seconds(
    own: str, inherited: str, tmp_path: Path
) -> None:
    policy = trunk(tmp_path, "twilio", keepalive=inherited, own=own).keepalive
    assert shortest_gap(policy) >= 15


def test_what_is_inherited_is_raised_to_the_limit_and_what_is_above_it_stays(
    tmp_path: Path,
) -> None:
    name = acme(tmp_path, 'description = "Acme"\n[limits]\nminimum_interval_seconds = 20\n')
    policy = trunk(tmp_path, name, keepalive="interval_seconds = 45\njitter = 0").keepalive
    assert policy == KeepalivePolicy(
        interval_seconds=45,
        confirm_interval_seconds=20,
        down_interval_seconds=20,
        minimum_interval_seconds=20,
        jitter=0,
    )


def test_jitter_is_lowered_by_the_intervals_that_the_trunk_has_in_the_end(tmp_path: Path) -> None:
    name = acme(tmp_path, 'description = "Acme"\n[limits]\nminimum_interval_seconds = 20\n')
    none_left = trunk(tmp_path, name, keepalive="jitter = 0.1").keepalive
    assert none_left.jitter == 0
    slow = "interval_seconds = 60\ndown_interval_seconds = 40"
    assert trunk(tmp_path, name, keepalive="jitter = 0.1", own=slow).keepalive.jitter == 0.1


def test_teams_is_reached_over_tls_with_a_name_in_contact_and_from(tmp_path: Path) -> None:
    found = trunk(tmp_path, "teams", advanced=TEAMS)
    assert found.identity.contact_uri == "sip:sbc.example.com:5061;transport=tls"
    assert found.identity.tls.verify
    assert found.keepalive.interval_seconds == 60


def test_trunks_with_a_profile_share_their_settings(tmp_path: Path) -> None:
    name = acme(tmp_path, 'description = "Acme"\n[advanced]\nenable_nat = true\n')
    config = load(
        tmp_path,
        "".join(
            f'[[trunks]]\nid = "t{number}"\ntargets = ["sip:x"]\nprofile = "{profile}"\n'
            for number, profile in enumerate(("twilio", "twilio", name, name, "generic"))
        ),
    )
    twilio, twilio_too, acme_, acme_too, plain = config.trunks
    assert twilio.keepalive is twilio_too.keepalive is not config.keepalive
    assert twilio.identity is plain.identity
    assert acme_.identity is acme_too.identity is not plain.identity
    assert acme_.keepalive is plain.keepalive is config.keepalive


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "description is missing; it must be a text of 1 to 200 printable characters."),
        (
            'description = "x"\n[keepalive]\nintervall_seconds = 3\n',
            "keepalive.intervall_seconds is not a known key (did you mean interval_seconds?);",
        ),
        (
            'description = "x"\n[keepalive]\npause_on_active_calls = 1\n',
            "keepalive.pause_on_active_calls must be true or false, not 1.",
        ),
        ('description = "x"\n[trunks]\n', "trunks is not a known key; allowed here: description,"),
        (
            'description = "x"\n[advanced]\npassword = "hunter2"\n',
            'advanced.password must be written "env:NAME"',
        ),
        (
            'description = "x"\n[limits]\nminimum_interval_seconds = 0\n',
            "limits.minimum_interval_seconds must be a number of seconds from 0.1 to 3600, not 0.",
        ),
        (
            (
                'description = "x"\n[limits]\nminimum_interval_seconds = 9\n'
                "[keepalive]\nconfirm_interval_seconds = 5\n"
            ),
            (
                "keepalive.confirm_interval_seconds must be at least 9,"
                " the minimum_interval_seconds of this profile, not 5.\n"
            ),
        ),
        (
            'description = "x"\n[requires]\ntransport = "ws"\n',
            'requires.transport must be "udp", "tcp" or "tls", not "ws".',
        ),
        (
            'description = "x"\n[advanced]\ntls = { ca_file = "gone.pem" }\n',
            "advanced.tls.ca_file points at the file ",
        ),
        ("description = ", "line 1, where the file ends, is not valid TOML: invalid value."),
    ],
)
def test_a_mistake_in_a_profile_names_the_profile_once(
    text: str, sentence: str, tmp_path: Path
) -> None:
    name = acme(tmp_path, text)
    (found,) = problems(
        tmp_path, name, own=f'[[trunks]]\nid = "b"\ntargets = ["sip:x"]\nprofile = "{name}"'
    )
    # A sentence that ends in a line break is the whole of it.
    assert f"{found}\n".startswith(f"profiles/acme.toml: {sentence}")
    assert found.isprintable()
    assert "hunter2" not in found


def test_a_profile_of_ones_own_may_require_what_the_others_do(tmp_path: Path) -> None:
    name = acme(tmp_path, 'description = "Acme"\n[requires]\nscheme = "sips"\ntransport = "tls"\n')
    assert trunk(tmp_path, name, target="sips:x").targets == ("sips:x",)
    (found,) = problems(tmp_path, name, target="sip:x;transport=tls")
    assert found == (
        'edge.toml: trunks[0].targets[0] (trunk "a") must begin with "sips:", as profile'
        ' "profiles/acme.toml" requires, not "sip:x;transport=tls".'
    )


TEAMS_CONTACT = (
    'edge.toml: trunks[0].advanced.contact_uri (trunk "a") must be a SIP URI of a full domain name'
    ' without a user, such as "sip:sbc.example.com:5061;transport=tls", as profile "teams"'
    " requires."
)
TEAMS_FROM = (
    'edge.toml: trunks[0].advanced.from_uri (trunk "a") must be {}, the host of contact_uri'
    ' without a user, as profile "teams" requires.'
)
ANY_DOMAIN = 'such as "sip:sbc.example.com"'


@pytest.mark.parametrize(
    ("advanced", "expected"),
    [
        ("", [TEAMS_CONTACT, TEAMS_FROM.format(ANY_DOMAIN)]),
        (
            'contact_uri = "sip:192.0.2.1"\nfrom_uri = "sip:192.0.2.1"',
            [TEAMS_CONTACT, TEAMS_FROM.format(ANY_DOMAIN)],
        ),
        (
            'contact_uri = "sip:me@pbx.example.com"\nfrom_uri = "sip:me@pbx.example.com"',
            [TEAMS_CONTACT, TEAMS_FROM.format('"sip:pbx.example.com"')],
        ),
        ('from_uri = "sip:sbc.example.com"', [TEAMS_CONTACT]),
    ],
)
def test_everything_that_a_profile_requires_and_misses_is_told_at_once(
    advanced: str, expected: list[str], tmp_path: Path
) -> None:
    assert problems(tmp_path, "teams", advanced=advanced) == expected
    over_udp = problems(tmp_path, "teams", advanced=advanced, target="sip:sbc.example.com")
    assert over_udp[0].startswith('edge.toml: trunks[0].targets[0] (trunk "a") must be reached')
    assert over_udp[1:] == expected


def test_a_key_that_the_profile_has_set_is_called_the_profiles(tmp_path: Path) -> None:
    name = acme(tmp_path, 'description = "Acme"\n[advanced]\nusername = "acme"\n')
    own = 'username = "me"'
    by_profile, by_trunk = (problems(tmp_path, name, advanced=each)[0] for each in ("", own))
    assert by_profile == by_trunk.removesuffix(".") + (
        ' (profile "profiles/acme.toml" sets username).'
    )


def test_a_sender_need_not_follow_a_contact_that_may_be_left_out(tmp_path: Path) -> None:
    name = acme(tmp_path, 'description = "Acme"\n[requires]\nfrom_at_contact_host = true\n')
    assert trunk(tmp_path, name).identity.from_uri is None
    (found,) = problems(tmp_path, name, advanced='contact_uri = "sip:192.0.2.1"')
    assert 'must be "sip:192.0.2.1", the host of contact_uri' in found


def test_a_profile_may_stand_beside_the_configuration_or_anywhere(tmp_path: Path) -> None:
    (tmp_path / "here.toml").write_text('description = "Here"\n[keepalive]\njitter = 0.3\n')
    assert trunk(tmp_path, "here.toml").keepalive.jitter == 0.3
    assert trunk(tmp_path, f"{tmp_path}/here.toml").keepalive.jitter == 0.3
