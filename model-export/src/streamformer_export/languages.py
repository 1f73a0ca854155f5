"""The tokens by which a model is told the language of its input and of its output."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streamformer_export.errors import ExportError

# How OPUS-MT spells the token in front of a text that tells the language to write.
PREFIX = re.compile(r">>\S+<<")


@dataclass(frozen=True)
class Language:
    """A language: its BCP 47 tag, and its token where it is not told by the tag."""

    tag: str
    token: str = ""

    @staticmethod
    def parse(option: str) -> Language:
        """Reads TAG or TAG=TOKEN."""
        tag, _, token = option.partition("=")
        return Language(tag, token)


def token_ids(languages: Sequence[Language], special: dict[str, int]) -> dict[str, int]:
    """The id of each language's token by its tag; `special` are the tokenizer's control tokens.

    A tag such as fr stands for __fr__ (M2M100), >>fr<< (OPUS-MT) and fr_XX (mBART), fra-Latn for
    fra_Latn (NLLB).
    """
    found = {}
    for language in languages:
        words = language.tag.replace("-", "_")
        names = [language.token] if language.token else [f"__{words}__", f">>{words}<<", words]
        matching = [name for name in names if name in special]
        if not matching and not language.token:
            pattern = re.compile(rf"{re.escape(words)}_[A-Z]{{2}}")
            matching = [name for name in special if pattern.fullmatch(name)]
        if len(matching) != 1:
            known = ", ".join(sorted(special)[:12])
            raise ExportError(
                f"A language has one token: {language.tag!r} has {len(matching)} among {known}, "
                f"... Give it as TAG=TOKEN, such as {language.tag}={min(special, default='TOKEN')}."
            )
        found[language.tag] = special[matching[0]]
    return found


def with_language(
    content: dict[str, Any], language_id: int, end_id: int
) -> tuple[dict[str, Any], str]:
    """A tokenizer.json whose post-processor writes the language, and where: first or last.

    The template of the folder has a language too, the only control token beside the end.
    """
    content = copy.deepcopy(content)
    processor = content.get("post_processor") or {}
    if processor.get("type") == "TemplateProcessing":
        known = processor["special_tokens"]
        single = processor["single"]
        places = [
            i
            for i, item in enumerate(single)
            if "SpecialToken" in item and known[item["SpecialToken"]["id"]]["ids"] != [end_id]
        ]
        if len(places) == 1 and places[0] in (0, len(single) - 1):
            name = single[places[0]]["SpecialToken"]["id"]
            known[name]["ids"] = [language_id]
            return content, "first" if places[0] == 0 else "last"
    raise ExportError(
        "The post-processor of a model that is told its languages has one beside the text, first "
        "or last: that of tokenizer.json has not. Save the tokenizer with a source language."
    )


def prefix_token(special: dict[str, int], targets: Sequence[str]) -> tuple[str, int] | None:
    """The token in front of a text that tells an OPUS-MT model its target language, and its id.

    None where the model writes one language. `special` are the tokenizer's control tokens,
    `targets` as for `Language.parse`; raises ExportError where they are not one.
    """
    known = {token: id_ for token, id_ in special.items() if PREFIX.fullmatch(token)}
    if len(known) < 2:
        return None
    if len(targets) != 1:
        shown = ", ".join([*list(known)[:12], *(["..."] if len(known) > 12 else [])])
        raise ExportError(
            f"This model is told by a token in front of a text which language to write ({shown}), "
            f"and a bundle of it writes one: {len(targets)} were given. Give one "
            "--target-language, such as fr=>>fra<<, and export a bundle for each."
        )
    (id_,) = token_ids([Language.parse(targets[0])], known).values()
    return next(token for token, i in known.items() if i == id_), id_


def with_prefix(content: dict[str, Any], token: str, id_: int) -> dict[str, Any]:
    """A tokenizer.json whose post-processor writes a token in front of every text."""
    content = copy.deepcopy(content)
    processor = content.get("post_processor") or {}
    if processor.get("type") != "TemplateProcessing":
        raise ExportError(
            "The post-processor of a tokenizer with a token in front is a TemplateProcessing: it "
            f"is {processor.get('type')}. Export the folder with its source.spm, target.spm and "
            "vocab.json, without a tokenizer.json."
        )
    for form in ("single", "pair"):
        processor[form].insert(0, {"SpecialToken": {"id": token, "type_id": 0}})
    processor["special_tokens"][token] = {"id": token, "ids": [id_], "tokens": [token]}
    return content
