"""Every kind of advice there is: what it is about, why it matters, and what to do.

The reference page is made of this table, and what is accepted is checked against it. What one piece
of advice says of one configuration is put together where the rule is.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from trunkpulse.config.advice.item import Severity

__all__ = ["CODES", "RULES", "Rule"]


class Rule(NamedTuple):
    """One kind of advice."""

    code: str
    severity: Severity
    when: str
    """What is so, as a phrase."""
    why: str
    """What comes of it, as a phrase."""
    fix: str
    """What to do about it, as a phrase."""


RULES: Final = (
    # --- keepalives ------------------------------------------------------------------------------
    Rule(
        "no_trunks",
        "warning",
        "no trunk is declared",
        "nothing is probed",
        "add a `[[trunks]]` table",
    ),
    Rule(
        "keepalive_disabled",
        "warning",
        "a trunk has keepalive off",
        "its outages go unnoticed, and calls are lost",
        "set `enabled` to true, unless the carrier forbids OPTIONS",
    ),
    Rule(
        "keepalive_one_side",
        "warning",
        "keepalive is on for only the inbound or only the outbound trunks of a carrier",
        "an outage of the other side goes unnoticed",
        "turn it on for the trunks of the other side too",
    ),
    Rule(
        "interval_short",
        "warning",
        "`interval_seconds` is below 15 and a target is beyond this machine",
        "carriers limit or ban whoever sends OPTIONS more often",
        "set 15 to 60",
    ),
    Rule(
        "interval_long",
        "warning",
        "`interval_seconds` is above 60",
        "calls are lost for more than a minute before an outage is noticed",
        "set 15 to 60",
    ),
    Rule(
        "detection_slow",
        "info",
        "the interval is at most 60 s, and with what it takes to confirm an outage it is longer",
        "calls are lost for more than a minute before a trunk is DOWN",
        "shorten `interval_seconds`, or what the confirmation takes",
    ),
    Rule(
        "timeout_not_below_interval",
        "warning",
        "`timeout_seconds` is not below `interval_seconds`",
        "an attempt may still wait when the next is due",
        "make the timeout shorter",
    ),
    Rule(
        "single_failure",
        "warning",
        "`max_failed_attempts` is 1",
        "one unanswered attempt takes the trunk down, and it flaps",
        "set 2 or more",
    ),
    Rule(
        "single_success",
        "warning",
        "`min_successful_attempts` is 1",
        "one lucky answer brings calls back to a trunk that is still failing",
        "set 2 or more",
    ),
    Rule(
        "healthy_503",
        "warning",
        "`healthy_responses` contains 503 or 5xx",
        "503 is how a peer says that it wants no calls",
        "remove it",
    ),
    Rule(
        "healthy_class",
        "info",
        "`healthy_responses` contains 4xx or 6xx",
        "any such answer is a success, whatever went wrong",
        "list the code, not the class",
    ),
    Rule(
        "challenge_healthy",
        "warning",
        "`healthy_responses` contains 401 or 407 although there are credentials",
        "a wrong password goes unnoticed",
        "take it out",
    ),
    Rule(
        "only_errors",
        "warning",
        "a target is DOWN and answers every probe with one and the same error that shows life",
        "the trunk takes no calls, though the far side may be well",
        "add the code to `healthy_responses`, or set the password that it asks for",
    ),
    Rule(
        "address_shared",
        "info",
        "several trunks probe one address",
        "it gets several times the OPTIONS",
        "leave it to one of them, unless each needs a state of its own",
    ),
    # --- requests --------------------------------------------------------------------------------
    Rule(
        "request_long_for_udp",
        "warning",
        "the OPTIONS is longer than 1300 bytes and goes over UDP (RFC 3261 18.1.1)",
        "UDP may have to break it up, and firewalls drop the pieces",
        "shorten headers, or use TCP",
    ),
    Rule(
        "tls_on_5060",
        "warning",
        "a target or proxy is reached over TLS on port 5060",
        "5060 is the port of SIP without TLS, where a TLS handshake usually fails",
        "leave the port out, or write 5061",
    ),
    Rule(
        "tls_not_verified",
        "warning",
        "`tls.verify` is false",
        "anybody on the way can pose as the far side",
        "set `ca_file` or `server_name`",
    ),
    Rule(
        "nat_off",
        "warning",
        "probes leave from a private address towards a public one, and neither `enable_nat` nor "
        "`advertised_address` or `contact_uri` is set",
        "Contact shows an address that the far side cannot reach",
        "set `enable_nat`, or `advertised_address`",
    ),
    Rule(
        "public_address_changes",
        "info",
        "a target has seen us at more than one public address",
        "registrations and calls break when it changes",
        "give the NAT a fixed address, or set `advertised_address`",
    ),
    Rule(
        "from_equals_to",
        "warning",
        "From and To of the probes are the same",
        "some far sides block such a sender",
        "give `from_uri` a user of its own",
    ),
    Rule(
        "proxy_is_target",
        "info",
        "`outbound_proxy` is where a target leads anyway",
        "it only adds a Route header that a far side may not expect",
        "take it out",
    ),
    Rule(
        "proxy_shared",
        "info",
        "trunks with different targets are probed through one `outbound_proxy`",
        "their states fall together, and tell of the carriers behind it only what it passes on",
        "probe the targets themselves, or make sure that the proxy passes OPTIONS on",
    ),
    Rule(
        "proxy_is_trunk",
        "warning",
        "the `outbound_proxy` of a trunk is a target of another trunk",
        "its state is that of the other trunk, and its calls pass by the state of that",
        "route over the other trunk, or give this one a proxy of its own",
    ),
    Rule(
        "proxy_in_redirect",
        "info",
        "a route leads over a trunk with an `outbound_proxy`, and `[sip] listen` redirects calls",
        "the Contact has a Route for it, which was not tried with a real proxy: some pass it over",
        "make a call through each proxy that asks, and see that it goes by `outbound_proxy`",
    ),
    Rule(
        "source_not_here",
        "warning",
        "`source` is no address of this machine",
        "serve would refuse the file here",
        "give this machine the address, or correct `source`",
    ),
    Rule(
        "name_not_found",
        "warning",
        "a name of a target cannot be looked up",
        "what was last known of it stays in use, if anything was",
        "mend the DNS, or check the name",
    ),
    Rule(
        "certificate_expired",
        "warning",
        "a certificate of ours has expired",
        "whoever verifies it refuses us",
        "renew it",
    ),
    Rule(
        "certificate_expiring",
        "warning",
        "a certificate, ours or a target's, ends within 30 days",
        "from then on connections fail",
        "renew it before, or ask whoever runs the target to",
    ),
    # --- routes ----------------------------------------------------------------------------------
    Rule(
        "route_single_trunk",
        "warning",
        "a route has one trunk",
        "its calls have nowhere to go while that is down",
        "add a second trunk",
    ),
    Rule(
        "route_shared_targets",
        "warning",
        "all trunks of a route end at the same targets",
        "they fail together",
        "add a trunk with targets of its own",
    ),
    Rule(
        "route_shared_address",
        "warning",
        "all trunks of a route lead to one address or through one proxy, whatever the name or port",
        "they fail together",
        "add a trunk that leads elsewhere",
    ),
    Rule(
        "route_single_carrier",
        "info",
        "all trunks of a route are of one carrier",
        "they fail together when the carrier does",
        "add a trunk of another carrier",
    ),
    Rule(
        "route_unwatched_trunk",
        "warning",
        "a route leads over a trunk with keepalive off",
        "it is a fixed address without a state: tried last, and whether or not it works",
        "turn keepalive on, or take the trunk out of the route",
    ),
    Rule(
        "route_short_number",
        "warning",
        "a number of a route has no plus, and is a country's code or has four digits or more, and"
        " is no short number of `country` under `[routing]`",
        "only who dials exactly these digits comes here, and no longer number that begins so",
        "write the plus if those are meant; or name the `country`, or accept the advice",
    ),
    Rule(
        "route_same_numbers",
        "warning",
        "a number of a route is another's too, for the same calls, and the other comes first",
        "its calls never come here",
        "make the numbers of one of them closer, or put all trunks into one route",
    ),
    Rule(
        "trunk_unrouted",
        "info",
        "there are routes, and a trunk is in none",
        "no call runs over it",
        "add it to a route if one should",
    ),
    Rule(
        "region_unrouted",
        "warning",
        "every route names regions, and none names one that trunks, or this instance, are in",
        "calls of that region match no route",
        "name the region in a route, or make one without regions",
    ),
    Rule(
        "region_without_trunk",
        "info",
        "a route names a region that no trunk is in",
        "its calls always leave through another region",
        "give the region a trunk, or correct its name",
    ),
    # --- the instance ----------------------------------------------------------------------------
    Rule(
        "cap_below_need",
        "warning",
        "a cap of `[pacing]` is below what the intervals need",
        "targets are probed more seldom than configured",
        "raise the cap, or lengthen `interval_seconds`",
    ),
    Rule(
        "cap_delays_confirmation",
        "info",
        "a cap of `[pacing]` is below what it takes to confirm an outage of everything at once",
        "the outage is noticed later",
        "raise the cap if that is too late",
    ),
    Rule(
        "cap_of_nobody",
        "warning",
        "`[pacing.carriers]` names a carrier that no trunk has",
        "it caps nothing",
        "correct it, or give trunks that carrier",
    ),
    Rule(
        "hold_short",
        "warning",
        "`isolation.hold_seconds` is shorter than it takes to notice an outage",
        "a fault of our own that lasts a little longer takes trunks down",
        "set what the advice says, or more",
    ),
    Rule(
        "allow_wide",
        "warning",
        "`outbound.allow` has a network that is nobody's own",
        "whoever may make event streams reaches nearly everything that this machine can",
        "write the networks that receivers are in",
    ),
    Rule(
        "secret_exposed",
        "warning",
        "a file holds a secret, and its permissions let other users in",
        "they can read it",
        "run chmod 600",
    ),
    Rule(
        "configuration_refused",
        "warning",
        "the file on disk cannot be used",
        "the configuration before it goes on",
        "correct the file",
    ),
    Rule(
        "label_unknown",
        "warning",
        "a maintenance window or a user's limits name a carrier or region that no trunk has",
        "it is about nothing",
        "correct the name",
    ),
    # --- event streams ---------------------------------------------------------------------------
    Rule(
        "stream_filter_unknown",
        "warning",
        "a stream names a carrier or region that no trunk has",
        "it is told nothing of such",
        "correct the name",
    ),
    Rule(
        "alerts_every_reason",
        "info",
        "a stream alerts people of every reason",
        "they are woken by what an administrator does, too",
        "name the reasons that are trouble",
    ),
    Rule(
        "webhook_plain_http",
        "warning",
        "a webhook goes over plain http beyond this machine",
        "anyone on the way can read and change the events",
        "use an https:// URL",
    ),
    Rule(
        "webhook_unsigned",
        "warning",
        "a webhook beyond this machine has no secret",
        "the receiver cannot tell our events from forged ones",
        "set `secret`",
    ),
    Rule(
        "credentials_in_the_clear",
        "warning",
        "the credentials of a stream travel without TLS",
        "anyone on the way can read them",
        "use TLS",
    ),
    Rule(
        "stream_unencrypted",
        "warning",
        "a stream goes to a broker beyond this machine without TLS",
        "anyone on the way can read and change the events",
        "use TLS",
    ),
    # --- switches --------------------------------------------------------------------------------
    Rule(
        "switch_path",
        "info",
        "the `url` of a Kamailio over HTTP has another path than `/RPC`",
        "Kamailio is usually set up to answer there alone",
        "write `/RPC`, unless `event_route[xhttp:request]` has it otherwise",
    ),
)  # fmt: skip

CODES: Final = frozenset(rule.code for rule in RULES)
