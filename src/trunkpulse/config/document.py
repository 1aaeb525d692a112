"""From a path to a TOML document, with a sentence for each thing that can stop it."""

from __future__ import annotations

import re
import tomli as tomllib
from pathlib import Path

from trunkpulse.config.errors import ConfigError
from trunkpulse.config.wording import printable

__all__ = ["LARGEST_BYTES", "read_document"]

LARGEST_BYTES = 64 * 1024 * 1024
"""Ten times what 100,000 trunks need; more is a mistaken path."""

_WHERE_IT_STOPPED = re.compile(
    r"(?P<reason>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)",
    re.DOTALL,
)


def read_document(path: Path) -> dict[str, object]:
    """The document in the file at ``path``; raises ConfigError with one problem."""
    file = printable(str(path))
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        failure = (
            f"cannot be read ({reason or 'not a path'}); "
            "check that it exists and that this user may read it"
        )
    else:
        if len(content) <= LARGEST_BYTES:
            return _parse(file, content)
        failure = (
            f"is larger than {LARGEST_BYTES // 1024**2} MiB, so it is probably not the right one"
        )
    raise ConfigError([f"{file}: the file {failure}."])


def _parse(file: str, content: bytes) -> dict[str, object]:
    # Some editors begin a file with a byte order mark; TOML 1.1 says to pass over it.
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        text = content.decode()
        return tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        failure = f"line {line} is not UTF-8; save the file in that encoding"
    except tomllib.TOMLDecodeError as error:
        failure = _where_it_stopped(str(error), content)
    except ValueError:
        failure = "the file is not valid TOML: it holds a number with too many digits"
    except RecursionError:
        failure = "the file is not valid TOML: its lists or tables are nested too deeply"
    raise ConfigError([f"{file}: {failure}."])


def _where_it_stopped(message: str, content: bytes) -> str:
    """The message of tomllib, with the place in front."""
    found = _WHERE_IT_STOPPED.fullmatch(message)
    if found is None:
        return f"the file is not valid TOML: {printable(message)}"
    if found["line"] is None:
        line = content.rstrip().count(b"\n") + 1
        place = f"line {line}, where the file ends,"
    else:
        place = f"line {found['line']}, column {found['column']},"
    reason = printable(found["reason"])
    return f"{place} is not valid TOML: {reason[:1].lower()}{reason[1:]}"
