"""The reference: transformers on torch, where they are installed.

It begins with the text: the folder's own tokenizer reads it, whatever the bundle made of it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from importlib import metadata, util
from pathlib import Path
from typing import Any

import numpy as np

from streamformer_export import tokenizer
from streamformer_export.bundle import TEXT, Bundle
from streamformer_export.errors import ExportError
from streamformer_export.families import Task
from streamformer_export.graph.heads import Pooling, PoolingMode
from streamformer_export.languages import PREFIX
from streamformer_export.rows import RIGHT, Row, stride, too_long

# Families without an encoder: they go on with what they read.
PROMPTED = ("gpt2",)


def available() -> bool:
    return all(util.find_spec(package) for package in ("torch", "transformers"))


def version() -> str:
    return metadata.version("transformers")


def load(folder: Path, bundle: Bundle) -> Any:
    """The folder's model in float32, ready for inference."""
    import torch
    import transformers

    classes = {
        Task.TEXT_CLASSIFICATION: "AutoModelForSequenceClassification",
        Task.TOKEN_CLASSIFICATION: "AutoModelForTokenClassification",
        Task.QUESTION_ANSWERING: "AutoModelForQuestionAnswering",
        Task.FEATURE_EXTRACTION: "AutoModel",
    }
    kind = classes.get(bundle.manifest["task"], "AutoModelForSeq2SeqLM")
    if bundle.manifest["family"] in PROMPTED:
        kind = "AutoModelForCausalLM"
    kind = getattr(transformers, kind)
    model = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    if bundle.generates:
        for key, value in _task_params(model.config, bundle).items():
            if key != "prefix":
                setattr(model.generation_config, key, value)
        if "max_new_tokens" in _chosen(bundle, 1):
            # It would go first, with a warning for each text.
            model.generation_config.max_length = None
    return model.eval()


def _task_params(config: Any, bundle: Bundle) -> dict[str, Any]:
    """The settings of the task that the bundle was exported with."""
    manifest, params = bundle.manifest, getattr(config, "task_specific_params", None) or {}
    tags = [manifest.get(key) for key in ("languages", "target_languages")]
    direction = "_to_".join(found[0] for found in tags) if all(tags) else None
    named = f"{manifest['task']}_{direction}"
    return params.get(manifest["task"]) or params.get(named) or {}


class Reference:
    """A model folder in transformers, which reads texts and answers them for a bundle's task.

    `pooling` is how an encoder without a head embeds a text.
    """

    def __init__(self, folder: Path, bundle: Bundle, pooling: Pooling | None = None) -> None:
        self._folder = folder
        self._bundle = bundle
        self._pooling = pooling

    @cached_property
    def model(self) -> Any:
        return load(self._folder, self._bundle)

    @cached_property
    def tokenizer(self) -> Any:
        return _load_tokenizer(self._folder, self._bundle)

    def rows(self, text: str, pair: str | None = None, language: str | None = None) -> list[Row]:
        """What the model reads of a text in the bundle's template, or of a pair: one row, or one
        for each window of a question's context.

        Control tokens that a text spells stay text. `language` is that of the text, by default the
        bundle's first.
        """
        bundle = self._bundle
        text, pair = bundle.clipped(text, pair)
        if bundle.asks and pair is not None:
            return self._windows(bundle.prompt(text), pair)
        return [self._row(text, pair, language)]

    def ids(self, text: str, pair: str | None = None, language: str | None = None) -> list[int]:
        return list(self.rows(text, pair, language)[0].ids)

    def _row(self, text: str, pair: str | None, language: str | None) -> Row:
        bundle, prompt = self._bundle, self._bundle.prompt(text)
        # An OPUS-MT model is told the language to write by a token before the text.
        frame = bundle.tokenizer.encode("")
        told = [
            i for i, token in zip(frame.ids, frame.tokens, strict=True) if PREFIX.fullmatch(token)
        ]
        tokens = bundle.manifest["tokenizer"].get("source_language_tokens")
        source = tokens and tokens["ids"][language or next(iter(tokens["ids"]))]
        if source is not None and hasattr(self.tokenizer, "src_lang"):
            name = self.tokenizer.convert_ids_to_tokens(source)
            # M2M100 has codes of its own.
            codes = getattr(self.tokenizer, "lang_code_to_token", {})
            names = {token: code for code, token in codes.items()}
            self.tokenizer.src_lang = names.get(name, name)
        most = bundle.max_tokens - len(told)
        before, after = bundle.template.split(TEXT)
        if after if bundle.truncation_side == RIGHT else before:
            # Of a template transformers knows nothing: its tokens stay.
            row = self._read(prompt, pair)[0]
            if len(row) > most and not row.offsets:
                origin = bundle.manifest["tokenizer"].get("origin")
                words = tokenizer.reference(self._folder, origin and tokenizer.Origin(origin))
                row = Row.of(words.encode(prompt))
            row = bundle.cut(row, text)
        else:
            row = self._read(prompt, pair, truncation=True, max_length=most)[0]
        if source is not None and not hasattr(self.tokenizer, "src_lang"):
            ids = list(row.ids)
            ids[0 if tokens["position"] == "first" else -1] = source
            row = replace(row, ids=ids)
        special = [*[1] * len(told), *row.special_tokens_mask]
        return replace(row, ids=[*told, *row.ids], special_tokens_mask=special)

    def _windows(self, question: str, context: str) -> list[Row]:
        """As transformers' pipeline of question answering has them."""
        most = self._bundle.max_tokens
        asked = len(self._read(question, add_special_tokens=False)[0])
        room = most - asked - self.tokenizer.num_special_tokens_to_add(pair=True)
        if room < 1:
            raise too_long(most - room, most)
        return self._read(
            question,
            context,
            truncation="only_second",
            max_length=most,
            stride=stride(most, room),
            return_overflowing_tokens=True,
        )

    def _read(self, text: str, pair: str | None = None, **options: Any) -> list[Row]:
        found = self.tokenizer(
            text, pair, return_special_tokens_mask=True, split_special_tokens=True, **options
        )
        typed = "token_type_ids" in found
        if found.is_fast:
            return [Row.of(encoding, typed=typed) for encoding in found.encodings]
        ids = found["input_ids"]
        types = found["token_type_ids"] if typed else [0] * len(ids)
        return [Row(ids, types, special_tokens_mask=found["special_tokens_mask"])]

    def outputs(self, row: Row) -> list[np.ndarray]:
        """What an encoder says of a row by itself: the graph's outputs, without batch axis."""
        import torch

        manifest = self._bundle.manifest
        if manifest["family"] in PROMPTED:
            return [self._label_scores(list(row.ids))]
        feed = {"input_ids": torch.tensor([row.ids])}
        if any(value["name"] == "token_type_ids" for value in manifest["inputs"]):
            feed["token_type_ids"] = torch.tensor([row.type_ids])
        with torch.no_grad():
            found = self.model(**feed)
        if self._pooling:
            return [_pool(found.last_hidden_state[0], self._pooling).numpy()]
        return [found[output["name"]][0].numpy() for output in manifest["outputs"]]

    def generate(
        self, row: list[int], num_beams: int | None = None, language: str | None = None
    ) -> list[int]:
        """As the function `generate`, by the folder's model."""
        return generate(self.model, self._bundle, row, num_beams, language)

    def _label_scores(self, row: list[int]) -> np.ndarray:
        """How likely each label is to follow a text: (labels)."""
        import torch

        scores, space = [], "" if self._bundle.template[-1].isspace() else " "
        for label in self._bundle.manifest["labels"]:
            (told,) = self._read(space + label, add_special_tokens=False)
            ids = list(told.ids)
            with torch.no_grad():
                logits = self.model(input_ids=torch.tensor([row + ids[:-1]])).logits[0]
            logs = torch.log_softmax(logits, dim=-1)[len(row) - 1 :]
            scores.append(logs[range(len(ids)), ids].sum().item())
        return np.array(scores, np.float32)


