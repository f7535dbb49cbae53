"""The filter of blobs by labels, as clients write it."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from typing import Final

import strawberry
from strawberry import UNSET

from core.domain import label_filter as domain
from core.domain.errors import InvalidValue
from core.domain.label_filter import fold_names

MAX_LABELS: Final = 10  # in one filter


@strawberry.input(
    description="Which labels a blob must have; it must meet every condition. Case is ignored. At "
    f"most {MAX_LABELS} labels in total. "
    'Example: `{all: ["cat"], none: ["dog"], minConfidence: 60}`.'
)
class LabelFilter:
    all: list[str] | None = strawberry.field(
        default=UNSET, description="Labels that the blob must all have."
    )
    any: list[str] | None = strawberry.field(
        default=UNSET, description="Labels of which the blob must have one."
    )
    none: list[str] | None = strawberry.field(
        default=UNSET, description="Labels that the blob must not have."
    )
    min_confidence: float = strawberry.field(
        default=0, description="Labels with a lower confidence, from 0 to 100, are ignored."
    )


def read_label_filter(given: LabelFilter) -> domain.LabelFilter:
    """Return the filter that a client wrote. Raises InvalidValue if it names too many labels."""
    wanted = domain.LabelFilter(
        all=tuple(fold_names(given.all or ())),
        any=tuple(fold_names(given.any or ())),
        none=tuple(fold_names(given.none or ())),
        min_confidence=given.min_confidence,
    )
    if len(wanted.all) + len(wanted.any) + len(wanted.none) > MAX_LABELS:
        raise InvalidValue("labels", f"at most {MAX_LABELS} labels in all, any and none together")
    return wanted
