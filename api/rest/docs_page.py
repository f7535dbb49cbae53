"""The page /docs: the OpenAPI document as HTML without scripts, and every kind of problem. Pure.

It loads nothing, so it works without a connection and is the same on AWS.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import escape
from typing import TYPE_CHECKING, Any, Final

from api.rest.problems import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid; }
h3 { margin-top: 2rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { padding: 0.25rem 0.75rem 0.25rem 0; text-align: left; vertical-align: top; }
pre { overflow-x: auto; padding: 0.75rem; border: 1px solid; border-radius: 0.25rem; }
:target { outline: 2px solid; }
"""
HEADERS: Final = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def docs_page(document: Mapping[str, Any]) -> str:
    """Return the page of an OpenAPI document."""
    info = document["info"]
    operations = [
        _operation(method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    shapes = [_shape(name, schema) for name, schema in document["components"]["schemas"].items()]
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])}: REST API</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(info['title'])}: REST API</h1><p>{_text(info['description'])}</p>"
        '<p><a href="openapi.json">openapi.json</a> is this page for programs (OpenAPI 3.1).</p>'
        f"<h2>Routes</h2>{''.join(operations)}"
        f"<h2>Problems</h2><p>An error response has the media type "
        "<code>application/problem+json</code> (RFC 9457). Its <code>code</code> is one of these; "
        "its <code>type</code> points to the row.</p>"
        f"{_problems()}<h2>Shapes</h2>{''.join(shapes)}</body></html>\n"
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    key = "Needs a key." if operation.get("security") else ""
    parameters = [
        (each["name"], f"in {each['in']}", each.get("description", ""))
        for each in operation.get("parameters", ())
    ]
    answers = []
    for status, response in operation["responses"].items():
        (schema,) = [each["schema"] for each in response["content"].values()]
        answers.append((status, response["description"], _Html(_kind(schema))))
    body = ""
    if request := operation.get("requestBody"):
        (content,) = request["content"].values()
        samples = "\n".join(json.dumps(each["value"]) for each in content["examples"].values())
        body = (
            f"<p>Body: {_kind(content['schema'])}. {_text(request['description'])}</p>"
            f"<pre>{escape(samples)}</pre>"
        )
    return (
        f'<h3 id="{operation["operationId"]}"><code>{method} {escape(path)}</code></h3>'
        f"<p>{_text(operation['description'])} {key}</p>"
        + (_table(("Parameter", "", ""), parameters) if parameters else "")
        + body
        + _table(("Status", "Meaning", "Body"), answers)
    )


def _problems() -> str:
    rows = "".join(
        f'<tr id="{code}"><td><code>{code}</code></td><td>{kind.status}</td>'
        f"<td>{_text(kind.title)}</td><td>{_text(kind.remedy)}</td></tr>"
        for code, kind in KINDS.items()
    )
    head = _row("th", ("Code", "Status", "Meaning", "What to do"))
    return f"<table>{head}{rows}</table>"


def _shape(name: str, schema: Mapping[str, Any]) -> str:
    head = f'<h3 id="shape-{name}">{name}</h3><p>{_text(schema.get("description", ""))}</p>'
    if "properties" not in schema:
        return f"{head}<p>{_kind(schema)}</p>"
    rows = [
        (_Html(f"<code>{each}</code>"), _Html(_kind(of)), of.get("description", ""))
        for each, of in schema["properties"].items()
    ]
    return head + _table(("Member", "Type", "Meaning"), rows)


class _Html(str):
    """A text that is HTML already."""

    __slots__ = ()


def _kind(schema: Mapping[str, Any]) -> str:  # noqa: PLR0911  # one for each kind of schema
    """Return the name of a schema's type, with a link to its shape."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#shape-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if "const" in schema:
        return f"<code>{escape(json.dumps(schema['const']))}</code>"
    if "enum" in schema:
        return " or ".join(f"<code>{escape(json.dumps(each))}</code>" for each in schema["enum"])
    if "items" in schema:
        return f"list of {_kind(schema['items'])}"
    if "additionalProperties" in schema:
        return f"object of {_kind(schema['additionalProperties'])}"
    return escape(schema.get("format") or schema["type"])


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    return f"<table>{_row('th', head)}{''.join(_row('td', each) for each in rows)}</table>"


def _row(tag: str, cells: Iterable[str]) -> str:
    shown = (each if isinstance(each, _Html) else _text(each) for each in cells)
    return f"<tr>{''.join(f'<{tag}>{each}</{tag}>' for each in shown)}</tr>"


def _text(text: str) -> str:
    """Return a text as HTML, with its `code`."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))
