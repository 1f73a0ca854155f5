"""A small writer of ONNX graphs: operators are function calls, values are their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from streamformer_export.graph.model import SMALL_BYTES, OnnxModel, placeholder

# Read by ONNX Runtime 1.28, the version the operator runs.
OPSET = 21
IR_VERSION = 10

CONTRIB_DOMAIN = "com.microsoft"
CONTRIB_OPERATORS = frozenset(
    {
        "BiasGelu",
        "DynamicQuantizeMatMul",
        "FastGelu",
        "FusedMatMul",
        "MatMulIntegerToFloat",
        "MultiHeadAttention",
        "SkipLayerNormalization",
        "SkipSimplifiedLayerNormalization",
    }
)

FLOAT = TensorProto.FLOAT
DOUBLE = TensorProto.DOUBLE
INT64 = TensorProto.INT64
INT32 = TensorProto.INT32
UINT32 = TensorProto.UINT32
BOOL = TensorProto.BOOL


@dataclass(frozen=True)
class Value:
    """A declared input or output: ONNX element type and axes (a name, a size, or None)."""

    name: str
    type: int
    shape: tuple[str | int | None, ...]

    def proto(self) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(self.name, self.type, list(self.shape))


class Graph:
    """One graph; `subgraph` opens the body of a Loop inside it.

    A matrix lies in the graph that multiplies with it: ONNX Runtime packs the weights of a graph
    and of its direct child, but not those that a body two levels deep takes from the outermost
    graph (measured: docs/graphs.md). Constants lie in the outermost graph and are shared.
    """

    def __init__(self, name: str, parent: Graph | None = None) -> None:
        self.name = name
        self.parent = parent
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []
        self._typed: list[Value] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        if parent is None:
            self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
            self._weights: dict[str, np.ndarray] = {}
            self._count = 0

    @property
    def root(self) -> Graph:
        """The outermost graph."""
        return self.parent.root if self.parent else self

    def input(self, name: str, type: int, shape: Sequence[str | int | None]) -> str:
        self.inputs.append(Value(name, type, tuple(shape)))
        return name

    def output(self, name: str, value: str, type: int, shape: Sequence[str | int | None]) -> None:
        """Declares `value` as the output called `name`."""
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(Value(name, type, tuple(shape)))

    def weight(self, name: str, array: np.ndarray) -> str:
        """A tensor of the model, stored once in this graph; a large one is read when it is
        written."""
        if self.parent is not None:
            name = f"{self.name}/{name}"
        if name in self._initializers:
            return name
        if array.nbytes < SMALL_BYTES:
            # Not ascontiguousarray: it would give a 0-d array an axis.
            self._initializers[name] = numpy_helper.from_array(np.array(array, order="C"), name)
        elif name in self.root._weights:
            raise AssertionError(f"two graphs have a tensor {name}: this is a bug")
        else:
            self._initializers[name] = placeholder(name, array)
            self.root._weights[name] = array
        return name

    def shared(self, name: str, array: np.ndarray) -> str:
        """A tensor of the model that is only looked up in: stored once, in the outermost graph."""
        return self.root.weight(name, array)

    def constant(self, value: object, dtype: type) -> str:
        """A small constant; equal ones are stored once. `value` keeps its rank, 0 included."""
        array = np.asarray(value, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        name = self.root._constants.get(key)
        if name is None:
            name = self._fresh("constant")
            self.root._constants[key] = name
            self.root._initializers[name] = numpy_helper.from_array(array, name)
        return name

    def ints(self, *values: int) -> str:
        """A 1-D int64 constant: a shape, axes, or bounds."""
        return self.constant(values, np.int64)

    def int(self, value: int) -> str:
        """A 0-d int64 constant."""
        return self.constant(value, np.int64)

    def float(self, value: float) -> str:
        """A 0-d float32 constant."""
        return self.constant(value, np.float32)

    def op(
        self,
        operator: str,
        *inputs: str,
        outputs: int = 1,
        without: Sequence[int] = (),
        **attributes: object,
    ):
        """Adds a node; returns its output's name, or a tuple of names when `outputs` > 1.

        An empty input name leaves an optional input out; `without` are outputs to leave out.
        """
        names = ["" if i in without else self._fresh(operator) for i in range(outputs)]
        domain = CONTRIB_DOMAIN if operator in CONTRIB_OPERATORS else ""
        self.nodes.append(helper.make_node(operator, inputs, names, domain=domain, **attributes))
        return names[0] if outputs == 1 else tuple(name for name in names if name)

    def typed(self, value: str, type: int, rank: int) -> str:
        """Tells the type of a value that ONNX Runtime cannot infer."""
        self._typed.append(Value(value, type, (None,) * rank))
        return value

    def subgraph(self, name: str) -> Graph:
        return Graph(name, self)

    def loop(
        self,
        states: Sequence[tuple[str, int, int]],
        body: Callable[[Graph, list[str]], tuple[str, list[str]]],
        *,
        name: str,
        condition: str = "",
        limit: str = "",
    ) -> list[str]:
        """A Loop over `states`: (initial value, element type, rank); their sizes may change.

        `body(graph, states)` adds one iteration and returns (go on?, new states). Returns the
        states after the last iteration.
        """
        inner = self.subgraph(name)
        inner.input(self._fresh("iteration"), INT64, ())
        inner.input(self._fresh("go_on"), BOOL, ())
        names = []
        for _, type_, rank in states:
            names.append(inner.input(self._fresh("state"), type_, (None,) * rank))
        go_on, results = body(inner, names)
        if len(results) != len(states):
            raise AssertionError(f"{name}: {len(results)} results for {len(states)} states")
        inner.output(self._fresh("go_on"), go_on, BOOL, ())
        for result, (_, type_, rank) in zip(results, states, strict=True):
            inner.output(self._fresh("state"), result, type_, (None,) * rank)
        outputs = [self._fresh("final") for _ in states]
        self.nodes.append(
            helper.make_node(
                "Loop",
                [limit, condition, *(value for value, _, _ in states)],
                outputs,
                name=name,
                body=inner._proto(),
            )
        )
        return outputs

    def branch(
        self,
        condition: str,
        then: Callable[[Graph], Sequence[str]],
        otherwise: Sequence[str],
        types: Sequence[tuple[int, int]],
        *,
        name: str,
    ) -> list[str]:
        """An If: what `then` adds and returns, or the values `otherwise`; `types` are (element
        type, rank)."""
        bodies = []
        for side, results in (("then", then), ("else", lambda _: otherwise)):
            inner = self.subgraph(f"{name}.{side}")
            for result, (type_, rank) in zip(results(inner), types, strict=True):
                inner.output(self._fresh("result"), result, type_, (None,) * rank)
            bodies.append(inner._proto())
        outputs = [self._fresh("chosen") for _ in types]
        self.nodes.append(
            helper.make_node(
                "If",
                [condition],
                outputs,
                name=name,
                then_branch=bodies[0],
                else_branch=bodies[1],
            )
        )
        return outputs

    @contextmanager
    def only(self) -> Iterator[list[str]]:
        """Adds of the nodes inside only those that the values need that the list is given, and
        their weights."""
        first, weights = len(self.nodes), set(self._initializers)
        wanted: list[str] = []
        yield wanted
        needed, kept = set(wanted), []
        for node in reversed(self.nodes[first:]):
            if needed.intersection(node.output):
                needed.update(_read_by(node))
                kept.append(node)
        self.nodes[first:] = reversed(kept)
        left = {name for node in self.nodes for name in node.output}
        self._typed = [value for value in self._typed if value.name in left]
        constants = set(self.root._constants.values())
        for name in self._initializers.keys() - weights - needed - constants:
            del self._initializers[name]
            self.root._weights.pop(name, None)

    def model(self, producer_version: str) -> OnnxModel:
        """The finished model; the same calls give the same."""
        proto = helper.make_model(
            self._proto(),
            producer_name="streamformer-export",
            producer_version=producer_version,
            ir_version=IR_VERSION,
            opset_imports=[
                helper.make_opsetid("", OPSET),
                helper.make_opsetid(CONTRIB_DOMAIN, 1),
            ],
        )
        return OnnxModel(proto, self.root._weights)

    def _proto(self) -> onnx.GraphProto:
        return helper.make_graph(
            self.nodes,
            self.name,
            [value.proto() for value in self.inputs],
            [value.proto() for value in self.outputs],
            initializer=list(self._initializers.values()),
            value_info=[value.proto() for value in self._typed],
        )

    def _fresh(self, hint: str) -> str:
        self.root._count += 1
        return f"{hint}_{self.root._count}"


def _read_by(node: onnx.NodeProto) -> Iterator[str]:
    """Names that a node reads, those that the nodes of its subgraphs take from outside included."""
    yield from node.input
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from _read_by(inner)
