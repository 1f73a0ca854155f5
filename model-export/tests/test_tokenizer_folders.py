"""Each tokenizer class and each of its keys gives transformers' ids, of both releases where they
agree, and of the one that was chosen where they do not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tokenizers import Tokenizer

import tokenizer_folders as folders
from corpus import lines
from streamformer_export.errors import ExportError
from streamformer_export.tokenizer import Origin, load, read_source, read_tokenizer
from streamformer_export.tokenizer_keys import table
from test_tokenizer_kinds import LONG, assert_tie

STORED = json.loads(folders.ANSWERS.read_text())
RELEASE = {Origin.FILE: "4", Origin.CLASS: "5"}
CASES = [*folders.ALIKE, *(f"files-{name}" for name in folders.FILE_KEYS)]


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizers")
    folders.write_all(folder)
    return folder


def assert_answers(folder: Path, answer: dict, origin: Origin | None = None) -> None:
    content, special = read_tokenizer(folder, origin)
    ours = load(content)
    unknown = content["model"].get("unk_id")
    for text, expected in zip(folders.TEXTS, answer["ids"], strict=True):
        found = ours.encode(text).ids
        if found != expected:
            # Unigram finds a control token in a text that spells one; ours must not.
            assert "</s>" in text and content["model"]["type"] == "Unigram", text
            inner = ours.encode(text, add_special_tokens=False).ids
            assert not set(inner) & (set(special) - {unknown})
    for pair, expected in zip(folders.PAIRS, answer["pairs"], strict=True):
        assert ours.encode(*pair).ids == expected, pair
    for row, expected in zip(answer["ids"], answer.get("texts", ()), strict="texts" in answer):
        found = ours.decode([i for i in row if i not in special])
        assert found.strip() == expected.strip()


@pytest.mark.parametrize("name", CASES)
def test_ids_are_those_of_both_releases(written, name):
    for release in ("4", "5"):
        assert_answers(written / name, STORED[name][release])
    assert read_source(written / name, Origin.CLASS).origin is None


@pytest.mark.parametrize("name", folders.APART)
def test_file_and_class_are_told_apart_and_chosen(written, name):
    with pytest.raises(ExportError, match=r"disagree in: .*--tokenizer file .*--tokenizer class"):
        read_tokenizer(written / name)
    for origin, release in RELEASE.items():
        assert_answers(written / name, STORED[name][release], origin)
        assert read_source(written / name, origin).origin is origin
    assert STORED[name]["4"] != STORED[name]["5"]


@pytest.mark.reference
@pytest.mark.parametrize("name", [*CASES, *folders.APART])
def test_stored_answers_are_transformers_s(written, name):
    transformers = pytest.importorskip("transformers")
    release = transformers.__version__.partition(".")[0]
    assert folders.transformers_answers(written / name) == STORED[name][release]


@pytest.mark.reference
@pytest.mark.parametrize("name", folders.KINDS)
def test_a_long_corpus_gives_transformers_ids(written, name):
    transformers = pytest.importorskip("transformers")
    reference = transformers.AutoTokenizer.from_pretrained(written / name)
    content, special = read_tokenizer(written / name, Origin.CLASS)
    ours, texts = load(content), lines(LONG, seed=12, controls=False)
    for at in range(0, LONG, 1000):
        some = texts[at : at + 1000]
        expected = reference(some, add_special_tokens=True)["input_ids"]
        for text, found, wanted in zip(some, ours.encode_batch(some), expected, strict=True):
            if found.ids != wanted:
                assert content["model"]["type"] == "Unigram", text
                assert_tie(content, found.ids, wanted)
    assert len(special) >= 1


def test_other_spellings_of_the_same_parts_are_the_same(written, tmp_path):
    """What the tokenizers library writes today and wrote before, and BertProcessing."""
    for name in ("bert", "xlm-roberta", "t5", "roberta", "gpt2", "nllb"):
        folder = tmp_path / name
        shutil.copytree(written / name, folder)
        today = json.loads(Tokenizer.from_file(str(folder / "tokenizer.json")).to_str())
        (folder / "tokenizer.json").write_text(json.dumps(today))
        assert_answers(folder, STORED[name]["5"])
    folder = tmp_path / "bert"
    content = folders.bert()
    frame = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
    # Files of old releases have no type of the model.
    del content["model"]["type"]
    (folder / "tokenizer.json").write_text(json.dumps({**content, "post_processor": frame}))
    assert_answers(folder, STORED["bert"]["5"])


def test_a_class_that_nobody_knows_is_asked_for(written, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(written / "bert", folder)
    settings = {"tokenizer_class": "DebertaV2Tokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    for origin in (None, Origin.CLASS):
        with pytest.raises(ExportError, match=r"DebertaV2Tokenizer.* Add --tokenizer file"):
            read_tokenizer(folder, origin)
    assert_answers(folder, STORED["bert"]["4"], Origin.FILE)
    assert read_source(folder, Origin.FILE).origin is Origin.FILE


def test_tokens_beside_the_file_are_control_tokens_or_refused(written, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(written / "bert", folder)
    before = read_source(folder).control_tokens
    (folder / "special_tokens_map.json").write_text(json.dumps({"mask_token": "dog"}))
    assert read_source(folder).control_tokens == {**before, "dog": folders.wordpiece()["dog"]}
    (folder / "added_tokens.json").write_text(json.dumps({"dogs": folders.wordpiece()["dogs"]}))
    with pytest.raises(ExportError, match="adds 'dogs'"):
        read_tokenizer(folder)


def test_a_vocabulary_needs_a_class_that_reads_it(written, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(written / "files-bert", folder)
    settings = {"tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(ExportError, match=r"has vocab\.txt .*PreTrainedTokenizer .*one of Bart"):
        read_tokenizer(folder)


def test_a_random_model_is_refused(written, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(written / "gpt2", folder)
    content = folders.gpt2()
    content["model"]["dropout"] = 0.1
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(ExportError, match="disagree in: model"):
        read_tokenizer(folder)
    with pytest.raises(ExportError, match=r"dropout 0\.1"):
        read_tokenizer(folder, Origin.FILE)


def test_sentence_transformers_lowercases_in_vain_beside_a_tokenizer_that_does(written, tmp_path):
    for name, passes in (("bert", True), ("albert", True), ("bert-cased", False), ("t5", False)):
        folder = tmp_path / name
        shutil.copytree(written / name, folder)
        settings = {"max_seq_length": 64, "do_lower_case": True}
        (folder / "sentence_bert_config.json").write_text(json.dumps(settings))
        if passes:
            assert_answers(folder, STORED[name]["5"])
            continue
        with pytest.raises(ExportError, match="do_lower_case is true, and the tokenizer keeps"):
            read_tokenizer(folder)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"a_new_switch": 1}, r"has the key a_new_switch: .*remove it from the file"),
        ({"auto_map": {"AutoTokenizer": ["x.Y", None]}}, r"has the key auto_map: code in the fold"),
        ({"do_basic_tokenize": False}, r"do_basic_tokenize is False\. Supported: True"),
        ({"sp_model_kwargs": {"alpha": 0.1}}, r"sp_model_kwargs is .*\. Supported: \{\}"),
        ({"cls_token": None}, "needs cls_token, and it is null"),
        ({"cls_token": "[START]"}, "frames a text with '.START.', which is not in the vocabulary"),
    ],
)
def test_a_key_that_is_not_understood_is_refused(written, tmp_path, keys, message):
    folder = tmp_path / "model"
    shutil.copytree(written / "bert", folder)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))
    with pytest.raises(ExportError, match=message):
        read_tokenizer(folder)


def test_t5_has_its_prefix_whatever_a_key_says(written, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(written / "t5", folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"add_prefix_space": False}))
    with pytest.raises(ExportError, match=r"add_prefix_space is false.* Remove the key"):
        read_tokenizer(folder)


def test_the_docs_have_every_key():
    page = Path(__file__).parent.parent / "docs" / "tokenizers.md"
    assert table() in page.read_text(encoding="utf-8"), table()


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    (tmp_path / "vocab.json").write_text('{"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3}')
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\nab c\n")
    with pytest.raises(ExportError, match=r"`c` out of vocabulary.*copy them from the same model"):
        read_tokenizer(tmp_path)
