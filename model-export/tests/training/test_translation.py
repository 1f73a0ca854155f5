"""Training a tiny translation model with torch."""

import json
import shutil

import pytest

from streamformer_export.training.run_folder import RunFolder
from streamformer_export.training.settings import Precision, TranslationSettings

pytestmark = pytest.mark.reference


def tiny(pairs_table, **changes) -> TranslationSettings:
    settings = {
        "train": (str(pairs_table),),
        "valid": str(pairs_table),
        "hold_out": 20,
        "vocabulary_size": 180,
        "d_model": 32,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "attention_heads": 2,
        "ffn_size": 64,
        "dropout": 0.1,
        "epochs": 3,
        "batch_tokens": 400,
        "peak_rate": 5e-3,
        "warmup_steps": 5,
        "average": 2,
        "precision": Precision.FP32,
    }
    return TranslationSettings(**settings | changes)


def metrics(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    timed = ("seconds", "target_pieces_per_second")
    return [{k: v for k, v in json.loads(line).items() if k not in timed} for line in lines]


def test_short_validation_pairs_are_judged_by_chrf(pairs_table, tmp_path, capfd):
    """All have fewer than BLEU's four words: it would keep the first epoch's weights."""
    from streamformer_export.training import translation

    (tmp_path / "short.tsv").write_text("one two.\tun deux.\nnine.\tneuf.\n")
    settings = tiny(pairs_table, epochs=2, average=1, valid=str(tmp_path / "short.tsv"))
    score, measure = translation.train(settings, RunFolder(tmp_path / "out"), threads=1)
    found = metrics(tmp_path / "out")
    assert measure == "chrF"
    assert [line["bleu"] for line in found] == [0, 0]
    assert score == pytest.approx(max(line["chrf"] for line in found), abs=0.01)
    assert "BLEU says nothing here" in capfd.readouterr().err


def test_the_loss_falls_and_the_folder_loads_in_transformers(pairs_table, tmp_path):
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    from streamformer_export.training import translation
    from streamformer_export.training.device import Device

    out = tmp_path / "out"
    translation.train(tiny(pairs_table, epochs=6), RunFolder(out), threads=1)
    found = metrics(out)
    assert [line["epoch"] for line in found] == [1, 2, 3, 4, 5, 6, 6]
    assert found[5]["loss"] < 0.6 * found[0]["loss"]
    assert len((out / "held-out.tsv").read_text().splitlines()) == 20

    tokenizer = AutoTokenizer.from_pretrained(out)
    model, problems = AutoModelForSeq2SeqLM.from_pretrained(out, output_loading_info=True)
    assert not any(problems.values())
    last = model.config.vocab_size - 1
    assert (len(tokenizer), tokenizer.pad_token_id, tokenizer.eos_token_id) == (last + 1, last, 0)
    assert model.config.decoder_start_token_id == last
    assert model.generation_config.bad_words_ids == [[last], [1]]
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert not {0, last} & set(tokenizer("a </s> <pad> b")["input_ids"][:-1])

    # The reference generates the same from transformers' own loading and encoding.
    texts = ["one two three.", "nine."]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        output = model.generate(**batch, num_beams=1, max_new_tokens=8)
    ours = translation.translate(
        model,
        translation.read_tokenizer(out),
        Device(torch.device("cpu"), bf16=False),
        texts,
    )
    theirs = tokenizer.batch_decode(output, skip_special_tokens=True)
    assert all(our.startswith(their) and their for our, their in zip(ours, theirs, strict=True))


def test_a_resumed_run_equals_an_uninterrupted_one(pairs_table, tmp_path, monkeypatch):
    from streamformer_export.training import translation

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    settings = tiny(pairs_table)
    best = translation.train(settings, RunFolder(whole), threads=1)

    train_epoch = translation._Trainer._train_epoch

    def interrupted(self, epoch):
        if epoch == 3:
            self.folder.add_metrics(epoch=3, loss=0.0)
            raise KeyboardInterrupt
        return train_epoch(self, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(translation._Trainer, "_train_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            translation.train(settings, RunFolder(broken), threads=1)
    assert translation.train(settings, RunFolder(broken, resume=True), threads=1) == best

    assert metrics(broken) == metrics(whole)
    assert (broken / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    last = "state/epoch-3.safetensors"
    assert (broken / last).read_bytes() == (whole / last).read_bytes()


def test_the_loss_ignores_padding(pairs_table):
    import torch

    from streamformer_export.training import translation

    model = translation.new_model(tiny(pairs_table), 50).eval()
    source, target = torch.tensor([[5, 6, 0]]), torch.tensor([[7, 8, 9, 0]])
    loss = translation.translation_loss(model, source, target, 0.1)
    wide = translation.translation_loss(
        model,
        torch.nn.functional.pad(source, (0, 3), value=49),
        torch.nn.functional.pad(target, (0, 2), value=49),
        0.1,
    )
    assert wide.item() == pytest.approx(loss.item(), rel=1e-5)


def test_bad_data_leaves_an_earlier_run_alone(pairs_table, tmp_path):
    from streamformer_export.training import translation
    from streamformer_export.training.errors import TrainingError

    out = tmp_path / "out"
    out.mkdir()
    (out / "training.json").write_text("{}")
    shutil.copy(pairs_table, out / "kept.tsv")
    settings = tiny(pairs_table, valid=str(tmp_path / "missing.tsv"))
    with pytest.raises(TrainingError, match="must exist"):
        translation.train(settings, RunFolder(out, force=True), threads=1)
    assert (out / "kept.tsv").is_file()
