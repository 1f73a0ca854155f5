"""Gives a finished graph outputs for its attention, so that a bundle can be looked at."""

from __future__ import annotations

from typing import NamedTuple

import onnx
from onnx import TensorProto, helper


class Revealed(NamedTuple):
    """The outputs of one model's attention, by layer.

    For one row and one beam: `encoder` (1, heads, queries, keys); `decoder` and `cross`, by step,
    (1, steps, 1, heads, 1, keys), where the keys of `decoder` are those before the first step, if
    any, those of the steps, and zeros.
    """

    encoder: list[str]
    decoder: list[str]
    cross: list[str]


def reveal(model: onnx.ModelProto, room: int = 0) -> Revealed:
    """Adds the probabilities of every attention as outputs of the graph.

    `room` is what a cache may have before the first step, beyond the length of the input. What a
    step gives are scan outputs of the loops around it: the outer one runs once where there is one
    row.
    """
    found = Revealed([], [], [])
    for node in list(model.graph.node):
        if node.op_type == "Loop":
            _reveal_steps(model.graph, node, found, room)
            # What follows reads the answer once more, for alignments.
            break
        if node.op_type == "MultiHeadAttention":
            name = _probabilities(model.graph, node, f"encoder {len(found.encoder)}")
            model.graph.output.append(_value(name, 4))
            found.encoder.append(name)
    return found


def _reveal_steps(
    graph: onnx.GraphProto, outer: onnx.NodeProto, found: Revealed, room: int
) -> None:
    rows = _body(outer)
    (inner,) = (node for node in rows.node if node.op_type == "Loop")
    steps = _body(inner)
    for node in list(steps.node):
        if node.op_type != "MultiHeadAttention":
            continue
        grows = len(node.input) > 6 and bool(node.input[6])
        names = found.decoder if grows else found.cross
        name = _probabilities(steps, node, f"{'decoder' if grows else 'cross'} {len(names)}")
        if grows:
            name = _padded(steps, name, room)
        steps.output.append(_value(name, 4))
        inner.output.append(f"{name} by step")
        rows.output.append(_value(f"{name} by step", 5))
        outer.output.append(f"{name} by row")
        graph.output.append(_value(f"{name} by row", 6))
        names.append(f"{name} by row")


def _body(loop: onnx.NodeProto) -> onnx.GraphProto:
    return next(attribute.g for attribute in loop.attribute if attribute.name == "body")


def _probabilities(graph: onnx.GraphProto, node: onnx.NodeProto, name: str) -> str:
    """The Softmax of an attention's scores, which are its fourth output."""
    for i in range(len(node.output), 4):
        node.output.append(f"{name} output {i}")
    scores = node.output[3]
    # ONNX Runtime cannot infer its type.
    graph.value_info.append(_value(scores, 4))
    graph.node.append(helper.make_node("Softmax", [scores], [name], axis=-1))
    return name


def _padded(graph: onnx.GraphProto, name: str, room: int) -> str:
    """Zeros for the keys that are still to come: a scan's values have one shape."""
    nodes = [
        ("Constant", [], "axis", {"value_ints": [3]}),
        ("Shape", [name], "keys", {"start": 3}),
        ("ReduceMax", ["max_new_tokens"], "steps", {}),
        ("Shape", ["input_ids"], "source", {"start": 1}),
        ("Constant", [], "room", {"value_ints": [room]}),
        ("Add", [f"{name} steps", f"{name} source"], "both", {}),
        ("Add", [f"{name} both", f"{name} room"], "most", {}),
        ("Sub", [f"{name} most", f"{name} keys"], "more", {}),
        ("Constant", [], "none", {"value_ints": [0]}),
        ("Concat", [f"{name} none", f"{name} more"], "pads", {"axis": 0}),
        ("Pad", [name, f"{name} pads", "", f"{name} axis"], "padded", {}),
    ]
    for operator, inputs, output, attributes in nodes:
        graph.node.append(helper.make_node(operator, inputs, [f"{name} {output}"], **attributes))
    return f"{name} padded"


def _value(name: str, rank: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank)
