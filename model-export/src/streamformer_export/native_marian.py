"""Reads Marian's own files: the binary model (`model.*.bin`) and the lexical shortlist.

The layouts are those of Marian's `common/binary.cpp` and `data/shortlist.cpp`; numbers are
little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamformer_export.config import Config, IgnoredKeys
from streamformer_export.config_keys import ignored
from streamformer_export.errors import ExportError

MODEL_VERSION = 1
CONFIG = "special:model.yml"

# Types of a stored tensor.
FLOAT32 = 0x0404
INT8 = 0x4101

SHORTLIST_MAGIC = 0xF11A48D5013417F5
# Marian fills a shortlist up to a multiple of this many tokens.
SHORTLIST_MULTIPLE = 8


@dataclass(frozen=True)
class _Item:
    type: int
    shape: tuple[int, ...]
    data: memoryview


def find_model(folder: Path) -> Path | None:
    """The one `model*.bin` of a folder, if there is one."""
    return _only(folder, "model*.bin")


def find_vocabulary(folder: Path) -> Path | None:
    """The one `vocab*.spm` of a folder, if there is one."""
    return _only(folder, "vocab*.spm")


def find_shortlist(folder: Path) -> Path | None:
    """The one `lex*.bin` of a folder, if there is one."""
    return _only(folder, "lex*.bin")


def _only(folder: Path, pattern: str) -> Path | None:
    found = sorted(folder.glob(pattern))
    if len(found) > 1:
        raise ExportError(
            f"A student's folder has one {pattern}: {folder} has {len(found)}. Move the others."
        )
    return found[0] if found else None


class NativeWeights:
    """The tensors of a binary model as float32 by Marian's names, and its configuration.

    An 8-bit tensor is stored with one multiplier, value x multiplier, and lies transposed unless it
    is an embedding; it is widened here. A single row (1, n) becomes a vector (n).
    """

    def __init__(self, path: Path, user: IgnoredKeys | None = None) -> None:
        self.path = path
        self._items = _read_items(path)
        if CONFIG not in self._items:
            raise ExportError(
                f"A Marian model carries its configuration as {CONFIG}: {path} does not. "
                "Give a model that Marian saved."
            )
        text = bytes(self._items[CONFIG].data).rstrip(b"\0").decode()
        kept = ignored("marian-student")
        self.config = Config(read_yaml(text), CONFIG, kept=kept, user=user)
        self._read = {CONFIG}

    def __contains__(self, name: str) -> bool:
        return name in self._items

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._items:
            raise ExportError(
                f"The model has {name}: {self.path.name} has not. "
                "Give a transformer with an SSRU decoder."
            )
        self._read.add(name)
        item = self._items[name]
        if item.type == FLOAT32:
            array = np.frombuffer(item.data, "<f4", _size(item.shape)).reshape(item.shape)
            return array[0] if len(array) == 1 else array
        values = np.frombuffer(item.data, np.int8, _size(item.shape))
        multiplier = np.frombuffer(item.data, "<f4", 1, _size(item.shape))[0]
        rows, columns = item.shape
        if name.endswith("Wemb"):
            return values.reshape(rows, columns).astype(np.float32) / multiplier
        return values.reshape(columns, rows).T.astype(np.float32) / multiplier

    def steps(self, name: str) -> np.ndarray | None:
        """The step of the 8-bit matrix `name` (in, out), for each of its outputs."""
        item = self._items[name]
        if item.type != INT8:
            return None
        multiplier = np.frombuffer(item.data, "<f4", 1, _size(item.shape))[0]
        outputs = item.shape[0] if name.endswith("Wemb") else item.shape[1]
        return np.full(outputs, 1 / multiplier, np.float32)

    def multiplier(self, name: str) -> float | None:
        """What activations before the matrix `name` are multiplied with in 8 bits, if stored."""
        name = f"{name}_QuantMultA"
        return float(self[name].flat[0]) if name in self._items else None

    def ignore(self, *names: str) -> None:
        """Tensors that the computation does not need."""
        self._read.update(names)

    def refuse_rest(self) -> None:
        """Refuses tensors that nobody read: something of the model would be dropped."""
        unused = sorted(name for name in self._items if name not in self._read)
        unused = [name for name in unused if not name.endswith("_QuantMultA")]
        if unused:
            shown = ", ".join(unused[:5]) + (", ..." if len(unused) > 5 else "")
            raise ExportError(
                f"Every tensor must be used: {len(unused)} of {self.path.name} are not ({shown}). "
                "Give a transformer with an SSRU decoder."
            )


def _read_items(path: Path) -> dict[str, _Item]:
    content = memoryview(path.read_bytes())
    try:
        version, count = struct.unpack_from("<2Q", content)
        if version != MODEL_VERSION:
            raise ExportError(
                f"A Marian model has the version {MODEL_VERSION}: {path} has {version}. "
                "Convert it with marian-conv of that version."
            )
        at = 16
        headers = [struct.unpack_from("<4Q", content, at + 32 * i) for i in range(count)]
        at += 32 * count
        names = []
        for length, *_ in headers:
            names.append(bytes(content[at : at + length]).rstrip(b"\0").decode())
            at += length
        shapes = []
        for _, _, axes, _ in headers:
            shapes.append(struct.unpack_from(f"<{axes}i", content, at))
            at += 4 * axes
        (padding,) = struct.unpack_from("<Q", content, at)
        at += 8 + padding
    except (struct.error, UnicodeDecodeError) as error:
        raise ExportError(
            f"A Marian model is a binary file of tensors: {path} is not ({error}). Copy it again."
        ) from None
    items = {}
    for name, shape, (_, type_, _, length) in zip(names, shapes, headers, strict=True):
        if name != CONFIG and type_ not in (FLOAT32, INT8) and not name.endswith("_QuantMultA"):
            raise ExportError(
                f"A tensor is float32 or intgemm's int8: {name} of {path.name} has the type "
                f"{type_:#x}. Convert the model with marian-conv to one of the two."
            )
        if at + length > len(content):
            raise ExportError(
                f"A Marian model has the bytes of all its tensors: {path} ends within {name}. "
                "Copy it again."
            )
        items[name] = _Item(type_, shape, content[at : at + length])
        at += length
    return items


def _size(shape: Iterable[int]) -> int:
    return int(np.prod(tuple(shape), dtype=np.int64))


def read_yaml(text: str) -> dict[str, Any]:
    """The subset of YAML that Marian's configurations are written in: scalars and lists of them."""
    values: dict[str, Any] = {}
    key = ""
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if stripped.startswith("- "):
            if not isinstance(values[key], list):
                values[key] = []
            values[key].append(_scalar(stripped[2:].strip()))
            continue
        key, _, value = stripped.partition(":")
        values[key] = _scalar(value.strip())
    return values


