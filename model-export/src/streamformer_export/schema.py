"""Checks a manifest by the JSON schema that both languages share."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from streamformer_export.errors import ExportError

NAME = "manifest.schema.json"


@cache
def validator() -> Draft202012Validator:
    """The schema: beside this file where installed, else in the repository's schemas module."""
    installed = Path(__file__).with_name(NAME)
    in_repository = Path("schemas/src/main/resources/io/streamformer/schemas") / NAME
    places = [installed, *(folder / in_repository for folder in Path(__file__).parents)]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise ExportError(
            f"The package has {NAME} or lies in Streamformer's repository: neither is so. "
            "Install it again."
        )
    return Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))


def check(manifest: dict[str, Any]) -> None:
    """Raises ExportError with the first rule that the manifest breaks."""
    error = next(iter(sorted(validator().iter_errors(manifest), key=lambda e: list(e.path))), None)
    if error is not None:
        where = "/".join(map(str, error.path)) or "the manifest"
        raise ExportError(
            f"A manifest follows {NAME}: {where}: {error.message}. "
            "Change the option that sets it, or export the bundle again."
        )
