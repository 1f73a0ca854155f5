"""The joint tokenizer: ids in Marian's order, and text that never becomes a control piece."""

import json

import pytest
from tokenizers import Tokenizer

from streamformer_export.training.tokenizer import (
    END,
    END_ID,
    PADDING,
    UNKNOWN,
    UNKNOWN_ID,
    read_tokenizer,
    train_tokenizer,
    write_tokenizer,
)

TEXTS = [
    "A man walks his dog.",
    "Un homme promène son chien.",
    "Don't go there, it's cold!",
    "N'y va pas, l'eau est froide !",
    "She was born in 1987.",
] * 20


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(train_tokenizer(TEXTS, 160), folder, longest=128)
    return read_tokenizer(folder)


def test_control_ids_are_marians(tokenizer):
    size = tokenizer.get_vocab_size()
    assert size <= 160
    ids = [tokenizer.token_to_id(piece) for piece in (END, UNKNOWN, PADDING)]
    assert ids == [END_ID, UNKNOWN_ID, size - 1] == [0, 1, size - 1]


@pytest.mark.parametrize("text", TEXTS[:5])
def test_text_survives_the_round_trip(tokenizer, text):
    encoding = tokenizer.encode(text)
    assert encoding.ids[-1] == END_ID
    assert tokenizer.decode(encoding.ids) == text


@pytest.mark.parametrize("added_tokens", [True, False])
@pytest.mark.parametrize(
    "text", ["</s>", "a </s> b", "<pad><unk>", "x</s>", "</s></s>\t<pad>", "<s> </S>", "l'</s>"]
)
def test_control_pieces_in_a_text_stay_text(tokenizer, text, added_tokens):
    if not added_tokens:
        # What an exporter leaves of the file: the lattice alone must not find control pieces.
        content = json.loads(tokenizer.to_str())
        content["added_tokens"] = []
        tokenizer = Tokenizer.from_str(json.dumps(content))
    *ids, end = tokenizer.encode(text).ids
    assert end == END_ID
    assert not {END_ID, UNKNOWN_ID, tokenizer.get_vocab_size() - 1} & set(ids)
    assert tokenizer.decode(ids, skip_special_tokens=False) == " ".join(text.split())


def test_a_character_outside_the_vocabulary_is_unknown(tokenizer):
    assert tokenizer.encode("go 狗").ids.count(UNKNOWN_ID) == 1


def test_digits_stand_alone(tokenizer):
    assert tokenizer.encode("2003").tokens == ["▁", "2", "0", "0", "3", END]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("l\u2019eau", "l'eau"),  # typographic apostrophe
        ("va\u202f!", "va !"),  # narrow no-break space
        ("a\u200bb \x00\t c\n", "ab c"),  # zero-width space, NUL
        ("ﬁn", "fin"),  # ligature
        ("e\u0301t", "ét"),  # combining accent
    ],
)
def test_spellings_of_the_same_text_are_one(tokenizer, text, plain):
    assert tokenizer.encode(text).ids == tokenizer.encode(plain).ids


@pytest.mark.parametrize("text", ["", "   ", "\u200b"])
def test_an_empty_text_is_only_its_end(tokenizer, text):
    assert tokenizer.encode(text).ids == [END_ID]
