"""Small ONNX models, and TOML files that describe them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace

from labeller.detectors import efficientnet_lite
from labeller.detectors.label_vectors import write_label_vectors
from labeller.detectors.torch_checkpoint import read_state_dict

Shape = Sequence[int | str | None]
NUMBERS = {
    "uint8": TensorProto.UINT8,
    "float16": TensorProto.FLOAT16,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
}


def echo(path: Path, shape: Shape = ("N", 3, 2, 2), kind: str = "float32") -> Path:
    """A model that returns all its input as float32."""
    nodes = [
        helper.make_node("Cast", ["pictures"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["floats"], ["numbers"]),
    ]
    return _written(path, nodes, {"pictures": (NUMBERS[kind], shape)}, ["N", None])


def colours(path: Path, *, gain: float = 4.0, shape: Shape = ("N", 3, "H", "W")) -> Path:
    """A model of three classes: the averages of red, green and blue, as logits."""
    nodes = [
        helper.make_node("ReduceMean", ["pictures"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Mul", ["means", "gain"], ["logits"]),
    ]
    return _written(
        path,
        nodes,
        {"pictures": (TensorProto.FLOAT, shape)},
        ["N", 3],
        {"gain": np.array(gain, np.float32)},
        output="logits",
    )


def heavy_colours(path: Path, *, megabytes: int) -> Path:
    """The same model with additional weights of so many megabytes, which have no effect."""
    nodes = [
        helper.make_node("ReduceMean", ["pictures"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["means", "wide"], ["spread"]),
        helper.make_node("ReduceMax", ["spread"], ["most"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["most", "zero"], ["nothing"]),
        helper.make_node("Add", ["means", "nothing"], ["logits"]),
    ]
    columns = megabytes * 10**6 // (3 * 4)
    constants = {
        "wide": np.ones((3, columns), np.float32),
        "zero": np.array(0, np.float32),
    }
    given: dict[str, tuple[int, Shape]] = {"pictures": (TensorProto.FLOAT, ["N", 3, 32, 32])}
    return _written(path, nodes, given, ["N", 3], constants, output="logits")


def image_encoder(path: Path, side: int = 8) -> Path:
    """A model whose vector is the averages of red, green and blue, beside another output."""
    nodes = [
        helper.make_node("ReduceMean", ["pixel_values"], ["image_embeds"], axes=[2, 3], keepdims=0),
        helper.make_node("ReduceMax", ["pixel_values"], ["highest"], axes=[2, 3], keepdims=0),
    ]
    given = [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["N", 3, side, side])]
    told = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3])
        for name in ("highest", "image_embeds")
    ]
    return _saved(path, helper.make_graph(nodes, path.stem, given, told))


def text_encoder(path: Path, vectors: Sequence[Sequence[float]], *, masked: bool = True) -> Path:
    """A model whose vector is the sum of its tokens' vectors, of those in the mask."""
    wide = ["batch", "tokens"]
    given = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, wide)]
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["found"])]
    constants = {"table": np.array(vectors, np.float32), "last": np.array([-1], np.int64)}
    if masked:
        given.append(helper.make_tensor_value_info("attention_mask", TensorProto.INT64, wide))
        nodes += [
            helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
            helper.make_node("Mul", ["found", "column"], ["kept"]),
        ]
    kept = "kept" if masked else "found"
    nodes.append(helper.make_node("ReduceSum", [kept, "axis"], ["text_embeds"], keepdims=0))
    constants["axis"] = np.array([1], np.int64)
    told = [helper.make_tensor_value_info("text_embeds", TensorProto.FLOAT, ["batch", None])]
    weights = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    return _saved(path, helper.make_graph(nodes, path.stem, given, told, weights))


def tokenizer(path: Path, words: Sequence[str]) -> Path:
    """A tokenizer.json of words, each with its place as id; unknown words are the first one."""
    made = Tokenizer(
        WordLevel({word: place for place, word in enumerate(words)}, unk_token=words[0])
    )
    made.normalizer = Lowercase()
    made.pre_tokenizer = Whitespace()
    made.save(str(path))
    return path


