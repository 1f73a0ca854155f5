"""Apache Beam's RunInference with its ONNX handler on Beam's own local runner."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import onnxruntime
from apache_beam.ml.inference.base import PredictionResult, RunInference
from apache_beam.ml.inference.onnx_inference import OnnxModelHandlerNumpy
from apache_beam.options.pipeline_options import PipelineOptions
from tokenizers import Tokenizer

from turn import WARM_UP, Turn, read_lines, report

BATCH = 32
MAX_TOKENS = 512
LABELS = ("negative", "positive")


@cache
def tokenizer(path: str) -> Tokenizer:
    """The bundle's tokenizer, which pads a batch to its longest row."""
    found = Tokenizer.from_file(path)
    found.enable_truncation(MAX_TOKENS)
    found.enable_padding()
    return found


class Classifier(OnnxModelHandlerNumpy):
    """Beam's ONNX handler over texts: a batch is tokenized, padded to its longest, and run.

    Beam's own handler stacks arrays of one length; texts have many. Each batch's end and rows go to
    a file of `clock`, from which the speed is computed.
    """

    def __init__(self, bundle: Path, variant: str, threads: int, clock: Path) -> None:
        super().__init__(
            str(bundle / f"model.{variant}.onnx"),
            providers=["CPUExecutionProvider"],
            min_batch_size=BATCH,
            max_batch_size=BATCH,
        )
        self.tokenizer_path = str(bundle / "tokenizer.json")
        self.threads = threads
        self.clock = str(clock)

    def load_model(self) -> onnxruntime.InferenceSession:
        # Options of a session cannot be sent to a worker: they are made where it runs.
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.log_severity_level = 3
        self._session_options = options
        try:
            return super().load_model()
        finally:
            self._session_options = None

    def run_inference(
        self,
        batch: Sequence[str],
        inference_session: onnxruntime.InferenceSession,
        inference_args: dict[str, Any] | None = None,
    ) -> list[PredictionResult]:
        rows = tokenizer(self.tokenizer_path).encode_batch(list(batch))
        feed = {
            "input_ids": np.array([row.ids for row in rows], np.int64),
            "attention_mask": np.array([row.attention_mask for row in rows], np.int64),
            "token_type_ids": np.array([row.type_ids for row in rows], np.int64),
        }
        logits = inference_session.run(["logits"], feed)[0]
        results = [PredictionResult(text, row) for text, row in zip(batch, logits, strict=True)]
        name = f"{os.getpid()}-{threading.get_ident()}"
        with Path(self.clock, name).open("a", encoding="utf-8") as file:
            file.write(f"{time.time()} {len(batch)}\n")
        return results

    def get_num_bytes(self, batch: Sequence[str]) -> int:
        return sum(map(len, batch))


def line(result: PredictionResult) -> str:
    """An answer: label, its probability, and the text."""
    odds = np.exp(result.inference - result.inference.max())
    best = int(odds.argmax())
    return f"{LABELS[best]}\t{odds[best] / odds.sum():.4f}\t{result.example}"


def measured(clock: Path) -> tuple[int, float]:
    """Texts and seconds from the end of the batch that ends the first fifth to the last batch.

    Start-up, loading of the models, the first runs of a session and the merging of the output are
    all outside.
    """
    lines = [line.split() for file in clock.iterdir() for line in file.read_text().splitlines()]
    ends = sorted((float(end), int(rows)) for end, rows in lines)
    total = sum(rows for _, rows in ends)
    seen = 0
    for at, (start, rows) in enumerate(ends):
        seen += rows
        if seen >= total * WARM_UP:
            return sum(rows for _, rows in ends[at + 1 :]), ends[-1][0] - start
    raise ValueError("Beam ran a batch at least: none was seen, which is a bug")


def turn(bundle: Path, variant: str, texts: Path, answers: Path, mode: str, threads: int) -> Turn:
    """Classifies a file of texts into a file of answers, with two workers."""
    clock = Path(tempfile.mkdtemp(prefix="beam-clock-"))
    begin = time.perf_counter()
    try:
        options = PipelineOptions(
            # What DirectRunner takes for batches. Asked for by its name, DirectRunner first looks
            # for Prism, a program of its own that knows nothing of the two options below.
            runner="FnApiRunner",
            direct_num_workers=2,
            direct_running_mode=mode,
        )
        with beam.Pipeline(options=options) as pipeline:
            _ = (
                pipeline
                | beam.io.ReadFromText(str(texts))
                # One file is one bundle: without this, one worker would do it all.
                | beam.Reshuffle()
                | RunInference(Classifier(bundle, variant, threads, clock))
                | beam.Map(line)
                | beam.io.WriteToText(str(answers), shard_name_template="")
            )
        counted, seconds = measured(clock)
        processes = len({file.name.split("-")[0] for file in clock.iterdir()})
    finally:
        shutil.rmtree(clock)
    written = len(read_lines(answers))
    if written != len(read_lines(texts)):
        raise ValueError(f"Beam answers each text once: it wrote {written} answers")
    whole = round(time.perf_counter() - begin, 2)
    figures = {
        "with_start_seconds": whole,
        "mode": mode,
        "threads": threads,
        "processes": processes,
    }
    return Turn(
        f"Apache Beam {beam.__version__} RunInference, {variant}", counted, seconds, figures
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, help="bundle folder: graph and tokenizer.json")
    parser.add_argument("texts", type=Path, help="one text a line")
    parser.add_argument("answers", type=Path, help="file to write")
    parser.add_argument("--variant", default="fp32")
    parser.add_argument("--mode", choices=("multi_processing", "multi_threading"), required=True)
    parser.add_argument("--threads", type=int, default=1, help="ONNX Runtime's, per session")
    given = parser.parse_args()
    logging.getLogger().setLevel(logging.ERROR)
    report(turn(given.bundle, given.variant, given.texts, given.answers, given.mode, given.threads))


if __name__ == "__main__":
    # Under its own name, not __main__: the workers find the handler's class by it.
    import beam_runinference

    beam_runinference.main()
