"""What keeps the service from starting is one plain sentence, exit code 2, and no traceback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from interop.peers.ports import free_port
from torture.peers import world
from torture.service import FAST, Installation, sentences
from torture.watch import Watch


async def complaint(installation: Installation) -> tuple[int, str]:
    """How a start that cannot be ended: its exit code and its one sentence."""
    service = await installation.spawn(Watch())
    code = await service.ended()
    said = [text for text in service.text if not text.startswith("timestamp=")]
    assert len(said) == 1, "\n".join(service.text)
    return code, sentences(said)[0]


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of 127.0.0.1 that is in use, for TCP and for UDP."""
    with (
        socket.socket() as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        port = free_port("127.0.0.1")
        tcp.bind(("127.0.0.1", port))
        tcp.listen()
        udp.bind(("127.0.0.1", port))
        yield port


async def test_a_file_that_is_not_there(installation: Installation) -> None:
    code, said = await complaint(installation)
    assert code == 2
    assert "trunkpulse.toml: the file cannot be read" in said


async def test_a_file_that_is_not_toml(installation: Installation) -> None:
    installation.write("[[trunks]\n")
    code, said = await complaint(installation)
    assert code == 2
    assert "is not valid TOML" in said


async def test_a_secret_that_is_not_set(installation: Installation) -> None:
    installation.write(
        '[[event_streams]]\nid = "noc"\n[event_streams.destination]\ntype = "webhook"\n'
        'url = "http://127.0.0.1:9/hook"\nsecret = "env:TORTURE_UNSET"\n'
    )
    code, said = await complaint(installation)
    assert code == 2
    assert "TORTURE_UNSET, which is not set" in said


async def test_a_port_of_the_api_that_is_in_use(installation: Installation, taken: int) -> None:
    installation.config.write_text(FAST.replace("127.0.0.1:0", f"127.0.0.1:{taken}"))
    code, said = await complaint(installation)
    assert code == 2
    assert f"127.0.0.1:{taken} because another program does" in said
    assert "api.listen" in said


async def test_a_sip_port_that_is_in_use(installation: Installation, taken: int) -> None:
    installation.config.write_text(
        FAST.replace("listen = []", f'listen = ["udp:127.0.0.1:{taken}"]')
    )
    code, said = await complaint(installation)
    assert code == 2
    assert f"cannot listen on 127.0.0.1:{taken} because another program does; stop it" in said
    assert "set listen = [] under [sip]." in said


async def test_a_port_for_mirrors_that_is_in_use(installation: Installation, taken: int) -> None:
    installation.write(f'[hep]\nlisten = ["udp:127.0.0.1:{taken}"]\n')
    code, said = await complaint(installation)
    assert code == 2
    assert f"on 127.0.0.1:{taken} because another program does; stop it" in said
    assert "set listen = [] under [hep]." in said


async def test_a_source_address_that_is_not_ours(installation: Installation) -> None:
    installation.write(
        '[[trunks]]\nid = "a"\ntargets = ["sip:127.0.0.1:5061"]\n'
        '[trunks.advanced]\nsource = "192.0.2.1:0"\n'
    )
    code, said = await complaint(installation)
    assert code == 2
    assert 'Trunk "a" cannot probe from 192.0.2.1: this machine does not have that address' in said
    assert "correct advanced.source." in said


async def test_a_destination_that_can_never_work(installation: Installation) -> None:
    installation.write(
        '[[event_streams]]\nid = "noc"\n[event_streams.destination]\ntype = "webhook"\n'
        'url = "http://1.2.3.999/hook"\n'
    )
    code, said = await complaint(installation)
    assert code == 2
    assert "noc" in said


async def test_a_database_that_is_none(installation: Installation) -> None:
    installation.write()
    installation.data.mkdir()
    installation.database.write_text("Dear diary, today I was taken for a database.\n")
    code, said = await complaint(installation)
    assert code == 2
    assert f"{installation.database} is not a SQLite database" in said


async def test_a_database_that_is_damaged(installation: Installation) -> None:
    installation.write()
    installation.data.mkdir()
    installation.database.write_bytes(b"SQLite format 3\0" + b"\xff" * 8192)
    code, said = await complaint(installation)
    assert code == 2
    assert str(installation.database) in said


@pytest.mark.parametrize("place", ["a file", "below a file", "a system folder", "a folder"])
async def test_a_data_folder_that_cannot_be_written_to(
    installation: Installation, place: str
) -> None:
    installation.write()
    if place == "a system folder":
        installation.data = Path("/proc/trunkpulse")
    elif place == "a folder":
        (installation.data / "trunkpulse.db").mkdir(parents=True)
    else:
        installation.data.write_text("not a folder")
        if place == "below a file":
            installation.data /= "deeper"
    code, said = await complaint(installation)
    assert code == 2
    assert str(installation.data) in said


async def test_a_second_process_on_one_database_is_refused_and_the_first_runs_on(
    installation: Installation,
) -> None:
    async with world() as outside:
        installation.write()
        async with installation.running(outside.watch) as first:
            code, said = await complaint(installation)
            assert code == 2
            assert f"Another trunkpulse runs on {installation.database}" in said
            assert await first.end() == 0
        async with installation.running(outside.watch) as next_one:
            assert await next_one.end() == 0


async def test_a_process_that_was_killed_does_not_keep_the_next_one_out(
    installation: Installation,
) -> None:
    async with world() as outside:
        installation.write()
        async with installation.running(outside.watch) as first:
            await first.kill()
        async with installation.running(outside.watch) as next_one:
            assert await next_one.end() == 0