def _saved(path: Path, graph: Any) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def fixed(path: Path, outputs: dict[str, Any], shape: Shape = ("N", 3, 40, 40)) -> Path:
    """A model that looks at its input and returns these numbers, whatever it sees."""
    nodes = [
        helper.make_node("ReduceMean", ["pictures"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        *(helper.make_node("Add", [f"{name}.value", "nothing"], [name]) for name in outputs),
    ]
    values = {name: np.array(value, np.float32) for name, value in outputs.items()}
    constants = {f"{name}.value": value for name, value in values.items()}
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info("pictures", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape)
            for name, value in values.items()
        ],
        [
            numpy_helper.from_array(value, name)
            for name, value in {**constants, "zero": np.array(0, np.float32)}.items()
        ],
    )
    return _saved(path, graph)


def efficientnet_logits(path: Path) -> Path:
    """The service's network as frameworks export it: floats, NCHW, logits."""
    net = _weighed_network()
    nodes = [
        helper.make_node(node.operation, node.inputs, [node.name], node.name, **node.attributes)
        for node in net.nodes
        if node.name not in {"floats", "channels_first", "centred", "scaled", "probabilities"}
    ]
    first = next(node for node in nodes if "scaled" in node.input)
    first.input[list(first.input).index("scaled")] = "pictures"
    constants = {k: v for k, v in net.constants.items() if k not in {"mean", "scale"}}
    given = {"pictures": (TensorProto.FLOAT, ["N", 3, 224, 224])}
    return _written(path, nodes, given, ["N", 1000], constants, output="logits")


def _weighed_network() -> Any:
    package = resources.files(efficientnet_lite.WEIGHTS_PACKAGE)
    with package.joinpath(efficientnet_lite.WEIGHTS_FILE).open("rb") as file:
        weights = read_state_dict(file)  # type: ignore[arg-type]
    return efficientnet_lite.network(weights, efficientnet_lite.STAGES)


def describe(
    folder: Path,
    classes: str,
    given: dict[str, Any] | None = None,
    output: dict[str, Any] | None = None,
    **top: Any,
) -> Path:
    """Write the TOML and the labels of `folder`/model.onnx, and return the TOML's path."""
    (folder / "labels.txt").write_text(classes)
    values: dict[str, Any] = {
        "name": "colours", "version": "2", "model": "model.onnx", "labels": "labels.txt", **top
    }  # fmt: skip
    lines = _keys(values)
    for name, table in (("input", {"size": 2, **(given or {})}), ("output", output or {})):
        lines += [f"[{name}]", *_keys(table)]
    path = folder / "classifier.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def colour_classifier(folder: Path) -> Path:
    """Write a classifier of a picture's colour, and return its TOML's path."""
    colours(folder / "model.onnx")
    return describe(
        folder,
        "Red\tWarm;Colour\nGreen\tColour\nBlue\tCold;Colour\n",
        {"size": 32, "scale": 1 / 255, "resize": "stretch"},
    )


def searchable_classifier(folder: Path) -> Path:
    """Write a zero-shot classifier, Rose or Sky, with its text encoder; return its TOML's path."""
    image_encoder(folder / "image.onnx")
    vectors = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    text_encoder(folder / "text.onnx", vectors)
    tokenizer(folder / "tokenizer.json", ["?", "rose", "sky"])
    write_label_vectors(folder / "labels.npz", ["Rose", "Sky"], np.array(vectors[1:]))
    given = {"size": 8, "resize": "stretch", "scale": 1 / 255}
    file = describe(folder, "", given, type="zero-shot", model="image.onnx", labels="labels.npz")
    with file.open("a") as toml:
        toml.write('[text]\nencoder = "text.onnx"\ntokenizer = "tokenizer.json"\n')
    return file


def _keys(values: dict[str, Any]) -> list[str]:
    # What Python shows of numbers, lists and plain text is TOML, except for booleans.
    return [
        f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}"
        for key, value in values.items()
        if value is not None
    ]


def _written(
    path: Path,
    nodes: list[Any],
    given: dict[str, tuple[int, Shape]],
    told: Shape,
    constants: dict[str, Any] | None = None,
    output: str = "numbers",
) -> Path:
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info(name, *each) for name, each in given.items()],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, told)],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    return _saved(path, graph)
