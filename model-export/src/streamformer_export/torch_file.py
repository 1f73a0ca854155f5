"""Tensors of a file that torch.save wrote, without torch and without running its pickle's code.

Such a file is a zip archive: `data.pkl` says which tensors there are, and each of `data/0`,
`data/1`, ... is a storage, numbers one behind the other, which tensors share and look at by an
offset and strides (torch's docs, "Serialization semantics").

The pickle may name only what rebuilds a tensor. All that such a name does here is to make a tuple
or a dictionary, so a file cannot run code.
"""

from __future__ import annotations

import io
import math
import pickle
import shlex
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from streamformer_export.errors import ExportError

# Classes of storages in torch, and what safetensors calls their numbers.
STORAGES = {
    "BFloat16Storage": ("BF16", 2),
    "BoolStorage": ("BOOL", 1),
    "ByteStorage": ("U8", 1),
    "CharStorage": ("I8", 1),
    "DoubleStorage": ("F64", 8),
    "FloatStorage": ("F32", 4),
    "HalfStorage": ("F16", 2),
    "IntStorage": ("I32", 4),
    "LongStorage": ("I64", 8),
    "ShortStorage": ("I16", 2),
}
# Of a zip entry's header in front of its content: the name's length and that of the extra field.
HEADER, NAME_LENGTH = 30, 26


class Tensor(NamedTuple):
    """Where a tensor's numbers are in the file; `offset` in bytes, `strides` in numbers."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    strides: tuple[int, ...]


class _Storage(NamedTuple):
    dtype: str
    width: int
    offset: int
    count: int


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, by name.

    Raises ExportError where torch wrote it in its old format, where it has anything but a flat
    dictionary of dense tensors, or where a tensor reaches beyond its storage.
    """
    if not zipfile.is_zipfile(path):
        raise ExportError(
            f"{path} is not whole, or not in torch's zip format, which torch writes since 1.6. "
            "Copy it again, or convert it: "
            'python -c "import sys, torch; p = sys.argv[1]; '
            "torch.save(torch.load(p, map_location='cpu', weights_only=True), p)\" "
            f"{shlex.quote(str(path))}"
        )
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            found = _Reader(archive, file).load()
    except (zipfile.BadZipFile, pickle.UnpicklingError, KeyError, EOFError) as error:
        raise _unreadable(path, str(error)) from None
    # Whatever a pickle may bring about besides.
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise _unreadable(path, f"{type(error).__name__}: {error}") from None
    others = (
        []
        if not isinstance(found, dict)
        else [name for name, value in found.items() if not isinstance(value, Tensor)]
    )
    if not isinstance(found, dict) or others:
        has = f"the entry {others[0]!r}" if others else f"a {type(found).__name__}"
        raise _unreadable(path, f"it has {has}, but only tensors by name are read")
    return dict(found)


def _unreadable(path: Path, reason: str) -> ExportError:
    return ExportError(
        f"Cannot read {path}: {reason}. Load the model with transformers and save it with "
        "save_pretrained, which writes safetensors."
    )


class _Reader:
    """One archive: what its pickle names, and where its storages are."""

    def __init__(self, archive: zipfile.ZipFile, file: BinaryIO) -> None:
        self._archive = archive
        self._file = file
        self._size = file.seek(0, io.SEEK_END)
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise pickle.UnpicklingError("it has no data.pkl")
        self._pickle = pickles[0]
        self._root = pickles[0].removesuffix("data.pkl")

    def load(self) -> Any:
        order = f"{self._root}byteorder"
        if order in self._archive.namelist() and self._archive.read(order) != b"little":
            raise pickle.UnpicklingError("its numbers are big-endian")
        with self._archive.open(self._pickle) as content:
            return _Unpickler(content, self.storage).load()

    def storage(self, key: tuple[Any, ...]) -> _Storage:
        """What a pickle's ("storage", class, entry, device, count) means."""
        _, kind, name, _, count = key
        if kind not in STORAGES:
            raise pickle.UnpicklingError(f"it has numbers of type {kind}")
        dtype, width = STORAGES[kind]
        entry = self._archive.getinfo(f"{self._root}data/{name}")
        if entry.compress_type != zipfile.ZIP_STORED or count * width > entry.file_size:
            raise pickle.UnpicklingError(f"{entry.filename} is compressed or too short")
        self._file.seek(entry.header_offset)
        header = self._file.read(HEADER)
        lengths = (header[NAME_LENGTH + i : NAME_LENGTH + i + 2] for i in (0, 2))
        start = self._file.tell() + sum(int.from_bytes(one, "little") for one in lengths)
        if start + count * width > self._size:
            raise pickle.UnpicklingError("the file is cut off")
        return _Storage(dtype, width, start, count)


class _Dict(dict):
    """A dictionary that ignores what torch keeps about it (the versions of modules)."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        pass


class _Function:
    """What a name in a pickle may do; nothing about it can be changed by the pickle."""

    __slots__ = ("_run",)

    def __init__(self, run: Callable[..., Any]) -> None:
        object.__setattr__(self, "_run", run)

    def __call__(self, *arguments: Any) -> Any:
        return self._run(*arguments)

    def __setattr__(self, name: str, value: Any) -> None:
        raise pickle.UnpicklingError("it changes a function")

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it changes a function")


def _tensor(
    storage: _Storage,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    _requires_grad: bool,
    _hooks: Any,
    metadata: Any = None,
) -> Tensor:
    """torch's _rebuild_tensor_v2."""
    if not isinstance(storage, _Storage) or metadata:
        raise pickle.UnpicklingError("a tensor is not a plain view of a storage")
    if not all(type(n) is int and n >= 0 for n in (offset, *shape, *strides)):
        raise pickle.UnpicklingError("a tensor's sizes are not numbers from 0 up")
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if math.prod(shape) and last >= storage.count:
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    start = storage.offset + offset * storage.width
    return Tensor(storage.dtype, tuple(shape), start, tuple(strides))


FUNCTIONS = {
    ("collections", "OrderedDict"): _Function(_Dict),
    ("torch._utils", "_rebuild_tensor_v2"): _Function(_tensor),
    ("torch._utils", "_rebuild_parameter"): _Function(lambda data, *_: data),
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, content: Any, storage: Callable[[tuple[Any, ...]], _Storage]) -> None:
        super().__init__(content)
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in STORAGES:
            return name
        if (module, name) not in FUNCTIONS:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not a tensor")
        return FUNCTIONS[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        return self._storage(pid)
