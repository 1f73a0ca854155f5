"""Calibration: which values each matrix gets to see on ordinary texts."""

from __future__ import annotations

import numpy as np
import onnxruntime
from tqdm import tqdm

from streamformer_export.families import Model
from streamformer_export.quantize import Observer, Range, Scheme, choose_range

# Values kept of each matrix' inputs.
SAMPLES = 400_000


def calibrate(model: Model, rows: list[list[int]], version: str) -> dict[str, Range]:
    """Ranges of the inputs of every matrix, by name.

    Runs each row of ids by itself, so that no padding is seen. A generating model first translates
    it, and then reads its own answer.
    """
    observer = Observer()
    scorer = _session(model.build_scorer(observer).model(version))
    generator = _session(model.build(Scheme()).model(version)) if model.rules else None
    random = np.random.default_rng(0)
    kept: dict[str, list[np.ndarray]] = {name: [] for name in observer.seen}
    per_row = max(1, SAMPLES // len(rows))
    for row in tqdm(rows, desc="calibration", unit="text"):
        feed = {"input_ids": np.array([row], np.int64)}
        feed["attention_mask"] = np.ones_like(feed["input_ids"])
        names = {value.name for value in scorer.get_inputs()}
        if "token_type_ids" in names:
            feed["token_type_ids"] = np.zeros_like(feed["input_ids"])
        if generator:
            feed["decoder_input_ids"] = _answer(model, generator, feed)
        outputs = scorer.run(list(observer.seen), feed)
        for name, output in zip(observer.seen, outputs, strict=True):
            values = output.reshape(-1)
            if len(values) > per_row:
                # The extremes decide the range: they are kept.
                chosen = random.choice(values, per_row)
                values = np.concatenate([chosen, [values.min(), values.max()]])
            kept[name].append(values)
    return {observer.seen[name]: choose_range(np.concatenate(v)) for name, v in kept.items()}


def _answer(
    model: Model, generator: onnxruntime.InferenceSession, feed: dict[str, np.ndarray]
) -> np.ndarray:
    """Greedy translation with the start token in front: (1, time)."""
    assert model.rules
    limit = min(model.max_positions - 1, 2 * feed["input_ids"].shape[1] + 16)
    sequences, _ = generator.run(
        None,
        {
            "input_ids": feed["input_ids"],
            "attention_mask": feed["attention_mask"],
            "max_new_tokens": np.array([limit], np.int64),
            "min_new_tokens": np.array(0, np.int64),
            "num_beams": np.array(1, np.int64),
            "length_penalty": np.array(1, np.float32),
        },
    )
    return np.concatenate([[[model.rules.start_id]], sequences[0][:, :-1]], axis=1)


def _session(model: object) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
