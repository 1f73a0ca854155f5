"""Folders that store only some members of a tied group, and transformers' answers to them.

`python tied.py` adds the answers of the installed transformers to tied.json; run it with 4 and 5.
"""

from __future__ import annotations

import itertools
import json
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import save_file

ANSWERS = Path(__file__).with_name("tied.json")
WORDS, WIDTH = 20, 8

_BART = {
    "vocab_size": WORDS,
    "d_model": WIDTH,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 8,
    "decoder_ffn_dim": 8,
    "max_position_embeddings": 16,
    "pad_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 2,
    "is_encoder_decoder": True,
}
_MARIAN = _BART | {
    "model_type": "marian",
    "architectures": ["MarianMTModel"],
    "decoder_vocab_size": WORDS,
}
_T5 = {
    "vocab_size": WORDS,
    "d_model": WIDTH,
    "d_kv": 4,
    "num_heads": 2,
    "d_ff": 8,
    "num_layers": 1,
    "feed_forward_proj": "relu",
    "pad_token_id": 0,
    "eos_token_id": 1,
    "decoder_start_token_id": 0,
    "is_encoder_decoder": True,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "bart": {
        **_BART,
        "model_type": "bart",
        "architectures": ["BartForConditionalGeneration"],
        "activation_function": "gelu",
    },
    "mbart": {
        **_BART,
        "model_type": "mbart",
        "architectures": ["MBartForConditionalGeneration"],
        "activation_function": "gelu",
    },
    "m2m_100": {
        **_BART,
        "model_type": "m2m_100",
        "architectures": ["M2M100ForConditionalGeneration"],
        "activation_function": "relu",
    },
    "marian": _MARIAN,
    "marian-apart": _MARIAN | {"share_encoder_decoder_embeddings": False},
    "t5": {**_T5, "model_type": "t5", "architectures": ["T5ForConditionalGeneration"]},
    "t5-of-5": {
        **_T5,
        "model_type": "t5",
        "architectures": ["T5ForConditionalGeneration"],
        "scale_decoder_outputs": False,
    },
    "mt5": {**_T5, "model_type": "mt5", "architectures": ["MT5ForConditionalGeneration"]},
    "gpt2": {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": WORDS,
        "n_embd": WIDTH,
        "n_layer": 1,
        "n_head": 2,
        "n_positions": 16,
        "bos_token_id": 0,
        "eos_token_id": 0,
    },
}
_TABLES = ("shared", "encoder.embed_tokens", "decoder.embed_tokens")


def members(family: str) -> tuple[str, ...]:
    """The names of the tables of words."""
    if family == "gpt2":
        return ("transformer.wte.weight", "lm_head.weight")
    body = "" if "t5" in family else "model."
    # A model whose sides are apart has no third table.
    tables = _TABLES[1:] if family == "marian-apart" else _TABLES
    return (*(f"{body}{name}.weight" for name in tables), "lm_head.weight")


class Case(NamedTuple):
    """A family, whether its words are tied, which members are stored, and whether all equal."""

    family: str
    tied: bool
    stored: tuple[str, ...]
    equal: bool

    @property
    def name(self) -> str:
        places = "".join(str(members(self.family).index(one)) for one in self.stored)
        kind = "equal" if self.equal else "different"
        return f"{self.family} {'tied' if self.tied else 'untied'} {places} {kind}"

    def write(self, folder: Path, shapes: dict[str, list[int]]) -> Path:
        config = CONFIGS[self.family] | {"tie_word_embeddings": self.tied}
        (folder / "config.json").write_text(json.dumps(config))
        tensors = {name: _values(name, shape) for name, shape in shapes.items()}
        for name in self.stored:
            seed = self.stored[0] if self.equal else name
            tensors[name] = _values(seed, [WORDS, WIDTH])
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        return folder


def cases() -> Iterator[Case]:
    for family in CONFIGS:
        names = members(family)
        for tied in (True, False):
            for count in range(1, len(names) + 1):
                for stored in itertools.combinations(names, count):
                    yield Case(family, tied, stored, equal=False)
            yield Case(family, tied, names, equal=True)


def feed(family: str) -> dict[str, list[list[int]]]:
    given = {"input_ids": [[5, 9, 12, 7, 2]], "attention_mask": [[1] * 5]}
    return given if family == "gpt2" else given | {"decoder_input_ids": [[2, 8, 6]]}


def _values(name: str, shape: list[int]) -> np.ndarray:
    random = np.random.default_rng(zlib.crc32(name.encode()))
    return random.normal(0, 0.5, shape).astype(np.float32)


def answer(case: Case, shapes: dict[str, list[int]]) -> list[float] | str:
    """The last token's first logits, or why there are none."""
    import torch
    import transformers

    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        with tempfile.TemporaryDirectory() as folder:
            case.write(Path(folder), shapes)
            kind = getattr(transformers, CONFIGS[case.family]["architectures"][0])
            given = {key: torch.tensor(value) for key, value in feed(case.family).items()}
            try:
                model = kind.from_pretrained(folder).eval()
                with torch.no_grad():
                    found.append(model(**given).logits[0, -1, :4].tolist())
            except RuntimeError:
                # A tensor that nothing filled.
                return "error"
    return [round(value, 5) for value in found[0]] if found[0] == found[1] else "random"


def _shapes(family: str) -> dict[str, list[int]]:
    """All tensors but the tables of words, and positions that a formula gives."""
    import transformers

    config = transformers.AutoConfig.for_model(**CONFIGS[family])
    model = getattr(transformers, CONFIGS[family]["architectures"][0])(config)
    left_out = {*members(family), "model.shared.weight"}
    return {
        name: list(tensor.shape)
        for name, tensor in model.state_dict().items()
        if name not in left_out and not (family.startswith("marian") and "embed_positions" in name)
    }


def main() -> None:
    import transformers

    stored = json.loads(ANSWERS.read_text()) if ANSWERS.exists() else {"shapes": {}, "answers": {}}
    for family in CONFIGS:
        stored["shapes"].setdefault(family, _shapes(family))
    for case in cases():
        answers = stored["answers"].setdefault(case.name, {})
        answers[transformers.__version__.split(".")[0]] = answer(
            case, stored["shapes"][case.family]
        )
    parts = [
        f'"{part}": {{\n'
        + ",\n".join(f"  {json.dumps(key)}: {json.dumps(one)}" for key, one in stored[part].items())
        + "\n}"
        for part in ("shapes", "answers")
    ]
    ANSWERS.write_text("{" + ", ".join(parts) + "}\n")


if __name__ == "__main__":
    main()
