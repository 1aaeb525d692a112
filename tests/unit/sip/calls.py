"""INVITEs of tests, and what goes with them."""

from __future__ import annotations

SOURCE = ("192.0.2.7", 5060)
SDP = b"v=0\r\no=- 0 0 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"


def invite(
    uri: str = "sip:+15551230001@198.51.100.1",
    *,
    branch: str = "z9hG4bKcall1",
    method: str = "INVITE",
    via: str = "192.0.2.7:5060;rport",
    transport: str = "UDP",
    to: str | None = None,
    to_tag: str = "",
    more: str = "",
    body: bytes = SDP,
) -> bytes:
    """A request of a call; ``more`` are whole header lines with their ends."""
    head = (
        f"{method} {uri} SIP/2.0\r\n"
        f"Via: SIP/2.0/{transport} {via};branch={branch}\r\n"
        "Via: SIP/2.0/UDP 192.0.2.99:5062;branch=z9hG4bKbehind\r\n"
        "Max-Forwards: 69\r\n"
        'From: "Alice" <sip:alice@192.0.2.7>;tag=a1\r\n'
        f"To: <{to or uri}>{to_tag}\r\n"
        f"Call-ID: {branch}@192.0.2.7\r\nCSeq: 1 {method}\r\n"
        f"Contact: <sip:alice@192.0.2.7>\r\n{more}"
        f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def ack(branch: str = "z9hG4bKcall1", **changes: str) -> bytes:
    """The ACK of its answer."""
    return invite(branch=branch, method="ACK", to_tag=";tag=ours", body=b"", **changes)
