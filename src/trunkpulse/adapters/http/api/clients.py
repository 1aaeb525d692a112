"""``/api/v2/oauth``: the machines that may get tokens, and the keys that sign those.

A secret is shown once, in the answer that makes it. Somebody who is limited to some regions or
carriers sees and makes clients that are limited to these too, and no others.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from trunkpulse.access import UNLIMITED, Permission, Principal
from trunkpulse.access.granting import what_is_beyond
from trunkpulse.adapters.http.api.access import Access, Accesses
from trunkpulse.adapters.http.api.admission import AdmittedRoute, Caller, requires
from trunkpulse.adapters.http.api.auditing import note_change
from trunkpulse.adapters.http.api.client_models import (
    ClientIn,
    ClientOut,
    ClientPatch,
    MadeClientOut,
    MadeSecretOut,
    NewSecretIn,
    client_out,
    draft_of,
    patched,
)
from trunkpulse.adapters.http.api.conditional import (
    IfMatch,
    IfNoneMatch,
    check_match,
    etag_of,
    tag,
)
from trunkpulse.adapters.http.api.idempotency import once
from trunkpulse.adapters.http.api.models import Entities, Moment, Out
from trunkpulse.adapters.http.api.paging import Catalogue, Cursor, Limit, Sort, Sorting
from trunkpulse.adapters.http.api.people_problems import as_problems
from trunkpulse.adapters.http.api.problems import Problem, invalid
from trunkpulse.adapters.signing import ALGORITHM
from trunkpulse.admission.clients import Client, ClientDraft

__all__ = ["router"]

PATH = "/api/v2/oauth/clients"
KEYS_PATH = "/api/v2/oauth/keys"

router = APIRouter(route_class=AdmittedRoute, tags=["access"])

ClientId = Annotated[str, Path(max_length=128, description="A client's id.")]
SecretId = Annotated[str, Path(max_length=128, description="The id of one of its secrets.")]


class SigningKeyOut(Out):
    """A key by which tokens are verified."""

    id: str = Field(description="The `kid` of the tokens that it signs.")
    algorithm: str
    signs: bool = Field(description="It signs the tokens that are made now.")
    signs_from: int = Moment
    created: int = Moment


@router.get(PATH, dependencies=[requires(Permission.USERS_VIEW, within_limits=True)])
async def list_clients(
    access: Accesses,
    caller: Caller,
    *,
    name: Annotated[str | None, Query(max_length=256, description="Exactly this one.")] = None,
    enabled: Annotated[bool | None, Query(description="Only those that are, or are not.")] = None,
    sort: Sorting = Sort.ID,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Entities[ClientOut]:
    """The clients, by id."""

    def shown(client: Client) -> bool:
        return (
            (name is None or client.name.casefold() == name.casefold())
            and (enabled is None or enabled is client.enabled)
            and _theirs(caller, client)
        )

    catalogue = Catalogue(lambda: access.clients.all)
    page, next_cursor = catalogue.page(cursor, limit, shown, sort)
    return Entities(entities=[_shown(access, each) for each in page], next_cursor=next_cursor)


@router.post(
    PATH,
    dependencies=[requires(Permission.USERS_EDIT, within_limits=True), once()],
    status_code=HTTPStatus.CREATED,
)
async def create_client(
    access: Accesses, caller: Caller, given: ClientIn, request: Request, response: Response
) -> MadeClientOut:
    """Make a client with its first secret. Nobody can give what they do not have themselves."""
    _check_future(access, given.expires, "body.expires")
    with as_problems():
        made = await access.clients.create(draft_of(given), caller)
    shown = _shown(access, made.client)
    note_change(request, "client", made.client.id, None, shown)
    response.headers["location"] = f"{PATH}/{quote(made.client.id)}"
    tag(response, etag_of(made.client))
    return MadeClientOut(**dict(shown), client_id=made.client.id, client_secret=made.text)


@router.get(
    f"{PATH}/{{client_id}}", dependencies=[requires(Permission.USERS_VIEW, within_limits=True)]
)
async def get_client(
    access: Accesses,
    caller: Caller,
    client_id: ClientId,
    response: Response,
    if_none_match: IfNoneMatch = None,
) -> ClientOut:
    """One client."""
    client = _found(access, caller, client_id)
    shown = _shown(access, client)
    tag(response, etag_of(client), living=shown, if_none_match=if_none_match)
    return shown


@router.patch(
    f"{PATH}/{{client_id}}", dependencies=[requires(Permission.USERS_EDIT, within_limits=True)]
)
async def change_client(
    access: Accesses,
    caller: Caller,
    *,
    client_id: ClientId,
    given: ClientPatch,
    request: Request,
    response: Response,
    if_match: IfMatch = None,
) -> ClientOut:
    """Change a client by a JSON Merge Patch; if more than its name changes, its tokens are void.

    Nobody can change a client that may do more than they may, except to disable it.
    """
    _found(access, caller, client_id)
    if "expires" in given.model_fields_set:
        _check_future(access, given.expires, "body.expires")
    before: list[ClientOut] = []

    def edit(client: Client) -> ClientDraft:
        check_match(if_match, etag_of(client))
        before.append(_shown(access, client))
        return patched(client, given)

    with as_problems():
        client = await access.clients.change(client_id, edit, caller)
    shown = _shown(access, client)
    note_change(request, "client", client_id, before[0], shown)
    tag(response, etag_of(client), living=shown)
    return shown


@router.delete(
    f"{PATH}/{{client_id}}",
    dependencies=[requires(Permission.USERS_EDIT, within_limits=True)],
    status_code=HTTPStatus.NO_CONTENT,
)
async def delete_client(
    access: Accesses,
    caller: Caller,
    *,
    client_id: ClientId,
    request: Request,
    if_match: IfMatch = None,
) -> Response:
    """Delete a client; all of its tokens are void at once.

    Nobody can delete a client that may do more than they may; they can disable it.
    """
    _found(access, caller, client_id)
    with as_problems():
        client = await access.clients.delete(
            client_id, caller, check=lambda client: check_match(if_match, etag_of(client))
        )
    note_change(request, "client", client_id, _shown(access, client), None)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post(
    f"{PATH}/{{client_id}}/secrets",
    dependencies=[requires(Permission.USERS_EDIT, within_limits=True), once()],
    status_code=HTTPStatus.CREATED,
)
async def add_client_secret(
    access: Accesses,
    caller: Caller,
    *,
    client_id: ClientId,
    given: NewSecretIn | None = None,
    request: Request,
) -> MadeSecretOut:
    """Give a client a second secret, so that it can exchange the first one; its tokens stay good.

    Nobody gets a secret of a client that may do more than they may.
    """
    before = _shown(access, _found(access, caller, client_id))
    end_ms = None if given is None else given.others_expire
    with as_problems():
        made = await access.clients.add_secret(client_id, caller, others_end_ms=end_ms)
    note_change(request, "client", client_id, before, _shown(access, made.client))
    created_ms = made.client.secrets[-1].created_ms
    return MadeSecretOut(
        id=made.id,
        created=created_ms,
        expires=None,
        client_id=client_id,
        client_secret=made.text,
    )


@router.delete(
    f"{PATH}/{{client_id}}/secrets/{{secret_id}}",
    dependencies=[requires(Permission.USERS_EDIT, within_limits=True)],
    status_code=HTTPStatus.NO_CONTENT,
)
async def remove_client_secret(
    access: Accesses, caller: Caller, client_id: ClientId, secret_id: SecretId, request: Request
) -> Response:
    """Take a secret away from a client; it and all tokens of the client are void at once.

    Nobody can take one from a client that may do more than they may; they can disable it.
    """
    before = _shown(access, _found(access, caller, client_id))
    with as_problems():
        client = await access.clients.remove_secret(client_id, secret_id, caller)
    note_change(request, "client", client_id, before, _shown(access, client))
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get(KEYS_PATH, dependencies=[requires(Permission.USERS_VIEW)])
async def list_signing_keys(access: Accesses) -> Entities[SigningKeyOut]:
    """The keys by which tokens are verified, in the order in which they sign."""
    signer = access.keys.signer()
    return Entities(
        entities=[
            SigningKeyOut(
                id=each.id,
                algorithm=ALGORITHM,
                signs=each.id == signer.id,
                signs_from=each.signs_from_ms,
                created=each.created_ms,
            )
            for each in access.keys.published
        ],
        next_cursor=None,
    )


@router.post(f"{KEYS_PATH}/rotate", dependencies=[requires(Permission.USERS_EDIT), once()])
async def rotate_signing_keys(
    access: Accesses,
    caller: Caller,
    request: Request,
    compromised: Annotated[
        bool,
        Query(description="All keys there are may be known to others: all tokens are void."),
    ] = False,
) -> Entities[SigningKeyOut]:
    """Sign with a new key, from ten minutes on, so that everybody can know it by then.

    Tokens that the old one signed stay good until they expire. With `compromised` the new key
    signs at once and every token from before is void; so that takes all permissions there are.
    """
    if compromised and (beyond := what_is_beyond(caller, Permission, UNLIMITED)):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"{caller.name} does not have {beyond}, and so cannot void the tokens of those who do;"
            " ask an administrator.",
        )
    before = await list_signing_keys(access)
    await (access.keys.replace_all() if compromised else access.keys.rotate())
    after = await list_signing_keys(access)
    note_change(request, "signing_keys", "oauth", before, after)
    return after


def _found(access: Access, caller: Principal, client_id: str) -> Client:
    client = access.clients.get(client_id)
    if client is None or not _theirs(caller, client):
        raise Problem(HTTPStatus.NOT_FOUND, f"There is no client with the id {client_id}.")
    return client


def _theirs(caller: Principal, client: Client) -> bool:
    """True if it is within the caller's own limits; of others they are not even told."""
    return what_is_beyond(caller, (), client.limits) is None


def _check_future(access: Access, moment_ms: int | None, field: str) -> None:
    if moment_ms is not None and moment_ms <= access.now_ms():
        raise invalid(field, f"{field} is in the past; name a moment to come, or null.")


def _shown(access: Access, client: Client) -> ClientOut:
    return client_out(client, access.now_ms())
