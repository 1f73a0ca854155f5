"""Makes generation-answers.json: what transformers' generate answers with nothing overridden.

    python tests/make_generation_answers.py

Each entry is a tiny model, settings of its generation_config.json, rows of ids, and the answer to
each row by itself, up to an end token. Needs torch and transformers (5.24 made the stored ones).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MODELS = Path(__file__).with_name("models")
ANSWERS = Path(__file__).with_name("generation-answers.json")
TOKENS = ("eos_token_id", "pad_token_id", "bos_token_id", "decoder_start_token_id")
ROWS = [[20, 33, 41], [60, 12, 90, 7, 33, 51, 23, 0], [140, 88], [33, 34, 35, 36, 37]]
FOLDERS = ("tiny-translation", "tiny-summary", "tiny-bart", "tiny-generation")


def settings(vocabulary: int, pad: int, end: int, plain: list[list[int]]) -> dict[str, Any]:
    """Kinds of settings, some of which are about what the model answers without them."""
    written = [[t for t in answer if t not in (pad, end)] for answer in plain]
    common = sorted({t for answer in written for t in answer})
    words = [part for a in written for part in (a[1:3], a[2:5], a[4:8]) if len(part) > 1]
    only = [t for t in range(vocabulary) if t != pad]
    some = [t for t in only if t not in common[:2]]
    return {
        "no limit": {},
        "max_length": {"max_length": 40},
        "max_new_tokens goes first": {"max_length": 40, "max_new_tokens": 7},
        "min_length": {"max_length": 40, "min_length": 31},
        "min_new_tokens goes first": {"max_length": 40, "min_length": 31, "min_new_tokens": 2},
        "end tokens": {"max_length": 30, "eos_token_id": [end, *common[::3]]},
        "end tokens, late": {
            "max_length": 30,
            "min_length": 14,
            "eos_token_id": [*common[::3], end],
            "early_stopping": True,
        },
        "bad words": {"max_length": 30, "bad_words_ids": [*words, [end], [common[0]]]},
        "bad words renormalized": {
            "max_length": 30,
            "bad_words_ids": words,
            "renormalize_logits": True,
            "repetition_penalty": 1.2,
        },
        "begin_suppress_tokens": {
            "max_length": 15,
            "begin_suppress_tokens": [*common, vocabulary, -1],
        },
        "begin_suppress_tokens behind a forced one": {
            "max_length": 15,
            "begin_suppress_tokens": common,
            "forced_bos_token_id": common[0],
        },
        "suppress_tokens": {"max_length": 15, "suppress_tokens": [*common[::2], vocabulary, -1]},
        "forced end": {"max_length": 12, "min_length": 12, "forced_eos_token_id": end},
        "another forced end": {"max_length": 12, "forced_eos_token_id": common[-1]},
        "only padding": {"max_length": 12, "suppress_tokens": only},
        "padding last": {
            "max_length": 17,
            "suppress_tokens": some,
            # One of two words comes first, if any, and then nothing but padding.
            "bad_words_ids": [[a, b] for a in (pad, *common[:2]) for b in common[:2]],
        },
        "padding is an end": {"max_length": 25, "eos_token_id": [end, pad]},
    }


def answers(folder: Path, chosen: dict[str, Any], directory: Path) -> list[list[int]]:
    """transformers' answers to ROWS, each row by itself, of a folder with other settings."""
    import torch
    import transformers

    for name in ("config.json", "model.safetensors"):
        (directory / name).unlink(missing_ok=True)
        (directory / name).symlink_to(folder / name)
    (directory / "generation_config.json").write_text(json.dumps(chosen))
    kind = json.loads((folder / "config.json").read_text())["architectures"][0]
    model = getattr(transformers, kind).from_pretrained(directory, dtype=torch.float32).eval()
    ends = model.generation_config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    found = []
    for row in ROWS:
        feed = {"input_ids": torch.tensor([row]), "attention_mask": torch.ones(1, len(row)).long()}
        ids = model.generate(**feed)[0].tolist()
        ids = ids[len(row) if "LMHead" in kind else 1 :]
        end = next((i for i, token in enumerate(ids) if token in ends), len(ids))
        found.append(ids[: end + 1])
    return found


def entries(directory: Path) -> list[dict[str, Any]]:
    """All that generation-answers.json has."""
    found = []
    for name in FOLDERS:
        folder = MODELS / name
        own = json.loads((folder / "generation_config.json").read_text())
        own = {key: own[key] for key in TOKENS if key in own}
        own.setdefault("pad_token_id", 5)
        vocabulary = json.loads((folder / "config.json").read_text())["vocab_size"]
        plain = answers(folder, own | {"max_length": 30}, directory)
        pad, end = own["pad_token_id"], own["eos_token_id"]
        for kind, chosen in settings(vocabulary, pad, end, plain).items():
            if name == "tiny-generation" and "forced_bos_token_id" in chosen:
                continue
            for beams in (1, 4):
                given = own | chosen | {"num_beams": beams}
                entry = {"folder": name, "kind": kind, "settings": given}
                found.append(entry | {"answers": answers(folder, given, directory)})
    return found


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        lines = [json.dumps(entry) for entry in entries(Path(scratch))]
    ANSWERS.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
