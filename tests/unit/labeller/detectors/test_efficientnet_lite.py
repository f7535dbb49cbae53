"""The model is built from a file of weights that is trusted with nothing."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
from collections import OrderedDict
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from labeller.detectors import efficientnet_lite
from labeller.detectors.efficientnet_lite import (
    MODEL_NAME,
    SIDE,
    STAGES,
    Network,
    Stage,
    WeightsUnreadable,
    build_model,
    network,
    read_state_dict,
)

WEIGHTS = Path(str(files(efficientnet_lite.WEIGHTS_PACKAGE) / efficientnet_lite.WEIGHTS_FILE))


class Storage:
    """What PyTorch pickles as a persistent id."""

    def __init__(self, key: str, count: int) -> None:
        self.key, self.count = key, count


class Global:
    """A name that is looked up when it is unpickled."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class Call:
    """A call of a global."""

    def __init__(self, function: Global, *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> Any:
        return self.function, self.arguments


class TorchPickler(pickle._Pickler):  # type: ignore[name-defined]
    """Writes what PyTorch writes, though PyTorch is not there."""

    def persistent_id(self, obj: object) -> object:
        if isinstance(obj, Storage):
            return ("storage", Global("torch", "FloatStorage"), obj.key, "cpu", obj.count, None)
        return None

    def save(self, obj: object, save_persistent_id: bool = True) -> None:
        if isinstance(obj, Global):
            self.write(f"c{obj.module}\n{obj.name}\n".encode())
        else:
            super().save(obj, save_persistent_id)

    def save_reduce(self, func: Any, args: Any, *rest: Any, **options: Any) -> None:
        if isinstance(func, Global):
            self.save(func)
            self.save(args)
            self.write(pickle.REDUCE)
        else:
            super().save_reduce(func, args, *rest, **options)


def tensor(
    count: int = 6,
    offset: int = 0,
    shape: tuple[int, ...] = (2, 3),
    strides: tuple[int, ...] = (3, 1),
) -> Call:
    rebuild = Global("torch._utils", "_rebuild_tensor_v2")
    return Call(rebuild, Storage("7", count), offset, shape, strides, False, OrderedDict())


def torch_file(state: object, *, magic: int = 0x1950A86A20F9469CFC6C) -> io.BytesIO:
    out = io.BytesIO()
    for part in (magic, 1001, {"little_endian": True}, state, ["7"]):
        TorchPickler(out, 2).dump(part)
    out.write((6).to_bytes(8, "little") + np.arange(6, dtype="<f4").tobytes())
    out.seek(0)
    return out


def test_tensors_are_read() -> None:
    """Shaped as they were, whichever way they lie in their storage."""
    state = OrderedDict(
        rows=tensor(), columns=tensor(strides=(1, 2)), tail=tensor(6, 4, (2,), (1,))
    )
    read = read_state_dict(torch_file(state))
    assert read["rows"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert read["columns"].tolist() == [[0, 2, 4], [1, 3, 5]]
    assert read["tail"].tolist() == [4, 5]


def test_the_real_weights_are_read() -> None:
    """All 296 tensors, to the last byte; and no variance is negative."""
    with WEIGHTS.open("rb") as file:
        weights = read_state_dict(file)
        assert file.read() == b""
    assert len(weights) == 296
    assert weights["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert weights["_fc.weight"].shape == (1000, 1280)
    assert all(np.isfinite(value).all() for value in weights.values())
    variances = [value for name, value in weights.items() if name.endswith("running_var")]
    assert min(value.min() for value in variances) >= 0


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("__builtin__", "eval"),
        ("collections", "namedtuple"),
        ("torch", "load"),
        ("torch._utils", "_rebuild_tensor"),
    ],
)
def test_nothing_in_the_file_is_run(module: str, name: str, tmp_path: Path) -> None:
    """A pickle may ask for any function to be called: ours makes tensors and no more."""
    trace = tmp_path / "trace"
    state = OrderedDict(evil=Call(Global(module, name), f"touch {trace}"))
    with pytest.raises(WeightsUnreadable, match=f"{module}.{name} has no place in a state dict"):
        read_state_dict(torch_file(state))
    assert not trace.exists()


def test_a_pickle_of_os_system_is_refused(tmp_path: Path) -> None:
    """The classic attack, made by the standard pickler, where the magic number should be."""

    class Evil:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {tmp_path / 'trace'}",)

    with pytest.raises(WeightsUnreadable, match="system has no place"):
        read_state_dict(io.BytesIO(pickle.dumps(Evil())))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "lying",
    [
        tensor(offset=1),
        tensor(offset=-1),
        tensor(shape=(3, 3)),
        tensor(strides=(300, 1)),
        tensor(offset=3, strides=(-1, 1)),
        tensor(shape=(-2, 3)),
        tensor(shape=(2,)),
    ],
)
def test_a_tensor_outside_its_storage_is_refused(lying: Call) -> None:
    """Not a byte is read that is not the storage's."""
    with pytest.raises(WeightsUnreadable):
        read_state_dict(torch_file({"lying": lying}))


def test_damaged_weights_are_refused() -> None:
    """Cut short anywhere, or of another format."""
    whole = torch_file({"rows": tensor()}).getvalue()
    for end in range(len(whole)):
        with pytest.raises(WeightsUnreadable):
            read_state_dict(io.BytesIO(whole[:end]))
    with pytest.raises(WeightsUnreadable, match="begins otherwise"):
        read_state_dict(torch_file({}, magic=1))


