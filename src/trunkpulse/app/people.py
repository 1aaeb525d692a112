"""What the service needs for people: the rules of their sessions, their provider, the first one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from trunkpulse.adapters.oidc import OidcProvider
from trunkpulse.adapters.oidc.asking import Asking
from trunkpulse.adapters.outbound import Outside
from trunkpulse.admission.errors import AdmissionRefused, PasswordRefused
from trunkpulse.admission.people import FirstAdministrator, People
from trunkpulse.admission.sessions import SessionRules
from trunkpulse.app.errors import CannotStart
from trunkpulse.config import Config
from trunkpulse.config.access_settings import AccessSettings
from trunkpulse.ports import Clock, StoreUnavailable

__all__ = ["first_administrator", "provider_of", "session_rules"]

CONNECTIONS = 4
"""To the provider; somebody signs in now and then."""


def session_rules(settings: AccessSettings) -> SessionRules:
    """How long people stay signed in."""
    return SessionRules(
        idle_seconds=settings.session_idle_seconds,
        longest_seconds=settings.session_seconds,
        most_per_user=settings.sessions_per_user,
        one_time_password_seconds=settings.one_time_password_seconds,
    )


@contextlib.asynccontextmanager
async def provider_of(
    config: Config, way_out: Outside, clock: Clock
) -> AsyncIterator[OidcProvider | None]:
    """The provider that ``[oidc]`` names; None if it names none.

    It may be on a private network or on this machine only if ``[outbound] allow`` says so.
    """
    if config.oidc is None:
        yield None
        return
    asking = Asking(way_out.transport(trusted=False, connections=CONNECTIONS))
    provider = OidcProvider(config.oidc, asking, clock, public_url=config.api.public_url)
    try:
        yield provider
    finally:
        await provider.close()


async def first_administrator(
    people: People, settings: AccessSettings
) -> FirstAdministrator | None:
    """The administrator who was made because there was nobody; None: there is somebody.

    Raises CannotStart.
    """
    try:
        return await people.make_first_administrator(
            settings.first_administrator, settings.initial_password
        )
    except ValueError as wrong:
        raise CannotStart(f"access.first_administrator {wrong}; write another one.") from wrong
    except PasswordRefused as refused:
        raise CannotStart(
            f"The first administrator cannot have access.initial_password: {refused}"
        ) from refused
    except (AdmissionRefused, StoreUnavailable) as problem:
        raise CannotStart(str(problem)) from problem
