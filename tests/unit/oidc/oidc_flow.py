"""One browser, one provider, and us: there and back again."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from oidc_provider import CLIENT_ID, CLIENT_SECRET, ISSUER, OpenIdProvider
from trunkpulse.adapters.oidc import Departure, OidcProvider
from trunkpulse.adapters.oidc.asking import Asking
from trunkpulse.adapters.oidc.provider import Arrival
from trunkpulse.config.access_settings import OidcSettings
from unit.http.api_parts import SetClock

CALLBACK = "http://127.0.0.1:8080/api/v2/session/oidc/callback"
SETTINGS = OidcSettings(issuer=ISSUER, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)


class Flow:
    """One browser, one provider, and us."""

    def __init__(self, settings: OidcSettings = SETTINGS) -> None:
        self.clock = SetClock()
        self.provider = OpenIdProvider(self.clock.wall)
        self.us = OidcProvider(settings, Asking(self.provider), self.clock)

    async def there(self, page: str = "/console") -> tuple[Departure, dict[str, str]]:
        """The browser at the provider, and with what it is sent back."""
        departure = await self.us.depart(CALLBACK, page)
        back = self.provider.sign_in(departure.url)
        return departure, dict(parse_qsl(urlsplit(back).query))

    async def through(self) -> Arrival:
        departure, answer = await self.there()
        return await self.us.arrive(departure.way_back, answer)
