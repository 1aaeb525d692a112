"""How the torture messages are written down: readable lines, made into bytes here."""

from __future__ import annotations

__all__ = ["sdp", "wire"]


def wire(text: str, body: bytes = b"") -> bytes:
    """The lines of ``text`` as a message; line breaks around it are only there to be read."""
    return text.strip("\n").replace("\n", "\r\n").encode() + b"\r\n\r\n" + body


def sdp(origin: str, connection: str | None = None, *, start: str = "0") -> bytes:
    """The session description that most INVITEs of RFC 4475 carry."""
    lines = [
        "v=0",
        f"o=mhandley 29739 7272939 IN IP4 {origin}",
        "s=-",
        f"c=IN IP4 {connection or origin}",
        f"t={start} 0",
        "m=audio 49217 RTP/AVP 0 12",
        "m=video 3227 RTP/AVP 31",
        "a=rtpmap:31 LPC",
        "",
    ]
    return "\r\n".join(lines).encode()
