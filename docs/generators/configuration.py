"""The configuration file: every section, key, limit and default, read from the schema."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from generators.markdown import table
from trunkpulse.config.schema import Allowed, Document, Section

__all__ = ["configuration"]

MEANINGS = Path(__file__).with_name("meanings.toml")


def _inner(section: type[Section], name: str) -> type[Section] | None:
    pattern = re.compile(r"\b[A-Z][A-Za-z]+Entry\b")
    names = pattern.findall(str(section.model_fields[name].annotation))
    known = {each.__name__: each for each in Section.__subclasses__()}
    return known[names[0]] if names else None


def _default(value: object) -> str:
    match value:
        case None | ():
            return "none"
        case bool():
            return f"`{str(value).lower()}`"
        case tuple((str() as host, int() as port)):
            return f'`"{host}:{port}"`'
        case tuple():
            return f"`[{', '.join(_item(each) for each in value)}]`"
        case str():
            return f'`"{value}"`'
        case _:
            return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _item(value: object) -> str:
    return f'"udp:{value[0]}:{value[1]}"' if isinstance(value, tuple) else f'"{value}"'


def configuration() -> str:
    """Every section with its keys; what each is for stands in ``meanings.toml``."""
    meanings = tomllib.loads(MEANINGS.read_text(encoding="utf-8"))
    parts: list[str] = []
    used: set[str] = set()

    def describe(section: type[Section], path: tuple[str, ...], heading: str) -> None:
        rows: list[tuple[str, ...]] = []
        inner: list[tuple[type[Section], tuple[str, ...], str]] = []
        for name, field in section.model_fields.items():
            key = ".".join((*path, name))
            below = _inner(section, name)
            if below is not None and key != "trunks.keepalive":
                is_list = "tuple" in str(field.annotation)
                mark = f"[[{key}]]" if is_list else f"[{key}]"
                inner.append((below, (*path, name), mark))
                if not path:
                    continue
            used.add(key)
            allowed = next(item for item in field.metadata if isinstance(item, Allowed))
            phrase = f"{allowed.phrase}; each {allowed.each}" if allowed.each else allowed.phrase
            default = "required" if field.is_required() else _default(field.default)
            rows.append((f"`{name}`", phrase, default, meanings[key]))
        if rows:
            parts.append(f"### `{heading}`\n\n")
            parts.append(table(("key", "must be", "default", "meaning"), rows) + "\n")
        for each in inner:
            describe(*each)

    describe(Document, (), "")
    unused = set(meanings) - used
    if unused:
        raise SystemExit(f"meanings.toml explains keys that do not exist: {', '.join(unused)}.")
    return "".join(parts).rstrip() + "\n"
