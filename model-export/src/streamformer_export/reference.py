"""The reference: transformers on torch, where they are installed."""

from __future__ import annotations

from importlib import metadata, util
from pathlib import Path
from typing import Any

import numpy as np

from streamformer_export.bundle import Bundle, probabilities


def available() -> bool:
    return all(util.find_spec(package) for package in ("torch", "transformers"))


def version() -> str:
    return metadata.version("transformers")


def load(folder: Path, bundle: Bundle) -> Any:
    """The folder's model in float32, ready for inference."""
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoModelForSequenceClassification

    kind = AutoModelForSeq2SeqLM if bundle.generates else AutoModelForSequenceClassification
    model = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    if bundle.generates:
        # Each row has its own limit.
        model.generation_config.max_length = None
    return model.eval()


def logits(model: Any, rows: list[list[int]]) -> np.ndarray:
    """Logits (rows, labels), each row by itself."""
    import torch

    with torch.no_grad():
        found = [model(input_ids=torch.tensor([row])).logits[0].numpy() for row in rows]
    return np.stack(found)


def generate(model: Any, bundle: Bundle, row: list[int], num_beams: int | None = None) -> list[int]:
    """The best hypothesis of `generate` for a row by itself, without start token and padding."""
    import torch

    decoding = bundle.manifest["decoding"]
    beams = decoding["num_beams"] if num_beams is None else num_beams
    settings = {"length_penalty": decoding["length_penalty"]} if beams > 1 else {}
    with torch.no_grad():
        ids = model.generate(
            input_ids=torch.tensor([row]),
            attention_mask=torch.ones(1, len(row), dtype=torch.int64),
            do_sample=False,
            num_beams=beams,
            max_new_tokens=bundle.limit(len(row)),
            min_new_tokens=decoding["min_new_tokens"],
            **settings,
        )[0, 1:].tolist()
    end = decoding["eos_token_id"]
    return ids[: ids.index(end) + 1] if end in ids else ids


def answers(folder: Path, bundle: Bundle, rows: list[list[int]]) -> list[Any]:
    """Per row what Runner.answers gives: probabilities, or ids of the best hypothesis."""
    model = load(folder, bundle)
    if bundle.generates:
        return [generate(model, bundle, row) for row in rows]
    return list(probabilities(logits(model, rows)))
