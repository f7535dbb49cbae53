"""Whether the bucket of originals answers."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from core.backends.aws_errors import error_code
from core.domain.errors import LabellingError
from core.storage.s3 import S3Storage
from embedded.data.originals import stored_address
from embedded.s3 import read_address, s3_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.backends.sqlite import Database

log = logging.getLogger(__name__)

BUCKET_SECONDS: Final = 20.0  # between two requests
REQUEST_SECONDS: Final = 5  # for one request, which is not repeated
STALE_SECONDS: Final = 60.0  # after which a missing answer counts as a failure
_NOWHERE: Final = ".labelling-probe/"  # the keys that the request lists: there are none


class BucketCheck:
    """Lists no keys of the bucket at each call, and remembers whether it answered.

    A data folder without a bucket has nothing to check.
    """

    def __init__(self, database: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._bucket = _open(stored_address(database))
        self._monotonic = monotonic
        self._answered = monotonic()
        self._error: str | None = None

    def __call__(self) -> None:
        """Send one request."""
        if self._bucket is None:
            return
        try:
            next(self._bucket.keys(_NOWHERE), None)
        except LabellingError as error:
            self._note(error)
        else:
            self._note(None)

    def health_error(self) -> str | None:
        """Return what is wrong with the bucket; None if nothing is. Sends no request.

        Everybody may read it: it names neither the bucket nor its address nor an account.
        """
        if self._bucket is None:
            return None
        silent = self._monotonic() - self._answered
        if silent > STALE_SECONDS:
            return f"The bucket has not answered for {silent:.0f} s. Check the network."
        return self._error

    def _note(self, error: LabellingError | None) -> None:
        if (error is None) != (self._error is None):
            log.log(
                logging.INFO if error is None else logging.ERROR,
                "the bucket answers again" if error is None else "the bucket does not answer",
                extra={} if error is None else {"error": str(error)},
            )
        self._error = None if error is None else _problem(error)
        self._answered = self._monotonic()


def _problem(error: LabellingError) -> str:
    """Return what readiness says of an error: the code of S3's, or the kind of failure."""
    reason = error_code(error.__cause__) or type(error.__cause__ or error).__name__
    return (
        f"The bucket does not answer ({reason}). Check the bucket, its credentials and the "
        "network; the log has the error."
    )


def _open(address: str | None) -> S3Storage | None:
    if address is None:
        return None
    read = read_address("storage", address)
    client = s3_client(read.endpoint, attempts=1, seconds=REQUEST_SECONDS)
    return S3Storage(client, read.bucket, prefix=read.prefix)
