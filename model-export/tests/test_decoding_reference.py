"""Every option of decoding against transformers' generate; a family joins in FAMILIES."""

from __future__ import annotations

import numpy as np
import pytest

from graphs import optional_inputs, padded, random_rows, search, session
from streamformer_export.errors import ExportError
from streamformer_export.families import read_model
from streamformer_export.graph.options import Option, Options
from streamformer_export.quantize import Scheme
from test_generating_families import saved
from test_reference import marian

pytestmark = pytest.mark.reference

# Name → a function of (torch, folder) that saves a model of some shape.
FAMILIES = {
    "marian": lambda torch, folder: marian(torch, folder, {}),
    "marian-renormalized": lambda torch, folder: marian(
        torch,
        folder,
        {"bad_words_ids": [[96]], "renormalize_logits": True},
        activation_function="gelu",
        decoder_layers=1,
    ),
    "marian-forced-end": lambda torch, folder: marian(
        torch,
        folder,
        {"bad_words_ids": [[96], [1]], "forced_eos_token_id": 0},
        d_model=40,
        encoder_attention_heads=5,
        decoder_attention_heads=1,
    ),
    "bart": lambda torch, folder: saved(torch, folder, "Bart", {}),
    "m2m100": lambda torch, folder: saved(torch, folder, "M2M100", {}),
    "t5": lambda torch, folder: saved(torch, folder, "T5", {}),
}
SETTINGS = {
    "repetition_penalty": {"repetition_penalty": 1.3},
    "repetition_reward": {"repetition_penalty": 0.7},
    "no_repeat_1": {"no_repeat_ngram_size": 1},
    "no_repeat_2": {"no_repeat_ngram_size": 2},
    "no_repeat_3": {"no_repeat_ngram_size": 3},
    "suppress": {"suppress_tokens": [3, 4, 5, 30, 31, 60]},
    "forced_bos": {"forced_bos_token_id": 11},
    "together": {
        "repetition_penalty": 1.2,
        "no_repeat_ngram_size": 2,
        "suppress_tokens": [7, 8, 9],
        "forced_bos_token_id": 12,
    },
    "none": {},
}
SEARCHES = [(1, 1.0, 20, 0), (1, 1.0, 16, 6), (4, 1.0, 20, 0), (4, 0.6, 18, 6), (16, 1.0, 12, 0)]
EARLY_STOPPING = [True, "never"]
ALL = Options(frozenset(Option), alignment_layer=0)


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, torch, tmp_path_factory):
    """The reference model and the graph with every option."""
    folder = tmp_path_factory.mktemp(request.param)
    model = FAMILIES[request.param](torch, folder)
    model.set_attn_implementation("eager")
    return model, session(read_model(folder).build(Scheme(), ALL))


def generated(torch, model, feed, beams, penalty, most, least, **settings):
    """Sequences (rows, beams, time) and what `generate` returns."""
    if beams > 1:
        settings["length_penalty"] = penalty
    output = model.generate(
        **{k: torch.tensor(v) for k, v in feed.items()},
        do_sample=False,
        num_beams=beams,
        num_return_sequences=beams,
        max_new_tokens=most,
        min_new_tokens=least,
        output_scores=True,
        return_dict_in_generate=True,
        **settings,
    )
    rows = len(feed["input_ids"])
    return output.sequences[:, 1:].numpy().reshape(rows, beams, -1), output


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("size", [1, 5])
def test_searches_equal(torch, family, settings, size):
    model, graph = family
    padding = model.config.pad_token_id
    feed = padded(random_rows(size, 97, seed=size), padding=padding)
    for beams, penalty, most, least in SEARCHES:
        expected, output = generated(torch, model, feed, beams, penalty, most, least, **settings)
        given = feed | search(most, size, beams, penalty, least)
        sequences, scores, token_scores = graph.run(
            ["sequences", "scores", "token_scores"],
            given | optional_inputs(graph, size, **settings),
        )
        np.testing.assert_array_equal(sequences, expected)
        if beams == 1:
            continue
        found = output.sequences_scores.numpy().reshape(size, beams)
        np.testing.assert_allclose(scores, found, rtol=1e-4, atol=1e-4)
        found = model.compute_transition_scores(
            output.sequences, output.scores, output.beam_indices, normalize_logits=False
        )
        found = found.numpy().reshape(size, beams, -1)
        np.testing.assert_allclose(token_scores, found, rtol=1e-4, atol=1e-4)


