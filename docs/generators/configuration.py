"""The configuration file: every section, key, limit and default, read from the schema."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from generators.markdown import table
from trunkpulse.config.schema import Allowed, Document, LimitsEntry, RequiresEntry, Section
from trunkpulse.config.settings import SipListen
from trunkpulse.sip.grammar import host_and_port

__all__ = ["configuration", "profile_keys"]

HEADINGS = ("key", "must be", "default", "meaning")
OF_PROFILES = {"limits": LimitsEntry, "requires": RequiresEntry}
"""The tables that only the file of a profile has."""
MEANINGS = Path(__file__).with_name("meanings.toml")


def _inner(section: type[Section], name: str) -> type[Section] | None:
    pattern = re.compile(r"\b[A-Z][A-Za-z]+Entry\b")
    names = pattern.findall(str(section.by_key()[name].annotation))
    known = {each.__name__: each for each in _below(Section)}
    return known[names[0]] if names else None


def _below(section: type[Section]) -> Iterator[type[Section]]:
    for each in section.__subclasses__():
        yield each
        yield from _below(each)


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
    if isinstance(value, SipListen):
        return f'"{value.protocol}:{host_and_port(value.host, value.port)}"'
    return f'"{value}"'


def _meanings() -> dict[str, str]:
    return tomllib.loads(MEANINGS.read_text(encoding="utf-8"))


def _row(name: str, section: type[Section], meaning: str) -> tuple[str, ...]:
    field = section.by_key()[name]
    allowed = next(item for item in field.metadata if isinstance(item, Allowed))
    phrase = f"{allowed.phrase}; each {allowed.each}" if allowed.each else allowed.phrase
    if field.is_required():
        return f"`{name}`", phrase, "required", meaning
    is_made = field.default_factory is not None  # a table, which is empty then
    default = field.get_default(call_default_factory=True) or None if is_made else field.default
    return f"`{name}`", phrase, _default(default), meaning


def configuration() -> str:
    """Every section with its keys; what each is for stands in ``meanings.toml``."""
    meanings = _meanings()
    parts: list[str] = []
    used: set[str] = set()

    def describe(section: type[Section], path: tuple[str, ...], heading: str) -> None:
        rows: list[tuple[str, ...]] = []
        inner: list[tuple[type[Section], tuple[str, ...], str]] = []
        for name, field in section.by_key().items():
            key = ".".join((*path, name))
            below = _inner(section, name)
            if below is not None and key != "trunks.keepalive":
                is_list = "tuple" in str(field.annotation)
                mark = f"[[{key}]]" if is_list else f"[{key}]"
                inner.append((below, (*path, name), mark))
                if not path:
                    continue
            used.add(key)
            rows.append(_row(name, section, meanings[key]))
        if rows:
            parts.append(f"### `{heading}`\n\n")
            parts.append(table(HEADINGS, rows) + "\n")
        for each in inner:
            describe(*each)

    describe(Document, (), "")
    unused = {key for key in meanings if key.partition(".")[0] not in OF_PROFILES} - used
    if unused:
        raise SystemExit(f"meanings.toml explains keys that do not exist: {', '.join(unused)}.")
    return "".join(parts).rstrip() + "\n"


def profile_keys() -> str:
    """The keys that only the file of a profile has."""
    meanings = _meanings()
    return "\n".join(
        f"### `[{path}]`\n\n"
        + table(
            HEADINGS,
            (_row(name, section, meanings[f"{path}.{name}"]) for name in section.by_key()),
        )
        for path, section in OF_PROFILES.items()
    )
