"""A bundle on disk: written whole or not at all, read with its hashes checked."""

from __future__ import annotations

import ctypes
import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from streamformer_export import answers
from streamformer_export.config import read_json
from streamformer_export.errors import ExportError
from streamformer_export.native_marian import Shortlist, padded
from streamformer_export.outputs import obstacle
from streamformer_export.rows import CONTEXT, RIGHT, Row, clip, cut, windows
from streamformer_export.tokenizer import unknown_id

FORMAT = 1
# As in manifest.schema.json.
NAMES = re.compile(r"[a-z0-9][a-z0-9._-]*")
MANIFEST = "manifest.json"
CARD = "README.md"
GOLDEN = "golden.jsonl"
TOKENIZER = "tokenizer.json"
TARGET_TOKENIZER = "target_tokenizer.json"
# Where a template has the text.
TEXT = "{text}"
SHORTLIST = "shortlist.bin"
QUESTION_ANSWERING = "question-answering"
# What a manifest that is silent means.
CHARACTERS_PER_TOKEN = 16
# Linux's renameat2: paths from the working folder, and swap the two.
_HERE, _EXCHANGE = -100, 2
# Token types of a pair, by manifest["tokenizer"]["token_types"]: 0 and 1, or 0 alone.
PAIR_TYPES, NO_TYPES = "pair", "none"


def to_json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def bundle_name(name: str | None, out: Path) -> str:
    """The name of the bundle, by default the name of its folder; refuses what a manifest may not
    have."""
    found = name or out.resolve().name
    if not NAMES.fullmatch(found):
        given = "--name" if name else "OUT"
        raise ExportError(
            f"{given} names the bundle {found!r}. A name has lower-case letters, digits, '.', '_' "
            "and '-', and begins with a letter or a digit. Give one with --name."
        )
    return found


def refuse_existing(folder: Path, force: bool) -> None:
    """Refuses a folder that has something in it or cannot be written; --force replaces bundles
    only."""
    problem = obstacle(folder)
    if folder.exists() and not folder.is_dir():
        problem = f"A bundle is a folder: {folder} is a file. Give another path."
    if problem:
        raise ExportError(problem)
    if not folder.exists() or not any(folder.iterdir()):
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
    """Puts the finished folder in place of an earlier one; a reader always finds one of them."""
    if target.exists():
        # Now `new` is the old folder.
        _exchange(new, target)
        shutil.rmtree(new)
    else:
        new.rename(target)


