"""Where a variant's time goes: ONNX Runtime's own profile, summed up by operator."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamformer_export.bundle import Bundle, Runner
from streamformer_export.opponents import Rows, Search, answer

PRODUCTS = frozenset(
    {"DynamicQuantizeMatMul", "FusedMatMul", "MatMul", "MatMulIntegerToFloat", "MatMulNBits"}
)


@dataclass(frozen=True)
class Cost:
    """One operator in a run of all batches; matrix products are told apart by their widths."""

    operator: str
    calls: int
    milliseconds: float
    share: float


def profile(
    bundle: Bundle, variant: str, batches: list[Rows], search: Search | None, threads: int
) -> list[Cost]:
    """The costs of running all batches once, the largest first.

    The profile takes time itself: some microseconds a call, which the shares of cheap operators
    feel.
    """
    with tempfile.TemporaryDirectory() as scratch:
        runner = Runner(bundle, variant, threads, profile=Path(scratch) / "profile")
        for batch in [batches[-1], *batches]:  # the first run warms up
            answer(runner, batch, search)
        events = json.loads(Path(runner.session.end_profiling()).read_text(encoding="utf-8"))
    return costs(events)


def costs(events: list[dict[str, Any]]) -> list[Cost]:
    """The costs in a profile's events, without those of the first run.

    A `Loop` or `If` counts without what its body does.
    """
    first = next(event for event in events if event["name"] == "model_run")
    begin = first["ts"] + first["dur"]
    nodes = [
        event
        for event in events
        if event.get("cat") == "Node"
        and event["name"].endswith("_kernel_time")
        and event["ts"] >= begin
    ]
    spent: dict[str, list[float]] = defaultdict(list)
    for event, microseconds in _without_inner(nodes):
        spent[_label(event["args"])].append(microseconds)
    whole = sum(map(sum, spent.values())) or 1.0
    found = [
        Cost(label, len(each), sum(each) / 1000, sum(each) / whole) for label, each in spent.items()
    ]
    return sorted(found, key=lambda cost: -cost.milliseconds)


def _without_inner(nodes: list[dict[str, Any]]) -> Iterable[tuple[dict[str, Any], float]]:
    """Each event with its microseconds outside the events that lie within it."""
    own = [float(event["dur"]) for event in nodes]
    order = sorted(range(len(nodes)), key=lambda i: (nodes[i]["ts"], -nodes[i]["dur"]))
    around: list[int] = []
    for i in order:
        while around and _end(nodes[around[-1]]) < _end(nodes[i]):
            around.pop()
        if around:
            own[around[-1]] -= nodes[i]["dur"]
        if "Loop" in nodes[i]["args"]["op_name"] or nodes[i]["args"]["op_name"] == "If":
            around.append(i)
    return zip(nodes, own, strict=True)


def _end(event: dict[str, Any]) -> float:
    return event["ts"] + event["dur"]


def _label(args: dict[str, Any]) -> str:
    """The operator; for a product with the widths of its input and output too."""
    name = args["op_name"]
    if name not in PRODUCTS:
        return name
    # Where weights are packed, the profile does not tell their shape.
    widths = [_first_shape(args, side)[-1:] for side in ("input_type_shape", "output_type_shape")]
    return f"{name} {' to '.join(str(width[0]) for width in widths if width)}"


def _first_shape(args: dict[str, Any], side: str) -> list[int]:
    return next((shape for value in args.get(side, ()) for shape in value.values()), [])
