"""What is noticed about each server while attempts are under way.

A prober takes an answer by its branch alone and drops what does not fit. A person wants to know
what was dropped: an answer whose branch was changed on its way is a SIP ALG at work, and not the
silence that the prober makes of it. So an answer that was dropped is laid at the door of the server
that it most probably came from: by Call-ID, or by address, as long as an attempt there is under
way.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from trunkpulse.cli.probe_facts import ProbedAttempt, ProbedServer, place
from trunkpulse.cli.probe_reading import Traits, read_answer, traits_of
from trunkpulse.model import FailureKind, TransportProtocol
from trunkpulse.ports import Address
from trunkpulse.sip.echo import compare_echo, on_the_way
from trunkpulse.sip.middlebox import Finding, Severity, inspect_answer

__all__ = ["Receipt", "Watch", "Watches"]

_REMEMBERED_REQUESTS: Final = 4096
_DROPPED_ANSWERS: Final = 8
"""So many are looked at in one attempt."""


@dataclass(slots=True, eq=False)
class _Request:
    """One request, from its first transmission on."""

    data: bytes
    traits: Traits
    at: float
    """Monotonic; of its last step out of the house if it had to wait for a connection."""
    watch: Watch
    attempt: int
    answered: bool = False


@dataclass(slots=True)
class _UnderWay:
    """What was seen of the attempt under way."""

    requests: list[_Request] = field(default_factory=list)
    retransmissions: int = 0
    connect_seconds: float | None = None
    provisional_seconds: float | None = None
    dropped: list[tuple[_Request, bytes, Address]] = field(default_factory=list)
    dropped_answers: int = 0


class Watch:
    """One server under test, and the attempt under way there."""

    def __init__(self, probed: ProbedServer, *, next_hop_only: bool) -> None:
        self.probed = probed
        self.answer_from = probed.address
        """Where the last answer came from."""
        self.under_way = _UnderWay()
        self._next_hop_only = next_hop_only

    @property
    def number(self) -> int:
        """Of the attempt under way, or of the next one."""
        return len(self.probed.attempts) + 1

    @property
    def awaits_answer(self) -> bool:
        """True while an attempt is under way and has sent something."""
        return bool(self.under_way.requests)

    def answered(
        self, code: int, rtt_seconds: float, data: bytes, detail: str, at_ms: int
    ) -> ProbedAttempt:
        """The attempt under way has ended with the final answer ``data``."""
        ended, self.under_way = self.under_way, _UnderWay()
        said = read_answer(data)
        self.probed.far_side = said.far_side
        findings = _on_dropped(ended)
        if ended.requests:
            sent = ended.requests[-1].data
            findings += inspect_answer(sent, data, self.answer_from[0])
            if said.echo is not None:
                self.probed.echo = tuple(compare_echo(sent, said.echo))
                findings += on_the_way(self.probed.echo)
        return ProbedAttempt(
            number=self.number,
            ended_ms=at_ms,
            code=code,
            reason_phrase=said.reason_phrase,
            rtt_seconds=rtt_seconds,
            detail=detail,
            retransmissions=ended.retransmissions,
            challenges=max(0, len(ended.requests) - 1),
            connect_seconds=ended.connect_seconds,
            provisional_seconds=ended.provisional_seconds,
            retry_after=said.retry_after,
            answered_from=self.answer_from,
            seen_as=said.seen_as,
            software=said.far_side.software,
            findings=tuple(findings),
            dropped_answers=ended.dropped_answers,
            next_hop_only=self._next_hop_only,
        )

    def failed(self, kind: FailureKind, detail: str, at_ms: int) -> ProbedAttempt:
        """The attempt under way has ended without a final answer that could be taken for one."""
        ended, self.under_way = self.under_way, _UnderWay()
        return ProbedAttempt(
            number=self.number,
            ended_ms=at_ms,
            failure=kind,
            detail=detail,
            retransmissions=ended.retransmissions,
            challenges=max(0, len(ended.requests) - 1),
            connect_seconds=ended.connect_seconds,
            provisional_seconds=ended.provisional_seconds,
            findings=tuple(_on_dropped(ended)),
            dropped_answers=ended.dropped_answers,
            next_hop_only=self._next_hop_only,
        )


def _on_dropped(ended: _UnderWay) -> list[Finding]:
    findings: list[Finding] = []
    for request, data, source in ended.dropped:
        found = inspect_answer(request.data, data, source[0])
        if not any(each.severity is Severity.FAULT for each in found):
            found.append(
                Finding(
                    "stray-answer",
                    Severity.WARNING,
                    f"An answer came from {place(source)} that fits none of the probes; --trace"
                    " shows it.",
                )
            )
        findings += found
    return findings


@dataclass(frozen=True, slots=True)
class Receipt:
    """An answer about to be handed to the prober, and how things stood just before."""

    data: bytes
    source: Address
    request: _Request
    exact: bool
    """True if it has the request's own branch."""
    attempt: int
    requests: int


