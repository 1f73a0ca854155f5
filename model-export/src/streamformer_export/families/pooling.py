"""How an encoder without a head embeds a text: what sentence-transformers' files say."""

from __future__ import annotations

import json
from pathlib import Path

from streamformer_export.config import Config, IgnoredKeys, read_json
from streamformer_export.config_keys import ignored
from streamformer_export.errors import ExportError
from streamformer_export.graph.heads import Pooling, PoolingMode

POOLING_FILE = "1_Pooling/config.json"
# Until sentence-transformers 5 the configuration had a switch for each mode.
SWITCHES = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
UNSUPPORTED_SWITCHES = (
    "pooling_mode_lasttoken",
    "pooling_mode_max_tokens",
    "pooling_mode_mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens",
)


def read_pooling(
    folder: Path, mode: PoolingMode | None, normalize: bool | None, user: IgnoredKeys
) -> Pooling:
    """How the folder's encoder embeds: as the arguments say, else as modules.json does."""
    path = folder / "modules.json"
    if path.is_file() and (mode is None or normalize is None):
        said = _sentence_transformer(folder, user, json.loads(path.read_text(encoding="utf-8")))
        mode = mode or said.mode
        normalize = said.normalize if normalize is None else normalize
    if mode is None:
        raise ExportError(
            "An encoder without a head gives embeddings, and modules.json says how its tokens are "
            f"pooled: {folder} has none. Add --pooling mean or --pooling cls."
        )
    return Pooling(mode, bool(normalize))


def _sentence_transformer(
    folder: Path, user: IgnoredKeys, modules: list[dict[str, str]]
) -> Pooling:
    kinds = [module["type"].rpartition(".")[2] for module in modules]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise ExportError(
            "modules.json has a Transformer, a Pooling and perhaps a Normalize: it has "
            f"{', '.join(kinds)}. Export a model without other modules."
        )
    if modules[0]["path"]:
        raise ExportError(
            "The Transformer of modules.json lies in the model folder itself: it lies in "
            f"{modules[0]['path']!r}. Move its files up, or export that folder with --pooling."
        )
    _check_texts(folder, user)
    if len(kinds) == 3:
        normalization = read_beside(folder, user, f"{modules[2]['path']}/config.json")
        normalization.require("module_input_name", "sentence_embedding")
        normalization.require("module_output_name", "sentence_embedding")
        normalization.refuse_rest()
    return Pooling(
        _mode(read_beside(folder, user, f"{modules[1]['path']}/config.json", POOLING_FILE)),
        len(kinds) == 3,
    )


def _check_texts(folder: Path, user: IgnoredKeys) -> None:
    """Refuses what changes a text before the tokenizer sees it."""
    model = read_beside(folder, user, "sentence_bert_config.json")
    model.require("transformer_task", "feature-extraction")
    model.require("module_output_name", "token_embeddings")
    text = model.take("modality_config", {"text": {}})["text"]
    Config(text, "modality_config", user=user).require("method_output_name", "last_hidden_state")
    # Read with the tokenizer.
    model.ignore(("do_lower_case", "max_seq_length"))
    model.refuse_rest()
    whole = read_beside(folder, user, "config_sentence_transformers.json")
    # Read by `default_prompt`.
    whole.hint("default_prompt_name")
    whole.refuse_rest()


def default_prompt(folder: Path) -> str:
    """What sentence-transformers puts before every text, such as "query: "."""
    path = folder / "config_sentence_transformers.json"
    if not (path.is_file() and (folder / "modules.json").is_file()):
        return ""
    values = read_json(path)
    name, prompts = values.get("default_prompt_name"), values.get("prompts") or {}
    if name is None:
        return ""
    if name not in prompts:
        raise ExportError(
            f"{path.name}: default_prompt_name is {name!r}, and prompts has "
            f"{', '.join(prompts) or 'none'}. Correct the name, or set it to null."
        )
    return prompts[name]


def _mode(config: Config) -> PoolingMode:
    config.require("include_prompt", True)
    for key in UNSUPPORTED_SWITCHES:
        config.require(key, False)
    switched = [mode for key, mode in SWITCHES.items() if config.take(key, False)]
    mode = config.take("pooling_mode", switched[0] if len(switched) == 1 else switched)
    config.refuse_rest()
    if mode not in list(PoolingMode):
        raise ExportError(
            f"Tokens are pooled by one of {', '.join(PoolingMode)}: {POOLING_FILE} has "
            f"{mode!r}. Export another model, or choose with --pooling."
        )
    return PoolingMode(mode)


def read_beside(folder: Path, user: IgnoredKeys, name: str, *scopes: str) -> Config:
    """A file of sentence-transformers beside config.json; empty where it is missing."""
    path = folder / name
    values = read_json(path) if path.is_file() else {}
    return Config(values, name, kept=ignored(*(scopes or (name,))), user=user)
