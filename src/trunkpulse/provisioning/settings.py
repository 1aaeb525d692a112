"""The global settings that were made through the API; those that the file says are the file's.

A change is written first, and then put to work on all trunks that inherit what has changed, some
at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from trunkpulse.config import Config
from trunkpulse.config.json_documents import DocumentRefused, camel_case
from trunkpulse.config.settings_documents import (
    SettingsEntry,
    declared_members,
    effective,
    new_settings,
    settings_document,
)
from trunkpulse.model import KeepalivePolicy
from trunkpulse.ports import (
    Clock,
    Document,
    DocumentChanged,
    DocumentKind,
    DocumentStore,
    SecretUnreadable,
)
from trunkpulse.provisioning.refusals import Changed, Managed
from trunkpulse.provisioning.settling import Doubted

__all__ = ["GlobalSettings", "ShownSettings"]

_ID = "global"


@dataclass(frozen=True, slots=True)
class ShownSettings:
    """The settings in force, and who says them."""

    keepalive: KeepalivePolicy
    user_agent: str
    file: str | None
    """The file's name, if it says any of them."""
    members: tuple[str, ...]
    """Those that it says."""
    kept: Document | None
    """What was made through the API; None: nothing was."""


class GlobalSettings:
    """See the module's opening."""

    def __init__(
        self,
        store: DocumentStore,
        *,
        clock: Clock,
        applying: asyncio.Lock,
        declared: Callable[[], Config],
        apply: Callable[[], Awaitable[object]],
        doubted: Doubted = lambda _: None,
    ) -> None:
        """``declared`` is what the file says at present; ``apply`` has all trunks follow.

        ``applying`` is held while trunks change, whoever changes them.
        """
        self._store = store
        self._clock = clock
        self._applying = applying
        self._declared = declared
        self._apply = apply
        self._kept: Document | None = None
        self._entry = SettingsEntry()
        self._unapplied = False
        """True if what is kept could not be put to work yet."""
        self._doubted = doubted
        self._in_doubt = False
        """True if the database may have others than we."""
        self._regained = False
        """True if they were settled last: who set them was told that it could not be done."""

    async def load(self) -> None:
        """Read what was kept; raises StoreUnavailable, and SecretUnreadable if it cannot be."""
        for document in await self._store.find_documents(DocumentKind.SETTINGS, [_ID]):
            try:
                self._entry = new_settings(document.definition)
            except DocumentRefused as refused:
                raise SecretUnreadable(
                    "The global settings in the database were written by another version "
                    f"({refused}); run the version that wrote them."
                ) from None
            self._kept = document
        self._in_doubt = False

    async def settle(self) -> None:
        """Find out what became of a change whose answer was lost, and put it to work.

        Raises StoreUnavailable, and SecretUnreadable if it cannot be.
        """
        async with self._applying:
            await self._settle()

    async def _settle(self) -> None:
        if self._in_doubt:
            before = self._kept
            await self.load()
            if self._kept != before:
                self._regained = self._unapplied = True
        if self._unapplied:
            await self._put_to_work()

    def effective(self, config: Config) -> tuple[KeepalivePolicy, str]:
        """What trunks inherit under ``config``, and what probes call us."""
        return effective(config, self._entry)

    def shown(self) -> ShownSettings:
        """The settings in force."""
        config = self._declared()
        keepalive, user_agent = effective(config, self._entry)
        members = tuple(declared_members(config))
        return ShownSettings(
            keepalive, user_agent, config.file if members else None, members, self._kept
        )

    async def put(
        self, document: Mapping[str, object], check: Callable[[ShownSettings], None]
    ) -> tuple[ShownSettings, ShownSettings]:
        """Have these be the settings, as far as the file does not say them; before and after.

        Raises DocumentRefused, Managed, Changed, StoreUnavailable and what ``check`` raises.
        """
        async with self._applying:
            await self._settle()
            before = self.shown()
            if not (self._regained and self._is_kept(document)):
                check(before)  # else it is theirs already; only the answer was lost
            self._regained = False
            entry = new_settings(document)
            _check_managed(entry, before)
            said = settings_document(entry)
            if (self._kept.definition if self._kept else {}) == said:
                return before, self.shown()
            now_ms = int(self._clock.wall() * 1000)
            kept = Document(
                kind=DocumentKind.SETTINGS,
                id=_ID,
                definition=said,
                revision=1 if self._kept is None else self._kept.revision + 1,
                created_ms=now_ms if self._kept is None else self._kept.created_ms,
                changed_ms=now_ms,
            )
            try:
                await self._store.save_documents([kept])
            except DocumentChanged as problem:
                self._doubt()
                await self._settle()
                raise Changed(
                    "The global settings have been changed by another process meanwhile; look at "
                    "them again."
                ) from problem
            except BaseException:
                self._doubt()
                raise
            self._kept, self._entry = kept, entry
            await self._put_to_work()
            return before, self.shown()

    def _is_kept(self, document: Mapping[str, object]) -> bool:
        kept = self._kept
        return kept is not None and kept.definition == settings_document(new_settings(document))

    def _doubt(self) -> None:
        self._in_doubt = True
        self._doubted(self.settle)

    async def _put_to_work(self) -> None:
        self._unapplied = True
        try:
            await self._apply()
        except BaseException:
            # They are kept, and said to be in force: whoever set them need not come again.
            self._regained = True
            self._doubted(self.settle)
            raise
        self._unapplied = False


def _check_managed(entry: SettingsEntry, shown: ShownSettings) -> None:
    """What the file says may be repeated, and not changed."""
    said = {
        f"keepalive.{name}": (value, getattr(shown.keepalive, name))
        for name, value in entry.keepalive.model_dump(exclude_unset=True).items()
    }
    if "user_agent" in entry.model_fields_set:
        said["userAgent"] = entry.user_agent, shown.user_agent
    for name, (wanted, present) in said.items():
        section, _, key = name.partition(".")
        member = f"{section}.{camel_case(key)}" if key else section
        if member in shown.members and wanted != present:
            raise Managed(
                f"{member} is declared in {shown.file}; change it there, and have the file read "
                "again."
            )
