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
from streamformer_export.bundle import CHARACTERS_PER_TOKEN, MANIFEST, TEXT, Bundle, Runner
from streamformer_export.errors import ExportError
from streamformer_export.families import Model, Task, read_model
from streamformer_export.families.gpt2 import KEPT_TOGETHER
from streamformer_export.graph.builder import FLOAT
from streamformer_export.graph.layers import seen_attention
from streamformer_export.graph.model import OnnxModel
from streamformer_export.graph.options import Option, Options
from streamformer_export.graph.reveal import reveal
from streamformer_export.languages import (
    Language,
    prefix_token,
    token_ids,
    with_language,
    with_prefix,
)
from streamformer_export.quantize import Scheme
from streamformer_export.reference import PROMPTED
from streamformer_export.rows import RIGHT, Row, clip, cut
from streamformer_export.tokenizer_inputs import read_inputs

# Parts of a model, in the order of the page.
ENCODER = "Encoder self-attention"
DECODER = "Decoder self-attention"
CROSS = "Cross-attention"

# Tokens that a translation may have per token of the text, and on top: those of export.


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


@dataclass(frozen=True)
class Told:
    """What a model folder's model is told beside the text, as an export is told it."""

    template: str = ""
    # TAG, or TAG=TOKEN.
    language: str = ""
    target_language: str = ""
    ignore_keys: tuple[str, ...] = ()


def look(
    folder: Path, text: str, target: str | None = None, told: Told | None = None
) -> list[Part]:
    """The attention of a model folder's or a bundle's model on a text, and on its answer.

    The answer is `target`, or what the model generates itself; a bundle shows its own, greedy one,
    in the languages and with the template that it was exported with. Raises ExportError for what
    the model has no use for, and where it has to be told a language.
    """
    if (folder / MANIFEST).is_file():
        if target is not None or told not in (None, Told()):
            raise ExportError(
                "A bundle shows the answer that it generates, by its own languages and template: "
                "--target or one of those is set. Give the model folder, or leave it out."
            )
        return _look_at_bundle(Bundle.read(folder), text)
    told = told or Told()
    model = read_model(folder, ignore=told.ignore_keys)
    special = tokenizer.control_tokens(folder, tokenizer.Origin.FILE)
    names = {id_: token for token, id_ in special.items()}
    words = _tokenizer(folder, model, told, special)
    prefix = model.defaults.prefix if model.defaults else ""
    ids = _read(folder, words, told.template or f"{prefix}{TEXT}", text, model.max_positions)
    if not model.task.generates:
        if target is not None:
            raise ExportError(
                f"--target is for models that generate: the task is {model.task}. Leave it out."
            )
        tokens = _names(words, ids, names)
        return [Part(name, tokens, tokens, p) for name, p in probabilities(model, ids).items()]
    first = _first_token(model, told, special)
    if target is None:
        answer = own_answer(model, ids, first)
    else:
        answer = words.encode(target, add_special_tokens=False).ids
        if model.task is not Task.TEXT_GENERATION:
            begin = [] if first is None else [first]
            answer = [*begin, *answer, model.rules.end_id]
        answer = answer[: model.max_positions - 1]
    if model.task is Task.TEXT_GENERATION:
        ids = [*ids, *answer][: model.max_positions]
        tokens = _names(words, ids, names)
        return [Part(name, tokens, tokens, p) for name, p in probabilities(model, ids).items()]
    read = [model.rules.start_id, *answer[:-1]]
    found = probabilities(model, ids, read)
    return _translation(*(_names(words, row, names) for row in (ids, read, answer)), found)


def _tokenizer(folder: Path, model: Model, told: Told, special: dict[str, int]) -> Tokenizer:
    """The folder's tokenizer, with the tokens that tell the model its languages."""
    words = tokenizer.reference(folder, tokenizer.Origin.FILE)
    content = json.loads(words.to_str())
    framed = None
    if model.names_source_language and told.language:
        (id_,) = token_ids([Language.parse(told.language)], special).values()
        framed, _ = with_language(content, id_, model.rules.end_id)
    elif model.family == "marian":
        token = prefix_token(special, [told.target_language] if told.target_language else [])
        framed = with_prefix(content, *token) if token else None
    if framed:
        words.post_processor = tokenizer.load(framed).post_processor
    return words


