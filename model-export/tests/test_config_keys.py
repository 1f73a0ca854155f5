"""Keys of model folders: taken as transformers takes them, ignored for a reason, or refused."""

from __future__ import annotations

import contextlib
import json
import re
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

from graphs import session
from key_cases import ANSWERS, CASES, ROWS, TARGETS, answer
from published_configs import PUBLISHED
from streamformer_export import generation
from streamformer_export.bundle import Runner
from streamformer_export.cli import app
from streamformer_export.config import Config
from streamformer_export.config_keys import ALIASES, REFUSED, ignored, scopes
from streamformer_export.errors import ExportError
from streamformer_export.export import Answers, Settings, Variant, export
from streamformer_export.families import ENCODERS, FAMILIES, read_model
from streamformer_export.families.marian_student import SUPPORTED
from streamformer_export.graph.heads import PoolingMode
from streamformer_export.graph.layers import ACTIVATIONS
from streamformer_export.quantize import Scheme

MODELS = Path(__file__).parent / "models"
SMALL = {"variants": (Variant.FP32,), "answers": Answers.GRAPH}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_keys_mean_what_they_mean_to_transformers(tmp_path, case):
    folder = case.folder(tmp_path / "model")
    model = read_model(folder, *((PoolingMode.CLS, False) if "embeddings" in case.model else ()))
    graph = session(model.build_scorer(Scheme()))
    names = {value.name for value in graph.get_inputs()}
    rows = json.loads(ANSWERS.read_text())[case.name]
    for row, target, expected in zip(ROWS, TARGETS, rows, strict=True):
        feed = {"input_ids": [row], "attention_mask": [[1] * len(row)]}
        feed |= {"token_type_ids": [[0] * len(row)], "decoder_input_ids": [target]}
        feed = {k: np.array(v, np.int64) for k, v in feed.items() if k in names}
        found = answer(graph.run(None, feed)[0][0])
        # Of hidden states the graph gives the first one.
        expected = expected[0] if model.pooling else expected
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def _folder(into: Path, config: dict) -> Path:
    """A folder whose configuration alone matters."""
    into.mkdir()
    (into / "config.json").write_text(json.dumps(config))
    save_file({"none": np.zeros(1, np.float32)}, into / "model.safetensors")
    return into


@pytest.mark.parametrize("name", PUBLISHED)
def test_no_published_configuration_is_refused_for_a_key(tmp_path, name):
    """The weights are missing, which is found after the keys."""
    config = PUBLISHED[name]
    pooling = PoolingMode.MEAN if config["architectures"][0].endswith("Model") else None
    try:
        read_model(_folder(tmp_path / "model", config), pooling)
    except ExportError as error:
        assert "is missing in the weights" in str(error), error


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        ("bart", {"num_hidden_layers": 12}, "num_hidden_layers is 12 but encoder_layers is 2"),
        ("entities", {"hidden_size": 30}, "hidden_size is 30 but dim is 24"),
        ("generation", {"max_position_embeddings": 9}, "max_position_embeddings is 9 but n_pos"),
        ("summary", {"head_dim": 3}, "head_dim is 3 but d_kv is 8"),
        ("mt5", {"num_hidden_layers": 2, "num_layers": None}, "Add num_decoder_layers"),
        ("sentiment", {"vocab_size": 353}, "vocab_size is 353, but bert.*word.* the shape .352"),
        ("sentiment", {"max_position_embeddings": 63}, "max_position_embeddings is 63, but"),
        ("sentiment", {"type_vocab_size": 1}, "type_vocab_size is 1, but"),
        ("sentiment", {"intermediate_size": 7}, "intermediate_size is 7, but"),
        ("answers", {"embedding_size": 7}, "embedding_size is 7, but"),
        ("entities", {"hidden_dim": 7}, "hidden_dim is 7, but"),
        ("translation", {"decoder_ffn_dim": 7}, "decoder_ffn_dim is 7, but"),
        ("bart", {"max_position_embeddings": 9}, "max_position_embeddings . 2 is 11, but"),
        ("bart", {"d_model": 48}, "d_model is 48, but"),
        ("summary", {"d_ff": 7}, "d_ff is 7, but"),
        ("summary", {"d_kv": 7}, "heads x their width is .*, but"),
        ("generation", {"n_inner": 7}, "n_inner is 7, but"),
        ("generation", {"n_positions": 9}, "n_positions is 9, but"),
        ("many", {"pad_token_id": 9}, "pad_token_id is 9, which the tokenizer writes"),
        ("bart", {"tie_encoder_decoder": True}, "tie_encoder_decoder is True"),
        ("generation", {"pruned_heads": {"0": [1]}}, "pruned_heads is"),
        ("summary", {"dense_act_fn": "prelu"}, "the activation 'prelu'"),
        ("translation", {"activation_function": "laplace"}, "is 'laplace'. Supported: 'gelu', "),
    ],
)
def test_keys_that_contradict_something_are_refused(copied, model, changes, message):
    folder = copied(MODELS / f"tiny-{model}", **changes)
    path = folder / "config.json"
    config = {k: v for k, v in json.loads(path.read_text()).items() if v is not None}
    path.write_text(json.dumps(config))
    with pytest.raises(ExportError, match=message):
        read_model(folder)


