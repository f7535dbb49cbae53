"""Opaque cursors of keyset paging."""

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
def test_cursor_decodes_to_its_key(key: tuple[float, str]) -> None:
    """Exactly, and it needs no escaping in a URL."""
    cursor = encode_cursor(SCOPE, key)
    assert decode_cursor(SCOPE, cursor, [float, str]) == key
    assert all(c.isalnum() or c in "-_" for c in cursor)


@given(st.text())
def test_arbitrary_text_is_rejected(cursor: str) -> None:
    """InvalidCursor names the argument and the remedy."""
    with pytest.raises(InvalidCursor, match="endCursor") as caught:
        decode_cursor(SCOPE, cursor, [str])
    assert caught.value.field == "after"


@given(KEYS, st.data())
def test_changed_cursor_is_rejected(key: tuple[float, str], data: st.DataObject) -> None:
    """With one character more, less or different, at any place."""
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
        assert read == key  # some bits of the last character are unused


@pytest.mark.parametrize("scope", [("blobs", "bert"), ("labels", "anna"), ("blobs",), ()])
def test_cursor_of_another_query_is_rejected(scope: tuple[str, ...]) -> None:
    """Of another owner or another list."""
    with pytest.raises(InvalidCursor):
        decode_cursor(scope, encode_cursor(SCOPE, ("a",)), [str])


@pytest.mark.parametrize("shape", [[], [float], [str, str], [bool]])
def test_key_with_other_types_is_rejected(shape: list[type]) -> None:
    """Before it reaches a store."""
    with pytest.raises(InvalidCursor):
        decode_cursor(SCOPE, encode_cursor(SCOPE, ("a",)), shape)


@pytest.mark.parametrize(
    "value", [None, 1, {}, [], "text", [["deeper"]], "[" * 100_000], ids=lambda v: repr(v)[:12]
)
def test_other_json_is_rejected(value: object) -> None:
    """Also when it is deeply nested."""
    text = value if isinstance(value, str) and value.startswith("[") else json.dumps(value)
    cursor = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    with pytest.raises(InvalidCursor):
        decode_cursor(SCOPE, cursor, [str])
