"""Errors as clients see them, and as the log shows them."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from api.errors import MASKED
from core.domain.errors import Unavailable
from core.runtime.logging import AddLogContext
from tests.support.graphql_client import GraphQL
from tests.support.services.embedded_stores import EmbeddedStores

ONE = "query ($id: ID!) { blob(id: $id) { id } other: blob(id: $id) { id } }"
CREATE = "mutation { createUpload(input: {contentType: JPEG}) { __typename } }"


def failing(error: Exception) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    "error", [RuntimeError("password=hunter2"), KeyError("hunter2"), AssertionError("hunter2")]
)
def test_an_unexpected_error_is_masked_and_logged(
    stores: EmbeddedStores,
    anna: GraphQL,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    """The log has the exception with its traceback, once.

    The client receives the id of that log line.
    """
    monkeypatch.setattr(type(stores.blobs), "create", failing(error))
    with caplog.filtering(AddLogContext()):
        answer = anna.post(CREATE)
    assert answer.status_code == 200
    body = answer.json()
    assert body["data"] is None
    (shown,) = body["errors"]
    assert shown["message"] == MASKED
    request_id = shown["extensions"].pop("requestId")
    assert shown["extensions"] == {"code": "INTERNAL_SERVER_ERROR"}
    assert shown["path"] == ["createUpload"]
    assert "hunter2" not in answer.text
    (record,) = caplog.records
    assert record.name == "api.errors"
    assert record.levelno == logging.ERROR
    assert record.exc_info
    assert record.exc_info[1] is error
    assert vars(record)["request_id"] == request_id


def test_every_failing_field_has_its_own_error(
    stores: EmbeddedStores, anna: GraphQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each error has its path; nullable fields are null."""
    monkeypatch.setattr(type(stores.blobs), "find", failing(RuntimeError("no")))
    body = anna.post(ONE, id="x").json()
    assert body["data"] == {"blob": None, "other": None}
    assert sorted(error["path"] for error in body["errors"]) == [["blob"], ["other"]]


def test_unavailable_store_gives_service_unavailable(
    stores: EmbeddedStores,
    anna: GraphQL,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The message says to try again. The cause is only in the log."""
    monkeypatch.setattr(type(stores.blobs), "create", failing(Unavailable("/var/data is full")))
    (shown,) = anna.post(CREATE).json()["errors"]
    assert shown["extensions"].pop("requestId")
    assert shown["extensions"] == {"code": "SERVICE_UNAVAILABLE"}
    assert "Try again" in shown["message"]
    assert "/var" not in shown["message"]
    assert [vars(line)["error"] for line in caplog.records] == ["/var/data is full"]


def test_unavailable_store_of_keys_gives_503(
    stores: EmbeddedStores,
    anna: GraphQL,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The caller is unknown, which is not the same as unauthenticated."""
    monkeypatch.setattr(type(stores.owners), "find_key", failing(Unavailable("locked")))
    with caplog.filtering(AddLogContext()):
        answer = anna.post("{ __typename }")
    assert answer.status_code == 503
    extensions = answer.json()["errors"][0]["extensions"]
    (record,) = caplog.records
    assert vars(record)["request_id"] == extensions.pop("requestId")
    assert extensions == {"code": "SERVICE_UNAVAILABLE"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nonsense }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ blob { id } }", "GRAPHQL_VALIDATION_FAILED"),
        ("query ($id: ID!) { blob(id: $id) { id } }", "BAD_USER_INPUT"),
    ],
)
def test_client_errors_are_shown_in_full_and_not_logged(
    anna: GraphQL, query: str, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Syntax, names and variables: the message is graphql-core's, with the location."""
    error = anna.error(query)
    assert error["extensions"] == {"code": code}
    assert error["message"] != MASKED
    assert error["locations"]
    assert caplog.records == []


def test_value_out_of_range_is_reported_and_not_logged(
    anna: GraphQL, caplog: pytest.LogCaptureFixture
) -> None:
    """BAD_USER_INPUT names the argument and the allowed values."""
    error = anna.error("{ blobs(first: 0) { nodes { id } } }")
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "first"}
    assert error["message"] == "first: must be from 1 to 100, not 0"
    assert (error["path"], error["locations"]) == (["blobs"], [{"line": 1, "column": 3}])
    assert caplog.records == []
