"""What is said over HTTP when something about users, roles and sessions is not done."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from trunkpulse.adapters.http.api.problems import Problem, invalid
from trunkpulse.adapters.http.api.wording import shortened
from trunkpulse.admission.errors import (
    AdmissionRefused,
    GrantRefused,
    NotLetIn,
    NotThere,
    PasswordRefused,
    TooManyGuesses,
)
from trunkpulse.admission.hashing import HashingBusy
from trunkpulse.ports import DocumentChanged

__all__ = ["as_problems"]


@contextmanager
def as_problems(
    *, field: str = "body.password", unproved: HTTPStatus = HTTPStatus.UNAUTHORIZED
) -> Iterator[None]:
    """What is refused within, as the problem that says why.

    ``field``: where a new password stands. ``unproved``: the status if somebody does not prove
    who they are.
    """
    try:
        yield
    except PasswordRefused as refused:
        raise invalid(field, str(refused)) from None
    except TooManyGuesses as refused:
        raise Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            str(refused),
            headers=_retry_after(refused.retry_after_seconds),
        ) from None
    except NotLetIn as refused:
        headers = (
            {"www-authenticate": 'Bearer realm="trunkpulse"'}
            if unproved is HTTPStatus.UNAUTHORIZED
            else None
        )
        raise Problem(unproved, str(refused), headers=headers) from None
    except NotThere as refused:
        raise Problem(HTTPStatus.NOT_FOUND, shortened(str(refused))) from None
    except GrantRefused as refused:
        raise Problem(HTTPStatus.FORBIDDEN, shortened(str(refused))) from None
    except AdmissionRefused as refused:
        raise Problem(HTTPStatus.CONFLICT, shortened(str(refused))) from None
    except DocumentChanged:
        raise Problem(
            HTTPStatus.CONFLICT, "Somebody else has changed this meanwhile; read it again."
        ) from None
    except HashingBusy as busy:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Too many people sign in at this moment; try again in a few seconds.",
            headers=_retry_after(busy.retry_after_seconds),
        ) from None


def _retry_after(seconds: float) -> dict[str, str]:
    return {"retry-after": str(max(1, math.ceil(seconds)))}
