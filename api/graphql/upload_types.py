"""The GraphQL types of an upload's target."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from datetime import datetime
from typing import TYPE_CHECKING

import strawberry

from api.graphql.scalars import Url

if TYPE_CHECKING:
    from core.storage.base import UploadTarget as Target


@strawberry.type(description="A header of an HTTP request.")
class HttpHeader:
    """A header by name and value."""

    name: str = strawberry.field(description="Name of the header.")
    value: str = strawberry.field(description="Value of the header.")


@strawberry.type(description="Where and how to send the image's bytes.")
class UploadTarget:
    """A signed URL, and what to send to it."""

    method: str = strawberry.field(description="HTTP method: PUT.")
    url: Url = strawberry.field(
        description="URL, signed for this upload. Anyone who has it can send the bytes."
    )
    headers: list[HttpHeader] = strawberry.field(
        description="Headers to send, exactly as they are here."
    )
    expires_at: datetime = strawberry.field(
        description="When the URL expires: the upload must begin before. renewUpload returns a "
        "new URL."
    )
    max_bytes: int = strawberry.field(description="Maximum size of the upload, in bytes.")

    @staticmethod
    def of(target: "Target") -> "UploadTarget":
        """Return an upload target as GraphQL shows it."""
        return UploadTarget(
            method=target.method,
            url=Url(target.url),
            headers=[HttpHeader(name=name, value=value) for name, value in target.headers],
            expires_at=target.expires_at,
            max_bytes=target.max_bytes,
        )
