"""What real far sides send, written in the manner of each: the everyday half of the corpus."""

from __future__ import annotations

from typing import Final

from torture.sip.wire import wire

__all__ = ["FIELD"]

_VIA: Final = (
    "Via: SIP/2.0/UDP 192.0.2.1:5080;rport=5080;branch=z9hG4bK7f3a90c1d2e4;received=192.0.2.1"
)
_DIALOG: Final = """From: <sip:ping@192.0.2.1>;tag=5c1f9e30
To: <sip:198.51.100.4>;tag=as3fb9d1
Call-ID: 0f83c1be77aa@192.0.2.1
CSeq: 20411 OPTIONS"""

FIELD: Final[dict[str, bytes]] = {
    "kamailio asks where a call shall go": wire("""
INVITE sip:+15551230001@192.0.2.10:5060 SIP/2.0
Record-Route: <sip:192.0.2.10;lr>
Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK7d1b.6b2f0a9c1c1e5f0d6e9.0
Via: SIP/2.0/UDP 192.0.2.7:5062;received=192.0.2.7;rport=5062;branch=z9hG4bK-1234-1-0
Max-Forwards: 69
From: "Alice" <sip:alice@192.0.2.7:5062>;tag=1234SIPpTag001
To: <sip:+15551230001@192.0.2.10:5060>
Call-ID: 1-1234@192.0.2.7
CSeq: 1 INVITE
Contact: <sip:alice@192.0.2.7:5062>
X-Trunkpulse-Region: us-east
Content-Length: 0
"""),
    "kamailio has its answer": wire("""
ACK sip:+15551230001@192.0.2.10:5060 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK7d1b.6b2f0a9c1c1e5f0d6e9.0
Max-Forwards: 69
From: "Alice" <sip:alice@192.0.2.7:5062>;tag=1234SIPpTag001
To: <sip:+15551230001@192.0.2.10:5060>;tag=1cc49de06a00770f
Call-ID: 1-1234@192.0.2.7
CSeq: 1 ACK
Content-Length: 0
"""),
    "kamailio keepalive()": wire(f"""
SIP/2.0 200 Keepalive
{_VIA}
From: <sip:ping@192.0.2.1>;tag=5c1f9e30
To: <sip:198.51.100.4>;tag=5f4b62a1c0d9e80f7a6b5c4d3e2f1a0b.8f2c0000
Call-ID: 0f83c1be77aa@192.0.2.1
CSeq: 20411 OPTIONS
Server: kamailio (5.8.4 (x86_64/linux))
Content-Length: 0
"""),
    "kamailio sl_send_reply": wire(f"""
SIP/2.0 484 Address Incomplete
{_VIA}
{_DIALOG}
Accept: */*
Accept-Encoding:\x20
Accept-Language: en
Supported:\x20
Server: kamailio (5.6.3 (aarch64/linux))
Content-Length: 0
"""),
    "opensips behind two proxies": wire(f"""
SIP/2.0 404 Not Here
{_VIA}
Via: SIP/2.0/TCP 203.0.113.9;branch=z9hG4bK91fe.5b1c07d4.0;i=4a3
{_DIALOG}
Server: OpenSIPS (3.4.2 (x86_64/linux))
Content-Length: 0
"""),
    "asterisk pjsip": wire(f"""
SIP/2.0 200 OK
{_VIA}
Call-ID: 0f83c1be77aa@192.0.2.1
From: <sip:ping@192.0.2.1>;tag=5c1f9e30
To: <sip:198.51.100.4>;tag=z9hG4bK7f3a90c1d2e4
CSeq: 20411 OPTIONS
Accept: application/sdp, application/xpidf+xml, application/simple-message-summary
Allow: OPTIONS, REGISTER, SUBSCRIBE, NOTIFY, PUBLISH, INVITE, ACK, BYE, CANCEL, UPDATE, PRACK
Supported: 100rel, timer, replaces, norefersub
Accept-Encoding: identity
Accept-Language: en
Server: Asterisk PBX 20.9.2
Content-Length:  0
"""),
    "asterisk chan_sip": wire(f"""
SIP/2.0 404 Not Found
{_VIA}
{_DIALOG}
Server: Asterisk PBX 13.38.3
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH, MESSAGE
Supported: replaces, timer
Accept: application/sdp
Content-Length: 0
"""),
    "asterisk challenge": wire(f"""
SIP/2.0 401 Unauthorized
{_VIA}
{_DIALOG}
WWW-Authenticate: Digest realm="asterisk",nonce="1700000000/9b1d7c",opaque="7a",qop="auth"
Server: Asterisk PBX 20.9.2
Content-Length: 0
"""),
    "freeswitch": wire(f"""
SIP/2.0 200 OK
{_VIA}
From: <sip:ping@192.0.2.1>;tag=5c1f9e30
To: <sip:198.51.100.4>;tag=K6Q4rB3gD5v8e
Call-ID: 0f83c1be77aa@192.0.2.1
CSeq: 20411 OPTIONS
Contact: <sip:198.51.100.4:5060>
User-Agent: FreeSWITCH-mod_sofia/1.10.11-release~64bit
Accept: application/sdp
Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, INFO, UPDATE, REGISTER, REFER, NOTIFY
Supported: timer, path, replaces
Allow-Events: talk, hold, conference, presence, as-feature-event, dialog, line-seize, refer
Content-Length: 0
"""),
    "freeswitch challenge of a proxy": wire(f"""
SIP/2.0 407 Proxy Authentication Required
{_VIA}
{_DIALOG}
User-Agent: FreeSWITCH-mod_sofia/1.10.11-release~64bit
Accept: application/sdp
Proxy-Authenticate: Digest realm="sip.example.net", nonce="5a1c2e44-8c1f", algorithm=MD5, qop="auth"
Content-Length: 0
"""),
    "cube": wire(
        f"""
SIP/2.0 200 OK
{_VIA}
From: <sip:ping@192.0.2.1>;tag=5c1f9e30
To: <sip:198.51.100.4>;tag=8D1B2C3-1F2E
Date: Mon, 23 Nov 2026 04:40:01 GMT
Call-ID: 0f83c1be77aa@192.0.2.1
Server: Cisco-SIPGateway/IOS-17.9.4a
CSeq: 20411 OPTIONS
Supported: 100rel,resource-priority,replaces,sdp-anat
Allow-Events: telephone-event
Accept: application/sdp
Content-Type: application/sdp
Content-Length: 56
""",
        b"v=0\r\no=CiscoSystemsSIP-GW-UserAgent 1 1 IN IP4 0.0.0.0\r\n",
    ),
    "border controller under maintenance": wire(f"""
SIP/2.0 503 Service Unavailable
{_VIA}
{_DIALOG}
Retry-After: 120 (back (really) at "noon");duration=3600
Warning: 399 sbc1.example.net "Draining; come back"
Reason: Q.850;cause=41;text="Temporary failure"
Content-Length: 0
"""),
    "teams": wire("""
SIP/2.0 200 OK
FROM: <sip:sbc.example.com:5061>;tag=5c1f9e30
TO: <sip:sip.pstnhub.example.com:5061;transport=tls>
CSEQ: 20411 OPTIONS
CALL-ID: 0f83c1be77aa@sbc.example.com
VIA: SIP/2.0/TLS sbc.example.com:5061;rport;branch=z9hG4bK7f3a90c1d2e4;alias
CONTENT-LENGTH: 0
ALLOW: INVITE,ACK,OPTIONS,CANCEL,BYE,NOTIFY
SERVER: Example.PSTNHub.SIPProxy v.2026.11.3.1 i.USWE2.5
"""),
    "compact and folded": wire("""
SIP/2.0 200 Fine\x20
v: SIP/2.0/UDP 192.0.2.1:5080;branch=z9hG4bK7f3a90c1d2e4 ,
\tSIP / 2.0 / UDP [2001:db8::9]:5060 ; branch = z9hG4bKsecond
f: "Ping, \\"the\\" prober"
   <sip:ping@192.0.2.1> ;tag=5c1f9e30
t: sip:198.51.100.4;tag=1
i: 0f83c1be77aa@192.0.2.1
CSeq:   20411
  OPTIONS
k: timer,100rel
l: 0
"""),
    "two steps, the first": wire(f"""
SIP/2.0 100 Giving a try
{_VIA}
From: <sip:ping@192.0.2.1>;tag=5c1f9e30
To: <sip:198.51.100.4>
Call-ID: 0f83c1be77aa@192.0.2.1
CSeq: 20411 OPTIONS
Content-Length: 0
"""),
    "several challenges, a stale one among them": wire(f"""
SIP/2.0 401 Unauthorized
{_VIA}
{_DIALOG}
WWW-Authenticate: Digest realm="a \\"b\\", c", nonce="n==", qop="auth,auth-int",
 algorithm=SHA-256, stale=TRUE, userhash=false
WWW-Authenticate: Digest realm="sip", nonce="n2", algorithm=SHA-512-256, charset=UTF-8,
 domain="sip:a sip:b"
WWW-Authenticate: Digest realm="sip",nonce="n3"
WWW-Authenticate: Negotiate
Content-Length: 0
"""),
    "a redirect": wire(f"""
SIP/2.0 302 Moved Temporarily
{_VIA}
{_DIALOG}
Contact: "Here" <sip:[2001:db8::7]:5062;transport=tcp>;q=0.7, <sips:b.example.com?Subject=x>;q=.3
Content-Length: 0
"""),
    "carrier's own keepalive": wire("""
OPTIONS sip:192.0.2.1:5080;transport=UDP SIP/2.0
Via: SIP/2.0/UDP 198.51.100.4:5060;branch=z9hG4bKac1829374651
Max-Forwards: 70
From: <sip:198.51.100.4>;tag=1c837465
To: <sip:192.0.2.1>
Call-ID: 8374651029112026@198.51.100.4
CSeq: 1 OPTIONS
Contact: <sip:198.51.100.4:5060>
Supported: em,100rel,timer,replaces,path,resource-priority
Allow: REGISTER,OPTIONS,INVITE,ACK,CANCEL,BYE,NOTIFY,PRACK,REFER,INFO,SUBSCRIBE,UPDATE
User-Agent: Example-SBC/v.7.40A.500.010
Accept: application/sdp, application/simple-message-summary, message/sipfrag
Content-Length: 0
"""),
    "kamailio dispatcher": wire("""
OPTIONS sip:192.0.2.1 SIP/2.0
Via: SIP/2.0/TCP 198.51.100.5;branch=z9hG4bK7d1.2a3f0c47000000000000000000000000.0
To: <sip:192.0.2.1>
From: <sip:pinger@example.org>;tag=b27e1a1d33761e85846fc98f5f3a7e58-3c91
CSeq: 10 OPTIONS
Call-ID: 4c4be0b4d3f7a1cd-21877@198.51.100.5
Max-Forwards: 70
Content-Length: 0
User-Agent: kamailio (5.8.4 (x86_64/linux))
"""),
    "a call that went astray": wire(
        """
INVITE sip:+15551230001@192.0.2.1;user=phone SIP/2.0
Record-Route: <sip:198.51.100.5;lr;ftag=77>
Via: SIP/2.0/UDP 198.51.100.5;branch=z9hG4bKa.1, SIP/2.0/UDP 10.0.0.8:5060;branch=z9hG4bKa.2
 ;received=203.0.113.7;rport=41234
From: "Anonymous" <sip:anonymous@anonymous.invalid>;tag=77
To: <tel:+15551230001>
Call-ID: astray@10.0.0.8
CSeq: 1 INVITE
Contact: <sip:10.0.0.8:5060;transport=udp>;+sip.instance="<urn:uuid:0>"
Privacy: id
P-Asserted-Identity: <sip:+15550009999@example.org>
Content-Type: application/sdp
Content-Length: 29
""",
        b"v=0\r\nc=IN IP4 10.0.0.8\r\ns=-\r\n",
    ),
}
"""Each message under the name of who sends such ones."""
