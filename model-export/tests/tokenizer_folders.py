"""Small model folders of each tokenizer class, and what transformers makes of texts with them.

    python tests/tokenizer_folders.py

writes the answers of the transformers that is installed into tokenizer_answers.json.
"""

from __future__ import annotations

import base64
import itertools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamformer_export.tokenizer import GENERATING

ANSWERS = Path(__file__).parent / "tokenizer_answers.json"
TEXTS = [
    "The dog runs.",
    "Caf\u00e9 2026, D\u00c9J\u00c0 vu!",
    "  two  spaces\tand a tab ",
    "\u4f60\u597d world",
    "\uff21\uff22 \u00bd \ufb01sh",
    "``quoted'' don't e\u0301",
    "\u0391\u0398\u0397\u039d\u0391 stra\u00dfe \u0130",
    "\U0001f600 dogs\u00a0cats\u200b.",
    "end ",
    "\u2581a \u2581",
    "\u0e2a\u0e38 dog",
    "dog [MASK] </s> <mask> cat",
    "",
]
PAIRS = list(itertools.pairwise(TEXTS[:5]))
WORDS = ("the", "dog", "dogs", "runs", "a", "and", "vu", "caf\u00e9", "cafe", "end", "2026")
# Thai is unknown.
LETTERS = sorted(
    {c for text in TEXTS[:-3] for form in (text, text.lower()) for c in form if c > " "}
)
BERT_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
FAIRSEQ_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
ACCENTS = ["\u0301", "\u0307", "caf\u00e9"[3]]


def charsmap() -> str:
    """SentencePiece's usual map of characters."""
    import io

    import sentencepiece

    from streamformer_export.sentencepiece_model import SentencePieceModel

    content = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the dog runs", "a dog"]),
        model_writer=content,
        vocab_size=16,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    with tempfile.NamedTemporaryFile() as file:
        file.write(content.getvalue())
        file.flush()
        return base64.b64encode(SentencePieceModel.read(Path(file.name)).characters_map).decode()


def wordpiece() -> dict[str, int]:
    letters = [*LETTERS, *ACCENTS]
    pieces = [*BERT_SPECIAL, *letters, *(f"##{c}" for c in letters), *WORDS, "##s"]
    return {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}


def byte_level() -> tuple[dict[str, int], list[list[str]]]:
    from tokenizers import pre_tokenizers

    merges = [["d", "o"], ["do", "g"], ["\u0120", "dog"], ["2", "0"], ["t", "h"], ["th", "e"]]
    pieces = [*FAIRSEQ_SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    pieces += [*("".join(merge) for merge in merges), "<mask>", "<|endoftext|>"]
    return {piece: i for i, piece in enumerate(pieces)}, merges


def unigram(special: list[str], more: list[str]) -> list[list[Any]]:
    letters = dict.fromkeys([*LETTERS, *ACCENTS, *"\u00bd12\u2044fiABC", "\u2581"])
    words = [f"\u2581{word}" for word in WORDS]
    scores = {piece: -6.0 - 0.01 * i for i, piece in enumerate(letters)}
    scores |= {word: -3.0 - 0.01 * i for i, word in enumerate(words)}
    listed = [[s, 0.0] for s in special] + [[p, s] for p, s in scores.items() if p not in special]
    return listed + [[s, 0.0] for s in more]


def _added(vocabulary: Any, *tokens: str) -> list[dict[str, Any]]:
    pieces = vocabulary if isinstance(vocabulary, dict) else [piece for piece, _ in vocabulary]
    ids = {piece: i for i, piece in enumerate(pieces)}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return [
        {"id": ids[t], "content": t, **flags, "special": True}
        for t in sorted(set(tokens), key=ids.__getitem__)
    ]


def _frame(single: str, pair: str, ids: dict[str, int]) -> dict[str, Any]:
    def items(form: str) -> list[dict[str, Any]]:
        found = []
        for item in form.split():
            name, _, kind = item.partition("|")
            where = "Sequence" if name in "AB" else "SpecialToken"
            found.append({where: {"id": name, "type_id": int(kind or 0)}})
        return found

    tokens = {t: {"id": t, "ids": [i], "tokens": [t]} for t, i in ids.items()}
    return {
        "type": "TemplateProcessing",
        "single": items(single),
        "pair": items(pair),
        "special_tokens": tokens,
    }


def _shell(model: dict[str, Any], **parts: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("truncation", "padding", "normalizer", "pre_tokenizer"))
    return {"version": "1.0", **empty, **parts, "model": model}


def bert(**normalizer: Any) -> dict[str, Any]:
    """As bert-base-uncased's file is published."""
    vocabulary = wordpiece()
    model = {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": vocabulary,
    }
    said = {"clean_text": True, "handle_chinese_chars": True, "strip_accents": None}
    return _shell(
        model,
        added_tokens=_added(vocabulary, *BERT_SPECIAL),
        normalizer={"type": "BertNormalizer", **said, "lowercase": True, **normalizer},
        pre_tokenizer={"type": "BertPreTokenizer"},
        post_processor=_frame(
            "[CLS] A [SEP]", "[CLS] A [SEP] B|1 [SEP]|1", {"[CLS]": 2, "[SEP]": 3}
        ),
        decoder={"type": "WordPiece", "prefix": "##", "cleanup": True},
    )


def gpt2(special: tuple[str, ...] = ("<|endoftext|>",), **parts: Any) -> dict[str, Any]:
    """As GPT-2's file is published."""
    vocabulary, merges = byte_level()
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": "",
        "end_of_word_suffix": "",
        "fuse_unk": False,
        "vocab": vocabulary,
        # Older files have a merge as one string.
        "merges": [" ".join(pair) for pair in merges],
    }
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    said = {"pre_tokenizer": level, "post_processor": {**level, "trim_offsets": False}}
    return _shell(
        model,
        added_tokens=_added(vocabulary, *special),
        **{**said, "decoder": {**level, "add_prefix_space": True}, **parts},
    )


