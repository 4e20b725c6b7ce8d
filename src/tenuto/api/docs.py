"""The API described, for programs (/openapi.json) and for people (/docs: one page, drawn here, that loads nothing)."""

from __future__ import annotations

from functools import lru_cache
from html import escape
from typing import Any

import msgspec
from starlette.responses import Response

from tenuto import __version__
from tenuto.api import (
    admin,
    bulk,
    concurrency,
    control,
    executions,
    live,
    rehearsal,
    schedules,
    steps,
    variables,
    webhooks,
    workflows,
)
from tenuto.api.call import Call
from tenuto.api.openapi import describe
from tenuto.api.problems import KINDS
from tenuto.api.routing import Reply, Route

_SAFE = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
}

_STYLE = """
:root{color-scheme:light dark;--line:#d1d5db;--soft:#f3f4f6;--sub:#6b7280}
@media(prefers-color-scheme:dark){:root{--line:#374151;--soft:#1f2937;--sub:#9ca3af}}
body{font:15px/1.55 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h2{margin-top:2.5rem;border-bottom:1px solid var(--line)}code,pre{font:13px/1.5 ui-monospace,monospace}
details{border:1px solid var(--line);border-radius:8px;margin:.5rem 0;padding:.45rem .8rem}
summary{cursor:pointer}summary code{font-weight:600}summary span{color:var(--sub);margin-left:.6rem}
.method{display:inline-block;min-width:4.2em}.GET{color:#2563eb}.POST{color:#16a34a}.PUT{color:#d97706}.DELETE{color:#dc2626}
table{border-collapse:collapse;width:100%}td,th{border-top:1px solid var(--line);padding:.3rem .6rem .3rem 0;
text-align:left;vertical-align:top}pre{background:var(--soft);padding:.7rem;border-radius:6px;overflow:auto}
"""


async def openapi(call: Call) -> Response:
    """The OpenAPI document."""
    return Response(_openapi_bytes(), media_type="application/json")


async def page(call: Call) -> Response:
    """The same as a page."""
    return Response(_page_bytes(), 200, _SAFE, "text/html")


ROUTES = (
    Route("GET", "/openapi.json", openapi, tag=admin.TAG, summary="This API, described for programs",
          replies=[Reply(200, "an OpenAPI 3.1 document", dict[str, Any])]),
    Route("GET", "/docs", page, tag=admin.TAG, summary="This API, described for people",
          replies=[Reply(200, "a page", str, ("text/html",))]),
)  # fmt: skip

ALL_ROUTES = (
    *workflows.ROUTES,
    *rehearsal.ROUTES,
    *executions.ROUTES,
    *live.ROUTES,
    *control.ROUTES,
    *steps.ROUTES,
    *bulk.ROUTES,
    *schedules.ROUTES,
    *webhooks.ROUTES,
    *concurrency.ROUTES,
    *variables.ROUTES,
    *admin.ROUTES,
    *ROUTES,
)
"""Every call of the API."""


@lru_cache(maxsize=1)
def _openapi_bytes() -> bytes:
    return msgspec.json.format(msgspec.json.encode(describe(ALL_ROUTES)), indent=2)


@lru_cache(maxsize=1)
def _page_bytes() -> bytes:
    document = describe(ALL_ROUTES)
    schemas = document["components"]["schemas"]
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Tenuto API</title>',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<style>{_STYLE}</style></head><body><h1>Tenuto {escape(__version__)} API</h1>",
        f'<p>{escape(document["info"]["description"])} For programs: <a href="/openapi.json">openapi.json</a>.</p>',
    ]
    for tag in document["tags"]:
        parts.append(f"<h2>{escape(tag['name'])}</h2>")
        for path, operations in document["paths"].items():
            parts += [
                _operation(path, method.upper(), operation)
                for method, operation in operations.items()
                if tag["name"] in operation["tags"]
            ]
    parts += ["<h2>Errors</h2>", _kinds(), "<h2>Schemas</h2>"]
    parts += [_schema(name, schemas[name]) for name in sorted(schemas)]
    return "\n".join([*parts, "</body></html>\n"]).encode()


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(_parameter(parameter) for parameter in operation.get("parameters", ()))
    table = f"<table><tr><th>Parameter<th>in<th>what{rows}</table>" if rows else ""
    body = operation.get("requestBody")
    sent = f"<p>Body: {_content(body['content'])}</p>" if body else ""
    answers = "".join(
        f"<tr><td><code>{status}</code><td>{escape(response['description'])}<td>{_content(response.get('content', {}))}"
        for status, response in operation["responses"].items()
    )
    return (
        f'<details id="{operation["operationId"]}"><summary><code class="method {method}">{method}</code>'
        f"<code>{escape(path)}</code><span>{escape(operation['summary'])}</span></summary>"
        f"<p>{escape(operation.get('description', ''))}</p>{table}{sent}"
        f"<table><tr><th>Answer<th>when<th>what{answers}</table></details>"
    )


def _parameter(parameter: dict[str, Any]) -> str:
    limits = escape(msgspec.json.encode(parameter["schema"]).decode())
    return (
        f"<tr><td><code>{escape(parameter['name'])}</code><td>{parameter['in']}"
        f"<td>{escape(parameter.get('description', ''))} <code>{limits}</code>"
    )


def _content(content: dict[str, Any]) -> str:
    return ", ".join(
        f"<code>{escape(media_type)}</code> {_names(media.get('schema', {}))}"
        for media_type, media in content.items()
    )


def _names(schema: dict[str, Any]) -> str:
    """Links to the schemas that a schema refers to at its top."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#schema-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_names(alternative) for alternative in schema["anyOf"])
    if schema.get("type") == "array":
        return f"array of {_names(schema['items'])}"
    return escape(str(schema.get("type", "")))


def _kinds() -> str:
    rows = "".join(
        f'<tr id="{kind.slug}"><td>{kind.status}<td>{kind.title}<td>{escape(kind.meaning)}' for kind in KINDS
    )
    return f"<table><tr><th>Status<th>Error<th>Meaning{rows}</table>"


def _schema(name: str, schema: dict[str, Any]) -> str:
    text = msgspec.json.format(msgspec.json.encode(schema), indent=2).decode()
    return (
        f'<details id="schema-{name}"><summary><code>{name}</code><span>{escape(schema.get("description", ""))}</span>'
        f"</summary><pre>{escape(text)}</pre></details>"
    )
