"""Opaque keyset cursors."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.graphql.cursors import decode_cursor, encode_cursor
from core.domain.errors import InvalidCursor

SCOPE = ("blobs", "anna")
KEYS = st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.text())


@given(KEYS)
def test_a_cursor_is_read_back_into_its_key(key: tuple[float, str]) -> None:
    """Exactly, and it needs no escaping in a URL."""
    cursor = encode_cursor(SCOPE, key)
    assert decode_cursor(SCOPE, cursor, [float, str]) == key
    assert all(c.isalnum() or c in "-_" for c in cursor)


@given(st.text())
def test_anything_else_is_refused(cursor: str) -> None:
    """Always as InvalidCursor, which names the argument and the remedy."""
    with pytest.raises(InvalidCursor, match="endCursor") as caught:
        decode_cursor(SCOPE, cursor, [str])
    assert caught.value.field == "after"


@given(KEYS, st.data())
def test_a_cursor_that_was_changed_is_refused(key: tuple[float, str], data: st.DataObject) -> None:
    """Anywhere, by a character more, less or another."""
    cursor = encode_cursor(SCOPE, key)
    place = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.sampled_from("AZaz09-_"))
    for changed in (
        cursor[:place] + other + cursor[place + 1 :],
        cursor[:place] + other + cursor[place:],
        cursor[:place] + cursor[place + 1 :],
    ):
        try:
            read = decode_cursor(SCOPE, changed, [float, str])
        except InvalidCursor:
            continue
        assert read == key  # of the last character not every bit counts


@pytest.mark.parametrize("scope", [("blobs", "bert"), ("labels", "anna"), ("blobs",), ()])
def test_a_cursor_of_another_query_is_refused(scope: tuple[str, ...]) -> None:
    """Another owner's, another list's."""
    with pytest.raises(InvalidCursor):
        decode_cursor(scope, encode_cursor(SCOPE, ("a",)), [str])


@pytest.mark.parametrize("shape", [[], [float], [str, str], [bool]])
def test_a_key_of_another_shape_is_refused(shape: list[type]) -> None:
    """Before it reaches a store."""
    with pytest.raises(InvalidCursor):
        decode_cursor(SCOPE, encode_cursor(SCOPE, ("a",)), shape)


@pytest.mark.parametrize(
    "value", [None, 1, {}, [], "text", [["deeper"]], "[" * 100_000], ids=lambda v: repr(v)[:12]
)
def test_json_that_is_no_cursor_is_refused(value: object) -> None:
    """Deeply nested JSON too."""
    text = value if isinstance(value, str) and value.startswith("[") else json.dumps(value)
    cursor = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    with pytest.raises(InvalidCursor):
        decode_cursor(SCOPE, cursor, [str])
