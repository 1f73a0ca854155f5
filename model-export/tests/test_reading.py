"""What a bundle reads of a text, and the reference of it: cuts, windows, token types, padding."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from typer.testing import CliRunner

from graphs import random_rows  # noqa: F401
from streamformer_export.answers import Answers
from streamformer_export.bundle import Bundle, Runner, write_manifest
from streamformer_export.cli import app
from streamformer_export.errors import ExportError
from streamformer_export.export import Settings, Variant, export
from streamformer_export.families import read_model
from streamformer_export.rows import Row, clip
from streamformer_export.settings import Answers as Answering
from streamformer_export.tokenizer_inputs import read_inputs
from streamformer_export.verify import verify

MODELS = Path(__file__).parent / "models"
REPOSITORY = Path(__file__).parents[2]
RESOURCES = REPOSITORY / "operator/core/src/test/resources/io/streamformer"
SIDES = ("left", "right")


def known(name: str) -> dict:
    """What transformers answers, as the operator's tests have it too."""
    return json.loads((RESOURCES / name).read_text(encoding="utf-8"))


def cutting(folder: Path, side: str, max_tokens: int, **manifest) -> Bundle:
    """A bundle with a small limit."""
    content = Bundle.read(folder).manifest
    content["tokenizer"] = {**content["tokenizer"], "truncation_side": side}
    return Bundle(folder, {**content, "limits": {"max_tokens": max_tokens}, **manifest})


@pytest.mark.parametrize("side", SIDES)
def test_texts_and_pairs_are_cut_as_transformers_does(bundles, side):
    content = known("tokenize/cut-texts.json")
    bundle = cutting(bundles / "tiny-sentiment", side, content["max_tokens"])
    bundle.manifest["tokenizer"]["token_types"] = "pair"
    for text in content[side]["texts"]:
        found = bundle.encode(text["text"], text["pair"])
        assert list(found.ids) == text["ids"]
        assert list(found.type_ids) == text["types"]


@pytest.mark.parametrize("side", SIDES)
def test_a_context_has_the_windows_of_transformers(bundles, side):
    content = known("tokenize/cut-texts.json")
    task = {"task": "question-answering"}
    bundle = cutting(bundles / "tiny-sentiment", side, content["max_tokens"], **task)
    for text in content[side]["questions"]:
        found = bundle.readings(text["question"], text["context"])
        assert [list(row.ids) for row in found] == text["windows"]


@pytest.mark.parametrize(
    ("side", "expected"), [("left", "it is dog cat the now"), ("right", "it is a a a now")]
)
def test_a_template_stays_where_its_text_is_cut(bundles, side, expected):
    bundle = cutting(bundles / "tiny-sentiment", side, 9, template="it is {text} now")
    whole = Bundle.read(bundles / "tiny-sentiment").encode(expected)
    assert bundle.encode("a a a a a a dog cat the").ids == list(whole.ids)
    narrow = cutting(bundles / "tiny-sentiment", side, 5, template="it is {text} now")
    with pytest.raises(ExportError, match="have 6 tokens, the limit is 5"):
        narrow.encode("a a")


def test_a_text_is_clipped_on_its_side():
    """As TextCleanerTest has it, in UTF-16 units."""
    assert [clip("abcd", 3, side) for side in SIDES] == ["bcd", "abc"]
    assert clip("ab😀", 3, "right") == "ab"
    assert clip("😀ab", 3, "left") == "ab"
    assert clip(" " * 1000 + "hello", 10, "right") == "hello"
    assert clip("well hello" + " " * 1000, 5, "left") == "hello"
    assert clip(" " * 1000, 5, "left") == ""


@pytest.mark.parametrize(
    ("keys", "model_type", "expected"),
    [
        ({}, "bert", {}),
        ({}, "electra", {}),
        ({"tokenizer_class": "BertTokenizerFast"}, "bert", {}),
        ({"tokenizer_class": "PreTrainedTokenizerFast"}, "bert", {"token_types": "none"}),
        ({"tokenizer_class": "TokenizersBackend"}, "bert", {"token_types": "none"}),
        ({"tokenizer_class": "RobertaTokenizer"}, "roberta", {"token_types": "none"}),
        ({}, "albert", {"token_types": "none"}),
        ({"model_input_names": ["input_ids", "attention_mask"]}, "bert", {"token_types": "none"}),
        (
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "model_input_names": ["input_ids", "token_type_ids"],
            },
            "bert",
            {},
        ),
        ({"truncation_side": "left"}, "bert", {"truncation_side": "left"}),
    ],
)
def test_a_folders_tokenizer_says_what_it_gives(tmp_path, keys, model_type, expected):
    """As AutoTokenizer of transformers 5.24 gives them."""
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(keys))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    assert read_inputs(tmp_path) == expected


