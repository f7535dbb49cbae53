"""The searches by a blob and by a text: their arguments, their pages and their cursors."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

import unicodedata
from typing import Final, NamedTuple

import strawberry

from api.errors import Code, RequestError
from api.graphql.connections import PageInfo, page_info
from api.graphql.context import Context
from api.graphql.cursors import decode_cursor, encode_cursors
from core.domain.errors import InvalidValue
from core.domain.pagination import Page, check_first
from core.domain.similar import DUPLICATE_FROM, SIMILAR_FROM, SimilarBlob, SimilarKind

strawberry.enum(
    SimilarKind,
    description="DUPLICATE: copies of the same image, also resized, recompressed, converted to "
    "another type or cropped a little. SIMILAR: other images that look like it.",
)

SIMILAR: Final = (
    "Your other blobs that look like this one, most similar first. Null when it can't be compared: "
    "before it is labelled, when an earlier version labelled it (relabelBlob changes that), and "
    "when its detector does not support it, as Rekognition and so the service on AWS."
)
SIMILARITY: Final = (
    "How much it looks like the other, from 0 to 1. Compare it only with those of the same `kind`: "
    f"duplicates have {DUPLICATE_FROM:g} or more, others {SIMILAR_FROM:g} or more."
)


MAX_TEXT: Final = 300  # characters of a search
SEARCH: Final = (
    "Your blobs, those first that a text describes best. It ranks all of them that the configured "
    "network has labelled, so take the first pages. Null, with the error NOT_CONFIGURED, where the "
    "operator has configured no text encoder, and on AWS."
)
TEXT_SIMILARITY: Final = (
    "How well the text describes it, from -1 to 1. The scale is the network's: compare it only "
    "within one search."
)


class SimilarPage(NamedTuple):
    """A page of blobs, each with its cursor."""

    found: list[tuple[str, SimilarBlob]]
    info: PageInfo


async def find_similar(
    context: Context, blob_id: str, kind: SimilarKind, first: int, after: str | None
) -> SimilarPage | None:
    """Return a page of the caller's blobs that look like a blob. Raises InvalidValue."""
    scope = ("similar", context.owner, blob_id, kind)
    first = check_first(first)
    position = _position(scope, after)
    similar = context.services.similar
    if similar is None:
        return None
    page = await context.services.search(
        similar.find, context.owner, blob_id, kind, first=first, after=position
    )
    if page is None:
        return None
    return _page_of(scope, page, after)


async def search_blobs(context: Context, text: str, first: int, after: str | None) -> SimilarPage:
    """Return a page of the caller's blobs, those first that a text describes best.

    Raises InvalidValue, and RequestError where no text can be compared with pictures.
    """
    text = read_text(text)
    scope = ("search", context.owner, text)
    first = check_first(first)
    position = _position(scope, after)
    page = None
    if similar := context.services.similar:
        page = await context.services.search(
            similar.find_by_text, context.owner, text, first=first, after=position
        )
    if page is None:
        raise RequestError(
            Code.NOT_CONFIGURED,
            "This service can't search pictures by text. An operator can configure a text encoder "
            "(docs/detectors.md, 'Search by text'), except on AWS; blobs(filter: {labels: ...}) "
            "finds labels everywhere.",
        )
    return _page_of(scope, page, after)


def read_text(text: str) -> str:
    """Return a search's text in Unicode's form NFC, with single spaces. Raises InvalidValue."""
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if not 1 <= len(text) <= MAX_TEXT:
        raise InvalidValue("text", f"must have 1 to {MAX_TEXT} characters, not {len(text)}")
    if not text.isprintable():
        raise InvalidValue("text", "must have printable characters only")
    return text


def _position(scope: tuple[object, ...], after: str | None) -> tuple[float, int] | None:
    if not after:
        return None
    similarity, sequence = decode_cursor(scope, after, [float, int])
    return float(similarity), int(sequence)


def _page_of(scope: tuple[object, ...], page: Page[SimilarBlob], after: str | None) -> SimilarPage:
    cursors = encode_cursors(scope, [(each.similarity, each.sequence) for each in page.items])
    return SimilarPage(
        list(zip(cursors, page.items, strict=True)), page_info(cursors, page.has_next, after)
    )
