"""Reader for PyTorch checkpoints in the legacy format, without PyTorch.

The format: pickles of a magic number, of the protocol, of the machine's number sizes, of the state
dict without the tensors' data, and of the storages' keys. Each storage follows as a count and that
many little-endian numbers.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

import numpy as np

from labeller.detectors.onnx_file import WeightsUnreadable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAGIC: Final = 0x1950A86A20F9469CFC6C
_PROTOCOL: Final = 1001
_DTYPES: Final = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


def read_state_dict(file: BinaryIO) -> dict[str, NDArray[Any]]:
    """Read the tensors of a checkpoint, by name.

    No code in the file is run: its pickles may only name tensors and their storages. They may still
    allocate much memory, so do not use this function for untrusted files.

    Raises:
        WeightsUnreadable: the file is truncated, or holds anything else.

    """
    try:
        return _read_state_dict(file)
    except (
        pickle.UnpicklingError,
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        TypeError,
        ValueError,
    ) as exc:
        raise WeightsUnreadable(f"Not a PyTorch state dict of the legacy format: {exc}") from exc


class _Tensor(NamedTuple):
    storage: tuple[str, np.dtype[Any]]
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in numbers, not bytes

    def view(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Return the tensor as a view of its storage."""
        ends = [(n - 1) * step for n, step in zip(self.shape, self.strides, strict=True)]
        if min((self.offset, *self.shape, *ends)) < 0 or self.offset + sum(ends) >= len(numbers):
            raise ValueError("a tensor lies outside its storage")
        return np.lib.stride_tricks.as_strided(
            numbers[self.offset :],
            self.shape,
            [step * numbers.itemsize for step in self.strides],
            writeable=False,
        )


class _TensorUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return _tensor
            case "torch", name if name in _DTYPES:
                return _DTYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a state dict")

    def persistent_load(self, pid: Any) -> tuple[str, np.dtype[Any]]:
        match pid:
            case ("storage", np.dtype() as dtype, str(key), _, int(), None):
                return key, dtype
        raise pickle.UnpicklingError("the description of a storage is invalid")


def _tensor(
    storage: tuple[str, np.dtype[Any]],
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    *_: object,
) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


def _read_state_dict(file: BinaryIO) -> dict[str, NDArray[Any]]:
    if (_load(file), _load(file)) != (_MAGIC, _PROTOCOL):
        raise ValueError("the magic number or the protocol is wrong")
    _load(file)  # the sizes of the machine's numbers
    tensors = _load(file)
    dtypes = dict(tensor.storage for tensor in tensors.values())
    storages = {}
    for key in _load(file):
        count = int.from_bytes(_read_exactly(file, 8), "little")
        content = _read_exactly(file, count * dtypes[key].itemsize)
        storages[key] = np.frombuffer(content, dtypes[key])
    return {name: tensor.view(storages[tensor.storage[0]]) for name, tensor in tensors.items()}


def _load(file: BinaryIO) -> Any:
    return _TensorUnpickler(file).load()


def _read_exactly(file: BinaryIO, size: int) -> bytes:
    content = file.read(size)
    if len(content) != size:
        raise EOFError("the file is truncated")
    return content
