"""The messages of graphql-transport-ws."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.websocket import protocol
from api.websocket.protocol import (
    Closed,
    Complete,
    Init,
    Ping,
    Pong,
    Subscribe,
    authorization_of,
    read,
)

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
KINDS = ["connection_init", "ping", "pong", "subscribe", "complete", "next", "connection_ack"]
NEARLY = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS) | ANYTHING},
    optional={
        "id": st.text() | ANYTHING,
        "payload": ANYTHING
        | st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(("query", "variables", "operationName", "extensions"), ANYTHING),
        ),
    },
)


@pytest.mark.parametrize(
    ("sent", "means"),
    [
        ({"type": "connection_init"}, Init()),
        ({"type": "connection_init", "payload": None}, Init()),
        ({"type": "connection_init", "payload": {"a": 1}}, Init({"a": 1})),
        ({"type": "ping", "payload": {"any": "thing"}}, Ping()),
        ({"type": "pong"}, Pong()),
        ({"type": "complete", "id": "1"}, Complete("1")),
        (
            {"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "extensions": None}},
            Subscribe("1", "{ a }"),
        ),
        (
            {
                "type": "subscribe",
                "id": "1",
                "payload": {
                    "query": "{ a }",
                    "variables": {"b": 2},
                    "operationName": "C",
                    "extensions": {"d": 4},
                },
            },
            Subscribe("1", "{ a }", {"b": 2}, "C", {"d": 4}),
        ),
    ],
)
def test_every_client_message_is_read(sent: dict[str, Any], means: protocol.Message) -> None:
    assert read(json.dumps(sent), 1000) == means


@given(NEARLY | ANYTHING)
def test_any_text_is_read_or_closes_the_socket(sent: Any) -> None:
    """It raises nothing else, and an operation always has an id."""
    refused, message = None, None
    try:
        message = read(json.dumps(sent), 100_000)
    except Closed as closed:
        refused = closed
    if refused:
        assert refused.code == 4400
        assert len(refused.reason.encode()) <= 123  # RFC 6455, 5.5
    assert not isinstance(message, Subscribe | Complete) or message.id


@given(st.text())
def test_text_with_lone_surrogates_closes_the_socket(text: str) -> None:
    with pytest.raises(Closed):
        read(text + "\ud800", 100_000)


def test_too_long_message_is_rejected_before_it_is_parsed() -> None:
    """Its length is counted in bytes, not characters."""
    read(json.dumps({"type": "ping", "payload": {"a": "u"}}), 39)
    with pytest.raises(Closed, match="at most 39 bytes"):
        read(json.dumps({"type": "ping", "payload": {"a": "ü"}}, ensure_ascii=False), 39)


@given(st.text(st.characters()))
def test_close_reason_fits_into_a_close_frame(operation: str) -> None:
    """For an operation id of any length."""
    assert len(protocol.operation_exists(operation * 100).reason.encode()) <= 123


@pytest.mark.parametrize(
    ("payload", "headers", "found"),
    [
        ({}, {}, None),
        ({"authorization": "a"}, {"authorization": "b"}, "a"),
        ({"Authorization": "a"}, {}, "a"),
        ({"authorization": 1}, {"AUTHORIZATION": "b"}, "b"),
    ],
)
def test_authorization_is_in_the_message_or_the_handshake(
    payload: dict[str, Any], headers: dict[str, str], found: str | None
) -> None:
    """The message takes precedence."""
    assert authorization_of(payload, headers) == found