def test_greedy_token_scores_are_log_probabilities(torch, tmp_path):
    model = marian(torch, tmp_path, {})
    graph = session(read_model(tmp_path).build(Scheme(), ALL))
    feed = padded(random_rows(5, 97, seed=6), padding=96)
    _, output = generated(torch, model, feed, 1, 1.0, 15, 0)
    expected = model.compute_transition_scores(
        output.sequences, output.scores, normalize_logits=True
    )
    given = feed | search(15, 5) | optional_inputs(graph, 5)
    sequences, found = graph.run(["sequences", "token_scores"], given)
    real = sequences[:, 0] != 96
    np.testing.assert_allclose(found[:, 0][real], expected.numpy()[real], atol=1e-4)
    assert not found[:, 0][~real].any()


def test_alignments_are_the_cross_attention(torch, family):
    model, graph = family
    padding, start = model.config.pad_token_id, model.config.decoder_start_token_id
    rows = random_rows(5, 97, seed=3)
    feed = padded(rows, padding, more=2)
    for beams in (1, 4):
        given = feed | search(12, 5, beams) | optional_inputs(graph, 5)
        sequences, alignments = graph.run(["sequences", "alignments"], given)
        assert alignments.shape == (*sequences.shape, feed["input_ids"].shape[1])
        for i, row in enumerate(rows):
            for j in range(beams):
                answer = [t for t in sequences[i, j].tolist() if t != padding]
                with torch.no_grad():
                    seen = model(
                        input_ids=torch.tensor([row]),
                        decoder_input_ids=torch.tensor([[start, *answer[:-1]]]),
                        output_attentions=True,
                    ).cross_attentions[ALL.alignment_layer]
                found = alignments[i, j, : len(answer)]
                expected = seen[0].mean(0).numpy()
                np.testing.assert_allclose(found[:, : len(row)], expected, atol=1e-4)
                assert not found[:, len(row) :].any()


def test_alignment_layer_is_one_of_the_decoders(torch, tmp_path):
    marian(torch, tmp_path, {})
    for layer in (2, -3):
        options = Options(frozenset({Option.ALIGNMENTS}), alignment_layer=layer)
        with pytest.raises(ExportError, match="one of the decoder's 2"):
            read_model(tmp_path).build(Scheme(), options)


@pytest.mark.parametrize("early", EARLY_STOPPING)
def test_early_stopping_is_the_references(torch, tmp_path, early):
    model = marian(torch, tmp_path, {"early_stopping": early, "num_beams": 4})
    graph = session(read_model(tmp_path).build(Scheme()))
    rows = random_rows(12, 97, seed=4)
    for row in rows:
        # By itself, since transformers lets a row wait for its neighbours.
        feed = padded([row], padding=96)
        for beams, penalty, most, least in [*SEARCHES, (4, 2.0, 20, 0), (4, -1.0, 20, 0)]:
            expected, _ = generated(torch, model, feed, beams, penalty, most, least)
            sequences, _ = graph.run(None, feed | search(most, 1, beams, penalty, least))
            np.testing.assert_array_equal(sequences, expected)


def test_rows_have_their_own_first_token(torch, family):
    model, graph = family
    rows = random_rows(4, 97, seed=7)
    forced = [-1, 20, 21, 22]
    for beams in (1, 4):
        given = padded(rows, padding=model.config.pad_token_id) | search(14, 4, beams)
        given |= optional_inputs(graph, 4, forced_bos_token_id=forced)
        sequences, scores, _ = graph.run(["sequences", "scores", "token_scores"], given)
        for i, row in enumerate(rows):
            settings = {"forced_bos_token_id": forced[i]} if forced[i] >= 0 else {}
            feed = padded([row], padding=model.config.pad_token_id)
            expected, output = generated(torch, model, feed, beams, 1.0, 14, 0, **settings)
            np.testing.assert_array_equal(sequences[i, :, : expected.shape[2]], expected[0])
            if beams > 1:
                found = output.sequences_scores.numpy()
                np.testing.assert_allclose(scores[i], found, rtol=1e-4, atol=1e-4)