def roberta(**parts: Any) -> dict[str, Any]:
    """As RoBERTa's and BART's files are published."""
    frame = {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0]}
    flags = {"trim_offsets": True, "add_prefix_space": False}
    return gpt2((*FAIRSEQ_SPECIAL, "<mask>"), **{"post_processor": {**frame, **flags}, **parts})


# As older files spell it.
METASPACE = {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": True}
SPLIT = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, METASPACE]}


def steps(*normalizers: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "normalizers": list(normalizers)}


def precompiled() -> dict[str, Any]:
    return {"type": "Precompiled", "precompiled_charsmap": charsmap()}


def squeezed(by: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": by}


STRIP = {"type": "Strip", "strip_left": False, "strip_right": True}


def converted() -> dict[str, Any]:
    """Normalizer and pre-tokenizer as transformers 4 converts a SentencePiece model."""
    normalizer = steps(precompiled(), STRIP, squeezed("\u2581"))
    return {"normalizer": normalizer, "pre_tokenizer": METASPACE}


def _unigram_file(
    special: list[str], more: list[str], unknown: int, frame: tuple[str, str], **parts: Any
) -> dict[str, Any]:
    vocabulary = unigram(special, more)
    ids = {piece: i for i, (piece, _) in enumerate(vocabulary)}
    used = {t: ids[t] for t in " ".join(frame).replace("|1", "").split() if t not in "AB"}
    said = {"normalizer": precompiled(), "pre_tokenizer": SPLIT, "decoder": METASPACE}
    return _shell(
        {"type": "Unigram", "unk_id": unknown, "vocab": vocabulary},
        added_tokens=_added(vocabulary, *special, *more),
        post_processor=_frame(*frame, used),
        **{**said, **parts},
    )


def xlm_roberta(**parts: Any) -> dict[str, Any]:
    frame = ("<s> A </s>", "<s> A </s> </s> B </s>")
    return _unigram_file(FAIRSEQ_SPECIAL, ["<mask>"], 3, frame, **parts)


def camembert(**parts: Any) -> dict[str, Any]:
    special = ["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>"]
    frame = ("<s> A </s>", "<s> A </s> </s> B </s>")
    return _unigram_file(special, ["<mask>"], 3, frame, **parts)


def albert(**parts: Any) -> dict[str, Any]:
    special = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
    quotes = [{"type": "Replace", "pattern": {"String": q}, "content": '"'} for q in ("``", "''")]
    plain = [{"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"}]
    said = {"normalizer": steps(*quotes, *plain, precompiled())}
    frame = ("[CLS] A [SEP]", "[CLS] A [SEP] B|1 [SEP]|1")
    return _unigram_file(special, [], 1, frame, **{**said, **parts})


def t5(**parts: Any) -> dict[str, Any]:
    more = [f"<extra_id_{i}>" for i in reversed(range(100))]
    return _unigram_file(["<pad>", "</s>", "<unk>"], more, 2, ("A </s>", "A </s> B </s>"), **parts)


def _codes(of: str) -> list[str]:
    from streamformer_export.sentencepiece_folder import _codes

    return _codes(of)


def mbart(**parts: Any) -> dict[str, Any]:
    more = [*_codes("mbart"), "<mask>"]
    frame = ("A </s> en_XX", "A B </s> en_XX")
    return _unigram_file(FAIRSEQ_SPECIAL, more, 3, frame, **{"normalizer": None, **parts})


def mbart50(**parts: Any) -> dict[str, Any]:
    more = [*_codes("mbart50"), "<mask>"]
    frame = ("en_XX A </s>", "en_XX A B </s>")
    said = {"normalizer": steps(precompiled(), squeezed(" ")), "pre_tokenizer": METASPACE}
    return _unigram_file(FAIRSEQ_SPECIAL, more, 3, frame, **{**said, **parts})


def nllb(**parts: Any) -> dict[str, Any]:
    pieces = [piece for piece, _ in unigram(FAIRSEQ_SPECIAL, [])]
    pieces = [p for p in pieces if len(p) == 1 or p in FAIRSEQ_SPECIAL]
    pieces += ["do", "dog", "\u2581dog", *_codes("nllb"), "<mask>"]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    merges = [["d", "o"], ["do", "g"], ["\u2581", "dog"]]
    model = {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "vocab": vocabulary}
    frame = ("eng_Latn A </s>", "eng_Latn A B </s>")
    ids = {t: vocabulary[t] for t in ("eng_Latn", "</s>")}
    said = {
        "normalizer": steps(precompiled(), squeezed(" ")),
        "pre_tokenizer": METASPACE,
        "decoder": METASPACE,
        "post_processor": _frame(*frame, ids),
    }
    return _shell(
        {**model, "merges": merges},
        added_tokens=_added(vocabulary, *FAIRSEQ_SPECIAL, *_codes("nllb"), "<mask>"),
        **{**said, **parts},
    )


# A kind: model_type, the class, and its tokenizer.json; files that make another of the vocabulary.
KINDS: dict[str, tuple[str, str, Callable[..., dict[str, Any]]]] = {
    "bert": ("bert", "BertTokenizer", bert),
    "distilbert": ("distilbert", "DistilBertTokenizer", bert),
    "electra": ("electra", "ElectraTokenizer", bert),
    "albert": ("albert", "AlbertTokenizer", albert),
    "roberta": ("roberta", "RobertaTokenizer", roberta),
    "camembert": ("roberta", "CamembertTokenizer", camembert),
    "xlm-roberta": ("xlm-roberta", "XLMRobertaTokenizer", xlm_roberta),
    "gpt2": ("gpt2", "GPT2Tokenizer", gpt2),
    "bart": ("bart", "BartTokenizer", roberta),
    "mbart": ("mbart", "MBartTokenizer", mbart),
    "mbart50": ("mbart", "MBart50Tokenizer", mbart50),
    "nllb": ("m2m_100", "NllbTokenizer", nllb),
    "t5": ("t5", "T5Tokenizer", t5),
}
DIGITS = {"type": "Digits", "individual_digits": True}


def _sequence(*splits: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(splits)}


LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
# Cases in which both releases of transformers read alike: kind, keys, changes of the file.
ALIKE: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    **{name: (name, {}, {}) for name in KINDS},
    **{f"{name}-no-class": (name, {"tokenizer_class": None}, {}) for name in KINDS if name not in
       ("camembert", "mbart50", "nllb")},
    **{
        f"{name}-{case}": (name, keys, {})
        for name in ("bert", "distilbert", "electra")
        for case, keys in {
            "cased": {"do_lower_case": False},
            "cased-plain": {"do_lower_case": False, "strip_accents": True},
            "accents": {"strip_accents": False},
            "no-cjk": {"tokenize_chinese_chars": False},
            "fast": {"tokenizer_class": f"{KINDS[name][1]}Fast"},
        }.items()
    },
    "bert-cased-file": ("bert", {"do_lower_case": False}, {"lowercase": False}),
    "bert-cased-file-lower": ("bert", {"do_lower_case": True}, {"lowercase": False}),
    "roberta-prefix": ("roberta", {"add_prefix_space": True}, {}),
    "bart-prefix": ("bart", {"add_prefix_space": True}, {}),
    "gpt2-prefix": ("gpt2", {"add_prefix_space": True}, {}),
    "xlm-roberta-converted": ("xlm-roberta", {}, converted),
    "t5-converted": ("t5", {}, converted),
    "camembert-converted": ("camembert", {}, converted),
    "t5-clean-up": ("t5", {"clean_up_tokenization_spaces": True}, {}),
    "mbart-french": ("mbart", {"src_lang": "fr_XX"}, {}),
    "nllb-legacy": ("nllb", {"legacy_behaviour": True}, {}),
    "bert-plain-digits": (
        "bert",
        {"tokenizer_class": "PreTrainedTokenizerFast"},
        {"pre_tokenizer": _sequence({"type": "BertPreTokenizer"}, DIGITS)},
    ),
}  # fmt: skip
# Cases in which they do not.
APART: dict[str, tuple[str, dict[str, Any], Any]] = {
    "bert-digits": ("bert", {}, {"pre_tokenizer": _sequence({"type": "BertPreTokenizer"}, DIGITS)}),
    "bert-no-class-digits": (
        "bert",
        {"tokenizer_class": None},
        {"pre_tokenizer": _sequence({"type": "BertPreTokenizer"}, DIGITS)},
    ),
    "bert-lowercase": ("bert", {}, {"normalizer": {"type": "Lowercase"}}),
    "distilbert-frame": (
        "distilbert",
        {},
        {"post_processor": _frame("[CLS] A", "[CLS] A B", {"[CLS]": 2})},
    ),
    "electra-separator": ("electra", {"sep_token": "[MASK]"}, {}),
    "bert-unknown": ("bert", {"unk_token": "[MASK]"}, {}),
    "roberta-nfkc": ("roberta", {}, {"normalizer": {"type": "NFKC"}}),
    "bart-frame": (
        "bart",
        {},
        {"post_processor": _frame("A </s>", "A </s> B </s>", {"</s>": 2})},
    ),
    "gpt2-digits": ("gpt2", {}, {"pre_tokenizer": _sequence(DIGITS, LEVEL)}),
    "xlm-roberta-lowercase": ("xlm-roberta", {}, {"normalizer": {"type": "Lowercase"}}),
    "xlm-roberta-no-prefix": ("xlm-roberta", {"add_prefix_space": False}, {}),
    "camembert-no-split": ("camembert", {}, {"pre_tokenizer": METASPACE}),
    "albert-cased": ("albert", {"do_lower_case": False}, {}),
    "albert-accents": ("albert", {"keep_accents": True}, {}),
    "t5-lowercase": ("t5", {}, {"normalizer": {"type": "Lowercase"}}),
    "mbart-converted": ("mbart", {}, converted),
    "mbart50-converted": ("mbart50", {}, converted),
    "nllb-converted": ("nllb", {}, converted),
}  # fmt: skip
# The vocabulary alone.
FILES = ("bert", "distilbert", "electra", "roberta", "bart", "gpt2")
FILE_KEYS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in FILES},
    "bert-cased": ("bert", {"do_lower_case": False}),
    "roberta-prefix": ("roberta", {"add_prefix_space": True}),
    "electra-no-class": ("electra", {"tokenizer_class": None}),
}


