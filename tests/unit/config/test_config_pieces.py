"""A large file is read in pieces, and says the same as if it were read as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from benchmarks.configuration import write_configuration
from trunkpulse.config import Config, ConfigError, load_config
from trunkpulse.config.loading import LARGE_BYTES
from trunkpulse.config.pieces import TRUNKS_PER_PIECE, Pieces
from trunkpulse.progress import Step

PLAIN = 'id = "{id}"\nname = "Trunk {id}"\ntargets = ["sip:192.0.2.1:5060"]\n'

BLOCKS = [
    PLAIN,
    PLAIN + 'carrier = "acme"\n',
    PLAIN + '# a remark\nregion = "us-east"\n[trunks.keepalive]\ninterval_seconds = 20\n',
    PLAIN + "[trunks.keepalive]\ninterval_seconds = 20\n",
    PLAIN + "[trunks.keepalive]\ninterval_seconds = 0\n",
    PLAIN + 'profile = "twilio"\n',
    PLAIN + 'profile = "twilio"\n[trunks.keepalive]\ninterval_seconds = 5\n',
    PLAIN + 'profile = "teams"\n',
    PLAIN + '[trunks.advanced]\nfrom_uri = "sip:ping@pbx.example.com"\n',
    PLAIN + '[trunks.advanced]\nsource = "::1"\n',
    PLAIN + "[trunks.advanced]\ntls = { verify = true }\n",
    PLAIN + "[trunks.advanced]\n",
    PLAIN + "min_available_targets = 2\n",
    PLAIN + "enabled = false\n",
    PLAIN + "enabled = maybe\n",
    PLAIN + "interval = 3\n",
    PLAIN + 'name = "twice"\n',
    PLAIN + '[trunks.keepalive]\nname = "elsewhere"\n',
    PLAIN + "\n[[trunks]] # begun otherwise\n" + PLAIN.replace("{id}", "{id}-b"),
    PLAIN + "\n  [[trunks]]\n" + PLAIN.replace("{id}", "{id}-c"),
    PLAIN + '[[routes]]\nid = "{id}"\ntrunks = [{ id = "{id}" }]\n',
    PLAIN + '[[routes]]\nid = "{id}"\ntrunks = [{ id = "nobody" }]\n',
    PLAIN + "[keepalive]\njitter = 0.1\n",
    PLAIN.replace("Trunk {id}", "Süd {id}"),
    PLAIN.replace("Trunk {id}", " "),
    PLAIN.replace("Trunk {id}", "line\\nbreak"),
    PLAIN.replace("Trunk {id}", "zero\u200bwidth"),
    PLAIN.replace("Trunk {id}", "x" * 201),
    PLAIN.replace('"{id}"\n', '"no blank {id}"\n', 1),
    PLAIN.replace('id = "{id}"', 'id = ["{id}"]'),
    PLAIN.replace('id = "{id}"', 'id = "the same"'),
    PLAIN.replace('id = "{id}"', 'id = "same"'),
    PLAIN.replace('id = "{id}"\n', ""),
    PLAIN.replace("\n", "\r\n"),
    PLAIN.replace("192.0.2.1:5060", "192.0.2.256:5060"),
    PLAIN.replace("192.0.2.1:5060", "192.0.2.1:65536"),
    PLAIN.replace("192.0.2.1:5060", "sbc.example.com"),
    PLAIN.replace("192.0.2.1:5060", "192.0.2.1"),
    PLAIN.replace('["sip:192.0.2.1:5060"]', '"sip:192.0.2.1:5060"'),
    PLAIN.replace('["sip:192.0.2.1:5060"]', '["sip:192.0.2.1:5060", "sip:192.0.2.2:5060"]'),
    'id = "{id}"\ntargets = ["sip:192.0.2.7:5060"]\n',
    'name = "named"\nid = "{id}"\ntargets = ["sip:192.0.2.7:5060"]\n',
    'id = "{id}"\n"name" = "quoted"\ntargets = ["sip:192.0.2.7:5060"]\n',
    'id = "{id}"\ntargets = ["sip:192.0.2.7:5060"]\ntags = [\n]\n',
    'tags = [\nid = "{id}"\ntargets = ["sip:192.0.2.7:5060"]\n]\n',
    'carrier = "acme"\nid = "{id}"\ntargets = ["sip:192.0.2.7:5060"]\n',
    "targets = [\n  \"sip:192.0.2.7:5060\",\n]\nid = '{id}'\n",
]

WHOLE = "# '''\n"
"""The mark of a text of several lines, for which a file is not cut."""
CUT = "# ---\n"

HEADS = ["", "[keepalive]\ninterval_seconds = 40\n", "trunks = []\n", "[sip]\nlisten = 3\n"]
STREAM = """
[[event_streams]]
id = "a"
trunks = ["t0"]
destination = { type = "webhook", url = "http://127.0.0.1:9/" }
"""
TAILS = [
    "",
    '[instance]\nregion = "x"\n',
    "[keepalive]\njitter = 0.2\n",
    "[[routes]]\n",
    STREAM,
    "[trunks.keepalive]\ninterval_seconds = 3\n",
    "[trunks",
]


def outcome(path: Path, text: str) -> Config | tuple[str, ...]:
    path.write_bytes(text.encode())
    try:
        return load_config(path, {})
    except ConfigError as refused:
        return tuple(refused.problems)


def large(mark: str, head: str, blocks: list[str], tail: str) -> str:
    """A file of one mebibyte that is nothing but a remark, and these."""
    trunks = "".join(
        f"[[trunks]]\n{block.replace('{id}', f't{number}')}\n"
        for number, block in enumerate(blocks)
    )
    return f"{mark}#{'-' * LARGE_BYTES}\n{head}{trunks}{tail}"


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    head=st.sampled_from(HEADS[:2]) | st.sampled_from(HEADS),
    blocks=st.lists(st.sampled_from(BLOCKS[:6]) | st.sampled_from(BLOCKS), max_size=12),
    tail=st.sampled_from(TAILS[:2]) | st.sampled_from(TAILS),
)
@example(head="", blocks=[BLOCKS[0]] * 3, tail="")
def test_pieces_say_what_the_whole_says(
    tmp_path: Path, head: str, blocks: list[str], tail: str
) -> None:
    file = tmp_path / "edge.toml"
    in_pieces = outcome(file, large(CUT, head, blocks, tail))
    assert in_pieces == outcome(file, large(WHOLE, head, blocks, tail))


@pytest.mark.parametrize("block", BLOCKS)
def test_each_way_to_write_a_trunk_among_plain_ones(tmp_path: Path, block: str) -> None:
    file = tmp_path / "edge.toml"
    # What the first piece holds is known in the second.
    for first in (BLOCKS[0], block):
        blocks = [first, *BLOCKS[1:3]] * TRUNKS_PER_PIECE
        blocks[TRUNKS_PER_PIECE + 10] = block
        in_pieces = outcome(file, large(CUT, "", blocks, ""))
        assert in_pieces == outcome(file, large(WHOLE, "", blocks, ""))


def test_a_large_file_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    write_configuration(file, 3 * TRUNKS_PER_PIECE + 1, port=5060)
    pieces = Pieces(file.read_bytes())
    sizes = [len(texts) for texts in pieces.texts()]
    assert (sizes, len(pieces.last), pieces.count) == (
        [TRUNKS_PER_PIECE] * 3,
        1,
        3 * TRUNKS_PER_PIECE + 1,
    )


def test_progress_is_told_to_the_last_trunk(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    write_configuration(file, 7_000, port=5060)
    assert file.stat().st_size > LARGE_BYTES
    told: list[tuple[Step, int, int]] = []
    config = load_config(file, {}, progress=lambda *said: told.append(said))
    assert len(config.trunks) == 7_000
    assert told == sorted(told)
    assert {(step, total) for step, _, total in told} == {(Step.READING, 7_000)}
    assert len(told) > 7_000 / TRUNKS_PER_PIECE
    assert told[-1][1] == 7_000


def test_what_did_not_change_is_the_same_object(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    write_configuration(file, 7_000, port=5060)
    before = load_config(file, {})
    file.write_text(file.read_text().replace('"Acme Telecom us-east SBC 0"', '"Renamed"'))
    after = load_config(file, {}, present=before)
    same = [old is new for old, new in zip(before.trunks, after.trunks, strict=True)]
    assert same == [False] + [True] * 6_999
    assert after.trunks[0].name == "Renamed"
    assert after.trunks[0].keepalive is before.trunks[0].keepalive
    assert after.keepalive is before.keepalive


def test_equal_settings_of_many_trunks_are_one_object(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    write_configuration(file, 7_000, port=5060)
    trunks = load_config(file, {}).trunks
    carriers = {id(trunk.carrier) for trunk in trunks}
    assert len(carriers) == len({trunk.carrier for trunk in trunks})
    policies = {id(trunk.keepalive) for trunk in trunks}
    assert len(policies) == len({(t.keepalive, t.keepalive.inherited) for t in trunks})
    assert len({id(trunk.identity) for trunk in trunks}) == len({t.identity for t in trunks})


def test_what_a_profile_asks_of_targets_is_asked_of_each(tmp_path: Path) -> None:
    profile = tmp_path / "secure.toml"
    profile.write_text('description = "Secure"\n[requires]\ntransport = "tls"\n')
    secure = PLAIN.replace("5060", "5061;transport=tls") + 'profile = "secure.toml"\n'
    blocks = [secure] * TRUNKS_PER_PIECE * 2
    file = tmp_path / "edge.toml"
    assert isinstance(outcome(file, large(CUT, "", blocks, "")), Config)
    blocks[TRUNKS_PER_PIECE + 10] = PLAIN + 'profile = "secure.toml"\n'
    problems = outcome(file, large(CUT, "", blocks, ""))
    assert isinstance(problems, tuple)
    assert ["must be reached over TLS" in problem for problem in problems] == [True]