def _exchange(one: Path, other: Path) -> None:
    """Swaps two folders in one step on Linux; elsewhere a moment passes between two steps."""
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError):
        swapped = False
    else:
        paths = (os.fsencode(one), os.fsencode(other))
        swapped = renameat2(_HERE, paths[0], _HERE, paths[1], _EXCHANGE) == 0
    if not swapped:
        aside = one.with_name(f"{one.name}.old")
        other.rename(aside)
        one.rename(other)
        aside.rename(one)


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read; `manifest` is as in manifest.schema.json."""

    folder: Path
    manifest: dict[str, Any]

    @staticmethod
    def read(folder: Path) -> Bundle:
        """Reads a bundle; what is no manifest, a wrong format or hash is an ExportError."""
        path = folder / MANIFEST
        if not path.is_file():
            raise ExportError(f"A bundle has {MANIFEST}: {folder} has none. Give a bundle folder.")
        manifest = read_json(path)
        if manifest.get("format") != FORMAT:
            raise ExportError(
                f"The bundle's format is {FORMAT}: it is {manifest.get('format')!r}. "
                "Export the bundle again with this release."
            )
        files = manifest.get("files")
        if not isinstance(files, dict):
            raise ExportError(
                f"{path} has no list of the bundle's files. Copy or export the bundle again."
            )
        for name, expected in files.items():
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
    def asks(self) -> bool:
        """Whether texts are questions, whose contexts are read in windows."""
        return self.manifest["task"] == QUESTION_ANSWERING

    @property
    def max_tokens(self) -> int:
        return self.manifest["limits"]["max_tokens"]

    @property
    def template(self) -> str:
        return self.manifest.get("template", TEXT)

    @property
    def truncation_side(self) -> str:
        return self.manifest["tokenizer"].get("truncation_side", RIGHT)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return Tokenizer.from_file(str(self.folder / self.manifest["tokenizer"]["file"]))

    def reading_with(self, tokenizer: Tokenizer) -> Bundle:
        """The bundle with another tokenizer in place of its own."""
        other = Bundle(self.folder, self.manifest)
        other.__dict__["tokenizer"] = tokenizer
        return other

    @cached_property
    def target_tokenizer(self) -> Tokenizer:
        """What turns generated ids into text."""
        file = self.manifest["tokenizer"].get("target_file")
        return Tokenizer.from_file(str(self.folder / file)) if file else self.tokenizer

    def prompt(self, text: str) -> str:
        """The text in its template."""
        return self.template.replace(TEXT, text)

    def clipped(self, text: str, pair: str | None = None) -> tuple[str, str | None]:
        """The characters that are read of a text, and of its pair."""
        per_token = self.manifest["limits"].get("max_characters_per_token", CHARACTERS_PER_TOKEN)
        most = self.max_tokens * per_token
        read = clip(text, most, self.truncation_side)
        if pair is None:
            return read, None
        return read, clip(pair, most * (CONTEXT if self.asks else 1), self.truncation_side)

    def encode(self, text: str, pair: str | None = None) -> Row:
        """The tokens of a text in its template, or of a pair, special tokens included, cut to the
        model's limit."""
        text, pair = self.clipped(text, pair)
        return self.cut(self._whole(text, pair), text)

    def cut(self, row: Row, text: str) -> Row:
        """The row of a whole text in its template, within the model's limit."""
        before, after = map(len, self.template.split(TEXT))
        behind = before + len(text) if after else None
        return cut(row, self.max_tokens, self.truncation_side, before, behind)

    def readings(
        self, text: str, pair: str | None = None, language: str | None = None
    ) -> list[Row]:
        """The rows that the operator runs for a text: one, or one for each window of a question's
        context; `language` as in `ids`."""
        if self.asks and pair is not None:
            whole = self._whole(*self.clipped(text, pair))
            return windows(whole, self.max_tokens, self.truncation_side)
        row = self.encode(text, pair)
        return [row if language is None else self._told(row, language)]

    def _whole(self, text: str, pair: str | None) -> Row:
        typed = self.manifest["tokenizer"].get("token_types", PAIR_TYPES) == PAIR_TYPES
        return Row.of(self.tokenizer.encode(self.prompt(text), pair), typed=typed)

    def _told(self, row: Row, language: str) -> Row:
        """The row of a text in another language than the bundle's first."""
        tokens, ids = self.manifest["tokenizer"]["source_language_tokens"], list(row.ids)
        ids[0 if tokens["position"] == "first" else -1] = tokens["ids"][language]
        return replace(row, ids=ids)

    def ids(self, text: str, pair: str | None = None, language: str | None = None) -> list[int]:
        """Token ids of a text, as `encode` reads it; `language` is that of the text, by default
        the bundle's first."""
        row = self.encode(text, pair)
        return list((row if language is None else self._told(row, language)).ids)

    @cached_property
    def control_ids(self) -> frozenset[int]:
        """Ids that no text has: those of the control tokens but the unknown one."""
        unknown = unknown_id(json.loads(self.tokenizer.to_str())["model"], self.tokenizer)
        return frozenset(self.manifest["tokenizer"]["special_token_ids"]) - {unknown}

    def reads_alike(self, ours: Sequence[Row], theirs: Sequence[Row]) -> bool:
        """Whether a text's rows have the ids that a reference gives it.

        Where the reference finds a control token in a text, as Unigram does in `</s>`, ours must
        not.
        """

        def spelled(rows: Sequence[Row]) -> bool:
            inner = (p for r in rows for p in zip(r.ids, r.special_tokens_mask, strict=True))
            return any(id_ in self.control_ids and not added for id_, added in inner)

        same = [list(row.ids) for row in ours] == [list(row.ids) for row in theirs]
        return same or (spelled(theirs) and not spelled(ours))

    def target_language_id(self, language: str | None = None) -> int | None:
        """The token that begins an answer in `language`, by default the bundle's first; None where
        the model is not told."""
        tokens = self.manifest.get("decoding", {}).get("target_language_tokens")
        if not tokens:
            return None
        return tokens[language or self.manifest["target_languages"][0]]

    def text(self, ids: list[int]) -> str:
        """The text of generated ids."""
        special = set(self.manifest["tokenizer"]["special_token_ids"])
        return self.target_tokenizer.decode([i for i in ids if i not in special]).strip()

    def limit(self, input_tokens: int) -> int:
        """The most tokens that a row of this length may generate."""
        decoding = self.manifest["decoding"]
        most = decoding["max_new_tokens"]
        if "max_length_factor" in decoding:
            allowed = math.floor(decoding["max_length_factor"] * input_tokens)
            allowed += decoding["max_length_offset"]
            most = min(most, max(allowed, self.minimum(input_tokens)))
        if "max_total_tokens" in decoding:
            most = min(most, max(1, decoding["max_total_tokens"] - input_tokens))
        return most

    def minimum(self, input_tokens: int) -> int:
        """The least tokens that a row of this length generates before its end token."""
        decoding = self.manifest["decoding"]
        if "min_total_tokens" in decoding:
            return max(0, decoding["min_total_tokens"] - input_tokens)
        return decoding["min_new_tokens"]

    @cached_property
    def end_ids(self) -> tuple[int, ...]:
        """The tokens that end an answer."""
        found = self.manifest["decoding"]["eos_token_id"]
        return tuple(found) if isinstance(found, list) else (found,)

    def ended(self, ids: list[int]) -> list[int]:
        """Generated ids up to the first end token, which stays."""
        ends = [i for i, token in enumerate(ids) if token in self.end_ids]
        return ids[: ends[0] + 1] if ends else ids

    @cached_property
    def shortlist(self) -> Shortlist | None:
        """Which tokens may translate which, where the bundle narrows its output."""
        file = self.manifest.get("decoding", {}).get("shortlist_file")
        return Shortlist.read(self.folder / file) if file else None

    def golden(self) -> list[dict[str, Any]]:
        lines = (self.folder / self.manifest["golden"]).read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]