HEADS = {
    "answers": "num_attention_heads",
    "bart": "decoder_attention_heads",
    "embeddings": "num_attention_heads",
    "entities": "n_heads",
    "generation": "n_head",
    "many": "encoder_attention_heads",
    "mbart": "decoder_attention_heads",
    "sentiment": "num_attention_heads",
    "similarity": "num_attention_heads",
    "toxic": "num_attention_heads",
    "translation": "encoder_attention_heads",
}


@pytest.mark.parametrize("model", HEADS)
def test_heads_divide_the_width_in_every_family(copied, model):
    message = rf"\w+ 24 is not a multiple of {HEADS[model]} 5, but all heads have the same width"
    with pytest.raises(ExportError, match=message):
        read_model(copied(MODELS / f"tiny-{model}", **{HEADS[model]: 5}))


SIGMOID = "torch.nn.modules.activation.Sigmoid"
IDENTITY = "torch.nn.modules.linear.Identity"
ONE = {"problem_type": None}
THREE = {"problem_type": None, "id2label": {"0": "a", "1": "b", "2": "c"}}


@pytest.mark.parametrize(
    ("config", "whole", "expected"),
    [
        (ONE, {}, "multi_label_classification"),
        (ONE | {"sbert_ce_default_activation_function": IDENTITY}, {}, "regression"),
        (ONE | {"sentence_transformers": {"activation_fn": IDENTITY}}, {}, "regression"),
        (
            ONE
            | {"sentence_transformers": {"activation_fn": SIGMOID, "version": "5.0.0"}}
            | {"sbert_ce_default_activation_function": IDENTITY},
            {},
            "multi_label_classification",
        ),
        (ONE, {"activation_fn": IDENTITY}, "regression"),
        (ONE, {"activation_fn": IDENTITY, "model_type": "other"}, "multi_label_classification"),
        (THREE | {"sentence_transformers": {"activation_fn": IDENTITY}}, {}, ""),
        (THREE, {"activation_fn": SIGMOID}, "multi_label_classification"),
        (
            {"problem_type": "regression", "sentence_transformers": {"activation_fn": SIGMOID}},
            {},
            "--ignore-key sentence_transformers or --ignore-key problem_type",
        ),
        (ONE, {"activation_fn": "torch.nn.modules.activation.Tanh"}, "Supported: Identity"),
        (ONE, {"activation_fn": "mine.Sigmoid"}, "add --ignore-key activation_fn"),
    ],
)
def test_a_cross_encoders_activation_is_honoured(copied, config, whole, expected):
    folder = copied(MODELS / "tiny-similarity", **config)
    if whole:
        whole = {"model_type": "CrossEncoder"} | whole
        (folder / "config_sentence_transformers.json").write_text(json.dumps(whole))
        (folder / "modules.json").write_text("[]")
    if expected in ("", "regression", "multi_label_classification"):
        assert read_model(folder).problem_type == expected or "single_label_classification"
        return
    with pytest.raises(ExportError, match=re.escape(expected)):
        read_model(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a_switch": 1, "b": 2}, r"a_switch=1, b=2\..* add --ignore-key a_switch --ignore-key b"),
        ({"auto_map": {"AutoModel": "a.B"}}, "auto_map names code .* add --ignore-key auto_map"),
        ({"quantization_config": {"quant_method": "gptq"}}, "weights are quantized"),
        ({"quantization_config": {"load_in_8bit": True}}, "weights are quantized"),
    ],
)
def test_keys_that_may_change_something_are_refused(sentiment_folder, copied, changes, message):
    folder = copied(sentiment_folder, **changes, a_null=None)
    with pytest.raises(ExportError, match=message):
        read_model(folder)
    assert read_model(folder, ignore=changes).labels


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a_swich", "no file of the model folder has this key"),
        ("hidden_act", "config.json needs this key"),
    ],
)
def test_a_key_that_cannot_be_ignored_is_said(sentiment_folder, copied, name, message):
    folder = copied(sentiment_folder, a_switch=1, hidden_act="relu")
    with pytest.raises(ExportError, match=message):
        read_model(folder, ignore=("a_switch", name))