def test_a_tokenizer_file_that_cuts_says_its_side(copied):
    cuts = {"direction": "Left", "max_length": 16, "strategy": "LongestFirst", "stride": 0}
    folder = copied(MODELS / "tiny-sentiment", "tokenizer.json", truncation=cuts)
    assert read_inputs(folder)["truncation_side"] == "left"
    (folder / "tokenizer_config.json").write_text('{"truncation_side": "up"}')
    with pytest.raises(ExportError, match="truncation_side is 'up'"):
        read_inputs(folder)


def test_answers_are_widened_to_words_as_the_pipeline_does():
    content = known("task/pipeline-answers.json")
    tokenizer = Tokenizer.from_file(str(MODELS / "tiny-sentiment" / "tokenizer.json"))
    widened = 0
    for one in content["answers"]:
        row = Row.of(tokenizer.encode(one["question"], one["context"]))
        logits = [np.array(one[key], np.float32) for key in ("starts", "ends")]
        plain, whole = Answers().read(logits, row), Answers(align_to_words=True).read(logits, row)
        assert (plain.start, plain.end) == (one["start"], one["end"])
        assert {"start": whole.start, "end": whole.end} == one["words"]
        assert whole.score == pytest.approx(one["score"])
        widened += plain != whole
    assert widened == content["widened"] > 3


def test_golden_questions_are_read_in_the_operators_windows(tmp_path):
    """Not cut as a pair, as longest_first would, which keeps less of the question."""
    pairs = tmp_path / "golden.txt"
    question, context = "who walks the dog in the park", "the dog and the cat sleep on the street"
    pairs.write_text(f"{question}\t{context}\n")
    settings = Settings(
        name="answers",
        variants=(Variant.FP32,),
        max_tokens=30,
        golden_texts=pairs,
        answers=Answering.GRAPH,
    )
    bundle = export(MODELS / "tiny-answers", tmp_path / "out", settings)
    assert bundle.manifest["align_to_words"] is True
    runner = Runner(bundle, "fp32")
    for line in bundle.golden():
        rows = bundle.readings(line["text"], line["text_pair"])
        assert line["input_ids"] == list(rows[0].ids)
        best = max(runner.read(rows), key=lambda answer: answer.score)
        place = line["answer"]["start"], line["answer"]["end"]
        assert place == (best.start, best.end)
    assert len(rows) > 3
    assert all(check.passed for check in verify(bundle.folder))