class Runner:
    """One variant of a bundle in ONNX Runtime."""

    def __init__(
        self,
        bundle: Bundle,
        variant: str,
        threads: int | None = None,
        profile: Path | None = None,
        providers: Sequence[str | tuple[str, dict[str, Any]]] = ("CPUExecutionProvider",),
    ) -> None:
        """`profile` is what the file begins with that ONNX Runtime writes its profile to;
        `providers` are ONNX Runtime's, the first choice first."""
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
        if profile:
            options.enable_profiling = True
            options.profile_file_prefix = str(profile)
        self.session = onnxruntime.InferenceSession(
            bundle.folder / variants[variant]["file"], options, providers=list(providers)
        )

    def run(
        self,
        rows: list[list[int]],
        *,
        types: list[list[int]] | None = None,
        num_beams: int | None = None,
        length_penalty: float | None = None,
        new_tokens: int | None = None,
        padding: int = 0,
        **options: float | list[int],
    ) -> list[np.ndarray]:
        """Runs rows of ids as one batch, padded to the longest and `padding` more.

        `types` are the token types of the rows, by default 0. With `new_tokens` every answer has
        that many tokens, none of them the end. `options` are optional inputs of the
        graph by their names; the rest are the bundle's defaults, but a bundle that samples searches
        here unless a temperature is given.

        Returns what the graph does, as manifest["outputs"] declares it.
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
            for i, row in enumerate(types or []):
                feed["token_type_ids"][i, : len(row)] = row
        if self.bundle.generates:
            decoding = manifest["decoding"]
            beams = decoding["num_beams"] if num_beams is None else num_beams
            penalty = decoding["length_penalty"] if length_penalty is None else length_penalty
            feed["max_new_tokens"] = np.array([self.bundle.limit(len(r)) for r in rows], np.int64)
            least = [self.bundle.minimum(len(row)) for row in rows]
            if new_tokens:
                feed["max_new_tokens"][:] = new_tokens
                least = [new_tokens] * len(rows)
            shapes = {value["name"]: value["shape"] for value in manifest["inputs"]}
            if not shapes["min_new_tokens"]:
                least = least[0]
            feed["min_new_tokens"] = np.array(least, np.int64)
            feed["num_beams"] = np.array(beams, np.int64)
            feed["length_penalty"] = np.array(penalty, np.float32)
            feed |= self._options(len(rows), options)
            if self.bundle.shortlist:
                feed["shortlist"] = padded([self.bundle.shortlist.of(row) for row in rows])
        return self.session.run(None, feed)

    def _options(self, rows: int, given: dict[str, float | list[int]]) -> dict[str, np.ndarray]:
        """The optional inputs that the graph has."""
        decoding = self.bundle.manifest["decoding"]
        language = self.bundle.target_language_id()
        defaults = {
            "forced_bos_token_id": [-1 if language is None else language] * rows,
            "repetition_penalty": decoding.get("repetition_penalty", 1.0),
            "no_repeat_ngram_size": decoding.get("no_repeat_ngram_size", 0),
            "suppress_tokens": [],
            "temperature": 0.0,
            "top_k": decoding.get("top_k", 0),
            "top_p": decoding.get("top_p", 1.0),
            "seed": [0] * rows,
        }
        types = {v["name"]: v["type"] for v in self.bundle.manifest["inputs"]}
        unknown = sorted(given.keys() - types.keys())
        if unknown:
            raise ExportError(
                f"An option needs an input of the graph: there is none called {unknown[0]!r}. "
                "Export the bundle --with it."
            )
        values = {name: given.get(name, default) for name, default in defaults.items()}
        return {name: np.array(v, types[name]) for name, v in values.items() if name in types}

    def answers(
        self,
        rows: list[list[int]],
        batch: int = 32,
        num_beams: int | None = None,
        progress=None,
        languages: Sequence[str | None] = (),
    ) -> list[Any]:
        """Per row the best hypothesis' ids without padding.

        Rows run in batches of similar length; the answers come in the order of `rows`. `languages`
        are those of the answers, where the model is told.
        """

        def run(chosen: list[int]) -> list[list[int]]:
            some, more = [rows[i] for i in chosen], {}
            if languages and self.bundle.target_language_id() is not None:
                tokens = [self.bundle.target_language_id(languages[i]) for i in chosen]
                more["forced_bos_token_id"] = tokens
            sequences = self.run(some, num_beams=num_beams, **more)[0]
            pairs = zip(sequences, some, strict=True)
            return [self.trim(sequence[0], len(row)) for sequence, row in pairs]

        return _in_batches([len(row) for row in rows], batch, run, progress)

    def read(self, rows: Sequence[Row], batch: int = 32, progress=None) -> list[Any]:
        """Per row what the reader of an encoder's task makes of its outputs.

        Rows run in batches of similar length; the answers come in the order of `rows`.
        """
        return self.each(rows, answers.reader(self.bundle.manifest).read, batch, progress)

    def each(
        self,
        rows: Sequence[Row],
        use: Callable[[list[np.ndarray], Row], Any],
        batch: int = 32,
        progress=None,
    ) -> list[Any]:
        """Per row what `use` makes of an encoder's outputs; batches and order as in `read`."""

        def run(chosen: list[int]) -> list[Any]:
            some = [rows[i] for i in chosen]
            return [use(*pair) for pair in zip(self.outputs(some), some, strict=True)]

        return _in_batches([len(row) for row in rows], batch, run, progress)

    def read_texts(
        self, readings: Sequence[Sequence[Row]], batch: int = 32, progress=None
    ) -> list[Any]:
        """Per text, of one row or several windows, the answer with the highest score."""
        found = iter(self.read([row for rows in readings for row in rows], batch, progress))
        return [answers.best([next(found) for _ in rows]) for rows in readings]

    def outputs(self, rows: Sequence[Row], padding: int = 0) -> list[list[np.ndarray]]:
        """The outputs of each row of one batch, without batch axis and padding."""
        ids, types = [row.ids for row in rows], [row.type_ids for row in rows]
        found = self.run(ids, types=types, padding=padding)
        long = ["sequence" in output["shape"] for output in self.bundle.manifest["outputs"]]
        return [
            [a[i, : len(row)] if cut else a[i] for a, cut in zip(found, long, strict=True)]
            for i, row in enumerate(ids)
        ]

    def trim(self, ids: np.ndarray, input_tokens: int) -> list[int]:
        """Generated ids of a row of that many input tokens, up to the end token or its limit."""
        return self.bundle.ended(ids[: self.bundle.limit(input_tokens)].tolist())


def _in_batches(
    lengths: list[int], batch: int, run: Callable[[list[int]], list[Any]], progress=None
) -> list[Any]:
    """What `run` gives for each index, called with batches of indices of similar length."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    results: list[Any] = [None] * len(lengths)
    starts = range(0, len(lengths), batch)
    for start in progress(starts) if progress else starts:
        chosen = order[start : start + batch]
        for i, result in zip(chosen, run(chosen), strict=True):
            results[i] = result
    return results
