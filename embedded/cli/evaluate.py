"""`labelling evaluate`: compare the detector's labels with those that a person gave."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from core.domain.errors import InvalidValue, PictureRefused
from embedded.cli.evaluate_decisions import evaluate_decisions
from embedded.cli.shared.client_options import key_option, url_option
from embedded.cli.shared.settings_options import settings_options
from embedded.client.progress import printable, progress
from embedded.evaluation.truth import TruthUnreadable, compare, read_truth
from embedded.serve import detector_options
from labeller.detectors.base import Picture
from labeller.detectors.registry import create_detector
from labeller.imaging.header import PREFIX_BYTES, describe, type_of

if TYPE_CHECKING:
    from core.domain.label import Label
    from embedded.evaluation.truth import Evaluation
    from embedded.settings import Settings
    from labeller.detectors.base import Detector

_MAX_LABELS: Final = 1000
_SHOWN: Final = 20  # mistakes, and missed labels


@click.command()
@click.argument(
    "folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "--truth",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The right labels: lines of file<TAB>Label;Label, with the file's path in FOLDER.",
)
@click.option(
    "--min-confidence",
    metavar="PERCENT",
    type=click.FloatRange(0, 100),
    default=55,
    show_default=True,
    help="Labels below this do not count.",
)
@click.option(
    "--corrections",
    is_flag=True,
    help="Instead, compare what the detector found in the pictures of a service with what their "
    "owner confirmed, added and removed.",
)
@url_option
@key_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@settings_options("data", "detector", "classifier", "faces", "max_pixels", "max_upload_bytes")
def evaluate(
    settings: Settings,
    folder: Path | None,
    truth: Path | None,
    min_confidence: float,
    url: str,
    key: str | None,
    *,
    corrections: bool,
    as_json: bool,
) -> int:
    """Compare the detector's labels of pictures with a person's.

    The pictures are in FOLDER. Print how many are right, precision, recall, and the worst mistakes.
    With --corrections print for each label how often the detector was right, and a least confidence
    for the label policy. Nothing is stored.
    """
    if corrections:
        if folder or truth:
            raise click.UsageError("--corrections goes with neither FOLDER nor --truth FILE.")
        return evaluate_decisions(url, key, as_json=as_json)
    if folder is None or truth is None:
        raise click.UsageError("Give FOLDER and --truth FILE, or --corrections.")
    try:
        right = read_truth(truth.read_text(encoding="utf-8").splitlines())
    except (TruthUnreadable, UnicodeDecodeError) as exc:
        raise InvalidValue("--truth", str(exc)) from exc
    missing = [name for name in right if not (folder / name).is_file()]
    if missing:
        raise InvalidValue("--truth", f"{printable(missing[0])} is not in {folder}")
    detector = create_detector(settings.detector, detector_options(settings))
    found = {}
    with progress("Evaluating", len(right)) as (show, _):
        for number, name in enumerate(right, start=1):
            found[name] = _labels(detector, folder / name)
            show(number, printable(name))
    result = compare(right, found, min_confidence)
    click.echo(json.dumps(asdict(result), indent=2) if as_json else text_of(result, detector.name))
    return 0


def _labels(detector: Detector, path: Path) -> tuple[Label, ...]:
    """Return a picture's labels of all confidences. Raises InvalidValue if it has none."""
    with path.open("rb") as file:
        prefix = file.read(PREFIX_BYTES)
    content_type = type_of(prefix)
    if content_type is None:
        raise InvalidValue("--truth", f"{printable(path)} is not an image: {describe(prefix)}")
    picture = Picture(str(path), content_type, lambda: path.open("rb"), path.stat().st_size)
    try:
        return detector.detect(picture, max_labels=_MAX_LABELS, min_confidence=0).labels
    except PictureRefused as refusal:
        raise InvalidValue("--truth", f"{printable(path)}: {refusal.message}") from refusal


def text_of(result: Evaluation, detector: str) -> str:
    """Return the result as lines of text."""
    shares = [
        f"{name} {'-' if value is None else f'{value:.0%}'}"
        for name, value in (("precision", result.precision), ("recall", result.recall))
    ]
    pictures = (
        f"{result.right} right, {result.general} true but general, {result.wrong} wrong, "
        f"{result.nothing} without a label"
    )
    lines = [f"{detector}: {result.pictures} pictures", pictures, ", ".join(shares)]
    if result.mistakes:
        lines.append("Worst mistakes:")
    lines += [
        f"  {each.label} {each.confidence:.0f}: {printable(each.picture)}"
        for each in result.mistakes[:_SHOWN]
    ]
    if result.missed:
        missed = ", ".join(f"{printable(name)} {count}" for name, count in result.missed[:_SHOWN])
        lines.append(f"Most often missed: {missed}")
    return "\n".join(lines)
