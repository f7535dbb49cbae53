"""The page of errors lists every code, and quotes messages that the code contains."""

from __future__ import annotations

import re
from http import HTTPStatus
from pathlib import Path
from typing import Final

from graphql import GraphQLObjectType, GraphQLUnionType

from api.errors import Code
from api.graphql.schema import schema
from api.rest.problems import KINDS
from core.domain.blob import FailureCode
from core.domain.delivery import AttemptError
from embedded.cli.main import EXIT_FAILURE, EXIT_INTERRUPTED, EXIT_USAGE

ROOT: Final = Path(__file__).parents[2]
SECTIONS: Final = dict(
    re.findall(
        r"^## (.+?)\n(.*?)(?=^## |\Z)",
        (ROOT / "docs/errors.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
)
PACKAGES: Final = ("api", "core", "embedded", "labeller", "notifier")
GRAPHQL_CORE: Final = {  # messages of the library
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
    "OPERATION_RESOLUTION_FAILURE",
    "BAD_USER_INPUT",
}


def rows(section: str) -> list[list[str]]:
    lines = re.findall(r"^\| (.*) \|$", SECTIONS[section], re.MULTILINE)
    return [line.split(" | ") for line in lines[2:]]


def codes(section: str) -> list[str]:
    return [row[0].strip("`") for row in rows(section)]


def test_every_code_of_an_operation_is_listed() -> None:
    assert codes("Operations") == [code.value for code in Code]


def test_every_result_type_is_listed() -> None:
    types = schema._schema.type_map
    error = types["Error"]
    members = {
        member.name
        for union in types.values()
        if isinstance(union, GraphQLUnionType)
        for member in union.types
        if isinstance(member, GraphQLObjectType) and error in member.interfaces
    }
    assert codes("Results of mutations") == sorted(members)


def test_every_problem_of_a_rest_route_is_listed_with_its_status_and_title() -> None:
    listed = [(row[0].strip("`"), row[1], row[2]) for row in rows("REST routes")]
    assert listed == [(code, str(kind.status), kind.title) for code, kind in KINDS.items()]


def test_every_error_of_a_webhook_is_listed() -> None:
    assert codes("Webhooks") == [each.name for each in AttemptError]


def test_every_exit_status_of_the_command_line_is_listed() -> None:
    statuses = (0, EXIT_FAILURE, EXIT_USAGE, EXIT_INTERRUPTED)
    assert codes("The command line") == [str(each) for each in statuses]
    in_reference = re.findall(r"^\| (\d+) \|", (ROOT / "docs/cli.md").read_text(), re.MULTILINE)
    assert codes("The command line") == in_reference


def test_every_row_has_a_cause_and_a_remedy() -> None:
    for section in SECTIONS:
        for row in rows(section):
            assert all(cell.strip() for cell in row[-2:]), row


def test_every_failure_of_a_picture_is_listed() -> None:
    assert codes("Failures of a picture") == [code.value for code in FailureCode]


def test_every_code_of_the_object_routes_is_listed_with_its_status() -> None:
    files = ("object_routes.py", "stored_file.py", "upload_checks.py")
    source = "".join((ROOT / "embedded/http" / name).read_text() for name in files)
    raised = {(code, status) for status, code in re.findall(r"(\d{3}),\s+\"(\w+)\"", source)}
    listed = {(row[0].strip("`"), row[1]) for row in rows("Uploads and downloads")}
    assert listed == raised


def test_every_code_of_a_connection_is_listed_with_its_status() -> None:
    source = (ROOT / "embedded/http/connection_limits.py").read_text()
    raised = {
        (code, str(HTTPStatus[status].value))
        for status, code in re.findall(r"HTTPStatus\.(\w+),\s+\"(\w+)\"", source)
    }
    assert {(row[0].strip("`"), row[1]) for row in rows("Connections")} == raised


def test_quoted_messages_are_those_of_the_code() -> None:
    """The parts of a message between its values occur in the source."""
    source = " ".join(
        path.read_text() for package in PACKAGES for path in (ROOT / package).rglob("*.py")
    )
    # As the interpreter joins them: pieces of a string that follow each other are one.
    source = re.sub(r"\"\s*(?:#[^\n]*\n\s*)?f?\"", "", source)
    columns = {
        "REST routes": 2,
        "Uploads and downloads": 2,
        "Connections": 2,
        "The service does not start": 0,
    }
    for section in SECTIONS:
        if section == "In the browser":
            continue
        for row in rows(section):
            if row[0].strip("`") in GRAPHQL_CORE:
                continue
            message = row[columns.get(section, 1)]
            for part in message.split("..."):
                fixed = part.strip(" :;,.'")
                assert len(fixed) < 4 or fixed in source, message