def reference(net: Network, x: np.ndarray) -> np.ndarray:
    """The one convolution of a network, written out pixel by pixel."""
    (node,) = [node for node in net.nodes if node.operation == "Conv"]
    kernels, bias = (net.constants[name] for name in node.inputs[1:])
    top, left, bottom, right = node.attributes["pads"]
    step, group = node.attributes["strides"][0], node.attributes["group"]
    padded = np.pad(x, ((0, 0), (top, bottom), (left, right)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernels.shape[-2:], (1, 2))
    windows = windows[:, ::step, ::step]
    if group == 1:
        return np.einsum("cijhw,kchw->kij", windows, kernels) + bias[:, None, None]
    return np.einsum("cijhw,chw->cij", windows, kernels[:, 0]) + bias[:, None, None]


@pytest.mark.parametrize("side", [7, 8])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("depthwise", [False, True])
def test_batch_normalisation_is_folded_in(side: int, stride: int, depthwise: bool) -> None:
    """One convolution gives what the convolution and the normalisation after it gave."""
    chance = np.random.default_rng(1)
    kernels = chance.normal(size=(4, 1 if depthwise else 4, 3, 3))
    gain, bias, average = chance.normal(size=(3, 4))
    variance = chance.uniform(0.5, 2, 4)
    weights = {
        "c.weight": kernels,
        "n.weight": gain,
        "n.bias": bias,
        "n.running_mean": average,
        "n.running_var": variance,
    }
    folded, plain = Network(weights), Network(weights)
    folded.convolve("x", "c", "n", side=side, stride=stride, clip=False)
    plain.convolve("x", "c", "n", side=side, stride=stride, clip=False)
    plain.constants["c.weight"], plain.constants["c.bias"] = kernels, np.zeros(4)
    x = chance.normal(size=(4, side, side))
    column = (slice(None), None, None)
    expected = (reference(plain, x) - average[column]) / np.sqrt(variance + 1e-3)[column]
    expected = expected * gain[column] + bias[column]
    assert reference(folded, x).shape == (4, -(-side // stride), -(-side // stride))
    assert reference(folded, x) == pytest.approx(expected, abs=1e-5)
    # TensorFlow's SAME: an odd pixel of padding goes behind.
    pads = folded.nodes[0].attributes["pads"]
    assert pads == ([0, 0, 1, 1] if (side, stride) == (8, 2) else [1, 1, 1, 1])


def test_missing_weights_are_named() -> None:
    """Weights of another network are found out when the graph is made."""
    with pytest.raises(WeightsUnreadable, match="_conv_stem"):
        network({}, SIDE, STAGES)
    with WEIGHTS.open("rb") as file:
        weights = read_state_dict(file)
    with pytest.raises(WeightsUnreadable, match=r"_blocks\.16"):
        network(weights, SIDE, [*STAGES, Stage(1, 3, 1, 6, 320)])


def test_the_model_is_valid_and_named(model_path: Path) -> None:
    """Pictures in, any number at once; probabilities out; its name and version inside."""
    model = onnx.load(model_path)
    onnx.checker.check_model(model, full_check=True)
    (taken,), (given,) = model.graph.input, model.graph.output
    assert taken.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [d.dim_param or d.dim_value for d in taken.type.tensor_type.shape.dim] == [
        "N",
        224,
        224,
        3,
    ]
    assert [d.dim_param or d.dim_value for d in given.type.tensor_type.shape.dim] == ["N", 1000]
    assert f"{model.graph.name}-{model.model_version}.onnx" == MODEL_NAME == model_path.name


def test_building_twice_gives_the_same_bytes(model_path: Path, tmp_path: Path) -> None:
    """In a folder that is made for it, over whatever was there, and nothing else stays."""
    again = tmp_path / "a" / "b" / MODEL_NAME
    build_model(again)
    again.write_bytes(b"old")
    build_model(again)
    assert again.read_bytes() == model_path.read_bytes()
    assert list(again.parent.iterdir()) == [again]


def test_a_build_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No half a model has the model's name."""

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        build_model(tmp_path / MODEL_NAME)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["WEIGHTS_PACKAGE", "WEIGHTS_FILE"])
def test_missing_weights_are_reported(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to do about it."""
    monkeypatch.setattr(efficientnet_lite, place, "no_such_thing")
    with pytest.raises(WeightsUnreadable, match=r"no_such_thing.*requirements/serve\.txt"):
        build_model(tmp_path / MODEL_NAME)


@pytest.mark.parametrize("place", [0, 5_000, 10_000_000, -1])
def test_other_weights_are_not_even_read(
    place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A single bit that differs from what we know is enough."""
    package = tmp_path / "tampered_weights"
    package.mkdir()
    (package / "__init__.py").touch()
    content = bytearray(WEIGHTS.read_bytes())
    content[place] ^= 1
    (package / "weights.pth").write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(efficientnet_lite, "WEIGHTS_PACKAGE", "tampered_weights")
    monkeypatch.setattr(efficientnet_lite, "WEIGHTS_FILE", "weights.pth")
    monkeypatch.setattr(efficientnet_lite, "read_state_dict", pytest.fail)
    with pytest.raises(WeightsUnreadable, match="damaged, or not those we know"):
        build_model(tmp_path / MODEL_NAME)
    assert not (tmp_path / MODEL_NAME).exists()


def test_importing_loads_neither_onnx_nor_a_runtime() -> None:
    """They are slow, and most commands need neither."""
    code = (
        "import sys, labeller.detectors.efficientnet_lite, labeller.detectors.onnx;"
        "print([m for m in ('onnx', 'onnxruntime', 'torch') if m in sys.modules])"
    )
    root = Path(__file__).parents[4]
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, cwd=root, text=True
    )
    assert done.stdout == "[]\n"
