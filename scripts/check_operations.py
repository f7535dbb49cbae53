"""Check the gallery's operations against the schema: `python -m scripts.check_operations`.

The operations are the template literals of two modules, which may contain others by name.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from graphql import (
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    build_schema,
    parse,
    validate,
)

ROOT: Final = Path(__file__).parents[1]
API: Final = ROOT / "web" / "gallery" / "src" / "api"
MODULES: Final = (API / "operations.js", API / "operations-on-demand.js")
TEMPLATE: Final = re.compile(r"const (\w+) = /\* GraphQL \*/ `(.*?)`;", re.DOTALL)


def main() -> int:
    """Print what is wrong; return the exit status."""
    schema = build_schema((ROOT / "schema.graphql").read_text())
    found = 0
    for name, text in operations().items():
        for problem in problems(schema, text):
            found += 1
            print(f"{API.relative_to(ROOT)}: {name}: {problem}", file=sys.stderr)
    return min(found, 1)


def operations() -> dict[str, str]:
    """Return the gallery's operations and fragments by the names of their constants."""
    return documents("".join(module.read_text() for module in MODULES))


def problems(schema: GraphQLSchema, document: str) -> list[str]:
    """Return what is wrong with a document; a fragment alone is a part of others."""
    try:
        parsed = parse(document)
    except GraphQLError as error:
        return [error.message]
    if all(isinstance(each, FragmentDefinitionNode) for each in parsed.definitions):
        return []
    return [error.message for error in validate(schema, parsed)]


def documents(module: str) -> dict[str, str]:
    """Return each GraphQL document of JavaScript modules by the name of its constant."""
    texts: dict[str, str] = {}
    for name, text in TEMPLATE.findall(module):
        texts[name] = re.sub(r"\$\{(\w+)\}", lambda match: texts[match[1]], text)
    return texts


if __name__ == "__main__":
    sys.exit(main())
