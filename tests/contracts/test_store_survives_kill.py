"""SIGKILL in the middle of commits: nothing that was acknowledged is lost, nothing is half there.

The checker reads the database file with plain SQL, not with the store that wrote it.
"""

from __future__ import annotations

import multiprocessing
import random
import sqlite3
from collections import defaultdict
from pathlib import Path

from contracts import committing_child
from trunkpulse.events.envelope import decode

ROUNDS = 25
SEED = 20261123


def kill_after(acknowledgements: int, file: Path, seed: int) -> list[tuple[str, int]]:
    """Run a child until it has acknowledged that many commits; what it acknowledged in all."""
    # The fork server imports the program once, so that a round takes a moment only.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "trunkpulse.adapters.storage.database"])
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=committing_child.run, args=(file, seed, theirs))
    child.start()
    theirs.close()
    received: list[tuple[str, int]] = []
    for _ in range(acknowledgements):
        received += ours.recv()
    child.kill()
    child.join()
    while True:
        try:
            received += ours.recv()
        except EOFError:
            break
    ours.close()
    assert child.exitcode == -9
    child.close()
    return received


def check(file: Path, acknowledged: set[tuple[str, int]]) -> None:
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []

    recorded: defaultdict[str, list[int]] = defaultdict(list)
    told: set[tuple[int, str]] = set()
    for position, body in connection.execute("SELECT position, body FROM events ORDER BY 1"):
        change = decode(body)
        recorded[change.trunk_id].append(change.sequence)
        told |= {(position, stream) for stream in committing_child.STREAMS}

    for trunk_id, sequences in recorded.items():
        assert sequences == list(range(1, len(sequences) + 1)), trunk_id
    assert acknowledged <= {(t, number) for t, numbers in recorded.items() for number in numbers}
    states = dict(connection.execute("SELECT trunk_id, sequence FROM trunk_health"))
    assert states == {trunk_id: numbers[-1] for trunk_id, numbers in recorded.items()}
    deliveries = connection.execute("SELECT position, stream_id FROM deliveries").fetchall()
    assert len(deliveries) == len(told)
    assert set(deliveries) == told
    heads = connection.execute(
        "SELECT stream_id, trunk_id, MIN(id) FROM deliveries GROUP BY 1, 2 ORDER BY 3"
    ).fetchall()
    due = "SELECT stream_id, trunk_id, id FROM deliveries WHERE due_ms IS NOT NULL ORDER BY 3"
    assert connection.execute(due).fetchall() == heads
    connection.close()


def test_what_was_acknowledged_survives_kills_and_nothing_is_half_written(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    file = tmp_path / "trunkpulse.db"
    acknowledged: set[tuple[str, int]] = set()
    for _ in range(ROUNDS):
        fresh = kill_after(rng.randint(1, 12), file, rng.randrange(2**32))
        assert acknowledged.isdisjoint(fresh)
        acknowledged.update(fresh)
        check(file, acknowledged)
    assert len(acknowledged) > ROUNDS
