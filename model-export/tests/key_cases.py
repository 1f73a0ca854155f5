"""Tiny folders with other keys in config.json, and what transformers computes for them.

`python tests/key_cases.py` adds what key-answers.json lacks with the installed transformers; with
`--check` it compares all instead. It needs torch; the tests do not.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import load_file, save_file

from streamformer_export.config_keys import ALIASES
from streamformer_export.families import FAMILIES
from streamformer_export.graph.layers import ACTIVATIONS

MODELS = Path(__file__).parent / "models"
ANSWERS = Path(__file__).parent / "key-answers.json"
# Id 9 is a word in all tokenizers.
ROWS = [[5, 17, 9, 44, 31], [9, 9, 60, 301, 8, 12, 77], [200, 6]]
TARGETS = [[7, 30, 9, 11], [12, 9, 300, 5], [9, 45, 46, 8]]
PROJECTIONS = (
    {"dense_act_fn": "relu"},
    {"dense_act_fn": "gelu"},
    {"dense_act_fn": "quick_gelu", "is_gated_act": True, "feed_forward_proj": "relu"},
    {"feed_forward_proj": "gated-gelu_pytorch_tanh"},
    {"feed_forward_proj": "gated-silu"},
)


class Case(NamedTuple):
    """A model of tests/models with other keys; a key with None is taken out."""

    model: str
    changes: dict[str, Any]

    @property
    def name(self) -> str:
        changes = (f"{key}={value}" for key, value in self.changes.items() if value is not None)
        return f"{self.model} {' '.join(changes)}"

    def folder(self, into: Path) -> Path:
        """Writes the folder; its feed-forwards are wide enough for activations to differ."""
        shutil.copytree(MODELS / self.model, into)
        path = into / "config.json"
        config = json.loads(path.read_text()) | self.changes
        config = {key: value for key, value in config.items() if value is not None}
        path.write_text(json.dumps(config))
        tensors = {key: value.astype(np.float32) for key, value in _tensors(into).items()}
        for key in tensors:
            if any(part in key for part in ("intermediate.dense.w", ".fc1.w", ".wi")):
                tensors[key] = tensors[key] * 16
        save_file(tensors, into / "model.safetensors")
        return into


def _tensors(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "model.safetensors")


def _config(model: str) -> dict[str, Any]:
    return json.loads((MODELS / model / "config.json").read_text())


def _by_aliases(model: str) -> Case:
    """All keys that have other names by those."""
    config, changes = _config(model), {}
    for alias, key in ALIASES[FAMILIES[config["model_type"]]].items():
        # Before 5, transformers did not know this one.
        if key in config and key != "encoder_layers":
            changes |= {alias: config[key], key: None}
    if "num_layers" in changes:
        # transformers does not derive it from the other name.
        changes["num_decoder_layers"] = config.get("num_decoder_layers", config["num_layers"])
    return Case(model, changes)


CASES = [
    *(Case("tiny-sentiment", {"hidden_act": name}) for name in ACTIVATIONS),
    *(Case("tiny-translation", {"activation_function": name}) for name in ("mish", "quick_gelu")),
    *(Case(model, more) for model in ("tiny-summary", "tiny-mt5") for more in PROJECTIONS),
    *(
        _by_aliases(f"tiny-{name}")
        for name in ("bart", "entities", "generation", "many", "mbart", "mt5", "summary")
    ),
    _by_aliases("tiny-translation"),
    Case("tiny-toxic", {"pad_token_id": 9}),
    Case("tiny-toxic", {"pad_token_id": 0}),
    Case("tiny-embeddings", {"pad_token_id": 9}),
]


def answer(logits: np.ndarray) -> list[Any]:
    """What is kept of a row's outputs: (..., width) → its first columns."""
    return np.round(logits[..., :6].astype(np.float64), 5).tolist()


def transformers_answers(case: Case) -> list[Any]:
    """By row, what transformers computes."""
    import torch
    import transformers

    with tempfile.TemporaryDirectory() as parent:
        folder = case.folder(Path(parent) / "model")
        kind = getattr(transformers, _config(case.model)["architectures"][0])
        model = kind.from_pretrained(folder, dtype=torch.float32).eval()
    found = []
    for row, target in zip(ROWS, TARGETS, strict=True):
        feed = {"input_ids": torch.tensor([row])}
        if model.config.is_encoder_decoder:
            feed["decoder_input_ids"] = torch.tensor([target])
        with torch.no_grad():
            found.append(answer(model(**feed)[0][0].numpy()))
    return found


def main() -> None:
    stored = json.loads(ANSWERS.read_text()) if ANSWERS.is_file() else {}
    if "--check" not in sys.argv:
        found = {c.name: stored.get(c.name) or transformers_answers(c) for c in CASES}
        ANSWERS.write_text(json.dumps(found) + "\n")
        return
    for case in CASES:
        try:
            found = transformers_answers(case)
        except KeyError as error:
            print(f"this transformers has no {error}: {case.name}")
            continue
        for mine, theirs in zip(found, stored[case.name], strict=True):
            apart = np.abs(np.array(mine) - np.array(theirs)).max()
            print(f"{apart:.1e} {case.name}") if apart > 2e-5 else None


if __name__ == "__main__":
    main()
