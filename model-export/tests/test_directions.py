"""What tells a model its task by other means than a language token of its own: OPUS-MT's tokens in
front of a text, T5's prefixes; and models that pad with their end token."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from conftest import MODELS
from graphs import padded, random_rows, search, session
from streamformer_export import reference
from streamformer_export.attention import Told, look
from streamformer_export.errors import ExportError
from streamformer_export.export import Answers, Settings, Variant, export
from streamformer_export.families import Task, read_model
from streamformer_export.graph.options import Option, Options
from streamformer_export.quantize import Scheme
from streamformer_export.verify import verify
from tiny_student import VOCABULARY, sentencepiece_file

SMALL = {"variants": (Variant.FP32,), "answers": Answers.GRAPH}
PREFIXES = {
    "translation_en_to_de": {"prefix": "translate English to German: ", "num_beams": 3},
    "translation_en_to_fr": {"prefix": "translate English to French: ", "num_beams": 2},
}


@pytest.fixture
def opus_mt(translation_folder, tmp_path) -> Path:
    """An OPUS-MT folder whose model writes several languages."""
    folder = tmp_path / "model"
    shutil.copytree(translation_folder, folder)
    words = len(json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"])
    (folder / "tokenizer.json").unlink()
    for side in ("source", "target"):
        (folder / f"{side}.spm").write_bytes(sentencepiece_file(VOCABULARY))
    names = [*VOCABULARY, ">>fra<<", ">>deu<<"]
    names += [f"filler{i}" for i in range(words - len(names) - 1)] + ["<pad>"]
    (folder / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(names)}))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "MarianTokenizer"}')
    return folder


def test_a_model_of_several_targets_gets_one_in_front_of_its_texts(opus_mt, tmp_path):
    ids = json.loads((opus_mt / "vocab.json").read_text())
    for given, token in (("fra", ">>fra<<"), ("de=>>deu<<", ">>deu<<")):
        settings = Settings(name="many", target_languages=(given,), **SMALL)
        bundle = export(opus_mt, tmp_path / token[2:5], settings)
        assert bundle.ids("the dog")[0] == ids[token]
        assert bundle.ids("the dog")[1:] == [ids["▁the"], ids["▁dog"], ids["</s>"]]
        # Spelled in a text it is text.
        assert bundle.ids(f"{token} the dog").count(ids[token]) == 1
        assert len(bundle.ids("the dog " * 100)) == bundle.max_tokens
        assert bundle.manifest["target_languages"] == [given.partition("=")[0]]
        assert [check for check in verify(bundle.folder) if not check.passed] == []


@pytest.mark.reference
@pytest.mark.skipif(not reference.available(), reason="needs transformers")
def test_a_model_of_several_targets_answers_as_transformers(opus_mt, tmp_path):
    texts = tmp_path / "texts"
    texts.write_text("the dog\nA man and a woman sleep.")
    settings = Settings(
        name="many",
        variants=(Variant.FP32,),
        target_languages=("fra",),
        golden_texts=texts,
        max_tokens=16,
    )
    bundle = export(opus_mt, tmp_path / "out", settings)
    checks = list(verify(bundle.folder, against=opus_mt))
    assert [check for check in checks if not check.passed] == []
    assert any(check.name == "fp32 against the model, 4 beams" for check in checks)


@pytest.mark.parametrize("given", [(), ("fra", "deu"), ("es",)])
def test_a_target_that_is_not_told_is_refused(opus_mt, tmp_path, given):
    expected = "'es' has 0 among" if len(given) == 1 else r">>fra<<, >>deu<<.*export a bundle for"
    with pytest.raises(ExportError, match=expected):
        export(opus_mt, tmp_path / "out", Settings(name="m", target_languages=given, **SMALL))


def test_attention_is_told_the_target(opus_mt):
    source, *_ = look(opus_mt, "the dog", told=Told(target_language="fra"))
    assert source.keys == [">>fra<<", "▁the", "▁dog", "</s>"]
    with pytest.raises(ExportError, match="which language to write"):
        look(opus_mt, "the dog")


@pytest.fixture
def published_t5(copied) -> Path:
    return copied(MODELS / "tiny-summary", task_specific_params=PREFIXES)


def test_the_languages_choose_t5_s_prefix(published_t5, tmp_path):
    settings = {"name": "t5", "task": Task.TRANSLATION, "languages": ("en",), **SMALL}
    for target, beams, name in (("de", 3, "German"), ("fr", 2, "French")):
        bundle = export(
            published_t5, tmp_path / target, Settings(target_languages=(target,), **settings)
        )
        assert bundle.manifest["template"] == f"translate English to {name}: {{text}}"
        assert bundle.manifest["decoding"]["num_beams"] == beams


def test_a_prefix_that_nobody_chose_is_asked_for(published_t5, tmp_path):
    settings = {"name": "t5", "task": Task.TRANSLATION, **SMALL}
    for more in ({}, {"languages": ("de",), "target_languages": ("en",)}):
        with pytest.raises(ExportError, match=r"translation_en_to_de, .*--template of your own"):
            export(published_t5, tmp_path / "out", Settings(**settings, **more))
    own = "translate English to Dutch: {text}"
    bundle = export(published_t5, tmp_path / "out", Settings(template=own, **settings))
    assert bundle.manifest["template"] == own


@pytest.mark.reference
@pytest.mark.skipif(not reference.available(), reason="needs transformers")
def test_t5_translates_as_transformers(published_t5, tmp_path):
    texts = tmp_path / "texts"
    texts.write_text("the dog\nA man and a woman sleep.")
    settings = Settings(
        name="t5",
        variants=(Variant.FP32,),
        task=Task.TRANSLATION,
        languages=("en",),
        target_languages=("de",),
        golden_texts=texts,
        max_tokens=24,
    )
    bundle = export(published_t5, tmp_path / "out", settings)
    checks = list(verify(bundle.folder, against=published_t5))
    assert [check for check in checks if not check.passed] == []


@pytest.fixture(params=["tiny-bart", "tiny-translation"])
def padded_with_end(request, copied) -> tuple[Path, Path]:
    """A folder, and the same whose model pads with its end token."""
    folder = MODELS / request.param
    end = json.loads((folder / "generation_config.json").read_text())["eos_token_id"]
    return folder, copied(folder, "generation_config.json", pad_token_id=end)


@pytest.mark.parametrize("beams", [1, 4])
def test_the_end_token_stays_where_it_is_the_padding_too(padded_with_end, beams):
    """Otherwise the longest row would lose it, and count as cut."""
    folder, changed = padded_with_end
    one, other = read_model(folder), read_model(changed)
    rows = random_rows(9, 300, seed=3)
    left_out = {Option.FORCED_BOS_TOKEN_ID, Option.SAMPLING}
    options = Options(frozenset(Option) - left_out)
    feed = padded(rows, one.pad_token_id) | search([3 * len(row) for row in rows], 9, beams)
    more = {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2, "suppress_tokens": []}
    types = {"repetition_penalty": np.float32}
    feed |= {name: np.array(v, types.get(name, np.int64)) for name, v in more.items()}
    expected = session(one.build(Scheme(), options)).run(None, feed)
    found = session(other.build(Scheme(), options)).run(None, feed)
    sequences = np.where(found[0] == other.rules.padding_id, one.rules.padding_id, found[0])
    np.testing.assert_array_equal(sequences, expected[0])
    ends = (found[0] == one.rules.end_id).sum(axis=2)
    assert ends.max() == 1
    assert other.pad_token_id == one.rules.end_id
    written = found[0] != other.rules.padding_id
    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_array_equal(found[2], expected[2])
    # What a padding token looks at means nothing.
    np.testing.assert_array_equal(found[3][written], expected[3][written])


def test_a_row_alone_keeps_its_end_token(padded_with_end):
    model = read_model(padded_with_end[1])
    graph = session(model.build(Scheme()))
    ended = 0
    for row in random_rows(20, 300, seed=3):
        feed = padded([row], model.pad_token_id) | search(40, 1, num_beams=4)
        for beam in graph.run(["sequences"], feed)[0][0].tolist():
            written = [token for token in beam if token != model.rules.padding_id]
            assert len(written) == 40 or written[-1] == model.rules.end_id
            ended += len(written) < 40
    assert ended
