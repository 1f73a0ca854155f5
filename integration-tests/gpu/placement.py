"""Where each node of a graph runs, what is copied, and what the GPU does in one run."""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from kit import Kit, emit, run_batch
from streamformer_export.bundle import Bundle, Runner


def placement(kit: Kit) -> None:
    """Where each node runs, and the copies between host and device, inside loops and outside."""
    rows = 64 if not kit.short else 8
    chosen = [("sentiment-en", "fp16", None), ("translation-en-fr", "fp16", 1)]
    chosen += [("translation-en-fr", "fp16", 4), ("translation-en-fr", "fp32", 1)]
    for tiny in ("tiny-summary", "tiny-generation", "tiny-many", "tiny-options", "tiny-student"):
        chosen.append((tiny, "fp32", 4))
    for name, variant, beams in chosen:
        try:
            placement_one(kit, kit.bundle(name), variant, beams, rows)
        except Exception as error:
            emit("placement", bundle=name, variant=variant, beams=beams, error=repr(error)[:900])


def placement_one(kit: Kit, bundle: Bundle, variant: str, beams: int | None, rows: int) -> None:
    readings = some_readings(kit, bundle, rows)
    with tempfile.TemporaryDirectory() as scratch:
        runner = kit.runner(bundle, variant, profile=Path(scratch) / "profile")
        for _ in range(3):
            result = run_batch(runner, readings, beams)
        events = json.loads(Path(runner.session.end_profiling()).read_text(encoding="utf-8"))
    steps = result[0].shape[2] if bundle.generates else 1
    runs = [e for e in events if e["name"] == "model_run"]
    last = runs[-1]
    nodes = [
        e
        for e in events
        if e.get("cat") == "Node" and e["name"].endswith("_kernel_time") and e["ts"] >= last["ts"]
    ]
    own, depth = nested(nodes)
    count: dict[str, Counter[str]] = defaultdict(Counter)
    spent: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for i, event in enumerate(nodes):
        args = event["args"]
        where = "in_loops" if depth[i] else "outside"
        kind, provider = args["op_name"], args.get("provider", "?").replace("ExecutionProvider", "")
        count[f"{provider}_{where}"][kind] += 1
        spent[f"{provider} {kind} {where}"] += own[i]
        calls[f"{provider} {kind} {where}"] += 1
    same = {"bundle": bundle.folder.name, "variant": variant, "beams": beams, "rows": len(readings)}
    emit(
        "placement",
        **same,
        steps=steps,
        run_ms=last["dur"] / 1000,
        nodes_in_loops_per_step=sum(1 for d in depth if d) / steps,
        **{key: sum(values.values()) for key, values in sorted(count.items())},
        copies={
            key: {k: v for k, v in values.items() if k.startswith("Memcpy")}
            for key, values in count.items()
            if any(k.startswith("Memcpy") for k in values)
        },
        cpu_kinds={
            key: dict(values.most_common()) for key, values in count.items() if key[:3] == "CPU"
        }
        if kit.device == "cuda"
        else None,
    )
    emit(
        "node-times",
        **same,
        steps=steps,
        top={k: [round(v / 1000, 3), calls[k]] for k, v in spent.most_common(20)},
    )
    if kit.device == "cuda":
        # A fresh session: the profile above costs time itself.
        kernels(kit.runner(bundle, variant), readings, beams, same)


def kernels(runner: Runner, readings: list[Any], beams: int | None, same: dict[str, Any]) -> None:
    """What the GPU itself did in one run, by CUPTI through torch's profiler."""
    import torch

    torch.zeros(1, device="cuda")
    for _ in range(3):
        begin = time.perf_counter()
        result = run_batch(runner, readings, beams)
        alone = time.perf_counter() - begin
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profiler:
        begin = time.perf_counter()
        run_batch(runner, readings, beams)
        traced = time.perf_counter() - begin
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "trace.json"
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    kinds: dict[str, list[float]] = defaultdict(list)
    busy: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for event in events:
        kind = event.get("cat")
        if kind == "kernel":
            kinds[kind].append(event["dur"])
            short = event["name"].split("(")[0].split("<")[0][-60:]
            busy[short] += event["dur"]
            calls[short] += 1
        elif kind in ("gpu_memcpy", "gpu_memset"):
            kinds[event["name"].split(" (")[0]].append(event["dur"])
        elif kind == "cuda_runtime" and "Synchronize" in event["name"]:
            kinds[event["name"]].append(event["dur"])
    steps = result[0].shape[2] if runner.bundle.generates else 1
    emit(
        "kernels",
        **same,
        steps=steps,
        run_ms=alone * 1000,
        traced_ms=traced * 1000,
        counts={k: len(v) for k, v in kinds.items()},
        per_step={k: round(len(v) / steps, 2) for k, v in kinds.items()},
        busy_ms={k: round(sum(v) / 1000, 3) for k, v in kinds.items()},
        gpu_busy_share_of_run=sum(kinds.get("kernel", [])) / 1e6 / alone,
        top={k: [round(v / 1000, 3), calls[k]] for k, v in busy.most_common(15)},
    )


def nested(nodes: list[dict[str, Any]]) -> tuple[list[float], list[int]]:
    """For each event its microseconds outside the events within it, and how many are around it."""
    own, depth = [float(e["dur"]) for e in nodes], [0] * len(nodes)
    around: list[int] = []
    for i in sorted(range(len(nodes)), key=lambda i: (nodes[i]["ts"], -nodes[i]["dur"])):
        while around and end_of(nodes[around[-1]]) < end_of(nodes[i]):
            around.pop()
        depth[i] = len(around)
        if around:
            own[around[-1]] -= nodes[i]["dur"]
        if nodes[i]["args"]["op_name"] in ("Loop", "If", "Scan"):
            around.append(i)
    return own, depth


def end_of(event: dict[str, Any]) -> float:
    return event["ts"] + event["dur"]


def some_readings(kit: Kit, bundle: Bundle, rows: int) -> list[Any]:
    texts = kit.captions() if bundle.folder.name == "translation-en-fr" else kit.sst2()[0]
    return [bundle.encode(text) for text in texts[:rows]]