class Watches:
    """All servers under test, and what is known of the requests sent to them."""

    def __init__(self) -> None:
        self._by_place: dict[tuple[TransportProtocol, Address], Watch] = {}
        self._by_branch: OrderedDict[str, _Request] = OrderedDict()
        self._by_call_id: OrderedDict[str, _Request] = OrderedDict()

    def add(self, watch: Watch) -> None:
        """From now on this one too."""
        self._by_place[watch.probed.protocol, watch.probed.address] = watch

    def sent(
        self, data: bytes, protocol: TransportProtocol, destination: Address, now: float
    ) -> None:
        """``data`` leaves for ``destination``, for the first time or again."""
        watch = self._by_place.get((protocol, destination))
        traits = traits_of(data)
        if watch is None or traits is None:
            return
        if traits.branch in self._by_branch:
            watch.under_way.retransmissions += 1
            return
        request = _Request(data, traits, now, watch, watch.number)
        watch.under_way.requests.append(request)
        for index, key in (
            (self._by_branch, traits.branch),
            (self._by_call_id, traits.call_id),
        ):
            index[key] = request
            if len(index) > _REMEMBERED_REQUESTS:
                index.popitem(last=False)

    def left(self, data: bytes, now: float) -> None:
        """``data`` had to wait for a connection and leaves now."""
        traits = traits_of(data)
        request = self._by_branch.get(traits.branch) if traits else None
        if request is not None and request.attempt == request.watch.number:
            request.watch.under_way.connect_seconds = now - request.at
            request.at = now

    def received(
        self, data: bytes, protocol: TransportProtocol, source: Address, now: float
    ) -> Receipt | None:
        """``data`` came; the receipt is for ``handed_over``, None if there is nothing to note."""
        traits = traits_of(data)
        if traits is None:
            request = self._request_at(Traits(), protocol, source)
        elif traits.code is None:
            return None
        else:
            request = self._by_branch.get(traits.branch)
        exact = request is not None and traits is not None
        if request is None and traits is not None:
            request = self._request_at(traits, protocol, source)
        if request is None:
            return None
        watch = request.watch
        code = None if traits is None else traits.code
        is_open = bool(watch.under_way.requests)
        if exact and (request.attempt != watch.number or not is_open):
            _note_late(request, code, now)
            return None
        if exact:
            watch.answer_from = source
            if code is not None and code < 200:
                if watch.under_way.provisional_seconds is None:
                    watch.under_way.provisional_seconds = now - watch.under_way.requests[0].at
                return None
        if not is_open:
            return None
        return Receipt(data, source, request, exact, watch.number, len(watch.under_way.requests))

    def handed_over(self, receipt: Receipt | None) -> None:
        """The prober has had it; an attempt that did not move on has dropped it."""
        if receipt is None:
            return
        request = receipt.request
        under_way = request.watch.under_way
        if request.watch.number != receipt.attempt or len(under_way.requests) != receipt.requests:
            request.answered |= receipt.exact
        elif request.answered:
            request.watch.probed.duplicates += 1
        else:
            under_way.dropped_answers += 1
            if len(under_way.dropped) < _DROPPED_ANSWERS:
                under_way.dropped.append((request, receipt.data, receipt.source))

    def _request_at(
        self, traits: Traits, protocol: TransportProtocol, source: Address
    ) -> _Request | None:
        """The request that an answer without a branch of ours most probably answers."""
        if traits.call_id and traits.call_id in self._by_call_id:
            return self._by_call_id[traits.call_id]
        for (other, address), watch in self._by_place.items():
            if other is not protocol or address[0] != source[0] or not watch.under_way.requests:
                continue
            last = watch.under_way.requests[-1]
            if address[1] == source[1] or (traits.cseq, traits.to) == (
                last.traits.cseq,
                last.traits.to,
            ):
                return last
        return None


def _note_late(request: _Request, code: int | None, now: float) -> None:
    if code is None or code < 200:
        return
    probed = request.watch.probed
    if request.answered:
        probed.duplicates += 1
    else:
        request.answered = True
        probed.late_seconds.append(now - request.at)
