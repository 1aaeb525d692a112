"""Sans-IO SIP: bytes and moments in, bytes, deadlines and events out.

Nothing here waits, reads a clock or owns a socket, so every rule can be tested by calling it.

    errors       what can be wrong, and whose fault it is
    grammar      tokens, quoted strings, hosts and ports (RFC 3261 section 25)
    uri          SipUri
    headers      Via, NameAddr (From, To), CSeq
    message      Headers, Request, Response, parse_message
    peek         the hot path: code and branch of an ordinary response
    request      the OPTIONS that a probe sends
    transaction  the non-INVITE client transaction
    server       the answer to a request that reaches us
"""
