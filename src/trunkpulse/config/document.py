"""From a path to a TOML document, with a sentence for each thing that can stop it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import tomli

from trunkpulse.config.errors import ConfigError
from trunkpulse.config.wording import printable

__all__ = ["LARGEST_BYTES", "parsed", "read_content", "read_document"]

LARGEST_BYTES = 512 * 1024 * 1024
"""Twice what a million trunks need; more is a mistaken path."""

_LINE_ENDS = r"Illegal character '\n'"
"""What tomli says of a quote that is not closed, made printable."""
_WHERE_IT_STOPPED = re.compile(
    r"(?P<reason>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)",
    re.DOTALL,
)


def read_document(path: Path) -> dict[str, object]:
    """The document in the file at ``path``; raises ConfigError with one problem."""
    return parsed(path, read_content(path))


def read_content(path: Path) -> bytes:
    """What the file at ``path`` holds; raises ConfigError with one problem."""
    file = printable(str(path))
    try:
        with path.open("rb") as stream:
            is_too_large = os.fstat(stream.fileno()).st_size > LARGEST_BYTES
            content = b"" if is_too_large else stream.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        failure = (
            f"cannot be read ({reason or 'not a path'}); "
            "check that it exists and that this user may read it"
        )
    else:
        if not is_too_large and len(content) <= LARGEST_BYTES:
            # Some editors begin a file with a byte order mark; TOML 1.1 says to pass over it.
            return content.removeprefix(b"\xef\xbb\xbf")
        failure = (
            f"is larger than {LARGEST_BYTES // 1024**2} MiB, so it is probably not the right one"
        )
    raise ConfigError([f"{file}: the file {failure}."])


def parsed(path: Path, content: bytes) -> dict[str, object]:
    """The document that ``content``, of the file at ``path``, is; raises ConfigError as above."""
    file = printable(str(path))
    try:
        return tomli.loads(content.decode())
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        failure = f"line {line} is not UTF-8; save the file in that encoding"
    except tomli.TOMLDecodeError as error:
        failure = _where_it_stopped(str(error), content)
    except ValueError:
        failure = "the file is not valid TOML: it holds a number with too many digits"
    except RecursionError:
        failure = "the file is not valid TOML: its lists or tables are nested too deeply"
    raise ConfigError([f"{file}: {failure}."])


def _where_it_stopped(message: str, content: bytes) -> str:
    """The message of tomli, with the place in front."""
    found = _WHERE_IT_STOPPED.fullmatch(message)
    if found is None:
        return f"the file is not valid TOML: {printable(message)}"
    if found["line"] is None:
        line = content.rstrip().count(b"\n") + 1
        place = f"line {line}, where the file ends,"
    else:
        place = f"line {found['line']}, column {found['column']},"
    reason = printable(found["reason"])
    if reason == _LINE_ENDS:
        reason = "the line ends within a text; close its quote"
    return f"{place} is not valid TOML: {reason[:1].lower()}{reason[1:]}"
