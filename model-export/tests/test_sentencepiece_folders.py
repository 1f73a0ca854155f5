"""Folders with a SentencePiece model in place of a tokenizer.json, family by family."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import sentencepiece

from corpus import lines
from streamformer_export.errors import ExportError
from streamformer_export.languages import Language, token_ids, with_language
from streamformer_export.tokenizer import control_tokens, load, read_tokenizer
from test_tokenizer_kinds import COUNTS, LONG, assert_tie, train

T5 = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
ALBERT = {
    "pad_id": 0,
    "unk_id": 1,
    "bos_id": -1,
    "eos_id": -1,
    "control_symbols": ["[CLS]", "[SEP]", "[MASK]"],
}
BPE = {"model_type": "bpe", "hard_vocab_limit": True}
FAIRSEQ = "sentencepiece.bpe.model"
# Family, file, how its model is trained, transformers' class.
KINDS = {
    "t5": ("t5", "spiece.model", T5, "T5Tokenizer"),
    "albert": ("albert", "spiece.model", ALBERT, "AlbertTokenizer"),
    "xlm-roberta": ("xlm-roberta", FAIRSEQ, {}, "XLMRobertaTokenizer"),
    "mbart": ("mbart", FAIRSEQ, {}, "MBartTokenizer"),
    "mbart50": ("mbart", FAIRSEQ, {}, "MBart50Tokenizer"),
    "nllb": ("m2m_100", FAIRSEQ, BPE, "NllbTokenizer"),
    "m2m100": ("m2m_100", FAIRSEQ, BPE, "M2M100Tokenizer"),
}
FRAMES = {
    "t5": "{} </s>",
    "albert": "[CLS] {} [SEP]",
    "xlm-roberta": "<s> {} </s>",
    "mbart": "{} </s> en_XX",
    "mbart50": "en_XX {} </s>",
    "nllb": "eng_Latn {} </s>",
    "m2m100": "__en__ {} </s>",
}


def write(folder: Path, name: str) -> sentencepiece.SentencePieceProcessor:
    """The tokenizer files of a kind, and the model in them."""
    kind, file, settings, cls = KINDS[name]
    model = train(folder / file, **settings)
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": cls}))
    if name == "m2m100":
        pieces = [model.id_to_piece(i) for i in range(3, model.vocab_size())]
        # Numbered otherwise than in the model, and without a character of it.
        whole = "".join(pieces)
        pieces.remove(next(p for p in pieces if len(p) == 1 and whole.count(p) == 1))
        names = ["<s>", "<pad>", "</s>", "<unk>", *sorted(pieces), "madeupword0000"]
        (folder / "vocab.json").write_text(json.dumps({n: i for i, n in enumerate(names)}))
    return model


def layout(folder: Path, name: str, model: sentencepiece.SentencePieceProcessor) -> dict[str, int]:
    """The id of each piece, as fairseq and T5 number them."""
    pieces = [model.id_to_piece(i) for i in range(model.vocab_size())]
    if name == "m2m100":
        return json.loads((folder / "vocab.json").read_text())
    if name in ("t5", "albert"):
        return {piece: i for i, piece in enumerate(pieces)}
    return {p: i for i, p in enumerate(["<s>", "<pad>", "</s>", "<unk>", *pieces[3:]])}


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", [name for name in KINDS if name != "albert"])
def test_ids_are_those_of_the_model_s_pieces(tmp_path, name, count):
    """What SentencePiece itself makes of a text, which the weights were trained on."""
    model = write(tmp_path, name)
    content, special = read_tokenizer(tmp_path)
    ids = layout(tmp_path, name, model)
    ours, unknown = load(content), ids["<unk>"]
    special_ids = control_tokens(tmp_path)
    before, _, after = FRAMES[name].partition("{}")
    before, after = ([special_ids[t] for t in part.split()] for part in (before, after))
    for text in lines(count, seed=6):
        pieces = model.encode(text, out_type=str)
        expected = [*before, *(ids.get(piece, unknown) for piece in pieces), *after]
        found = ours.encode(text).ids
        if found != expected:
            assert content["model"]["type"] == "Unigram", (text, pieces)
            assert_tie(content, found, expected)
        plain = [i for i in found if i not in special]
        kept = [p for p in pieces if ids.get(p, unknown) != unknown]
        if len(kept) == len(plain):
            assert ours.decode(plain).strip() == model.decode(kept).strip()


def comparable(name: str, text: str) -> str:
    """The text without what transformers 5 reads otherwise than the model it was made of; empty
    where that is in its midst."""
    if name == "mbart50":
        # It keeps a space at the end, as a piece, and what the model takes for one.
        return re.sub(r"[\s\u200b\u2581]+\Z", "", text)
    if name == "albert" and any("가" <= c <= "힣" for c in text):
        # It leaves Hangul decomposed, which the model composes.
        return ""
    return text


@pytest.mark.reference
@pytest.mark.parametrize("name", ["t5", "albert", "xlm-roberta", "mbart50", "m2m100"])
def test_ids_are_transformers_s(tmp_path, name):
    """Not mBART-25 and NLLB: transformers 5 makes the one without the model's normalizer, and the
    other without its languages, of such folders."""
    transformers = pytest.importorskip("transformers")
    write(tmp_path, name)
    reference = getattr(transformers, KINDS[name][-1]).from_pretrained(tmp_path)
    content, _ = read_tokenizer(tmp_path)
    ours = load(content)
    seen = 0
    for line in lines(LONG, seed=7, controls=False):
        text = comparable(name, line)
        found, expected = ours.encode(text).ids, reference(text)["input_ids"]
        if found != expected:
            assert content["model"]["type"] == "Unigram", text
            assert_tie(content, found, expected)
        seen += bool(text)
    assert seen > 0.85 * LONG
    for token, id_ in control_tokens(tmp_path).items():
        assert reference.convert_tokens_to_ids(token) == id_ or token.startswith("madeup")


def test_languages_are_found_by_their_tags(tmp_path):
    tags = {
        "mbart": ("fr", "fr_XX"),
        "mbart50": ("uk", "uk_UA"),
        "nllb": ("fra-Latn", "fra_Latn"),
        "m2m100": ("fr", "__fr__"),
    }
    for name, (tag, token) in tags.items():
        folder = tmp_path / name
        folder.mkdir()
        write(folder, name)
        special = control_tokens(folder)
        (id_,) = token_ids([Language(tag)], special).values()
        assert id_ == special[token]
        content, place = with_language(read_tokenizer(folder)[0], id_, special["</s>"])
        ids = load(content).encode("a dog").ids
        assert ids[0 if place == "first" else -1] == id_


def test_t5_has_its_sentinels_or_none(tmp_path):
    write(tmp_path, "t5")
    with_sentinels = control_tokens(tmp_path)
    assert with_sentinels["<extra_id_0>"] - with_sentinels["<extra_id_99>"] == 99
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"extra_ids": 0}))
    assert set(control_tokens(tmp_path)) == {"<pad>", "</s>", "<unk>"}


def test_a_model_that_nobody_numbers_is_refused(tmp_path):
    write(tmp_path, "t5")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bart"}))
    with pytest.raises(ExportError, match=r"spiece\.model of 'bart'\. Save the tokenizer"):
        read_tokenizer(tmp_path)
    write(tmp_path, "xlm-roberta")
    train(tmp_path / FAIRSEQ, **T5)
    with pytest.raises(ExportError, match=r"begins with <unk>, <s>, </s>: .* begins with <pad>"):
        read_tokenizer(tmp_path)


def test_a_vocabulary_without_a_merged_piece_is_refused(tmp_path):
    write(tmp_path, "m2m100")
    ids = json.loads((tmp_path / "vocab.json").read_text())
    gone = next(name for name in ids if len(name) > 3 and name.startswith("▁"))
    names = [name for name in ids if name != gone]
    (tmp_path / "vocab.json").write_text(json.dumps({n: i for i, n in enumerate(names)}))
    with pytest.raises(ExportError, match=f"'{gone}' is missing"):
        read_tokenizer(tmp_path)


def test_pairs_are_framed_as_the_family_has_them(tmp_path):
    for name, frame in {
        "t5": ["</s>", "</s>"],
        "albert": ["[CLS]", "[SEP]", "[SEP]"],
        "xlm-roberta": ["<s>", "</s>", "</s>", "</s>"],
    }.items():
        folder = tmp_path / name
        folder.mkdir()
        write(folder, name)
        special = {id_: token for token, id_ in control_tokens(folder).items()}
        encoding = load(read_tokenizer(folder)[0]).encode("the dog", "the cat")
        assert [special[i] for i in encoding.ids if i in special] == frame
        assert max(encoding.type_ids) == (name == "albert")
