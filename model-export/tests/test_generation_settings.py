"""A folder's own settings of generation: limits, ends and banned tokens, as transformers has them.

The answers are those of transformers' generate with nothing overridden; make_generation_answers.py
stored them.
"""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import make_generation_answers
from graphs import padded, random_rows, search, session
from make_generation_answers import ANSWERS, MODELS, ROWS
from streamformer_export import card, reference
from streamformer_export.bundle import Bundle, Runner
from streamformer_export.errors import ExportError
from streamformer_export.export import Settings
from streamformer_export.families import Task, read_model
from streamformer_export.families import marian as marian_family
from streamformer_export.graph.options import Options
from streamformer_export.manifest import draft_manifest
from streamformer_export.quantize import Scheme
from test_generating_families import gpt2, saved
from test_reference import marian

STORED = json.loads(ANSWERS.read_text(encoding="utf-8"))
TYPES = {1: "float32", 7: "int64"}


def run(folder, settings: Settings | None = None, task: Task | None = None) -> Runner:
    """The fp32 graph of a model folder, run as its bundle would be."""
    settings = settings or Settings(name="test")
    model = read_model(folder, task=task)
    manifest = draft_manifest(folder, model, settings, [])
    graph = model.build(Scheme(), Options(model.defaults.options))
    manifest["inputs"] = [
        {"name": v.name, "type": TYPES[v.type], "shape": list(v.shape)} for v in graph.inputs
    ]
    runner = Runner.__new__(Runner)
    runner.bundle, runner.session = Bundle(folder, manifest), session(graph)
    return runner


def with_settings(name: str, folder, settings: dict[str, object]):
    """A tiny model's folder with another generation_config.json."""
    shutil.copytree(MODELS / name, folder, dirs_exist_ok=True)
    (folder / "generation_config.json").write_text(json.dumps(settings))
    return folder


@pytest.mark.parametrize(
    "entry", STORED, ids=[f"{e['folder']}-{e['kind']}-{e['settings']['num_beams']}" for e in STORED]
)
def test_answers_are_those_of_generate(tmp_path, entry):
    runner = run(with_settings(entry["folder"], tmp_path, entry["settings"]))
    assert [runner.answers([row])[0] for row in ROWS] == entry["answers"]
    others = random_rows(9, 300, seed=1)
    assert runner.answers([*others, *ROWS])[9:] == entry["answers"]


@pytest.mark.reference
def test_the_stored_answers_are_the_references(torch, tmp_path):
    for entry in STORED[::7]:
        folder = MODELS / entry["folder"]
        found = make_generation_answers.answers(folder, entry["settings"], tmp_path)
        assert found == entry["answers"], entry["kind"]


LIMITS = {"max_length": 24, "min_length": 9}
ENDS = {"eos_token_id": [2, *range(30, 97, 9)]}
WORDS = {"bad_words_ids": [[1], [2], *([a, b] for a in range(3, 97, 2) for b in range(5, 97, 3))]}
SHAPES = [
    ("Marian", {}),
    ("Bart", {"d_model": 40, "encoder_attention_heads": 5, "decoder_attention_heads": 1}),
    ("T5", {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}),
    ("GPT2", {}),
    ("GPT2", {"n_embd": 40, "n_head": 5, "n_layer": 3, "pad_token_id": 3}),
]
KINDS = {
    "limits": LIMITS,
    "ends": LIMITS | ENDS,
    "words": LIMITS | ENDS | WORDS,
    "first": LIMITS | {"begin_suppress_tokens": list(range(0, 97, 2)), "no_repeat_ngram_size": 2},
}


@pytest.mark.reference
@pytest.mark.parametrize(("family", "shape"), SHAPES)
def test_settings_of_random_models_are_those_of_generate(torch, tmp_path, family, shape):
    make = {"GPT2": gpt2, "Marian": marian}.get(family)
    model = make(torch, tmp_path, shape) if make else saved(torch, tmp_path, family, shape)
    path = tmp_path / "generation_config.json"
    own = json.loads(path.read_text())
    rows = random_rows(4, 90, seed=5, longest=8)
    for kind in KINDS.values():
        for beams in (1, 4):
            path.write_text(json.dumps(own | kind | {"num_beams": beams}))
            model.generation_config = type(model.generation_config).from_pretrained(tmp_path)
            runner = run(tmp_path)
            # Nothing is chosen, so that nothing is passed on.
            expected = [reference.generate(model, runner.bundle, row) for row in rows]
            assert [runner.answers([row])[0] for row in rows] == expected
            assert runner.answers(rows) == expected


