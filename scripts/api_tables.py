"""Write the generated tables of docs/api.md and docs/rest.md: `python -m scripts.api_tables`."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from graphql import GraphQLUnionType

from api.auth.permissions import GUARDED, NEEDED
from api.errors import DOCUMENT_ERRORS, STATUS, Code
from api.graphql.execution.query_cost import Limits
from api.graphql.schema import schema
from api.limits import MAX_DOCUMENT, MAX_REQUEST, MAX_RESPONSE, MAX_TOKENS
from api.rest.problems import KINDS
from api.rest.schemas import PROBLEMS, Problem, code_of
from core.domain.pagination import MAX_PAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DOCS: Final = Path(__file__).parents[1] / "docs"
GUIDE: Final = DOCS / "api.md"
REST: Final = DOCS / "rest.md"

MEANING: Final[dict[Code, str]] = {
    Code.GRAPHQL_PARSE_FAILED: "The document is not GraphQL.",
    Code.GRAPHQL_VALIDATION_FAILED: "The document does not fit the schema.",
    Code.OPERATION_RESOLUTION_FAILURE: "`operationName` is missing or names no operation.",
    Code.BAD_USER_INPUT: "A value has the wrong type or is out of range; `argument` names it.",
    Code.LIMIT_EXCEEDED: "The operation exceeds a limit; `limit` and `most` name it.",
    Code.PERSISTED_QUERY_NOT_FOUND: "The service does not know this hash yet: send the text too.",
    Code.PERSISTED_QUERY_NOT_SUPPORTED: "The service accepts no hashes: send the text.",
    Code.DOCUMENT_NOT_ALLOWED: "The operator does not allow this document.",
    Code.NOT_FOUND: "You have no blob of that id to subscribe to.",
    Code.NOT_CONFIGURED: "The operator has not configured what the field needs.",
    Code.BAD_REQUEST: "The request does not follow GraphQL over HTTP; the message says where.",
    Code.UNAUTHENTICATED: "The request has no valid API key or token.",
    Code.FORBIDDEN: "The key or token lacks a scope; `missingScopes` names it.",
    Code.METHOD_NOT_ALLOWED: "Mutations are sent by POST.",
    Code.NOT_ACCEPTABLE: "The service can send no media type of `Accept`.",
    Code.TOO_LARGE: "The body or the document is too long.",
    Code.UNSUPPORTED_MEDIA_TYPE: "Send `application/json`.",
    Code.TOO_MANY_REQUESTS: "The key, or the address, sends too many requests; `retryAfter` and "
    "the header `Retry-After` say how many seconds to wait.",
    Code.INTERNAL_SERVER_ERROR: "An error of the service; give the operator the `requestId`.",
    Code.SERVICE_UNAVAILABLE: "The store does not respond; retry in a moment.",
    Code.TIMEOUT: "The operation took longer than the limit and was cancelled.",
}


def tables() -> dict[Path, dict[str, str]]:
    """Return the tables of each page by the names of their markers."""
    return {
        GUIDE: {
            "scopes": _scopes(),
            "limits": _limits(),
            "failures": _failures(),
            "codes": _codes(),
        },
        REST: {"problems": _problems()},
    }


def placed(page: Path) -> str:
    """Return a page with every table between its markers."""
    guide = page.read_text()
    for name, rows in tables()[page].items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        guide, times = re.subn(
            f"{begin}.*?{end}", partial(_text, f"{begin}{rows}{end}"), guide, flags=re.DOTALL
        )
        if times != 1:
            raise ValueError(f"{times} pairs of markers for {name}; there must be one")
    return guide


def _text(text: str, _: re.Match[str]) -> str:
    return text


def _scopes() -> str:
    by_scopes: dict[str, list[str]] = {}
    for field, scopes in NEEDED.items():
        if field in GUARDED:
            continue  # explained in the text
        needed = " and ".join(f"`{scope}`" for scope in sorted(scopes)) or "none"
        by_scopes.setdefault(needed, []).append(f"`{field.partition('.')[2]}`")
    return _table(("Scope", "Needed by"), [(each, ", ".join(of)) for each, of in by_scopes.items()])


def _limits() -> str:
    limits = Limits()
    return _table(
        ("What", "At most"),
        [
            ("levels of fields inside fields", limits.depth),
            ("fields of an operation, fragments written out", limits.fields),
            ("fields at its root", limits.root_fields),
            ("aliases", limits.aliases),
            ("directives", limits.directives),
            ("fragments", limits.fragments),
            ("cost: values in the answer, as estimated", limits.cost),
            ("tokens of a document", MAX_TOKENS),
            ("characters of a document", MAX_DOCUMENT),
            ("bytes of a request", MAX_REQUEST),
            ("bytes of a response, as a JSON string", MAX_RESPONSE),
            ("entries of a page, ids of `nodes`", MAX_PAGE),
        ],
    )


def _failures() -> str:
    types = schema._schema.type_map  # noqa: SLF001  # graphql-core's
    error = types["Error"]
    unions = [each for each in types.values() if isinstance(each, GraphQLUnionType)]
    members = {
        member.name: member
        for union in unions
        for member in union.types
        if error in member.interfaces
    }
    return _table(
        ("Type", "Meaning", "Also has", "In"),
        [
            (
                f"`{name}`",
                member.description,
                ", ".join(f"`{field}`" for field in member.fields if field != "message") or "-",
                ", ".join(f"`{union.name}`" for union in unions if member in union.types),
            )
            for name, member in sorted(members.items())
        ],
    )


def _codes() -> str:
    return _table(
        ("`extensions.code`", "Status", "Meaning"),
        [
            (
                f"`{code}`",
                f"{STATUS.get(code, 400)}{' *' if code in DOCUMENT_ERRORS else ''}",
                MEANING[code],
            )
            for code in Code
        ],
    )


def _problems() -> str:
    members = {
        code_of(kind): [
            f"`{name}`" for name in kind.model_fields if name not in Problem.model_fields
        ]
        for kind in PROBLEMS
    }
    return _table(
        ("`code`", "Status", "Meaning", "What to do", "Also has"),
        [
            (
                f"`{code}`",
                kind.status,
                kind.title,
                kind.remedy,
                ", ".join(members.get(code, ())) or "-",
            )
            for code, kind in KINDS.items()
        ],
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(_shown, line))} |\n" for line in lines)


def _shown(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


if __name__ == "__main__":
    for each in tables():
        each.write_text(placed(each))
