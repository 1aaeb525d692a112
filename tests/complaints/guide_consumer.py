"""A receiver's script as somebody wrote it who read the guide and nothing else.

Reads an event from standard input and writes one line for the person on duty.
"""

import json
import sys
from datetime import UTC, datetime

event = json.load(sys.stdin)

if event["eventType"] != "telephony.trunks.stateChange":
    sys.exit(f"unexpected event {event['eventType']}")

when = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
details = event["metadata"]
last = details["lastSuccessfulKeepalive"]
since = "never" if last is None else f"{(event['timestamp'] - last) // 1000} s before"

sys.stdout.write(
    f"{when:%H:%M:%S} {event['entityName']} ({event['entityId']}):"
    f" {event['previousState']} -> {event['state']} because of {event['reasonCode']};"
    f" {details['failedAttempts']} failed, last good {since}\n"
)
