"""What an export is told of the task: templates, languages, labels behind a text."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from conftest import MODELS
from graphs import padded, random_rows, search, session
from streamformer_export.bundle import Bundle, Runner
from streamformer_export.errors import ExportError
from streamformer_export.export import Answers, Settings, Variant, export
from streamformer_export.families import Task, read_model
from streamformer_export.graph.options import Option
from streamformer_export.languages import Language, token_ids
from streamformer_export.quantize import Scheme
from streamformer_export.verify import verify

SMALL = {"variants": (Variant.FP32,), "answers": Answers.GRAPH}
QUESTION = "Text: {text}\nGood or bad? It is"


@pytest.fixture(scope="module")
def zero_shot(tmp_path_factory) -> Bundle:
    settings = Settings(
        name="zero-shot",
        variants=(Variant.INT8, Variant.FP32),
        answers=Answers.GRAPH,
        task=Task.TEXT_CLASSIFICATION,
        template=QUESTION,
        labels=("good", "very bad", "beautiful"),
    )
    return export(MODELS / "tiny-generation", tmp_path_factory.mktemp("out") / "b", settings)


def test_labels_behind_a_text_are_a_classifier(zero_shot):
    assert zero_shot.manifest["task"] == "text-classification"
    assert zero_shot.manifest["labels"] == ["good", "very bad", "beautiful"]
    assert "decoding" not in zero_shot.manifest
    assert [check for check in verify(zero_shot.folder) if not check.passed] == []
    # The longest label has to fit behind a text.
    long = max(len(line["input_ids"]) for line in zero_shot.golden())
    assert long == zero_shot.max_tokens < 64


def test_text_is_cut_inside_its_template(zero_shot):
    whole = zero_shot.tokenizer.encode(zero_shot.prompt("a dog " * 40)).ids
    cut = zero_shot.ids("a dog " * 40)
    behind = zero_shot.tokenizer.encode("\nGood or bad? It is").ids
    assert len(whole) > zero_shot.max_tokens == len(cut)
    assert cut[-len(behind) :] == behind
    assert cut[: -len(behind)] == whole[: len(cut) - len(behind)]


@pytest.mark.reference
def test_labels_are_scored_as_transformers_scores_them(zero_shot):
    pytest.importorskip("torch")
    checks = {c.name: c for c in verify(zero_shot.folder, MODELS / "tiny-generation")}
    assert checks["fp32 against the model"].passed


def test_prefix_of_the_task_becomes_the_template(bundles):
    bundle = Bundle.read(bundles / "tiny-summary")
    assert bundle.manifest["template"] == "summarize: {text}"
    assert bundle.manifest["decoding"]["num_beams"] == 4
    assert bundle.manifest["decoding"]["max_new_tokens"] == 24
    plain = bundle.tokenizer.encode("summarize: a dog").ids
    assert bundle.ids("a dog") == plain


def test_prompt_and_continuation_share_the_positions(bundles, tmp_path):
    assert Bundle.read(bundles / "tiny-generation").max_tokens == 64 - 16
    settings = Settings(name="tiny", **SMALL, max_tokens=60, max_new_tokens=16)
    with pytest.raises(ExportError, match=r"64 positions.*--max-new-tokens is 16.*60"):
        export(MODELS / "tiny-generation", tmp_path / "out", settings)


def test_languages_are_told_by_tokens(bundles):
    bundle = Bundle.read(bundles / "tiny-many")
    tokens = bundle.manifest["tokenizer"]["source_language_tokens"]
    targets = bundle.manifest["decoding"]["target_language_tokens"]
    assert tokens["position"] == "first"
    assert list(tokens["ids"]) == ["en", "fr"]
    assert list(targets) == ["fr", "de"] == bundle.manifest["target_languages"]
    assert bundle.ids("a dog")[0] == tokens["ids"]["en"]
    assert bundle.ids("a dog", language="fr") == [tokens["ids"]["fr"], *bundle.ids("a dog")[1:]]
    runner = Runner(bundle, "fp32")
    rows = [bundle.ids("a dog")] * 3
    found = runner.answers(rows, languages=["de", None, "fr"])
    assert [ids[0] for ids in found] == [targets["de"], targets["fr"], targets["fr"]]


def test_language_behind_the_text_is_that_of_mbart_25(bundles):
    bundle = Bundle.read(bundles / "tiny-mbart")
    tokens = bundle.manifest["tokenizer"]["source_language_tokens"]
    assert tokens["position"] == "last"
    assert bundle.ids("a dog")[-1] == tokens["ids"]["en"]
    # The start token is the target language.
    assert "target_language_tokens" not in bundle.manifest["decoding"]


@pytest.mark.parametrize(
    ("special", "language", "token"),
    [
        ({"__fr__": 1}, "fr", 1),
        ({"fr_XX": 2, "fra": 3}, "fr", 2),
        ({"fra_Latn": 4}, "fra-Latn", 4),
        ({"fra_Latn": 4}, "fr=fra_Latn", 4),
    ],
)
def test_token_of_a_language_is_found(special, language, token):
    chosen = Language.parse(language)
    assert token_ids([chosen], special) == {chosen.tag: token}


def test_language_without_a_token_is_refused():
    with pytest.raises(ExportError, match=r"'xx' has 0 among __fr__"):
        token_ids([Language("xx")], {"__fr__": 1})


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("tiny-many", {"target_languages": ("fr",)}, "--language, repeatable"),
        ("tiny-many", {"languages": ("en",)}, "--target-language, repeatable"),
        ("tiny-summary", {"task": Task.TEXT_GENERATION}, "tasks of t5 are translation"),
        ("tiny-sentiment", {"task": Task.TRANSLATION}, "those of its heads"),
        ("tiny-summary", {"template": "no place"}, "once, where the text goes"),
        ("tiny-generation", {"task": Task.TEXT_CLASSIFICATION}, "Add --labels"),
        ("tiny-generation", {"labels": ("a", "b")}, "--labels are two or more"),
    ],
)
def test_what_does_not_fit_the_model_is_refused(tmp_path, name, settings, message):
    with pytest.raises(ExportError, match=message):
        export(MODELS / name, tmp_path / "out", Settings(name="tiny", **SMALL, **settings))


# What the published models' config.json has beside sizes.
PUBLISHED = {
    "tiny-bart": {
        "_num_labels": 3,
        "add_bias_logits": False,
        "add_final_layer_norm": False,
        "classif_dropout": 0.0,
        "early_stopping": True,
        "force_bos_token_to_be_generated": True,
        "gradient_checkpointing": False,
        "length_penalty": 2.0,
        "max_length": 142,
        "min_length": 56,
        "no_repeat_ngram_size": 3,
        "normalize_before": False,
        "normalize_embedding": True,
        "num_hidden_layers": 2,
        "output_past": True,
        "prefix": " ",
        "static_position_embeddings": False,
        "task_specific_params": {"summarization": {"min_length": 56, "num_beams": 4}},
    },
    "tiny-mbart": {
        "add_bias_logits": False,
        "add_final_layer_norm": True,
        "max_length": 200,
        "normalize_before": True,
        "normalize_embedding": True,
        "num_beams": 5,
        "static_position_embeddings": False,
        "tokenizer_class": "MBart50Tokenizer",
    },
    "tiny-many": {"early_stopping": True, "max_length": 200, "tokenizer_class": "NllbTokenizer"},
    "tiny-summary": {
        "classifier_dropout": 0.0,
        "dense_act_fn": "gelu_new",
        "initializer_factor": 1.0,
        "is_gated_act": True,
        "output_past": True,
        "tokenizer_class": "T5Tokenizer",
    },
    "tiny-generation": {
        "n_ctx": 1024,
        "summary_activation": None,
        "summary_first_dropout": 0.1,
        "summary_proj_to_labels": True,
        "summary_type": "cls_index",
        "summary_use_proj": True,
        "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
    },
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_words_of_published_configurations_are_understood(copied, name):
    generation = json.loads((MODELS / name / "generation_config.json").read_text())
    folder = copied(MODELS / name, **(generation | PUBLISHED[name]))
    (folder / "generation_config.json").unlink()
    model = read_model(folder)
    assert model.build(Scheme()).outputs


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tiny-bart", r"vocab_size is 99, but .* has the shape \(71\d, 24\)"),
        ("tiny-generation", r"eos_token_id names token 711, but .* config\.json has 99"),
    ],
)
def test_vocabulary_of_other_weights_is_refused(copied, name, message):
    folder = copied(MODELS / name, vocab_size=99)
    with pytest.raises(ExportError, match=message):
        read_model(folder).build(Scheme())


def test_settings_for_the_task_go_first(copied):
    folder = copied(MODELS / "tiny-generation", **PUBLISHED["tiny-generation"])
    defaults = read_model(folder).defaults
    assert (defaults.temperature, defaults.top_k, defaults.max_new_tokens) == (1.0, 50, 16)
    assert Option.SAMPLING in defaults.options


def test_checkpoint_without_the_name_of_its_body_is_read(copied):
    folder = copied(MODELS / "tiny-generation")
    path = folder / "model.safetensors"
    tensors = {k.removeprefix("transformer."): v for k, v in load_file(path).items()}
    save_file(tensors, path)
    ours = session(read_model(folder).build(Scheme()))
    theirs = session(read_model(MODELS / "tiny-generation").build(Scheme()))
    feed = padded(random_rows(3, 300, seed=1), 0) | search(9, 3)
    np.testing.assert_array_equal(ours.run(None, feed)[0], theirs.run(None, feed)[0])


def test_golden_texts_go_through_every_language(bundles):
    lines = Bundle.read(bundles / "tiny-many").golden()
    assert {line["language"] for line in lines} == {"en", "fr"}
    assert {line["target_language"] for line in lines} == {"fr", "de"}


def test_a_row_of_scores_does_not_depend_on_its_neighbours(zero_shot):
    """int8, bit for bit."""
    runner = Runner(zero_shot, "int8")
    rows = [zero_shot.ids(text) for text in ("no", "a good book", "the dog and the cat " * 3)]
    alone = [runner.run([row])[0][0] for row in rows]
    np.testing.assert_array_equal(runner.run(rows, padding=3)[0], alone)