def decoding(folder, task: Task | None = None, **settings) -> dict[str, object]:
    model = read_model(folder, task=task)
    return draft_manifest(folder, model, Settings(name="test", **settings), [])["decoding"]


def test_a_limit_is_the_folders_unless_the_exporter_chose_another(translation_folder):
    own = decoding(translation_folder)
    assert own["max_new_tokens"] == 39
    assert own["chosen"] == []
    assert "max_length_factor" not in own
    other = decoding(translation_folder, max_new_tokens=9, num_beams=2)
    assert (other["max_new_tokens"], other["chosen"]) == (9, ["num_beams", "max_new_tokens"])


def test_a_factor_is_a_choice_for_translations_and_never_below_the_minimum(
    tmp_path, translation_folder
):
    settings = json.loads((translation_folder / "generation_config.json").read_text())
    folder = with_settings("tiny-translation", tmp_path, settings | {"min_length": 31})
    found = decoding(folder, max_length_factor=2.0)
    bundle = Bundle(folder, {"decoding": found})
    assert (found["max_length_factor"], found["max_length_offset"]) == (2.0, 16)
    assert [bundle.limit(n) for n in (3, 8, 30)] == [30, 32, 39]
    manifest = draft_manifest(
        folder, read_model(folder), Settings(name="test", max_length_factor=2.0), []
    )
    manifest |= {"variants": {}, "decoding": found}
    shown = card.write(manifest, "")
    assert "| longest output | 2 x input tokens + 16, at most 39 tokens |" in shown
    with pytest.raises(ExportError, match="--max-length-factor is for translations"):
        decoding(folder, Task.SUMMARIZATION, max_length_factor=2.0)
    with pytest.raises(ExportError, match="--max-length-offset is 3, but there is no"):
        decoding(folder, max_length_offset=3)


def test_prompt_and_answer_share_max_length(tmp_path):
    ids = {"eos_token_id": 711, "bos_token_id": 711}
    folder = with_settings("tiny-generation", tmp_path, ids | {"max_length": 20, "min_length": 9})
    found = decoding(folder)
    bundle = Bundle(folder, {"decoding": found})
    assert [bundle.limit(n) for n in (1, 5, 19, 40)] == [19, 15, 1, 1]
    assert [bundle.minimum(n) for n in (1, 5, 19)] == [8, 4, 0]
    # A number of new tokens is one, whatever the prompt.
    found = decoding(folder, max_new_tokens=12)
    assert "max_total_tokens" not in found
    assert Bundle(folder, {"decoding": found}).limit(40) == 12


def test_an_answer_of_t5_may_be_longer_than_its_longest_input(tmp_path):
    settings = json.loads((MODELS / "tiny-summary/generation_config.json").read_text())
    folder = with_settings("tiny-summary", tmp_path, settings | {"max_length": 700})
    assert read_model(folder).max_positions < 700
    assert decoding(folder)["max_new_tokens"] == 699


