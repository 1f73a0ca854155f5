"""Calibration: which values each matrix gets to see on ordinary texts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnxruntime
from tqdm import tqdm

from streamformer_export import half
from streamformer_export.families import Model, Task
from streamformer_export.graph.options import Option, Options
from streamformer_export.native_marian import Shortlist, padded
from streamformer_export.quantize import Observer, Range, Scheme, choose_range

# Values kept of each matrix' inputs.
SAMPLES = 400_000


def calibrate(
    model: Model,
    rows: list[list[int]],
    version: str,
    types: list[list[int]] | None = None,
    language_id: int | None = None,
) -> dict[str, Range]:
    """Ranges of the inputs of every matrix, by name.

    Runs each row of ids by itself, so that no padding is seen, with its token `types`, if any. A
    generating model first answers it, and then reads its own answer; `language_id` is the first
    token of answers, if any.
    """
    answers = _answers(model, rows, version, language_id)
    observer = Observer()
    scorer = model.build_scorer(observer).model(version).session()
    random = np.random.default_rng(0)
    kept: dict[str, list[np.ndarray]] = {name: [] for name in observer.seen}
    per_row = max(1, SAMPLES // len(rows))
    for feed in _feeds(model, scorer, rows, types, answers):
        outputs = scorer.run(list(observer.seen), feed)
        for name, output in zip(observer.seen, outputs, strict=True):
            values = output.reshape(-1)
            if len(values) > per_row:
                # The extremes decide the range: they are kept.
                chosen = random.choice(values, per_row)
                values = np.concatenate([chosen, [values.min(), values.max()]])
            kept[name].append(values)
    return {observer.seen[name]: choose_range(np.concatenate(v)) for name, v in kept.items()}


def largest_half(
    model: Model,
    rows: list[list[int]],
    version: str,
    types: list[list[int]] | None = None,
    language_id: int | None = None,
) -> float:
    """The largest magnitude that the values of the variant fp16 have, measured in float32.

    Reads rows as `calibrate` does; refuses a model with values that float16 does not hold.
    """
    answers = _answers(model, rows, version, language_id)
    scheme = half.Half()
    watched, places = half.extremes(model.build_scorer(scheme).model(version), scheme)
    scorer = watched.session()
    largest = 0.0
    for feed in _feeds(model, scorer, rows, types, answers):
        outputs = scorer.run(list(places), feed)
        for place, output in zip(places.values(), outputs, strict=True):
            half.refuse_overflow(place, float(output))
            largest = max(largest, float(output))
    return largest


def _feeds(
    model: Model,
    scorer: onnxruntime.InferenceSession,
    rows: list[list[int]],
    types: list[list[int]] | None,
    answers: list[np.ndarray],
) -> Iterator[dict[str, np.ndarray]]:
    """What a scorer reads, row by row: of a generating model, the text and its own answer."""
    names = {value.name for value in scorer.get_inputs()}
    for i, row in enumerate(tqdm(rows, desc="calibration", unit="text")):
        feed = _row(row)
        if "token_type_ids" in names:
            feed["token_type_ids"] = np.array([types[i] if types else [0] * len(row)], np.int64)
        if "decoder_input_ids" in names:
            feed["decoder_input_ids"] = np.insert(answers[i][:, :-1], 0, model.rules.start_id, 1)
        elif answers:
            feed |= _row([*row, *answers[i][0].tolist()])
        yield feed


def _answers(
    model: Model, rows: list[list[int]], version: str, language_id: int | None
) -> list[np.ndarray]:
    """What a generating model answers to each row, (1, time); none of another.

    The session is gone before that of the scorer comes: a large model is in memory once.
    """
    if not model.rules:
        return []
    first = {Option.FORCED_BOS_TOKEN_ID} if language_id is not None else ()
    generator = model.build(Scheme(), Options(frozenset(first))).model(version).session()
    shown = tqdm(rows, desc="answers to calibrate on", unit="text")
    return [_answer(model, generator, _row(row), language_id) for row in shown]


def _row(ids: list[int]) -> dict[str, np.ndarray]:
    row = np.array([ids], np.int64)
    return {"input_ids": row, "attention_mask": np.ones_like(row)}


def _answer(
    model: Model,
    generator: onnxruntime.InferenceSession,
    feed: dict[str, np.ndarray],
    language_id: int | None,
) -> np.ndarray:
    """What greedy search answers: (1, time)."""
    assert model.rules
    more = {}
    if model.shortlist:
        row = feed["input_ids"][0].tolist()
        more["shortlist"] = padded([Shortlist.read(model.shortlist).of(row)])
    if language_id is not None:
        more["forced_bos_token_id"] = np.array([language_id], np.int64)
    length = feed["input_ids"].shape[1]
    room = model.max_positions - (length if model.task is Task.TEXT_GENERATION else 1)
    limit = min(room, 2 * length + 16)
    sequences, _ = generator.run(
        None,
        {
            "input_ids": feed["input_ids"],
            "attention_mask": feed["attention_mask"],
            "max_new_tokens": np.array([limit], np.int64),
            "min_new_tokens": np.zeros((1,) * model.rules.minimum_per_row, np.int64),
            "num_beams": np.array(1, np.int64),
            "length_penalty": np.array(1, np.float32),
            **more,
        },
    )
    return sequences[0]
