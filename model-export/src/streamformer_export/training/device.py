"""Where and in which number format training computes; the helpers both trainers share."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers.utils import logging as transformers_logging

from streamformer_export.training.errors import TrainingError
from streamformer_export.training.settings import Precision


@dataclass(frozen=True)
class Device:
    """A torch device and whether matrix products run in bfloat16 on it."""

    torch_device: torch.device
    bf16: bool

    @classmethod
    def choose(cls, precision: Precision, threads: int | None) -> Device:
        """Takes CUDA where there is one; bfloat16 by itself only where it is faster."""
        if threads:
            torch.set_num_threads(threads)
        cuda = torch.cuda.is_available()
        fast_bf16 = (
            torch.cuda.is_bf16_supported() if cuda else _cpu_capabilities().get("amx_bf16", False)
        )
        if not cuda:
            keep_freed_memory()
        bf16 = precision is Precision.BF16 or (precision is Precision.AUTO and bool(fast_bf16))
        return cls(torch.device("cuda" if cuda else "cpu"), bf16)

    def autocast(self) -> AbstractContextManager[Any]:
        """Returns the context in which a model's forward pass runs."""
        return torch.autocast(self.torch_device.type, dtype=torch.bfloat16, enabled=self.bf16)

    def tensor(self, array: Any) -> torch.Tensor:
        """Returns a numpy array as a tensor on this device."""
        return torch.from_numpy(array).to(self.torch_device)


def _cpu_capabilities() -> dict[str, Any]:
    read = getattr(torch.cpu, "get_capabilities", None)
    return dict(read()) if read else {}


def keep_freed_memory() -> None:
    """Asks glibc to keep freed memory for reuse instead of returning it to the kernel.

    Activations are freed and allocated again in each step; mapping them anew costs page faults
    (about a sixth of a step on a small model). Does nothing where the C library is another.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        trim_threshold, top_pad, mmap_threshold = -1, -2, -3
        mallopt(mmap_threshold, 32 << 20)  # glibc's largest
        mallopt(trim_threshold, 2**31 - 1)
        mallopt(top_pad, 64 << 20)


def quieten_transformers() -> None:
    """Leaves the screen to our own progress; errors still show."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


def progress(items: Iterable[Any], title: str, total: int | None = None) -> tqdm:
    """Returns `items` behind a progress bar: lively on a terminal, rare lines in a log."""
    terminal = sys.stderr.isatty()
    return tqdm(
        items,
        desc=title,
        total=total,
        mininterval=0.2 if terminal else 30,
        dynamic_ncols=terminal,
        leave=True,
    )


def say(message: str) -> None:
    """Prints a line that a progress bar does not tear."""
    tqdm.write(message, file=sys.stderr)


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Writes a checkpoint so that a crash leaves the old or the new one, never half."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def load_state(path: Path) -> dict[str, Any]:
    """Reads a checkpoint of `save_state`; tensors and plain values only."""
    return torch.load(path, map_location="cpu", weights_only=True)


def require_finite(loss: float, step: int) -> None:
    """Stops a run whose loss is not a number."""
    if loss != loss or loss in (float("inf"), float("-inf")):
        raise TrainingError(
            f"The loss stays finite: it was {loss} at step {step}. "
            "Lower the learning rate or lengthen the warm-up, then start anew."
        )
