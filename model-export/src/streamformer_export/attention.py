"""Looking at attention: the probabilities of every head, and a page that shows them.

A model folder's graph is the one that reads a given answer, with an explicit Softmax behind each
attention's scores; a bundle's own graph gets such outputs (graph/reveal.py). Neither torch nor
transformers is needed.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel

from streamformer_export import tokenizer
from streamformer_export.bundle import MANIFEST, Bundle, Runner
from streamformer_export.errors import ExportError
from streamformer_export.families import Model, Task, read_model
from streamformer_export.graph.builder import FLOAT
from streamformer_export.graph.layers import seen_attention
from streamformer_export.graph.model import OnnxModel
from streamformer_export.graph.options import Options
from streamformer_export.graph.reveal import reveal
from streamformer_export.quantize import Scheme

# Parts of a model, in the order of the page.
ENCODER = "Encoder self-attention"
DECODER = "Decoder self-attention"
CROSS = "Cross-attention"

# Tokens that a translation may have per token of the text, and on top: those of export.
LENGTH_FACTOR, LENGTH_OFFSET = 2, 16


@dataclass(frozen=True)
class Part:
    """One part's attention: who looks (rows), and at what (columns)."""

    name: str
    queries: list[str]
    keys: list[str]
    # (layers, heads, queries, keys)
    probabilities: np.ndarray
    first_layer: int = 0

    @property
    def layers(self) -> range:
        return range(self.first_layer, self.first_layer + len(self.probabilities))


def look(folder: Path, text: str, target: str | None = None) -> list[Part]:
    """The attention of a model folder's or a bundle's model on a text, and on its answer.

    The answer is `target`, or what the model generates itself; a bundle shows its own, greedy one.
    """
    if (folder / MANIFEST).is_file():
        if target is not None:
            raise ExportError(
                "A bundle shows the answer that it generates: --target is set. "
                "Give the model folder, or leave --target out."
            )
        return _look_at_bundle(Bundle.read(folder), text)
    model = read_model(folder)
    words = tokenizer.reference(folder)
    ids = words.encode(text).ids[: model.max_positions]
    if not model.task.generates:
        if target is not None:
            raise ExportError(
                f"--target is for models that generate: the task is {model.task}. Leave it out."
            )
        tokens = _names(words, ids)
        return [Part(name, tokens, tokens, p) for name, p in probabilities(model, ids).items()]
    if target is None:
        answer = own_answer(model, ids)
    else:
        answer = words.encode(target).ids[: model.max_positions - 1]
    if model.task is Task.TEXT_GENERATION:
        ids = [*ids, *answer][: model.max_positions]
        tokens = _names(words, ids)
        return [Part(name, tokens, tokens, p) for name, p in probabilities(model, ids).items()]
    read = [model.rules.start_id, *answer[:-1]]
    found = probabilities(model, ids, read)
    return _translation(*(_names(words, row) for row in (ids, read, answer)), found)


def _look_at_bundle(bundle: Bundle, text: str) -> list[Part]:
    """The attention of the bundle's default variant."""
    variant = bundle.manifest["default_variant"]
    runner = Runner(bundle, variant)
    model = OnnxModel.read(bundle.folder / bundle.manifest["variants"][variant]["file"])
    names = reveal(model.proto)
    runner.session = model.session()
    ids = bundle.ids(text)
    outputs = runner.run([ids], num_beams=1) if bundle.generates else runner.run([ids])
    results = dict(zip((o.name for o in runner.session.get_outputs()), outputs, strict=True))
    layers = [results[name][0] for name in names.encoder]
    tokens = _names(bundle.tokenizer, ids)
    if not bundle.generates:
        # The last layer of most heads computes the first token only.
        whole = [layer for layer in layers if layer.shape[1] == len(ids)]
        parts = [Part(ENCODER, tokens, tokens, np.stack(whole))] if whole else []
        if len(whole) < len(layers):
            name = f"{ENCODER}, last layer"
            last = np.stack(layers[len(whole) :])
            parts.append(Part(name, tokens[:1], tokens, last, first_layer=len(whole)))
        return parts
    answer = runner.trim(results["sequences"][0, 0], len(ids))
    written = _names(bundle.tokenizer, answer)

    def steps(names: list[str], keys: int) -> np.ndarray:
        """(layers, heads, steps, keys)"""
        found = [results[name][0, : len(answer), 0, :, 0, :keys] for name in names]
        return np.stack(found).transpose(0, 2, 1, 3)

    found = {}
    if names.encoder:
        found[ENCODER] = np.stack(layers)
    if names.decoder:
        found[DECODER] = steps(names.decoder, len(answer))
    if names.cross:
        found[CROSS] = steps(names.cross, len(ids))
    return _translation(tokens, ["start", *written[:-1]], written, found)


