"""Fail the blobs of uploads whose messages became dead letters."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from core.domain.blob import parse_original_key
from core.domain.errors import Unavailable, VersionConflict
from core.runtime.logging import log_context
from labeller.s3_event import InvalidEvent, uploads_in_message

if TYPE_CHECKING:
    from core.queues.base import Message
    from core.queues.sqlite import SqliteQueue
    from labeller.label_blob import BlobLabeller

log = logging.getLogger(__name__)

MAX_AT_START: Final = 1000


class UploadDeadLetters:
    """Gives the blobs of dead letters up, so that none waits for ever."""

    def __init__(self, queue: SqliteQueue, labeller: BlobLabeller) -> None:
        self._queue = queue
        self._labeller = labeller
        queue.on_dead = self.take

    def take(self, letter: Message) -> None:
        """Give up the blobs of a new dead letter. Raises as `give_up` does."""
        with log_context(message_id=letter.id, **_blob_of(letter)):
            log.error("given up, kept as a dead letter")
            self.give_up(letter)

    def take_all(self) -> None:
        """Give up those of the dead letters that a former process left. Raises as `give_up`."""
        for letter in self._queue.dead_letters(MAX_AT_START):
            self.give_up(letter)

    def give_up(self, letter: Message) -> None:
        """Bring the blobs of a letter to FAILED; one that is there already stays.

        Raises:
            Unavailable: the store can't answer now; call again later.
            VersionConflict: the blob was changed meanwhile; call again.

        """
        try:
            for upload in uploads_in_message(letter.body):
                self._labeller.give_up(upload)
        except (Unavailable, VersionConflict):
            raise
        except Exception:  # one bad letter must not stop the queue
            log.exception("dead letter left as it is", extra={"message_id": letter.id})


def _blob_of(letter: Message) -> dict[str, str]:
    """Return the owner and the blob of a letter, for the log; nothing where it does not tell."""
    try:
        for upload in uploads_in_message(letter.body):
            if found := parse_original_key(upload.key):
                return {"owner": found[0], "blob_id": found[1]}
    except InvalidEvent:
        pass  # give_up logs it
    return {}
