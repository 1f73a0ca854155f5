"""Writes tiny Marian students in Marian's own format, and computes what they mean in numpy."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

VOCABULARY = ("</s>", "<unk>", "\u2581", *"abcdefghijklmnopqrstuvwxyz.,", "\u2581the", "\u2581dog")
FLOAT32, INT8, TEXT = 0x0404, 0x4101, 0x0101

CONFIG = """\
dec-cell: ssru
dec-cell-base-depth: 2
dec-cell-high-depth: 1
dec-depth: {decoder_layers}
dim-emb: {width}
dim-rnn: 1024
dim-vocabs:
  - {vocabulary}
  - {vocabulary}
enc-depth: {encoder_layers}
enc-type: bidirectional
input-types: []
output-omit-bias: false
tied-embeddings-all: true
transformer-decoder-autoreg: rnn
transformer-dim-ffn: {ffn}
transformer-ffn-activation: relu
transformer-ffn-depth: 2
transformer-heads: {heads}
transformer-postprocess: dan
transformer-postprocess-emb: d
transformer-postprocess-top: ""
transformer-preprocess: ""
transformer-train-position-embeddings: false
type: transformer
version: v1.9.56 94aeaa46 2021-04-28 00:28:35 +0100
"""


@dataclass(frozen=True)
class Shape:
    width: int = 24
    heads: int = 3
    ffn: int = 40
    encoder_layers: int = 2
    decoder_layers: int = 2
    vocabulary: int = len(VOCABULARY)


class TinyStudent:
    """Random weights; `tensors` by Marian's names, matrices (in, out).

    `pieces` (vocabulary) are what the tokens stand for.
    """

    def __init__(self, shape: Shape, seed: int, pieces: tuple[str, ...] = VOCABULARY) -> None:
        self.shape = shape
        self.pieces = pieces
        self.random = np.random.Generator(np.random.PCG64(seed))
        self.tensors: dict[str, np.ndarray] = {}
        width, ffn = shape.width, shape.ffn
        self.matrix("Wemb", shape.vocabulary, width, gain=1.5)
        self.vector("decoder_ff_logit_out_b", shape.vocabulary)
        # The end token has to win now and then.
        self.tensors["decoder_ff_logit_out_b"][0, 0] += 1
        for side, layers in (("encoder", shape.encoder_layers), ("decoder", shape.decoder_layers)):
            for i in range(1, layers + 1):
                name = f"{side}_l{i}"
                attention = "self" if side == "encoder" else "context"
                for part in "qkvo":
                    self.matrix(f"{name}_{attention}_W{part}", width, width, gain=2.0)
                    self.vector(f"{name}_{attention}_b{part}", width)
                self.norm(f"{name}_{attention}_Wo")
                if side == "decoder":
                    self.matrix(f"{name}_rnn_W", width, width, gain=2.0)
                    self.matrix(f"{name}_rnn_Wf", width, width, gain=2.0)
                    self.vector(f"{name}_rnn_bf", width)
                    self.norm(f"{name}_rnn_ffn")
                self.matrix(f"{name}_ffn_W1", width, ffn)
                self.vector(f"{name}_ffn_b1", ffn)
                self.matrix(f"{name}_ffn_W2", ffn, width)
                self.vector(f"{name}_ffn_b2", width)
                self.norm(f"{name}_ffn_ffn")

    def matrix(self, name: str, inputs: int, outputs: int, gain: float = 1.0) -> None:
        values = gain * self.random.standard_normal((inputs, outputs)) * outputs**-0.5
        # On the grid of 8 bits, so that both ways of storing it mean the same.
        step = np.float32(np.abs(values).max() / 127)
        self.tensors[name] = np.rint(values / step).astype(np.float32) * step

    def vector(self, name: str, size: int) -> None:
        self.tensors[name] = (0.1 * self.random.standard_normal((1, size))).astype(np.float32)

    def norm(self, name: str) -> None:
        self.vector(f"{name}_ln_bias", self.shape.width)
        self.vector(f"{name}_ln_scale", self.shape.width)
        self.tensors[f"{name}_ln_scale"] += 1

    def write(self, folder: Path, *, int8: bool = True, shortlist: bool = True) -> Path:
        """The student's folder: `model.bin`, `vocab.spm` and `lex.bin`."""
        folder.mkdir(parents=True, exist_ok=True)
        items = []
        for name, array in self.tensors.items():
            if int8 and len(array) > 1:
                items.append(self._quantized(name, array))
                items.append((f"{name}_QuantMultA", FLOAT32, (1, 1), struct.pack("<f", 20.0)))
            else:
                items.append((name, FLOAT32, array.shape, array.astype("<f4").tobytes()))
        if int8:
            items.append(("none_QuantMultA", FLOAT32, (1, 1), struct.pack("<f", 20.0)))
        config = CONFIG.format(**vars(self.shape)).encode() + b"\0"
        items.append(("special:model.yml", TEXT, (len(config),), config))
        (folder / "model.bin").write_bytes(_binary(items))
        (folder / "vocab.spm").write_bytes(sentencepiece_file(self.pieces))
        if shortlist:
            (folder / "lex.bin").write_bytes(self._shortlist())
        return folder

    @staticmethod
    def _quantized(name: str, array: np.ndarray) -> tuple[str, int, tuple[int, ...], bytes]:
        multiplier = 127 / np.abs(array).max()
        values = np.rint(array * multiplier).astype(np.int8)
        data = values if name == "Wemb" else values.T
        # Marian pads tensors to 256 bytes behind the multiplier.
        more = struct.pack("<f", multiplier) + bytes(252)
        return name, INT8, array.shape, data.tobytes() + more

    def _shortlist(self) -> bytes:
        first, size = 4, self.shape.vocabulary
        lists = [
            np.sort(self.random.choice(size, self.random.integers(0, 6), replace=False))
            for _ in range(size)
        ]
        offsets = np.cumsum([0, *map(len, lists)])
        header = [0xF11A48D5013417F5, 0, first, 6, size + 1, offsets[-1]]
        return (
            np.array(header, "<u8").tobytes()
            + offsets.astype("<u8").tobytes()
            + np.concatenate(lists).astype("<u4").tobytes()
        )

    def logits(self, source: list[int], answer: list[int]) -> np.ndarray:
        """Logits (len(answer) + 1, vocabulary) in float64, after each prefix of the answer."""
        memory = self._embed(source)
        for i in range(1, self.shape.encoder_layers + 1):
            memory = self._attend(f"encoder_l{i}_self", memory, memory)
            memory = self._feed_forward(f"encoder_l{i}_ffn", memory)
        x = self._embed([0, *answer])
        x[0] = self._positions(1)[0]
        for i in range(1, self.shape.decoder_layers + 1):
            name = f"decoder_l{i}"
            x = self._recur(f"{name}_rnn", x)
            x = self._attend(f"{name}_context", x, memory)
            x = self._feed_forward(f"{name}_ffn", x)
        return x @ self.tensors["Wemb"].T.astype(np.float64) + self._get("decoder_ff_logit_out_b")

    def greedy(self, source: list[int], limit: int, candidates: list[int]) -> list[int]:
        """The best candidate after each other, until the end token; never the unknown one."""
        allowed = [token for token in candidates if token != 1]
        answer: list[int] = []
        while len(answer) < limit:
            last = self.logits(source, answer)[-1, allowed]
            answer.append(allowed[int(last.argmax())])
            if answer[-1] == 0:
                break
        return answer

    def _get(self, name: str) -> np.ndarray:
        return self.tensors[name].astype(np.float64)

    def _positions(self, count: int) -> np.ndarray:
        half = self.shape.width // 2
        angle = np.outer(np.arange(count), 10000.0 ** (-np.arange(half) / (half - 1)))
        return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)

    def _embed(self, ids: list[int]) -> np.ndarray:
        scaled = self._get("Wemb")[ids] * np.sqrt(self.shape.width)
        return scaled + self._positions(len(ids))

    def _norm(self, name: str, x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(axis=1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-9)
        return scaled * self._get(f"{name}_ln_scale") + self._get(f"{name}_ln_bias")

    def _linear(self, block: str, part: str, x: np.ndarray) -> np.ndarray:
        return x @ self._get(f"{block}_W{part}") + self._get(f"{block}_b{part}")

    def _attend(self, block: str, x: np.ndarray, memory: np.ndarray) -> np.ndarray:
        query, key, value = (
            self._linear(block, part, y).reshape(len(y), self.shape.heads, -1)
            for part, y in (("q", x), ("k", memory), ("v", memory))
        )
        scores = np.einsum("qhd,khd->hqk", query, key) / np.sqrt(query.shape[2])
        weights = np.exp(scores - scores.max(axis=2, keepdims=True))
        weights /= weights.sum(axis=2, keepdims=True)
        mixed = np.einsum("hqk,khd->qhd", weights, value).reshape(len(x), -1)
        return self._norm(f"{block}_Wo", self._linear(block, "o", mixed) + x)

    def _recur(self, block: str, x: np.ndarray) -> np.ndarray:
        candidate = x @ self._get(f"{block}_W")
        forget = 1 / (1 + np.exp(-self._linear(block, "f", x)))
        cell = np.zeros(self.shape.width)
        cells = []
        for gate, new in zip(forget, candidate, strict=True):
            cell = gate * cell + (1 - gate) * new
            cells.append(cell)
        return self._norm(f"{block}_ffn", np.maximum(np.stack(cells), 0) + x)

    def _feed_forward(self, block: str, x: np.ndarray) -> np.ndarray:
        inner = np.maximum(self._linear(block, "1", x), 0)
        return self._norm(f"{block}_ffn", self._linear(block, "2", inner) + x)


def _binary(items: list[tuple[str, int, tuple[int, ...], bytes]]) -> bytes:
    names = [name.encode() + b"\0" for name, *_ in items]
    out = struct.pack("<2Q", 1, len(items))
    for name, (_, type_, shape, data) in zip(names, items, strict=True):
        out += struct.pack("<4Q", len(name), type_, len(shape), len(data))
    out += b"".join(names)
    for _, _, shape, _ in items:
        out += struct.pack(f"<{len(shape)}i", *shape)
    padding = -(len(out) + 8) % 256
    return out + struct.pack("<Q", padding) + bytes(padding) + b"".join(i[3] for i in items)


def sentencepiece_file(pieces: tuple[str, ...]) -> bytes:
    """A Unigram model of the sentencepiece project: </s> is control, <unk> unknown."""
    kinds = {"</s>": 3, "<unk>": 2}
    out = b""
    for piece in pieces:
        text = piece.encode()
        content = b"\x0a" + bytes([len(text)]) + text
        content += b"\x15" + struct.pack("<f", 0.0 if piece in kinds else -float(len(piece)))
        content += b"\x18" + bytes([kinds.get(piece, 1)])
        out += b"\x0a" + bytes([len(content)]) + content
    return out
