"""RFC 5118 section 4: IPv6 addresses where SIP has hosts.

The RFC's session descriptions are longer than what is kept of them here; SIP does not read them.
"""

from __future__ import annotations

from typing import Final

from torture.sip.wire import wire

__all__ = ["IPV6", "IPV6_SESSION", "MIXED_SESSION"]

IPV6_SESSION: Final = b"v=0\r\nc=IN IP6 2001:db8::20\r\nm=audio 6000 RTP/AVP 2\r\n"
MIXED_SESSION: Final = (
    b"v=0\r\nm=audio 6000 RTP/AVP 2\r\nc=IN IP6 2001:db8::1\r\n"
    b"m=video 6024 RTP/AVP 107\r\nc=IN IP4 192.0.2.1\r\n"
)


def _register(uri: str) -> bytes:
    return wire(f"""
REGISTER {uri} SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Max-Forwards: 70
Contact: "Caller" <sip:caller@[2001:db8::1]>
CSeq: 98176 REGISTER
Content-Length: 0
""")


def _options(uri: str) -> bytes:
    return wire(f"""
OPTIONS {uri} SIP/2.0
To: {uri}
From: sip:user@example.com;tag=810x2
Via: SIP/2.0/UDP lab1.east.example.com;branch=z9hG4bKas3-111
Call-ID: G9559905523997077@hlau_4100
CSeq: 689 OPTIONS
Max-Forwards: 70
Content-Length: 0
""")


def _invite(body: bytes) -> bytes:
    return wire(
        f"""
INVITE sip:user@[2001:db8::10] SIP/2.0
To: sip:user@[2001:db8::10]
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::20];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Contact: "Caller" <sip:caller@[2001:db8::20]>
CSeq: 8612 INVITE
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: {len(body)}
""",
        body,
    )


IPV6: Final[dict[str, bytes]] = {
    # 4.1 Valid SIP Message with an IPv6 Reference
    "ipv6-good": _register("sip:[2001:db8::10]"),
    # 4.2 Invalid SIP Message with an IPv6 Reference
    "ipv6-bad": _register("sip:2001:db8::10"),
    # 4.3 Port Ambiguous in a SIP URI
    "port-ambiguous": _register("sip:[2001:db8::10:5070]"),
    # 4.4 Port Unambiguous in a SIP URI
    "port-unambiguous": _register("sip:[2001:db8::10]:5070"),
    # 4.5 IPv6 Reference Delimiters in Via Header
    "via-received-param-with-delim": wire("""
BYE sip:[2001:db8::10] SIP/2.0
To: sip:user@example.com;tag=bd76ya
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Max-Forwards: 70
CSeq: 321 BYE
Content-Length: 0
"""),
    "via-received-param-no-delim": wire("""
OPTIONS sip:[2001:db8::10] SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3
Call-ID: SSG95523997077@hlau_4100
Max-Forwards: 70
Contact: "Caller" <sip:caller@[2001:db8::9:1]>
CSeq: 921 OPTIONS
Content-Length: 0
"""),
    # 4.6 SIP Request with IPv6 Addresses in Session Description Protocol (SDP) Body
    "ipv6-in-sdp": _invite(IPV6_SESSION),
    # 4.7 Multiple IP Addresses in SIP Headers
    "mult-ip-in-header": wire("""
BYE sip:user@host.example.net SIP/2.0
Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144
Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200
Call-ID: 997077@lau_4100
Max-Forwards: 70
CSeq: 89187 BYE
To: sip:user@example.net;tag=9817--94
From: sip:user@example.com;tag=81x2
Content-Length: 0
"""),
    # 4.8 Multiple IP Addresses in SDP
    "mult-ip-in-sdp": _invite(MIXED_SESSION),
    # 4.9 IPv4-Mapped IPv6 Addresses
    "ipv4-mapped-ipv6": wire("""
INVITE sip:user@example.com SIP/2.0
To: sip:user@example.com
From: sip:user@east.example.com;tag=81x2
Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19
Via: SIP/2.0/UDP [::ffff:192.0.2.2];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Contact: "T. desk phone" <sip:ted@[::ffff:192.0.2.2]>
CSeq: 612 INVITE
Max-Forwards: 70
Content-Length: 0
"""),
    # 4.10 IPv6 Reference Bug in RFC 3261 ABNF
    "ipv6-bug-abnf-3-colons": _options("sip:user@[2001:db8:::192.0.2.1]"),
    "ipv6-correct-abnf-2-colons": _options("sip:user@[2001:db8::192.0.2.1]"),
}
