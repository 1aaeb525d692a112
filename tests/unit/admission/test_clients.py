"""Clients: what each may do, its secrets, and that nobody gives away more than they have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from trunkpulse.access import UNLIMITED, Limits, Permission, Principal, PrincipalKind
from trunkpulse.adapters.http.api.gate import machine
from trunkpulse.adapters.storage.memory_documents import MemoryDocuments
from trunkpulse.admission.clients import MOST_SECRETS, Client, ClientDraft, Clients
from trunkpulse.admission.errors import AdmissionRefused, GrantRefused, NotThere
from trunkpulse.ports import Document, DocumentKind, StoreUnavailable
from unit.http.api_parts import SetClock

VIEW, EDIT = Permission.TRUNK_VIEW, Permission.TRUNK_EDIT
DRAFT = ClientDraft(name="grafana", permissions=frozenset({VIEW}))
US = Limits(regions=frozenset({"us-east"}))


def somebody(*permissions: Permission, limits: Limits = UNLIMITED) -> Principal:
    return Principal(
        kind=PrincipalKind.USER,
        id="u1",
        name="ann",
        permissions=frozenset({*permissions, Permission.USERS_EDIT}),
        limits=limits,
    )


class Away(MemoryDocuments):
    """A store with a plug to pull."""

    plugged = True

    async def save_documents(self, saved: Sequence[Document]) -> None:
        if not self.plugged:
            raise StoreUnavailable("the plug is pulled")
        await super().save_documents(saved)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def store() -> Away:
    return Away()


@pytest.fixture
def clients(store: Away, clock: SetClock) -> Clients:
    return Clients(store, clock)


async def test_a_client_proves_itself_by_its_secret_and_by_nothing_else(clients: Clients) -> None:
    made = await clients.create(DRAFT, machine())
    assert made.text.startswith("tps_")
    assert len(made.text) == 4 + 43  # 256 bits in base64
    assert clients.proved(made.client.id, made.text) == made.client
    for client_id, secret in (
        (made.client.id, made.text[:-1]),
        (made.client.id, ""),
        (made.client.id, "tps_ä\udc80"),
        (made.client.id.upper(), made.text),
        ("tpc_unknown", made.text),
    ):
        assert clients.proved(client_id, secret) is None


async def test_what_is_kept_of_a_secret_does_not_give_it_away(
    clients: Clients, store: Away
) -> None:
    made = await clients.create(DRAFT, machine())
    [kept] = await store.load_documents(DocumentKind.CLIENT)
    assert made.text not in repr((kept.definition, kept.secrets))
    assert made.text not in repr(made)
    [secret] = made.client.secrets
    assert secret.sha256 not in repr(made.client)
    assert clients.proved(made.client.id, secret.sha256) is None


async def test_clients_are_the_same_after_a_restart(
    clients: Clients, store: Away, clock: SetClock
) -> None:
    draft = replace(DRAFT, limits=US, expires_ms=clock_ms(clock) + 1000, enabled=False)
    first = await clients.create(draft, machine())
    second = await clients.create(replace(DRAFT, name="b"), machine())
    again = Clients(store, clock)
    await again.load()
    assert {each.id: each for each in again.all} == {
        first.client.id: first.client,
        second.client.id: second.client,
    }
    assert again.proved(second.client.id, second.text) == second.client


async def test_two_secrets_are_good_while_one_is_exchanged_for_the_other(
    clients: Clients,
) -> None:
    first = await clients.create(DRAFT, machine())
    client_id = first.client.id
    second = await clients.add_secret(client_id, machine())
    assert clients.proved(client_id, first.text) == clients.proved(client_id, second.text)
    assert second.client.generation == first.client.generation  # tokens stay good
    with pytest.raises(AdmissionRefused, match="two secrets already"):
        await clients.add_secret(client_id, machine())
    assert len(second.client.secrets) == MOST_SECRETS
    after = await clients.remove_secret(client_id, first.id, machine())
    assert after.generation == first.client.generation + 1
    assert clients.proved(client_id, first.text) is None
    assert clients.proved(client_id, second.text) == after


async def test_the_first_secret_ends_when_it_was_said_to(clients: Clients, clock: SetClock) -> None:
    first = await clients.create(DRAFT, machine())
    client_id = first.client.id
    second = await clients.add_secret(client_id, machine(), others_end_ms=clock_ms(clock) + 60_000)
    clock.seconds += 59.9
    assert clients.proved(client_id, first.text)
    clock.seconds += 0.2
    assert clients.proved(client_id, first.text) is None
    assert clients.proved(client_id, second.text)
    third = await clients.add_secret(client_id, machine())  # its place is free again
    assert clients.proved(client_id, third.text)
    assert clients.proved(client_id, second.text)


async def test_a_client_that_is_disabled_expired_or_deleted_proves_nothing(
    clients: Clients, clock: SetClock
) -> None:
    made = await clients.create(replace(DRAFT, expires_ms=clock_ms(clock) + 1000), machine())
    client_id = made.client.id
    await clients.change(client_id, lambda client: replace(client, enabled=False), machine())
    assert clients.proved(client_id, made.text) is None
    await clients.change(client_id, lambda client: replace(client, enabled=True), machine())
    assert clients.proved(client_id, made.text)
    clock.seconds += 1
    assert clients.proved(client_id, made.text) is None
    await clients.change(client_id, lambda client: replace(client, expires_ms=None), machine())
    assert clients.proved(client_id, made.text)
    await clients.delete(client_id, machine())
    assert clients.proved(client_id, made.text) is None
    assert clients.all == ()
    with pytest.raises(NotThere):
        await clients.delete(client_id, machine())


@pytest.mark.parametrize(
    ("edit", "voids"),
    [
        ({"name": "other"}, False),
        ({"permissions": frozenset({VIEW, EDIT})}, True),
        ({"limits": US}, True),
        ({"enabled": False}, True),
        ({"expires_ms": 2_000_000_000_000}, True),
    ],
)
async def test_what_changes_what_a_client_may_do_voids_its_tokens(
    clients: Clients, edit: dict[str, object], *, voids: bool
) -> None:
    made = await clients.create(DRAFT, machine())
    after = await clients.change(
        made.client.id,
        lambda client: replace(client, **edit),  # type: ignore[arg-type] # parameters
        machine(),
    )
    assert (after.generation != made.client.generation) is voids
    assert after.revision == 2


async def test_a_change_that_changes_nothing_is_none(clients: Clients) -> None:
    made = await clients.create(DRAFT, machine())
    assert await clients.change(made.client.id, lambda client: client, machine()) == made.client


async def test_names_differ_in_more_than_case(clients: Clients) -> None:
    made = await clients.create(DRAFT, machine())
    with pytest.raises(AdmissionRefused, match="with the name grafana"):
        await clients.create(replace(DRAFT, name="GRAFANA"), machine())
    renamed = await clients.change(
        made.client.id, lambda client: replace(client, name="Grafana"), machine()
    )
    assert renamed.name == "Grafana"


async def test_nobody_makes_a_client_that_may_do_more_than_they_may(clients: Clients) -> None:
    with pytest.raises(GrantRefused, match="telephony:trunk:edit"):
        await clients.create(replace(DRAFT, permissions=frozenset({EDIT})), somebody(VIEW))
    limited = somebody(VIEW, limits=US)
    with pytest.raises(GrantRefused, match="all regions"):
        await clients.create(DRAFT, limited)
    wider = Limits(regions=frozenset({"us-east", "eu"}))
    with pytest.raises(GrantRefused, match="the regions eu"):
        await clients.create(replace(DRAFT, limits=wider), limited)
    assert clients.all == ()
    await clients.create(replace(DRAFT, limits=US), limited)


async def test_nobody_gets_at_a_client_that_may_do_more_than_they_may(clients: Clients) -> None:
    strong = await clients.create(replace(DRAFT, permissions=frozenset({EDIT})), machine())
    client_id, weak = strong.client.id, somebody(VIEW)

    def without_edit(client: Client) -> ClientDraft:
        return replace(client, permissions=frozenset({VIEW}))

    with pytest.raises(GrantRefused):
        await clients.add_secret(client_id, weak)
    with pytest.raises(GrantRefused, match="change one that has it"):
        await clients.remove_secret(client_id, strong.id, weak)
    with pytest.raises(GrantRefused):
        await clients.delete(client_id, weak)
    with pytest.raises(GrantRefused):
        await clients.change(client_id, lambda client: replace(client, name="x"), weak)
    with pytest.raises(GrantRefused):
        await clients.change(client_id, without_edit, weak)
    disabled = await clients.change(
        client_id, lambda client: replace(client, enabled=False), weak
    )  # to shut it out gives nobody anything
    assert not disabled.enabled
    with pytest.raises(GrantRefused):
        await clients.change(client_id, lambda client: replace(client, enabled=True), weak)
    assert clients.get(client_id) == disabled


async def test_what_cannot_be_written_has_not_happened(clients: Clients, store: Away) -> None:
    made = await clients.create(DRAFT, machine())
    store.plugged = False
    for change in (
        clients.create(replace(DRAFT, name="b"), machine()),
        clients.add_secret(made.client.id, machine()),
        clients.remove_secret(made.client.id, made.id, machine()),
        clients.change(made.client.id, lambda client: replace(client, enabled=False), machine()),
    ):
        with pytest.raises(StoreUnavailable):
            await change
    assert clients.all == (made.client,)
    assert clients.proved(made.client.id, made.text)  # reading goes on


def clock_ms(clock: SetClock) -> int:
    return int(clock.wall() * 1000)
