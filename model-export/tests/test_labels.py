"""Labels as config.json has them: as transformers' pipelines name them, or refused with the key."""

from __future__ import annotations

import json
import shutil

import pytest

from conftest import MODELS
from streamformer_export.errors import ExportError
from streamformer_export.families import read_model

# What transformers 5.24 and 4.57 name the logits of a folder with these keys.
TAKEN = [
    ({"id2label": {"1": "b", "0": "a"}}, ("a", "b")),
    ({"id2label": {"00": "a", "+1": "b"}}, ("a", "b")),
    ({"id2label": {"0": 1, "1": 2.5}}, ("1", "2.5")),
    ({"id2label": None}, ("LABEL_0", "LABEL_1")),
    ({}, ("LABEL_0", "LABEL_1")),
    ({"num_labels": 2}, ("LABEL_0", "LABEL_1")),
    ({"id2label": {"0": "a", "1": "b"}, "num_labels": 2}, ("a", "b")),
    # It reads names from id2label alone.
    ({"id2label": {"0": "a", "1": "b"}, "label2id": {"b": 0, "a": 1}}, ("a", "b")),
]
REFUSED = [
    ({"id2label": {"0": None, "1": "b"}}, r"id2label\.0 is None\. Give the label a name"),
    ({"id2label": {"0": "a", "1": ""}}, r"id2label\.1 is ''\. Give the label a name"),
    ({"id2label": {"0": True, "1": False}}, r"id2label\.0 is True"),
    ({"id2label": {"0": ["a"], "1": "b"}}, r"id2label\.0 is \['a'\]"),
    ({"id2label": {"0": "a", "2": "b"}}, "id2label is .*without gaps"),
    ({"id2label": {"1": "a", "2": "b"}}, "id2label is .*from 0"),
    ({"id2label": {"a": "0", "b": "1"}}, "id2label is .*for each number"),
    ({"id2label": ["a", "b"]}, "id2label is .*for each number"),
    ({"id2label": {"0": "a", "1": "a"}}, "id2label is .*'a': rename one"),
    ({"id2label": {"0": 1, "1": "1"}}, "id2label is .*'1': rename one"),
    ({"id2label": {"0": "a", "1": "b"}, "num_labels": 3}, "num_labels is 3.*has 2 labels"),
    ({"num_labels": "2"}, "num_labels is '2'"),
    ({"label2id": {"neg": 0, "pos": 1}}, "label2id is .*add id2label"),
]


def folder(path, name, keys):
    shutil.copytree(MODELS / name, path)
    config = json.loads((path / "config.json").read_text())
    kept = {k: v for k, v in config.items() if k not in ("id2label", "label2id", "num_labels")}
    (path / "config.json").write_text(json.dumps(kept | keys))
    return path


@pytest.mark.parametrize(("keys", "labels"), TAKEN)
def test_labels_as_transformers_names_them(tmp_path, keys, labels):
    assert read_model(folder(tmp_path / "m", "tiny-sentiment", keys)).labels == labels


@pytest.mark.parametrize(("keys", "message"), REFUSED)
def test_labels_that_cannot_be_right_are_refused(tmp_path, keys, message):
    with pytest.raises(ExportError, match=rf"config\.json: {message}"):
        read_model(folder(tmp_path / "m", "tiny-sentiment", keys))


def test_tokens_may_share_a_label_and_answers_need_none(tmp_path):
    names = json.loads((MODELS / "tiny-entities" / "config.json").read_text())["id2label"]
    twice = folder(tmp_path / "a", "tiny-entities", {"id2label": names | {"1": names["0"]}})
    assert read_model(twice).labels[:2] == (names["0"], names["0"])
    asks = folder(tmp_path / "b", "tiny-answers", {"id2label": {"0": None, "1": ""}})
    assert read_model(asks).labels == ()


@pytest.mark.reference
@pytest.mark.parametrize(("keys", "labels"), TAKEN)
def test_the_names_are_those_of_transformers(torch, tmp_path, keys, labels):
    import transformers

    path = folder(tmp_path / "m", "tiny-sentiment", keys)
    named = transformers.AutoConfig.from_pretrained(path).id2label
    assert tuple(str(named[i]) for i in range(len(named))) == labels
