"""Which trunks there are that were made through the API, as they could be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from trunkpulse.config.trunk_documents import TrunkDocuments, document_of
from trunkpulse.ports import Document, SecretUnreadable, Vault
from trunkpulse.provisioning.keeping import KeptTrunk, restored, withheld
from trunkpulse.roster import Roster

__all__ = ["Stock"]

log = structlog.get_logger(__name__)


class Stock:
    """See the module's opening."""

    def __init__(self, vault: Vault, roster: Roster) -> None:
        self._vault = vault
        self._roster = roster
        self.kept: dict[str, KeptTrunk] = {}
        """By id."""
        self._order: list[str] = []
        self._places: dict[str, int] = {}
        """Where each stands in the order."""
        self.withheld: dict[str, str] = {}
        """By id, why a trunk is not probed: a sentence for a person."""
        self._unread: dict[str, Mapping[str, object]] = {}
        """What was said of those."""

    def described(self, trunk: KeptTrunk) -> dict[str, object]:
        """All that was said of a trunk but its secrets; of a withheld one too."""
        unread = self._unread.get(trunk.id)
        return document_of(trunk.made) if unread is None else {"id": trunk.id, **unread}

    async def usable(self, document: Document, documents: TrunkDocuments) -> KeptTrunk:
        """The trunk, or what is shown of it if this process cannot probe it.

        The others have to be probed all the same, and it has to be there to be deleted.
        """
        self.withheld.pop(document.id, None)
        self._unread.pop(document.id, None)
        try:
            trunk = restored(document, documents, self._vault)
        except SecretUnreadable as problem:
            # Nothing is written over what the right key would open, so nothing can be set again.
            damage, again, _ = str(problem).partition("; set it again")
            end = "; delete the trunk and make it anew." if again else ""
            return self._withhold(document, documents, damage + end)
        source = trunk.made.trunk.identity.source
        if source is None:
            return trunk
        try:
            await self._roster.prepare([trunk.made.trunk])
        except OSError as problem:
            return self._withhold(
                document,
                documents,
                f"its probes cannot leave from {source[0]} ({problem.strerror or problem})",
            )
        return trunk

    def _withhold(self, document: Document, documents: TrunkDocuments, problem: str) -> KeptTrunk:
        trunk = withheld(document, documents)
        self.withheld[document.id] = problem
        self._unread[document.id] = document.definition
        log.error(
            "trunk.withheld",
            trunk=document.id,
            problem=problem,
            done="it is not probed until a start that can",
        )
        return trunk

    def ids(self, start: int, count: int) -> Sequence[str]:
        """Some of their ids, in an order that a change disturbs little."""
        return self._order[start : start + count]

    def note(self, trunk: KeptTrunk) -> None:
        """This one is there, in the place of the one with its id."""
        if trunk.id not in self.kept:
            self._places[trunk.id] = len(self._order)
            self._order.append(trunk.id)
        self.kept[trunk.id] = trunk

    def forget(self, trunk_id: str) -> None:
        """It is there no more."""
        del self.kept[trunk_id]
        self.withheld.pop(trunk_id, None)
        self._unread.pop(trunk_id, None)
        place, last = self._places.pop(trunk_id), self._order.pop()
        if last != trunk_id:  # the last one takes the place that has become free
            self._order[place] = last
            self._places[last] = place