def test_a_golden_question_beyond_the_limit_has_a_way_out(tmp_path):
    arguments = ["export", str(MODELS / "tiny-answers"), str(tmp_path / "out"), "--variant", "fp32"]
    arguments += ["--answers", "graph", "--max-tokens", "12"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2, result.output
    assert "fits into 12 tokens" in result.output
    assert "--golden-texts" in result.output
    own = tmp_path / "own.tsv"
    own.write_text("who\tthe dog\n")
    result = CliRunner().invoke(app, [*arguments, "--golden-texts", str(own)])
    assert result.exit_code == 0, result.output


def test_answers_may_keep_their_tokens(tmp_path):
    arguments = ["export", str(MODELS / "tiny-answers"), str(tmp_path / "out"), "--variant", "fp32"]
    arguments += ["--answers", "graph", "--no-align-to-words"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert Bundle.read(tmp_path / "out").manifest["align_to_words"] is False


@pytest.mark.parametrize(
    ("name", "padding"),
    [("tiny-sentiment", 10_000), ("tiny-bart", 10_000), ("tiny-many", -1), ("tiny-many", None)],
)
def test_a_padding_that_transformers_cannot_load_is_refused(copied, name, padding):
    folder = copied(MODELS / name, pad_token_id=padding)
    with pytest.raises(ExportError, match=f"pad_token_id is {padding}, and the ids"):
        read_model(folder)


@pytest.mark.parametrize("padding", [None, -1])
def test_a_padding_that_nothing_sees_is_any_token(copied, padding):
    assert read_model(copied(MODELS / "tiny-sentiment", pad_token_id=padding)).pad_token_id == 0


def test_a_prompted_model_has_a_padding_behind_its_table(copied, tmp_path):
    """Rows that end early change nothing beside longer ones."""
    size = json.loads((MODELS / "tiny-generation" / "config.json").read_text())["vocab_size"]
    folder = copied(MODELS / "tiny-generation", pad_token_id=size + 1)
    generation = folder / "generation_config.json"
    content = json.loads(generation.read_text()) if generation.is_file() else {}
    generation.write_text(json.dumps({**content, "pad_token_id": size + 1}))
    settings = Settings(name="prompted", variants=(Variant.FP32,), answers=Answering.GRAPH)
    bundle = export(folder, tmp_path / "out", settings)
    assert bundle.manifest["tokenizer"]["pad_token_id"] < size
    plain = export(MODELS / "tiny-generation", tmp_path / "plain", settings)
    outputs = [[line["output"] for line in one.golden()] for one in (bundle, plain)]
    assert outputs[0] == outputs[1]
    assert all(check.passed for check in verify(bundle.folder))


def rehashed(bundle: Bundle) -> Path:
    manifest = {k: v for k, v in bundle.manifest.items() if k != "files"}
    write_manifest(bundle.folder, manifest)
    return bundle.folder


def failed(folder: Path, against: Path) -> list[str]:
    return [check.name for check in verify(folder, against) if not check.passed]


@pytest.fixture
def paired_folder(torch, tmp_path) -> Path:
    """A BERT that reads pairs, with one class of tokenizer or another."""
    from test_encoder_reference import encoder

    folder = tmp_path / "model"
    words = Tokenizer.from_file(str(MODELS / "tiny-sentiment" / "tokenizer.json"))
    encoder(
        torch,
        folder,
        "Bert",
        0,
        "ForSequenceClassification",
        vocab_size=words.get_vocab_size(),
    )
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(MODELS / "tiny-sentiment" / name, folder)
    return folder


@pytest.mark.reference
@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]},
        {"truncation_side": "left"},
    ],
)
def test_pairs_have_the_answers_of_the_folder(paired_folder, tmp_path, keys):
    """From the text on: tokenizer, token types, cut and model are transformers' own."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    path = paired_folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_max_length": 24, **keys}))
    pairs = tmp_path / "pairs.txt"
    long = "the dog and the cat walk on the street " * 5
    texts = [("the dog", "a cat"), (long, "a cat"), (long, long), ("A Café", long)]
    pairs.write_text("\n".join("\t".join(pair) for pair in texts), encoding="utf-8")
    settings = Settings(name="pairs", variants=(Variant.FP32,), golden_texts=pairs)
    bundle = export(paired_folder, tmp_path / "out", settings)
    tokenizer = AutoTokenizer.from_pretrained(paired_folder)
    model = AutoModelForSequenceClassification.from_pretrained(paired_folder).eval()
    runner = Runner(bundle, "fp32")
    for pair in texts:
        inputs = tokenizer(*pair, truncation=True, max_length=24, return_tensors="pt")
        with torch.no_grad():
            expected = model(**inputs).logits[0].numpy()
        row = bundle.encode(*pair)
        assert list(row.ids) == inputs["input_ids"][0].tolist()
        np.testing.assert_allclose(runner.outputs([row])[0][0], expected, rtol=0, atol=1e-4)
    assert failed(bundle.folder, paired_folder) == []


@pytest.mark.reference
def test_the_reference_sees_what_a_bundle_made_of_its_texts(paired_folder, tmp_path):
    """Token types, a tokenizer and a side that are not the folder's."""
    settings = Settings(name="pairs", variants=(Variant.FP32,))
    bundle = export(paired_folder, tmp_path / "out", settings)
    assert failed(bundle.folder, paired_folder) == []
    bundle.manifest["tokenizer"]["token_types"] = "pair"
    assert failed(rehashed(bundle), paired_folder) == ["token types against the model"]
    bundle.manifest["tokenizer"]["token_types"] = "none"
    bundle.manifest["tokenizer"]["truncation_side"] = "left"
    assert "tokenizer against the model" in failed(rehashed(bundle), paired_folder)
    del bundle.manifest["tokenizer"]["truncation_side"]
    content = json.loads((bundle.folder / "tokenizer.json").read_text())
    content["normalizer"]["strip_accents"] = False
    (bundle.folder / "tokenizer.json").write_text(json.dumps(content))
    assert "tokenizer against the model" in failed(rehashed(bundle), paired_folder)
