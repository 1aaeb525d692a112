"""Secrets at rest: what is sealed opens here, in its place, with its key, and nowhere else."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.adapters.keyring import FILE_VARIABLE, KEYS_VARIABLE, Keyring, KeysUnusable
from trunkpulse.adapters.vault import BLOCK_BYTES, AesGcmVault
from trunkpulse.ports import SecretUnreadable, Vault

ABOUT = "stream:noc:secret"
ONE, OTHER = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))


def a_vault(*keys: str) -> AesGcmVault:
    """With these keys, the last of which seals."""
    return AesGcmVault(Keyring.of(Path("nowhere"), {KEYS_VARIABLE: " ".join(keys)}))


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return AesGcmVault(Keyring.of(tmp_path, {}))


# --- sealing -------------------------------------------------------------------------------------


@given(text=st.text(max_size=500), about=st.text(max_size=50))
def test_what_is_sealed_opens(text: str, about: str) -> None:
    vault = a_vault(ONE)
    assert vault.open(vault.seal(text, about), about) == text


def test_a_sealed_text_shows_nothing_of_what_is_in_it() -> None:
    vault = a_vault(ONE)
    sealed = vault.seal("hush hush", ABOUT)
    assert sealed.isascii()
    assert sealed.isprintable()
    assert "hush" not in sealed
    assert b"hush" not in base64.urlsafe_b64decode(sealed.rpartition(".")[2])
    assert sealed != vault.seal("hush hush", ABOUT)


def test_texts_of_ordinary_length_look_alike() -> None:
    vault = a_vault(ONE)
    lengths = {len(vault.seal("x" * length, ABOUT)) for length in (0, 1, 40, BLOCK_BYTES - 1)}
    assert len(lengths) == 1
    assert len(vault.seal("x" * BLOCK_BYTES, ABOUT)) not in lengths


def test_what_was_sealed_for_one_place_does_not_open_in_another() -> None:
    vault = a_vault(ONE)
    sealed = vault.seal("hush", "stream:theirs:secret")
    for about in ("stream:mine:secret", "stream:theirs:previous_secret", ""):
        with pytest.raises(SecretUnreadable, match="belongs elsewhere"):
            vault.open(sealed, about)


def test_a_change_of_any_character_is_noticed() -> None:
    vault = a_vault(ONE)
    sealed = vault.seal("hush", ABOUT)
    for at, char in enumerate(sealed):
        forged = sealed[:at] + ("A" if char != "A" else "B") + sealed[at + 1 :]
        with pytest.raises(SecretUnreadable) as caught:
            vault.open(forged, ABOUT)
        assert "hush" not in str(caught.value)


@pytest.mark.parametrize("damaged", ["", "hush", "v1", "v1..", "v2.00000000.AAAA", "v1.0000.AAAA"])
def test_what_was_never_sealed_is_said_to_be_damaged(damaged: str) -> None:
    with pytest.raises(SecretUnreadable, match="is damaged; set it again"):
        a_vault(ONE).open(damaged, ABOUT)


@pytest.mark.parametrize("left", [0, 1, 12, 20, 28])
def test_what_was_cut_short_does_not_open(left: int) -> None:
    vault = a_vault(ONE)
    head, _, data = vault.seal("hush", ABOUT).rpartition(".")
    cut = base64.urlsafe_b64encode(base64.urlsafe_b64decode(data)[:left]).decode()
    with pytest.raises(SecretUnreadable):
        vault.open(f"{head}.{cut}", ABOUT)


def test_a_key_that_is_missing_is_named() -> None:
    sealed = a_vault(ONE).seal("hush", ABOUT)
    with pytest.raises(SecretUnreadable) as caught:
        a_vault(OTHER).open(sealed, ABOUT)
    assert str(caught.value) == (
        f"The secret of {ABOUT} was sealed with the key {sealed.split('.')[1]}, which is not among "
        "the keys of this process; restore that key from your copy, or make anew what the "
        "secret is of."
    )


def test_a_sealed_text_under_another_keys_name_does_not_open() -> None:
    one, both = a_vault(ONE), a_vault(ONE, OTHER)
    key = both.seal("", ABOUT).split(".")[1]
    version, _, data = one.seal("hush", ABOUT).split(".")
    with pytest.raises(SecretUnreadable):
        both.open(f"{version}.{key}.{data}", ABOUT)


# --- rotation ------------------------------------------------------------------------------------


def test_old_keys_open_and_the_newest_seals() -> None:
    sealed = a_vault(ONE).seal("hush", ABOUT)
    both = a_vault(ONE, OTHER)
    assert both.open(sealed, ABOUT) == "hush"
    again = both.reseal(sealed, ABOUT)
    assert a_vault(OTHER).open(again, ABOUT) == "hush"
    assert both.reseal(again, ABOUT) == again


def test_a_rotation_by_another_process_needs_no_restart(tmp_path: Path) -> None:
    running = AesGcmVault(Keyring.of(tmp_path, {}))
    old = running.seal("hush", ABOUT)
    elsewhere = Keyring.of(tmp_path, {})
    key = elsewhere.rotate()
    assert running.open(AesGcmVault(elsewhere).seal("new", ABOUT), ABOUT) == "new"
    assert running.seal("hush", ABOUT).split(".")[1] == key.id
    assert running.open(old, ABOUT) == "hush"


def test_keys_of_the_environment_are_rotated_there() -> None:
    with pytest.raises(KeysUnusable, match="add 32 random bytes in base64 at its end"):
        Keyring.of(Path("nowhere"), {KEYS_VARIABLE: ONE}).rotate()


# --- the file ------------------------------------------------------------------------------------


def test_the_key_file_is_made_at_first_use_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    vault = AesGcmVault(Keyring.of(folder, {}))
    assert not folder.exists()
    before = os.umask(0)
    try:
        sealed = vault.seal("hush", ABOUT)
    finally:
        os.umask(before)
    file = folder / "trunkpulse.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [each.name for each in folder.iterdir()] == ["trunkpulse.key"]
    assert AesGcmVault(Keyring.of(folder, {})).open(sealed, ABOUT) == "hush"


def test_two_that_seal_first_agree_on_one_key(tmp_path: Path) -> None:
    one, other = (AesGcmVault(Keyring.of(tmp_path, {})) for _ in range(2))
    assert other.open(one.seal("hush", ABOUT), ABOUT) == "hush"
    assert one.open(other.seal("hush", ABOUT), ABOUT) == "hush"
    assert len(Keyring.of(tmp_path, {}).current().written()) == 44


def test_one_that_looked_before_the_file_was_there_takes_the_key_in_it(tmp_path: Path) -> None:
    key = Keyring.of(tmp_path, {}).current()
    late = Keyring(tuple, tmp_path / "trunkpulse.key")
    assert late.current() == key
    assert len((tmp_path / "trunkpulse.key").read_text().splitlines()) == 3


def test_a_draft_that_a_crash_left_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / ".trunkpulse.key.new").write_text("half a k")
    vault = AesGcmVault(Keyring.of(tmp_path, {}))
    assert vault.open(vault.seal("hush", ABOUT), ABOUT) == "hush"
    assert [each.name for each in tmp_path.iterdir()] == ["trunkpulse.key"]


def test_the_key_file_may_be_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "vault" / "mine.key"
    AesGcmVault(Keyring.of(tmp_path, {FILE_VARIABLE: str(file)})).seal("hush", ABOUT)
    assert file.exists()
    assert not (tmp_path / "trunkpulse.key").exists()


def test_a_key_file_that_everybody_may_read_is_not_used(tmp_path: Path) -> None:
    AesGcmVault(Keyring.of(tmp_path, {})).seal("hush", ABOUT)
    (tmp_path / "trunkpulse.key").chmod(0o644)
    with pytest.raises(KeysUnusable, match="chmod 600"):
        Keyring.of(tmp_path, {})


@pytest.mark.parametrize("content", ["", "# only words\n", "\0\0\0", "x" * 70_000])
def test_a_key_file_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "trunkpulse.key"
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(KeysUnusable) as caught:
        Keyring.of(tmp_path, {})
    assert "restore it from your copy" in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_key_that_is_none_is_counted_and_not_repeated() -> None:
    with pytest.raises(KeysUnusable) as caught:
        Keyring.of(Path("nowhere"), {KEYS_VARIABLE: f"{ONE} hush"})
    assert "Key 2 in the environment variable TRUNKPULSE_KEY" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_too_many_keys_are_refused() -> None:
    with pytest.raises(KeysUnusable, match="more than 100 keys"):
        Keyring.of(Path("nowhere"), {KEYS_VARIABLE: " ".join([ONE] * 101)})


def test_a_key_is_not_shown_by_accident() -> None:
    key = Keyring.of(Path("nowhere"), {KEYS_VARIABLE: ONE}).current()
    assert ONE not in f"{key!r} {key}"
    assert str(key.secret) not in f"{key!r} {key}"


def test_a_folder_that_cannot_be_made_is_told_in_a_sentence(tmp_path: Path) -> None:
    vault = AesGcmVault(Keyring.of(tmp_path / "folder", {}))
    (tmp_path / "folder").symlink_to(tmp_path / "nowhere")
    with pytest.raises(KeysUnusable, match=r"cannot be written \(.+\); check its folder"):
        vault.seal("hush", ABOUT)


def test_a_key_file_that_cannot_be_read_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "trunkpulse.key").mkdir()
    with pytest.raises(KeysUnusable, match=r"cannot be read \(.+\); check its permissions"):
        Keyring.of(tmp_path, {})
