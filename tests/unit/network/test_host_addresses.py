"""Host names to addresses, asked of a real name server on loopback, on each loop."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dns.rcode
import pytest
import uvloop

from trunkpulse.adapters.network.addresses import HostAddresses
from trunkpulse.adapters.network.machine import LARGEST_BYTES
from trunkpulse.adapters.network.naming import Deadline, NameServers
from trunkpulse.ports import Address, ResolutionFailed
from unit.network.name_server import NameServer, serving

Run = Callable[[Coroutine[None, None, None]], None]

NAME = "sbc.example.com"


def _has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


HOSTS = ["127.0.0.1", "::1"] if _has_ipv6_loopback() else ["127.0.0.1"]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner.run


@dataclass
class Asked:
    """The addresses of hosts, each look-up with a deadline of its own."""

    addresses: HostAddresses
    deadline_seconds: float

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        deadline = Deadline.within(self.deadline_seconds)
        return (await self.addresses.find(host, port, deadline)).addresses


def resolver(
    folder: Path,
    port: int,
    *,
    conf: str = "nameserver 127.0.0.1\n",
    hosts: str = "",
    deadline_seconds: float = 60,
) -> Asked:
    (folder / "resolv.conf").write_text(conf)
    (folder / "hosts").write_text(hosts)
    addresses = HostAddresses(NameServers(folder / "resolv.conf", port), folder / "hosts")
    return Asked(addresses, deadline_seconds)


def nobody(folder: Path, hosts: str = "") -> Asked:
    """A resolver that has nobody to ask, and fails if it tries."""
    return resolver(folder, 9, conf="", hosts=hosts)


async def failure(asked: Asked, name: str = NAME) -> str:
    with pytest.raises(ResolutionFailed) as caught:
        await asked.resolve(name, 5060)
    text = str(caught.value)
    assert text.startswith(f"{name}: ")
    assert "\n" not in text
    return text.removeprefix(f"{name}: ")


# --- what needs no name server ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", ("127.0.0.1", 5060)),
        ("::1", ("::1", 5060, 0, 0)),
        ("[::1]", ("::1", 5060, 0, 0)),
        ("[2001:DB8:0::7]", ("2001:db8::7", 5060, 0, 0)),
    ],
)
async def test_literal_address_is_not_looked_up(
    host: str, address: Address, tmp_path: Path
) -> None:
    found = await nobody(tmp_path, hosts="192.0.2.9 127.0.0.1 ::1").resolve(host, 5060)
    assert found == (address,)


@pytest.mark.parametrize("host", ["localhost", "LocalHost.", "sbc.localhost"])
async def test_localhost_is_one_loopback_address_whatever_the_files_say(
    host: str, tmp_path: Path
) -> None:
    found = await nobody(tmp_path, hosts="::1 localhost sbc.localhost").resolve(host, 5060)
    assert found == (("127.0.0.1", 5060),)


@pytest.mark.parametrize("host", ["", ".", "two..dots", "a b", "a\\046b", "caf\xe9", "[::x]"])
async def test_what_is_no_host_name_is_never_asked_for(host: str, tmp_path: Path) -> None:
    assert await failure(nobody(tmp_path), host) == "not a host name"


@pytest.mark.parametrize("host", ["x" * 64 + ".example.com", ".".join(["x" * 60] * 5)])
async def test_name_that_is_too_long_for_dns_is_a_failure(host: str, tmp_path: Path) -> None:
    assert await failure(resolver(tmp_path, 9), host) == "not a host name"


HOSTS_FILE = f"""\
# 192.0.2.66 {NAME}
192.0.2.1\tother {NAME.upper()}  # {NAME}
nonsense {NAME}
2001:db8::1 {NAME}
192.0.2.2 {NAME}.
192.0.2.1 {NAME}

