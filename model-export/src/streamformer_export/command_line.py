"""What the commands share: how errors end them, options that several have, and their own words."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from streamformer_export.graph.heads import PoolingMode

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

IgnoreKey = Annotated[
    list[str] | None,
    typer.Option(
        help="Key of the model's configuration that is unknown and changes nothing, repeatable; "
        "manifest and card list it."
    ),
]


def command_line() -> str:
    """The command line for a card, without the folders of this machine."""
    words = [word.removeprefix(f"{Path.cwd()}/") for word in sys.argv[1:]]
    words = [re.sub(r"/(?:[^/:= ]+/)+", "", w) if re.search("(^|[:=])/", w) else w for w in words]
    return shlex.join(["streamformer-export", *words])


class _OutputError(Exception):
    """What is printed reaches nobody."""


def echo(text: str) -> None:
    """Prints a line; where that fails, the command ends, with what `errors_to_exit_code` says."""
    if sys.stdout is None:
        raise _OutputError("it is closed")
    try:
        typer.echo(text)
    except OSError as error:
        raise _OutputError(error.strerror) from None


@contextmanager
def errors_to_exit_code() -> Iterator[None]:
    """Turns an error that the user can mend into one line and an exit code.

    2 where an argument or a file is wrong, 1 where a disk or the standard output failed.
    """
    from streamformer_export.errors import ExportError
    from streamformer_export.training.errors import TrainingError

    try:
        yield
    except (ExportError, TrainingError) as error:
        _end(str(error), 2)
    except _OutputError as error:
        _drop_output()
        _end(
            f"Cannot write to the standard output: {error}. Keep the program that reads it "
            "running, or write to a file with free space.",
            1,
        )
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        # What a path cannot be, against what went wrong with one that can.
        wrong_path = isinstance(
            error,
            FileNotFoundError
            | FileExistsError
            | NotADirectoryError
            | IsADirectoryError
            | PermissionError,
        )
        named = f"Cannot use {error.filename}" if error.filename else "A file failed"
        step = "Check the path and its permissions" if wrong_path else "Check the disk"
        _end(f"{named}: {error.strerror}. {step}.", 2 if wrong_path else 1)


def _end(message: str, code: int) -> NoReturn:
    typer.echo(f"Error: {message}", err=True)
    raise typer.Exit(code) from None


def _drop_output() -> None:
    """Keeps Python from trying again, and failing, when it flushes at its end."""
    with suppress(AttributeError, OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(app: typer.Typer) -> None:
    """Runs the command line; its help, too, may be printed to nobody."""
    try:
        app()
    except OSError as error:
        _drop_output()
        print(f"Error: Cannot write to the standard output: {error.strerror}.", file=sys.stderr)
        sys.exit(1)
