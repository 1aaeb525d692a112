"""How a trunk that was made through the API rests in the database: what may be read, and the rest.

What was said of it is kept, not what it comes to: a trunk goes on inheriting what it inherits.
Its password and the values of its headers, which may be keys, are sealed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

from trunkpulse.config.trunk_documents import (
    DocumentRefused,
    MadeTrunk,
    TrunkDocuments,
    document_of,
    secrets_of,
)
from trunkpulse.ports import Document, DocumentKind, SecretUnreadable, Vault

__all__ = ["KeptTrunk", "kept", "restored", "sealed", "withheld"]

PER_TURN = 100
"""Trunks that are sealed before the event loop does anything else."""

_READABLE = ("name", "targets", "direction", "region", "carrier", "minAvailableTargets", "enabled")
"""What a trunk that cannot be probed is still shown with."""


class KeptTrunk(NamedTuple):
    """A trunk of the API, and how often it was changed."""

    made: MadeTrunk
    revision: int
    created_ms: int
    changed_ms: int

    @property
    def id(self) -> str:
        """The trunk's id."""
        return self.made.trunk.id


def kept(trunk: KeptTrunk, vault: Vault) -> Document:
    """``trunk`` as it is written; raises what the vault raises."""
    definition = document_of(trunk.made)
    del definition["id"]
    return Document(
        kind=DocumentKind.TRUNK,
        id=trunk.id,
        definition=definition,
        secrets={
            name: vault.seal(text, _about(trunk.id, name))
            for name, text in secrets_of(trunk.made).items()
        },
        revision=trunk.revision,
        created_ms=trunk.created_ms,
        changed_ms=trunk.changed_ms,
    )


async def sealed(trunks: Iterable[KeptTrunk], vault: Vault) -> list[Document]:
    """Many as they are written; raises what the vault raises."""
    documents: list[Document] = []
    for each in trunks:
        documents.append(kept(each, vault))
        if len(documents) % PER_TURN == 0:
            await asyncio.sleep(0)
    return documents


def restored(document: Document, documents: TrunkDocuments, vault: Vault) -> KeptTrunk:
    """The trunk that `kept` was given; raises SecretUnreadable if it cannot be probed as it was."""
    opened = {
        name: vault.open(sealed, _about(document.id, name))
        for name, sealed in document.secrets.items()
    }
    try:
        made = documents.restored({**document.definition, "id": document.id}, opened)
    except DocumentRefused as refused:
        raise SecretUnreadable(
            f"The trunk {document.id} in the database is none for this version ({refused}); "
            "delete it and make it anew, or run the version that wrote it."
        ) from None
    return _counted(document, made)


def withheld(document: Document, documents: TrunkDocuments) -> KeptTrunk:
    """What may be read of it without the vault: shown, and not probed.

    Raises SecretUnreadable if not even that can be read.
    """
    readable: dict[str, object] = {
        name: document.definition[name] for name in _READABLE if name in document.definition
    }
    try:
        made = documents.new({**readable, "id": document.id, "keepalive": {"enabled": False}})
    except DocumentRefused:
        raise SecretUnreadable(
            f"The trunk {document.id} in the database was written by another version; run the "
            "version that wrote it."
        ) from None
    return _counted(document, made)


def _counted(document: Document, made: MadeTrunk) -> KeptTrunk:
    return KeptTrunk(made, document.revision, document.created_ms, document.changed_ms)


def _about(trunk_id: str, name: str) -> str:
    """The place that a secret is sealed for: as for every document, its kind, id and name."""
    return f"{DocumentKind.TRUNK.value}:{trunk_id}:{name}"
