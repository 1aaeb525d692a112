"""A large document in pieces, so that it need not be in memory as a whole.

A million trunks as TOML tables take more memory than they will ever need again, and whoever reads
them in one call keeps the interpreter to itself for as long: the probes of a running service would
wait for a reload. So a large file is cut where a trunk begins, and the pieces are read one by one.

A cut is at a line that says ``[[trunks]]`` and nothing else. In a document without multi-line texts
such a line always begins a trunk, whatever was before it, and a piece that begins with it means on
its own what it means there, as long as all of its tables are of trunks. Wherever that is not
certain, or a piece is not valid by itself, there are no pieces: the document is read as a whole,
which also says what is wrong with it, and where.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import tomli

__all__ = ["Pieces", "entries_of"]

TRUNKS_PER_PIECE = 200
"""Some two milliseconds of reading, and of the interpreter's time in one go."""

_MULTI_LINE = (b'"""', b"'''")
_LOOKED_AT_BYTES = 4096
"""How much of a file tells how its lines end."""


class Pieces:
    """The pieces of one document: ``rest``, then ``texts`` by and by, then ``last``."""

    rest: dict[str, object]
    """What the document says besides the trunks."""
    last: list[object]
    """The entry of the last trunk, and of those that begin otherwise after it."""
    count: int
    """How many trunks there are."""

    def __init__(self, content: bytes) -> None:
        """Cut ``content``; raises ValueError if it has to be read as a whole."""
        if any(mark in content for mark in _MULTI_LINE):
            raise ValueError("there are texts of several lines")
        end = b"\r\n" if b"\r\n" in content[:_LOOKED_AT_BYTES] else b"\n"
        # The line before ends where a trunk begins.
        self._content = content = b"\n" + content
        header = b"\n[[trunks]]" + end
        self._header = header.decode()
        cuts: list[int] = []
        self.count = 0
        last = at = content.find(header)
        while at >= 0:
            if self.count % TRUNKS_PER_PIECE == 0:
                cuts.append(at)
            self.count += 1
            last, at = at, content.find(header, at + 1)
        if not cuts:
            raise ValueError("there is no place to cut")
        # Other tables may stand before the first trunk and behind the last one.
        before = self._read(0, cuts[0])
        after = self._read(last, len(content))
        self.last = _trunks_alone(after, but_also=True)
        if "trunks" in before or not before.keys().isdisjoint(after):
            raise ValueError("what is said before the trunks is gone on with behind them")
        self.rest = before | after
        self._cuts = [cut for cut in cuts if cut < last] + [last]

    def texts(self) -> Iterator[list[str]]:
        """The trunks but the last one, some at a time: the lines that follow each ``[[trunks]]``.

        The last of the lines has lost its end. Raises ValueError if they are no text.
        """
        for start, end in pairwise(self._cuts):
            yield self._content[start:end].decode().split(self._header)[1:]

    def _read(self, start: int, end: int) -> dict[str, object]:
        return tomli.loads(self._content[start:end].decode())


def entries_of(texts: Sequence[str]) -> list[object]:
    """The entries that these lines are, one for each; raises ValueError as above."""
    header = "\n[[trunks]]\n"
    entries = _trunks_alone(tomli.loads(f"{header}{header.join(texts)}\n")) if texts else []
    if len(entries) != len(texts):
        raise ValueError("there are trunks that begin otherwise")
    return entries


def _trunks_alone(piece: dict[str, object], *, but_also: bool = False) -> list[object]:
    """Take the trunks out of ``piece``; raises ValueError if something else is left."""
    trunks = piece.pop("trunks", None)
    if not isinstance(trunks, list) or (piece and not but_also):
        raise ValueError("trunks are mixed with something else")
    return trunks
