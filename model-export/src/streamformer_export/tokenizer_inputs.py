"""What a folder's tokenizer gives a model beside the ids of a whole text."""

from __future__ import annotations

from pathlib import Path

from streamformer_export.bundle import NO_TYPES, PAIR_TYPES
from streamformer_export.config import read_json
from streamformer_export.errors import ExportError
from streamformer_export.rows import LEFT, RIGHT
from streamformer_export.tokenizer_class import SENTENCEPIECE, FolderTokens
from streamformer_export.tokenizer_keys import SETTINGS

FILE = "tokenizer.json"
# Classes whose pairs have types in transformers 5. ALBERT's and PreTrainedTokenizerFast, which had
# them in transformers 4, give them only where model_input_names says so.
TYPED = ("BertTokenizer", "ElectraTokenizer")


def read_inputs(folder: Path) -> dict[str, str]:
    """What manifest["tokenizer"] says of the folder's tokenizer, where it is not the default.

    Raises ExportError for a side that is neither left nor right.
    """
    tokens = FolderTokens.read(folder)
    found = {"truncation_side": _side(folder, tokens), "token_types": _types(tokens)}
    defaults = {"truncation_side": RIGHT, "token_types": PAIR_TYPES}
    return {key: value for key, value in found.items() if value != defaults[key]}


def _side(folder: Path, tokens: FolderTokens) -> str:
    """Where a long text is cut; a tokenizer.json that cuts says so for a silent class."""
    side, path = tokens.keys.get("truncation_side", RIGHT), folder / FILE
    silent = "truncation_side" not in tokens.keys and tokens.cls not in SENTENCEPIECE
    if silent and path.is_file():
        cuts = read_json(path).get("truncation") or {}
        side = cuts.get("direction", RIGHT).lower()
    if side not in (LEFT, RIGHT):
        raise ExportError(
            f"{SETTINGS}: truncation_side is {side!r}. Supported: {LEFT}, {RIGHT}. Correct it."
        )
    return side


def _types(tokens: FolderTokens) -> str:
    names = tokens.keys.get("model_input_names")
    typed = tokens.cls in TYPED if names is None else "token_type_ids" in names
    return PAIR_TYPES if typed else NO_TYPES
