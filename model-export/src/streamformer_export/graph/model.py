"""A finished model: its operators as a protobuf, its weights as arrays until they are written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from tqdm import tqdm

# A protobuf has at most 2 GiB: what is beyond this many bytes of weights lies in a file of its own.
INLINE_BYTES = 2_000_000_000
# Tensors below it stay in the graph, since shapes are inferred from them.
SMALL_BYTES = 1024
# Where a tensor begins in the data file, for processors that load aligned vectors.
ALIGNMENT = 64
# What is copied at once where an array lies otherwise than it is written.
BLOCK_BYTES = 1 << 26


def data_file(graph: Path) -> Path:
    """The file of weights beside a graph that is beyond INLINE_BYTES."""
    return graph.with_name(f"{graph.name}.data")


class OnnxModel:
    """A model whose large initializers have no content in `proto`: `weights` has it by name.

    The arrays may be views of files on the disk. Each is read when the model is written, and let go
    then: a model is written once.
    """

    def __init__(self, proto: onnx.ModelProto, weights: Mapping[str, np.ndarray]) -> None:
        names = {tensor.name for tensor in initializers(proto.graph)}
        self.proto = proto
        self.weights = {name: array for name, array in weights.items() if name in names}

    @staticmethod
    def read(path: Path) -> OnnxModel:
        """A model that `write` wrote, with its weights as views of the files."""
        proto = onnx.load(path, load_external_data=False)
        weights = {}
        for tensor in initializers(proto.graph):
            if tensor.data_location != TensorProto.EXTERNAL:
                continue
            where = {entry.key: entry.value for entry in tensor.external_data}
            dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
            weights[tensor.name] = np.memmap(
                path.with_name(where["location"]),
                dtype,
                "r",
                int(where["offset"]),
                tuple(tensor.dims),
            )
        return OnnxModel(proto, weights)

    def write(self, path: Path) -> None:
        """Writes the graph and checks it; weights of more than INLINE_BYTES lie beside it.

        The same calls give the same bytes.
        """
        self._write(path, INLINE_BYTES)
        onnx.checker.check_model(path)

    def _write(self, path: Path, inline_bytes: int) -> None:
        total = sum(array.nbytes for array in self.weights.values())
        tensors = [t for t in initializers(self.proto.graph) if t.name in self.weights]
        with tqdm(
            total=total, desc=path.name, unit="B", unit_scale=True, delay=1, leave=False
        ) as bar:
            if total <= inline_bytes:
                self._put_inside(tensors, bar.update)
            else:
                self._put_beside(tensors, data_file(path), bar.update)
        path.write_bytes(self.proto.SerializeToString(deterministic=True))

    def session(
        self, options: onnxruntime.SessionOptions | None = None
    ) -> onnxruntime.InferenceSession:
        """The model in ONNX Runtime on the CPU, its weights mapped from a temporary file."""
        if options is None:
            options = onnxruntime.SessionOptions()
        # ONNX Runtime warns of every initializer that a fusion made superfluous.
        options.log_severity_level = 3
        with tempfile.TemporaryDirectory(
            prefix="streamformer-export-", ignore_cleanup_errors=True
        ) as folder:
            path = Path(folder) / "model.onnx"
            self._write(path, inline_bytes=0)
            return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def _put_inside(self, tensors: list[TensorProto], written: Callable[[int], object]) -> None:
        for tensor in tensors:
            array = self.weights.pop(tensor.name)
            tensor.ClearField("data_location")
            tensor.ClearField("external_data")
            tensor.raw_data = array.tobytes()
            written(array.nbytes)

    def _put_beside(
        self, tensors: list[TensorProto], path: Path, written: Callable[[int], object]
    ) -> None:
        with path.open("wb") as file:
            for tensor in tensors:
                array = self.weights.pop(tensor.name)
                file.write(bytes(-file.tell() % ALIGNMENT))
                where = {"location": path.name, "offset": file.tell(), "length": array.nbytes}
                del tensor.external_data[:]
                for key, value in where.items():
                    tensor.external_data.add(key=key, value=str(value))
                for block in _blocks(array):
                    # As bytes, without a copy where the array's order is the file's.
                    file.write(np.ascontiguousarray(block).reshape(-1).view(np.uint8))
                    written(block.nbytes)


def placeholder(name: str, array: np.ndarray) -> TensorProto:
    """The tensor of an array, without its content."""
    return TensorProto(
        name=name,
        dims=array.shape,
        data_type=helper.np_dtype_to_tensor_dtype(array.dtype),
        data_location=TensorProto.EXTERNAL,
    )


def initializers(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    """The tensors of a graph and of its subgraphs."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from initializers(attribute.g)


def _blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    """The rows of an array, as many at once as BLOCK_BYTES hold."""
    rows = max(1, BLOCK_BYTES // max(1, array[:1].nbytes))
    for first in range(0, len(array), rows):
        yield array[first : first + rows]
