"""Watches SIP trunks and routes calls over the ones that answer.

How a fact travels, top to bottom; each step is a package or module of this name:

    config    the file that says which trunks, routes and streams there are
    probing   a timing wheel sends each target its OPTIONS, on time
    sip       bytes in, bytes out: messages and the client transaction
    health    hysteresis per target, rolled up per trunk
    pipeline  the spine: outcome -> verdict -> board -> one commit of state and event
    board     the live view that routing, API and console read
    events    the outbox's deliveries, in order, to whoever asked
    routing   which trunk takes this call
"""

__version__ = "0.1.0"
