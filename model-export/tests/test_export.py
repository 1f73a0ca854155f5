"""Bundles of the tiny models: what is written, refused and kept."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from conftest import ENCODERS, GENERATORS, MODELS
from streamformer_export import command_line, golden
from streamformer_export.bundle import Bundle, Runner, write_manifest
from streamformer_export.calibrate import calibrate
from streamformer_export.cli import app
from streamformer_export.errors import ExportError
from streamformer_export.export import Answers, Settings, Variant, export
from streamformer_export.families import read_model
from streamformer_export.graph.heads import Pooling, PoolingMode
from streamformer_export.graph.options import Option, parse_options
from streamformer_export.neighbours import influence
from streamformer_export.quantize import Scheme
from streamformer_export.training.errors import TrainingError
from streamformer_export.verify import verify

SMALL = Settings(name="tiny", variants=(Variant.FP32,), answers=Answers.GRAPH)


@pytest.mark.parametrize("name", [*ENCODERS, *GENERATORS])
def test_bundle_keeps_its_promises(bundles, name):
    checks = list(verify(bundles / name))
    assert len(checks) > 8
    assert [check for check in checks if not check.passed] == []


def test_same_input_gives_the_same_bytes(sentiment_folder, tmp_path):
    one, two = (export(sentiment_folder, tmp_path / n, SMALL).folder for n in ("one", "two"))
    names = sorted(path.name for path in one.iterdir())
    assert names == sorted(path.name for path in two.iterdir())
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_half_precision_weights_are_widened(sentiment_folder):
    tensors = load_file(sentiment_folder / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.float16)}
    graph = read_model(sentiment_folder).build(Scheme()).model("test").proto.graph
    assert {t.data_type for t in graph.initializer if "weight" in t.name} == {1}


def test_bundle_without_fp32_leaves_no_fp32_file(sentiment_folder, tmp_path):
    settings = Settings(name="tiny", variants=(Variant.INT8,), answers=Answers.GRAPH)
    bundle = export(sentiment_folder, tmp_path / "out", settings)
    assert list(bundle.manifest["variants"]) == ["int8"]
    assert not (bundle.folder / "model.fp32.onnx").exists()


def test_golden_texts_are_many_and_odd(bundles):
    lines = Bundle.read(bundles / "tiny-sentiment").golden()
    texts = [line["text"] for line in lines]
    assert len(texts) >= 24
    assert any("[SEP]" in text for text in texts)
    assert any("</s>" in text for text in texts)
    assert any(not text.isascii() for text in texts)
    assert max(len(line["input_ids"]) for line in lines) == 64


def test_existing_output_is_kept(sentiment_folder, tmp_path):
    export(sentiment_folder, tmp_path / "out", SMALL)
    with pytest.raises(ExportError, match=r"not empty.*--force"):
        export(sentiment_folder, tmp_path / "out", SMALL)
    export(sentiment_folder, tmp_path / "out", SMALL, force=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("x")
    with pytest.raises(ExportError, match="replaces a bundle only"):
        export(sentiment_folder, tmp_path / "other", SMALL, force=True)


def test_failed_export_leaves_nothing(sentiment_folder, tmp_path):
    settings = Settings(name="Not A Name", variants=(Variant.FP32,), answers=Answers.GRAPH)
    with pytest.raises(ExportError, match="name"):
        export(sentiment_folder, tmp_path / "out", settings)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "xlnet"}, "family is one of albert, bert, "),
        ({"hidden_act": "prelu"}, "hidden_act is 'prelu'. Supported: 'gelu', "),
        (
            {"position_embedding_type": "relative_key"},
            "position_embedding_type is 'relative_key'. Supported",
        ),
        ({"problem_type": "ranking"}, "problem_type is 'ranking'. Supported"),
        ({"architectures": ["BertForMaskedLM"]}, "architectures is .*. Supported"),
        ({"a_new_switch": True}, "a_new_switch=True"),
    ],
)
def test_unknown_bert_config_is_refused(sentiment_folder, copied, change, message):
    with pytest.raises(ExportError, match=message):
        read_model(copied(sentiment_folder, **change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normalize_before": True}, "normalize_before is True, but transformers does not read it"),
        ({"share_encoder_decoder_embeddings": False}, r"encoder\.embed_tokens\.weight"),
        ({"tie_word_embeddings": False}, r"lm_head\.weight"),
        ({"decoder_vocab_size": 7}, "decoder_vocab_size"),
        ({"encoder_attention_heads": 5}, "not a multiple of encoder_attention_heads 5"),
    ],
)
def test_unknown_marian_config_is_refused(translation_folder, copied, change, message):
    with pytest.raises(ExportError, match=message):
        read_model(copied(translation_folder, **change)).build(Scheme())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder_no_repeat_ngram_size": 3}, "encoder_no_repeat_ngram_size is 3. Supported"),
        ({"early_stopping": "soon"}, "early_stopping is one of"),
        ({"do_sample": True}, "samples with one beam"),
        ({"do_sample": True, "num_beams": 1, "typical_p": 0.9}, "typical_p is 0.9. Supported"),
        ({"a_new_switch": 1}, "a_new_switch=1"),
    ],
)
def test_unknown_generation_config_is_refused(translation_folder, copied, change, message):
    with pytest.raises(ExportError, match=message):
        read_model(copied(translation_folder, "generation_config.json", **change))


def test_config_compiles_in_what_it_sets(translation_folder, copied, tmp_path):
    changes = {"repetition_penalty": 1.2, "no_repeat_ngram_size": 3, "forced_bos_token_id": 9}
    folder = copied(translation_folder, "generation_config.json", min_length=4, **changes)
    bundle = export(folder, tmp_path / "out", SMALL)
    names = [value["name"] for value in bundle.manifest["inputs"]]
    assert names[-2:] == ["repetition_penalty", "no_repeat_ngram_size"]
    decoding = bundle.manifest["decoding"]
    assert decoding["repetition_penalty"] == 1.2
    assert decoding["no_repeat_ngram_size"] == 3
    assert decoding["min_new_tokens"] == 3
    sequences, _ = Runner(bundle, "fp32").run([bundle.ids("the dog")])
    assert (sequences[:, :, 0] == 9).all()


def test_sampling_model_becomes_a_sampling_bundle(translation_folder, copied, tmp_path):
    changes = {"do_sample": True, "num_beams": 1, "temperature": 0.7, "top_p": 0.9}
    folder = copied(translation_folder, "generation_config.json", **changes)
    bundle = export(folder, tmp_path / "out", SMALL)
    decoding = bundle.manifest["decoding"]
    assert (decoding["temperature"], decoding["top_k"], decoding["top_p"]) == (0.7, 50, 0.9)
    names = [value["name"] for value in bundle.manifest["inputs"]]
    assert names[-4:] == ["temperature", "top_k", "top_p", "seed"]
    assert [check for check in verify(bundle.folder) if not check.passed] == []


def test_bundle_with_every_option_keeps_its_promises(translation_folder, tmp_path):
    settings = replace(SMALL, options=parse_options(["all"]))
    bundle = export(translation_folder, tmp_path / "out", settings)
    assert [check for check in verify(bundle.folder) if not check.passed] == []
    runner = Runner(bundle, "fp32")
    row = bundle.ids("the dog and the cat")
    sequences, *_ = runner.run([row], suppress_tokens=[7, 8], forced_bos_token_id=[30])
    assert (sequences[0, :, 0] == 30).all()
    assert not {7, 8} & set(sequences.flatten().tolist())
    with pytest.raises(ExportError, match="there is none called 'typical_p'"):
        runner.run([row], typical_p=0.5)


def test_options_are_named(translation_folder, sentiment_folder, tmp_path):
    assert parse_options(["sampling,token_scores", "alignments"]) == {
        Option.SAMPLING,
        Option.TOKEN_SCORES,
        Option.ALIGNMENTS,
    }
    arguments = ["export", str(translation_folder), str(tmp_path / "out"), "--with", "beams"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "'beams' is none" in result.output
    with pytest.raises(ExportError, match="models that generate"):
        export(sentiment_folder, tmp_path / "out", replace(SMALL, options=parse_options(["all"])))


def test_unused_tensor_is_refused(sentiment_folder, copied, tmp_path):
    folder = copied(sentiment_folder)
    tensors = load_file(folder / "model.safetensors")
    tensors["bert.extra.weight"] = np.ones((2, 2), np.float16)
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ExportError, match=r"bert\.extra\.weight"):
        read_model(folder).build(Scheme())


def test_old_names_of_norms_are_read(sentiment_folder, copied, tmp_path):
    def written(folder: Path) -> bytes:
        read_model(folder).build(Scheme()).model("test").write(tmp_path / "model.onnx")
        return (tmp_path / "model.onnx").read_bytes()

    expected = written(sentiment_folder)
    folder = copied(sentiment_folder)
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    tensors = load_file(folder / "model.safetensors")
    for new, name in old.items():
        tensors = {key.replace(new, name): value for key, value in tensors.items()}
    assert any("gamma" in key for key in tensors)
    save_file(tensors, folder / "model.safetensors")
    assert written(folder) == expected


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (
            "1_Pooling/config.json",
            {"pooling_mode_max_tokens": True},
            "max_tokens is True. Supported",
        ),
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": False}, "one of mean, cls"),
        ("1_Pooling/config.json", {"include_prompt": False}, "include_prompt is False. Supported"),
        ("sentence_bert_config.json", {"a_new_switch": 1}, "a_new_switch=1"),
    ],
)
def test_unknown_embedding_is_refused(tmp_path, file, change, message):
    folder = tmp_path / "model"
    shutil.copytree(MODELS / "tiny-embeddings", folder)
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(content | change))
    with pytest.raises(ExportError, match=message):
        read_model(folder)


def test_pooling_is_asked_for_where_nobody_says(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(MODELS / "tiny-embeddings", folder)
    (folder / "modules.json").unlink()
    with pytest.raises(ExportError, match="--pooling mean"):
        read_model(folder)
    assert read_model(folder, PoolingMode.CLS).pooling == Pooling(PoolingMode.CLS, False)


def test_pooling_is_for_embeddings(sentiment_folder):
    with pytest.raises(ExportError, match="Drop --pooling"):
        read_model(sentiment_folder, PoolingMode.MEAN)


def test_a_classifier_of_one_label_gives_its_probability(tmp_path, sentiment_folder, copied):
    labels = {"id2label": {"0": "relevant"}, "label2id": {"relevant": 0}}
    folder = copied(sentiment_folder, **labels)
    tensors = load_file(folder / "model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        tensors[name] = np.ascontiguousarray(tensors[name][:1])
    save_file(tensors, folder / "model.safetensors")
    bundle = export(folder, tmp_path / "out", SMALL)
    assert bundle.manifest["problem_type"] == "multi_label_classification"
    assert 0 < bundle.golden()[0]["scores"]["relevant"] < 1


def test_labels_are_as_many_as_logits(sentiment_folder, copied):
    folder = copied(sentiment_folder, id2label={"0": "a", "1": "b", "2": "c"})
    with pytest.raises(ExportError, match="3 labels"):
        read_model(folder).build(Scheme())


def test_missing_tensor_is_refused(sentiment_folder, copied):
    folder = copied(sentiment_folder)
    tensors = load_file(folder / "model.safetensors")
    del tensors["classifier.weight"]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ExportError, match=r"classifier\.weight"):
        read_model(folder).build(Scheme())


def test_changed_file_fails_verification(bundles, tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(bundles / "tiny-sentiment", folder)
    (folder / "golden.jsonl").write_text("{}\n")
    with pytest.raises(ExportError, match=r"golden\.jsonl"):
        list(verify(folder))


def test_evaluation_is_written_into_manifest_and_card(bundles, tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(bundles / "tiny-translation", folder)
    table = tmp_path / "held-out.tsv"
    table.write_text("the dog\tle chien\tun chien\na cat\tun chat\n", encoding="utf-8")
    arguments = ["evaluate", str(folder), "--data", f"held={table}", "--num-beams", "2", "--write"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    figures = json.loads((folder / "manifest.json").read_text())["variants"]["fp32"]["evaluation"]
    assert "BLEU (held, beam 2)" in figures
    assert "BLEU, all references (held, beam 2)" in figures
    assert "version" in figures["sacreBLEU signature"]
    assert "BLEU (held, beam 2)" in (folder / "README.md").read_text()
    assert [check for check in verify(folder) if not check.passed] == []


def test_accuracy_counts_equal_labels(bundles, tmp_path):
    table = tmp_path / "dev.tsv"
    table.write_text("label\ttext\npositive\ta good dog\n0\ta good dog\n", encoding="utf-8")
    arguments = ["evaluate", str(bundles / "tiny-sentiment"), "--data", str(table)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "accuracy (dev): 0.5" in result.output


def test_bad_arguments_are_one_line_and_exit_code_2(tmp_path):
    result = CliRunner().invoke(app, ["export", str(tmp_path), str(tmp_path / "out")])
    assert result.exit_code == 2
    assert result.output.startswith("Error: ")
    assert result.output.count("\n") == 1


def test_card_keeps_how_it_was_made(sentiment_folder, tmp_path):
    table = tmp_path / "dev.tsv"
    table.write_text("label\ttext\npositive\ta good dog\n", encoding="utf-8")
    settings = replace(SMALL, limitations="Knows no irony.", command="streamformer-export export")
    bundle = export(sentiment_folder, tmp_path / "out", settings)
    arguments = ["evaluate", str(bundle.folder), "--data", str(table), "--write"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    card = (bundle.folder / "README.md").read_text()
    assert "accuracy (dev)" in card
    assert card.count("Knows no irony.") == 1
    assert card.count("    streamformer-export export") == 1


def test_command_on_a_card_has_no_folders_of_the_machine(monkeypatch):
    words = ["x", "export", "models/a", "/tmp/b/out", "--calibrate", "name=/data/c.en:/data/c.fr"]
    monkeypatch.setattr(sys, "argv", words)
    assert command_line.command_line() == (
        "streamformer-export export models/a out --calibrate name=c.en:c.fr"
    )


def test_calibration_reads_data_but_nothing_held_out(translation_folder, tmp_path, monkeypatch):
    table = tmp_path / "train.tsv"
    table.write_text("".join(f"word {i}\tmot {i}\n" for i in range(9)), encoding="utf-8")
    held_out = tmp_path / "held-out.tsv"
    held_out.write_text("WORD  3\tmot 3\tun mot\n", encoding="utf-8")
    seen = []
    monkeypatch.setattr(
        "streamformer_export.export.calibrate",
        lambda model, rows, **more: seen.extend(rows) or calibrate(model, rows, **more),
    )
    settings = Settings(
        name="tiny", answers=Answers.GRAPH, calibrate=(str(table),), held_out=held_out
    )
    bundle = export(translation_folder, tmp_path / "out", settings)
    assert [bundle.text(row) for row in seen] == [f"word {i}" for i in range(9) if i != 3]


def test_int8_fast_is_never_the_default(sentiment_folder, tmp_path, bundles):
    settings = replace(SMALL, variants=(Variant.INT8_FAST, Variant.FP32))
    with pytest.raises(ExportError, match="int8-fast cannot promise that"):
        export(sentiment_folder, tmp_path / "out", settings)
    folder = tmp_path / "bundle"
    shutil.copytree(bundles / "tiny-sentiment", folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["variants"]["int8-fast"] = manifest["variants"]["int8"]
    manifest["default_variant"] = "int8-fast"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ExportError, match="int8-fast"):
        list(verify(folder))


@pytest.mark.parametrize("name", ["tiny-sentiment", "tiny-translation"])
def test_int8_fast_tells_what_neighbours_change(name, tmp_path):
    settings = replace(SMALL, variants=(Variant.INT8, Variant.INT8_FAST))
    bundle = export(MODELS / name, tmp_path / "out", settings)
    entry = bundle.manifest["variants"]["int8-fast"]
    (figure,) = (one for one in entry["evaluation"].items() if not one[0].startswith("distance"))
    assert "texts whose answer changed in batches of 3, 17, 32" in figure[0]
    assert 0 <= figure[1] <= 1
    assert "texts of the same batch can change an answer" in entry["description"]
    assert "in any batch, but with `int8-fast`" in (bundle.folder / "README.md").read_text()
    checks = {check.name: check for check in verify(bundle.folder)}
    assert [check for check in checks.values() if not check.passed] == []
    assert f"neighbours change {figure[1]:.1%}" in checks["int8-fast row independence"].figure
    assert "not promised" not in checks["int8 row independence"].figure


def test_neighbours_change_what_shares_a_scale(tmp_path):
    """The measure sees it where it happens, in the logits at least."""
    settings = replace(SMALL, variants=(Variant.INT8, Variant.INT8_FAST))
    bundle = export(MODELS / "tiny-sentiment", tmp_path / "out", settings)
    fast, static = (
        influence(Runner(bundle, variant), golden.Golden.read(bundle).rows)
        for variant in ("int8-fast", "int8")
    )
    assert fast.apart > 1e-4
    assert static.apart == 0
    assert static.changed_texts == static.changed_answers == 0


def test_export_measures_each_variant(sentiment_folder, tmp_path):
    table = tmp_path / "dev.tsv"
    table.write_text("label\ttext\npositive\ta good dog\nnegative\ta cat\n", encoding="utf-8")
    settings = replace(SMALL, variants=(Variant.INT8,), evaluate=(f"few={table}",))
    bundle = export(sentiment_folder, tmp_path / "out", settings)
    assert list(bundle.manifest["variants"]) == ["int8"]
    figures = bundle.manifest["variants"]["int8"]["evaluation"]
    measured = {name for name in figures if not name.startswith("distance")}
    assert measured == {"accuracy (few)", "accuracy (few), minus fp32"}
    exact = export(
        sentiment_folder, tmp_path / "exact", replace(settings, variants=(Variant.FP32,))
    )
    measured = exact.manifest["variants"]["fp32"]["evaluation"]
    assert set(measured) == {"accuracy (few)"}
    loss = figures["accuracy (few)"] - measured["accuracy (few)"]
    assert figures["accuracy (few), minus fp32"] == pytest.approx(loss)
    assert "accuracy (few), minus fp32" in (bundle.folder / "README.md").read_text()


def test_data_is_read_before_graphs_are_built(sentiment_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("streamformer_export.export._write_graphs", None)
    settings = replace(SMALL, evaluate=(str(tmp_path / "missing.tsv"),))
    with pytest.raises((ExportError, TrainingError), match=r"missing\.tsv"):
        export(sentiment_folder, tmp_path / "out", settings)


def test_verify_has_a_line_for_each_promise(tmp_path):
    settings = replace(SMALL, variants=tuple(Variant))
    bundle = export(MODELS / "tiny-sentiment", tmp_path / "out", settings)
    names = [check.name for check in verify(bundle.folder)]
    first = ["files", "listed files", "manifest", "default variant", "tokenizer", "control tokens"]
    assert names[: len(first)] == first
    for variant in Variant:
        wanted = ["inputs and outputs", "golden texts", "row independence"]
        wanted += [] if variant is Variant.FP32 else ["against fp32"]
        assert {f"{variant} {name}" for name in wanted} <= set(names)
    assert "fp16 on CUDA" in names


def test_verify_finds_an_answer_outside_the_tolerance(bundles, tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(bundles / "tiny-sentiment", folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["variants"]["int8"]["tolerance"]["score"] = 0.0
    (folder / "manifest.json").write_text(json.dumps(manifest))
    failed = [check.name for check in verify(folder) if not check.passed]
    assert failed == ["int8 golden texts", "int8 against fp32"]


def test_verify_finds_a_control_token_in_a_text(bundles, tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(bundles / "tiny-sentiment", folder)
    content = json.loads((folder / "tokenizer.json").read_text())
    source = json.loads((MODELS / "tiny-sentiment" / "tokenizer.json").read_text())
    content["added_tokens"] = source["added_tokens"]
    (folder / "tokenizer.json").write_text(json.dumps(content))
    write_manifest(folder, json.loads((folder / "manifest.json").read_text()))
    failed = {check.name for check in verify(folder) if not check.passed}
    assert "control tokens" in failed
