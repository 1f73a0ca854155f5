"""Reads safetensors with numpy; a tensor that nobody asked for is an error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, safe_open
from tqdm import tqdm

from streamformer_export.config import read_json
from streamformer_export.errors import ExportError

# Floating-point numbers by their names in safetensors.
DTYPES = {
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
}


class Weights:
    """Tensors by name as float32, read when asked for; fp16 and bf16 are widened.

    A tensor in float32 is a view of its file, of which only what is looked at is in memory.
    """

    def __init__(self, folder: Path) -> None:
        index = folder / "model.safetensors.index.json"
        if index.is_file():
            files = sorted(set(read_json(index)["weight_map"].values()))
        else:
            files = ["model.safetensors"]
        # By today's names.
        self._where: dict[str, _Place] = {}
        for file in files:
            path = folder / file
            if not path.is_file():
                raise ExportError(
                    f"A model folder has {file}: {folder} has none. Save the model as safetensors "
                    "(save_pretrained)."
                )
            try:
                places = _places(path)
            except SafetensorError as error:
                raise ExportError(
                    f"{file} is a safetensors file: {path} is not ({error}). Copy it again."
                ) from None
            self._where |= {_renamed(name): place for name, place in places.items()}
        self._read: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._where

    def __iter__(self) -> Iterator[str]:
        return iter(self._where)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._where:
            raise ExportError(
                f"The weights have {name}: it is missing. Check that config.json belongs to them."
            )
        self._read.add(name)
        place = self._where[name]
        if place.dtype not in DTYPES:
            raise ExportError(
                f"Weights are floating-point numbers: {name} is {place.dtype}. "
                "Export the model before it was quantized."
            )
        bar = _PROGRESS.get()
        if bar is not None:
            bar.show(name, len(self._where))
        return place.array().astype(np.float32, copy=False)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor that is there."""
        return self._where[name].shape

    def linear(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Weight (in, out) and bias (out) of a linear layer."""
        return self[f"{name}.weight"].T, self[f"{name}.bias"]

    def ignore(self, *names: str) -> None:
        """Tensors that the computation does not need."""
        self._read.update(names)

    def refuse_rest(self) -> None:
        """Refuses tensors that nobody read: something of the model would be dropped."""
        unused = sorted(self._where.keys() - self._read)
        if unused:
            shown = ", ".join(unused[:5]) + (", ..." if len(unused) > 5 else "")
            raise ExportError(
                f"Every tensor must be used: {len(unused)} are not ({shown}). "
                "Export a model whose head and config belong together."
            )


class _Place(NamedTuple):
    """Where a tensor lies in a file."""

    path: Path
    dtype: str
    shape: tuple[int, ...]
    offset: int

    def array(self) -> np.ndarray:
        """A view of the file."""
        if 0 in self.shape:
            return np.zeros(self.shape, DTYPES[self.dtype])
        return np.memmap(self.path, DTYPES[self.dtype], "r", self.offset, self.shape)


def _places(path: Path) -> dict[str, _Place]:
    """The tensors of a safetensors file: a length, a header in JSON, and their content."""
    # Refuses a file whose header and size do not agree.
    with safe_open(path, framework="np"):
        pass
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return {
        name: _Place(path, one["dtype"], tuple(one["shape"]), 8 + length + one["data_offsets"][0])
        for name, one in header.items()
    }


class _Progress:
    """How many tensors of a model were read."""

    def __init__(self, bar: tqdm) -> None:
        self._bar = bar
        self._seen: set[str] = set()

    def show(self, name: str, total: int) -> None:
        self._bar.total = total
        if name not in self._seen:
            self._seen.add(name)
            self._bar.update()


_PROGRESS: ContextVar[_Progress | None] = ContextVar("progress", default=None)


@contextmanager
def reading_is_shown(description: str) -> Iterator[None]:
    """Shows meanwhile how many tensors of a model were read, where it takes long."""
    with tqdm(desc=description, unit="tensor", delay=1, leave=False) as bar:
        token = _PROGRESS.set(_Progress(bar))
        try:
            yield
        finally:
            _PROGRESS.reset(token)


def _renamed(name: str) -> str:
    """Weights that came from TensorFlow still call a norm's parameters gamma and beta."""
    for old, new in ((".gamma", ".weight"), (".beta", ".bias")):
        if name.endswith(f"LayerNorm{old}"):
            return name.removesuffix(old) + new
    return name
