"""Why the labeller failed on a message, stored with the message for the operator."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from labeller.handler import handle as handle_uploads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.queues.sqlite import SqliteQueue
    from labeller.handler import UploadLabeller
    from labeller.s3_event import Upload

MAX_ERROR: Final = 500  # characters


class LabelAndNoteErrors:
    """Handles SQS events of uploads, and stores the error of each message that failed in its queue.

    The consumer passes one message at a time, and handles it in one thread.
    """

    def __init__(self, labeller: UploadLabeller, queue: SqliteQueue) -> None:
        self._labeller = labeller
        self._queue = queue
        self._raised = threading.local()

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Label the uploads of an event; see `labeller.handler.handle`. Raises Unavailable."""
        self._raised.error = None
        answer = handle_uploads(event, self)
        for failed in answer["batchItemFailures"]:
            if self._raised.error:
                self._queue.note_error(failed["itemIdentifier"], self._raised.error)
        return answer

    def label(self, upload: Upload) -> None:
        """Label an upload, and keep its error. Raises what the labeller does."""
        try:
            self._labeller.label(upload)
        except Exception as error:
            self._raised.error = f"{type(error).__name__}: {error}"[:MAX_ERROR]
            raise

    def give_up(self, upload: Upload) -> None:
        """Record that an upload will not be retried."""
        self._labeller.give_up(upload)
