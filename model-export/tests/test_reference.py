"""The families against transformers on random weights of several shapes."""

from __future__ import annotations

import numpy as np
import pytest

from graphs import padded, random_rows, search, session
from streamformer_export.families import read_model
from streamformer_export.quantize import Scheme

pytestmark = pytest.mark.reference

BERT_SHAPES = [
    {"hidden_size": 30, "num_attention_heads": 3, "hidden_act": "gelu"},
    {"hidden_size": 40, "num_attention_heads": 5, "hidden_act": "relu", "num_hidden_layers": 1},
    {"hidden_size": 64, "num_attention_heads": 1, "hidden_act": "silu", "num_hidden_layers": 3},
]
MARIAN_SHAPES = [
    {},
    {"activation_function": "gelu", "scale_embedding": False, "decoder_layers": 3},
    {
        "activation_function": "swish",
        "decoder_layers": 1,
        "d_model": 40,
        "encoder_attention_heads": 5,
        "decoder_attention_heads": 1,
    },
    {"share_encoder_decoder_embeddings": False, "decoder_vocab_size": 97, "vocab_size": 99},
    {"tie_word_embeddings": False},
]
GENERATION = [
    {},
    {"bad_words_ids": [[96], [7], [1]], "forced_eos_token_id": 0},
    {"bad_words_ids": [[96]], "renormalize_logits": True},
    {},
    {},
]


def bert(torch, folder, **shape):
    from transformers import BertConfig, BertForSequenceClassification

    settings = {
        "vocab_size": 101,
        "num_hidden_layers": 2,
        "intermediate_size": 50,
        "max_position_embeddings": 40,
        "initializer_range": 0.3,
        "num_labels": 3,
    }
    model = BertForSequenceClassification(BertConfig(**(settings | shape))).eval()
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    return model


def marian(torch, folder, generation, **shape):
    from transformers import MarianConfig, MarianMTModel

    settings = {
        "vocab_size": 97,
        "d_model": 24,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 3,
        "decoder_attention_heads": 3,
        "encoder_ffn_dim": 40,
        "decoder_ffn_dim": 36,
        "activation_function": "relu",
        "pad_token_id": 96,
        "eos_token_id": 0,
        "decoder_start_token_id": 96,
        "max_position_embeddings": 64,
        "scale_embedding": True,
        "forced_eos_token_id": None,
        "init_std": 0.3,
    }
    model = MarianMTModel(MarianConfig(**(settings | shape))).eval()
    if model.config.share_encoder_decoder_embeddings:
        # Without tied words transformers 5 would keep these apart, and 4 not.
        for side in (model.model.encoder, model.model.decoder):
            side.embed_tokens.weight.data.copy_(model.model.shared.weight)
    model.final_logits_bias.normal_()
    # The end token has to win now and then.
    model.final_logits_bias[0, 0] = 3.0
    for key, value in generation.items():
        setattr(model.generation_config, key, value)
    model.save_pretrained(folder)
    return model


@pytest.mark.parametrize("shape", BERT_SHAPES)
def test_bert_logits_equal(torch, tmp_path, shape):
    model = bert(torch, tmp_path, **shape)
    graph = session(read_model(tmp_path).build(Scheme()))
    for size in (1, 3, 17):
        rows = random_rows(size, 100, seed=size)
        feed = padded(rows, padding=0, more=size % 3)
        kinds = np.random.default_rng(size).integers(0, 2, feed["input_ids"].shape)
        feed["token_type_ids"] = kinds
        with torch.no_grad():
            expected = model(**{k: torch.tensor(v) for k, v in feed.items()}).logits.numpy()
        np.testing.assert_allclose(graph.run(None, feed)[0], expected, atol=1e-4)


@pytest.mark.parametrize("shape", MARIAN_SHAPES)
def test_marian_logits_equal(torch, tmp_path, shape):
    model = marian(torch, tmp_path, {}, **shape)
    graph = session(read_model(tmp_path).build_scorer(Scheme()))
    for size in (1, 3, 17):
        feed = padded(random_rows(size, 97, seed=size), padding=96, more=size % 3)
        feed["decoder_input_ids"] = np.random.default_rng(size).integers(0, 97, (size, 9))
        with torch.no_grad():
            expected = model(**{k: torch.tensor(v) for k, v in feed.items()}).logits.numpy()
        np.testing.assert_allclose(graph.run(None, feed)[0], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "generation"), list(zip(MARIAN_SHAPES, GENERATION, strict=True)), ids="abcde"
)
@pytest.mark.parametrize("size", [1, 3, 17])
def test_marian_searches_equal(torch, tmp_path, shape, generation, size):
    model = marian(torch, tmp_path, generation, **shape)
    graph = session(read_model(tmp_path).build(Scheme()))
    feed = padded(random_rows(size, 97, seed=size), padding=96)
    searches = [(1, 1.0, 12, 0), (1, 1.0, 20, 5), (4, 1.0, 16, 0), (4, 0.6, 20, 5), (3, -0.5, 9, 0)]
    for beams, penalty, most, least in searches:
        settings = {"length_penalty": penalty} if beams > 1 else {}
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
        sequences, scores = graph.run(None, feed | search(most, size, beams, penalty, least))
        expected = output.sequences[:, 1:].numpy().reshape(size, beams, -1)
        np.testing.assert_array_equal(sequences, expected)
        if beams > 1:
            expected = output.sequences_scores.numpy().reshape(size, beams)
            np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)
