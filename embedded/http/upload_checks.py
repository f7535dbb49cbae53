"""Checks of an upload's headers and bytes against the terms of its signed URL. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.domain.errors import LabellingError
from core.storage.files import CHECKSUM_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.storage.durable_files import IncomingFile


class ObjectRequestError(LabellingError):
    """An upload or download that can't be done; carries its status and error code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def check_headers(terms: Mapping[str, str], headers: Mapping[str, str]) -> int:
    """Check the headers of an upload; return its length in bytes. Raises ObjectRequestError."""
    _check_whole_and_plain(headers)
    content_type = headers.get("content-type", "")
    if content_type.strip().lower() != terms["content-type"]:
        raise ObjectRequestError(
            415,
            "ContentTypeMismatch",
            f"Send 'Content-Type: {terms['content-type']}', not "
            + (f"{content_type!r}." if content_type else "a request without Content-Type."),
        )
    text = headers.get("content-length", "")
    if not (text.isascii() and text.isdigit()):
        raise ObjectRequestError(411, "MissingContentLength", "Send a Content-Length header.")
    length, largest = int(text), int(terms["max-bytes"])
    if length > largest:
        raise ObjectRequestError(
            413, "EntityTooLarge", f"The image has {length} bytes. The limit is {largest}."
        )
    if length == 0:
        raise ObjectRequestError(400, "EmptyBody", "Send the image's bytes as the body.")
    if "content-length" in terms and length != int(terms["content-length"]):
        raise ObjectRequestError(
            400,
            "ContentLengthMismatch",
            f"The upload was created for {terms['content-length']} bytes. Content-Length is "
            f"{length}.",
        )
    declared = terms.get(CHECKSUM_HEADER)
    if declared is not None and headers.get(CHECKSUM_HEADER) != declared:
        raise ObjectRequestError(400, "ChecksumMismatch", f"Send '{CHECKSUM_HEADER}: {declared}'.")
    return length


def _check_whole_and_plain(headers: Mapping[str, str]) -> None:
    """Reject what would be stored as something else than the image (RFC 9110, 8.4 and 14.4)."""
    coding = headers.get("content-encoding", "identity")
    if coding.strip().lower() != "identity":
        raise ObjectRequestError(
            415,
            "UnsupportedContentEncoding",
            f"The body has the Content-Encoding {coding!r}. Send the image's bytes as they are, "
            "without this header.",
        )
    if "content-range" in headers:
        raise ObjectRequestError(
            400,
            "PartialUpload",
            "An upload can't be sent in parts. Send the whole image, without Content-Range.",
        )


def check_content(
    terms: Mapping[str, str], headers: Mapping[str, str], incoming: IncomingFile, length: int
) -> None:
    """Check the received bytes. Raises ObjectRequestError."""
    if incoming.size != length:
        raise ObjectRequestError(
            400, "IncompleteBody", f"{incoming.size} of {length} bytes arrived. Send all of them."
        )
    for declared in (terms.get(CHECKSUM_HEADER), headers.get(CHECKSUM_HEADER)):
        if declared is not None and declared != incoming.sha256:
            raise ObjectRequestError(
                400, "BadDigest", f"The received bytes' SHA-256 is {incoming.sha256}."
            )