def _scalar(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if text in ("[]", ""):
        return [] if text else None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text.strip("\"'")


@dataclass(frozen=True)
class Shortlist:
    """A lexical shortlist: which target tokens a source token may become.

    `first` are the most frequent tokens, always candidates; those of source token i are
    `candidates[offsets[i]:offsets[i + 1]]`.
    """

    first: int
    offsets: np.ndarray
    candidates: np.ndarray

    @staticmethod
    def read(path: Path) -> Shortlist:
        content = path.read_bytes()
        header = np.frombuffer(content, "<u8", min(6, len(content) // 8))
        if len(header) < 6 or header[0] != SHORTLIST_MAGIC:
            raise ExportError(
                f"A lexical shortlist is Marian's binary one: {path} is not. "
                "Convert it with marian-conv --shortlist."
            )
        first, words, candidates = int(header[2]), int(header[4]), int(header[5])
        if len(content) != 8 * (6 + words) + 4 * candidates:
            raise ExportError(
                f"A shortlist of {words} words and {candidates} candidates has "
                f"{8 * (6 + words) + 4 * candidates} bytes: {path} has {len(content)}. "
                "Copy it again."
            )
        offsets = np.frombuffer(content, "<u8", words, 48).astype(np.int64)
        return Shortlist(first, offsets, np.frombuffer(content, "<u4", candidates, 48 + 8 * words))

    @staticmethod
    def of_lists(lists: Sequence[Iterable[int]]) -> Shortlist:
        """The shortlist whose source token i may become the tokens of `lists[i]`."""
        rows = [sorted(set(row)) for row in lists]
        ends = np.cumsum([len(row) for row in rows])
        offsets = np.concatenate([[0], ends]).astype(np.int64)
        return Shortlist(0, offsets, np.concatenate([*rows, []]).astype(np.uint32))

    def write(self, path: Path) -> None:
        """Writes Marian's binary file; its checksum, which no reader here asks for, is 0."""
        longest = int(np.diff(self.offsets).max(initial=0))
        counts = len(self.offsets), len(self.candidates)
        header = [SHORTLIST_MAGIC, 0, self.first, longest, *counts]
        path.write_bytes(
            np.array(header, "<u8").tobytes()
            + self.offsets.astype("<u8").tobytes()
            + self.candidates.astype("<u4").tobytes()
        )

    def of(self, ids: Iterable[int]) -> list[int]:
        """The tokens that may translate `ids`, ascending, as Marian chooses them.

        Source and target share their vocabulary, so the source's own tokens are candidates too.
        """
        ids = list(ids)
        chosen = np.zeros(max(len(self.offsets), *ids) + self.first + SHORTLIST_MULTIPLE, np.bool_)
        chosen[: self.first] = True
        chosen[ids] = True
        for token in ids:
            if token + 1 < len(self.offsets):
                chosen[self.candidates[self.offsets[token] : self.offsets[token + 1]]] = True
        missing = -np.count_nonzero(chosen) % SHORTLIST_MULTIPLE
        chosen[np.flatnonzero(~chosen)[:missing]] = True
        return np.flatnonzero(chosen).tolist()


def padded(rows: list[list[int]]) -> np.ndarray:
    """Candidates of each row (rows, longest), -1 after the last: the graph's input `shortlist`."""
    table = np.full((len(rows), max(map(len, rows))), -1, np.int64)
    for i, row in enumerate(rows):
        table[i, : len(row)] = row
    return table
