"""A lexical shortlist from parallel text: which tokens of a translation a source token explains.

The probabilities are those of IBM Model 1 (Brown et al. 1993, "The Mathematics of Statistical
Machine Translation"), estimated over tokens instead of words.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer

from streamformer_export import tokenizer
from streamformer_export.config import read_json
from streamformer_export.errors import ExportError
from streamformer_export.native_marian import Shortlist, find_model
from streamformer_export.outputs import obstacle
from streamformer_export.training.data import read_lines, read_pairs, sentence_key

# Later ones move little probability.
ITERATIONS = 5

# Memory grows with the product of a pair's lengths: of longer sentences the end counts.
LONGEST = 128


class Lexicon(NamedTuple):
    """How likely a source token becomes a target token; one entry per pair that was seen."""

    source: np.ndarray  # ascending
    target: np.ndarray
    probability: np.ndarray


def estimate(sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> Lexicon:
    """Model 1 over sentence pairs, begun with every token of a pair equally likely."""
    size = 1 + max(max(map(max, side)) for side in (sources, targets))
    # Every token of a source beside every token of its translation.
    seen = [
        (np.array(t, np.int64)[:, None] + size * np.array(s, np.int64)).ravel()
        for s, t in zip(sources, targets, strict=True)
    ]
    explained = np.repeat(
        np.arange(sum(map(len, targets)), dtype=np.int32),
        np.concatenate([np.full(len(t), len(s)) for s, t in zip(sources, targets, strict=True)]),
    )
    keys, pair = np.unique(np.concatenate(seen), return_inverse=True)
    source, target = keys // size, keys % size
    probability = np.ones(len(keys))
    for _ in range(ITERATIONS):
        share = probability[pair]
        share /= np.bincount(explained, share)[explained]
        count = np.bincount(pair, share)
        probability = count / np.bincount(source, count)[source]
    return Lexicon(source, target, probability)


def shortlist(
    lexicon: Lexicon, vocabulary_size: int, best: int, least: float, frequent: Sequence[int]
) -> Shortlist:
    """The `best` targets of each source token that are at least so likely.

    The `frequent` tokens may stand in every translation: they are targets of what every source
    has, the token that ends it, and so the first of them.
    """
    source, target, probability = lexicon
    order = np.lexsort((-probability, source))
    source, target, probability = source[order], target[order], probability[order]
    starts = np.searchsorted(source, np.arange(vocabulary_size + 1))
    rank = np.arange(len(source)) - starts[source]
    kept = (rank < best) & (probability >= least)
    lists = [[] for _ in range(vocabulary_size)]
    for token, candidate in zip(source[kept].tolist(), target[kept].tolist(), strict=True):
        lists[token].append(candidate)
    end = frequent[0]
    lists[end] = [*frequent, *lists[end]]
    return Shortlist.of_lists(lists)


def write(
    folder: Path,
    pairs: Sequence[str],
    *,
    best: int,
    least: float,
    frequent: int,
    held_out: Path | None = None,
    force: bool = False,
) -> str:
    """Writes `lex.bin` into a model folder, for export to find; says what it narrows to."""
    if not find_model(folder) and read_json(folder / "config.json").get("model_type") != "marian":
        raise ExportError(
            f"A shortlist narrows Marian-type models: config.json of {folder} names another "
            "model_type. Export this model without a shortlist."
        )
    out = folder / "lex.bin"
    if out.exists() and not force:
        raise ExportError(f"A shortlist is not replaced unasked: {out} is there. Add --force.")
    problem = obstacle(out)
    if problem:
        raise ExportError(problem)
    reads = tokenizer.load(tokenizer.read_tokenizer(folder)[0])
    writes = tokenizer.read_target_encoder(folder) or reads
    kept_away = set()
    if held_out:
        kept_away = {sentence_key(line.split("\t")[0]) for line in read_lines(held_out)}
    known = [p for one in pairs for p in read_pairs(one) if sentence_key(p.source) not in kept_away]
    sources, targets = (
        [encoding.ids[-LONGEST:] for encoding in _encode(words, [p[side] for p in known])]
        for side, words in enumerate((reads, writes))
    )
    ends = {row[-1] for row in (*sources, *targets)}
    if len(ends) != 1:
        raise ExportError(
            f"Every text ends with the same token, which carries the frequent ones: the tokenizers "
            f"of {folder} end texts with {len(ends)}. Export this model without a shortlist."
        )
    size = max(reads.get_vocab_size(), writes.get_vocab_size())
    counts = np.bincount(np.concatenate(targets), minlength=size)
    most = np.argsort(-counts, kind="stable")[:frequent].tolist()
    common = [*ends, *(token for token in most if token not in ends)]
    found = shortlist(estimate(sources, targets), size, best, least, common)
    found.write(out)
    return _narrowing(found, size, sources[::100], targets[::100])


def _encode(words: Tokenizer, texts: list[str]) -> list:
    words.no_padding()
    words.no_truncation()
    return words.encode_batch(texts)


def _narrowing(
    found: Shortlist, size: int, sources: list[list[int]], targets: list[list[int]]
) -> str:
    lists = [set(found.of(row)) for row in sources]
    inside = sum(t in few for few, row in zip(lists, targets, strict=True) for t in row)
    share = inside / sum(map(len, targets))
    mean = sum(map(len, lists)) / len(lists)
    return (
        f"{mean:.0f} of {size:,} tokens for a text on average; "
        f"{share:.1%} of the translations' tokens are among them"
    )
