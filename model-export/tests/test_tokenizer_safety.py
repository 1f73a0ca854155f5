"""A text never turns into a control token; all other texts keep the reference's ids."""

from __future__ import annotations

import pytest

from streamformer_export import golden, tokenizer
from streamformer_export.config import read_json
from streamformer_export.errors import ExportError

LITERALS = ["[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "</s>", "<pad>", "<unk>"]


@pytest.fixture(params=["sentiment_folder", "translation_folder"])
def folder(request):
    return request.getfixturevalue(request.param)


def test_file_has_no_added_tokens_padding_or_truncation(folder):
    content, special = tokenizer.read_tokenizer(folder)
    assert content["added_tokens"] == []
    assert content["truncation"] is None
    assert content["padding"] is None
    assert len(special) == len(read_json(folder / "tokenizer.json")["added_tokens"])


@pytest.mark.parametrize("literal", LITERALS)
def test_literal_control_tokens_stay_text(folder, literal):
    content, special = tokenizer.read_tokenizer(folder)
    ours = tokenizer.load(content)
    for text in (literal, f"the {literal} dog", f"dog{literal}cat", literal * 3):
        inner = ours.encode(text, add_special_tokens=False).ids
        assert not set(inner) & set(special)
        assert len(inner) >= len(literal) // 2


def test_ids_equal_the_reference(folder):
    ours = tokenizer.load(tokenizer.read_tokenizer(folder)[0])
    reference = tokenizer.reference(folder)
    for text in [*golden.TEXTS, "", " ", "\n", "x" * 500]:
        assert ours.encode(text).ids == reference.encode(text).ids
        assert ours.encode(text, "a second text").ids == reference.encode(text, "a second text").ids


def test_added_words_are_refused(sentiment_folder, copied):
    source = read_json(sentiment_folder / "tokenizer.json")
    word = {**source["added_tokens"][0], "content": "dog", "special": False}
    folder = copied(sentiment_folder, "tokenizer.json", added_tokens=[word])
    with pytest.raises(ExportError, match="'dog'"):
        tokenizer.read_tokenizer(folder)
