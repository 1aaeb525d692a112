"""Every mistake in a file is one plain sentence with the file, the key and what is allowed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from trunkpulse.config import ConfigError, load_config
from trunkpulse.config.document import LARGEST_BYTES
from unit.config.mistake import ENVIRON, HOOK, ROUTE, SECRETS, TRUNK, Mistake
from unit.config.mistakes import MISTAKES
from unit.config.pem import PemFiles


def problems(path: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, ENVIRON)
    # A logged traceback shows nothing of the errors that led here, which hold the input.
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def assert_one_plain_sentence(sentence: str, file: str) -> None:
    assert sentence.startswith(f"{file}: ")
    assert sentence.isprintable()
    assert sentence.endswith(".")
    assert not re.search(r"[.?!] ", sentence.removeprefix(file))
    for trace in ("Traceback", "pydantic", "validation error", "Error", "Errno"):
        assert trace not in sentence
    for secret in SECRETS:
        assert secret not in sentence


@pytest.mark.parametrize("case", MISTAKES, ids=lambda case: case.name)
def test_a_mistake_is_one_sentence_that_says_where_and_what_is_allowed(
    case: Mistake, pem_files: PemFiles, tmp_path: Path
) -> None:
    pem_files.write(tmp_path)
    (tmp_path / "empty").write_bytes(b"\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    with (tmp_path / "huge").open("wb") as stream:
        stream.truncate(2 * 1024 * 1024)
    path = tmp_path / "edge.toml"
    path.write_text(case.toml, "utf-8")
    found = problems(path)
    assert len(found) == 1, found
    assert_one_plain_sentence(found[0], str(path))
    for fragment in case.fragments:
        assert fragment in found[0]


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "gone.toml"
    (sentence,) = problems(path)
    assert_one_plain_sentence(sentence, str(path))
    assert "cannot be read (No such file or directory)" in sentence


def test_a_folder_is_one_sentence(tmp_path: Path) -> None:
    (sentence,) = problems(tmp_path)
    assert_one_plain_sentence(sentence, str(tmp_path))
    assert "cannot be read" in sentence


def test_a_path_with_a_null_is_one_sentence(tmp_path: Path) -> None:
    (sentence,) = problems(tmp_path / "a\0b")
    assert sentence.isprintable()
    assert "not a path" in sentence


def test_a_file_that_is_not_utf8_is_one_sentence_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_bytes(b'[instance]\nid = "caf\xe9"\n')
    (sentence,) = problems(path)
    assert_one_plain_sentence(sentence, str(path))
    assert "line 2 is not UTF-8" in sentence


def test_a_file_that_is_too_large_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    with path.open("wb") as stream:
        stream.truncate(LARGEST_BYTES + 1)
    (sentence,) = problems(path)
    assert_one_plain_sentence(sentence, str(path))
    assert "larger than 512 MiB" in sentence


def test_an_id_that_leads_nowhere_is_found_also_in_an_entry_with_other_mistakes(
    tmp_path: Path,
) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(
        TRUNK
        + '[[routes]]\nid = "r"\nnumbers = ["1"]\ntrunks = [{ id = "gone", weight = -1 }]\n'
        + '[[maintenance]]\nid = "m"\nat = "25:00"\ntrunks = ["not an id", "gone-too"]\n'
    )
    found = problems(path)
    places = [sentence.split(": ")[1].split(" ")[0] for sentence in found]
    assert places.count("routes[0].trunks[0].id") == 1
    assert places.count("maintenance[0].trunks[0]") == 1, "it is no id: that is said once"
    assert places.count("maintenance[0].trunks[1]") == 1
    assert sum("there is no trunk" in sentence for sentence in found) == 2
    for sentence in found:
        assert_one_plain_sentence(sentence, str(path))


def test_all_problems_of_a_file_are_reported_at_once_one_per_line(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(
        '[api]\nlisten = "nowhere"\n[keepalive]\njitter = 9\n'
        + TRUNK.replace('"a"', '"bad"').replace("5061", "0")
        + TRUNK
        + "min_available_targets = 5\n"
        + TRUNK
        + ROUTE
        + 'trunks = [{ id = "bad" }, { id = "nobody" }]\n'
        + HOOK
        + 'secret = "env:NOWHERE"\n'
    )
    found = problems(path)
    for sentence in found:
        assert_one_plain_sentence(sentence, str(path))
    wheres = [sentence.removeprefix(f"{path}: ").split(" ")[0] for sentence in found]
    assert sorted(wheres) == [
        "api.listen",
        "event_streams[0].destination.secret",
        "keepalive.jitter",
        # The faulty trunk "bad" still counts as declared: only "nobody" dangles.
        "routes[0].trunks[1].id",
        "trunks[0].targets[0]",
        "trunks[1].min_available_targets",
        "trunks[2].id",
    ]
