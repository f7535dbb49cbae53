"""`labelling evaluate --corrections`: what owners' decisions say about each label."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from embedded.client.api import ApiClient
from embedded.client.decided_pictures import decided_pictures
from embedded.client.progress import printable, progress
from embedded.evaluation.labels import MIN_DECISIONS, evaluate_labels

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embedded.evaluation.labels import DecidedPicture, LabelEvaluation

_COLUMNS: Final = ("label", "right", "wrong", "missed", "precision", "suggestion")


def evaluate_decisions(url: str, key: str | None, *, as_json: bool) -> int:
    """Print how often the detector was right about each label that was decided about."""
    names: dict[str, str] = {}
    decided = 0

    def pictures() -> Iterator[DecidedPicture]:
        nonlocal decided
        for number, picture in enumerate(decided_pictures(api, names), start=1):
            show(number, "")
            if picture is not None:
                decided += 1
                yield picture

    with ApiClient(url, key) as api:
        api.check_access()
        with progress("Reading", None) as (show, _):
            results = evaluate_labels(pictures(), names)
    if as_json:
        labels = [_record(each) for each in results]
        click.echo(
            json.dumps({"pictures": decided, "labels": labels}, ensure_ascii=False, indent=2)
        )
    else:
        click.echo(text_of(decided, results))
    return 0


def _record(result: LabelEvaluation) -> dict[str, Any]:
    return {
        "label": result.name,
        "right": result.right,
        "wrong": result.wrong,
        "missed": result.missed,
        "precision": result.precision,
        "rule": _rule(result),
    }


def _rule(result: LabelEvaluation) -> dict[str, Any] | None:
    """Return the suggestion as a rule of a label policy; None: there is none."""
    if result.suggested is None:
        return None
    if result.hides:
        return {"action": "HIDE", "label": result.name}
    rule = {"action": "REQUIRE_CONFIDENCE", "label": result.name}
    return {**rule, "minConfidence": result.suggested}


def text_of(decided: int, results: Sequence[LabelEvaluation]) -> str:
    """Return the results as a table."""
    lines = [f"{decided} pictures with decisions, {len(results)} labels"]
    if not results:
        return f"{lines[0]}. Confirm, add or remove labels first: confirmLabels, addLabels."
    rows = [_COLUMNS, *map(_row, results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for name, *others in rows:
        cells = [name.ljust(widths[0])]
        cells += [text.rjust(width) for text, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    lines.append(f"A suggestion needs {MIN_DECISIONS} decisions about labels that were found.")
    return "\n".join(lines)


def _row(result: LabelEvaluation) -> tuple[str, ...]:
    precision = "-" if result.precision is None else f"{result.precision:.0%}"
    suggestion = "" if result.suggested is None else f"from {result.suggested:g}"
    return (
        printable(result.name),
        *map(str, (result.right, result.wrong, result.missed)),
        precision,
        "hide" if result.hides else suggestion,
    )
