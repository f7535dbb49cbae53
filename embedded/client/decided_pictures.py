"""Pictures about whose labels their owner has decided, read through the public API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from embedded.evaluation.labels import DecidedPicture

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping

    from embedded.client.api import ApiClient

PAGE: Final = 50
# The detector's names of labels that the policy shows by others.
RENAMES: Final = "{ viewer { labelPolicy { rules { label replacement } } } }"
BLOBS: Final = """
query ($first: Int!, $after: String) {
  blobs(first: $first, after: $after, filter: {status: [LABELLED, LABELLING]}) {
    nodes { labels { name confirmedAt } detectedLabels { name confidence } rejectedLabels }
    pageInfo { hasNextPage endCursor }
  }
}
"""


def decided_pictures(
    api: ApiClient, names: MutableMapping[str, str]
) -> Iterator[DecidedPicture | None]:
    """Yield each of the caller's labelled pictures, None for one without decisions.

    Labels have the names by which the owner's policy shows them; `names` gets these by their folded
    names. Raises as `ApiClient.execute`.
    """
    rules = api.execute(RENAMES)["viewer"]["labelPolicy"]["rules"]
    shown_as = {
        rule["label"].casefold(): rule["replacement"] for rule in rules if rule["replacement"]
    }

    def fold(name: str) -> str:
        shown: str = shown_as.get(name.casefold(), name)
        names.setdefault(shown.casefold(), shown)
        return shown.casefold()

    after: str | None = None
    while True:
        page = api.execute(BLOBS, first=PAGE, after=after)["blobs"]
        for node in page["nodes"]:
            yield _picture(node, fold)
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]


def _picture(node: Mapping[str, Any], fold: Any) -> DecidedPicture | None:
    confirmed = {fold(each["name"]) for each in node["labels"] or () if each["confirmedAt"]}
    rejected = {fold(name) for name in node["rejectedLabels"]}
    if not confirmed and not rejected:
        return None
    found: dict[str, float] = {}
    for each in node["detectedLabels"] or ():
        name = fold(each["name"])
        found[name] = max(each["confidence"], found.get(name, 0.0))
    return DecidedPicture(found, confirmed, rejected)
