"""Files that are renewed under the same name make another configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkpulse.config import Config, load_config
from trunkpulse.config.stamps import FileStamps
from unit.config.pem import PemFiles

TOML = """
[sip]
listen = ["tls:127.0.0.1:5061"]
tls = { cert_file = "me.pem", key_file = "me.key", ca_file = "ca.pem" }

[[trunks]]
id = "a"
targets = ["sips:sbc.example.com"]
advanced.tls = { cert_file = "me.pem", key_file = "me.key", ca_file = "ca.pem" }

[[trunks]]
id = "b"
targets = ["sips:sbc.example.net"]
advanced.tls = { cert_file = "me.pem", key_file = "me.key", ca_file = "ca.pem" }

[[trunks]]
id = "c"
targets = ["sips:sbc.example.org"]
"""


def load(folder: Path) -> Config:
    path = folder / "edge.toml"
    path.write_text(TOML, "utf-8")
    return load_config(path, {})


def test_files_that_stay_as_they_are_make_no_difference(
    tmp_path: Path, pem_files: PemFiles
) -> None:
    pem_files.write(tmp_path)
    before, after = load(tmp_path), load(tmp_path)
    assert (after.trunks, after.sip) == (before.trunks, before.sip)
    first, second, third = (trunk.identity.tls for trunk in after.trunks)
    assert first == second
    assert third.stamp == ()


@pytest.mark.parametrize("file", ["ca.pem", "me.pem", "me.key"])
def test_a_file_that_was_written_anew_makes_other_settings(
    tmp_path: Path, pem_files: PemFiles, file: str
) -> None:
    pem_files.write(tmp_path)
    before = load(tmp_path)
    (tmp_path / file).rename(tmp_path / "old")
    (tmp_path / file).write_bytes((tmp_path / "old").read_bytes())
    after = load(tmp_path)
    for was, now in zip(before.trunks[:2], after.trunks[:2], strict=True):
        assert now.identity.tls != was.identity.tls
    assert after.trunks[2] == before.trunks[2]
    assert after.sip != before.sip


def test_a_stamp_is_no_part_of_what_a_person_is_shown(tmp_path: Path, pem_files: PemFiles) -> None:
    pem_files.write(tmp_path)
    config = load(tmp_path)
    assert "stamp=" not in repr(config.trunks[0].identity.tls)
    assert "stamp=" not in repr(config.sip.tls)


def test_a_file_that_is_gone_has_a_stamp_too(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone.pem")
    before = FileStamps().of(gone, None)
    Path(gone).write_text("here", "utf-8")
    assert FileStamps().of(gone, None) != before
    assert FileStamps().of(None) == ()


def test_one_configuration_sees_each_file_once(tmp_path: Path) -> None:
    file = tmp_path / "me.pem"
    file.write_text("one", "utf-8")
    stamps = FileStamps()
    before = stamps.of(str(file))
    file.write_text("another", "utf-8")
    assert stamps.of(str(file)) == before
