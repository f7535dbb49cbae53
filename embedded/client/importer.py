"""Upload files through the public API, each picture once."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from core.domain.errors import LabellingError
from core.domain.facts import cleaned_name
from embedded.client.api import NotAllowed, RequestRejected, Unreachable
from embedded.client.files import digest_of, read_chunks
from embedded.client.import_report import FileResult, Outcome
from labeller.imaging.header import PREFIX_BYTES, describe, type_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from core.domain.blob import ImageType
    from embedded.client.api import ApiClient

_MIN_WAIT: Final = 0.5  # seconds before createUpload is repeated after QuotaExceeded
_MAX_WAIT: Final = 5.0
# Failures of the same bytes that another upload may not meet.
_WORTH_ANOTHER_UPLOAD: Final = frozenset(
    {"CONTENT_TYPE_MISMATCH", "ORIGINAL_MISSING", "LABELLER_UNAVAILABLE"}
)
_BAD_DIGEST: Final = 400  # S3's BadDigest, and the same status of the embedded service

FIND: Final = """
query ($sha256: String!) {
  blobs(first: 5, filter: {sha256: $sha256, status: [LABELLING, LABELLED, FAILED]}) {
    nodes { id status failure { code } }
  }
}
"""
CREATE: Final = """
mutation ($input: CreateUploadInput!) {
  createUpload(input: $input) {
    __typename
    ... on CreatedUpload { blob { id status } target { method url headers { name value } } }
    ... on InvalidInput { problems { field message } }
    ... on QuotaExceeded { retryAt }
    ... on Error { message }
  }
}
"""
RENEW: Final = """
mutation ($id: ID!) {
  renewUpload(blobId: $id) {
    ... on RenewedUpload { target { method url headers { name value } } }
    ... on WrongState { status }
    ... on Error { message }
  }
}
"""


class ImportAborted(LabellingError):
    """The import cannot continue: every further file would fail too."""


class Importer:
    """Uploads files. Safe to call from several threads at once.

    `options` are fields of CreateUploadInput sent with every upload (callbackUrl, maxLabels,
    minConfidence). `say` receives messages for the user.
    """

    def __init__(
        self, api: ApiClient, options: dict[str, Any], say: Callable[[str], None] = lambda _: None
    ) -> None:
        self._api = api
        self._options = options
        self._say = say
        self._seen: dict[str, Path] = {}
        self._lock = threading.Lock()
        self._reported_retry_at: str | None = None

    def upload(self, path: Path) -> FileResult:
        """Upload a file unless the service has its bytes.

        Raises:
            ImportAborted: nothing can be uploaded, whatever the file.
            Stopped: the client's `stopping` was set.

        """
        try:
            return self._upload(path)
        except OSError as exc:
            return FileResult(path, Outcome.FAILED, f"cannot be read: {exc.strerror or exc}")
        except RequestRejected as exc:
            return FileResult(path, Outcome.FAILED, str(exc))
        except (Unreachable, NotAllowed) as exc:
            raise ImportAborted(str(exc)) from exc

    def _upload(self, path: Path) -> FileResult:
        if not path.is_file():
            return FileResult(path, Outcome.SKIPPED, "not a regular file")
        with path.open("rb") as file:
            prefix = file.read(PREFIX_BYTES)
        image_type = type_of(prefix)
        if image_type is None:
            reason = f"not a supported image type ({describe(prefix)})"
            return FileResult(path, Outcome.SKIPPED, reason)
        digest, size = digest_of(path)
        with self._lock:
            first = self._seen.setdefault(digest, path)
        if first is not path:
            return FileResult(path, Outcome.ALREADY_THERE, f"same bytes as {first}")
        if self._is_known(digest):
            return FileResult(path, Outcome.ALREADY_THERE)
        return self._upload_new(path, image_type, digest, size)

    def _is_known(self, digest: str) -> bool:
        found = self._api.execute(FIND, sha256=digest)["blobs"]["nodes"]
        codes = [each["failure"]["code"] if each["failure"] else None for each in found]
        return any(code not in _WORTH_ANOTHER_UPLOAD for code in codes)

    def _upload_new(self, path: Path, image_type: ImageType, digest: str, size: int) -> FileResult:
        fields = {
            **self._options,
            "contentType": image_type.name,
            "sizeBytes": size,
            "sha256": digest,
            "fileName": cleaned_name(path.name),
        }
        # The key depends on the bytes alone: an interrupted import continues with the same blob.
        created = self._create({**fields, "idempotencyKey": f"import {digest}"})
        if created["__typename"] == "IdempotencyKeyReused" or (
            created["__typename"] == "CreatedUpload" and created["blob"]["status"] == "EXPIRED"
        ):  # the key belongs to an upload with other options, or to one that is over
            created = self._create({**fields, "idempotencyKey": str(uuid.uuid4())})
        match created["__typename"]:
            case "CreatedUpload":
                return self._put(path, size, created["blob"]["id"], created["target"])
            case "CallbackUrlRefused":
                raise ImportAborted(created["message"])
            case "InvalidInput":
                reason = "; ".join(f"{p['field']} {p['message']}" for p in created["problems"])
                return FileResult(path, Outcome.FAILED, reason)
            case _:
                return FileResult(path, Outcome.FAILED, created["message"])

    def _create(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Call createUpload, again and again while the quota is exceeded."""
        while True:
            created: dict[str, Any] = self._api.execute(CREATE, input=fields)["createUpload"]
            if created["__typename"] != "QuotaExceeded":
                return created
            retry_at = created["retryAt"]
            with self._lock:
                is_news, self._reported_retry_at = retry_at != self._reported_retry_at, retry_at
            if is_news:
                self._say(f"{created['message']} Waiting.")
            left = (datetime.fromisoformat(retry_at) - datetime.now(UTC)).total_seconds()
            self._api.wait(min(max(left, _MIN_WAIT), _MAX_WAIT))

    def _put(
        self, path: Path, size: int, blob_id: str, target: dict[str, Any] | None
    ) -> FileResult:
        """Send the bytes to the upload URL; renew the URL once if it is expired."""
        if target is None:  # an earlier attempt arrived
            return FileResult(path, Outcome.ALREADY_THERE, blob_id=blob_id)
        for renewed in (False, True):
            headers = {each["name"]: each["value"] for each in target["headers"]}
            headers["content-length"] = str(size)
            response = self._api.send(
                target["method"], target["url"], headers, lambda: read_chunks(path)
            )
            match response.status_code:
                case 200:
                    return FileResult(path, Outcome.UPLOADED, size=size, blob_id=blob_id)
                case 409 | 412:  # an earlier attempt arrived, and its response was lost
                    return FileResult(path, Outcome.ALREADY_THERE, blob_id=blob_id)
                case 403 if not renewed:
                    renewal = self._api.execute(RENEW, id=blob_id)["renewUpload"]
                    if "target" not in renewal:
                        if renewal.get("status") in ("LABELLING", "LABELLED", "FAILED"):
                            return FileResult(path, Outcome.ALREADY_THERE, blob_id=blob_id)
                        return FileResult(path, Outcome.FAILED, renewal["message"])
                    target = renewal["target"]
                case status:
                    return FileResult(path, Outcome.FAILED, _failure_reason(status, response.text))
        raise AssertionError("the second round of the loop always returns")


def _failure_reason(status: int, body: str) -> str:
    if status == _BAD_DIGEST:
        return "the file changed during the upload; import it again"
    return f"the object store answered {status}: {' '.join(body.split())[:200]}"
