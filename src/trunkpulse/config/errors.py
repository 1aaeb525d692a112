"""What can be wrong with a configuration: whoever wrote the file is at fault.

    ConfigError    the file cannot be used as it is; loading it again will not help

There is one error for a whole file, because a person who mends a file wants to see every problem
of it at once.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["ConfigError"]


class ConfigError(Exception):
    """The configuration cannot be used; as text, one problem per line."""

    problems: tuple[str, ...]
    """Each one sentence that names the file, the key and what is allowed; none holds a secret."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
