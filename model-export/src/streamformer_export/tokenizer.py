"""The tokenizer of a bundle: a text never turns into a control token."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from streamformer_export.errors import ExportError
from streamformer_export.weights import read_json


def read_tokenizer(folder: Path) -> tuple[dict[str, Any], list[int]]:
    """The bundle's tokenizer.json made from a model folder's, and the ids of control tokens.

    Added tokens are dropped, so that their spelling in a text stays text. Unigram would still match
    the piece `</s>` in its lattice: control pieces get a space in front, which no text has after
    the pre-tokenizer.
    """
    path = folder / "tokenizer.json"
    source = read_json(path)
    added = source.get("added_tokens", [])
    plain = [token["content"] for token in added if not token["special"]]
    if plain:
        raise ExportError(
            "A bundle's tokenizer has no added tokens, since they match inside words: "
            f"{path.name} adds {', '.join(map(repr, plain[:5]))}. Make them pieces of the model."
        )
    special = sorted(token["id"] for token in added)
    ours = copy.deepcopy(source)
    ours["added_tokens"] = []
    ours["truncation"] = None
    ours["padding"] = None
    model = ours["model"]
    if model["type"] == "Unigram":
        for token in added:
            if token["id"] < len(model["vocab"]):
                model["vocab"][token["id"]][0] = f" {token['content']}"
    _check_control_tokens(ours, added)
    return ours, special


def load(content: dict[str, Any]) -> Tokenizer:
    return Tokenizer.from_str(json.dumps(content))


def reference(folder: Path) -> Tokenizer:
    """The folder's own tokenizer, told to read control tokens in a text as text."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def longest_input(folder: Path, positions: int) -> int:
    """Tokens that the model reads at most: tokenizer_config.json's word, within the positions."""
    path = folder / "tokenizer_config.json"
    limit = read_json(path).get("model_max_length") if path.is_file() else None
    return min(int(limit), positions) if limit else positions


def _check_control_tokens(content: dict[str, Any], added: list[dict[str, Any]]) -> None:
    tokenizer = load(content)
    unknown = content["model"].get("unk_id")
    if unknown is None and content["model"].get("unk_token") is not None:
        unknown = tokenizer.token_to_id(content["model"]["unk_token"])
    for token in added:
        for text in (token["content"], f"a {token['content']} b", f"a{token['content']}b"):
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            if token["id"] in ids and token["id"] != unknown:
                raise ExportError(
                    "A control token cannot be spelled by a text: "
                    f"{token['content']!r} becomes id {token['id']}. "
                    "Use a tokenizer whose pre-tokenizer splits it."
                )
