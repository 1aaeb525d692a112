"""JSON that is too much work to decode, found out before it is decoded.

What decoding costs is less a matter of bytes than of how many lists and objects there are, and
what comes after it goes down as deep as they are nested. No document of this API needs many, so
their opening brackets are counted beforehand; those in texts too, which are few. Only a document
with more of them than may be nested is looked at more closely.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request

from trunkpulse.adapters.http.api.problems import BodyRefused

__all__ = ["DEEPEST", "MOST_BRACKETS", "BoundedRequest", "intricacy_of"]

MOST_BRACKETS: Final = 4096
"""Lists and objects of one document; a route of 1,000 trunks has most."""
DEEPEST: Final = 32
"""Of them within each other."""

_TEXT: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


def intricacy_of(document: bytes) -> str | None:
    """Why ``document`` is not to be decoded, as a phrase; None: it may be."""
    if b"\0" in document:  # UTF-16 or UTF-32, where brackets could hide (RFC 8259 8.1)
        return "is not UTF-8"
    opened = document.count(b"[") + document.count(b"{")
    if opened <= DEEPEST:
        return None
    if opened > MOST_BRACKETS:
        return f"has more than {MOST_BRACKETS:,} lists and objects"
    rest = _TEXT.sub(b"", document).translate(None, _NO_BRACKETS)
    for _ in range(DEEPEST):  # each time the innermost go
        shorter = rest.replace(b"[]", b"").replace(b"{}", b"")
        if len(shorter) == len(rest):
            break
        rest = shorter
    too_deep = rest.count(b"[") + rest.count(b"{") > DEEPEST or b"[]" in rest or b"{}" in rest
    return f"has lists or objects in more than {DEEPEST} others" if too_deep else None


class BoundedRequest(Request):
    """A request whose JSON is looked at before it is decoded."""

    async def json(self) -> Any:
        """What the body says; raises BodyRefused."""
        why = intricacy_of(await self.body())
        if why is not None:
            raise BodyRefused(
                HTTPStatus.BAD_REQUEST,
                f"The body {why}, which nothing here needs; send one JSON object as /docs has it.",
            )
        return await super().json()
