"""Fine-tuning a tiny BERT with torch."""

import json
import shutil

import pytest

from streamformer_export.training.errors import TrainingError
from streamformer_export.training.run_folder import RunFolder
from streamformer_export.training.settings import ClassificationSettings, Precision

pytestmark = pytest.mark.reference

WORDS = ["good", "fine", "great", "bad", "poor", "awful", "film", "plot", "a", "the"]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A BERT with random weights whose tokenizer file asks for padding to 128."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, set_seed

    folder = tmp_path_factory.mktemp("base")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_padding(length=128)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    ).save_pretrained(folder)
    set_seed(0)
    configuration = BertConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
    )
    BertModel(configuration).save_pretrained(folder)
    return folder


@pytest.fixture
def table(tmp_path):
    rows = [
        f"{int(word in WORDS[:3])}\t{article} {word} {noun}"
        for word in WORDS[:6]
        for article in ("a", "the", "a the")
        for noun in ("film", "plot", "film plot")
    ]
    path = tmp_path / "table.tsv"
    path.write_text("label\ttext\n" + "\n".join(rows) + "\n")
    return path


def tiny(base, table, **changes) -> ClassificationSettings:
    settings = {
        "base": str(base),
        "train": str(table),
        "valid": str(table),
        "labels": ("negative", "positive"),
        "epochs": 8,
        "batch_size": 8,
        "learning_rate": 3e-3,
        "evaluate_every": 4,
        "precision": Precision.FP32,
    }
    return ClassificationSettings(**settings | changes)


def metrics(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def test_it_learns_and_the_folder_loads_in_transformers(base, table, tmp_path):
    from transformers import pipeline

    from streamformer_export.training import classification

    out = tmp_path / "out"
    accuracy = classification.finetune(tiny(base, table), RunFolder(out), threads=1)
    found = metrics(out)
    assert [line["step"] for line in found][:3] == [4, 7, 8]
    assert found[-1]["loss"] < 0.7 * found[0]["loss"]
    assert accuracy > 0.9

    classify = pipeline("text-classification", model=str(out))
    assert [answer["label"] for answer in classify(["the good plot", "a poor film"])] == [
        "positive",
        "negative",
    ]
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (out / name).read_bytes() == (base / name).read_bytes()


def test_the_base_s_own_tokenizer_is_kept(base, table, tmp_path, capsys):
    """A tokenizer.json that BertTokenizer of transformers 5 would rebuild, without its digits and
    accents."""
    from streamformer_export.tokenizer import Origin, load, read_tokenizer
    from streamformer_export.training import classification

    changed = tmp_path / "changed"
    shutil.copytree(base, changed)
    content = json.loads((base / "tokenizer.json").read_text())
    pieces = [*content["model"]["vocab"], "caf\u00e9", "2", "0", "6"]
    content["model"]["vocab"] = {piece: i for i, piece in enumerate(pieces)}
    content["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [{"type": "Whitespace"}, {"type": "Digits", "individual_digits": True}],
    }
    (changed / "tokenizer.json").write_text(json.dumps(content))
    (changed / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    seen = classification.BaseTokenizer.read(str(changed))
    assert seen.tokenizer.encode("2026 caf\u00e9").ids == [2, 15, 16, 15, 17, 14, 3]

    out = tmp_path / "out"
    classification.finetune(tiny(base=changed, table=table, epochs=1), RunFolder(out), threads=1)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (out / name).read_bytes() == (changed / name).read_bytes()
    assert "Export the result with --tokenizer file" in capsys.readouterr().err
    kept = load(read_tokenizer(out, Origin.FILE)[0])
    assert kept.encode("2026 caf\u00e9").ids == [2, 15, 16, 15, 17, 14, 3]


def test_a_resumed_run_equals_an_uninterrupted_one(base, table, tmp_path, monkeypatch):
    from streamformer_export.training import classification

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    settings = tiny(base, table, epochs=3, learning_rate=1e-3, layer_decay=0.9)
    best = classification.finetune(settings, RunFolder(whole), threads=1)

    evaluate = classification._Trainer._evaluate

    def interrupted(self):
        if self.step > 15:
            raise KeyboardInterrupt
        return evaluate(self)

    with monkeypatch.context() as patch:
        patch.setattr(classification._Trainer, "_evaluate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            classification.finetune(settings, RunFolder(broken), threads=1)
    assert classification.finetune(settings, RunFolder(broken, resume=True), threads=1) == best

    assert metrics(broken) == metrics(whole)
    assert (broken / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_lower_layers_learn_slower_and_biases_do_not_decay(base, table):
    from streamformer_export.training import classification

    settings = tiny(base, table, learning_rate=1.0, layer_decay=0.5)
    model = classification.new_model(settings)
    groups = classification.parameter_groups(model, settings)
    found = {
        name: (group["peak"], group["weight_decay"])
        for group in groups
        for parameter in group["params"]
        for name, value in model.named_parameters()
        if value is parameter
    }
    assert found["classifier.weight"] == (1.0, 0.01)
    assert found["bert.pooler.dense.bias"] == (1.0, 0.0)
    assert found["bert.encoder.layer.1.output.dense.weight"] == (0.5, 0.01)
    assert found["bert.encoder.layer.0.output.LayerNorm.weight"] == (0.25, 0.0)
    assert found["bert.embeddings.word_embeddings.weight"] == (0.125, 0.01)
    assert len(found) == len(list(model.named_parameters()))


def test_an_unreadable_base_is_named(table, tmp_path):
    from streamformer_export.training import classification

    settings = tiny(tmp_path / "nothing", table)
    with pytest.raises(TrainingError, match="BASE is a Hugging Face folder"):
        classification.finetune(settings, RunFolder(tmp_path / "out"), threads=1)
