from __future__ import annotations

from collections.abc import Collection, Coroutine, Sequence
from typing import TypeVar, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from trunkpulse.adapters.storage.memory_documents import MemoryDocuments
from trunkpulse.admission import idempotency
from trunkpulse.admission.idempotency import (
    KEPT_SECONDS,
    Answer,
    AnswerLost,
    KeptAnswers,
    KeyReused,
    KeyUnderWay,
    Pending,
    fingerprint_of,
)
from trunkpulse.ports import Document, DocumentChanged, DocumentKind, StoreUnavailable
from unit.http.api_parts import SetClock
from vaults import a_vault

ResultT = TypeVar("ResultT")

KIND = DocumentKind.IDEMPOTENT_ANSWER
MADE = Answer(201, (("location", "/x"),), b'{"secret":"hunter2"}')


class Documents(MemoryDocuments):
    """With a plug to pull."""

    def __init__(self) -> None:
        super().__init__()
        self.plugged = True
        self.contended = False
        """True: another process is always sooner."""

    def _reach(self) -> None:
        if not self.plugged:
            raise StoreUnavailable("the plug is pulled")

    async def load_documents(
        self, kind: DocumentKind, *, after: str = "", limit: int = 10_000
    ) -> list[Document]:
        self._reach()
        return await super().load_documents(kind, after=after, limit=limit)

    async def save_documents(self, saved: Sequence[Document]) -> None:
        self._reach()
        if self.contended:
            raise DocumentChanged(saved[0].kind, saved[0].id)
        await super().save_documents(saved)

    async def drop_documents(self, kind: DocumentKind, ids: Collection[str]) -> None:
        self._reach()
        await super().drop_documents(kind, ids)


class World:
    def __init__(self) -> None:
        self.store, self.clock, self.vault = Documents(), SetClock(), a_vault()
        self.answers = KeptAnswers(self.store, self.vault, self.clock)

    async def restart(self) -> KeptAnswers:
        self.answers = KeptAnswers(self.store, self.vault, self.clock)
        await self.answers.load()
        return self.answers

    async def done(
        self, key: str = "k", *, owner: str = "client:a", request: str = "r", answer: Answer = MADE
    ) -> None:
        begun = await self.answers.begin(owner, key, request)
        assert isinstance(begun, Pending)
        await self.answers.finish(begun, answer)

    async def kept(self) -> list[Document]:
        return await self.store.load_documents(KIND)


async def test_a_repetition_gets_the_first_answer_also_after_a_restart() -> None:
    world = World()
    await world.done()
    assert await world.answers.begin("client:a", "k", "r") == MADE
    assert await (await world.restart()).begin("client:a", "k", "r") == MADE


async def test_a_key_is_one_request_of_one_client() -> None:
    world = World()
    await world.done()
    with pytest.raises(KeyReused):
        await world.answers.begin("client:a", "k", "another request")
    assert isinstance(await world.answers.begin("client:b", "k", "another request"), Pending)
    assert isinstance(await world.answers.begin("client:a", "l", "another request"), Pending)


async def test_while_it_is_under_way_nobody_else_does_it() -> None:
    world = World()
    first = await world.answers.begin("client:a", "k", "r")
    assert isinstance(first, Pending)
    with pytest.raises(KeyUnderWay):
        await world.answers.begin("client:a", "k", "r")
    with pytest.raises(KeyReused):
        await world.answers.begin("client:a", "k", "another request")
    world.answers.abandon(first)
    assert isinstance(await world.answers.begin("client:a", "k", "another request"), Pending)


async def test_what_is_kept_says_nothing_to_who_has_the_database() -> None:
    world = World()
    await world.done("my-key", owner="client:my-client", request="f1ngerpr1nt")
    text = repr([(each.definition, dict(each.secrets), each.id) for each in await world.kept()])
    for secret in ("hunter2", "my-key", "my-client", "f1ngerpr1nt", "/x"):
        assert secret not in text


async def test_after_a_day_the_key_means_nothing_any_more() -> None:
    world = World()
    await world.done()
    world.clock.seconds += KEPT_SECONDS - 1
    assert await world.answers.begin("client:a", "k", "r") == MADE
    world.clock.seconds += 1
    # The old answer is still in the database, and is replaced.
    other = Answer(200, (), b"other")
    await world.done(request="another request", answer=other)
    assert await world.answers.begin("client:a", "k", "another request") == other
    assert len(await world.kept()) == 1


async def test_what_has_expired_takes_no_memory_and_is_not_read() -> None:
    world = World()
    await world.done("old")
    world.clock.seconds += KEPT_SECONDS / 2
    await world.done("new")
    world.clock.seconds += KEPT_SECONDS / 2
    world.answers.forget_expired()
    assert len(world.answers) == 1
    assert len(await world.restart()) == 1


async def test_an_answer_that_cannot_be_written_is_known_until_the_end() -> None:
    world = World()
    begun = await world.answers.begin("client:a", "k", "r")
    assert isinstance(begun, Pending)
    world.store.plugged = False
    with pytest.raises(StoreUnavailable):
        await world.answers.finish(begun, MADE)
    assert await world.answers.begin("client:a", "k", "r") == MADE
    assert isinstance(await world.answers.begin("client:a", "new", "r"), Pending)


async def test_an_answer_that_another_process_keeps_writing_is_known_until_the_end() -> None:
    world = World()
    begun = await world.answers.begin("client:a", "k", "r")
    assert isinstance(begun, Pending)
    world.store.contended = True
    with pytest.raises(StoreUnavailable):
        await world.answers.finish(begun, MADE)
    assert await world.answers.begin("client:a", "k", "r") == MADE