def test_an_adapter_is_not_left_out(sentiment_folder, copied):
    folder = copied(sentiment_folder)
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(ExportError, match="Merge it into them"):
        read_model(folder)


def test_ignored_keys_are_in_manifest_and_card(sentiment_folder, copied, tmp_path):
    folder = copied(sentiment_folder, a_switch=1)
    command = ["export", str(folder), str(tmp_path / "out"), "--variant", "fp32"]
    command += ["--answers", "graph"]
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 2
    assert "--ignore-key a_switch" in refused.output
    result = CliRunner().invoke(app, [*command, "--ignore-key", "a_switch"])
    assert result.exit_code == 0, result.output
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["ignored_keys"] == ["a_switch"]
    assert "| ignored keys | a_switch |" in (tmp_path / "out" / "README.md").read_text()


KEYS_PAGE = Path(__file__).parents[1] / "docs" / "keys.md"


def ignored_table() -> str:
    """The part of the page about what is ignored, as the code has it."""
    lines = ["| where | key | reason |", "| --- | --- | --- |"]
    for scope in scopes():
        for reason, keys in groupby(ignored(scope).items(), key=itemgetter(1)):
            names = ", ".join(f"`{key}`" for key, _ in keys)
            lines.append(f"| {scope} | {names} | {reason} |")
    return "\n".join(lines) + "\n"


def test_the_page_has_what_is_ignored():
    assert ignored_table() in KEYS_PAGE.read_text(encoding="utf-8")


def test_the_page_has_every_key_that_is_read(monkeypatch, tmp_path):
    read = set()

    def recording(then):
        def looking(config, key, *more):
            read.add(key)
            return then(config, key, *more)

        return looking

    for method in ("take", "require", "hint", "unread"):
        monkeypatch.setattr(Config, method, recording(getattr(Config, method)))
    for i, config in enumerate(PUBLISHED.values()):
        pooling = PoolingMode.MEAN if config["architectures"][0].endswith("Model") else None
        with contextlib.suppress(ExportError):
            read_model(_folder(tmp_path / str(i), config), pooling)
    for model in MODELS.iterdir():
        read_model(model)
    assert {FAMILIES[config["model_type"]] for config in PUBLISHED.values()} == set(
        FAMILIES.values()
    )
    read |= {*SUPPORTED, *REFUSED, *ACTIVATIONS, *generation.KEYS}
    read |= {name for aliases in ALIASES.values() for pair in aliases.items() for name in pair}
    page = set(re.findall(r"`([^`]+)`", KEYS_PAGE.read_text(encoding="utf-8")))
    assert sorted(read - page) == []


@pytest.mark.reference
def test_aliases_are_those_of_transformers():
    transformers = pytest.importorskip("transformers")
    for model_type, family in FAMILIES.items():
        found = transformers.CONFIG_MAPPING[model_type].attribute_map
        assert found == ALIASES.get(family, {}), model_type
    assert set(ALIASES) <= set(FAMILIES.values()) - set(ENCODERS) | {"distilbert"}


@pytest.mark.parametrize(
    ("activation", "expected"),
    [(IDENTITY, [-0.726407, -1.239527, -0.888531]), (SIGMOID, [0.325984, 0.224518, 0.291413])],
)
def test_scores_are_those_of_a_cross_encoder(copied, tmp_path, activation, expected):
    """As sentence-transformers 6.2.0 gave them in float32, with CrossEncoder's predict; of a class
    without token types, with a pad_token added to tokenizer_config.json."""
    keys = {"problem_type": None, "sbert_ce_default_activation_function": activation}
    folder = copied(MODELS / "tiny-similarity", **keys)
    bundle = export(folder, tmp_path / "out", Settings(name="scores", **SMALL))
    pairs = [
        ("a dog", "the dog sleeps"),
        ("it rains", "the sun is out on the street"),
        ("no", "yes"),
    ]
    found = Runner(bundle, "fp32").read([bundle.encode(*pair) for pair in pairs])
    np.testing.assert_allclose(np.ravel(found), expected, atol=1e-5)
