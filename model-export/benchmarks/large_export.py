"""What an export of a large model needs: peak memory beside the size of the weights, and time.

    python benchmarks/large_export.py FOLDER

makes FOLDER/model, a translator of NLLB-600M's shape with random weights in float32 (m2m_100: width
1024, 12 + 12 layers, feed-forward 4096, 256,206 tokens), where it is not there yet, and exports it
once for each --variant in a process of its own. A peak is ru_maxrss of that process: its memory,
the pages of mapped files that it looked at among it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors
from tqdm import tqdm

WIDTH, LAYERS, HEADS, INNER, VOCABULARY = 1024, 12, 16, 4096, 256_206
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
LANGUAGES = ["eng_Latn", "fra_Latn"]
TEXTS = ("A dog runs.", "Two children play in the snow.", "Where is the station?")


def config() -> dict:
    sides = ("encoder", "decoder")
    return {
        "architectures": ["M2M100ForConditionalGeneration"],
        "model_type": "m2m_100",
        "is_encoder_decoder": True,
        "activation_function": "relu",
        "d_model": WIDTH,
        "scale_embedding": True,
        "max_position_embeddings": 1024,
        "vocab_size": VOCABULARY,
        **{f"{side}_layers": LAYERS for side in sides},
        **{f"{side}_attention_heads": HEADS for side in sides},
        **{f"{side}_ffn_dim": INNER for side in sides},
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
        "decoder_start_token_id": 2,
    }


def shapes() -> dict[str, tuple[int, ...]]:
    """The tensors of the model by name."""
    found: dict[str, tuple[int, ...]] = {"model.shared.weight": (VOCABULARY, WIDTH)}

    def linear(name: str, inputs: int, outputs: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = (outputs, inputs), (outputs,)

    def norm(name: str) -> None:
        found[f"{name}.weight"] = found[f"{name}.bias"] = (WIDTH,)

    for side in ("encoder", "decoder"):
        for i in range(LAYERS):
            layer = f"model.{side}.layers.{i}"
            for part in ("self_attn", "encoder_attn")[: 1 + (side == "decoder")]:
                for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
                    linear(f"{layer}.{part}.{name}", WIDTH, WIDTH)
                norm(f"{layer}.{part}_layer_norm")
            linear(f"{layer}.fc1", WIDTH, INNER)
            linear(f"{layer}.fc2", INNER, WIDTH)
            norm(f"{layer}.final_layer_norm")
        norm(f"model.{side}.layer_norm")
    return found


def write_weights(path: Path) -> None:
    """Random weights, tensor by tensor: the file is larger than what should be in memory."""
    header, at = {}, 0
    for name, shape in shapes().items():
        size = 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    content = json.dumps(header).encode()
    content += b" " * (-len(content) % 8)
    random = np.random.default_rng(0)
    with path.open("wb") as file:
        file.write(len(content).to_bytes(8, "little") + content)
        for name, shape in tqdm(shapes().items(), desc="weights", unit="tensor"):
            if name.endswith("norm.weight"):
                file.write(np.ones(shape, np.float32).tobytes())
                continue
            tensor = random.standard_normal(shape, np.float32)
            file.write((tensor * np.float32(0.03)).tobytes())


def write_tokenizer(path: Path) -> None:
    """Unigram with XLM-R's order: letters are pieces, and so are enough numbered words."""
    letters = [chr(i) for i in range(33, 127)]
    rest = VOCABULARY - len(SPECIAL) - len(letters) - 1 - len(LANGUAGES)
    pieces = ["▁", *letters, *(f"▁word{i}" for i in range(rest))]
    vocabulary = [(piece, -float(i)) for i, piece in enumerate([*SPECIAL, *pieces, *LANGUAGES])]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in SPECIAL + LANGUAGES])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="eng_Latn $A </s>",
        special_tokens=[("eng_Latn", VOCABULARY - 2), ("</s>", 2)],
    )
    tokenizer.save(str(path), pretty=False)


def make(folder: Path) -> Path:
    """The model folder; config.json is written last and so tells that it is whole."""
    if not (folder / "config.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_weights(folder / "model.safetensors")
        write_tokenizer(folder / "tokenizer.json")
        (folder / "config.json").write_text(json.dumps(config()))
    return folder


def export(model: Path, out: Path, variant: str, texts: Path) -> tuple[int, float]:
    """Exports one variant; returns the peak of memory in bytes, and seconds."""
    command = [sys.executable, "-m", "streamformer_export", "export", str(model), str(out)]
    command += ["--variant", variant, "--golden-texts", str(texts), "--answers", "graph"]
    command += ["--language", "en=eng_Latn", "--target-language", "fr=fra_Latn"]
    command += ["--max-tokens", "32", "--max-new-tokens", "8", "--force"]
    begin = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"export --variant {variant} failed: exit code {process.returncode}")
    # Kilobytes on Linux.
    return usage.ru_maxrss * 1024, time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--variant", action="append", help="repeatable; by default fp32 and int8")
    arguments = parser.parse_args()
    model = make(arguments.folder / "model")
    texts = arguments.folder / "texts.txt"
    texts.write_text("\n".join(TEXTS))
    weights = (model / "model.safetensors").stat().st_size
    print(f"weights: {weights / 1e9:.2f} GB, {weights / 4e6:.0f}M parameters in float32")
    for variant in arguments.variant or ["fp32", "int8"]:
        out = arguments.folder / f"bundle-{variant}"
        peak, seconds = export(model, out, variant, texts)
        files = ", ".join(
            f"{path.name} {path.stat().st_size / 1e9:.2f} GB" for path in sorted(out.glob("model*"))
        )
        print(
            f"{variant}: peak {peak / 1e9:.2f} GB, {peak / weights:.2f} times the weights; "
            f"{seconds:.0f} s; {files}",
            flush=True,
        )


if __name__ == "__main__":
    main()
