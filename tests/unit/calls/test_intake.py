"""What becomes of frames: each is followed, or counted by why it is not."""

from __future__ import annotations

from collections import Counter

from trunkpulse.calls.hep import Mirrored, frame
from trunkpulse.calls.intake import LOSS_LASTS_SECONDS, Fate, Intake
from unit.calls.calling import FAR, OUT, US, Talk, message

INVITE = Mirrored(message("INVITE sip:b@x SIP/2.0"), US, FAR)
TAKEN = Mirrored(message("SIP/2.0 200 OK", to_tag="callee"), FAR, US)
ELSEWHERE = INVITE._replace(destination=("203.0.113.1", 5060))


def test_every_frame_has_one_fate() -> None:
    talk = Talk()
    intake = Intake(talk.ledger, None)
    for data in (
        frame(INVITE),
        frame(TAKEN, compressed=True),
        frame(ELSEWHERE),
        frame(INVITE._replace(kind=5)),
        frame(INVITE._replace(payload=b"RTCP")),
        frame(ELSEWHERE._replace(payload=b"not even looked at")),
        b"HEP3",
        b"",
    ):
        intake.take(data, talk.now)
    intake.refuse()
    assert intake.fates == Counter(
        {
            Fate.FOLLOWED: 2,
            Fate.ELSEWHERE: 2,
            Fate.NOT_SIP: 2,
            Fate.MALFORMED: 2,
            Fate.NOT_ALLOWED: 1,
        }
    )
    assert talk.ledger.up(OUT) == 1


def test_whoever_does_not_show_the_secret_is_not_followed() -> None:
    talk = Talk()
    intake = Intake(talk.ledger, "let me in")
    for key in (b"", b"let me", b"let me in", b"let me in!"):
        intake.take(frame(INVITE._replace(key=key)), talk.now)
    assert intake.fates == Counter({Fate.WRONG_SECRET: 3, Fate.FOLLOWED: 1})


def test_for_a_minute_after_frames_were_lost_what_is_shown_is_not_whole() -> None:
    intake = Intake(Talk().ledger, None)
    assert intake.is_whole(0.0)
    intake.lost(100.0)
    assert not intake.is_whole(100.0 + LOSS_LASTS_SECONDS - 1)
    assert intake.is_whole(100.0 + LOSS_LASTS_SECONDS)
