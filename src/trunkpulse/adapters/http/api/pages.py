"""The page at ``/`` and ``/docs``: every endpoint, made from the OpenAPI document.

Plain HTML made on the server: no scripts and nothing loaded from elsewhere, so that it works in
a network without the internet and under the strictest content security policy.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from trunkpulse.adapters.http.api.admission import AdmittedRoute, public
from trunkpulse.adapters.http.api.wording import enumerated

__all__ = ["render_page", "router"]

router = APIRouter(route_class=AdmittedRoute, include_in_schema=False)

METHODS = ("get", "put", "post", "patch", "delete")

STYLE = """
:root{color-scheme:light dark;--fg:#1b2430;--dim:#5b6675;--bg:#fbfbf9;--card:#fff;--line:#e3e5e2;
--get:#17663f;--post:#8a4b00}
@media(prefers-color-scheme:dark){:root{--fg:#e6e9ee;--dim:#9aa5b4;--bg:#12161c;--card:#1a2028;
--line:#2a323d;--get:#6fd3a0;--post:#f0b265}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}
h1{margin:0;font-size:1.9rem}
h2{margin:2.2rem 0 .6rem;font-size:1rem;text-transform:uppercase;letter-spacing:.08em;
color:var(--dim)}
p{margin:.35rem 0}
a{color:inherit}
article{background:var(--card);border:1px solid var(--line);border-radius:.5rem;
padding:.7rem 1rem;margin:.5rem 0}
h3{margin:0;font:600 .95rem ui-monospace,monospace;overflow-wrap:anywhere}
h3 b{display:inline-block;min-width:3.2rem;color:var(--get)}
h3 b.post{color:var(--post)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:.5rem 0 0;
font-size:.9rem}
pre{margin:.5rem 0 0;font-size:.9rem;overflow-x:auto}
dt{font-family:ui-monospace,monospace}
dd{margin:0;color:var(--dim)}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode("ascii")
PAGE_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'"


@router.get("/", dependencies=[public()])
@router.get("/docs", dependencies=[public()])
async def documentation(request: Request) -> HTMLResponse:
    """The page, for a person."""
    document = request.app.openapi()
    return HTMLResponse(render_page(document), headers={"content-security-policy": PAGE_POLICY})


def render_page(document: Mapping[str, Any]) -> str:
    """The OpenAPI ``document`` as a page of HTML."""
    info = document["info"]
    schemas = document.get("components", {}).get("schemas", {})
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method in METHODS:
            if method in operations:
                operation = operations[method]
                tag = operation.get("tags", ["other"])[0]
                groups.setdefault(tag, []).append(_operation(method, path, operation, schemas))
    sections = "".join(
        f"<section><h2>{escape(tag)}</h2>{''.join(articles)}</section>"
        for tag, articles in groups.items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(info['title'])} API</title><style>{STYLE}</style></head><body><main>"
        f"<header><h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f"<p>{escape(info['description'])}</p>"
        '<p><a href="/api/v2/openapi.json">OpenAPI document</a> · '
        '<a href="/metrics">metrics</a> · <a href="/readyz">readiness</a></p></header>'
        f"{sections}</main></body></html>"
    )


def _operation(
    method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]
) -> str:
    description = escape(operation.get("description", ""))
    rows = "".join(
        f"<dt>{escape(each['name'])}</dt>"
        f"<dd>in {escape(each['in'])}. {escape(each.get('description', ''))}</dd>"
        for each in operation.get("parameters", ())
    )
    example = ""
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]
        kind, media = next(iter(content.items()))  # others say the same in another form
        body = _resolved(media["schema"], schemas)
        rows += "".join(
            _member(name, schema, name in body.get("required", ()), schemas)
            for name, schema in body.get("properties", {}).items()
        )
        example = "".join(
            f"<p>A body, sent with Content-Type: {escape(kind)}:</p>"
            f"<pre>{escape(each if isinstance(each, str) else json.dumps(each))}</pre>"
            for each in body.get("examples", ())
        )
    details = f"<dl>{rows}</dl>" if rows else ""
    return (
        f'<article><h3><b class="{method}">{method.upper()}</b> {escape(path)}</h3>'
        f"<p>{description}</p>{_access(operation['x-access'])}{details}{example}</article>"
    )


def _access(access: Mapping[str, Any]) -> str:
    """Who may use it."""
    if access["public"]:
        return "<p>For everybody.</p>"
    limited = " and is not limited to some regions or carriers" if access["refusesLimited"] else ""
    if access["permission"] is None:
        return f"<p>For everybody who has proved who they are{limited}.</p>"
    return f"<p>For whoever has the permission {escape(access['permission'])}{limited}.</p>"


def _member(
    name: str, schema: Mapping[str, Any], required: bool, schemas: Mapping[str, Any]
) -> str:
    """A row about one member of a body."""
    need = "required" if required else "optional"
    if default := schema.get("default"):
        need += f", {default} if absent"
    text = f"in body: {_type(schema, schemas)}; {need}. {schema.get('description', '')}"
    return f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>"


def _type(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """What values a schema takes, in a few words."""
    schema = _resolved(schema, schemas)
    if "enum" in schema:
        return enumerated(schema["enum"], "or")
    if "anyOf" in schema:
        return enumerated([_type(each, schemas) for each in schema["anyOf"]], "or")
    return str(schema.get("type", "anything"))


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema itself, or the one that it refers to."""
    reference = schema.get("$ref")
    found: Mapping[str, Any] = schema if reference is None else schemas[reference.split("/")[-1]]
    return found
