"""Trunks of the API as they are kept, loaded and put to work."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from trunkpulse.access import UNLIMITED
from trunkpulse.adapters.http.api.trunk_changes import Within
from trunkpulse.model import Trunk
from trunkpulse.ports import DocumentKind, SecretUnreadable
from trunkpulse.provisioning.estate import first_ids, some_ids
from trunkpulse.provisioning.refusals import Changed, Exists, Managed, Withheld
from trunkpulse.provisioning.trunks import MadeTrunks
from trunkpulse.roster import UnknownTrunk
from unit.http.api_world import TRUNKS, World, running
from vaults import a_vault

WITHIN = Within(UNLIMITED, "default")


def document(trunk_id: str, **members: object) -> dict[str, object]:
    return {"id": trunk_id, "targets": ["sip:127.0.0.1:5070"], **members}


def entrusted(trunk_id: str) -> dict[str, object]:
    return document(trunk_id, advanced={"username": "alice", "password": "hunter2"}, carrier="acme")


async def nobody_hears(_: object) -> None:
    return


def over(world: World, *, key: int = 1) -> MadeTrunks:
    return MadeTrunks(
        world.store,
        a_vault(key),
        clock=world.clock,
        roster=world.roster,
        applying=asyncio.Lock(),
        default=world.config.keepalive,
        routes_of=lambda _: (),
        changed=nobody_hears,
    )


async def loaded(world: World, *, key: int = 1) -> MadeTrunks:
    made = over(world, key=key)
    await made.load(world.config.keepalive)
    return made


async def test_what_was_made_is_there_after_a_restart() -> None:
    async with running() as world:
        before = await world.made.create(entrusted("made"), WITHIN)
    again = World(store=world.store)
    async with running(world=again):
        assert again.made.get("made") == before
        found = again.roster.record("made").trunk
        assert found.identity.credentials == before.made.trunk.identity.credentials
        assert again.target("made").settings.policy == before.made.trunk.keepalive


async def test_a_trunk_whose_key_is_lost_is_shown_and_not_probed() -> None:
    async with running() as world:
        await world.made.create(entrusted("made"), WITHIN)
        await world.made.create(document("plain"), WITHIN)
        with capture_logs() as logs:
            made = await loaded(world, key=2)
        assert [each["event"] for each in logs] == ["trunk.withheld"]
        found = made.get("made")
        assert found is not None
        assert found.made.trunk.carrier == "acme"
        assert not found.made.trunk.keepalive.enabled
        plain = made.get("plain")
        assert plain is not None
        assert plain.made.trunk.keepalive.enabled
        with pytest.raises(Withheld, match="made is withheld and can only be deleted: "):
            await made.change("made", {"name": "x"}, WITHIN)
        # Nothing was written over what the right key opens.
        assert (await loaded(world)).get("made") == world.made.get("made")


async def test_a_withheld_trunk_can_be_deleted() -> None:
    async with running() as world:
        await world.made.create(entrusted("made"), WITHIN)
        made = await loaded(world, key=2)
        await made.delete("made", WITHIN)
        assert not made.withheld
        assert await world.store.load_documents(DocumentKind.TRUNK) == []


async def test_a_source_that_this_machine_has_lost_withholds_its_trunk_alone() -> None:
    async with running() as world:
        moved = document("moved", advanced={"source": "127.0.0.9:0"})
        await world.made.create(moved, WITHIN)
        await world.made.create(document("plain"), WITHIN)
    again = World(store=world.store)
    opened = again.roster.sockets._open_transport

    def open_transport(plan: object, receiver: object) -> object:
        if "127.0.0.9" in str(plan):
            raise OSError(99, "Cannot assign requested address")
        return opened(plan, receiver)  # type: ignore[arg-type]

    again.roster.sockets._open_transport = open_transport  # type: ignore[assignment]
    async with running(world=again):
        assert "cannot leave from 127.0.0.9" in again.made.withheld["moved"]
        assert "plain" in again.board
        assert again.roster.probe_now("moved") == 0
        assert again.roster.probe_now("plain") == 1


async def test_a_source_that_cannot_be_used_changes_nothing() -> None:
    async with running() as world:
        before = await world.made.create(document("made"), WITHIN)

        def refuse(*_: object) -> None:
            raise OSError(99, "Cannot assign requested address")

        world.roster.sockets._open_transport = refuse  # type: ignore[assignment]
        source: dict[str, object] = {"advanced": {"source": "127.0.0.9:0"}}
        with pytest.raises(OSError, match="Cannot assign"):
            await world.made.change("made", source, WITHIN)
        with pytest.raises(OSError, match="Cannot assign"):
            await world.made.create(document("other", **source), WITHIN)
        assert world.made.get("made") == before
        assert [each.id for each in await world.store.load_documents(DocumentKind.TRUNK)] == [
            "made"
        ]
        assert "other" not in world.board


async def test_one_change_touches_one_trunk() -> None:
    async with running() as world:
        for n in range(3):
            await world.made.create(document(f"t{n}"), WITHIN)
        before = {each: record.trunk for each, record in world.roster.records().items()}
        targets = {each: world.target(each) for each in before}
        await world.made.change("t1", {"keepalive": {"intervalSeconds": 20}}, WITHIN)
        after = {each: record.trunk for each, record in world.roster.records().items()}
        assert [each for each in after if after[each] is not before[each]] == ["t1"]
        assert {each: world.target(each) for each in after} == targets


async def test_another_process_that_wrote_meanwhile_is_noticed() -> None:
    async with running() as world:
        await world.made.create(document("made"), WITHIN)
        other = await loaded(world)
        await other.change("made", {"name": "other"}, WITHIN)
        with pytest.raises(Changed, match="changed by another process"):
            await world.made.change("made", {"name": "mine"}, WITHIN)
        assert world.roster.record("made").trunk.name == "other"


async def test_an_id_of_file_and_api_is_refused() -> None:
    async with running() as world:
        await world.made.create(document("made"), WITHIN)
        (a, *_) = TRUNKS
        of_file = (a, Trunk(id="made", name="x", targets=("sip:x",), managed_by="edge.toml"))
        with pytest.raises(Exists, match=r'edge.toml declares a trunk "made", which has been made'):
            await world.made.check_distinct(of_file)
        with pytest.raises(Exists):
            await world.made.create(document("carrier-a"), WITHIN)
        with pytest.raises(Managed):
            await world.made.change("carrier-a", {}, WITHIN)
        with pytest.raises(UnknownTrunk):
            await world.made.delete("nobody", WITHIN)


async def test_what_another_version_wrote_is_withheld_and_what_nobody_can_read_ends_the_start() -> (
    None
):
    async with running() as world:
        await world.made.create(document("made"), WITHIN)
        (kept,) = await world.store.load_documents(DocumentKind.TRUNK)
        kept.definition["colour"] = "blue"  # type: ignore[index]
        made = await loaded(world)
        assert "none for this version" in made.withheld["made"]
        kept.definition["targets"] = 7  # type: ignore[index]
        with pytest.raises(SecretUnreadable, match="written by another version"):
            await loaded(world)


async def test_secrets_can_be_sealed_with_another_key() -> None:
    async with running() as world:
        await world.made.create(entrusted("made"), WITHIN)
        (kept,) = await world.store.load_documents(DocumentKind.TRUNK)
        old, new = a_vault(1), a_vault(2)
        secrets = {
            # As every document's are sealed: whoever rotates keys goes by that.
            name: new.seal(old.open(sealed, about := f"trunk:made:{name}"), about)
            for name, sealed in kept.secrets.items()
        }
        again = replace(kept, secrets=secrets)
        await world.store.drop_documents(DocumentKind.TRUNK, ["made"])
        await world.store.save_documents([again])
        assert (await loaded(world, key=2)).get("made") == world.made.get("made")


async def test_every_trunk_comes_up_in_turns_of_some() -> None:
    """What is gone through bit by bit, of the file and of the API, misses nobody."""
    async with running() as world:
        rng = random.Random(7)
        there: set[str] = set()
        for n in range(60):
            await world.made.create(document(f"t{n}"), WITHIN)
            there.add(f"t{n}")
            if rng.random() < 0.4:
                gone = rng.choice(sorted(there))
                await world.made.delete(gone, WITHIN)
                there.remove(gone)
        world.config = replace(world.config, trunks=TRUNKS)
        seen: list[str] = []
        at = 0
        while found := some_ids(world.config, world.made, at, 7):
            seen += found
            at += 7
        assert seen[:4] == [trunk.id for trunk in TRUNKS]
        assert sorted(seen[4:]) == sorted(there)
        assert list(first_ids(world.config, world.made, 6)) == seen[:6]
