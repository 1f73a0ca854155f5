"""Models of the Hugging Face hub: the files that an export needs, through huggingface-hub."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streamformer_export.config import read_json
from streamformer_export.errors import ExportError
from streamformer_export.pack import KEPT

# ORG/MODEL; what begins with a dot or a slash, or is there, is a folder.
ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")

# No other weights, code or pictures.
FILES = (
    *KEPT,
    "model.safetensors",
    "model-*-of-*.safetensors",
    "model.safetensors.index.json",
)
# Only where a model has no safetensors.
TORCH_FILES = (
    "pytorch_model.bin",
    "pytorch_model-*-of-*.bin",
    "pytorch_model.bin.index.json",
)


@dataclass(frozen=True)
class Source:
    """A model folder, and where it came from, for the manifest."""

    folder: Path
    description: str = ""


def find(model: str, revision: str | None = None) -> Source:
    """The folder called `model`, or the hub's model of that name, downloaded or cached.

    Raises ExportError where the hub has no such model, or cannot be reached or entered.
    """
    folder = Path(model)
    if folder.exists() or not ID.fullmatch(model):
        if revision is not None:
            raise ExportError(
                f"--revision is for models of the hub: {model} is a folder. Leave it out."
            )
        return Source(folder)
    folder = _download(model, revision, FILES)
    read_json(folder / "config.json")
    if not any(folder.glob("model*.safetensors")):
        folder = _download(model, revision, TORCH_FILES)
    if not any((*folder.glob("model*.safetensors"), *folder.glob("pytorch_model*.bin"))):
        raise ExportError(
            f"{model} has no weights on the hub as safetensors or pytorch_model.bin. Load it with "
            "transformers, save it with save_pretrained and export that folder."
        )
    # The cache names a snapshot's folder after its commit.
    return Source(folder, f"Hugging Face hub: {model}, revision {folder.name}")


def _download(model: str, revision: str | None, files: Sequence[str]) -> Path:
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ModuleNotFoundError:
        raise ExportError(
            f"{model} is no folder, and models of the hub need huggingface-hub: it is not "
            "installed. Run: pip install 'streamformer-export[hub]', or give a folder."
        ) from None
    try:
        found = huggingface_hub.snapshot_download(
            model, revision=revision, allow_patterns=list(files)
        )
    except errors.GatedRepoError:
        raise ExportError(
            f"A gated model is downloaded by those who were let in: {model} refused. Accept its "
            "terms on its page, run 'hf auth login', and try again."
        ) from None
    except errors.RepositoryNotFoundError:
        raise ExportError(
            f"A model is a folder or a name on the hub: {model} is neither, or is private. Correct "
            "the name, or run 'hf auth login' as someone who may read it."
        ) from None
    except errors.RevisionNotFoundError:
        raise ExportError(
            f"--revision is a branch, a tag or a commit of the model: {model} has no {revision!r}. "
            "Correct it or leave it out."
        ) from None
    except (errors.LocalEntryNotFoundError, OSError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ExportError(
            f"A model of the hub is downloaded or cached: {model} is neither here ({reason}). "
            "Connect to a network, or download it elsewhere and give its folder."
        ) from None
    return Path(found)
