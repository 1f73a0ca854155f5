"""What a text classifier's logits mean, by transformers' and sentence-transformers' keys.

transformers' pipeline takes the softmax over the labels unless problem_type says otherwise, and the
sigmoid of a single label. sentence-transformers' CrossEncoder has a key of its own for what it
applies; it may lie in three places, of which the first one counts.
"""

from __future__ import annotations

from pathlib import Path

from streamformer_export.config import Config
from streamformer_export.errors import ExportError
from streamformer_export.families.pooling import read_beside

SINGLE = "single_label_classification"
MULTI = "multi_label_classification"
REGRESSION = "regression"
PROBLEM_TYPES = (SINGLE, MULTI, REGRESSION)

# What CrossEncoder applies to logits, by the class in torch.nn.
APPLIED = {"Identity": REGRESSION, "Sigmoid": MULTI, "Softmax": SINGLE}


def read_problem_type(folder: Path, config: Config, labels: int) -> str:
    """One of PROBLEM_TYPES; raises ExportError where the keys contradict each other."""
    said = config.hint("problem_type")
    if said not in (None, *PROBLEM_TYPES):
        raise ExportError(
            f"config.json: problem_type is {said!r}. Supported: {', '.join(PROBLEM_TYPES)}. "
            "Correct it."
        )
    # The softmax over one label would always be 1.
    pipeline = MULTI if labels == 1 and said in (None, SINGLE) else said or SINGLE
    file, key, activation = _activation(folder, config)
    if activation is None:
        return pipeline
    package, _, name = activation.rpartition(".")
    if not package.startswith("torch") or name not in APPLIED or (labels, name) == (1, "Softmax"):
        raise ExportError(
            f"{file}: the scores' activation is {activation!r}. Supported: {', '.join(APPLIED)} of "
            f"torch.nn. To take the scores of transformers' pipeline, add --ignore-key {key}."
        )
    if labels > 1 and name == "Identity":
        # CrossEncoder gives logits, of which the largest one counts: the pipeline's label.
        return pipeline
    applied = APPLIED[name]
    if said and applied != pipeline:
        raise ExportError(
            f"{file}: the scores' activation is {activation!r}, which contradicts config.json: "
            f"problem_type is {said!r}. To take one of them, ignore the other: "
            f"--ignore-key {key} or --ignore-key problem_type."
        )
    return applied


def _activation(folder: Path, config: Config) -> tuple[str, str, str | None]:
    """Where sentence-transformers' activation is, its key, and its class; None where it has none"""
    file, newest = "config_sentence_transformers.json", None
    whole = read_beside(folder, config.user, file)
    # As CrossEncoder does, which reads no other file of that name.
    if (folder / "modules.json").is_file() and whole.hint("model_type") == "CrossEncoder":
        whole.require("default_prompt_name", None)
        newest = whole.hint("activation_fn")
        whole.refuse_rest()
    parts = config.beside(config.hint("sentence_transformers") or {}, "sentence_transformers")
    newer, older = parts.hint("activation_fn"), config.hint("sbert_ce_default_activation_function")
    parts.refuse_rest()
    if newest is not None:
        return file, "activation_fn", newest
    if newer is not None:
        return "config.json", "sentence_transformers", newer
    return "config.json", "sbert_ce_default_activation_function", older
