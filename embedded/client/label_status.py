"""Wait until the service has labelled uploaded blobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from embedded.client.api import ApiClient

_BATCH: Final = 100  # ids of one query
_POLL_SECONDS: Final = 0.5

STATUSES: Final = """
query ($ids: [ID!]!) {
  nodes(ids: $ids) { ... on Blob { id status failure { message } } }
}
"""


def wait_for_labels(
    api: ApiClient, blob_ids: Iterable[str], show: Callable[[int], None] = lambda _: None
) -> tuple[int, dict[str, str]]:
    """Wait until all blobs are labelled or failed.

    Return how many have labels, and the reason of each failure by the blob's id. After each poll
    `show` receives how many are finished. Raises as `ApiClient.execute`.
    """
    left = list(blob_ids)
    total, labelled, failed = len(left), 0, {}
    while left:
        batch, left = left[:_BATCH], left[_BATCH:]
        nodes = api.execute(STATUSES, ids=batch)["nodes"]
        unfinished = []
        for blob_id, blob in zip(batch, nodes, strict=True):
            if blob is None:
                failed[blob_id] = "deleted before it was labelled"
            elif blob["status"] == "FAILED":
                failed[blob_id] = blob["failure"]["message"]
            elif blob["status"] == "LABELLED":
                labelled += 1
            else:
                unfinished.append(blob_id)
        left = unfinished + left
        show(total - len(left))
        if len(unfinished) == len(batch):
            api.wait(_POLL_SECONDS)
    return labelled, failed