async def test_a_repetition_waits_for_the_database_rather_than_doing_it_twice() -> None:
    world = World()
    await world.done()
    world.store.plugged = False
    with pytest.raises(StoreUnavailable):
        await world.answers.begin("client:a", "k", "r")
    world.store.plugged = True
    assert await world.answers.begin("client:a", "k", "r") == MADE


async def test_an_answer_that_cannot_be_opened_any_more_is_not_done_again() -> None:
    world = World()
    await world.done()
    (document,) = await world.kept()
    await world.store.drop_documents(KIND, [document.id])
    damaged = Document(
        kind=KIND,
        id=document.id,
        definition=document.definition,
        secrets={"answer": "v1.00000000.AAAA"},
        created_ms=document.created_ms,
        changed_ms=document.changed_ms,
        expires_ms=document.expires_ms,
    )
    await world.store.save_documents([damaged])
    with pytest.raises(AnswerLost):
        await world.answers.begin("client:a", "k", "r")


async def test_of_each_client_the_newest_keys_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "MOST_KEYS_OF_ONE", 5)
    monkeypatch.setattr(idempotency, "MOST_KEYS", 8)
    monkeypatch.setattr(idempotency, "DROPPED_AT_ONCE", 2)
    world = World()
    await world.done("other", owner="client:b")
    for number in range(20):
        await world.done(f"k-{number}")
    assert len(world.answers) == 6
    assert len(await world.kept()) <= 6 + 2
    assert await world.answers.begin("client:b", "other", "r") == MADE
    assert await world.answers.begin("client:a", "k-15", "r") == MADE
    assert isinstance(await world.answers.begin("client:a", "k-14", "r"), Pending)
    for number in range(20):
        await world.done("k", owner=f"client:{number}")
    assert len(world.answers) == 8


async def test_what_waits_to_be_written_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "MOST_UNWRITTEN", 3)
    world = World()
    world.store.plugged = False
    for number in range(10):
        begun = await world.answers.begin("client:a", f"k-{number}", "r")
        assert isinstance(begun, Pending)
        with pytest.raises(StoreUnavailable):
            await world.answers.finish(begun, MADE)
    assert len(world.answers) == 3
    assert await world.answers.begin("client:a", "k-9", "r") == MADE


def test_requests_that_differ_have_different_fingerprints() -> None:
    assert fingerprint_of(b"ab", b"c") != fingerprint_of(b"a", b"bc")
    assert fingerprint_of(b"a", b"") != fingerprint_of(b"a")
    assert fingerprint_of(b"a", b"b") == fingerprint_of(b"a", b"b")


KEYS = st.sampled_from(["k1", "k2"])
OWNERS = st.sampled_from(["client:a", "user:a"])
REQUESTS = st.sampled_from(["r1", "r2"])


def run(step: Coroutine[object, object, ResultT]) -> ResultT:
    """The memory store never waits, so each step is done in one go."""
    try:
        step.send(None)
    except StopIteration as end:
        return cast("ResultT", end.value)
    raise AssertionError("It waits for something.")


class AgainstAModel(RuleBasedStateMachine):
    """Whatever comes in whatever order: the same as a dictionary would say."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.under_way: dict[tuple[str, str], tuple[str, Pending]] = {}
        self.kept: dict[tuple[str, str], tuple[str, Answer, float]] = {}
        self.count = 0

    @rule(owner=OWNERS, key=KEYS, request=REQUESTS)
    def begin(self, owner: str, key: str, request: str) -> None:
        name = owner, key
        known = self.kept.get(name)
        if known is not None and known[2] <= self.world.clock.seconds:
            known = None
        try:
            found = run(self.world.answers.begin(owner, key, request))
        except KeyUnderWay:
            assert self.under_way[name][0] == request
        except KeyReused:
            first = self.under_way[name][0] if name in self.under_way else known and known[0]
            assert first is not None
            assert first != request
        else:
            assert name not in self.under_way
            if isinstance(found, Pending):
                assert known is None
                self.under_way[name] = request, found
            else:
                assert known is not None
                assert known[:2] == (request, found)

    @rule(owner=OWNERS, key=KEYS)
    def finish(self, owner: str, key: str) -> None:
        begun = self.under_way.pop((owner, key), None)
        if begun is None:
            return
        self.count += 1
        answer = Answer(201, (), str(self.count).encode())
        run(self.world.answers.finish(begun[1], answer))
        until = self.world.clock.seconds + KEPT_SECONDS
        self.kept[owner, key] = begun[0], answer, until

    @rule(owner=OWNERS, key=KEYS)
    def abandon(self, owner: str, key: str) -> None:
        begun = self.under_way.pop((owner, key), None)
        if begun is not None:
            self.world.answers.abandon(begun[1])

    @rule(hours=st.sampled_from([1, 12, 24]))
    def time_passes(self, hours: int) -> None:
        self.world.clock.seconds += hours * 3600

    @rule()
    def restart(self) -> None:
        self.under_way.clear()
        run(self.world.restart())

    @rule()
    def prune(self) -> None:
        self.world.answers.forget_expired()
        run(self.world.store.drop_expired(int(self.world.clock.wall() * 1000)))

    @invariant()
    def nothing_is_kept_that_is_not_known(self) -> None:
        assert len(self.world.answers) <= len(self.kept)


AgainstAModel.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAgainstAModel = AgainstAModel.TestCase
