"""The checks of the GPU kit that run in Python: `run.py` calls each in a process of its own.

Each prints its figures as JSON lines, as soon as it has them.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from kit import DEFAULT, Kit, emit, median_time
from placement import placement
from rates import concurrent, decoder_rates, encoder_rates, memory
from streamformer_export.bundle import Bundle, Runner


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("check", choices=CHECKS)
    parser.add_argument("--device", choices=("cpu", "cuda"), required=True)
    parser.add_argument("--kit", type=Path, required=True)
    parser.add_argument("--short", action="store_true", help="sizes for a trial on a CPU")
    options = parser.parse_args()
    CHECKS[options.check](Kit(options.kit, options.device, options.short))


def environment(kit: Kit) -> None:
    found: dict[str, Any] = {
        "python": sys.version.split()[0],
        "onnxruntime": onnxruntime.__version__,
        "onnxruntime_file": onnxruntime.__file__,
        "cores": os.cpu_count(),
        "machine": os.uname().machine,
    }
    if kit.device == "cuda":
        query = "--query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.sm"
        smi = subprocess.run(["nvidia-smi", query, "--format=csv,noheader"], capture_output=True)
        found["gpu"] = smi.stdout.decode().strip()
        import torch

        found["torch"] = torch.__version__
        found["cuda"] = torch.version.cuda
        found["cudnn"] = torch.backends.cudnn.version()
    runner = kit.runner(kit.bundle("tiny-sentiment"), "fp32")
    found["providers"] = runner.session.get_providers()
    runner.run([[2, 5, 3]])
    emit("environment", **found)
    if kit.device == "cuda" and found["providers"][0] != "CUDAExecutionProvider":
        library = next(kit.folder.glob("site/onnxruntime/capi/*providers_cuda.so"))
        ldd = subprocess.run(["ldd", library], capture_output=True, text=True).stdout
        missing = [line.strip() for line in ldd.splitlines() if "not found" in line]
        emit("environment", error="The CUDA provider did not load.", missing=missing)
        raise SystemExit(3)


def ceilings(kit: Kit) -> None:
    """What the device gives at most: a large product, a copy, a launch."""
    import torch

    cuda = kit.device == "cuda"
    size = 8192 if cuda else 512
    for name, dtype, tf32 in (
        ("fp16", torch.float16, False),
        ("tf32", torch.float32, True),
        ("fp32", torch.float32, False),
    ):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        a, b = (torch.randn(size, size, device=kit.device).to(dtype) for _ in range(2))
        seconds = median_time(lambda a=a, b=b: a @ b, 0.3, torch.cuda.synchronize if cuda else None)
        emit("ceiling", product=name, size=size, tflops=2 * size**3 / seconds / 1e12)
    if cuda:
        x = torch.zeros(1 << 30, dtype=torch.uint8, device="cuda")
        y = torch.empty_like(x)
        seconds = median_time(lambda: y.copy_(x), 0.3, torch.cuda.synchronize)
        emit("ceiling", copy_gb_per_second=2 * x.numel() / seconds / 1e9)
        small = torch.zeros(1, device="cuda")

        def launches() -> None:
            for _ in range(1000):
                small.add_(1)

        seconds = median_time(launches, 0.5, torch.cuda.synchronize)
        emit("ceiling", launch_microseconds=seconds * 1000)


def agree(kit: Kit) -> None:
    """Each bundle and variant on the device beside the CPU."""
    for bundle in kit.bundles():
        for variant in bundle.manifest["variants"]:
            if bundle.folder.name in DEFAULT and variant == "int8":
                continue
            try:
                agree_one(kit, bundle, variant)
            except Exception as error:  # a failing bundle must not hide the others
                emit("agree", bundle=bundle.folder.name, variant=variant, error=repr(error)[:900])


def agree_one(kit: Kit, bundle: Bundle, variant: str) -> None:
    name = bundle.folder.name
    if name == "sentiment-en":
        readings = [bundle.encode(text) for text in kit.sst2()[0][:256]]
    elif name == "translation-en-fr":
        readings = [bundle.encode(text) for text in kit.captions()[:128]]
    else:
        golden = [(g["text"], g.get("text_pair")) for g in bundle.golden()]
        readings = list(itertools.chain(*(bundle.readings(*g) for g in golden)))
    searches = (1, 4) if bundle.generates else (None,)
    if bundle.manifest.get("decoding", {}).get("temperature", 0) > 0:
        searches = (1,)
    reference = Runner(bundle, variant, 1 if kit.short else None)
    settings = (0, 1) if variant == "fp32" and kit.device == "cuda" else (1,)
    runners = {tf32: kit.runner(bundle, variant, tf32) for tf32 in settings}
    for beams in searches:
        expected = outputs(reference, readings, beams)
        for tf32, runner in runners.items():
            begin = time.perf_counter()
            found = outputs(runner, readings, beams)
            emit(
                "agree",
                bundle=name,
                variant=variant,
                beams=beams,
                tf32=tf32 if len(settings) > 1 else None,
                rows=len(readings),
                **compare(bundle, expected, found),
                seconds=time.perf_counter() - begin,
            )


def outputs(runner: Runner, readings: list[Any], beams: int | None) -> list[Any]:
    """Per row an encoder's outputs, or the best hypothesis' ids and its score."""
    found: list[Any] = []
    for start in range(0, len(readings), 64):
        some = readings[start : start + 64]
        if beams is None:
            found += runner.outputs(some)
            continue
        rows = [list(r.ids) for r in some]
        result = runner.run(rows, num_beams=beams)
        found += [
            (runner.trim(result[0][i, 0], len(row)), float(result[1][i, 0]))
            for i, row in enumerate(rows)
        ]
    return found


def compare(bundle: Bundle, expected: list[Any], found: list[Any]) -> dict[str, Any]:
    if bundle.generates:
        pairs = list(zip(expected, found, strict=True))
        same = sum(a[0] == b[0] for a, b in pairs)
        tokens = sum(sum(x == y for x, y in zip(a[0], b[0], strict=False)) for a, b in pairs)
        most = sum(max(len(a[0]), len(b[0])) for a, b in pairs)
        apart = [abs(a[1] - b[1]) for a, b in pairs if a[0] == b[0]]
        return {
            "equal_rows": same / len(pairs),
            "equal_tokens": tokens / most,
            "largest_score_difference_of_equal": max(apart, default=None),
        }
    apart = max(
        float(np.abs(x - y).max()) for a, b in zip(expected, found, strict=True)
        for x, y in zip(a, b, strict=True)
    )  # fmt: skip
    equal = [
        (x.argmax(axis=-1) == y.argmax(axis=-1)).all()
        for a, b in zip(expected, found, strict=True)
        for x, y in zip(a, b, strict=True)
    ]
    return {
        "largest_difference": apart,
        "largest_value": max(float(np.abs(x).max()) for a in expected for x in a),
        "equal_best": float(np.mean(equal)),
    }


def quality(kit: Kit) -> None:
    """fp16 beside fp32, both on the device."""
    from sacrebleu.metrics import BLEU

    bundle = kit.bundle("sentiment-en")
    texts, labels = kit.sst2()
    readings = [bundle.encode(text) for text in texts]
    best: dict[str, np.ndarray] = {}
    for variant in ("fp32", "fp16"):
        found = outputs(kit.runner(bundle, variant), readings, None)
        best[variant] = np.array([row[0].argmax() for row in found])
        right = float((best[variant] == np.array(labels)).mean())
        emit("labels", variant=variant, texts=len(texts), accuracy=right)
    emit("labels", equal=float((best["fp16"] == best["fp32"]).mean()))
    bundle = kit.bundle("translation-en-fr")
    references = kit.captions("fr")
    readings = [bundle.encode(text) for text in kit.captions()]
    for beams in (1, 4):
        written: dict[str, list[str]] = {}
        for variant in ("fp32", "fp16"):
            found = outputs(kit.runner(bundle, variant), readings, beams)
            written[variant] = [bundle.text(ids) for ids, _ in found]
            score = BLEU().corpus_score(written[variant], [references]).score
            emit("bleu", variant=variant, beams=beams, bleu=score)
        pairs = zip(written["fp32"], written["fp16"], strict=True)
        emit("bleu", beams=beams, equal=float(np.mean([a == b for a, b in pairs])))


CHECKS = {
    "environment": environment,
    "ceilings": ceilings,
    "agree": agree,
    "placement": placement,
    "encoder-rates": encoder_rates,
    "decoder-rates": decoder_rates,
    "concurrent": concurrent,
    "memory": memory,
    "quality": quality,
}

if __name__ == "__main__":
    main()
