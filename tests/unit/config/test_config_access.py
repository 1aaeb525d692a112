"""The sections [access] and [oidc] of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkpulse.config import Config, ConfigError, load_config
from trunkpulse.config.access_settings import AccessSettings

SECRETS = {"SECRET": "hush-hush-hush"}
OIDC = '[oidc]\nissuer = "https://login.example.com/realms/noc"\nclient_id = "trunkpulse"\n'


def loaded(folder: Path, text: str) -> Config:
    file = folder / "trunkpulse.toml"
    file.write_text(text)
    return load_config(file, SECRETS)


def test_without_the_sections_there_are_defaults_and_no_provider(tmp_path: Path) -> None:
    config = loaded(tmp_path, "")
    assert config.access == AccessSettings()
    assert config.oidc is None


def test_what_the_file_says_of_sessions_holds(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        '[access]\ninitial_password = "env:SECRET"\nsession_idle_seconds = 600\n'
        "session_seconds = 3600\nsessions_per_user = 2\n"
        'first_administrator = "chief"\none_time_password_seconds = 7200\n',
    )
    assert config.access == AccessSettings(
        initial_password="hush-hush-hush",
        session_idle_seconds=600,
        session_seconds=3600,
        sessions_per_user=2,
        first_administrator="chief",
        one_time_password_seconds=7200,
    )
    assert "hush" not in repr(config)


def test_a_provider_with_all_that_can_be_said_of_it(tmp_path: Path) -> None:
    text = OIDC + (
        'client_secret = "env:SECRET"\ndisplay_name = "NOC"\nscopes = ["openid", "groups"]\n'
        'roles_claim = "realm_access.roles"\nallow_signup = true\n'
        'roles = { "noc" = ["operations", "auditor"], "chiefs" = "administrator" }\n'
    )
    oidc = loaded(tmp_path, text).oidc
    assert oidc is not None
    assert oidc.client_secret == "hush-hush-hush"
    assert oidc.scopes == ("openid", "groups")
    assert oidc.roles == {"noc": ("operations", "auditor"), "chiefs": ("administrator",)}
    assert (oidc.display_name, oidc.allow_signup) == ("NOC", True)
    assert "hush" not in repr(oidc)


def test_a_provider_on_this_machine_may_do_without_tls(tmp_path: Path) -> None:
    text = OIDC.replace("https://login.example.com", "http://127.0.0.1:9000")
    assert loaded(tmp_path, text).oidc is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (OIDC.replace("https:", "http:"), "oidc.issuer must begin with https://"),
        (OIDC.replace("https:", "ftp:"), "oidc.issuer must be the provider's issuer"),
        (OIDC.replace("/noc", "/noc?x=1"), "oidc.issuer must be the provider's issuer"),
        (OIDC.replace("login.", "u:p@login."), "oidc.issuer must be the provider's issuer"),
        (OIDC.replace("login.example.com", "[login"), "oidc.issuer must be the provider's issuer"),
        ('[oidc]\nissuer = "https://login.example.com"\n', "oidc.client_id is missing"),
        (OIDC + 'client_secret = "hush"\n', 'oidc.client_secret must be written "env:NAME"'),
        (OIDC + 'roles = { "noc" = [1] }\n', "oidc.roles must be a table such as"),
        (OIDC + 'roles = { "noc" = ["no role"] }\n', "oidc.roles must be a table such as"),
        (OIDC + 'scopes = ["open id"]\n', "oidc.scopes[0] must be a text"),
        (OIDC + "allow_sign_up = true\n", "did you mean allow_signup?"),
        ("[access]\nsession_idle_seconds = 5\n", "access.session_idle_seconds must be a number"),
        ("[access]\nsessions_per_user = 0\n", "access.sessions_per_user must be a whole number"),
        ('[access]\nfirst_administrator = "the chief"\n', "first_administrator must be one word"),
        ('[access]\nfirst_administrator = "-chief"\n', "first_administrator must be one word"),
        (
            "[access]\none_time_password_seconds = 5\n",
            "access.one_time_password_seconds must be a number",
        ),
        ('[access]\ninitial_password = "hush"\n', "access.initial_password must be written"),
    ],
)
def test_what_is_wrong_is_named_and_no_secret_repeated(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, text)
    [problem] = refused.value.problems
    assert said in problem
    assert "hush" not in problem
