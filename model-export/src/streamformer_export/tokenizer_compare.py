"""Whether two tokenizer.json files read every text alike, by their parts.

Parts that are written otherwise and do the same are made the same first; what is left apart may
read some text otherwise.
"""

from __future__ import annotations

import json
from typing import Any

from tokenizers import Tokenizer, normalizers, pre_tokenizers

SPACE = "\u2581"
# Characters that SentencePiece's own maps leave as they are, though WhitespaceSplit splits there:
# a control character that no keyboard has.
LEFT_OVER = "\u0085"
WHITESPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\u2581"
)
MODEL = {
    "WordPiece": {
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
    },
    "BPE": {
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
    },
    "Unigram": {"unk_id": None, "byte_fallback": False},
}


def differing(one: dict[str, Any], other: dict[str, Any], decodes: bool) -> list[str]:
    """Names of the parts in which two tokenizers differ; `decodes` whether they write text too."""
    a, b = _canonical(one), _canonical(other)
    return [part for part in a if a[part] != b[part] and (decodes or part != "decoder")]


def parts(content: dict[str, Any]) -> Tokenizer:
    """The parts around a model, with one that knows nothing."""
    names = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
    model = {"type": "WordLevel", "vocab": {"?": 0}, "unk_token": "?"}
    shell = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": []}
    return Tokenizer.from_str(
        json.dumps({**shell, "model": model, **{name: content.get(name) for name in names}})
    )


def _canonical(content: dict[str, Any]) -> dict[str, Any]:
    # The library reads older spellings and writes today's.
    whole = json.loads(parts(content).to_str())
    normalizer = [_normalizer(step) for step in _steps(whole["normalizer"], "normalizers")]
    splits = [_split(step) for step in _steps(whole["pre_tokenizer"], "pretokenizers")]
    model = content["model"]
    defaults = MODEL.get(model["type"], {})
    settings = {key: model.get(key, default) or None for key, default in defaults.items()}
    if splits and splits[-1]["type"] == "ByteLevel" and _has_all_bytes(model["vocab"]):
        # Nothing is unknown.
        settings.update(unk_token=None, fuse_unk=None)
    normalizer, splits = _words(normalizer, splits)
    return {
        "normalizer": normalizer,
        "pre_tokenizer": splits,
        "post_processor": _template(whole["post_processor"]),
        "model": {"type": model["type"], **settings},
        "decoder": [_decoder(step) for step in _steps(whole["decoder"], "decoders")],
    }


def _steps(part: dict[str, Any] | None, name: str) -> list[dict[str, Any]]:
    if part is None:
        return []
    if part["type"] == "Sequence":
        return [step for inner in part[name] for step in _steps(inner, name)]
    return [part]


def _normalizer(step: dict[str, Any]) -> dict[str, Any]:
    if step["type"] == "BertNormalizer" and step["strip_accents"] is None:
        return {**step, "strip_accents": step["lowercase"]}
    return step


def _split(step: dict[str, Any]) -> dict[str, Any]:
    # Of a byte-level pre-tokenizer, offsets are its post-processor's.
    return {k: v for k, v in step.items() if (step["type"], k) != ("ByteLevel", "trim_offsets")}


def _decoder(step: dict[str, Any]) -> dict[str, Any]:
    return {"type": "ByteLevel"} if step["type"] == "ByteLevel" else step


def _has_all_bytes(vocabulary: dict[str, int]) -> bool:
    return all(letter in vocabulary for letter in pre_tokenizers.ByteLevel.alphabet())


def _words(
    normalizer: list[dict[str, Any]], splits: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Metaspace behind a normalizer that strips and squeezes spaces is what it is behind
    WhitespaceSplit, where the normalizer leaves no other space."""
    kinds = [step["type"] for step in splits]
    if kinds not in (["Metaspace"], ["WhitespaceSplit", "Metaspace"]):
        return normalizer, splits
    space = splits[-1]
    if space["prepend_scheme"] != "always" or not space["split"]:
        return normalizer, splits
    core, dropped = list(normalizer), []
    while core and _is_of_spaces(core[-1]):
        dropped.append(core.pop())
    if kinds == ["Metaspace"]:
        strips = any(step["type"] == "Strip" and step["strip_right"] for step in dropped)
        squeezes = any(step["type"] == "Replace" for step in dropped)
        if not (strips and squeezes and _leaves_plain_spaces(core)):
            return normalizer, splits
    return core, [{"type": "WhitespaceSplit"}, space]


def _is_of_spaces(step: dict[str, Any]) -> bool:
    if step["type"] == "Replace":
        return step["pattern"] == {"Regex": " {2,}"} and step["content"] in (" ", SPACE)
    return step["type"] == "Strip"


def _leaves_plain_spaces(core: list[dict[str, Any]]) -> bool:
    if not core:
        return False
    steps = parts({"normalizer": {"type": "Sequence", "normalizers": core}}).normalizer
    assert isinstance(steps, normalizers.Normalizer)
    found = [steps.normalize_str(f"a{space}b") for space in WHITESPACE]
    return all(text.strip("ab") in (" ", "") for text in found)


def _template(part: dict[str, Any] | None) -> dict[str, Any]:
    """What is put around a text and a pair, by ids and token types, and how offsets are cut."""
    single, pair, offsets = [("A", 0)], [("A", 0), ("B", 1)], []
    for step in _steps(part, "processors"):
        kind = step["type"]
        if kind in ("BertProcessing", "RobertaProcessing"):
            sep, cls = ((step[name][1], 0) for name in ("sep", "cls"))
            single = [cls, ("A", 0), sep]
            pair = [*single, ("B", 1), (step["sep"][1], 1)]
            if kind == "RobertaProcessing":
                pair = [*single, sep, ("B", 0), sep]
        elif kind == "TemplateProcessing":
            single, pair = (_items(step, form) for form in ("single", "pair"))
        if kind in ("RobertaProcessing", "ByteLevel") and step["trim_offsets"]:
            offsets.append(step["add_prefix_space"])
    return {"single": single, "pair": pair, "offsets": offsets}


def _items(step: dict[str, Any], form: str) -> list[tuple[Any, int]]:
    found: list[tuple[Any, int]] = []
    for item in step[form]:
        ((kind, one),) = item.items()
        if kind == "Sequence":
            found.append((one["id"], one["type_id"]))
        else:
            ids = step["special_tokens"][one["id"]]["ids"]
            found += [(id_, one["type_id"]) for id_ in ids]
    return found
