"""The reference: transformers on torch, where they are installed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata, util
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Encoding

from streamformer_export.bundle import Bundle
from streamformer_export.families import Task
from streamformer_export.graph.heads import Pooling, PoolingMode
from streamformer_export.tokenizer import label_ids

# Families without an encoder: they go on with what they read.
PROMPTED = ("gpt2",)


def available() -> bool:
    return all(util.find_spec(package) for package in ("torch", "transformers"))


def version() -> str:
    return metadata.version("transformers")


def load(folder: Path, bundle: Bundle) -> Any:
    """The folder's model in float32, ready for inference."""
    import torch
    import transformers

    classes = {
        Task.TEXT_CLASSIFICATION: "AutoModelForSequenceClassification",
        Task.TOKEN_CLASSIFICATION: "AutoModelForTokenClassification",
        Task.QUESTION_ANSWERING: "AutoModelForQuestionAnswering",
        Task.FEATURE_EXTRACTION: "AutoModel",
    }
    kind = classes.get(bundle.manifest["task"], "AutoModelForSeq2SeqLM")
    if bundle.manifest["family"] in PROMPTED:
        kind = "AutoModelForCausalLM"
    kind = getattr(transformers, kind)
    model = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    if bundle.generates:
        for key, value in _task_params(model.config, bundle).items():
            if key != "prefix":
                setattr(model.generation_config, key, value)
        if "max_new_tokens" in _chosen(bundle, 1):
            # It would go first, with a warning for each text.
            model.generation_config.max_length = None
    return model.eval()


def _task_params(config: Any, bundle: Bundle) -> dict[str, Any]:
    """The settings of the task that the bundle was exported with."""
    manifest, params = bundle.manifest, getattr(config, "task_specific_params", None) or {}
    tags = [manifest.get(key) for key in ("languages", "target_languages")]
    direction = "_to_".join(found[0] for found in tags) if all(tags) else None
    named = f"{manifest['task']}_{direction}"
    return params.get(manifest["task"]) or params.get(named) or {}


def outputs(
    model: Any, bundle: Bundle, encoding: Encoding, pooling: Pooling | None = None
) -> list[np.ndarray]:
    """What an encoder says of a text by itself: the graph's outputs, without batch axis."""
    import torch

    if bundle.manifest["family"] in PROMPTED:
        return [_label_scores(model, bundle, encoding.ids)]
    feed = {"input_ids": torch.tensor([encoding.ids])}
    if any(value["name"] == "token_type_ids" for value in bundle.manifest["inputs"]):
        feed["token_type_ids"] = torch.tensor([encoding.type_ids])
    with torch.no_grad():
        found = model(**feed)
    if pooling:
        return [_pool(found.last_hidden_state[0], pooling).numpy()]
    names = [output["name"] for output in bundle.manifest["outputs"]]
    return [found[name][0].numpy() for name in names]


def _label_scores(model: Any, bundle: Bundle, row: list[int]) -> np.ndarray:
    """How likely each label is to follow a text: (labels)."""
    import torch

    scores = []
    for label in bundle.manifest["labels"]:
        ids = label_ids(bundle.tokenizer, label, bundle.template)
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([row + ids[:-1]])).logits[0]
        logs = torch.log_softmax(logits, dim=-1)[len(row) - 1 :]
        scores.append(logs[range(len(ids)), ids].sum().item())
    return np.array(scores, np.float32)


def _pool(hidden: Any, pooling: Pooling) -> Any:
    """Hidden states (sequence, width) of one text → its embedding (width)."""
    from torch.nn.functional import normalize

    pooled = hidden[0] if pooling.mode is PoolingMode.CLS else hidden.mean(dim=0)
    return normalize(pooled, dim=0) if pooling.normalize else pooled


def generate(
    model: Any,
    bundle: Bundle,
    row: list[int],
    num_beams: int | None = None,
    language: str | None = None,
) -> list[int]:
    """The best hypothesis of `generate` for a row by itself, without start token and padding.

    `language` is that of the answer, by default the bundle's first, where the model is told.
    """
    import torch

    decoding = bundle.manifest["decoding"]
    settings = _chosen(bundle, len(row))
    if num_beams is not None:
        settings["num_beams"] = num_beams
    if settings.get("num_beams", decoding["num_beams"]) == 1:
        settings.pop("length_penalty", None)
    first = bundle.target_language_id(language)
    if first is not None:
        settings["forced_bos_token_id"] = first
    if bundle.shortlist:
        allowed = bundle.shortlist.of(row)
        # Probabilities are those among the tokens of the shortlist.
        settings["prefix_allowed_tokens_fn"] = lambda *_: allowed
        settings["renormalize_logits"] = True
    start = len(row) if bundle.manifest["family"] in PROMPTED else 1
    with torch.no_grad():
        ids = model.generate(
            input_ids=torch.tensor([row]),
            attention_mask=torch.ones(1, len(row), dtype=torch.int64),
            do_sample=False,
            **settings,
        )[0, start:].tolist()
    return bundle.ended(ids)


def _chosen(bundle: Bundle, input_tokens: int) -> dict[str, Any]:
    """What the exporter chose in place of the folder's own settings, for a row of that many tokens.

    The manifest of an older bundle does not say what was chosen: all of it counts.
    """
    decoding = bundle.manifest["decoding"]
    chosen = decoding.get("chosen")
    settings = {}
    if chosen is None:
        settings["min_new_tokens"] = decoding["min_new_tokens"]
    for key in ("num_beams", "length_penalty"):
        if chosen is None or key in chosen:
            settings[key] = decoding[key]
    if chosen is None or "max_new_tokens" in chosen or "max_length_factor" in decoding:
        settings["max_new_tokens"] = bundle.limit(input_tokens)
    return settings


def generated(
    folder: Path, bundle: Bundle, rows: list[list[int]], languages: Sequence[str | None]
) -> list[list[int]]:
    """Per row what Runner.answers gives: ids of the best hypothesis."""
    model = load(folder, bundle)
    return [
        generate(model, bundle, row, language=language)
        for row, language in zip(rows, languages, strict=True)
    ]


def read(
    folder: Path, bundle: Bundle, encodings: list[Encoding], pooling: Pooling | None = None
) -> list[list[np.ndarray]]:
    """Per text what Runner.outputs gives."""
    model = load(folder, bundle)
    return [outputs(model, bundle, encoding, pooling) for encoding in encodings]