def _read(folder: Path, words: Tokenizer, template: str, text: str, most: int) -> list[int]:
    """The ids of a text in its template, cut to `most` tokens as a bundle of the folder does."""
    side = read_inputs(folder).get("truncation_side", RIGHT)
    text = clip(text, most * CHARACTERS_PER_TOKEN, side)
    before, _, after = template.partition(TEXT)
    row = Row.of(words.encode(template.replace(TEXT, text)))
    behind = len(before) + len(text) if after else None
    return list(cut(row, most, side, len(before), behind).ids)


def _first_token(model: Model, told: Told, special: dict[str, int]) -> int | None:
    """The token that every answer begins with; None where the model chooses it."""
    assert model.rules
    if model.names_target_language and told.target_language:
        (id_,) = token_ids([Language.parse(told.target_language)], special).values()
        return id_
    if model.names_target_language and model.rules.forced_bos_id is None:
        raise ExportError(
            f"A model of the family {model.family} is told its languages: none was given. "
            "Add --target-language, and --language."
        )
    return model.rules.forced_bos_id


def _look_at_bundle(bundle: Bundle, text: str) -> list[Part]:
    """The attention of the bundle's default variant."""
    variant = bundle.manifest["default_variant"]
    runner = Runner(bundle, variant)
    model = OnnxModel.read(bundle.folder / bundle.manifest["variants"][variant]["file"])
    prompted = bundle.manifest["family"] in PROMPTED
    revealed = reveal(model.proto, KEPT_TOGETHER if prompted else 0)
    runner.session = model.session()
    ids = bundle.ids(text)
    outputs = runner.run([ids], num_beams=1) if bundle.generates else runner.run([ids])
    results = dict(zip((o.name for o in runner.session.get_outputs()), outputs, strict=True))
    layers = [results[name][0] for name in revealed.encoder]
    special = _control_tokens(bundle)
    tokens = _names(bundle.tokenizer, ids, special)
    if not bundle.generates:
        if prompted:
            # A prompt is read padded; behind it the labels are.
            read = np.stack(layers[: len(layers) // 2])[:, :, : len(ids), : len(ids)]
            return [Part(DECODER, tokens, tokens, read)]
        # The last layer of most heads computes the first token only.
        whole = [layer for layer in layers if layer.shape[1] == len(ids)]
        parts = [Part(ENCODER, tokens, tokens, np.stack(whole))] if whole else []
        if len(whole) < len(layers):
            name = f"{ENCODER}, last layer"
            last = np.stack(layers[len(whole) :])
            parts.append(Part(name, tokens[:1], tokens, last, first_layer=len(whole)))
        return parts
    answer = runner.trim(results["sequences"][0, 0], len(ids))
    written = _names(bundle.target_tokenizer, answer, special)

    def steps(names: list[str]) -> np.ndarray:
        """(layers, heads, steps, keys)"""
        found = [results[name][0, : len(answer), 0, :, 0] for name in names]
        return np.stack(found).transpose(0, 2, 1, 3)

    if prompted:
        found = _continued(np.stack(layers), steps(revealed.decoder), len(ids))
        tokens = [*tokens, *written[:-1]]
        return [Part(DECODER, tokens, tokens, found)]
    found = {}
    if revealed.encoder:
        found[ENCODER] = np.stack(layers)
    if revealed.decoder:
        found[DECODER] = steps(revealed.decoder)[..., : len(answer)]
    if revealed.cross:
        found[CROSS] = steps(revealed.cross)[..., : len(ids)]
    return _translation(tokens, ["start", *written[:-1]], written, found)


def _continued(prompt: np.ndarray, steps: np.ndarray, length: int) -> np.ndarray:
    """A prompt of `length` tokens and what follows as one text (layers, heads, tokens, tokens).

    `prompt` (layers, heads, queries, keys) is padded. The first of the `steps` (layers, heads,
    steps, keys) reads the prompt's last token again, behind the prompt's padded cache.
    """
    layers, heads, count, _ = steps.shape
    known, cache = length - 1, -(-length // KEPT_TOGETHER) * KEPT_TOGETHER
    found = np.zeros((layers, heads, known + count, known + count), steps.dtype)
    found[:, :, :known, :known] = prompt[:, :, :known, :known]
    found[:, :, known:, :known] = steps[..., :known]
    found[:, :, known:, known:] = steps[..., cache : cache + count]
    return found


def _translation(
    source: list[str], read: list[str], written: list[str], found: dict[str, np.ndarray]
) -> list[Part]:
    """Parts of an encoder-decoder: each token that is written looks at those read before it."""
    axes = {ENCODER: (source, source), DECODER: (written, read), CROSS: (written, source)}
    return [Part(name, *axes[name], found[name]) for name in axes if name in found]


def _names(words: Tokenizer, ids: list[int], special: dict[int, str]) -> list[str]:
    """Tokens as their tokenizer spells them, byte-level ones as the text that they stand for;
    `special` are control tokens that it may not know."""

    def name(id_: int) -> str:
        if id_ in special:
            return special[id_]
        if isinstance(words.decoder, ByteLevel):
            text = words.decode([id_], skip_special_tokens=False)
            # Part of a character.
            return text if "\ufffd" not in text else _bytes(words.id_to_token(id_) or "")
        return (words.id_to_token(id_) or f"#{id_}").strip()

    return [name(id_) for id_ in ids]


def _bytes(token: str) -> str:
    """The bytes of a byte-level token: `<F0 9F>`."""
    # Printable ones stand for themselves, the others are counted from 256 on (Radford et al. 2019).
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    codes = [ord(c) if ord(c) < 256 else others[ord(c) - 256] for c in token]
    return f"<{' '.join(f'{code:02X}' for code in codes)}>"


def _control_tokens(bundle: Bundle) -> dict[int, str]:
    """Names of a bundle's control tokens, whose tokenizer has no spelling for them: languages by
    their tags, and what frames a text."""
    manifest = bundle.manifest
    source = manifest["tokenizer"].get("source_language_tokens", {}).get("ids", {})
    target = manifest.get("decoding", {}).get("target_language_tokens", {})
    names = {id_: f"[{tag}]" for tag, id_ in {**source, **target}.items()}
    frame = bundle.tokenizer.encode("")
    return dict(zip(frame.ids, frame.tokens, strict=True)) | names


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


def own_answer(model: Model, ids: list[int], first: int | None = None) -> list[int]:
    """What the model generates for a row of ids by its own settings, its end token included;
    `first` is the token that it begins with, if any."""
    rules, defaults = model.rules, model.defaults
    assert rules and defaults
    limit = min(defaults.max_new_tokens, model.max_output or model.max_positions)
    if defaults.max_total_tokens:
        limit = min(limit, max(1, defaults.max_total_tokens - len(ids)))
    least = np.array(defaults.min_new_tokens)
    if defaults.min_total_tokens is not None:
        least = np.array([max(0, defaults.min_total_tokens - len(ids))])
    chosen = defaults.options | ({Option.FORCED_BOS_TOKEN_ID} if first is not None else set())
    session = model.build(Scheme(), Options(chosen)).model("attention").session()
    feed = _row(ids)
    for name, value, dtype in (
        ("max_new_tokens", [limit], np.int64),
        ("min_new_tokens", least, np.int64),
        ("num_beams", defaults.num_beams, np.int64),
        ("length_penalty", defaults.length_penalty, np.float32),
        ("repetition_penalty", defaults.repetition_penalty, np.float32),
        ("no_repeat_ngram_size", defaults.no_repeat_ngram_size, np.int64),
        ("temperature", 0, np.float32),
        ("top_k", 0, np.int64),
        ("top_p", 1, np.float32),
        ("seed", [0], np.int64),
        ("forced_bos_token_id", [first], np.int64),
    ):
        if value == [None]:
            continue
        feed[name] = np.array(value, dtype)
    known = {value.name for value in session.get_inputs()}
    best = session.run(["sequences"], {k: v for k, v in feed.items() if k in known})[0][0, 0]
    answer = best.tolist()
    ends = [i for i, token in enumerate(answer) if token in rules.end_ids]
    return answer[: ends[0] + 1] if ends else answer


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
