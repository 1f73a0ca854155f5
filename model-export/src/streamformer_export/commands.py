"""The commands that make and prove bundles: pack, export, verify, evaluate."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from streamformer_export.export import Answers, Settings, Variant

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Folder = Annotated[Path, typer.Argument(help="A folder that save_pretrained wrote.")]
Out = Annotated[Path, typer.Argument(help="The bundle to write; refused if it is not empty.")]


@app.command()
def export(
    folder: Folder,
    out: Out,
    name: Annotated[
        str | None, typer.Option(help="Name of the bundle; by default that of OUT.")
    ] = None,
    version: Annotated[str, typer.Option(help="Version of the bundle.")] = "1",
    variant: Annotated[
        list[Variant],
        typer.Option(help="Graph to write, repeatable; the first is the default one."),
    ] = [Variant.INT8],  # noqa: B006
    description: Annotated[str, typer.Option(help="One sentence for the card.")] = "",
    language: Annotated[
        list[str] | None, typer.Option(help="Language the model reads (BCP 47), repeatable.")
    ] = None,
    target_language: Annotated[
        list[str] | None, typer.Option(help="Language the model writes, repeatable.")
    ] = None,
    source: Annotated[str, typer.Option(help="Where weights and data come from.")] = "",
    license: Annotated[str, typer.Option(help="SPDX identifier, or words.")] = "",
    limitations: Annotated[str, typer.Option(help="What the model cannot do, for the card.")] = "",
    max_tokens: Annotated[
        int | None,
        typer.Option(min=3, help="Longest input; by default what the tokenizer's settings say."),
    ] = None,
    num_beams: Annotated[
        int | None, typer.Option(min=1, max=16, help="Beams; by default the model's.")
    ] = None,
    length_penalty: Annotated[
        float | None, typer.Option(help="Exponent of the length; by default the model's.")
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(min=1, help="Longest output; by default the model's.")
    ] = None,
    max_length_factor: Annotated[
        float, typer.Option(help="Output tokens allowed per input token.")
    ] = 2.0,
    max_length_offset: Annotated[
        int, typer.Option(min=0, help="Output tokens allowed on top.")
    ] = 16,
    calibrate: Annotated[
        list[str] | None,
        typer.Option(
            help="Texts that fix the scales of int8, repeatable, in the forms of evaluate --data; "
            "take training data. By default the golden texts."
        ),
    ] = None,
    held_out: Annotated[
        Path | None,
        typer.Option(help="Table whose first column is not calibrated on, such as held-out.tsv."),
    ] = None,
    golden_texts: Annotated[
        Path | None, typer.Option(help="Golden texts, one per line; by default a list in English.")
    ] = None,
    answers: Annotated[
        Answers,
        typer.Option(help="Who answers the golden texts; auto: transformers where installed."),
    ] = Answers.AUTO,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier bundle.")] = False,
) -> None:
    """Turn a fine-tuned model into a bundle: config.json and safetensors become ONNX graphs."""
    from streamformer_export.export import export as run

    with _errors_to_exit_code():
        settings = Settings(
            name=name or out.resolve().name,
            version=version,
            variants=tuple(variant),
            description=description,
            languages=tuple(language or ()),
            target_languages=tuple(target_language or ()),
            source=source,
            license=license,
            limitations=limitations,
            command=_command(),
            max_tokens=max_tokens,
            num_beams=num_beams,
            length_penalty=length_penalty,
            max_new_tokens=max_new_tokens,
            max_length_factor=max_length_factor,
            max_length_offset=max_length_offset,
            calibrate=tuple(calibrate or ()),
            held_out=held_out,
            golden_texts=golden_texts,
            answers=answers,
        )
        bundle = run(folder, out, settings, force=force)
        for file in sorted(bundle.folder.iterdir()):
            typer.echo(f"{file.stat().st_size:>12,}  {file.name}")


@app.command()
def pack(
    folder: Folder,
    out: Annotated[Path, typer.Argument(help="The folder to write; refused if it is not empty.")],
) -> None:
    """Keep what export needs of a model folder, with fp16 weights: small enough for git."""
    from streamformer_export.pack import pack as run

    with _errors_to_exit_code():
        run(folder, out)


BundleFolder = Annotated[Path, typer.Argument(help="A bundle.")]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads; by default one per core.")]


@app.command()
def verify(
    bundle: BundleFolder,
    against: Annotated[
        Path | None,
        typer.Option(help="Model folder; its answers by transformers are compared too."),
    ] = None,
    threads: Threads = None,
) -> None:
    """Check every promise of a bundle: one line per check, with its figure; exit code 1 if one
    does not hold."""
    from streamformer_export.verify import verify as run

    with _errors_to_exit_code():
        failed = 0
        for check in run(bundle, against, threads):
            failed += not check.passed
            typer.echo(f"{'ok  ' if check.passed else 'FAIL'}  {check.name}: {check.figure}")
        if failed:
            raise typer.Exit(1)


@app.command()
def evaluate(
    bundle: BundleFolder,
    data: Annotated[
        list[str],
        typer.Option(
            help="[NAME=]FILE, repeatable, .gz allowed. A classifier's: a table with a header and "
            "a column 'label'. A translator's: SOURCE:TARGET, or a table of source and references."
        ),
    ],
    variant: Annotated[
        list[str] | None, typer.Option(help="Variant, repeatable; by default all.")
    ] = None,
    num_beams: Annotated[
        int | None, typer.Option(min=1, max=16, help="Beams; by default the bundle's.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Texts per batch, sorted by length.")] = 32,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first texts.")] = None,
    threads: Threads = None,
    write: Annotated[
        bool, typer.Option("--write", help="Add the figures to the manifest and the card.")
    ] = False,
) -> None:
    """Measure a bundle through ONNX Runtime: accuracy, or sacreBLEU with its signature."""
    from streamformer_export import evaluate as module
    from streamformer_export.bundle import Bundle
    from streamformer_export.datasets import read_data
    from streamformer_export.errors import ExportError

    with _errors_to_exit_code():
        if write and limit:
            raise ExportError(
                "--write records figures of whole data sets: --limit is set. Drop one."
            )
        read = Bundle.read(bundle)
        sets = [read_data(option, read, limit) for option in data]
        results = []
        for name in variant or read.manifest["variants"]:
            for one in sets:
                result = module.evaluate(
                    read, one, name, num_beams=num_beams, batch=batch, threads=threads
                )
                results.append(result)
                for figure, value in result.figures.items():
                    typer.echo(f"{name}  {figure}: {value}")
                speed = result.texts / result.seconds
                typer.echo(f"{name}  {result.texts} texts in {result.seconds:.1f} s, {speed:.0f}/s")
        if write:
            module.write(read, results)


def _command() -> str:
    """The command line for a card, without the folders of this machine."""
    words = [word.removeprefix(f"{Path.cwd()}/") for word in sys.argv[1:]]
    words = [re.sub(r"/(?:[^/:= ]+/)+", "", w) if re.search("(^|[:=])/", w) else w for w in words]
    return shlex.join(["streamformer-export", *words])


@contextmanager
def _errors_to_exit_code() -> Iterator[None]:
    """Turns an error that the user can mend into one line and exit code 2."""
    from streamformer_export.errors import ExportError
    from streamformer_export.training.errors import TrainingError

    try:
        yield
    except (ExportError, TrainingError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from None


if __name__ == "__main__":
    app()
