"""`labelling embed-labels`: make the labels of a zero-shot classifier."""

from __future__ import annotations

from pathlib import Path

import click

from embedded.client.progress import say

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("embed-labels")
@click.argument("labels", metavar="LABELS", type=_FILE)
@click.option("--text-encoder", metavar="FILE", type=_FILE, required=True, help="An ONNX file.")
@click.option(
    "--tokenizer",
    metavar="FILE",
    type=_FILE,
    required=True,
    help="The text encoder's tokenizer.json.",
)
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file to write, for 'labels' in the classifier's file.",
)
@click.option(
    "--prompt",
    "prompts",
    metavar="TEXT",
    multiple=True,
    default=("a photo of a {}.",),
    show_default=True,
    help="What is encoded, with {} for the label. Several are averaged.",
)
@click.option(
    "--vector",
    metavar="NAME",
    default="text_embeds",
    show_default=True,
    help="The text encoder's output with the vector.",
)
@click.option(
    "--length",
    metavar="N",
    type=click.IntRange(1, 4096),
    help="Pad texts to N tokens, as SigLIP needs (64).",
)
@click.option(
    "--pad-token", metavar="TOKEN", default="</s>", show_default=True, help="Of --length."
)
def embed_labels(
    labels: Path,
    text_encoder: Path,
    tokenizer: Path,
    output: Path,
    prompts: tuple[str, ...],
    vector: str,
    length: int | None,
    pad_token: str,
) -> int:
    """Make the labels of a zero-shot classifier from LABELS, one a line."""
    # numpy and ONNX Runtime, which no other command loads.
    from labeller.detectors.classifier_file import parse_classes, read_lines  # noqa: PLC0415
    from labeller.detectors.label_vectors import write_label_vectors  # noqa: PLC0415
    from labeller.detectors.text_encoder import TextEncoder, label_vectors  # noqa: PLC0415

    for prompt in prompts:
        if "{}" not in prompt:
            raise click.UsageError(f"--prompt {prompt!r} has no {{}} for the label.")
    lines = read_lines(labels)
    names = parse_classes(labels, lines).names
    if not names:
        raise click.UsageError(f"{labels} has no labels.")
    encoder = TextEncoder(
        text_encoder, tokenizer, output=vector, length=length, pad_token=pad_token
    )
    write_label_vectors(output, lines, label_vectors(encoder, names, prompts))
    say(f"{len(names)} labels written to {output}.")
    return 0
