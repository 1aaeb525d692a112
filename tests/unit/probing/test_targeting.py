"""Which targets a trunk has, as its configuration and the DNS change."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from trunkpulse.model import ProbeIdentity, TargetState, TlsSettings, TransportProtocol, Trunk
from trunkpulse.ports import (
    Address,
    Location,
    MessageReceiver,
    ResolutionFailed,
    Server,
    StoredTarget,
    TransportPlan,
)
from trunkpulse.probing.attempt import Place
from trunkpulse.probing.locating import Locator, Watch
from trunkpulse.probing.prober import Prober
from trunkpulse.probing.sockets import ProbeSockets
from trunkpulse.probing.target import ProbeTarget, Share
from trunkpulse.probing.targeting import Retargeted, Targeting
from trunkpulse.sip.uri import SipUri
from unit.probing.probed import Verdicts, Wire
from virtual_time import VirtualClock, run_virtual

UDP, TCP, TLS = TransportProtocol.UDP, TransportProtocol.TCP, TransportProtocol.TLS
NAME = "sip:sbc.example.com"


def server(host: str, protocol: TransportProtocol = UDP, *, port: int = 5060) -> Server:
    address: Address = (host, port) if ":" not in host else (host, port, 0, 0)
    return Server(protocol, address)


def location(*servers: Server) -> Sequence[Server]:
    return servers


class Nothing:
    async def locate(self, uri: SipUri) -> Location:
        raise ResolutionFailed("nobody asks here")


class Ground:
    """Sockets and a locator that nobody runs: the test says what is found."""

    def __init__(self, *, routes: Callable[[Address], str | None] | None = None) -> None:
        self.plans: list[TransportPlan] = []
        prober = Prober(clock=VirtualClock(), sink=Verdicts())
        self.sockets = ProbeSockets(prober, self._open, routes or _loopback, "trunkpulse")
        self.locator = Locator(Nothing(), VirtualClock(), self._ignore)
        self.targeting = Targeting(self.sockets, self.locator, ProbeTarget.adopt)

    def relocate(
        self, ours: Trunk, uri: str, present: Sequence[ProbeTarget], servers: Sequence[Server]
    ) -> Retargeted:
        reachable = self.targeting.within_reach(servers)
        found = self.targeting.relocate(ours, uri, present, reachable)
        assert found is not None
        return found

    def _open(self, plan: TransportPlan, receiver: MessageReceiver) -> Wire:
        self.plans.append(plan)
        host, port = plan.local
        local: Address = (host, port or 40_000) if ":" not in host else (host, port, 0, 0)
        return Wire(local_address=local, protocol=plan.protocol)

    def _ignore(self, watches: Collection[Watch], found: Location) -> None:
        return


def _loopback(address: Address) -> str:
    return "127.0.0.1" if len(address) == 2 else "::1"


def trunk(
    *uris: str, identity: ProbeIdentity | None = None, weights: tuple[int, ...] = ()
) -> Trunk:
    return Trunk(
        id="t", name="t", targets=uris, identity=identity or ProbeIdentity(), weights=weights
    )


def places(targets: Collection[ProbeTarget]) -> list[str]:
    return [str(target.place) for target in targets]


def in_loop(story: Callable[[], None]) -> None:
    async def run() -> None:
        story()

    run_virtual(run)


def test_a_uri_in_digits_is_one_target_for_good() -> None:
    def story() -> None:
        found = Ground().targeting.retarget(
            trunk("sip:192.0.2.1", "sip:[2001:db8::1]:5070;transport=tcp", "sips:192.0.2.3"), ()
        )
        assert places(found.targets) == [
            "udp:192.0.2.1:5060",
            "tcp:[2001:db8::1]:5070",
            "tls:192.0.2.3:5061",
        ]
        assert found.fresh == found.targets

    in_loop(story)


def test_a_name_is_one_target_without_a_place_until_it_is_found() -> None:
    def story() -> None:
        found = Ground().targeting.retarget(trunk(NAME), ())
        (target,) = found.targets
        assert (target.place, found.fresh) == (None, (target,))

    in_loop(story)


def test_each_place_that_a_name_leads_to_is_a_target_of_its_own() -> None:
    def story() -> None:
        ground = Ground()
        first = ground.targeting.retarget(trunk(NAME), ())
        (head,) = first.targets
        found = ground.relocate(
            trunk(NAME),
            NAME,
            first.targets,
            location(server("192.0.2.1"), server("192.0.2.2", TCP), server("2001:db8::3")),
        )
        assert places(found.targets) == [
            "udp:192.0.2.1:5060",
            "tcp:192.0.2.2:5060",
            "udp:[2001:db8::3]:5060",
        ]
        assert found.targets[0] is head  # the attempt that waited for the look-up goes on
        assert found.fresh == found.targets[1:]
        assert {target.uri for target in found.targets} == {NAME}

    in_loop(story)


def test_the_contact_says_over_what_we_are_reached() -> None:
    def story() -> None:
        ours = trunk("sip:192.0.2.3;transport=tls", "sips:192.0.2.3")
        plain, secure = (
            target.settings.options.render(target.request_uri, b"b", b"t", b"c", 1)
            for target in Ground().targeting.retarget(ours, ()).targets
        )
        assert b"Via: SIP/2.0/TLS 127.0.0.1:40000" in plain
        assert b"\r\nContact: <sip:127.0.0.1:40000;transport=tls>\r\n" in plain
        # Whom one asks for by SIPS is to be reached by SIPS too (RFC 3261 8.1.1.8).
        assert b"\r\nContact: <sips:127.0.0.1:40000>\r\n" in secure

    in_loop(story)


def test_what_stays_keeps_what_is_known_of_it_and_what_goes_goes() -> None:
    def story() -> None:
        ground = Ground()
        targets = ground.targeting.retarget(trunk(NAME), ()).targets
        both = location(server("192.0.2.1"), server("192.0.2.2"))
        first = ground.relocate(trunk(NAME), NAME, targets, both)
        first.targets[0].state = TargetState.AVAILABLE
        first.targets[1].state = TargetState.DOWN
        moved = location(server("192.0.2.1"), server("192.0.2.3"))
        then = ground.relocate(trunk(NAME), NAME, first.targets, moved)
        assert then.targets[0] is first.targets[0]
        assert places(then.fresh) == ["udp:192.0.2.3:5060"]
        assert then.gone == (first.targets[1],)

    in_loop(story)


def moved(ground: Ground) -> tuple[ProbeTarget, ProbeTarget, Retargeted]:
    """A name whose one place, which was AVAILABLE, has given way to another one."""
    targets = ground.targeting.retarget(trunk(NAME), ()).targets
    old = ground.relocate(trunk(NAME), NAME, targets, location(server("192.0.2.1")))
    old.targets[0].state = TargetState.AVAILABLE
    new = ground.relocate(trunk(NAME), NAME, old.targets, location(server("192.0.2.2")))
    return old.targets[0], new.fresh[0], new


def test_an_available_target_stays_until_its_successor_is_decided() -> None:
    def story() -> None:
        ground = Ground()
        old, successor, now = moved(ground)
        assert now.targets == (successor, old)
        assert now.gone == ()
        assert ground.targeting.decided(trunk(NAME), NAME, now.targets) is None
        successor.state = TargetState.DOWN
        after = ground.targeting.decided(trunk(NAME), NAME, now.targets)
        assert after is not None
        assert (after.targets, after.gone) == ((successor,), (old,))
        assert ground.targeting.decided(trunk(NAME), NAME, after.targets) is None

    in_loop(story)


def test_who_was_to_leave_and_is_named_again_stays() -> None:
    def story() -> None:
        ground = Ground()
        old, successor, now = moved(ground)
        both = location(server("192.0.2.1"), server("192.0.2.2"))
        again = ground.relocate(trunk(NAME), NAME, now.targets, both)
        assert again.targets == (old, successor)
        successor.state = TargetState.AVAILABLE
        assert ground.targeting.decided(trunk(NAME), NAME, again.targets) is None

    in_loop(story)


def test_after_a_restart_a_name_leads_where_it_led_before_until_it_is_looked_up() -> None:
    def story() -> None:
        stored = (
            StoredTarget(NAME, TargetState.AVAILABLE, 5_000, "udp:192.0.2.1:5060"),
            StoredTarget(NAME, TargetState.DOWN, None, "tls:[2001:db8::2]:5061"),
        )
        found = Ground().targeting.retarget(trunk(NAME), (), stored)
        assert places(found.targets) == ["udp:192.0.2.1:5060", "tls:[2001:db8::2]:5061"]
        assert [target.state for target in found.targets] == ["AVAILABLE", "DOWN"]
        assert found.targets[0].last_success == 5.0

    in_loop(story)


def test_a_target_in_digits_goes_on_where_it_stopped() -> None:
    def story() -> None:
        stored = (StoredTarget("sip:192.0.2.1", TargetState.DOWN, 7_000, "udp:192.0.2.1:5060"),)
        (target,) = Ground().targeting.retarget(trunk("sip:192.0.2.1"), (), stored).targets
        assert (target.state, target.last_success) == (TargetState.DOWN, 7.0)

    in_loop(story)


def test_over_another_source_it_is_another_target() -> None:
    def story() -> None:
        ground = Ground()
        first = ground.targeting.retarget(trunk("sip:192.0.2.1"), ())
        first.targets[0].state = TargetState.AVAILABLE
        first.targets[0].last_success = 9.0
        elsewhere = trunk("sip:192.0.2.1", identity=ProbeIdentity(source=("192.0.2.77", 0)))
        then = ground.targeting.retarget(elsewhere, first.targets)
        assert then.gone == first.targets
        assert (then.targets[0].state, then.targets[0].last_success) == (TargetState.UNKNOWN, 9.0)

    in_loop(story)


def test_an_address_of_a_family_that_has_no_route_is_left_out_if_there_is_another() -> None:
    def story() -> None:
        ground = Ground(routes=lambda address: "127.0.0.1" if len(address) == 2 else None)
        targets = ground.targeting.retarget(trunk(NAME), ()).targets
        both = location(server("2001:db8::1"), server("192.0.2.1"))
        assert places(ground.relocate(trunk(NAME), NAME, targets, both).targets) == [
            "udp:192.0.2.1:5060"
        ]
        alone = location(server("2001:db8::1"))
        targets = ground.targeting.retarget(trunk(NAME), ()).targets
        assert places(ground.relocate(trunk(NAME), NAME, targets, alone).targets) == [
            "udp:[2001:db8::1]:5060"
        ]

    in_loop(story)


def test_a_name_without_an_address_of_the_sources_family_has_no_place() -> None:
    def story() -> None:
        ground = Ground()
        ours = trunk(NAME, identity=ProbeIdentity(source=("192.0.2.77", 0)))
        targets = ground.targeting.retarget(ours, ()).targets
        found = ground.relocate(ours, NAME, targets, location(server("2001:db8::1")))
        (target,) = found.targets
        assert target.place is None
        assert target.unresolved == "sbc.example.com has no address that can be probed from here"

    in_loop(story)


def test_an_outbound_proxy_is_where_every_target_is_probed() -> None:
    def story() -> None:
        ground = Ground()
        identity = ProbeIdentity(outbound_proxy="sip:192.0.2.9:5070;lr")
        (target,) = ground.targeting.retarget(trunk(NAME, identity=identity), ()).targets
        assert str(target.place) == "udp:192.0.2.9:5070"
        request = target.settings.options.render(target.request_uri, b"b", b"t", b"c", 1)
        assert request.startswith(b"OPTIONS sip:sbc.example.com SIP/2.0\r\n")
        assert b"\r\nRoute: <sip:192.0.2.9:5070;lr>\r\n" in request

    in_loop(story)


def test_tls_connections_are_shared_by_domain_and_settings_alone() -> None:
    def story() -> None:
        ground = Ground()
        one = trunk("sips:sbc.example.com", "sips:sbc.example.net")
        targets = ground.targeting.retarget(one, ()).targets
        for uri in one.targets:
            targets = ground.relocate(
                one, uri, targets, location(server("192.0.2.1", TLS), server("192.0.2.2", TLS))
            ).targets
        assert [plan.domain for plan in ground.plans] == ["sbc.example.com", "sbc.example.net"]
        named = replace(one, identity=ProbeIdentity(tls=TlsSettings(server_name="sip.example")))
        ground.targeting.retarget(named, targets)
        assert [plan.domain for plan in ground.plans[2:]] == ["sip.example"]

    in_loop(story)


def test_weights_of_the_trunk_and_of_srv_records_are_shared_out() -> None:
    def story() -> None:
        ground = Ground()
        ours = trunk("sip:192.0.2.1", NAME, weights=(30, 70))
        targets = ground.targeting.retarget(ours, ()).targets
        assert targets[0].share == Share(0, 30)
        heavy = Server(UDP, ("192.0.2.2", 5060), priority=10, weight=5)
        light = Server(UDP, ("192.0.2.3", 5060), priority=20, weight=0)
        found = ground.relocate(ours, NAME, targets, location(heavy, light))
        assert [target.share for target in found.targets] == [
            Share(0, 30),
            Share(10, 350),
            Share(20, 70),
        ]

    in_loop(story)


def test_a_place_is_read_as_it_was_written() -> None:
    for text in ("udp:192.0.2.1:5060", "tls:[2001:db8::1]:5061"):
        assert str(Place.parse(text)) == text


def test_a_look_up_that_found_nothing_new_changes_nothing() -> None:
    def story() -> None:
        ground = Ground()
        targets = ground.targeting.retarget(trunk(NAME), ()).targets
        both = location(server("192.0.2.1"), server("192.0.2.2"))
        found = ground.relocate(trunk(NAME), NAME, targets, both)
        again = ground.targeting.relocate(trunk(NAME), NAME, found.targets, both)
        assert again is None

    in_loop(story)
