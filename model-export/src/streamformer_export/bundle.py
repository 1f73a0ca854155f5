"""A bundle on disk: written whole or not at all, read with its hashes checked."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from streamformer_export.errors import ExportError

FORMAT = 1
MANIFEST = "manifest.json"
CARD = "README.md"
GOLDEN = "golden.jsonl"
TOKENIZER = "tokenizer.json"


def to_json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse_existing(folder: Path, force: bool) -> None:
    """Refuses a folder that has something in it; --force replaces bundles only."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not force:
        raise ExportError(
            f"An existing output is kept: {folder} is not empty. "
            "Give another folder, or --force to replace it."
        )
    if not (folder / MANIFEST).is_file():
        raise ExportError(
            f"--force replaces a bundle only: {folder} has no {MANIFEST}. "
            "Empty it yourself or give another folder."
        )


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Writes the manifest with the hashes of the files that lie in `folder` now."""
    files = sorted(path.name for path in folder.iterdir() if path.name != MANIFEST)
    content = {**manifest, "files": {name: sha256(folder / name) for name in files}}
    (folder / MANIFEST).write_text(to_json(content), encoding="utf-8")


def replace_folder(new: Path, target: Path) -> None:
    """Puts the finished folder in place of an earlier one."""
    if target.exists():
        shutil.rmtree(target)
    new.rename(target)


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read; `manifest` is as in manifest.schema.json."""

    folder: Path
    manifest: dict[str, Any]

    @staticmethod
    def read(folder: Path) -> Bundle:
        """Reads a bundle; a wrong format or hash is an ExportError."""
        path = folder / MANIFEST
        if not path.is_file():
            raise ExportError(f"A bundle has {MANIFEST}: {folder} has none. Give a bundle folder.")
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest.get("format") != FORMAT:
            raise ExportError(
                f"The bundle's format is {FORMAT}: it is {manifest.get('format')!r}. "
                "Export the bundle again with this release."
            )
        for name, expected in manifest["files"].items():
            if not (folder / name).is_file() or sha256(folder / name) != expected:
                raise ExportError(
                    f"Every file of a bundle has the manifest's SHA-256: {name} has not. "
                    "Copy or export the bundle again."
                )
        return Bundle(folder, manifest)

    @property
    def generates(self) -> bool:
        return "decoding" in self.manifest

    @property
    def max_tokens(self) -> int:
        return self.manifest["limits"]["max_tokens"]

    @cached_property
    def tokenizer(self) -> Tokenizer:
        tokenizer = Tokenizer.from_file(str(self.folder / self.manifest["tokenizer"]["file"]))
        tokenizer.enable_truncation(self.max_tokens)
        return tokenizer

    def ids(self, text: str, pair: str | None = None) -> list[int]:
        """Token ids of a text, special tokens included, cut to the model's limit."""
        return self.tokenizer.encode(text, pair).ids

    def text(self, ids: list[int]) -> str:
        """The text of generated ids."""
        special = set(self.manifest["tokenizer"]["special_token_ids"])
        return self.tokenizer.decode([i for i in ids if i not in special]).strip()

    def limit(self, input_tokens: int) -> int:
        """Tokens that a row of this length may generate."""
        decoding = self.manifest["decoding"]
        allowed = math.floor(decoding["max_length_factor"] * input_tokens)
        return min(decoding["max_new_tokens"], allowed + decoding["max_length_offset"])

    def golden(self) -> list[dict[str, Any]]:
        lines = (self.folder / self.manifest["golden"]).read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]


class Runner:
    """One variant of a bundle in ONNX Runtime."""

    def __init__(self, bundle: Bundle, variant: str, threads: int | None = None) -> None:
        variants = bundle.manifest["variants"]
        if variant not in variants:
            raise ExportError(
                f"The bundle's variants are {', '.join(variants)}: {variant!r} is none of them. "
                "Choose another, or export the bundle with it."
            )
        self.bundle = bundle
        options = onnxruntime.SessionOptions()
        # ONNX Runtime warns of every initializer that a fusion made superfluous.
        options.log_severity_level = 3
        if threads:
            options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(
            bundle.folder / variants[variant]["file"], options, providers=["CPUExecutionProvider"]
        )

    def run(
        self,
        rows: list[list[int]],
        *,
        num_beams: int | None = None,
        length_penalty: float | None = None,
        padding: int = 0,
    ) -> list[np.ndarray]:
        """Runs rows of ids as one batch, padded to the longest and `padding` more.

        Returns [logits (batch, labels)], or [sequences (batch, beams, time), scores
        (batch, beams)].
        """
        manifest = self.bundle.manifest
        longest = max(map(len, rows)) + padding
        ids = np.full((len(rows), longest), manifest["tokenizer"]["pad_token_id"], np.int64)
        mask = np.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        feed = {"input_ids": ids, "attention_mask": mask}
        if any(value["name"] == "token_type_ids" for value in manifest["inputs"]):
            feed["token_type_ids"] = np.zeros_like(ids)
        if self.bundle.generates:
            decoding = manifest["decoding"]
            beams = decoding["num_beams"] if num_beams is None else num_beams
            penalty = decoding["length_penalty"] if length_penalty is None else length_penalty
            feed["max_new_tokens"] = np.array([self.bundle.limit(len(r)) for r in rows], np.int64)
            feed["min_new_tokens"] = np.array(decoding["min_new_tokens"], np.int64)
            feed["num_beams"] = np.array(beams, np.int64)
            feed["length_penalty"] = np.array(penalty, np.float32)
        return self.session.run(None, feed)

    def answers(
        self, rows: list[list[int]], batch: int = 32, num_beams: int | None = None, progress=None
    ) -> list[Any]:
        """Per row: probabilities (labels), or the best hypothesis' ids without padding.

        Rows run in batches of similar length; the answers come in the order of `rows`.
        """
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        results: list[Any] = [None] * len(rows)
        starts = range(0, len(rows), batch)
        for start in progress(starts) if progress else starts:
            chosen = order[start : start + batch]
            outputs = self.run([rows[i] for i in chosen], num_beams=num_beams)
            if self.bundle.generates:
                found = [self.trim(sequence[0]) for sequence in outputs[0]]
            else:
                found = list(probabilities(outputs[0]))
            for i, result in zip(chosen, found, strict=True):
                results[i] = result
        return results

    def trim(self, ids: np.ndarray) -> list[int]:
        """Generated ids up to the end token, or to the padding."""
        end = self.bundle.manifest["decoding"]["eos_token_id"]
        padding = self.bundle.manifest["tokenizer"]["pad_token_id"]
        ids = ids.tolist()
        if end in ids:
            return ids[: ids.index(end) + 1]
        return ids[: ids.index(padding)] if padding in ids else ids


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax over the labels, in float64."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)
