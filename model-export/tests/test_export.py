"""Bundles of the tiny models: what is written, refused and kept."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from streamformer_export import commands
from streamformer_export.bundle import Bundle
from streamformer_export.calibrate import calibrate
from streamformer_export.cli import app
from streamformer_export.errors import ExportError
from streamformer_export.export import Answers, Settings, Variant, export
from streamformer_export.families import read_model
from streamformer_export.quantize import Scheme
from streamformer_export.verify import verify

SMALL = Settings(name="tiny", variants=(Variant.FP32,), answers=Answers.GRAPH)


@pytest.mark.parametrize("name", ["tiny-sentiment", "tiny-translation"])
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
    graph = read_model(sentiment_folder).build(Scheme()).model("test").graph
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
        ({"model_type": "t5"}, "family is one of bert, marian"),
        ({"hidden_act": "gelu_new"}, "hidden_act is supported as"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is supported"),
        ({"problem_type": "multi_label_classification"}, "problem_type is supported"),
        ({"architectures": ["BertForMaskedLM"]}, "architectures is supported"),
        ({"a_new_switch": True}, "a_new_switch=True"),
    ],
)
def test_unknown_bert_config_is_refused(sentiment_folder, copied, change, message):
    with pytest.raises(ExportError, match=message):
        read_model(copied(sentiment_folder, **change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normalize_before": True}, "normalize_before is supported"),
        ({"share_encoder_decoder_embeddings": False}, "share_encoder_decoder_embeddings"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings"),
        ({"decoder_vocab_size": 7}, "decoder_vocab_size"),
    ],
)
def test_unknown_marian_config_is_refused(translation_folder, copied, change, message):
    with pytest.raises(ExportError, match=message):
        read_model(copied(translation_folder, **change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"repetition_penalty": 1.2}, "repetition_penalty is supported"),
        ({"no_repeat_ngram_size": 3}, "no_repeat_ngram_size is supported"),
        ({"early_stopping": True}, "early_stopping is supported"),
        ({"bad_words_ids": [[3, 4]]}, "single tokens"),
        ({"eos_token_id": [0, 2]}, "one token"),
        ({"forced_eos_token_id": 5}, "forced last token"),
        ({"a_new_switch": 1}, "a_new_switch=1"),
    ],
)
def test_unknown_generation_config_is_refused(translation_folder, copied, change, message):
    with pytest.raises(ExportError, match=message):
        read_model(copied(translation_folder, "generation_config.json", **change))


def test_unused_tensor_is_refused(sentiment_folder, copied, tmp_path):
    folder = copied(sentiment_folder)
    tensors = load_file(folder / "model.safetensors")
    tensors["bert.extra.weight"] = np.ones((2, 2), np.float16)
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ExportError, match=r"bert\.extra\.weight"):
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
    assert commands._command() == (
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
        lambda model, rows, version: seen.extend(rows) or calibrate(model, rows, version),
    )
    settings = Settings(
        name="tiny", answers=Answers.GRAPH, calibrate=(str(table),), held_out=held_out
    )
    bundle = export(translation_folder, tmp_path / "out", settings)
    assert [bundle.text(row) for row in seen] == [f"word {i}" for i in range(9) if i != 3]
