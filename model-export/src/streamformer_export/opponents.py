"""The engines of a benchmark: what reads batches of token ids and answers them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from streamformer_export.bundle import Bundle, Runner
from streamformer_export.families import Task
from streamformer_export.rows import Row

Rows = Sequence[Row]


@dataclass(frozen=True)
class Search:
    """How a generating bundle answers; with `new_tokens` every answer has that many tokens."""

    beams: int
    new_tokens: int | None = None


@dataclass(frozen=True)
class Engine:
    """`run(rows, search)` answers one batch, an encoder's without a search.

    Per row it gives generated ids without the end token, or the outputs of an encoder without
    padding, as `Runner.outputs` does. `variant` is that of the bundle, empty for another engine.
    """

    name: str
    run: Callable[[Rows, Search | None], list[Any]]
    variant: str = ""


def variants(bundle: Bundle, threads: int) -> Iterator[Engine]:
    """The bundle's own variants in ONNX Runtime."""
    for variant in bundle.manifest["variants"]:
        runner = Runner(bundle, variant, threads)

        def run(rows: Rows, search: Search | None, runner: Runner = runner) -> list[Any]:
            return answer(runner, rows, search)

        yield Engine(f"{variant} (ONNX Runtime {version('onnxruntime')})", run, variant)


def answer(runner: Runner, rows: Rows, search: Search | None) -> list[Any]:
    """One batch of a bundle's variant, in the form of `Engine.run`."""
    if search is None:
        return runner.outputs(rows)
    end = runner.bundle.manifest["decoding"]["eos_token_id"]
    ids = [row.ids for row in rows]
    found = runner.run(ids, num_beams=search.beams, new_tokens=search.new_tokens)[0]
    if search.new_tokens:
        return [sequences[0].tolist() for sequences in found]
    kept = [runner.trim(sequences[0], len(row)) for sequences, row in zip(found, ids, strict=True)]
    return [[i for i in row if i != end] for row in kept]


def others(bundle: Bundle, weights: Path | None, scratch: Path, threads: int) -> Iterator[Engine]:
    """The other engines that are installed and can run these weights."""
    family = bundle.manifest["family"]
    if weights is None or not (find_spec("torch") and find_spec("transformers")):
        return
    if find_spec("ctranslate2") and family == "marian":
        yield from _ctranslate2_translators(bundle, weights, scratch, threads)
    if family == "bert" and bundle.manifest["task"] == Task.TEXT_CLASSIFICATION:
        yield _quantized_by_onnxruntime(weights, scratch, threads)
        if find_spec("ctranslate2"):
            yield from _ctranslate2_encoders(weights, scratch, threads)


def _ctranslate2_translators(
    bundle: Bundle, weights: Path, scratch: Path, threads: int
) -> Iterator[Engine]:
    """OpenNMT's CTranslate2, its own converter and its own quantization."""
    import ctranslate2

    decoding = bundle.manifest["decoding"]
    vocabulary = bundle.tokenizer
    end = vocabulary.id_to_token(bundle.end_ids[0])
    for kind in ("int8", "float32"):
        folder = scratch / f"ctranslate2-{kind}"
        converter = ctranslate2.converters.TransformersConverter(str(weights))
        converter.convert(str(folder), quantization=kind)
        translator = ctranslate2.Translator(
            str(folder), device="cpu", compute_type=kind, inter_threads=1, intra_threads=threads
        )

        def run(
            rows: Rows, search: Search | None, translator: ctranslate2.Translator = translator
        ) -> list[list[int]]:
            # Models of transformers get the end token from their caller.
            tokens = [[vocabulary.id_to_token(i) for i in row.ids] for row in rows]
            longest = max(bundle.limit(len(row)) for row in rows)
            found = translator.translate_batch(
                tokens,
                beam_size=search.beams,
                length_penalty=decoding["length_penalty"],
                min_decoding_length=search.new_tokens or 1,
                max_decoding_length=search.new_tokens or longest,
            )
            return [
                [vocabulary.token_to_id(t) for t in result.hypotheses[0] if t != end]
                for result in found
            ]

        yield Engine(f"CTranslate2 {version('ctranslate2')} {kind}", run)


def _ctranslate2_encoders(weights: Path, scratch: Path, threads: int) -> Iterator[Engine]:
    """CTranslate2's encoder and pooler; the small matrix of the labels is numpy's."""
    import ctranslate2
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(weights, dtype="float32")
    folder = scratch / "encoder"
    # Its converter asks for what transformers 5 does not say any more.
    model.config.position_embedding_type = "absolute"
    model.base_model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(weights).save_pretrained(folder)
    weight = model.classifier.weight.detach().numpy().T
    bias = model.classifier.bias.detach().numpy()
    for kind in ("int8", "float32"):
        converted = scratch / f"ctranslate2-encoder-{kind}"
        converter = ctranslate2.converters.TransformersConverter(str(folder))
        converter.convert(str(converted), quantization=kind)
        encoder = ctranslate2.Encoder(
            str(converted), device="cpu", compute_type=kind, inter_threads=1, intra_threads=threads
        )

        def run(
            rows: Rows, search: Search | None, encoder: ctranslate2.Encoder = encoder
        ) -> list[list[np.ndarray]]:
            # It pads token types itself, with 0.
            found = encoder.forward_batch(
                [row.ids for row in rows], token_type_ids=[row.type_ids for row in rows]
            )
            return [[logits] for logits in np.array(found.pooler_output) @ weight + bias]

        yield Engine(f"CTranslate2 {version('ctranslate2')} encoder {kind}", run)


def _quantized_by_onnxruntime(weights: Path, scratch: Path, threads: int) -> Engine:
    """torch's export, ONNX Runtime's transformer optimizer and its dynamic quantization."""
    import onnx
    import onnxruntime
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers.optimizer import optimize_model
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(
        weights, dtype="float32", attn_implementation="eager"
    ).eval()
    traced, fused, quantized = (
        scratch / f"{step}.onnx" for step in ("traced", "fused", "quantized")
    )
    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {0: "batch", 1: "sequence"}
    example = (
        torch.tensor([[1, 2, 3, 4], [1, 2, 3, 0]]),
        torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]]),
        torch.zeros((2, 4), dtype=torch.int64),
    )
    torch.onnx.export(
        model,
        example,
        str(traced),
        input_names=names,
        output_names=["logits"],
        dynamic_axes=dict.fromkeys(names, axes),
        opset_version=17,
        dynamo=False,
    )
    optimize_model(
        str(traced),
        model_type="bert",
        num_heads=model.config.num_attention_heads,
        hidden_size=model.config.hidden_size,
    ).save_model_to_file(str(fused))
    quantize_dynamic(
        str(fused),
        str(quantized),
        weight_type=QuantType.QInt8,
        # Its shape inference does not know what the optimizer fused.
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        str(quantized), options, providers=["CPUExecutionProvider"]
    )

    def run(rows: Rows, search: Search | None) -> list[list[np.ndarray]]:
        ids = np.full((len(rows), max(map(len, rows))), model.config.pad_token_id, np.int64)
        mask, types = np.zeros_like(ids), np.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row.ids
            mask[i, : len(row)] = 1
            types[i, : len(row)] = row.type_ids
        feed = dict(zip(names, (ids, mask, types), strict=True))
        return [[logits] for logits in session.run(None, feed)[0]]

    return Engine(f"ONNX Runtime {version('onnxruntime')} optimizer + quantize_dynamic", run)
