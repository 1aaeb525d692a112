"""What the sections of a file are made of: tables that know their keys, and texts with a meaning.

``Allowed`` is for people: it completes the sentence "KEY must be …" when a value is of the wrong
kind or out of bounds. A function that parses a text phrases its own, see ``values``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, PlainValidator, ValidationInfo
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from trunkpulse.config.secrets import Secrets

__all__ = ["Allowed", "Section", "SwitchOr", "TextOr", "secret_of", "text_of"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Allowed:
    """What is allowed at a key, for a person."""

    phrase: str
    """Completes "KEY must be …"."""
    each: str = ""
    """The same for one element of the list or table at this key."""
    secret: bool = False
    """True: what stands there is never repeated."""


def text_of(parse: Callable[[str], T]) -> PlainValidator:
    """A text that ``parse`` turns into its value."""

    def validate(raw: object) -> T:
        if not isinstance(raw, str):
            raise PydanticCustomError("string_type", "not a text")
        return parse(raw)

    return PlainValidator(validate)


def secret_of(parse: Callable[[str], str]) -> PlainValidator:
    """A pointer to a secret, which is looked up at once and handed to ``parse``."""

    def validate(raw: object, info: ValidationInfo) -> str:
        if not isinstance(raw, str) or not isinstance(info.context, Secrets):
            raise PydanticCustomError("string_type", "not a text")
        return parse(info.context.resolve(raw))

    return PlainValidator(validate)


@dataclass(frozen=True, slots=True)
class TextOr:
    """Marks a place where either a text, which ``parse`` reads, or a table may stand.

    A union would say of each mistake in the table that it is not a text either.
    """

    parse: Callable[[str], str]
    table: type[Section]

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        def validate(raw: object, as_table: core_schema.ValidatorFunctionWrapHandler) -> object:
            return self.parse(raw) if isinstance(raw, str) else as_table(raw)

        return core_schema.no_info_wrap_validator_function(validate, handler(self.table))


@dataclass(frozen=True, slots=True)
class SwitchOr:
    """Marks a place where either true, false or a table may stand."""

    table: type[Section]

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        def validate(raw: object, as_table: core_schema.ValidatorFunctionWrapHandler) -> object:
            return raw if isinstance(raw, bool) else as_table(raw)

        return core_schema.no_info_wrap_validator_function(validate, handler(self.table))


class Section(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    @classmethod
    def by_key(cls) -> Mapping[str, FieldInfo]:
        """Each key as it is written: some are no names that Python allows, such as ``from``."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}
