"""What the commands share: how errors end them, options that several have, and their own words."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

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


def command_line() -> str:
    """The command line for a card, without the folders of this machine."""
    words = [word.removeprefix(f"{Path.cwd()}/") for word in sys.argv[1:]]
    words = [re.sub(r"/(?:[^/:= ]+/)+", "", w) if re.search("(^|[:=])/", w) else w for w in words]
    return shlex.join(["streamformer-export", *words])


@contextmanager
def errors_to_exit_code() -> Iterator[None]:
    """Turns an error that the user can mend into one line and exit code 2."""
    from streamformer_export.errors import ExportError
    from streamformer_export.training.errors import TrainingError

    try:
        yield
    except (ExportError, TrainingError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from None