def _configs(folder: Path, kind: str, keys: dict[str, Any]) -> None:
    model_type, cls, _ = KINDS[kind]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    settings = {k: v for k, v in {"tokenizer_class": cls, **keys}.items() if v is not None}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def write(folder: Path, kind: str, keys: dict[str, Any], changes: Any) -> None:
    """The folder of a case."""
    _configs(folder, kind, keys)
    changes = changes() if callable(changes) else changes
    content = KINDS[kind][2](**changes if "lowercase" in changes else {})
    (folder / "tokenizer.json").write_text(
        json.dumps({**content, **{k: v for k, v in changes.items() if k != "lowercase"}})
    )


def write_vocabulary(folder: Path, kind: str, keys: dict[str, Any]) -> None:
    """The folder without its tokenizer.json."""
    _configs(folder, kind, keys)
    if KINDS[kind][2] is bert:
        (folder / "vocab.txt").write_text("\n".join(wordpiece()) + "\n")
        return
    vocabulary, merges = byte_level()
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")


def write_all(folder: Path) -> list[str]:
    """Every case in a folder of its own; returns their names."""
    for name, case in (ALIKE | APART).items():
        write(folder / name, *case)
    for name, case in FILE_KEYS.items():
        write_vocabulary(folder / f"files-{name}", *case)
    return sorted(path.name for path in folder.iterdir())


def transformers_answers(folder: Path) -> dict[str, Any]:
    """What the installed transformers makes of TEXTS and PAIRS; control tokens in them are text."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    plain = {"split_special_tokens": True}
    ids = [tokenizer(text, **plain)["input_ids"] for text in TEXTS]
    pairs = [tokenizer(*pair, **plain)["input_ids"] for pair in PAIRS]
    answer = {"ids": ids, "pairs": pairs}
    if json.loads((folder / "config.json").read_text())["model_type"] in GENERATING:
        answer["texts"] = [tokenizer.decode(row, skip_special_tokens=True) for row in ids]
    return answer


def main() -> None:
    import transformers

    release = transformers.__version__.partition(".")[0]
    found = json.loads(ANSWERS.read_text()) if ANSWERS.is_file() else {}
    with tempfile.TemporaryDirectory() as folder:
        for name in write_all(Path(folder)):
            answer = transformers_answers(Path(folder) / name)
            found.setdefault(name, {})[release] = answer
    lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(found.items())]
    ANSWERS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
