"""Texts and tokens per second of the bare session, and the memory that runs take."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from kit import SDPA_KERNELS, Kit, emit, median_time
from streamformer_export.bundle import Runner

# The graph of MiniLM: layers, width, inner width.
MINILM = (6, 384, 1536)


def encoder_rates(kit: Kit) -> None:
    bundle = kit.bundle("sentiment-en")
    ids = [i for text in kit.sst2()[0] for i in bundle.encode(text).ids[1:-1]]
    layers, width, inner = MINILM
    sizes = (8,) if kit.short else (32, 64, 128, 256, 512, 1024, 2048)
    settings = [(v, t, SDPA_KERNELS) for v in ("fp16", "fp32") for t in (128, 32)]
    for variant, tokens, sdpa in [*settings, ("fp16", 128, "0")]:
        runner = kit.runner(bundle, variant, sdpa=sdpa)
        for rows in sizes:
            if rows * tokens > 1024 * 128:
                continue
            batch = [
                [101, *(ids[(7 * r + j) % len(ids)] for j in range(tokens - 2)), 102]
                for r in range(rows)
            ]
            feed = {"input_ids": np.array(batch, np.int64)}
            feed["attention_mask"] = np.ones_like(feed["input_ids"])
            feed["token_type_ids"] = np.zeros_like(feed["input_ids"])
            seconds = median_time(lambda r=runner, f=feed: r.session.run(None, f), 0.5)
            work = 2 * layers * (4 * width * width + 2 * width * inner + 2 * tokens * width)
            emit(
                "encoder-rate",
                variant=variant,
                sdpa_kernel=sdpa,
                tokens=tokens,
                rows=rows,
                run_ms=seconds * 1000,
                texts_per_second=rows / seconds,
                tokens_per_second=rows * tokens / seconds,
                tflops=work * rows * tokens / seconds / 1e12,
            )


def decoder_rates(kit: Kit) -> None:
    """Sorted batches of captions, each once to warm up; what that took is told too."""
    bundle = kit.bundle("translation-en-fr")
    rows = sorted((bundle.ids(text) for text in kit.captions()), key=len)
    sizes = (16,) if kit.short else (512, 128, 32)
    settings = [(variant, beams, SDPA_KERNELS) for variant in ("fp16", "fp32") for beams in (1, 4)]
    # cuDNN's attention, which ONNX Runtime prefers by itself on this device.
    settings.append(("fp16", 1, "0"))
    for variant, beams, sdpa in settings:
        runner = kit.runner(bundle, variant, sdpa=sdpa)
        for size in sizes if sdpa == SDPA_KERNELS else sizes[:1]:
            batches = [rows[i : i + size] for i in range(0, len(rows) - size + 1, size)]
            begin = time.perf_counter()
            for batch in batches:
                runner.run(batch, num_beams=beams)
            cold = time.perf_counter() - begin
            begin = time.perf_counter()
            texts = tokens = steps = runs = 0
            for batch in itertools.islice(itertools.cycle(batches), 400):
                sequences = runner.run(batch, num_beams=beams)[0]
                texts, runs, steps = texts + len(batch), runs + 1, steps + sequences.shape[2]
                tokens += sum(
                    len(runner.trim(sequence[0], len(row)))
                    for sequence, row in zip(sequences, batch, strict=True)
                )
                if time.perf_counter() - begin > 1.5 and runs >= min(len(batches), 4):
                    break
            seconds = time.perf_counter() - begin
            emit(
                "decoder-rate",
                variant=variant,
                beams=beams,
                sdpa_kernel=sdpa,
                rows=size,
                texts_per_second=texts / seconds,
                output_tokens_per_second=tokens / seconds,
                steps_per_batch=steps / runs,
                ms_per_step=1000 * seconds / steps,
                first_ms_per_batch=1000 * cold / len(batches),
                ms_per_batch=1000 * seconds / runs,
            )


def concurrent(kit: Kit) -> None:
    """Several sessions of the translator at a time, each with a thread and a stream of its own."""
    bundle = kit.bundle("translation-en-fr")
    rows = sorted((bundle.ids(text) for text in kit.captions()), key=len)
    for size, sessions in itertools.product((16,) if kit.short else (64, 256), (1, 2, 4)):
        runners = [kit.runner(bundle, "fp16") for _ in range(sessions)]
        batches = [rows[i : i + size] for i in range(0, len(rows) - size + 1, size)]
        for runner in runners:
            for batch in batches:
                runner.run(batch, num_beams=1)
        ends = time.perf_counter() + 2

        def work(runner: Runner, batches: Any = batches, ends: float = ends) -> int:
            texts = 0
            for batch in itertools.cycle(batches):
                runner.run(batch, num_beams=1)
                texts += len(batch)
                if time.perf_counter() > ends:
                    return texts

        begin = time.perf_counter()
        with ThreadPoolExecutor(sessions) as pool:
            texts = sum(pool.map(work, runners))
        rate = texts / (time.perf_counter() - begin)
        emit(
            "concurrent",
            variant="fp16",
            beams=1,
            rows=size,
            sessions=sessions,
            texts_per_second=rate,
        )


def memory(kit: Kit) -> None:
    """The device's memory over runs of changing shapes, from one thread and from changing ones."""
    bundle = kit.bundle("sentiment-en")
    runner = kit.runner(bundle, "fp16")
    random = np.random.default_rng(1)
    runs = 20 if kit.short else 500

    def shapes() -> Iterator[tuple[int, int]]:
        while True:
            yield int(random.integers(1, 257)), int(random.integers(4, 129))

    def run(shape: tuple[int, int]) -> None:
        rows, tokens = shape if not kit.short else (2, 8)
        ids = random.integers(1000, 30000, (rows, tokens))
        mask = np.ones_like(ids)
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        runner.session.run(None, feed)

    begin = used_bytes(kit)
    run((256, 128))
    first = used_bytes(kit)
    readings = {}
    for i, shape in enumerate(itertools.islice(shapes(), runs), 1):
        run(shape)
        if i in (50, 100, 200, 300, 400, runs):
            readings[i] = used_bytes(kit) - begin
    emit("memory", threads=1, runs=runs, after_first=first - begin, after_runs=readings)
    before = used_bytes(kit)
    for shape in itertools.islice(shapes(), runs // 5):
        thread = threading.Thread(target=run, args=(shape,))
        thread.start()
        thread.join()
    grown = used_bytes(kit) - before
    emit("memory", threads="a new one for each run", runs=runs // 5, grown=grown)
    translator = kit.bundle("translation-en-fr")
    runner = kit.runner(translator, "fp16")
    rows = [translator.ids(text) for text in kit.captions()]
    before, readings = used_bytes(kit), {}
    for i in range(1, runs // 5 + 1):
        at = int(random.integers(0, max(1, len(rows) - 256)))
        size = int(random.integers(1, 257)) if not kit.short else 2
        runner.run(rows[at : at + size], num_beams=4)
        if i % max(1, runs // 20) == 0:
            readings[i] = used_bytes(kit) - before
    emit("memory", bundle="translation-en-fr", threads=1, beams=4, after_runs=readings)


def used_bytes(kit: Kit) -> int:
    if kit.device == "cpu":
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    import torch

    free, total = torch.cuda.mem_get_info()
    return total - free
