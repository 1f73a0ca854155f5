"""float16: a float32 graph becomes the same one in half precision, for CUDA.

Half precision begins where embeddings are looked up and ends where logits or a head begin: search,
softmax and scores stay in float32, and so do the inputs and outputs of the graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from streamformer_export.errors import ExportError
from streamformer_export.graph.builder import Graph
from streamformer_export.graph.model import OnnxModel, placeholder
from streamformer_export.quantize import Narrow, Scheme, Table

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16

LARGEST = float(np.finfo(np.float16).max)
# What hides a position in float16: its exponential is zero too, and a score added to it stays
# within the format.
HIDDEN = -3.0e4

# Sums of many values and what comes of exponentials: float32, also of inputs in float16.
WIDE = frozenset(
    ("CumSum", "Exp", "Log", "LogSoftmax", "Pow", "ReduceL2", "ReduceMean", "ReduceSum", "Softmax")
)
# Operators whose outputs are no floats, whatever their inputs.
NOT_FLOAT = frozenset(
    ("ArgMax", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "NonZero", "Shape")
)
# Place of an attention's inputs that may hold masks.
SCORE_BIAS = 5


class Half(Scheme):
    """float16: remembers where it begins and ends, for `converted`."""

    description = (
        "float16 weights and computation, for CUDA; logits, search, softmax and a classifier's "
        "head in float32; compared with fp32 on a CPU"
    )

    def __init__(self) -> None:
        self.begins: set[str] = set()
        self.ends: set[str] = set()

    def lookup(self, g: Graph, table: Table, ids: str) -> str:
        rows = super().lookup(g, table, ids)
        self.begins.add(rows)
        return rows

    def project(self, g: Graph, table: Table, x: str, bias: np.ndarray) -> str:
        logits = super().project(g, table, x, np.zeros_like(bias))
        self.ends.add(logits)
        if not bias.any():
            return logits
        return g.op("Add", logits, g.weight(f"{table.projection}.bias", bias))

    def narrow(self, g: Graph, table: Table, tokens: str) -> Narrow:
        narrow = super().narrow(g, table, tokens)
        self.begins.add(narrow.weight)
        return narrow

    def project_narrow(self, g: Graph, table: Table, x: str, narrow: Narrow) -> str:
        logits = super().project_narrow(g, table, x, narrow)
        self.ends.add(logits)
        return logits

    def head(self, x: str) -> str:
        self.ends.add(x)
        return x


def converted(model: OnnxModel, scheme: Half) -> OnnxModel:
    """The model that `scheme` built, in half precision; its inputs and outputs keep their types."""
    converter = _Converter(scheme, model.weights)
    graph = converter.convert(model.proto.graph).graph()
    result = onnx.ModelProto()
    result.CopyFrom(model.proto)
    result.graph.CopyFrom(graph)
    return OnnxModel(result, converter.weights)


def extremes(model: OnnxModel, scheme: Half) -> tuple[OnnxModel, dict[str, str]]:
    """The float32 model with the largest magnitude of each value that would be float16 as outputs.

    Returns it and, by output, where in the model the value arises.
    """
    scope = _Converter(scheme, model.weights).convert(model.proto.graph)
    made = {name: node for node in model.proto.graph.node for name in node.output if name}
    watched = onnx.ModelProto()
    watched.CopyFrom(model.proto)
    places = {}
    for name, node in made.items():
        if scope.types.get(name) != HALF and name not in scheme.ends:
            continue
        if node.op_type == "Loop":
            continue
        output = f"largest of {name}"
        watched.graph.node.extend(
            [
                helper.make_node("Abs", [name], [f"{name}.abs"]),
                helper.make_node("ReduceMax", [f"{name}.abs"], [output], keepdims=0),
            ]
        )
        watched.graph.output.append(helper.make_tensor_value_info(output, FLOAT, []))
        places[output] = _place(node, made, {t.name for t in watched.graph.initializer})
    return OnnxModel(watched, model.weights), places


def _place(node: onnx.NodeProto, made: Mapping[str, onnx.NodeProto], weights: set[str]) -> str:
    """An operator and the nearest tensor of the model before it."""
    operator = node.op_type
    while True:
        for name in node.input:
            if name in weights and not name.startswith("constant"):
                return f"{operator} behind {name}"
        before = next((made[name] for name in node.input if name in made), None)
        if before is None:
            return operator
        node = before


@dataclass
class _Scope:
    """One graph while it is converted; `types` has its values in float32 or float16."""

    source: onnx.GraphProto
    weights: _Weights
    outer: _Scope | None = None
    types: dict[str, int] = field(default_factory=dict)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    inputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    outputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    casts: dict[str, str] = field(default_factory=dict)

    def owner(self, name: str) -> _Scope | None:
        """The graph that has this float, this one or one around it."""
        scope: _Scope | None = self
        while scope and name not in scope.types and name not in scope.constants:
            scope = scope.outer
        return scope

    def type_of(self, name: str) -> int | None:
        """float32 or float16; None where the value is no float or may be either: a constant."""
        owner = self.owner(name)
        return owner.types.get(name) if owner else None

    def is_float(self, name: str) -> bool:
        return self.owner(name) is not None

    def as_type(self, name: str, wanted: int, *, hides: bool = False) -> str:
        """The name of a float in this type; the cast lies where the value does."""
        owner = self.owner(name)
        if owner is None or (owner.types.get(name, FLOAT) == wanted):
            return name
        if name in owner.constants:
            return f"{name}.half"
        kind = "half" if wanted == HALF else "float"
        result = f"{name}.{'hiding.' if hides else ''}{kind}"
        if result not in owner.casts:
            owner.casts[result] = name
            if hides:
                least = helper.make_node("Max", [name, "half.hidden"], [f"{result}.bounded"])
                owner.nodes.append(least)
                name = least.output[0]
            owner.nodes.append(helper.make_node("Cast", [name], [result], to=wanted))
            owner.types[result] = wanted
        return result

    def graph(self) -> onnx.GraphProto:
        result = onnx.GraphProto(name=self.source.name)
        result.node.extend(self.nodes)
        result.input.extend(self.inputs)
        result.output.extend(self.outputs)
        for value in self.source.value_info:
            result.value_info.append(_typed(value, self.types.get(value.name)))
        read = set(_read(self.nodes))
        for tensor in self.source.initializer:
            if tensor.name not in self.constants or tensor.name in read:
                result.initializer.append(tensor)
            if f"{tensor.name}.half" in read and tensor.name in self.constants:
                result.initializer.append(self.weights.halved(tensor))
        if "half.hidden" in read and self.outer is None:
            hidden = numpy_helper.from_array(np.array(HIDDEN, np.float32), "half.hidden")
            result.initializer.append(hidden)
        return result


class _Weights(dict[str, np.ndarray]):
    """The large tensors of a model, and those that were converted."""

    def halved(self, tensor: onnx.TensorProto) -> onnx.TensorProto:
        """The tensor in float16; refuses what float16 cannot hold."""
        name = f"{tensor.name}.half"
        if tensor.name not in self:
            return numpy_helper.from_array(
                _halved(tensor.name, numpy_helper.to_array(tensor)), name
            )
        if name not in self:
            self[name] = _halved(tensor.name, self[tensor.name])
        return placeholder(name, self[name])


class _Converter:
    def __init__(self, scheme: Half, weights: Mapping[str, np.ndarray]) -> None:
        self._scheme = scheme
        self.weights = _Weights(weights)

    def convert(
        self,
        graph: onnx.GraphProto,
        outer: _Scope | None = None,
        types: Iterable[int | None] = (),
        wanted: Iterable[int | None] = (),
    ) -> _Scope:
        """Converts a graph whose inputs and outputs have these types; None keeps the declared one,
        and an output that is no float."""
        scope = _Scope(graph, self.weights, outer)
        given = [*types] or [None] * len(graph.input)
        for value, type_ in zip(graph.input, given, strict=True):
            scope.inputs.append(_typed(value, type_))
            if value.type.tensor_type.elem_type == FLOAT:
                scope.types[value.name] = type_ or FLOAT
        for tensor in graph.initializer:
            if tensor.data_type == FLOAT:
                scope.constants[tensor.name] = tensor
        for node in graph.node:
            self._add(scope, node)
        asked = [*wanted] or [None] * len(graph.output)
        for value, type_ in zip(graph.output, asked, strict=True):
            declared = value.type.tensor_type.elem_type
            name = value.name
            if declared == FLOAT:
                type_ = type_ or (FLOAT if outer is None else scope.types[name])
                name = self._output(scope, name, type_, rename=outer is not None)
            result = _typed(value, type_ if declared == FLOAT else None)
            result.name = name
            scope.outputs.append(result)
        return scope

    def _output(self, scope: _Scope, name: str, type_: int, *, rename: bool) -> str:
        if scope.types[name] == type_:
            return name
        if rename:
            return scope.as_type(name, type_)
        # The outermost graph's outputs keep their names: the value before takes another.
        node = next(node for node in scope.nodes if name in node.output)
        node.output[list(node.output).index(name)] = f"{name}.half"
        scope.nodes.append(helper.make_node("Cast", [f"{name}.half"], [name], to=type_))
        scope.types[name] = type_
        return name

    def _add(self, scope: _Scope, node: onnx.NodeProto) -> None:
        if node.op_type == "Loop":
            self._add_loop(scope, node)
            return
        if node.op_type == "If":
            self._add_if(scope, node)
            return
        new = onnx.NodeProto()
        new.CopyFrom(node)
        half = self._is_half(scope, node)
        floats = False
        for i, name in enumerate(node.input):
            if not name or not scope.is_float(name):
                continue
            floats = True
            hides = node.op_type == "MultiHeadAttention" and i == SCORE_BIAS
            if node.op_type != "Cast" and node.op_type not in NOT_FLOAT:
                new.input[i] = scope.as_type(name, HALF if half else FLOAT, hides=half and hides)
        if half and node.op_type == "MultiHeadAttention":
            for attribute in new.attribute:
                if attribute.name == "mask_filter_value":
                    attribute.f = HIDDEN
        scope.nodes.append(new)
        outputs = list(node.output)[:1] if node.op_type == "TopK" else [o for o in node.output if o]
        if node.op_type == "Cast":
            to = next(a.i for a in node.attribute if a.name == "to")
            floats = to == FLOAT
        if not floats or node.op_type in NOT_FLOAT:
            return
        for name in outputs:
            scope.types[name] = HALF if half else FLOAT
            if half and name in self._scheme.ends:
                new.output[list(new.output).index(name)] = f"{name}.half"
                scope.nodes.append(helper.make_node("Cast", [f"{name}.half"], [name], to=FLOAT))
                scope.types[name] = FLOAT

    def _is_half(self, scope: _Scope, node: onnx.NodeProto) -> bool:
        if self._scheme.begins.intersection(node.output):
            return True
        # The square of a root mean square.
        square = node.op_type == "Mul" and node.input[0] == node.input[1]
        if square or node.op_type in WIDE or node.op_type == "Cast":
            return False
        return any(scope.type_of(name) == HALF for name in node.input if name)

    def _add_loop(self, scope: _Scope, node: onnx.NodeProto) -> None:
        """A state is float16 where its first value is, or what an iteration makes of it."""
        body = node.attribute[0].g
        states = [
            (scope.type_of(name) or FLOAT) if scope.is_float(name) else None
            for name in node.input[2:]
        ]
        while True:
            types = [None, None, *states]
            inner = self.convert(body, scope, types)
            found = [inner.types.get(value.name) for value in inner.outputs[1:]]
            grown = [
                HALF if state == FLOAT and now == HALF else state
                for state, now in zip(states, found, strict=True)
            ]
            if grown == states:
                break
            states = grown
        inner = self.convert(body, scope, types, [None, *states])
        new = onnx.NodeProto()
        new.CopyFrom(node)
        new.attribute[0].g.CopyFrom(inner.graph())
        for i, state in enumerate(states):
            if state:
                new.input[i + 2] = scope.as_type(node.input[i + 2], state)
                scope.types[node.output[i]] = state
        scope.nodes.append(new)

    def _add_if(self, scope: _Scope, node: onnx.NodeProto) -> None:
        new = onnx.NodeProto()
        new.CopyFrom(node)
        for attribute, target in zip(node.attribute, new.attribute, strict=True):
            floats = [
                FLOAT if value.type.tensor_type.elem_type == FLOAT else None
                for value in attribute.g.output
            ]
            inner = self.convert(attribute.g, scope, (), floats)
            target.g.CopyFrom(inner.graph())
            for name, type_ in zip(node.output, floats, strict=True):
                if type_:
                    scope.types[name] = type_
        scope.nodes.append(new)


def _halved(name: str, values: np.ndarray) -> np.ndarray:
    largest = max(float(values.max(initial=0)), -float(values.min(initial=0)))
    refuse_overflow(name, largest)
    return values.astype(np.float16)


def refuse_overflow(place: str, largest: float) -> None:
    """Refuses a model with a value that float16 does not hold."""
    if not largest <= LARGEST:
        raise ExportError(
            f"float16 holds values up to {LARGEST:g}: {place} reaches {largest:.6g}. "
            "Leave --variant fp16 out and run fp32 on the GPU, or export weights that were trained "
            "in float16."
        )


def _typed(value: onnx.ValueInfoProto, type_: int | None) -> onnx.ValueInfoProto:
    result = onnx.ValueInfoProto()
    result.CopyFrom(value)
    if type_ and value.type.tensor_type.elem_type == FLOAT:
        result.type.tensor_type.elem_type = type_
    return result


def _read(nodes: Iterable[onnx.NodeProto]) -> Iterable[str]:
    """Names that the nodes and their subgraphs read."""
    for node in nodes:
        yield from node.input
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _read(attribute.g.node)
                yield from (value.name for value in attribute.g.output)
