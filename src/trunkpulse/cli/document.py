"""JSON from the API, read member by member.

What answers at an address may be another version of this program or another program altogether.
Each member is therefore checked where it is read, and a surprise becomes one sentence instead of
a traceback.
"""

from __future__ import annotations

from collections.abc import Mapping

from trunkpulse.cli.errors import CommandFailed

__all__ = ["Document", "UnexpectedAnswer"]


class UnexpectedAnswer(CommandFailed):
    """The answer is not what this version's API gives."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f'The service\'s answer has no usable "{key}"; check that --url names a trunkpulse of'
            " this version."
        )


class Document:
    """One JSON object. Every reader raises UnexpectedAnswer for what it does not expect."""

    def __init__(self, value: object, name: str = "document") -> None:
        """``name`` is what an error calls it."""
        if not isinstance(value, Mapping):
            raise UnexpectedAnswer(name)
        self.members: Mapping[str, object] = value

    def text(self, key: str) -> str:
        """A string."""
        value = self.members.get(key)
        if isinstance(value, str):
            return value
        raise UnexpectedAnswer(key)

    def text_or_none(self, key: str) -> str | None:
        """A string; None if it is null or absent."""
        return None if self.members.get(key) is None else self.text(key)

    def number(self, key: str) -> float:
        """A number."""
        value = self.members.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        raise UnexpectedAnswer(key)

    def number_or_none(self, key: str) -> float | None:
        """A number; None if it is null or absent."""
        return None if self.members.get(key) is None else self.number(key)

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self.members.get(key)
        if isinstance(value, bool):
            return value
        raise UnexpectedAnswer(key)

    def document(self, key: str) -> Document:
        """An object."""
        return Document(self.members.get(key), key)

    def document_or_none(self, key: str) -> Document | None:
        """An object; None if it is null or absent."""
        return None if self.members.get(key) is None else self.document(key)

    def documents(self, key: str) -> list[Document]:
        """A list of objects."""
        return [Document(value, key) for value in self._values(key)]

    def texts(self, key: str) -> list[str]:
        """A list of strings."""
        texts = [value for value in self._values(key) if isinstance(value, str)]
        if len(texts) < len(self._values(key)):
            raise UnexpectedAnswer(key)
        return texts

    def _values(self, key: str) -> list[object]:
        value = self.members.get(key)
        if isinstance(value, list):
            return value
        raise UnexpectedAnswer(key)
