"""How a stream that was made through the API rests in the database: what may be read, and the rest.

Where a stream's events go may be a secret as much as the key that signs them (the address of a
chat's webhook is all that it takes to write there), so of the destination only the type and the
options are left open.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace

from pydantic import TypeAdapter, ValidationError

from trunkpulse.model import EventStream
from trunkpulse.ports import KeptStream, SecretUnreadable, Vault

__all__ = ["kept", "resealed", "restored", "withheld"]

_OPEN = ("type", "options")
"""What may be read of a destination."""
_SEALED = ("url", "secret", "previous_secret")
_HEADERS = "headers"

_stream = TypeAdapter(EventStream)


def kept(
    stream: EventStream, vault: Vault, *, now_ms: int, before: KeptStream | None
) -> KeptStream:
    """``stream`` as it is kept from now on; ``before`` is how it was until now."""
    destination = stream.destination
    texts = {name: getattr(destination, name) for name in _SEALED}
    if destination.headers:
        texts[_HEADERS] = json.dumps(destination.headers)
    definition = asdict(stream)
    del definition["id"], definition["managed_by"]
    definition["destination"] = {name: definition["destination"][name] for name in _OPEN}
    return KeptStream(
        id=stream.id,
        definition=definition,
        secrets={
            name: vault.seal(text, _about(stream.id, name))
            for name, text in texts.items()
            if text is not None
        },
        revision=1 if before is None else before.revision + 1,
        created_ms=now_ms if before is None else before.created_ms,
        changed_ms=now_ms,
    )


def restored(stream: KeptStream, vault: Vault) -> EventStream:
    """The stream that `kept` was given; raises SecretUnreadable."""
    opened: dict[str, object] = {
        name: vault.open(sealed, _about(stream.id, name)) for name, sealed in stream.secrets.items()
    }
    if _HEADERS in opened:
        opened[_HEADERS] = json.loads(str(opened[_HEADERS]))
    return _read(stream, opened)


def withheld(stream: KeptStream) -> EventStream:
    """What may be read of it without the vault, paused: it is told, and what it is told waits.

    Raises SecretUnreadable if not even that can be read.
    """
    return replace(_read(stream, {"url": ""}), paused=True)


def _read(stream: KeptStream, opened: Mapping[str, object]) -> EventStream:
    destination = stream.definition.get("destination")
    parts = dict(destination) if isinstance(destination, Mapping) else {}
    try:
        return _stream.validate_python(
            {**stream.definition, "id": stream.id, "destination": {**parts, **opened}}
        )
    except ValidationError:
        # What is in it is not repeated: secrets are among it.
        raise SecretUnreadable(
            f"The event stream {stream.id!r} in the database was written by another version; "
            "run the version that wrote it."
        ) from None


def resealed(stream: KeptStream, reseal: Callable[[str, str], str]) -> KeptStream:
    """``stream`` with each secret as ``reseal`` makes it of the one before and of its place."""
    secrets = {
        name: reseal(sealed, _about(stream.id, name)) for name, sealed in stream.secrets.items()
    }
    return replace(stream, secrets=secrets)


def _about(stream_id: str, name: str) -> str:
    return f"stream:{stream_id}:{name}"
