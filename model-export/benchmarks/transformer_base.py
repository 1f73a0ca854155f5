"""Speed of a Transformer-base (Vaswani et al. 2017) with random weights against CTranslate2.

    python benchmarks/transformer_base.py FOLDER [--batch 32] [--num-beams 1]

FOLDER gets the Marian model (6 + 6 layers, width 512, 8 heads, feed-forward 2,048, 32,000 tokens)
and its bundle, unless they are there already. Every answer has the same number of tokens, so that
both engines do the same work; what the tokens are means nothing, and how many of them are those of
fp32 is told. A profile goes on with `streamformer-export bench FOLDER/bundle --profile int8`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from streamformer_export import bench
from streamformer_export.bundle import Bundle
from streamformer_export.datasets import DataSet
from streamformer_export.export import Settings, Variant, export

POSITIONS = 512
END, UNKNOWN, PADDING = "</s>", "<unk>", "<pad>"


@dataclass(frozen=True)
class Shape:
    """Sizes of encoder and decoder alike."""

    width: int = 512
    heads: int = 8
    ffn: int = 2048
    layers: int = 6
    words: int = 32_000


def weights(shape: Shape, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Tensors by transformers' names, as a fresh model has them but for livelier embeddings."""
    width, ffn = shape.width, shape.ffn
    tensors = {}

    def linear(name: str, inputs: int, outputs: int) -> None:
        values = random.standard_normal((outputs, inputs)) * inputs**-0.5
        tensors[f"{name}.weight"] = values.astype(np.float32)
        tensors[f"{name}.bias"] = (0.02 * random.standard_normal(outputs)).astype(np.float32)

    def norm(name: str) -> None:
        tensors[f"{name}.weight"] = np.ones(width, np.float32)
        tensors[f"{name}.bias"] = np.zeros(width, np.float32)

    table = random.standard_normal((shape.words, width)) * width**-0.5
    # The padding starts an answer, as nothing.
    table[-1] = 0
    tensors["model.shared.weight"] = table.astype(np.float32)
    tensors["final_logits_bias"] = np.zeros((1, shape.words), np.float32)
    for side, kinds in (("encoder", ("self_attn",)), ("decoder", ("self_attn", "encoder_attn"))):
        for i in range(shape.layers):
            name = f"model.{side}.layers.{i}"
            for kind in kinds:
                for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
                    linear(f"{name}.{kind}.{part}", width, width)
                norm(f"{name}.{kind}_layer_norm")
            linear(f"{name}.fc1", width, ffn)
            linear(f"{name}.fc2", ffn, width)
            norm(f"{name}.final_layer_norm")
    return tensors


def write_model(folder: Path, shape: Shape) -> None:
    """The model's folder; the padding is the last token, as CTranslate2's converter wants it."""
    folder.mkdir(parents=True)
    padding = shape.words - 1
    save_file(
        weights(shape, np.random.default_rng(1)), folder / "model.safetensors", {"format": "pt"}
    )
    tokens = {"decoder_start_token_id": padding, "pad_token_id": padding, "eos_token_id": 0}
    sizes = {
        f"{side}_{name}": value
        for side in ("encoder", "decoder")
        for name, value in (
            ("layers", shape.layers),
            ("attention_heads", shape.heads),
            ("ffn_dim", shape.ffn),
        )
    }
    config = {
        "architectures": ["MarianMTModel"],
        "model_type": "marian",
        "activation_function": "relu",
        "d_model": shape.width,
        "max_position_embeddings": POSITIONS,
        "scale_embedding": True,
        "vocab_size": shape.words,
        "decoder_vocab_size": shape.words,
        "forced_eos_token_id": None,
        **sizes,
        **tokens,
    }
    generation = {**tokens, "bad_words_ids": [[padding]], "num_beams": 1, "max_length": POSITIONS}
    names = [END, UNKNOWN, *(f"w{i}" for i in range(2, padding)), PADDING]
    vocabulary = {name: i for i, name in enumerate(names)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.add_special_tokens([END, UNKNOWN, PADDING])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", special_tokens=[(END, 0)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"eos_token": END, "unk_token": UNKNOWN, "pad_token": PADDING}
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": POSITIONS,
        **special,
    }
    for name, content in (
        ("config", config),
        ("generation_config", generation),
        ("tokenizer_config", settings),
    ):
        (folder / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")


def texts(shape: Shape, count: int, words: int, seed: int) -> list[str]:
    """Random texts of that many words each."""
    rows = np.random.default_rng(seed).integers(2, shape.words - 1, (count, words))
    return [" ".join(f"w{i}" for i in row) for row in rows]


def write_bundle(model: Path, out: Path, shape: Shape) -> None:
    golden = model / "texts.txt"
    golden.write_text("\n".join(texts(shape, 16, 12, seed=2)) + "\n")
    settings = Settings(
        name="transformer-base",
        variants=(Variant.INT8, Variant.INT8_FAST, Variant.FP32),
        golden_texts=golden,
        max_length_factor=2.0,
        source="Random weights: only for measuring.",
    )
    export(model, out, settings)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--batch", type=int, action="append", help="by default 1, 8 and 32")
    parser.add_argument("--num-beams", type=int, action="append", help="by default 1 and 4")
    parser.add_argument(
        "--batches", type=int, default=2, help="of each size; of 1 six times as many"
    )
    parser.add_argument("--words", type=int, default=31, help="words of a text")
    parser.add_argument("--new-tokens", type=int, default=32, help="tokens of an answer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--profile", metavar="VARIANT", help="instead: where its time goes")
    given = parser.parse_args()
    shape = Shape()
    model, folder = given.folder / "model", given.folder / "bundle"
    if not model.exists():
        write_model(model, shape)
    if not folder.exists():
        write_bundle(model, folder, shape)
    bundle = Bundle.read(folder)
    beams = tuple(given.num_beams or (1, 4))
    settings = {
        batch: bench.Settings((batch,), beams, given.rounds, given.threads, given.new_tokens)
        for batch in given.batch or (1, 8, 32)
    }

    def data(batch: int) -> DataSet:
        count = given.batches * (batch if batch > 1 else 6)
        return DataSet("random", texts(shape, count, given.words, seed=3))

    print(f"{given.words + 1} tokens in, {given.new_tokens} out, {given.threads} threads")
    if given.profile:
        for batch, one in settings.items():
            print(*bench.profiles(bundle, given.profile, data(batch), one), sep="\n")
        return
    print(bench.HEADER)
    with bench.engines(bundle, model, given.threads) as engines:
        for batch, one in settings.items():
            for found in bench.compare(engines, bundle, data(batch), one):
                print(found.line(), flush=True)


if __name__ == "__main__":
    main()
