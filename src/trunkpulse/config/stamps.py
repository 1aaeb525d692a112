"""Tells whether a file is still the one that it was, without reading it.

Certificates are renewed under the same name. A configuration that is loaded again then says the
same as before, and yet other connections are meant: the stamps of its files make the difference.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["FileStamps"]

_GONE: Final = (-1, -1, -1)


class FileStamps:
    """Looks at each file once, so that all that one configuration says of it agrees."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int, int]] = {}

    def of(self, *files: str | None) -> tuple[int, ...]:
        """When these were last written (ns), their sizes (bytes) and inodes; None has none."""
        return tuple([part for file in files if file is not None for part in self._of(file)])

    def _of(self, file: str) -> tuple[int, int, int]:
        stamp = self._known.get(file)
        if stamp is None:
            try:
                found = Path(file).stat()
            except (OSError, ValueError):  # whoever opens it will say so
                stamp = _GONE
            else:
                stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            self._known[file] = stamp
        return stamp
