"""Feeding graphs in tests."""

from __future__ import annotations

import numpy as np
import onnxruntime

from streamformer_export.graph.builder import Graph


def session(graph: Graph) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return graph.model("test").session(options)


def padded(rows: list[list[int]], padding: int, more: int = 0) -> dict[str, np.ndarray]:
    """input_ids and attention_mask (rows, longest + more)."""
    longest = max(map(len, rows)) + more
    ids = np.full((len(rows), longest), padding, np.int64)
    mask = np.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def search(
    limit: int | list[int],
    rows: int,
    num_beams: int = 1,
    length_penalty: float = 1.0,
    min_new_tokens: int = 0,
) -> dict[str, np.ndarray]:
    limits = limit if isinstance(limit, list) else [limit] * rows
    return {
        "max_new_tokens": np.array(limits, np.int64),
        "min_new_tokens": np.array(min_new_tokens, np.int64),
        "num_beams": np.array(num_beams, np.int64),
        "length_penalty": np.array(length_penalty, np.float32),
    }


def random_rows(count: int, vocabulary: int, seed: int, longest: int = 14) -> list[list[int]]:
    """Rows of 2 to `longest` ids without control tokens."""
    random = np.random.default_rng(seed)
    lengths = random.integers(2, longest + 1, count)
    return [random.integers(5, vocabulary - 5, length).tolist() for length in lengths]


def optional_inputs(
    graph: onnxruntime.InferenceSession, rows: int, **given: float | list[int] | np.ndarray
) -> dict[str, np.ndarray]:
    """The optional inputs that the graph has: `given`, and neutral values for the rest."""
    neutral = {
        "forced_bos_token_id": (np.full(rows, -1), np.int64),
        "repetition_penalty": (1.0, np.float32),
        "no_repeat_ngram_size": (0, np.int64),
        "suppress_tokens": ([], np.int64),
        "temperature": (0.0, np.float32),
        "top_k": (0, np.int64),
        "top_p": (1.0, np.float32),
        "seed": (np.zeros(rows), np.int64),
    }
    names = {value.name for value in graph.get_inputs()}
    feed = {}
    for name, (value, dtype) in neutral.items():
        if name in names:
            feed[name] = np.asarray(given.pop(name, value), dtype)
    if np.ndim(feed.get("forced_bos_token_id", [0])) == 0:
        feed["forced_bos_token_id"] = np.repeat(feed["forced_bos_token_id"], rows)
    assert not given, f"the graph has no input {given}"
    return feed
