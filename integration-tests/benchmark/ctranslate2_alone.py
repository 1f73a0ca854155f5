"""CTranslate2 alone: ready tokens in, tokens out, with neither Kafka nor Flink."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ctranslate2
import sacrebleu
from ctranslate2.converters import transformers as converters
from tokenizers import Tokenizer

from turn import WARM_UP, Turn, read_lines, report

# A bias that no logit outweighs.
NEVER = -1e9
LENGTH_PENALTY = 1.0
# Generated tokens that the bundle's manifest allows: a factor of the source's and an offset.
LENGTH_FACTOR, LENGTH_OFFSET = 2, 16


class ExactMarianLoader(converters.MarianMTLoader):
    """CTranslate2's loader of Marian models, for weights that transformers trained.

    The stock loader suits weights that Marian trained: the decoder starts from a zero vector, and
    the padding's row, the last of the table, is dropped. transformers starts from the padding's
    row, which is zero in converted models only: tied to the output it is trained like any other.
    Here the row stays, the decoder starts from it, and a bias keeps it and the unknown token
    (`bad_words_ids`) from being generated, which costs nothing at run time.
    """

    def get_model_spec(self, model):
        spec = super().get_model_spec(model)
        bias = model.final_logits_bias.squeeze().float().clone()
        for (token,) in model.generation_config.bad_words_ids:
            bias[token] = NEVER
        spec.decoder.projection.bias = bias
        return spec

    def _remove_pad_weights(self, spec):
        """Keeps the row."""

    def set_decoder(self, spec, decoder):
        converters.BartLoader.set_decoder(self, spec, decoder)

    def get_vocabulary(self, model, tokenizer):
        return converters.BartLoader.get_vocabulary(self, model, tokenizer)

    def set_config(self, config, model, tokenizer):
        super().set_config(config, model, tokenizer)
        config.decoder_start_token = tokenizer.pad_token


@contextmanager
def marian_loader(loader: converters.ModelLoader) -> Iterator[None]:
    """Puts a loader in place of the converter's own for Marian."""
    stock = converters._MODEL_LOADERS["MarianConfig"]
    converters._MODEL_LOADERS["MarianConfig"] = loader
    try:
        yield
    finally:
        converters._MODEL_LOADERS["MarianConfig"] = stock


def convert(weights: Path, folder: Path, stock: bool = False) -> None:
    """Converts a Hugging Face folder to int8; `stock` does it with the loader as it is."""
    with marian_loader(converters.MarianMTLoader() if stock else ExactMarianLoader()):
        converter = converters.TransformersConverter(str(weights))
        converter.convert(str(folder), quantization="int8", force=True)


def turn(
    model: Path,
    weights: Path,
    texts: list[str],
    beams: int,
    workers: int,
    threads: int,
    batch: int,
    batch_type: str,
    references: list[str] | None,
) -> Turn:
    """Translates texts that were tokenized and sorted beforehand; the answers stay tokens.

    `workers` batches run at once on `threads` threads each. A fifth of the texts warms up first.
    """
    tokenizer = Tokenizer.from_file(str(weights / "tokenizer.json"))
    # With the end token: the converter of transformers' models leaves it to the caller.
    rows = [row.tokens for row in tokenizer.encode_batch(texts)]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]), reverse=True)
    ordered = [rows[i] for i in order]
    translator = ctranslate2.Translator(
        str(model),
        device="cpu",
        compute_type="int8",
        inter_threads=workers,
        intra_threads=threads,
    )

    def translate(some: list[list[str]]) -> list[ctranslate2.TranslationResult]:
        return translator.translate_batch(
            some,
            beam_size=beams,
            length_penalty=LENGTH_PENALTY,
            max_batch_size=batch,
            batch_type=batch_type,
            max_decoding_length=LENGTH_FACTOR * len(ordered[0]) + LENGTH_OFFSET,
        )

    translate(ordered[:: round(1 / WARM_UP)])
    begin = time.perf_counter()
    found = translate(ordered)
    seconds = time.perf_counter() - begin
    answers = dict(zip(order, (result.hypotheses[0] for result in found), strict=True))
    figures = {
        "beams": beams,
        "inter_threads": workers,
        "intra_threads": threads,
        "max_batch_size": batch,
        "batch_type": batch_type,
        "output_tokens": sum(len(answer) + 1 for answer in answers.values()),
    }
    if references:
        written = [
            tokenizer.decode([tokenizer.token_to_id(token) for token in answers[i]])
            for i in range(len(texts))
        ]
        figures["bleu"] = round(sacrebleu.corpus_bleu(written, [references]).score, 2)
    return Turn(f"CTranslate2 {ctranslate2.__version__} int8", len(texts), seconds, figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="folder of the converted model")
    parser.add_argument("weights", type=Path, help="Hugging Face folder: weights, tokenizer.json")
    parser.add_argument("texts", type=Path, help="one text a line")
    parser.add_argument("--convert", action="store_true", help="convert WEIGHTS to MODEL first")
    parser.add_argument(
        "--stock", action="store_true", help="convert with CTranslate2's own loader"
    )
    parser.add_argument("--references", type=Path, help="translations, for BLEU")
    parser.add_argument("--beams", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="inter_threads")
    parser.add_argument("--threads", type=int, default=1, help="intra_threads")
    parser.add_argument("--batch", type=int, default=32, help="max_batch_size")
    parser.add_argument("--batch-type", choices=("examples", "tokens"), default="examples")
    given = parser.parse_args()
    if given.convert:
        convert(given.weights, given.model, given.stock)
    report(
        turn(
            given.model,
            given.weights,
            read_lines(given.texts),
            given.beams,
            given.workers,
            given.threads,
            given.batch,
            given.batch_type,
            read_lines(given.references) if given.references else None,
        )
    )


if __name__ == "__main__":
    main()
