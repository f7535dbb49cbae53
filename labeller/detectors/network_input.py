"""The input of a network that a TOML file describes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labeller.detectors.onnx_session import ModelUnusable
from labeller.detectors.toml_table import CHANNELS
from labeller.imaging.image import CROP, Fit, Frame

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

    from labeller.detectors.toml_table import Table, Three

_TYPES: Final[dict[str, type[np.generic]]] = {
    "tensor(uint8)": np.uint8,
    "tensor(float16)": np.float16,
    "tensor(float)": np.float32,
}
BLACK: Final = 0
WHITE: Final = 255


@dataclass(frozen=True, slots=True)
class NetworkInput:
    """What a network sees.

    Pixels become `(pixel * scale - mean) / std`, per channel in the order of `channels`.
    """

    frame: Frame
    layout: str
    channels: str
    scale: float
    mean: Three
    std: Three


def read_input(given: Table) -> NetworkInput:
    """Read the table of a network's input. Raises ModelUnusable."""
    height, width = given.size("size")
    fit = Fit(given.choice("resize", [each.value for each in Fit]))
    share = given.number("crop_share", CROP, most=1)
    if given.has("crop_share") and fit is not Fit.CROP:
        given.refuse("crop_share", 'is for resize = "crop": leave it out')
    return NetworkInput(
        frame=Frame(width, height, fit, share),
        layout=given.choice("layout", ["NCHW", "NHWC"]),
        channels=given.choice("channels", ["RGB", "BGR"]),
        scale=given.number("scale", 1),
        mean=given.three("mean", 0),
        std=given.three("std", 1, positive=True),
    )


class InputTensor:
    """Makes the input of a session from pixels. Its creation compares the file with the model.

    Raises:
        ModelUnusable: they don't fit.

    """

    def __init__(self, file: Path, described: NetworkInput, session: InferenceSession) -> None:
        self._file = file
        self._described = described
        inputs = session.get_inputs()
        if len(inputs) != 1:
            raise self._unusable("model", "must have one input; export it so")
        self.name: Final[str] = inputs[0].name
        self._type = self._checked(inputs[0])
        scale, mean, std = (
            np.array(each, np.float64) for each in (described.scale, described.mean, described.std)
        )
        self._factor = (scale / std).astype(np.float32)
        self._offset = (mean / std).astype(np.float32)

    def of(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """Return the input for pixels of shape (height, width, 3), RGB."""
        if self._described.channels == "BGR":
            pixels = pixels[:, :, ::-1]
        numbers = pixels if self._type is np.uint8 else pixels * self._factor - self._offset
        if self._described.layout == "NCHW":
            numbers = numbers.transpose(2, 0, 1)
        return np.ascontiguousarray(numbers[np.newaxis], self._type)

    def blank(self, shade: int) -> NDArray[np.uint8]:
        """Return the pixels of a grey picture in the network's frame."""
        frame = self._described.frame
        return np.full((frame.height, frame.width, CHANNELS), shade, np.uint8)

    def _checked(self, model_input: Any) -> type[np.generic]:
        """Compare the described input with the model's; return the type of its numbers."""
        described = self._described
        if model_input.type not in _TYPES:
            raise self._unusable(
                "model", f"takes {model_input.type}; export it to take {', '.join(_TYPES)}"
            )
        height, width = described.frame.height, described.frame.width
        shapes = {
            "NCHW": [1, CHANNELS, height, width],
            "NHWC": [1, height, width, CHANNELS],
        }
        # A free dimension has a name or None instead of a number.
        shape = [side if isinstance(side, int) else None for side in model_input.shape]
        fitting = [layout for layout, sides in shapes.items() if _fits(shape, sides)]
        if described.layout not in fitting:
            takes = f"but the model takes {model_input.shape}"
            if fitting:
                raise self._unusable(
                    "input.layout", f'is "{described.layout}", {takes}; set it to "{fitting[0]}"'
                )
            raise self._unusable(
                "input.size",
                f"and input.layout make {shapes[described.layout]}, {takes}; set both as the "
                f"model needs, which must take {CHANNELS} channels and one picture at a time",
            )
        if model_input.type == "tensor(uint8)" and (
            described.scale != 1 or any(described.mean) or {*described.std} != {1}
        ):
            raise self._unusable(
                "input.scale", "and mean and std have no effect: the model takes uint8; remove them"
            )
        return _TYPES[model_input.type]

    def _unusable(self, key: str, reason: str) -> ModelUnusable:
        return ModelUnusable(f"{self._file}: {key} {reason}.")


def _fits(shape: list[int | None], sizes: list[int]) -> bool:
    return len(shape) == len(sizes) and all(
        side in (None, size) for side, size in zip(shape, sizes, strict=True)
    )
