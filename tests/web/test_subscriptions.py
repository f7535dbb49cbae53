"""Subscriptions as real clients send them: graphql-ws, graphql-sse, Apollo Client, urql, Relay."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.images.photos import photo
from tests.support.listening import Listening, require_graphql_ws
from tests.support.services.process import ServiceProcess, put

EVENTS = """
subscription ($filter: EventFilter) {
  blobEvents(filter: $filter) { id kind blob { id status labels { name } } }
}
"""


Listen = Callable[..., Listening]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Subscribe by "ws", "sse", "multipart", "urql", "urql over HTTP" or "relay"."""
    require_graphql_ws()
    at_hand = []

    def start(by: str, url: str, query: str, **variables: Any) -> Listening:
        asked: dict[str, Any] = {"query": query, "variables": variables}
        if by == "ws":
            script = "listen.mjs"
            asked = {"url": f"{url.replace('http', 'ws', 1)}/graphql", "operations": [asked]}
        else:
            script = "listen_http.mjs" if by in ("sse", "multipart") else "listen_libraries.mjs"
            asked |= {"url": f"{url}/graphql", "by": by}
        at_hand.append(listening := Listening(script, asked))
        if by == "ws":
            assert [listening.next(), listening.next()] == [{"opened": True}, {"connected": True}]
        return listening

    yield start
    for each in at_hand:
        each.close()


def data(line: dict[str, Any]) -> dict[str, Any]:
    """Return the result in a line."""
    assert "next" in line, line
    assert "errors" not in line["next"], line
    told: dict[str, Any] = line["next"]["data"]
    return told


@pytest.mark.parametrize("by", ["ws", "sse", "multipart", "urql", "urql over HTTP", "relay"])
def test_a_client_follows_a_picture_from_its_promise_to_its_labels(
    service_url: str, service: ServiceProcess, listen: Listen, by: str
) -> None:
    """The state at once, then what becomes of it, live; then it is over."""
    target = service.create_upload("PNG")
    listening = listen(by, service_url, EVENTS, filter={"blobIds": [target["blob_id"]]})
    assert data(listening.next())["blobEvents"]["kind"] == "CREATED"
    put(target, photo("chelsea.png"))
    told = [data(line)["blobEvents"] for line in listening.rest() if "next" in line]
    assert [event["kind"] for event in told] == ["UPLOADED", "LABELLED"]
    assert "Cat" in [label["name"] for label in told[-1]["blob"]["labels"]]
    assert {event["blob"]["id"] for event in told} == {target["blob_id"]}


@pytest.mark.parametrize("by", ["ws", "sse", "multipart"])
def test_a_client_hears_of_the_pictures_that_carry_a_label(
    service_url: str, service: ServiceProcess, listen: Listen, by: str
) -> None:
    """In any case; of others it hears nothing. It stops when it likes."""
    labels = {"all": ["ESPRESSO"], "minConfidence": 60}
    wanted = {"kinds": ["LABELLED"], "labels": labels}
    listening = listen(by, service_url, EVENTS, filter=wanted)
    settle(service, listen, by)
    others = [service.upload(photo("chelsea.png")), service.upload(photo("coffee.png"))]
    told = data(listening.next())["blobEvents"]["blob"]
    assert told["id"] == others[1]
    assert told["status"] == "LABELLED"
    assert any(each["name"] == "Espresso" for each in told["labels"])
    listening.say()
    assert [line for line in listening.rest() if "next" in line] == []


def settle(service: ServiceProcess, listen: Listen, by: str) -> None:
    """Wait until a subscription begun before this is surely heard."""
    target = service.create_upload("PNG")
    data(listen(by, service.url, EVENTS, filter={"blobIds": [target["blob_id"]]}).next())


@pytest.mark.parametrize("by", ["urql", "urql over HTTP", "relay"])
def test_libraries_report_an_invalid_filter(service_url: str, listen: Listen, by: str) -> None:
    """As an error of GraphQL, and then the subscription is over."""
    wanted = {"labels": {"minConfidence": 60}}
    lines = listen(by, service_url, EVENTS, filter=wanted).rest()
    assert "minConfidence: applies to the labels that are named" in json.dumps(lines[0])
    assert [line for line in lines if "data" in line.get("next", {}) and line["next"]["data"]] == []


@pytest.mark.parametrize("by", ["ws", "sse", "multipart"])
def test_a_blob_that_is_not_there_is_an_error(service_url: str, listen: Listen, by: str) -> None:
    """With the code for it, and then it is over."""
    first, *rest = listen(
        by, service_url, EVENTS, filter={"blobIds": ["01KYAPP62SWHJ3Z8EFVNKPPWB6"]}
    ).rest()
    errors = first["next"]["errors"] if by != "multipart" else first["next"]["error"]["errors"]
    assert [each["extensions"]["code"] for each in errors] == ["NOT_FOUND"]
    assert [line for line in rest if "next" in line or "error" in line] == []


@pytest.mark.parametrize("by", ["ws", "sse"])
def test_queries_and_mutations_are_answered_there_too(
    service_url: str, listen: Listen, by: str
) -> None:
    """Once, and then it is over."""
    for document, name in (
        ("{ blobs(first: 1) { nodes { id } } }", "blobs"),
        ("mutation { createUpload(input: {contentType: JPEG}) { __typename } }", "createUpload"),
    ):
        first, *rest = listen(by, service_url, document).rest()
        assert name in data(first)
        assert first["next"]["extensions"]["cost"]["requested"] > 0
        assert {"complete": True}.items() <= rest[0].items()


@pytest.mark.parametrize("by", ["ws", "sse", "multipart"])
def test_what_is_not_valid_is_refused(service_url: str, listen: Listen, by: str) -> None:
    """With the errors that a query would have."""
    lines = listen(by, service_url, "subscription { blobEvents { nothing } }").rest()
    assert "GRAPHQL_VALIDATION_FAILED" in json.dumps(lines)
    assert '"data": {' not in json.dumps(lines)
