"""Looking at attention: the probabilities against the reference, and the page."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from conftest import MODELS
from graphs import random_rows
from streamformer_export.attention import (
    CROSS,
    DECODER,
    ENCODER,
    Told,
    look,
    page,
    probabilities,
)
from streamformer_export.bundle import Runner
from streamformer_export.cli import app
from streamformer_export.errors import ExportError
from streamformer_export.export import Answers, Settings, Variant, export
from streamformer_export.families import Task, read_model
from streamformer_export.graph.options import parse_options
from test_decoding_reference import FAMILIES
from test_reference import bert


@pytest.mark.reference
@pytest.mark.parametrize("family", ["marian", "marian-forced-end", "bart", "m2m100", "t5"])
def test_probabilities_are_the_references(torch, tmp_path, family):
    reference = FAMILIES[family](torch, tmp_path)
    reference.set_attn_implementation("eager")
    model = read_model(tmp_path)
    for row, read in zip(random_rows(3, 97, seed=1), random_rows(3, 97, seed=2), strict=True):
        found = probabilities(model, row, read)
        with torch.no_grad():
            output = reference(
                input_ids=torch.tensor([row]),
                decoder_input_ids=torch.tensor([read]),
                output_attentions=True,
            )
        expected = {
            ENCODER: output.encoder_attentions,
            DECODER: output.decoder_attentions,
            CROSS: output.cross_attentions,
        }
        for part, layers in expected.items():
            np.testing.assert_allclose(found[part], torch.cat(layers).numpy(), atol=1e-4)


@pytest.mark.reference
def test_probabilities_of_a_classifier_are_the_references(torch, tmp_path):
    reference = bert(torch, tmp_path, hidden_size=30, num_attention_heads=3, num_hidden_layers=3)
    reference.set_attn_implementation("eager")
    for row in random_rows(3, 100, seed=1):
        with torch.no_grad():
            expected = reference(torch.tensor([row]), output_attentions=True).attentions
        found = probabilities(read_model(tmp_path), row)[ENCODER]
        np.testing.assert_allclose(found, torch.cat(expected).numpy(), atol=1e-4)


def test_translator_shows_its_own_answer_or_a_given_one(translation_folder):
    own = look(translation_folder, "the dog and the cat")
    assert [part.name for part in own] == [ENCODER, DECODER, CROSS]
    given = look(translation_folder, "the dog and the cat", "a cat")
    for parts in (own, given):
        for part in parts:
            assert part.probabilities.shape[2:] == (len(part.queries), len(part.keys))
            np.testing.assert_allclose(part.probabilities.sum(-1), 1, atol=1e-5)
    assert given[2].queries == ["▁a", "▁cat", "</s>"]
    assert given[1].keys == ["<pad>", "▁a", "▁cat"]
    # A decoder sees no later token.
    assert not np.triu(given[1].probabilities, 1).any()


def test_classifier_shows_every_token_of_every_layer(sentiment_folder):
    (part,) = look(sentiment_folder, "a good dog")
    assert part.queries == part.keys == ["[CLS]", "a", "good", "dog", "[SEP]"]
    assert part.probabilities.shape == (2, 3, 5, 5)
    np.testing.assert_allclose(part.probabilities.sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("beams", [1, 4])
def test_bundle_shows_what_its_weights_do(translation_folder, tmp_path, beams):
    settings = Settings(name="tiny", variants=(Variant.FP32,), answers=Answers.GRAPH)
    settings = replace(settings, num_beams=beams, options=parse_options(["all"]))
    bundle = export(translation_folder, tmp_path / "out", settings)
    text = "the dog and the cat sleep on the street"
    (ids,) = Runner(bundle, "fp32").answers([bundle.ids(text)], num_beams=1)
    found = look(bundle.folder, text)
    model = read_model(translation_folder)
    read = [model.rules.start_id, *ids[:-1]]
    expected = probabilities(model, bundle.ids(text), read)
    for part in found:
        assert part.probabilities.shape[2:] == (len(part.queries), len(part.keys))
        np.testing.assert_allclose(part.probabilities, expected[part.name], atol=1e-4)
    assert [part.name for part in found] == [ENCODER, DECODER, CROSS]
    assert found[2].queries == [bundle.tokenizer.id_to_token(i).strip() for i in ids]
    with pytest.raises(ExportError, match="shows the answer that it generates"):
        look(bundle.folder, text, "le chien")


@pytest.mark.parametrize("text", ["the dog", "the dog and the cat sleep on the street " * 7])
def test_prompted_bundle_shows_prompt_and_continuation(tmp_path, text):
    """As the model reads both at once: keys of the prompt stand before those of the steps."""
    folder = MODELS / "tiny-generation"
    settings = Settings(
        name="t", variants=(Variant.FP32,), answers=Answers.GRAPH, max_new_tokens=12
    )
    bundle = export(folder, tmp_path / "out", settings)
    (part,) = look(bundle.folder, text)
    ids = bundle.ids(text)
    (answer,) = Runner(bundle, "fp32").answers([ids], num_beams=1)
    expected = probabilities(read_model(folder), [*ids, *answer[:-1]])[DECODER]
    np.testing.assert_allclose(part.probabilities, expected, atol=1e-4)
    np.testing.assert_allclose(part.probabilities.sum(-1), 1, atol=1e-5)
    assert part.queries == part.keys
    assert len(part.keys) == expected.shape[-1]


def test_part_of_a_character_is_shown_by_its_bytes():
    (part,) = look(MODELS / "tiny-generation", "a 🐶", "!")
    assert part.keys[-5:-1] == ["<F0>", "<9F>", "<90>", "<B6>"]


def test_prompted_classifier_shows_its_prompt(tmp_path):
    settings = Settings(
        name="t",
        variants=(Variant.FP32,),
        answers=Answers.GRAPH,
        task=Task.TEXT_CLASSIFICATION,
        labels=("good", "bad"),
        template="Text: {text} It is",
    )
    bundle = export(MODELS / "tiny-generation", tmp_path / "out", settings)
    (part,) = look(bundle.folder, "the dog")
    assert "".join(part.keys) == "Text: the dog It is"
    np.testing.assert_allclose(part.probabilities.sum(-1), 1, atol=1e-5)


def test_languages_and_template_are_told(bundles, tmp_path):
    folder = MODELS / "tiny-many"
    told = Told(language="fr", target_language="de=__de__")
    source, _, cross = look(folder, "the dog", told=told)
    assert source.keys[0] == "__fr__"
    assert cross.queries[0] == "__de__"
    given = look(folder, "the dog", "a cat", told)
    assert given[2].queries == ["__de__", "▁a", "▁cat", "</s>"]
    with pytest.raises(ExportError, match="is told its languages: none was given"):
        look(folder, "the dog")
    source, _, cross = look(bundles / "tiny-many", "the dog")
    assert (source.keys[0], source.keys[-1]) == ("[en]", "</s>")
    assert cross.queries[0] == "[fr]"
    with pytest.raises(ExportError, match="by its own languages and template"):
        look(bundles / "tiny-many", "the dog", told=told)
    (encoder, *_) = look(MODELS / "tiny-summary", "the dog", told=Told("summarize: {text}"))
    assert "".join(encoder.keys).startswith("▁summarize:")


def test_prefix_of_a_folder_is_read(copied):
    params = {"text2text-generation": {"prefix": "summarize: "}}
    folder = copied(MODELS / "tiny-summary", task_specific_params=params)
    (encoder, *_) = look(folder, "the dog")
    assert "".join(encoder.keys).startswith("▁summarize:")


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_long_text_is_cut_as_in_a_bundle(copied, tmp_path, side):
    folder = copied(MODELS / "tiny-sentiment")
    keys = {"tokenizer_class": "PreTrainedTokenizerFast", "truncation_side": side}
    (folder / "tokenizer_config.json").write_text(json.dumps(keys))
    text = " ".join([*["the dog"] * 200, "park"])
    settings = Settings(name="x", variants=(Variant.FP32,), answers=Answers.GRAPH)
    bundle = export(folder, tmp_path / "out", settings)
    tokens = look(folder, text)[0].queries
    assert tokens == look(bundle.folder, text)[0].queries
    assert (tokens[0], tokens[-1]) == ("[CLS]", "[SEP]")
    assert ("park" in tokens) == (side == "left")


def test_classifier_bundle_shows_its_layers(sentiment_folder, bundles):
    parts = look(bundles / "tiny-sentiment", "a good dog")
    (whole,) = look(sentiment_folder, "a good dog")
    assert [part.probabilities.shape for part in parts] == [(1, 3, 5, 5), (1, 3, 1, 5)]
    assert parts[1].queries == ["[CLS]"]
    assert [list(part.layers) for part in parts] == [[0], [1]]
    # int8 against float32.
    np.testing.assert_allclose(parts[0].probabilities, whole.probabilities[:1], atol=0.1)


def test_page_is_whole_by_itself(translation_folder, tmp_path):
    target = tmp_path / "page.html"
    arguments = ["attention", str(translation_folder), "--text", "</script> the dog"]
    result = CliRunner().invoke(app, [*arguments, "--output", str(target), "--layer", "0"])
    assert result.exit_code == 0, result.output
    html = target.read_text()
    assert not re.search(r"(src|href)\s*=|@import|url\(|fetch\(", html)
    assert set(re.findall(r"https?://[^\"]+", html)) == {"http://www.w3.org/2000/svg"}
    data = re.search(r'id="data">(.*?)</script>', html, re.DOTALL).group(1)
    data = json.loads(data)
    assert data["text"] == "</script> the dog"
    parts = look(translation_folder, "</script> the dog")
    for shown, part in zip(data["parts"], parts, strict=True):
        values = np.frombuffer(base64.b64decode(shown["values"]), "<u2") / 65535
        expected = part.probabilities[:1].reshape(-1)
        np.testing.assert_allclose(values, expected, atol=1e-5)
    again = CliRunner().invoke(app, [*arguments, "--output", str(target)])
    assert again.exit_code == 2
    assert "--force" in again.output


def test_what_cannot_be_shown_is_refused(translation_folder, sentiment_folder):
    with pytest.raises(ExportError, match="--target is for models that generate"):
        look(sentiment_folder, "a good dog", "un chien")
    parts = look(translation_folder, "the dog")
    with pytest.raises(ExportError, match="one of 0 to 1"):
        page("title", "the dog", parts, 2)
