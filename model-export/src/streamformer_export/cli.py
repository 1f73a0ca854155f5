"""The command line; each command imports its heavy modules when it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from streamformer_export import bundle_commands, commands
from streamformer_export.command_line import echo, errors_to_exit_code, run
from streamformer_export.errors import ExportError
from streamformer_export.training.settings import Precision

app = typer.Typer(
    help="Trains, fine-tunes and exports Transformer models as Streamformer bundles.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(commands.app)
app.add_typer(bundle_commands.app)


@app.callback()
def _main() -> None:
    """Keeps every command a subcommand, also while there is only one."""


Force = Annotated[bool, typer.Option("--force", help="Replace an earlier run in OUT.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on after the last whole epoch in OUT.")]
KeepState = Annotated[
    bool, typer.Option("--keep-state", help="Keep the optimizer's state after the last epoch.")
]
Threads = Annotated[
    int | None, typer.Option(min=1, help="CPU threads; by default as many as torch chooses.")
]
PrecisionOption = Annotated[
    Precision, typer.Option(help="Format of matrix products; auto: bf16 where it is faster.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of weights, data order and dropout.")]
Out = Annotated[Path, typer.Argument(help="The folder to write; refused if it is not empty.")]
Longest = Annotated[int, typer.Option(help="Longest sentence in tokens.")]
ClipNorm = Annotated[float, typer.Option(help="Largest norm of a step's gradient.")]
Dropout = Annotated[float, typer.Option(help="Share of activations dropped in training.")]


@app.command()
def train(
    out: Out,
    train: Annotated[
        list[str],
        typer.Option(
            help="Training pairs, repeatable: TABLE.tsv[.gz] (source, tab, target) or "
            "SOURCE:TARGET (two files, line by line; .gz allowed)."
        ),
    ],
    valid: Annotated[str, typer.Option(help="Validation pairs, in the same forms.")],
    hold_out: Annotated[
        int,
        typer.Option(
            min=0,
            help="Keep this many source sentences, with all their pairs, out of training; "
            "written as held-out.tsv (source, reference, reference, ...).",
        ),
    ] = 0,
    hold_out_from: Annotated[
        str | None, typer.Option(help="The --train value that they are taken from.")
    ] = None,
    vocabulary_size: Annotated[int, typer.Option(help="Pieces of the joint tokenizer.")] = 8000,
    d_model: Annotated[int, typer.Option(help="Width of the model.")] = 256,
    encoder_layers: Annotated[int, typer.Option(help="Layers of the encoder.")] = 6,
    decoder_layers: Annotated[int, typer.Option(help="Layers of the decoder.")] = 2,
    attention_heads: Annotated[int, typer.Option(help="Attention heads in each layer.")] = 8,
    ffn_size: Annotated[int, typer.Option(help="Inner width of the feed-forward parts.")] = 1024,
    dropout: Dropout = 0.15,
    longest: Longest = 128,
    epochs: Annotated[int, typer.Option(help="Passes over the training pairs.")] = 16,
    batch_tokens: Annotated[
        int, typer.Option(help="Rows x longest sentence of either side in a batch.")
    ] = 3000,
    peak_rate: Annotated[
        float, typer.Option(help="Learning rate after the warm-up; it falls to 0 at the end.")
    ] = 1e-3,
    warmup_steps: Annotated[int, typer.Option(min=0, help="Steps of the linear climb.")] = 1000,
    label_smoothing: Annotated[
        float, typer.Option(help="Share of probability spread over all pieces.")
    ] = 0.1,
    clip_norm: ClipNorm = 1.0,
    average: Annotated[
        int,
        typer.Option(
            help="Average the weights of this many last epochs; kept if BLEU rises. 1: never."
        ),
    ] = 4,
    seed: Seed = 1,
    threads: Threads = None,
    precision: PrecisionOption = Precision.AUTO,
    resume: Resume = False,
    force: Force = False,
    keep_state: KeepState = False,
) -> None:
    """Train a translation model (encoder-decoder) from scratch.

    OUT becomes a Hugging Face folder (MarianMT) with the weights of the best greedy BLEU on the
    validation pairs (chrF, where all of these have fewer than BLEU's four words), the settings
    (training.json) and the figures of each epoch (metrics.jsonl).
    """
    from streamformer_export.training.settings import TranslationSettings

    with _errors_to_exit_code():
        settings = TranslationSettings(
            train=tuple(train),
            valid=valid,
            hold_out=hold_out,
            hold_out_from=hold_out_from,
            vocabulary_size=vocabulary_size,
            d_model=d_model,
            encoder_layers=encoder_layers,
            decoder_layers=decoder_layers,
            attention_heads=attention_heads,
            ffn_size=ffn_size,
            dropout=dropout,
            longest=longest,
            epochs=epochs,
            batch_tokens=batch_tokens,
            peak_rate=peak_rate,
            warmup_steps=warmup_steps,
            label_smoothing=label_smoothing,
            clip_norm=clip_norm,
            average=average,
            seed=seed,
            precision=precision,
        )
        from streamformer_export.training import translation
        from streamformer_export.training.run_folder import RunFolder

        folder = RunFolder(out, force=force, resume=resume)
        score, measure = translation.train(settings, folder, threads)
        folder.finish(keep_state)
        echo(f"{out}: {measure} {score:.2f} on the validation pairs")


@app.command()
def finetune(
    base: Annotated[str, typer.Argument(help="A Hugging Face folder or hub id of an encoder.")],
    out: Out,
    train: Annotated[
        Path, typer.Option(help="Training table with a header line; tab-separated, .gz allowed.")
    ],
    valid: Annotated[Path, typer.Option(help="Validation table, in the same form.")],
    labels: Annotated[
        str,
        typer.Option(help="Label names in the order of their numbers: negative,positive"),
    ],
    label_column: Annotated[
        str, typer.Option(help="Column of the label: one of --labels or its number from 0.")
    ] = "label",
    text_column: Annotated[
        str | None, typer.Option(help="Column of the text; by default the only other column.")
    ] = None,
    longest: Longest = 128,
    epochs: Annotated[int, typer.Option(help="Passes over the training texts.")] = 4,
    batch_size: Annotated[int, typer.Option(help="Texts in a batch.")] = 32,
    learning_rate: Annotated[
        float, typer.Option(help="Rate after the warm-up; it falls to 0 at the end.")
    ] = 5e-5,
    layer_decay: Annotated[
        float, typer.Option(help="Rate of a layer as a share of the layer's above it.")
    ] = 1.0,
    dropout: Annotated[
        float | None, typer.Option(help="Share of activations dropped; by default the base's.")
    ] = None,
    warmup_ratio: Annotated[float, typer.Option(help="Share of all steps that climb.")] = 0.06,
    weight_decay: Annotated[
        float, typer.Option(help="Decay of weight matrices; biases and norms have none.")
    ] = 0.01,
    clip_norm: ClipNorm = 1.0,
    evaluate_every: Annotated[
        int, typer.Option(help="Validate after this many steps, and after each epoch.")
    ] = 500,
    seed: Seed = 1,
    threads: Threads = None,
    precision: PrecisionOption = Precision.AUTO,
    resume: Resume = False,
    force: Force = False,
    keep_state: KeepState = False,
) -> None:
    """Fine-tune a base encoder for text classification.

    OUT becomes a Hugging Face folder with the weights of the best validation accuracy, the
    settings (training.json) and the figures of each evaluation (metrics.jsonl).
    """
    from streamformer_export.training.settings import ClassificationSettings

    with _errors_to_exit_code():
        settings = ClassificationSettings(
            base=base,
            train=str(train),
            valid=str(valid),
            labels=tuple(label.strip() for label in labels.split(",")),
            label_column=label_column,
            text_column=text_column,
            longest=longest,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            layer_decay=layer_decay,
            dropout=dropout,
            warmup_ratio=warmup_ratio,
            weight_decay=weight_decay,
            clip_norm=clip_norm,
            evaluate_every=evaluate_every,
            seed=seed,
            precision=precision,
        )
        from streamformer_export.training import classification
        from streamformer_export.training.run_folder import RunFolder

        folder = RunFolder(out, force=force, resume=resume)
        accuracy = classification.finetune(settings, folder, threads)
        folder.finish(keep_state)
        echo(f"{out}: accuracy {accuracy:.4f} on the validation texts")


@contextmanager
def _errors_to_exit_code() -> Iterator[None]:
    """The same as for the other commands, and what to install for training."""
    with errors_to_exit_code():
        try:
            yield
        except ModuleNotFoundError as error:
            if error.name not in ("torch", "transformers"):
                raise
            raise ExportError(
                f"training needs torch and transformers: {error.name} is not installed. "
                "Run: pip install 'streamformer-export[train]'"
            ) from None


def main() -> None:
    """The command `streamformer-export`."""
    run(app)
