"""One slotted object per target: all that is remembered of a million of them.

Nearly all are well and named by their address. So what can be told from the URI is told from it
when it is asked for (``address``, ``request_uri``), what is measured is a row of C numbers
(``numbers``), and what only the others have is in an object of its own (``Rarities``).

Times of the wire (`started`, `due_tick`) are monotonic; times a person reads (`last_success`,
an attempt's `at`) are wall-clock seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from trunkpulse.health.hysteresis import resting
from trunkpulse.model import (
    AttemptEvidence,
    FailureKind,
    KeepalivePolicy,
    ProbeIdentity,
    TargetState,
)
from trunkpulse.ports import Address, Certificate, MessageTransport
from trunkpulse.probing.attempt import Attempt, Place, Seen, Written, written_as
from trunkpulse.probing.live import LiveProof
from trunkpulse.probing.numbers import Numbers
from trunkpulse.probing.pacing import Pace
from trunkpulse.probing.rarities import NOT_LOOKED_UP, WHOLE_SHARE, Rarities, Share
from trunkpulse.probing.runs import NOTHING, packed, unpacked
from trunkpulse.probing.schedule import NEVER
from trunkpulse.sip.request import SharedOptions, request_uri_bytes
from trunkpulse.sip.transaction import T1_SECONDS, NonInviteClientTransaction
from trunkpulse.sip.uri import SipUri

__all__ = ["ProbeSettings", "ProbeTarget", "Share"]

REMEMBERED_RUNS = 16
"""Of like attempts in a row."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class ProbeSettings:
    """What the targets of like trunks have in common; they share one object."""

    policy: KeepalivePolicy
    identity: ProbeIdentity
    options: SharedOptions
    transport: MessageTransport
    secure: bool = False
    """True if what it is asked for is a SIPS URI (RFC 3261 26.2.2)."""
    pace: Pace | None = None
    """What caps its probes per second, if anything does."""
    reliable: bool = field(init=False)
    """True if the transport itself repeats what is lost."""
    learns_address: bool = field(init=False)
    """True if answers are read for the address that we are seen as."""
    unfolds_later: bool = field(init=False)
    """True if an attempt needs no transaction before T1 has passed."""
    plain: bool = field(init=False)
    """True if nothing else has to be thought of before an attempt begins either."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reliable", self.transport.protocol.reliable)
        object.__setattr__(self, "learns_address", self.identity.enable_nat)
        simple = not self.reliable and self.identity.credentials is None
        unfolds_later = simple and self.policy.timeout_seconds > T1_SECONDS
        object.__setattr__(self, "unfolds_later", unfolds_later)
        object.__setattr__(self, "plain", unfolds_later and self.pace is None)


UNMEASURED = Numbers()
"""Of targets that no prober has taken on."""


class ProbeTarget:
    """One place that a URI leads to, probed from one socket, and what is believed about it."""

    __slots__ = (
        "awaiting",
        "due_tick",
        "index",
        "last_success",
        "numbers",
        "owner",
        "rarities",
        "run",
        "sequence",
        "settings",
        "started",
        "transaction",
        "uri",
        "written",
    )

    def __init__(
        self,
        uri: str,
        owner: str,
        settings: ProbeSettings,
        address: Address | None = None,
        share: Share = WHOLE_SHARE,
    ) -> None:
        """``uri`` is a SIP URI, checked before; ``address`` is None if it is still to be found."""
        self.uri = uri
        self.owner = owner
        """Id of the trunk; what the prober's sink goes by."""
        self.rarities: Rarities | None = None
        """What few targets have; without any, the URI is address and Request-URI as well."""
        self.written: Written | None = None
        """Of a target whose URI is its IPv4 address; None: the address is a rarity."""
        self.address = address
        self.adopt(settings)
        if share is not WHOLE_SHARE:
            self.share = share

        self.index = -1
        """The prober's slot; part of every branch."""
        self.numbers = UNMEASURED
        """The prober's, where ``index`` is this target's row."""
        self.sequence = 0
        """Of its newest request: the CSeq and the other part of the branch. It only ever rises."""
        self.due_tick = NEVER
        self.started = 0.0
        self.awaiting = False
        """True while a request of the attempt under way waits for its final answer."""
        self.transaction: NonInviteClientTransaction | None = None
        """Of a request that has waited for T1, or that needs one from the start."""

        self.run = resting(TargetState.UNKNOWN)
        self.last_success: float | None = None

    def adopt(self, settings: ProbeSettings) -> None:
        """From the next attempt on probe like this."""
        self.settings = settings
        asked = settings.identity.request_uri
        if asked is None and self.written is not None:
            if self.rarities is not None:
                self.rarities.request_uri = None
            return  # canonical, and without a parameter that has no place there
        request_uri = request_uri_bytes(SipUri.parse(asked or self.uri))
        self._rare().request_uri = request_uri

    # --- what few have -----------------------------------------------------------------------

    def _rare(self) -> Rarities:
        """To write to."""
        if self.rarities is None:
            self.rarities = Rarities()
        return self.rarities

    @property
    def address(self) -> Address | None:
        """Where it is; None while that is not known."""
        written = self.written
        if written is not None:
            return self.uri[written[0]], written[1]
        return None if self.rarities is None else self.rarities.address

    @address.setter
    def address(self, address: Address | None) -> None:
        if address is not None:
            host, port = address[0], address[1]
            if self.uri in {f"sip:{host}:{port}", f"sip:{host}"}:
                self.written = written_as(len(host), port)
                return
        self.written = None
        if address is not self.address:
            self._rare().address = address

    @property
    def request_uri(self) -> bytes:
        """What its requests ask for (RFC 3261 8.1.1.1)."""
        rarities = self.rarities
        if rarities is None or rarities.request_uri is None:
            return self.uri.encode("ascii")
        return rarities.request_uri

    @property
    def share(self) -> Share:
        return WHOLE_SHARE if self.rarities is None else self.rarities.share

    @share.setter
    def share(self, share: Share) -> None:
        if share != self.share:
            self._rare().share = share

    @property
    def unresolved(self) -> str:
        """Why there is no address."""
        return NOT_LOOKED_UP if self.rarities is None else self.rarities.unresolved

    @unresolved.setter
    def unresolved(self, problem: str) -> None:
        self._rare().unresolved = problem

    @property
    def locating(self) -> bool:
        """True while the attempt under way waits for the address."""
        return self.rarities is not None and self.rarities.locating

    @locating.setter
    def locating(self, locating: bool) -> None:
        if locating is not self.locating:
            self._rare().locating = locating

    @property
    def failure(self) -> FailureKind | None:
        """How the last failed attempt failed."""
        return None if self.rarities is None else self.rarities.failure

    @property
    def live(self) -> LiveProof | None:
        """What calls show of it; None: nothing of late."""
        return None if self.rarities is None else self.rarities.live

    def witness(self) -> LiveProof:
        """What calls show of it, to write to."""
        rare = self._rare()
        if rare.live is None:
            rare.live = LiveProof(self)
        return rare.live

    def without_calls(self) -> None:
        """Calls say nothing of it any more."""
        if self.rarities is not None:
            self.rarities.live = None
            if self.written is not None and self.rarities.is_blank:
                self.rarities = None  # it is as ordinary as it was

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The last few runs of like attempts, kept from the first that was not plain sailing."""
        return () if self.rarities is None else unpacked(self.rarities.runs)

    @attempts.setter
    def attempts(self, attempts: tuple[Attempt, ...]) -> None:
        self._rare().runs = packed(attempts)

    # --- what follows ------------------------------------------------------------------------

    @property
    def state(self) -> TargetState:
        """What is believed."""
        return self.run.state

    @state.setter
    def state(self, state: TargetState) -> None:
        self.run = resting(state)

    @property
    def failures(self) -> int:
        """Consecutive ones, up to now."""
        return self.run.failures

    @property
    def successes(self) -> int:
        """Consecutive ones, up to now; not counted on once it is AVAILABLE."""
        return self.run.successes

    @property
    def code(self) -> int | None:
        """Status code of the last answer."""
        return self.numbers.code(self.index)

    @property
    def rtt_seconds(self) -> float | None:
        """Round-trip time of the last answer."""
        return self.numbers.rtt_seconds(self.index)

    @property
    def place(self) -> Place | None:
        """Where it is; None while that is not known."""
        if self.address is None:
            return None
        return Place(self.settings.transport.protocol, self.address)

    @property
    def certificate(self) -> Certificate | None:
        """What the far side last showed over TLS."""
        return None if self.address is None else self.settings.transport.certificate(self.address)

    def remember(self, attempt: Attempt) -> None:
        """Keep ``attempt`` for whoever asks why; of plain sailing only since when it lasts."""
        rarities = self.rarities
        if attempt.is_plain and (rarities is None or not rarities.runs):
            if self.numbers.plain_since(self.index) is None:
                self.numbers.sails_plainly(self.index, attempt.at)
            return
        *runs, last = self.attempts or (None,)
        if last is None:
            last = self._plain_sailing()
        else:
            *before, last = self._with_plain_sailing(last, attempt)
            runs += before
        if last is not None:
            if last.is_like(attempt):
                attempt = last.followed_by(attempt)
            else:
                runs.append(last)
        rarities = self._rare()
        rarities.runs = packed((*runs, attempt)[-REMEMBERED_RUNS:])
        if attempt.failure is not None:
            rarities.failure = attempt.failure

    def runs(self) -> tuple[Attempt, ...]:
        """The last few runs of like attempts, those of plain sailing too."""
        attempts = self.attempts
        if attempts:
            return (*attempts[:-1], *self._with_plain_sailing(attempts[-1]))
        last = self._plain_sailing()
        return () if last is None else (last,)

    def _plain_sailing(self) -> Attempt | None:
        """The successes that were not remembered, if nothing was; some are of an earlier life."""
        success = self.last_success
        if success is None:
            return None
        since = self.numbers.plain_since(self.index)
        first_at = since if since is not None and since < success else None
        count = 1 if since == success else None
        return Attempt(success, self.code, None, None, self.rtt_seconds, None, first_at, count)

    def _with_plain_sailing(
        self, last: Attempt, following: Attempt | None = None
    ) -> tuple[Attempt, ...]:
        """``last``, the last one remembered, with the successes that were not remembered since."""
        success = self.last_success
        if not last.success or success is None or success <= last.at:
            return (last,)
        if following is not None and following.is_plain:
            return (last,)  # it is the success itself
        first_at = last.at if last.first_at is None else last.first_at
        since = Attempt(success, self.code, None, None, self.rtt_seconds, None, first_at, None)
        if last.is_plain:
            return (since,)
        return last, since._replace(first_at=None)  # a call's success is none of these

    def forget(self) -> None:
        """Back to UNKNOWN: what was seen before no longer counts."""
        self.run = resting(TargetState.UNKNOWN)
        self.numbers.sails_plainly(self.index, None)
        rarities = self.rarities
        if rarities is not None:
            rarities.failure = None
            if self.quiet_until is None:
                rarities.runs = NOTHING  # otherwise what the far side asked for still holds

    @property
    def quiet_until(self) -> float | None:
        """Wall-clock seconds until which the far side asked to be left alone, if it did."""
        attempts = self.attempts
        return attempts[-1].quiet_until if attempts else None

    def seen(self, showing: Attempt | None = None) -> Seen:
        """What is believed of it now, and why; ``showing`` is what it is judged by just now."""
        # By position: many thousands of trunks may change within a second.
        run, attempts = self.run, self.attempts
        last = attempts[-1] if attempts else showing
        answered = last is None or last.success  # otherwise nobody asks how
        return Seen(
            self.uri,
            self.settings.transport.protocol,
            self.written or self.address,
            run.state,
            run.failures,
            last,
            self.last_success,
            self.code if answered else None,
            self.rtt_seconds if answered else None,
        )

    def evidence(self) -> AttemptEvidence:
        """What the last attempt showed."""
        return self.seen().evidence()
