"""What a document of the API may hold, as JSON Schema: read from what checks it.

The file's models check the documents too (``config.json_documents``), so the OpenAPI document
says what they say, and is not used to check anything.
"""

from __future__ import annotations

from types import UnionType
from typing import Any, get_args, get_origin

from pydantic import PlainValidator
from pydantic.fields import FieldInfo

from trunkpulse.config.json_documents import camel_case, in_words_of_json
from trunkpulse.config.schema import Allowed, Section, StreamEntry
from trunkpulse.config.section import TextOr

__all__ = ["document_schema", "stream_schema"]

_TYPES = {bool: "boolean", int: "integer", float: "number"}
_POINTER = "env:NAME"
"""In what the file says of a secret."""
_NAMED_PAIRS = "headers"


def stream_schema(*, required: bool, example: dict[str, Any]) -> dict[str, Any]:
    """The members of an event stream's document."""
    return document_schema(StreamEntry, required=required, example=example)


def document_schema(
    section: type[Section], *, required: bool, example: dict[str, Any]
) -> dict[str, Any]:
    """The members of a document; ``required``: those that a new one needs are marked."""
    schema = _object(section)
    if not required:
        del schema["required"]
    return {**schema, "examples": [example]}


def _object(section: type[Section]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            camel_case(name): _member(name, field) for name, field in section.by_key().items()
        },
        "required": [
            camel_case(name) for name, field in section.by_key().items() if field.is_required()
        ],
    }


def _member(name: str, field: FieldInfo) -> dict[str, Any]:
    allowed = next(item for item in field.metadata if isinstance(item, Allowed))
    phrase = f"{allowed.phrase}; each {allowed.each}" if allowed.each else allowed.phrase
    if _POINTER in phrase:
        phrase = "a text; it is not given back" if name != _NAMED_PAIRS else "texts by name"
    described = in_words_of_json(phrase)
    is_text = name != _NAMED_PAIRS and any(
        isinstance(item, PlainValidator) for item in field.metadata
    )
    return {
        **({"type": "string"} if is_text else _type(name, field.annotation)),
        "description": f"{described[0].upper()}{described[1:]}.",
    }


def _item(annotation: Any) -> dict[str, Any]:
    """What a list holds: texts, or objects that may stand in their place."""
    first = get_args(annotation)[0]
    if isinstance(first, type) and issubclass(first, Section):
        return _object(first)
    for item in getattr(first, "__metadata__", ()):
        if isinstance(item, TextOr):
            return {"anyOf": [{"type": "string"}, _object(item.table)]}
    return {"type": "string"}


def _type(name: str, annotation: Any) -> dict[str, Any]:
    """In JSON Schema, as far as it helps a reader."""
    if get_origin(annotation) is UnionType:
        kinds = [each for each in get_args(annotation) if each is not type(None)]
        found = [_type(name, each) for each in kinds]
        return found[0] if len(found) == 1 else {"anyOf": found}
    if name == _NAMED_PAIRS:
        return {"type": "object", "additionalProperties": {"type": "string"}}
    if get_origin(annotation) is tuple:
        return {"type": "array", "items": _item(annotation)}
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return _object(annotation)
    return {"type": _TYPES.get(annotation, "string")}