def operators(graph) -> list[str]:
    """The operators of a graph and of all graphs inside it."""
    inside = [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
    return [*(node.op_type for node in graph.node), *(o for g in inside for o in operators(g))]


def test_a_graph_has_nodes_only_for_what_its_folder_uses(tmp_path, translation_folder):
    settings = json.loads((translation_folder / "generation_config.json").read_text())
    counts = {}
    for name, more in {
        "none": {},
        "ends": {"eos_token_id": [0, 7, 8]},
        "words": {"bad_words_ids": [[389], [1], [4, 5]]},
        "first": {"begin_suppress_tokens": [6]},
    }.items():
        folder = with_settings("tiny-translation", tmp_path / name, settings | more)
        found = operators(read_model(folder).build(Scheme()).model("test").proto.graph)
        counts[name] = len(found)
        assert ("ScatterElements" in found) == (name in ("words", "first"))
    # An Equal and an Or for each further end.
    assert counts["ends"] == counts["none"] + 4


@pytest.mark.parametrize("beams", [1, 4])
def test_a_shortlist_of_all_tokens_changes_nothing(
    tmp_path, monkeypatch, translation_folder, beams
):
    settings = json.loads((translation_folder / "generation_config.json").read_text())
    more = {
        # The first begins with the start token, which no answer has.
        "bad_words_ids": [[389, 113], [308, 308], [113, 308, 240], [389], [1]],
        "begin_suppress_tokens": [6, 308],
        "no_repeat_ngram_size": 2,
        "repetition_penalty": 1.2,
    }
    folder = with_settings("tiny-translation", tmp_path, settings | more)
    rows = random_rows(9, 300, seed=3)
    feed = padded(rows, 389) | search(20, 9, beams)
    feed |= {
        "no_repeat_ngram_size": np.array(2, np.int64),
        "repetition_penalty": np.array(1.2, np.float32),
    }
    options = Options(read_model(folder).defaults.options)
    expected = session(read_model(folder).build(Scheme(), options)).run(None, feed)
    monkeypatch.setattr(marian_family, "find_shortlist", lambda folder: folder / "lex.bin")
    narrow = session(read_model(folder).build(Scheme(), options))
    found = narrow.run(None, feed | {"shortlist": np.tile(np.arange(390), (9, 1))})
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], atol=1e-5)
    some = np.concatenate([[0], np.arange(90, 320)])
    sequences = narrow.run(None, feed | {"shortlist": np.tile(some, (9, 1))})[0]
    assert set(sequences.ravel()) <= {*some, 389}


def test_a_bundle_without_the_newer_keys_keeps_its_limits():
    old = {"max_new_tokens": 20, "min_new_tokens": 2, "eos_token_id": 3}
    old |= {"max_length_factor": 1.5, "max_length_offset": 4}
    bundle = Bundle(MODELS, {"decoding": old})
    assert [bundle.limit(n) for n in (1, 4, 50)] == [5, 10, 20]
    assert (bundle.minimum(9), bundle.end_ids) == (2, (3,))


REFUSED = {
    "forced_eos_token_id is 0, and suppress_tokens has it too": {
        "forced_eos_token_id": 0,
        "suppress_tokens": [4, 0],
    },
    "forced_bos_token_id is 7, and suppress_tokens has it too": {
        "forced_bos_token_id": 7,
        "suppress_tokens": [7],
    },
    "forced_eos_token_id is one token": {"forced_eos_token_id": [0, 3]},
    "eos_token_id names token 390, but the vocabulary of config.json has 390": {
        "eos_token_id": [0, 390]
    },
    "bad_words_ids names token -2, but": {"bad_words_ids": [[4, -2]]},
    "bad_words_ids is a list of lists": {"bad_words_ids": [4]},
    "max_length is a whole number from 2 up: it is 1": {"max_length": 1},
    "max_new_tokens is a whole number from 1 up: it is 0": {"max_new_tokens": 0},
    "min_length is a whole number from 0 up: it is '9'": {"min_length": "9"},
    "has a decoder_start_token_id or a bos_token_id": {"decoder_start_token_id": None},
}


@pytest.mark.parametrize("message", REFUSED)
def test_settings_without_a_meaning_are_refused(tmp_path, translation_folder, message):
    settings = json.loads((translation_folder / "generation_config.json").read_text())
    folder = with_settings("tiny-translation", tmp_path, settings | REFUSED[message])
    with pytest.raises(ExportError, match=message):
        read_model(folder)


def test_the_beginning_is_the_bos_token_where_no_other_start_is_given(tmp_path):
    settings = {"eos_token_id": 0, "pad_token_id": 389, "bos_token_id": 9}
    folder = with_settings("tiny-translation", tmp_path, settings)
    assert read_model(folder).rules.start_id == 9
