"""The graphs of the tiny models against stored answers of transformers; no torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from graphs import optional_inputs, padded, random_rows, search, session
from streamformer_export.families import read_model
from streamformer_export.graph.options import Option, Options
from streamformer_export.quantize import Scheme, Static


def encoder_feed(rows: list[list[int]], model, graph, types=None, more: int = 0) -> dict:
    feed = padded(rows, model.pad_token_id, more)
    if "token_type_ids" in {value.name for value in graph.get_inputs()}:
        feed["token_type_ids"] = np.zeros_like(feed["input_ids"])
        for i, row in enumerate(types or []):
            feed["token_type_ids"][i, : len(row)] = row
    return feed


def unpadded(outputs: list[np.ndarray], graph, rows: list[list[int]]) -> list[list[np.ndarray]]:
    """Per row its outputs, without padding."""
    long = ["sequence" in value.shape for value in graph.get_outputs()]
    return [
        [o[i, : len(row)] if cut else o[i] for o, cut in zip(outputs, long, strict=True)]
        for i, row in enumerate(rows)
    ]


def test_encoder_gives_the_stored_outputs(encoder_folder):
    stored = json.loads((encoder_folder / "answers.json").read_text())
    model = read_model(encoder_folder)
    graph = session(model.build(Scheme()))
    rows, types = ([row[i] for row in stored["rows"]] for i in (0, 1))
    names = [value.name for value in graph.get_outputs()]
    outputs = graph.run(None, encoder_feed(rows, model, graph, types, more=3))
    for found, expected in zip(unpadded(outputs, graph, rows), stored["outputs"], strict=True):
        assert names == list(expected)
        for output, name in zip(found, names, strict=True):
            np.testing.assert_allclose(output, expected[name], atol=1e-4)


def test_generator_gives_the_stored_sequences_and_scores(generator_folder):
    stored = json.loads((generator_folder / "answers.json").read_text())
    model = read_model(generator_folder)
    graph = session(model.build(Scheme()))
    rows, most = stored["rows"], stored["max_new_tokens"]
    for one in stored["searches"]:
        beams = one["num_beams"]
        settings = search(most, len(rows), beams, one["length_penalty"], one["min_new_tokens"])
        sequences, scores = graph.run(None, padded(rows, model.pad_token_id, more=2) | settings)
        for i, answer in enumerate(one["answers"]):
            for j, expected in enumerate(answer["sequences"]):
                found = sequences[i, j].tolist()
                if model.rules.end_id in expected:
                    expected = expected[: expected.index(model.rules.end_id) + 1]
                assert found[: len(expected)] == expected
                assert set(found[len(expected) :]) <= {model.rules.padding_id}
            if beams > 1:
                np.testing.assert_allclose(scores[i], answer["scores"], atol=1e-4)


@pytest.mark.parametrize("beams", [1, 4])
@pytest.mark.parametrize("size", [3, 17])
def test_answer_to_a_row_is_its_own(generator_folder, scheme_of, beams, size):
    model = read_model(generator_folder)
    scheme = scheme_of(model)
    graph = session(model.build(scheme))
    rows = random_rows(34, 300, seed=size)
    # Each row its own limit, as in a bundle.
    limits = [2 * len(row) + 3 for row in rows]
    alone = []
    for row, limit in zip(rows, limits, strict=True):
        sequences, scores = graph.run(
            None, padded([row], model.pad_token_id) | search(limit, 1, beams)
        )
        alone.append((sequences[0], scores[0]))
    for start in range(0, len(rows), size):
        chosen = slice(start, start + size)
        feed = padded(rows[chosen], model.pad_token_id, more=1)
        many = search(limits[chosen], len(rows[chosen]), beams)
        sequences, scores = graph.run(None, feed | many)
        for k in range(len(rows[chosen])):
            expected, expected_scores = alone[start + k]
            width = expected.shape[1]
            np.testing.assert_array_equal(sequences[k][:, :width], expected)
            assert (sequences[k][:, width:] == model.rules.padding_id).all()
            # int8 may have no rounding of its own: a bit could become a whole step.
            bound = 0 if isinstance(scheme, Static) else 1e-4
            np.testing.assert_allclose(scores[k], expected_scores, rtol=0, atol=bound)


@pytest.mark.parametrize("size", [1, 3, 17])
def test_answer_of_an_encoder_is_its_own(encoder_folder, scheme_of, size):
    """In int8 bit for bit: sums of integers do not depend on the batch."""
    model = read_model(encoder_folder)
    scheme = scheme_of(model)
    graph = session(model.build(scheme))
    rows = random_rows(34, 300, seed=size)

    def outputs(some: list[list[int]], more: int = 0) -> list[list[np.ndarray]]:
        return unpadded(graph.run(None, encoder_feed(some, model, graph, more=more)), graph, some)

    exact = isinstance(scheme, Static)
    for start in range(0, len(rows), size):
        chosen = rows[start : start + size]
        for row, found in zip(chosen, outputs(chosen, more=size), strict=True):
            for mine, alone in zip(found, outputs([row])[0], strict=True):
                np.testing.assert_allclose(mine, alone, rtol=0, atol=0 if exact else 1e-5)


def test_limits_are_kept(translation_folder):
    model = read_model(translation_folder)
    graph = session(model.build(Scheme()))
    rows = random_rows(4, 300, seed=1)
    limits = [1, 3, 7, 12]
    for beams in (1, 4):
        sequences, _ = graph.run(
            None, padded(rows, model.pad_token_id) | search(limits, 4, beams, min_new_tokens=20)
        )
        lengths = (sequences != model.pad_token_id).sum(axis=2)
        assert (lengths == np.array(limits)[:, None]).all()


def test_banned_tokens_are_never_generated(translation_folder):
    model = read_model(translation_folder)
    graph = session(model.build(Scheme()))
    rows = random_rows(17, 300, seed=2)
    sequences, _ = graph.run(None, padded(rows, model.pad_token_id) | search(20, 17, 4))
    assert model.rules.banned_ids
    generated = sequences[sequences != model.pad_token_id]
    assert not set(generated.tolist()) & set(model.rules.banned_ids)


def test_scores_are_sums_of_log_probabilities(translation_folder):
    """Greedy scores against the scorer, which reads the whole answer at once."""
    model = read_model(translation_folder)
    rows = random_rows(5, 300, seed=3)
    feed = padded(rows, model.pad_token_id)
    graph = session(model.build(Scheme()))
    sequences, scores = graph.run(None, feed | search(12, 5, 1, length_penalty=0.7))
    answers = sequences[:, 0]
    start = np.full((5, 1), model.rules.start_id)
    decoder = np.concatenate([start, answers[:, :-1]], axis=1)
    scorer = session(model.build_scorer(Scheme()))
    logits = scorer.run(None, feed | {"decoder_input_ids": decoder})[0].astype(np.float64)
    logs = logits - np.log(np.exp(logits).sum(axis=2, keepdims=True))
    taken = np.take_along_axis(logs, answers[:, :, None], axis=2)[:, :, 0]
    real = answers != model.pad_token_id
    expected = (taken * real).sum(axis=1) / real.sum(axis=1) ** 0.7
    np.testing.assert_allclose(scores[:, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("size", [0, 1, 3])
def test_no_axis_is_empty_where_it_is_reduced(generator_folder, tmp_path, size):
    """CUDA refuses what the CPU sums up to 0."""
    model = read_model(generator_folder)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "profile")
    chosen = {Option.NO_REPEAT_NGRAM_SIZE, Option.REPETITION_PENALTY, Option.SUPPRESS_TOKENS}
    graph = model.build(Scheme(), Options(frozenset(chosen))).model("test").session(options)
    rows = random_rows(3, 90, seed=size)
    feed = padded(rows, model.pad_token_id) | search(4, len(rows), 2)
    graph.run(None, feed | optional_inputs(graph, len(rows), no_repeat_ngram_size=size))
    reduced = [
        next(iter(event["args"]["input_type_shape"][0].values()))
        for event in json.loads(Path(graph.end_profiling()).read_text(encoding="utf-8"))
        if event.get("args", {}).get("op_name", "").startswith("Reduce")
        and event["name"].endswith("_kernel_time")
    ]
    assert any(len(shape) == 4 for shape in reduced), "the n-grams were looked for"
    assert all(0 not in shape for shape in reduced)
