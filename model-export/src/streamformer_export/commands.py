"""The commands that make and prove bundles: export, verify, evaluate."""

from __future__ import annotations

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
            max_tokens=max_tokens,
            num_beams=num_beams,
            length_penalty=length_penalty,
            max_new_tokens=max_new_tokens,
            max_length_factor=max_length_factor,
            max_length_offset=max_length_offset,
            golden_texts=golden_texts,
            answers=answers,
        )
        bundle = run(folder, out, settings, force=force)
        for file in sorted(bundle.folder.iterdir()):
            typer.echo(f"{file.stat().st_size:>12,}  {file.name}")


@contextmanager
def _errors_to_exit_code() -> Iterator[None]:
    """Turns an error that the user can mend into one line and exit code 2."""
    from streamformer_export.errors import ExportError

    try:
        yield
    except ExportError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from None


if __name__ == "__main__":
    app()