lonely
"""


async def test_hosts_file_comes_before_the_name_servers(tmp_path: Path) -> None:
    found = await nobody(tmp_path, hosts=HOSTS_FILE).resolve("SBC.Example.com", 5060)
    assert found == (("192.0.2.1", 5060), ("192.0.2.2", 5060), ("2001:db8::1", 5060, 0, 0))


async def test_hosts_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    asked = nobody(tmp_path, hosts=f"192.0.2.1 {NAME}")
    assert await asked.resolve(NAME, 1) == (("192.0.2.1", 1),)
    (tmp_path / "hosts").write_text(f"192.0.2.2 {NAME}")
    os.utime(tmp_path / "hosts", ns=(1, 1))
    assert await asked.resolve(NAME, 1) == (("192.0.2.2", 1),)


async def test_only_whole_lines_of_the_first_mebibyte_of_a_hosts_file_count(tmp_path: Path) -> None:
    filler = "#" * (LARGEST_BYTES - 30) + "\n"
    asked = nobody(tmp_path, hosts=f"{filler}192.0.2.1 whole\n192.0.2.2 cut.off.somewhere")
    assert await asked.resolve("whole", 1) == (("192.0.2.1", 1),)
    for name in ("cut", "cut.off", "cut.off.somewhere"):
        await failure(asked, name)


# --- what a name server says -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "addresses"),
    [
        (
            ["AAAA 2001:db8::1", "A 192.0.2.2", "A 192.0.2.1"],
            ["192.0.2.2", "192.0.2.1", "2001:db8::1"],
        ),
        (["A 192.0.2.1"], ["192.0.2.1"]),
        (["AAAA 2001:db8::1"], ["2001:db8::1"]),
        (["CNAME one."], ["192.0.2.7", "2001:db8::7"]),
    ],
    ids=["both, IPv4 first", "IPv4", "IPv6", "through a chain of aliases"],
)
def test_addresses_of_a_name(
    run: Run, tmp_path: Path, records: list[str], addresses: Sequence[str]
) -> None:
    server = NameServer(
        {
            f"{NAME}.": records,
            "one.": ["CNAME two."],
            "two.": ["A 192.0.2.7", "AAAA 2001:db8::7"],
        }
    )

    async def scenario() -> None:
        async with serving(server) as port:
            found = await resolver(tmp_path, port).resolve(NAME, 5061)
        assert [address[0] for address in found] == addresses
        assert {address[1:] for address in found} <= {(5061,), (5061, 0, 0)}
        assert sorted(server.asked) == [f"{NAME}. A udp", f"{NAME}. AAAA udp"]

    run(scenario())


@pytest.mark.parametrize("host", HOSTS)
def test_name_server_may_be_asked_over_either_family(run: Run, tmp_path: Path, host: str) -> None:
    async def scenario() -> None:
        async with serving(NameServer({f"{NAME}.": ["A 192.0.2.1"]}), host) as port:
            asked = resolver(tmp_path, port, conf=f"nameserver {host}")
            assert await asked.resolve(NAME, 1) == (("192.0.2.1", 1),)

    run(scenario())


def test_answer_that_does_not_fit_in_a_datagram_is_fetched_over_tcp(
    run: Run, tmp_path: Path
) -> None:
    many = [f"A 192.0.2.{number}" for number in range(100)]
    server = NameServer({f"{NAME}.": many}, truncates=True)

    async def scenario() -> None:
        async with serving(server) as port:
            found = await resolver(tmp_path, port).resolve(NAME, 5060)
        assert len(found) == 100
        assert f"{NAME}. A tcp" in server.asked

    run(scenario())


@pytest.mark.parametrize(
    ("server", "phrase"),
    [
        (NameServer(), "no such host name"),
        (NameServer({f"{NAME}.": ["TXT x"]}), "the name has no address"),
        (NameServer({f"{NAME}.": ["A 0.0.0.0", "AAAA ::"]}), "the name has no address"),
        (NameServer({f"{NAME}.": ["A 239.0.0.1", "AAAA ff02::1"]}), "the name has no address"),
        (NameServer(rcode=dns.rcode.SERVFAIL), "the name server answered SERVFAIL"),
        (NameServer(rcode=dns.rcode.REFUSED), "the name server answered REFUSED"),
        (NameServer(rcode=dns.rcode.YXDOMAIN), "it cannot be looked up"),
    ],
    ids=["NXDOMAIN", "no address", "nowhere", "multicast", "SERVFAIL", "REFUSED", "YXDOMAIN"],
)
def test_answer_without_an_address_is_told_in_words(
    run: Run, tmp_path: Path, server: NameServer, phrase: str
) -> None:
    async def scenario() -> None:
        async with serving(server) as port:
            assert (await failure(resolver(tmp_path, port))).startswith(phrase)

    run(scenario())


def test_kind_of_address_that_is_answered_does_for_one_that_is_not(
    run: Run, tmp_path: Path
) -> None:
    server = NameServer({f"{NAME}.": ["A 192.0.2.1"]}, silent_about=("AAAA",))

    async def scenario() -> None:
        async with serving(server) as port:
            asked = resolver(tmp_path, port, deadline_seconds=0.5)
            assert await asked.resolve(NAME, 1) == (("192.0.2.1", 1),)

    run(scenario())


def test_search_list_completes_a_short_name(run: Run, tmp_path: Path) -> None:
    server = NameServer({f"{NAME}.": ["A 192.0.2.1"], "sbc.": ["A 192.0.2.66"]})
    conf = "nameserver 127.0.0.1\nsearch nowhere.test example.com\noptions ndots:1 timeout:0\n"

    async def scenario() -> None:
        async with serving(server) as port:
            asked = resolver(tmp_path, port, conf=conf)
            assert await asked.resolve("sbc", 1) == (("192.0.2.1", 1),)
            assert await asked.resolve("sbc.", 1) == (("192.0.2.66", 1),)

    run(scenario())


def test_next_name_server_is_asked_when_nobody_listens_at_the_first(
    run: Run, tmp_path: Path
) -> None:
    conf = "nameserver not.an.address\nnameserver 127.0.0.2\nnameserver 127.0.0.1\n"

    async def scenario() -> None:
        async with serving(NameServer({f"{NAME}.": ["A 192.0.2.1"]})) as port:
            assert await resolver(tmp_path, port, conf=conf).resolve(NAME, 1) == (("192.0.2.1", 1),)

    run(scenario())


# --- when there is nobody to ask -------------------------------------------------------------


def test_name_server_that_is_not_there_is_heard_of_at_once(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            # Connected to another port, it refuses what comes from elsewhere.
            taken.bind(("127.0.0.1", 0))
            taken.connect(("127.0.0.1", 9))
            asked = resolver(tmp_path, taken.getsockname()[1])
            said = await failure(asked)
        assert said == "the name server cannot be reached (Connection refused)"

    run(scenario())


def test_silent_name_server_is_given_up_on_the_deadline(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(NameServer(silent_about=("A", "AAAA"))) as port:
            said = await failure(resolver(tmp_path, port, deadline_seconds=0.05))
        assert said == "no answer from the name server within 0.05 seconds"

    run(scenario())


def test_deadline_that_earlier_questions_used_up_leaves_nothing(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(NameServer({f"{NAME}.": ["A 192.0.2.1"]})) as port:
            asked = resolver(tmp_path, port).addresses
            over = Deadline(asyncio.get_running_loop().time() - 1, 60)
            with pytest.raises(ResolutionFailed, match="no answer from the name server within 60"):
                await asked.find(NAME, 5060, over)

    run(scenario())


def test_cancelled_look_up_ends_without_an_answer(run: Run, tmp_path: Path) -> None:
    server = NameServer(silent_about=("A", "AAAA"))

    async def scenario() -> None:
        async with serving(server) as port:
            asking = asyncio.create_task(resolver(tmp_path, port).resolve(NAME, 1))
            await server.heard.wait()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

    run(scenario())


def test_machine_that_has_no_sockets_left_is_a_failure_not_an_error(
    run: Run, tmp_path: Path
) -> None:
    async def scenario() -> None:
        asked = resolver(tmp_path, 9)
        await failure(asked)  # both files have been read
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest_free = os.dup(0)
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
        try:
            said = await failure(asked)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert said == "the name server cannot be reached (Too many open files)"

    run(scenario())


async def test_machine_without_name_servers_says_so_until_it_has_some(tmp_path: Path) -> None:
    async with serving(NameServer({f"{NAME}.": ["A 192.0.2.1"]})) as port:
        asked = resolver(tmp_path, port)
        file = tmp_path / "resolv.conf"
        file.unlink()
        assert await failure(asked) == (
            f"{file} cannot be read (No such file or directory), so there is no name server to ask"
        )
        file.write_text("# the network is not up yet\n")
        assert await failure(asked) == f"{file} names no name server that can be asked"
        file.write_text("nameserver 127.0.0.1\nsearch bad..name\n")
        assert await failure(asked) == f"{file} names no name server that can be asked"
        file.write_text("nameserver 127.0.0.1\n")
        assert await asked.resolve(NAME, 1) == (("192.0.2.1", 1),)


def test_a_hosts_file_that_leads_nowhere_is_not_followed(run: Run, tmp_path: Path) -> None:
    async def story() -> None:
        asked = resolver(tmp_path, 9, conf="", hosts=f"0.0.0.0 {NAME}\nnonsense {NAME}\n")
        assert "no name server" in await failure(asked)

    run(story())


@pytest.mark.parametrize("mark", ["\u2028", "\x85", "\x0c", "\x1c"])
def test_a_resolv_conf_with_odd_ends_of_lines_is_read_or_refused(
    run: Run, tmp_path: Path, mark: str
) -> None:
    async def story() -> None:
        (tmp_path / "resolv.conf").write_text("")
        asked = resolver(tmp_path, 9, conf=f"nameserver {mark} x\n")
        assert "name server" in await failure(asked)

    run(story())
