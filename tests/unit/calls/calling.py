"""Calls as a mirror shows them: messages between us, a place that is probed and others."""

from __future__ import annotations

from dataclasses import dataclass, field

from trunkpulse.calls.ledger import Host, LedgerOfCalls, Line, Place, Way
from trunkpulse.calls.signal import Signal, read_signal

FAR: Host = ("192.0.2.1", 5060)
OTHER_FAR: Host = ("192.0.2.2", 5060)
US: Host = ("198.51.100.1", 5060)
OUT = Line(Place(*FAR), Way.OUT)
IN = Line(Place(*FAR), Way.IN)
OTHER_OUT = Line(Place(*OTHER_FAR), Way.OUT)


def message(
    start: str,
    *,
    call_id: str = "c1",
    cseq: str = "1 INVITE",
    from_tag: str = "caller",
    to_tag: str = "",
) -> bytes:
    """A message with this start line, with what a ledger goes by and some more."""
    tag = f";tag={to_tag}" if to_tag else ""
    return (
        f"{start}\r\n"
        "Via: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK1\r\n"
        f'From: "A ;tag=no" <sip:a@example.com;tag=neither>;tag={from_tag}\r\n'
        f"To: <sip:b@example.com>{tag}\r\n"
        f"Call-ID: {call_id}\r\nCSeq: {cseq}\r\nContent-Length: 0\r\n\r\n"
    ).encode()


@dataclass
class Noted:
    """A ``Witness`` that remembers."""

    told: list[tuple[Line, int | str | None]] = field(default_factory=list)

    def answered(self, line: Line, code: int | None) -> None:
        self.told.append((line, code))

    def acknowledged(self, line: Line) -> None:
        self.told.append((line, "ack"))

    def heard(self, line: Line) -> None:
        self.told.append((line, "heard"))


class Talk:
    """A ledger, and both sides of calls over a far side that it knows."""

    def __init__(
        self, *, places: frozenset[Host] = frozenset({FAR, OTHER_FAR}), most_calls: int = 200_000
    ) -> None:
        self.noted = Noted()
        self.now = 1000.0
        self.ledger = LedgerOfCalls(
            self.noted,
            find=lambda address, connected: (
                Place(*address, connected) if address in places else None
            ),
            most_calls=most_calls,
        )

    @property
    def codes(self) -> list[int | str | None]:
        """What was told of answers, without what was merely heard."""
        return [said for _, said in self.noted.told if said != "heard"]

    def says(self, source: Host, destination: Host, start: str, **headers: str) -> None:
        """One message goes by."""
        signal = read_signal(message(start, **headers))
        assert isinstance(signal, Signal), start
        self.ledger.follow(signal, source, destination, self.now, connected=False)

    def we(self, start: str, *, far: Host = FAR, **headers: str) -> None:
        """Something goes to the far side: a method, or a code with its reason."""
        self.says(US, far, self._line(start), **self._headers(start, headers))

    def they(self, start: str, *, far: Host = FAR, **headers: str) -> None:
        """Something comes from there."""
        self.says(far, US, self._line(start), **self._headers(start, headers))

    def passes(self, seconds: float) -> None:
        """Time does, and what has to expire does."""
        self.now += seconds
        while self.ledger.expire(self.now):
            pass

    def set_up(self, call_id: str = "c1", *, to_tag: str = "callee", far: Host = FAR) -> None:
        """A call of ours to the far side is taken."""
        self.we("INVITE", call_id=call_id, far=far)
        self.they("200", call_id=call_id, to_tag=to_tag, far=far)
        self.we("ACK", call_id=call_id, to_tag=to_tag, far=far)

    @staticmethod
    def _line(start: str) -> str:
        return f"SIP/2.0 {start} Whatever" if start.isdecimal() else f"{start} sip:b@x SIP/2.0"

    @staticmethod
    def _headers(start: str, headers: dict[str, str]) -> dict[str, str]:
        if not start.isdecimal():
            headers.setdefault("cseq", f"1 {start}")
        return headers
