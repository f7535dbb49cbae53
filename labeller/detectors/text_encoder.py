"""Text encoders of zero-shot classifiers: from texts to vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labeller.detectors.onnx_session import ModelUnusable, open_session

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_TYPES: Final = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}


class TextEncoder:
    """An ONNX text encoder and its tokenizer (a tokenizer.json of Hugging Face).

    The model takes token ids of shape (1, n), and a mask if it has an input of that name.
    `output` is the name of its vector. With `length`, texts are padded with `pad_token`, and cut
    off, to so many tokens. Otherwise they are cut off to `max_tokens`, if that is given. Raises
    ModelUnusable.
    """

    def __init__(
        self,
        model: Path,
        tokenizer: Path,
        *,
        output: str,
        length: int | None = None,
        pad_token: str = "",
        max_tokens: int | None = None,
    ) -> None:
        try:
            from tokenizers import Tokenizer  # an optional dependency  # noqa: PLC0415
        except ImportError as exc:
            raise ModelUnusable(
                "Encoding texts needs tokenizers: install it with "
                "'python -m pip install --require-hashes -r requirements/text.txt'."
            ) from exc
        try:
            self._tokenizer = Tokenizer.from_file(str(tokenizer))
        except Exception as exc:  # it raises nothing more specific
            raise ModelUnusable(
                f"The tokenizer {tokenizer} can't be read: {exc}. Give the tokenizer.json of the "
                "text encoder."
            ) from exc
        self._tokenizer.no_padding()
        if length is not None:
            pad = self._tokenizer.token_to_id(pad_token)
            if pad is None:
                raise ModelUnusable(f"The tokenizer has no token {pad_token!r} for padding.")
            self._tokenizer.enable_padding(length=length, pad_id=pad, pad_token=pad_token)
        if most := length or max_tokens:
            self._tokenizer.enable_truncation(most)
        self._session = open_session(model, "Export the text encoder again.")
        self._inputs = {each.name: each.type for each in self._session.get_inputs()}
        self._output = output
        names = [each.name for each in self._session.get_outputs()]
        if output not in names:
            raise ModelUnusable(
                f"The text encoder {model} has no output {output!r}: choose {', '.join(names)}."
            )
        for name, kind in self._inputs.items():
            if kind not in _TYPES or not ("ids" in name or "mask" in name):
                raise ModelUnusable(
                    f"The text encoder {model} has an input {name} of {kind}. It must take token "
                    "ids, and may take a mask; export it so."
                )

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a unit vector for each text, as rows. Raises ModelUnusable."""
        return np.stack([self._vector(text) for text in texts])

    def _vector(self, text: str) -> NDArray[np.float32]:
        encoded = self._tokenizer.encode(text)
        given: dict[str, Any] = {
            name: np.array([encoded.ids if "ids" in name else encoded.attention_mask], _TYPES[kind])
            for name, kind in self._inputs.items()
        }
        try:
            (output,) = self._session.run([self._output], given)
        except Exception as exc:  # ONNX Runtime's errors have no other common base class
            raise ModelUnusable(f"The text encoder fails on {text!r}: {exc}") from exc
        vector = np.asarray(output, np.float32).reshape(-1)
        size = np.linalg.norm(vector)
        if not (np.isfinite(vector).all() and size > 0):
            raise ModelUnusable(f"The text encoder returns no usable vector for {text!r}.")
        unit: NDArray[np.float32] = vector / size
        return unit


def label_vectors(
    encoder: TextEncoder, names: Sequence[str], prompts: Sequence[str]
) -> NDArray[np.float32]:
    """Return a unit vector for each label: the mean of those of its prompts.

    In a prompt, `{}` stands for the label's name.
    """
    means = [
        encoder.vectors([prompt.replace("{}", name) for prompt in prompts]).mean(0)
        for name in names
    ]
    vectors = np.stack(means)
    unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