def _load_tokenizer(folder: Path, bundle: Bundle) -> Any:
    """The folder's tokenizer; where the bundle takes the file and transformers would rebuild it by
    its class, the file with the class's settings. Raises ExportError for one that transformers
    cannot load."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    try:
        found = AutoTokenizer.from_pretrained(folder)
    # Each class fails in its own way.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise ExportError(
            f"transformers {version()} cannot load the tokenizer of {folder}: {reason} Correct "
            "tokenizer_class in tokenizer_config.json, or export with --answers graph."
        ) from error
    origin = bundle.manifest["tokenizer"].get("origin")
    if origin != tokenizer.Origin.FILE:
        return found
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.reference(folder, tokenizer.Origin.FILE),
        model_input_names=found.model_input_names,
        truncation_side=found.truncation_side,
    )


def _pool(hidden: Any, pooling: Pooling) -> Any:
    """Hidden states (sequence, width) of one text → its embedding (width)."""
    from torch.nn.functional import normalize

    pooled = hidden[0] if pooling.mode is PoolingMode.CLS else hidden.mean(dim=0)
    return normalize(pooled, dim=0) if pooling.normalize else pooled


def generate(
    model: Any,
    bundle: Bundle,
    row: list[int],
    num_beams: int | None = None,
    language: str | None = None,
) -> list[int]:
    """The best hypothesis of `generate` for a row by itself, without start token and padding.

    `language` is that of the answer, by default the bundle's first, where the model is told.
    """
    import torch

    decoding = bundle.manifest["decoding"]
    settings = _chosen(bundle, len(row))
    if num_beams is not None:
        settings["num_beams"] = num_beams
    if settings.get("num_beams", decoding["num_beams"]) == 1:
        settings.pop("length_penalty", None)
    first = bundle.target_language_id(language)
    if first is not None:
        settings["forced_bos_token_id"] = first
    if bundle.shortlist:
        allowed = bundle.shortlist.of(row)
        # Probabilities are those among the tokens of the shortlist.
        settings["prefix_allowed_tokens_fn"] = lambda *_: allowed
        settings["renormalize_logits"] = True
    start = len(row) if bundle.manifest["family"] in PROMPTED else 1
    with torch.no_grad():
        ids = model.generate(
            input_ids=torch.tensor([row]),
            attention_mask=torch.ones(1, len(row), dtype=torch.int64),
            do_sample=False,
            **settings,
        )[0, start:].tolist()
    return bundle.ended(ids)


def _chosen(bundle: Bundle, input_tokens: int) -> dict[str, Any]:
    """What the exporter chose in place of the folder's own settings, for a row of that many tokens.

    The manifest of an older bundle does not say what was chosen: all of it counts.
    """
    decoding = bundle.manifest["decoding"]
    chosen = decoding.get("chosen")
    settings = {}
    if chosen is None:
        settings["min_new_tokens"] = decoding["min_new_tokens"]
    for key in ("num_beams", "length_penalty"):
        if chosen is None or key in chosen:
            settings[key] = decoding[key]
    if chosen is None or "max_new_tokens" in chosen or "max_length_factor" in decoding:
        settings["max_new_tokens"] = bundle.limit(input_tokens)
    return settings
