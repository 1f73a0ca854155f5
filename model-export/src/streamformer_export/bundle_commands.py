"""The commands that look at bundles: attention, verify, bench, evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamformer_export.command_line import (
    IgnoreKey,
    Normalize,
    PoolingOption,
    echo,
    errors_to_exit_code,
)

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def attention(
    folder: Annotated[Path, typer.Argument(help="A model folder, or a bundle.")],
    text: Annotated[str, typer.Option(help="What the model reads.")],
    target: Annotated[
        str | None,
        typer.Option(help="The answer it reads; by default what it generates itself."),
    ] = None,
    template: Annotated[
        str, typer.Option(help="What a model folder's model reads of the text, as for export.")
    ] = "",
    language: Annotated[
        str, typer.Option(help="Language of the text, where a model folder's model is told.")
    ] = "",
    target_language: Annotated[
        str, typer.Option(help="Language of the answer, where a model folder's model is told.")
    ] = "",
    layer: Annotated[
        int | None, typer.Option(min=0, help="Only this layer, from 0; by default all.")
    ] = None,
    ignore_key: IgnoreKey = None,
    output: Annotated[Path, typer.Option(help="The page to write.")] = Path("attention.html"),
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier page.")] = False,
) -> None:
    """Show what every attention head looks at: a heat map per head on one HTML page."""
    from streamformer_export.attention import Told, look, page
    from streamformer_export.errors import ExportError
    from streamformer_export.outputs import obstacle

    with errors_to_exit_code():
        problem = obstacle(output)
        if problem:
            raise ExportError(problem)
        if output.is_dir():
            raise ExportError(f"{output} is a folder. Give the name of a page with --output.")
        if output.exists() and not force:
            raise ExportError(
                f"An existing output is kept: {output} is there. "
                "Give another --output, or --force to replace it."
            )
        told = Told(template, language, target_language, tuple(ignore_key or ()))
        output.parent.mkdir(parents=True, exist_ok=True)
        html = page(folder.resolve().name, text, look(folder, text, target, told), layer)
        output.write_text(html, encoding="utf-8")
        echo(f"{output.stat().st_size:>12,}  {output}")


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
    pooling: PoolingOption = None,
    normalize: Normalize = None,
) -> None:
    """Check every promise of a bundle: one line per check, with its figure; exit code 1 if one
    does not hold."""
    from streamformer_export.verify import verify as run

    with errors_to_exit_code():
        failed = 0
        for check in run(bundle, against, threads, pooling=pooling, normalize=normalize):
            failed += not check.passed
            echo(f"{'ok  ' if check.passed else 'FAIL'}  {check.name}: {check.figure}")
        if failed:
            raise typer.Exit(1)


@app.command()
def bench(
    bundle: BundleFolder,
    data: Annotated[str, typer.Option(help="Texts and references, as for evaluate.")],
    weights: Annotated[
        Path | None, typer.Option(help="Model folder of the same weights, for other engines.")
    ] = None,
    batch: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Rows per call, repeatable; by default 1, 8, 32."),
    ] = None,
    num_beams: Annotated[
        list[int] | None,
        typer.Option(min=1, max=16, help="Beams, repeatable; by default 1 and 4."),
    ] = None,
    new_tokens: Annotated[
        int | None,
        typer.Option(min=1, help="Generate exactly this many tokens, whatever the texts."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each engine; medians count.")] = 5,
    limit: Annotated[int, typer.Option(min=1, help="Only the first texts.")] = 512,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of each engine.")] = 2,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="VARIANT", help="Instead: where this variant's time goes, operator by operator."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON lines in place of a table.")] = False,
) -> None:
    """Compare a bundle with other engines on the same weights, texts and threads.

    CTranslate2 runs translators and classifiers, ONNX Runtime's own optimizer and quantization
    classifiers: what is installed is compared (the extras train and bench).
    """
    from streamformer_export import bench as module
    from streamformer_export.bundle import Bundle
    from streamformer_export.datasets import read_data

    with errors_to_exit_code():
        read = Bundle.read(bundle)
        texts = read_data(data, read, limit)
        settings = module.Settings(
            tuple(batch or (1, 8, 32)), tuple(num_beams or (1, 4)), rounds, threads, new_tokens
        )
        if profile:
            for line in module.profiles(read, profile, texts, settings):
                echo(line)
            return
        if not json:
            echo(module.HEADER)
        for found in module.bench(read, weights, texts, settings):
            echo(found.json() if json else found.line())


@app.command()
def evaluate(
    bundle: BundleFolder,
    data: Annotated[
        list[str],
        typer.Option(
            help="[NAME=]FILE, repeatable, .gz allowed. A classifier's: a table with a header, a "
            "column 'label' (a number for a regression; 'labels', with commas, where several hold) "
            "and one or two of texts. A token classifier's: CoNLL 2003's form. Questions: SQuAD's "
            "JSON. Embeddings: a table with 'label', the similarity, and two columns of texts. "
            "A translator's: SOURCE:TARGET, or a table of source and references."
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
    """Measure a bundle through ONNX Runtime by the figures of its task.

    Accuracy, or F1 of labels, or correlations; F1 of entities; exact match and F1 of answers;
    correlations of cosines; sacreBLEU and chrF with their signatures; ROUGE of summaries.
    """
    from streamformer_export import evaluate as module
    from streamformer_export.bundle import Bundle
    from streamformer_export.datasets import read_data
    from streamformer_export.errors import ExportError

    with errors_to_exit_code():
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
                    echo(f"{name}  {figure}: {value}")
                speed = result.texts / result.seconds
                echo(f"{name}  {result.texts} texts in {result.seconds:.1f} s, {speed:.0f}/s")
        if write:
            module.write(read, results)
