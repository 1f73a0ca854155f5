"""The heads of encoders: small, decisive, and so in float in every variant."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from streamformer_export.errors import ExportError
from streamformer_export.graph.builder import FLOAT, Graph
from streamformer_export.quantize import Linear, Scheme
from streamformer_export.weights import Weights


@dataclass(frozen=True)
class Classifier:
    """Names of a head that reads the first token, and the ONNX operator between its layers."""

    dense: str
    activation: str
    output: str


class PoolingMode(StrEnum):
    """How the tokens of a text become one vector, by sentence-transformers' names."""

    MEAN = "mean"
    CLS = "cls"


@dataclass(frozen=True)
class Pooling:
    """How hidden states become an embedding; with `normalize` its L2 norm is 1."""

    mode: PoolingMode
    normalize: bool


def classify(g: Graph, weights: Weights, names: Classifier, x: str, labels: int) -> None:
    """The first token (batch, 1, width) → logits (batch, labels)."""
    first = g.op("Squeeze", x, g.ints(1))
    hidden = g.op(names.activation, _linear(g, weights, names.dense, first))
    logits = _linear(g, weights, names.output, hidden, labels)
    g.output("logits", logits, FLOAT, ("batch", "labels"))


def classify_tokens(g: Graph, weights: Weights, x: str, labels: int) -> None:
    """(batch, sequence, width) → logits (batch, sequence, labels)."""
    logits = _linear(g, weights, "classifier", x, labels)
    g.output("logits", logits, FLOAT, ("batch", "sequence", "labels"))


def answer(g: Graph, weights: Weights, x: str) -> None:
    """(batch, sequence, width) → start_logits and end_logits (batch, sequence)."""
    both = _linear(g, weights, "qa_outputs", x, 2)
    for name, logits in zip(
        ("start_logits", "end_logits"),
        g.op("Split", both, outputs=2, axis=-1, num_outputs=2),
        strict=True,
    ):
        squeezed = g.op("Squeeze", logits, g.ints(2))
        g.output(name, squeezed, FLOAT, ("batch", "sequence"))


def embed(g: Graph, pooling: Pooling, x: str, mask: str) -> None:
    """(batch, sequence, width), or the first token alone for CLS → embeddings (batch, width).

    The division by at least 1e-9 and 1e-12 is sentence-transformers' and torch's.
    """
    if pooling.mode is PoolingMode.CLS:
        pooled = g.op("Squeeze", x, g.ints(1))
    else:
        # A running sum adds token after token, so that padding changes no bit: docs/graphs.md.
        shares = g.op("Cast", g.op("Unsqueeze", mask, g.ints(2)), to=FLOAT)
        sums = g.op("CumSum", g.op("Mul", x, shares), g.int(1))
        total = g.op("Gather", sums, g.int(-1), axis=1)
        count = g.op("ReduceSum", shares, g.ints(1), keepdims=0)
        pooled = g.op("Div", total, g.op("Max", count, g.float(1e-9)))
    if pooling.normalize:
        norm = g.op("ReduceL2", pooled, g.ints(1))
        pooled = g.op("Div", pooled, g.op("Max", norm, g.float(1e-12)))
    g.output("embeddings", pooled, FLOAT, ("batch", "width"))


def _linear(g: Graph, weights: Weights, name: str, x: str, labels: int | None = None) -> str:
    """A linear layer, whose outputs are as many as the labels where those are known."""
    linear = Linear(name, *weights.linear(name))
    outputs = linear.weight.shape[1]
    if labels not in (None, outputs):
        raise ExportError(
            f"A head has a logit for each label: {name} has {outputs} and config.json {labels} "
            "labels. Check that it belongs to the weights."
        )
    return Scheme().linear(g, linear, x)
