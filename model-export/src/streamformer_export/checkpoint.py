"""The files that hold a model folder's weights, as transformers chooses them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import NamedTuple

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, safe_open

from streamformer_export import torch_file
from streamformer_export.config import existing, read_json
from streamformer_export.errors import ExportError

# Floating-point numbers by their names in safetensors.
FLOATS = {
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
}
# What position ids and the like are stored as.
INTEGERS = {
    "BOOL": np.dtype("?"),
    "I8": np.dtype("<i1"),
    "I16": np.dtype("<i2"),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
    "U8": np.dtype("<u1"),
}

SAFETENSORS = "model.safetensors"
TORCH = "pytorch_model.bin"
# transformers takes the first that is in a folder; an index names the shards.
FILES = (SAFETENSORS, f"{SAFETENSORS}.index.json", TORCH, f"{TORCH}.index.json")


class Place(NamedTuple):
    """Where a tensor is in a file."""

    path: Path
    # As safetensors calls it.
    dtype: str
    shape: tuple[int, ...]
    offset: int
    # In numbers, one for each axis; None where the numbers are in order.
    strides: tuple[int, ...] | None = None

    def array(self) -> np.ndarray:
        """A read-only view of the file, or a copy where the numbers are not in order.

        Raises ExportError for a type that is not read.
        """
        dtype = (FLOATS | INTEGERS).get(self.dtype)
        if dtype is None:
            raise ExportError(
                f"{self.path.name} has a tensor of type {self.dtype}. Supported: "
                f"{', '.join((*FLOATS, *INTEGERS))}. Use the model as it was before quantization."
            )
        if 0 in self.shape:
            return np.zeros(self.shape, dtype)
        if self.strides is None:
            return np.memmap(self.path, dtype, "r", self.offset, self.shape)
        reach = sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True)) + 1
        flat = np.memmap(self.path, dtype, "r", self.offset, (reach,))
        steps = [dtype.itemsize * stride for stride in self.strides]
        return np.ascontiguousarray(np.lib.stride_tricks.as_strided(flat, self.shape, steps))


def find(folder: Path) -> dict[str, Place]:
    """The tensors of a model folder by their stored names.

    Raises ExportError where no weights are found, or a file cannot be read.
    """
    if (folder / "adapter_config.json").is_file():
        raise ExportError(
            f"{folder} has adapter_config.json, so transformers would add an adapter to the "
            "weights. Merge it first (merge_and_unload of peft) and save the model."
        )
    chosen = next((name for name in FILES if existing(folder / name).is_file()), None)
    if chosen is None:
        raise ExportError(
            f"{folder} has no weights: none of {', '.join(FILES)}. "
            "Save the model with save_pretrained."
        )
    found: dict[str, Place] = {}
    for name in _shards(folder / chosen) if chosen.endswith(".json") else [chosen]:
        path = existing(folder / name)
        if not path.is_file():
            raise ExportError(
                f"{chosen} names {name}, but {folder} has no such file. Copy the model again."
            )
        places = _safetensors(path) if name.endswith(".safetensors") else _torch(path)
        twice = sorted(found.keys() & places.keys())
        if twice:
            raise ExportError(
                f"{twice[0]} is in {found[twice[0]].path.name} and in {name}. "
                "Save the model again with save_pretrained."
            )
        found |= places
    return found


def _shards(index: Path) -> list[str]:
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not all(isinstance(n, str) for n in names.values()):
        raise ExportError(f"{index} has no weight_map from tensors to files. Restore the file.")
    shards = sorted(set(names.values()))
    for name in shards:
        if name != Path(name).name or "\\" in name:
            raise ExportError(
                f"{index.name} names the file {name!r}. Shards must be in the model folder itself. "
                "Copy the model again."
            )
    return shards


def _safetensors(path: Path) -> dict[str, Place]:
    """A safetensors file is a length, a header in JSON, and the tensors' content."""
    try:
        # Refuses a file whose header and size do not agree.
        with safe_open(path, framework="np"):
            pass
    except (SafetensorError, OSError) as error:
        raise ExportError(f"{path} is not a safetensors file ({error}). Copy it again.") from None
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return {
        name: Place(path, one["dtype"], tuple(one["shape"]), 8 + length + one["data_offsets"][0])
        for name, one in header.items()
    }


def _torch(path: Path) -> dict[str, Place]:
    found = {}
    for name, one in torch_file.read(path).items():
        in_order = [math.prod(one.shape[i + 1 :]) for i in range(len(one.shape))]
        strides = None if list(one.strides) == in_order else one.strides
        found[name] = Place(path, one.dtype, one.shape, one.offset, strides)
    return found
