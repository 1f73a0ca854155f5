"""Encoder-decoders against transformers on random weights of several shapes."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

from graphs import padded, random_rows, search, session
from streamformer_export.families import read_model
from streamformer_export.families.gpt2 import read_labels
from streamformer_export.graph.options import Option, Options
from streamformer_export.quantize import Scheme

pytestmark = pytest.mark.reference

WORDS = 97
# Widths with which heads are three, five and one.
BART_SHAPES = [
    {},
    {"d_model": 40, "encoder_attention_heads": 5, "decoder_attention_heads": 1},
    {
        "scale_embedding": True,
        "activation_function": "relu",
        "encoder_layers": 1,
        "decoder_layers": 3,
        "tie_word_embeddings": False,
    },
]
T5_SHAPES = [
    {},
    {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "num_decoder_layers": 1},
    {
        "num_heads": 5,
        "d_kv": 6,
        "relative_attention_num_buckets": 8,
        "relative_attention_max_distance": 10,
        "feed_forward_proj": "gated-silu",
    },
]
SHAPES = [
    *(("Bart", shape) for shape in BART_SHAPES),
    *(("MBart", shape) for shape in BART_SHAPES),
    *(("M2M100", shape) for shape in BART_SHAPES),
    *(("T5", shape) for shape in T5_SHAPES),
    *(("MT5", shape) for shape in T5_SHAPES),
]
LANGUAGE = (Option.FORCED_BOS_TOKEN_ID,)
SEARCHES = [(1, 1.0, 12, 0), (1, 1.0, 20, 5), (4, 1.0, 16, 0), (4, 0.6, 20, 5), (3, -0.5, 9, 0)]


def settings(family: str) -> dict[str, object]:
    ids = {"pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}
    if "T5" in family:
        return ids | {
            "d_model": 24,
            "d_kv": 8,
            "d_ff": 40,
            "num_layers": 2,
            "num_heads": 3,
        }
    return ids | {
        "d_model": 24,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 3,
        "decoder_attention_heads": 3,
        "encoder_ffn_dim": 40,
        "decoder_ffn_dim": 36,
        "max_position_embeddings": 64,
        "init_std": 0.3,
        "forced_eos_token_id": None,
    }


def saved(torch, folder, family: str, shape: dict[str, object]):
    """A model with random weights, as it comes back from the folder that it was saved to."""
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")
    kind = getattr(transformers, f"{family}ForConditionalGeneration")
    model = kind(config(vocab_size=WORDS, **(settings(family) | shape))).eval()
    for name, parameter in model.named_parameters():
        noise = torch.randn_like(parameter)
        if "relative" in name or "norm" in name or name.endswith("bias"):
            parameter.data += 0.2 * noise
        elif "T5" in family:
            parameter.data = noise if "shared" in name else noise * parameter.shape[-1] ** -0.5
    if shape.get("tie_word_embeddings") is False:
        model.lm_head.weight = torch.nn.Parameter(0.3 * torch.randn(WORDS, model.config.d_model))
    if "final_logits_bias" in dict(model.named_buffers()):
        model.final_logits_bias.normal_()
    # Padding's embedding is nothing, as trained models have it; and is never the best.
    model.generation_config.bad_words_ids = [[1]]
    model.save_pretrained(folder)
    return kind.from_pretrained(folder, attn_implementation="eager").eval()


@pytest.mark.parametrize(("family", "shape"), SHAPES)
def test_logits_equal(torch, tmp_path, family, shape):
    model = saved(torch, tmp_path, family, shape)
    graph = session(read_model(tmp_path).build_scorer(Scheme()))
    for size in (1, 3, 17):
        feed = padded(random_rows(size, WORDS, seed=size), padding=1, more=size % 3)
        answers = np.random.default_rng(size).integers(3, WORDS, (size, 19))
        feed["decoder_input_ids"] = answers
        with torch.no_grad():
            expected = model(**{k: torch.tensor(v) for k, v in feed.items()}).logits.numpy()
        np.testing.assert_allclose(graph.run(None, feed)[0], expected, atol=1e-4)


@pytest.mark.parametrize(("family", "shape"), SHAPES)
def test_searches_equal(torch, tmp_path, family, shape):
    model = saved(torch, tmp_path, family, shape)
    graph = session(read_model(tmp_path).build(Scheme()))
    for size in (1, 3, 17):
        feed = padded(random_rows(size, WORDS, seed=size), padding=1, more=size % 2)
        for beams, penalty, most, least in SEARCHES:
            output = model.generate(
                **{k: torch.tensor(v) for k, v in feed.items()},
                do_sample=False,
                num_beams=beams,
                num_return_sequences=beams,
                max_new_tokens=most,
                min_new_tokens=least,
                output_scores=True,
                return_dict_in_generate=True,
                **({"length_penalty": penalty} if beams > 1 else {}),
            )
            sequences, scores = graph.run(None, feed | search(most, size, beams, penalty, least))
            expected = output.sequences[:, 1:].numpy().reshape(size, beams, -1)
            np.testing.assert_array_equal(sequences, expected)
            if beams > 1:
                expected = output.sequences_scores.numpy().reshape(size, beams)
                np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)


# As a published summarizer has them.
SUMMARY = {
    "num_beams": 4,
    "length_penalty": 2.0,
    "early_stopping": True,
    "min_length": 6,
    "max_length": 16,
    "no_repeat_ngram_size": 3,
    "forced_bos_token_id": 0,
    "forced_eos_token_id": 2,
}


@pytest.mark.parametrize("family", ["Bart", "T5"])
def test_settings_of_the_folder_are_those_of_generate(torch, tmp_path, family):
    saved(torch, tmp_path, family, {})
    path = tmp_path / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | SUMMARY))
    from transformers import AutoModelForSeq2SeqLM

    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    read = read_model(tmp_path)
    options = Options(read.defaults.options)
    graph = session(read.build(Scheme(), options))
    for size in (1, 17):
        feed = padded(random_rows(size, WORDS, seed=size), padding=1)
        with torch.no_grad():
            output = model.generate(**{k: torch.tensor(v) for k, v in feed.items()})
        defaults = read.defaults
        settings = search(
            defaults.max_new_tokens,
            size,
            defaults.num_beams,
            defaults.length_penalty,
            defaults.min_new_tokens,
        )
        settings["no_repeat_ngram_size"] = np.array(defaults.no_repeat_ngram_size, np.int64)
        sequences, _ = graph.run(None, feed | settings)
        expected = output[:, 1:].numpy()
        np.testing.assert_array_equal(sequences[:, 0, : expected.shape[1]], expected)


@pytest.mark.parametrize("family", ["MBart", "M2M100"])
@pytest.mark.parametrize("beams", [1, 4])
def test_every_row_has_its_own_language(torch, tmp_path, family, beams):
    model = saved(torch, tmp_path, family, {})
    graph = session(read_model(tmp_path).build(Scheme(), Options(frozenset(LANGUAGE))))
    rows = random_rows(3, WORDS, seed=4)
    languages = [9, 60, 33]
    feed = padded(rows, padding=1) | search(12, 3, beams)
    sequences, _ = graph.run(None, feed | {"forced_bos_token_id": np.array(languages)})
    for row, language, found in zip(rows, languages, sequences, strict=True):
        expected = model.generate(
            input_ids=torch.tensor([row]),
            num_beams=beams,
            max_new_tokens=12,
            forced_bos_token_id=language,
        )[0, 1:].tolist()
        assert found[0, : len(expected)].tolist() == expected
        assert expected[0] == language


GPT2_SHAPES = [
    {},
    {"n_embd": 40, "n_head": 5, "n_layer": 3, "scale_attn_by_inverse_layer_idx": True},
    {"n_head": 1, "activation_function": "relu", "tie_word_embeddings": False, "n_layer": 1},
    {"scale_attn_weights": False, "n_inner": 17, "pad_token_id": 3},
]


def gpt2(torch, folder, shape: dict[str, object]):
    import transformers

    torch.manual_seed(0)
    config = {
        "vocab_size": WORDS,
        "n_embd": 24,
        "n_head": 3,
        "n_layer": 2,
        "n_positions": 64,
        "eos_token_id": 2,
        "bos_token_id": 2,
        "initializer_range": 0.3,
    }
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**(config | shape)))
    for name, parameter in model.named_parameters():
        if "ln_" in name or name.endswith("bias"):
            parameter.data += 0.2 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    kind = transformers.GPT2LMHeadModel
    return kind.from_pretrained(folder, attn_implementation="eager").eval()


@pytest.mark.parametrize("shape", GPT2_SHAPES)
def test_gpt2_logits_equal(torch, tmp_path, shape):
    model = gpt2(torch, tmp_path, shape)
    graph = session(read_model(tmp_path).build_scorer(Scheme()))
    for size in (1, 3, 17):
        rows = random_rows(size, WORDS, seed=size)
        found = graph.run(["logits"], padded(rows, padding=2, more=size % 3))[0]
        for row, logits in zip(rows, found, strict=True):
            with torch.no_grad():
                expected = model(input_ids=torch.tensor([row])).logits[0].numpy()
            np.testing.assert_allclose(logits[: len(row)], expected, atol=1e-4)


def continuations(torch, model, row: list[int], beams: int, **settings):
    """Ids up to the end token, and scores where there are beams."""
    output = model.generate(
        input_ids=torch.tensor([row]),
        attention_mask=torch.ones(1, len(row), dtype=torch.int64),
        do_sample=False,
        num_beams=beams,
        num_return_sequences=beams,
        output_scores=True,
        return_dict_in_generate=True,
        **settings,
    )
    found = output.sequences[:, len(row) :].tolist()
    found = [ids[: ids.index(2) + 1] if 2 in ids else ids for ids in found]
    return found, output.sequences_scores.numpy() if beams > 1 else None


@pytest.mark.parametrize("shape", GPT2_SHAPES)
@pytest.mark.parametrize("options", [{}, {"repetition_penalty": 1.4, "no_repeat_ngram_size": 2}])
def test_gpt2_continuations_equal(torch, tmp_path, shape, options):
    """Each prompt by itself in transformers, all of them in one padded batch here."""
    model = gpt2(torch, tmp_path, shape)
    read = read_model(tmp_path)
    chosen = Options(frozenset(Option(name) for name in options))
    graph = session(read.build(Scheme(), chosen))
    exact = None
    for size in (1, 3, 17):
        rows = [[7], *random_rows(size - 1, WORDS, seed=size)]
        feed = padded(rows, padding=2, more=size % 2)
        feed |= {
            "repetition_penalty": np.array(1.4, np.float32),
            "no_repeat_ngram_size": np.array(2, np.int64),
        }
        feed = {n.name: feed[n.name] for n in graph.get_inputs() if n.name in feed}
        for beams, penalty, most, least in SEARCHES[1:]:
            sequences, scores = graph.run(None, feed | search(most, size, beams, penalty, least))
            settings = {"max_new_tokens": most, "min_new_tokens": least, **options}
            settings |= {"length_penalty": penalty} if beams > 1 else {}
            for i, row in enumerate(rows):
                found = [[t for t in ids if t != read.rules.padding_id] for ids in sequences[i]]
                expected, sums = continuations(torch, model, row, beams, **settings)
                if found != expected:
                    # A tie that float32 breaks one way and float64 the other.
                    exact = exact or copy.deepcopy(model).double()
                    expected, sums = continuations(torch, exact, row, beams, **settings)
                assert found == expected
                if beams > 1:
                    np.testing.assert_allclose(scores[i], sums, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", GPT2_SHAPES)
def test_gpt2_labels_have_their_log_likelihoods(torch, tmp_path, shape):
    model = gpt2(torch, tmp_path, shape)
    labels = [[11], [11, 12], [40, 41, 42, 11], [90]]
    graph = session(read_labels(tmp_path, dict(zip("abcd", labels, strict=True))).build(Scheme()))
    for size in (1, 3, 17):
        rows = [[7], *random_rows(size - 1, WORDS, seed=size)]
        found = graph.run(None, padded(rows, padding=2, more=size % 2))[0]
        for row, scores in zip(rows, found, strict=True):
            for label, score in zip(labels, scores, strict=True):
                with torch.no_grad():
                    logits = model(input_ids=torch.tensor([row + label])).logits[0]
                logs = torch.log_softmax(logits, dim=-1)[len(row) - 1 : -1]
                expected = logs[range(len(label)), label].sum().item()
                assert abs(score - expected) < 1e-4