def _translation(
    source: list[str], read: list[str], written: list[str], found: dict[str, np.ndarray]
) -> list[Part]:
    """Parts of an encoder-decoder: each token that is written looks at those read before it."""
    axes = {ENCODER: (source, source), DECODER: (written, read), CROSS: (written, source)}
    return [Part(name, *axes[name], found[name]) for name in axes if name in found]


def _names(words: Tokenizer, ids: list[int]) -> list[str]:
    """Tokens as their tokenizer spells them; byte-level ones as the text that they stand for."""
    if isinstance(words.decoder, ByteLevel):
        return [words.decode([i], skip_special_tokens=False) for i in ids]
    return [(words.id_to_token(i) or f"#{i}").strip() for i in ids]


def probabilities(
    model: Model, ids: list[int], read: list[int] | None = None
) -> dict[str, np.ndarray]:
    """By part: the probabilities (layers, heads, queries, keys) of one row of ids.

    `read` is what the decoder reads, its start token first.
    """
    with seen_attention() as seen:
        g = model.build_scorer(Scheme())
    for i, one in enumerate(seen):
        g.output(f"attention {i}", one.probabilities, FLOAT, (None,) * 4)
    feed = _row(ids)
    if read is not None:
        feed["decoder_input_ids"] = np.array([read], np.int64)
    session = g.model("attention").session()
    if "token_type_ids" in {value.name for value in session.get_inputs()}:
        feed["token_type_ids"] = np.zeros_like(feed["input_ids"])
    outputs = session.run([f"attention {i}" for i in range(len(seen))], feed)
    parts: dict[str, list[np.ndarray]] = {}
    for one, output in zip(seen, outputs, strict=True):
        # A decoder's layer looks at its own tokens first, then at the source.
        name = DECODER if one.grows else CROSS if DECODER in parts else ENCODER
        parts.setdefault(name, []).append(output[0])
    return {name: np.stack(layers) for name, layers in parts.items()}


def own_answer(model: Model, ids: list[int]) -> list[int]:
    """What the model generates for a row of ids by its own settings, its end token included."""
    rules, defaults = model.rules, model.defaults
    assert rules and defaults
    limit = min(
        LENGTH_FACTOR * len(ids) + LENGTH_OFFSET, defaults.max_new_tokens, model.max_positions
    )
    session = model.build(Scheme(), Options(defaults.options)).model("attention").session()
    feed = _row(ids)
    for name, value, dtype in (
        ("max_new_tokens", [limit], np.int64),
        ("min_new_tokens", defaults.min_new_tokens, np.int64),
        ("num_beams", defaults.num_beams, np.int64),
        ("length_penalty", defaults.length_penalty, np.float32),
        ("repetition_penalty", defaults.repetition_penalty, np.float32),
        ("no_repeat_ngram_size", defaults.no_repeat_ngram_size, np.int64),
        ("temperature", 0, np.float32),
        ("top_k", 0, np.int64),
        ("top_p", 1, np.float32),
        ("seed", [0], np.int64),
    ):
        feed[name] = np.array(value, dtype)
    known = {value.name for value in session.get_inputs()}
    best = session.run(["sequences"], {k: v for k, v in feed.items() if k in known})[0][0, 0]
    answer = best.tolist()
    return answer[: answer.index(rules.end_id) + 1] if rules.end_id in answer else answer


def page(title: str, text: str, parts: list[Part], layer: int | None = None) -> str:
    """A page by itself, without network: every head of every layer, or of one (from 0)."""
    most = max(part.layers[-1] for part in parts)
    if layer is not None and not 0 <= layer <= most:
        raise ExportError(f"A layer is one of 0 to {most}: --layer is {layer}. Choose another.")
    shown = []
    for part in parts:
        layers = [i for i in part.layers if layer in (None, i)]
        if not layers:
            continue
        chosen = part.probabilities[[i - part.first_layer for i in layers]]
        values = np.rint(chosen * 65535).astype("<u2")
        shown.append(
            {
                "name": part.name,
                "queries": part.queries,
                "keys": part.keys,
                "layers": layers,
                "heads": part.probabilities.shape[1],
                "values": base64.b64encode(values.tobytes()).decode(),
            }
        )
    # No token may end the script.
    data = json.dumps({"title": title, "text": text, "parts": shown}).replace("<", "\\u003c")
    template = resources.files(__package__).joinpath("attention.html").read_text("utf-8")
    return template.replace("{{data}}", data)


def _row(ids: list[int]) -> dict[str, np.ndarray]:
    row = np.array([ids], np.int64)
    return {"input_ids": row, "attention_mask": np.ones_like(row)}
