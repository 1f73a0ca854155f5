"""Reads config.json and weights with numpy; whatever nobody asked for is an error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from streamformer_export import checkpoint
from streamformer_export.checkpoint import FLOATS, Place
from streamformer_export.checkpoint import read_json as read_json
from streamformer_export.errors import ExportError

_MISSING = object()

# Keys of any config.json that do not change what inference computes.
COMMON_KEYS = (
    "_attn_implementation_autoset",
    "_name_or_path",
    "_num_labels",
    "chunk_size_feed_forward",
    "dtype",
    "finetuning_task",
    "gradient_checkpointing",
    "output_attentions",
    "output_hidden_states",
    "return_dict",
    "torch_dtype",
    "transformers_version",
    "use_cache",
)


class Config:
    """A JSON configuration that knows which of its keys were read."""

    def __init__(self, values: dict[str, Any], name: str) -> None:
        self._values = values
        self._name = name
        self._read: set[str] = set()

    @property
    def name(self) -> str:
        """The file's name."""
        return self._name

    def take(self, key: str, default: Any = _MISSING) -> Any:
        """The value of `key`; transformers leaves keys out that have the default."""
        self._read.add(key)
        if key in self._values:
            return self._values[key]
        if default is _MISSING:
            raise ExportError(f"{self._name} has {key!r}: it is missing. Restore the file.")
        return default

    def require(self, key: str, *supported: Any) -> None:
        """Refuses a value of `key` that is none of `supported`; the key may be missing."""
        value = self.take(key, supported[0])
        if value not in supported:
            choices = ", ".join(repr(choice) for choice in supported)
            raise ExportError(
                f"{self._name}: {key} is supported as {choices}: it is {value!r}. "
                "Export a model without it."
            )

    def ignore(self, keys: Iterable[str]) -> None:
        """Keys that do not change what inference computes."""
        self._read.update(keys)

    def refuse_rest(self) -> None:
        """Refuses keys that nobody took: they may change the computation."""
        unknown = sorted(set(self._values) - self._read)
        if unknown:
            values = ", ".join(f"{key}={self._values[key]!r}" for key in unknown)
            raise ExportError(
                f"{self._name}: every key must be understood, since it may change the computation: "
                f"{values} is not. Known keys: {', '.join(sorted(self._read))}."
            )


class Weights:
    """Tensors by name as float32, read when asked for; fp16 and bf16 are widened.

    A tensor in float32 is a view of its file, of which only what is looked at is in memory.
    """

    def __init__(self, folder: Path) -> None:
        # By today's names.
        self._where: dict[str, Place] = {}
        for stored, place in checkpoint.find(folder).items():
            name = _renamed(stored)
            if name in self._where:
                raise ExportError(
                    f"{name} is stored twice, once as {stored}. Save the model again with "
                    "save_pretrained."
                )
            self._where[name] = place
        self._read: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._where

    def __iter__(self) -> Iterator[str]:
        return iter(self._where)

    def __getitem__(self, name: str) -> np.ndarray:
        place = self._place(name)
        if place.dtype not in FLOATS:
            raise ExportError(
                f"{name} has the type {place.dtype}. Supported: {', '.join(FLOATS)}. "
                "Export the model as it was before quantization."
            )
        self._read.add(name)
        bar = _PROGRESS.get()
        if bar is not None:
            bar.show(name, len(self._where))
        return place.array().astype(np.float32, copy=False)

    def tie(self, *names: str) -> None:
        """Names of one tensor, of which a checkpoint may store any: each gives what is stored.

        transformers 5 keeps names that are stored with different values apart, 4 takes one of them
        for all: so there is no answer to such a folder that both give, and it is refused.
        """
        stored = [name for name in names if name in self._where]
        for other in stored[1:]:
            if not self.same(stored[0], other):
                raise ExportError(
                    f"{stored[0]} and {other} differ, but config.json ties them. transformers 5 "
                    "uses both, transformers 4 only one. Remove the one that is not meant, or set "
                    "tie_word_embeddings to false if both are."
                )
        if stored:
            self._where |= dict.fromkeys(names, self._where[stored[0]])
            self._read.update(names)

    def same(self, name: str, other: str) -> bool:
        """Whether two tensors are equal; one that is tied to the other is not read for it."""
        one, two = self._place(name), self._place(other)
        return one == two or (one.shape == two.shape and np.array_equal(one.array(), two.array()))

    def _place(self, name: str) -> Place:
        if name not in self._where:
            raise ExportError(
                f"{name} is missing in the weights. Check that config.json belongs to them."
            )
        return self._where[name]

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
                f"{len(unused)} tensors of the weights are not used ({shown}). "
                "Export a model whose config.json belongs to its weights."
            )


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
