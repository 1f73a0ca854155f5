"""Verification: one line per promise of a bundle, with the figure that was seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamformer_export import golden, reference, schema, tokenizer
from streamformer_export.bundle import Bundle, Runner
from streamformer_export.config import IgnoredKeys
from streamformer_export.errors import ExportError
from streamformer_export.families import Task
from streamformer_export.families.pooling import read_pooling
from streamformer_export.graph.heads import Pooling, PoolingMode
from streamformer_export.neighbours import influence, largest_difference
from streamformer_export.rows import Row
from streamformer_export.settings import Variant

# Float sums may round differently in another shape; a probability may move by this much.
ROUNDING = 1e-4
# In int8 a rounding may move an activation by a whole step. Padding does not change how values are
# rounded where the processor has AVX-512; elsewhere ONNX Runtime's softmax adds what is left of a
# vector in another order, and the last bit of an attention depends on the longest row.
STEP = 0.02
# The same in float16, whose steps are 2^13 times as wide as float32's.
HALF_ROUNDING = 1e-2
LOGIT_BOUND = 1e-4

ONNX_TYPES = {"float32": "tensor(float)", "int64": "tensor(int64)", "int32": "tensor(int32)"}


@dataclass(frozen=True)
class Check:
    """One promise, whether it holds, and the figure."""

    name: str
    passed: bool
    figure: str


def verify(
    folder: Path,
    against: Path | None = None,
    threads: int | None = None,
    *,
    pooling: PoolingMode | None = None,
    normalize: bool | None = None,
) -> Iterator[Check]:
    """Yields the checks of a bundle one by one; reading it checks format and hashes.

    `pooling` and `normalize` are what the bundle was exported with.
    """
    bundle = Bundle.read(folder)
    manifest = bundle.manifest
    yield Check("files", True, f"{len(manifest['files'])} have the manifest's SHA-256")
    unlisted = {p.name for p in folder.iterdir()} - set(manifest["files"]) - {"manifest.json"}
    yield Check("listed files", not unlisted, ", ".join(sorted(unlisted)) or "no other file")
    schema.check(manifest)
    yield Check("manifest", True, f"follows {schema.NAME}")
    default = manifest["default_variant"]
    listed = default in manifest["variants"] and default != Variant.INT8_FAST
    yield Check("default variant", listed, default)
    yield _tokenizer(bundle)
    yield _control_tokens(bundle)
    texts = golden.Golden.read(bundle)
    exact = None
    if Variant.FP32 in manifest["variants"]:
        exact = texts.replay(Runner(bundle, Variant.FP32, threads))
    for variant in manifest["variants"]:
        runner = Runner(bundle, variant, threads)
        yield _signature(bundle, runner, variant)
        is_exact = variant == Variant.FP32
        given = exact if is_exact else texts.replay(runner)
        yield _answers(bundle, variant, "golden texts", texts.differences(given))
        if exact and not is_exact:
            found = texts.differences(given, texts.answered(exact))
            yield _answers(bundle, variant, "against fp32", found)
        yield _independence(texts, runner, variant)
        if variant == Variant.FP16:
            yield Check("fp16 on CUDA", True, "not run: these lines are the CPU provider's")
    if against is not None:
        how = None
        if manifest["task"] == Task.FEATURE_EXTRACTION:
            ignored = IgnoredKeys(manifest.get("ignored_keys", ()))
            how = read_pooling(against, pooling, normalize, ignored)
        yield from _against(texts, against, threads, how)


def _tokenizer(bundle: Bundle) -> Check:
    lines = bundle.golden()
    same = sum(
        list(bundle.readings(line["text"], line.get("text_pair"), line.get("language"))[0].ids)
        == line["input_ids"]
        for line in lines
    )
    return Check("tokenizer", same == len(lines), f"golden ids equal {same}/{len(lines)}")


def _control_tokens(bundle: Bundle) -> Check:
    """Odd texts, some of which spell control tokens, are read without any."""

    def read(text: str) -> set[int]:
        return set(bundle.tokenizer.encode(text, add_special_tokens=False).ids)

    wrong = [text for text in golden.TEXTS if read(text) & bundle.control_ids]
    figure = f"{len(wrong)} of {len(golden.TEXTS)} odd texts are read with control tokens"
    return Check("control tokens", not wrong, "; ".join([figure, *map(repr, wrong)]))


def _answers(bundle: Bundle, variant: str, name: str, found: tuple[float, float]) -> Check:
    """Answers to the golden texts within the tolerance of the variant."""
    apart, equal = found
    limits = bundle.manifest["variants"][variant]["tolerance"]
    return Check(
        f"{variant} {name}",
        equal >= limits["equal_share"] and apart <= limits["score"],
        f"{equal:.3f} equal (at least {limits['equal_share']}), "
        f"scores apart by {apart:.2g} (at most {limits['score']})",
    )


def _signature(bundle: Bundle, runner: Runner, variant: str) -> Check:
    differing = []
    for kind, nodes in (
        ("inputs", runner.session.get_inputs()),
        ("outputs", runner.session.get_outputs()),
    ):
        declared = {(v["name"], ONNX_TYPES[v["type"]]) for v in bundle.manifest[kind]}
        differing += sorted(declared ^ {(node.name, node.type) for node in nodes})
    found = f"differ: {differing}" if differing else "as the manifest declares"
    return Check(f"{variant} inputs and outputs", not differing, found)


def _independence(texts: golden.Golden, runner: Runner, variant: str) -> Check:
    """Each golden text alone, and with neighbours in batches of several sizes."""
    name = f"{variant} row independence"
    seen = influence(runner, texts.rows)
    figure = f"{seen.changed_answers} of {seen.answers} answers depend on the batch"
    if not texts.bundle.generates:
        figure += f", outputs apart by {seen.apart:.2g}"
    if variant == Variant.INT8_FAST:
        figure += f"; not promised: neighbours change {seen.share:.1%} of the texts"
        return Check(name, True, figure)
    bound = HALF_ROUNDING if variant == Variant.FP16 else ROUNDING
    if variant == Variant.INT8 and not _has_avx512():
        bound = STEP
        figure += f" (at most {STEP} without AVX-512)"
    return Check(name, not seen.changed_answers and seen.apart <= bound, figure)


def _has_avx512() -> bool:
    """Whether the processor has it, as far as Linux tells."""
    described = Path("/proc/cpuinfo")
    return described.is_file() and "avx512f" in described.read_text(encoding="utf-8").split()


def _against(
    texts: golden.Golden, folder: Path, threads: int | None, pooling: Pooling | None
) -> Iterator[Check]:
    """Compares every variant with transformers; only fp32 has to be equal."""
    if not reference.available():
        raise ExportError(
            "--against compares with transformers on torch: one is not installed. "
            "Run: pip install 'streamformer-export[train]'"
        )
    bundle, lines = texts.bundle, texts.lines
    known = reference.Reference(folder, bundle, pooling)
    yield from _reading(bundle, known)
    readings = [_known_rows(bundle, known, line) for line in lines]
    if not bundle.generates:
        rows = [row for windows in readings for row in windows]
        expected = [known.outputs(row) for row in rows]
        ours = texts.rows
        for variant in bundle.manifest["variants"]:
            runner = Runner(bundle, variant, threads)
            found = [runner.outputs([row])[0] for row in ours]
            apart = float("inf")
            if [len(row) for row in rows] == [len(row) for row in ours]:
                apart = max(map(largest_difference, found, expected))
            yield Check(
                f"{variant} against the model",
                variant != "fp32" or apart <= LOGIT_BOUND,
                f"outputs apart by at most {apart:.2g}",
            )
        return
    rows = [list(windows[0].ids) for windows in readings]
    languages = [line.get("target_language") for line in lines]
    for beams in (1, 4):
        expected_ids = [
            known.generate(row, beams, language)
            for row, language in zip(rows, languages, strict=True)
        ]
        for variant in bundle.manifest["variants"]:
            runner = Runner(bundle, variant, threads)
            ours = [line["input_ids"] for line in lines]
            found_ids = runner.answers(ours, num_beams=beams, languages=languages)
            same = sum(a == b for a, b in zip(found_ids, expected_ids, strict=True))
            yield Check(
                f"{variant} against the model, {beams} beam{'s' if beams > 1 else ''}",
                variant != "fp32" or same == len(rows),
                f"{same}/{len(rows)} token sequences identical",
            )


def _known_rows(bundle: Bundle, known: reference.Reference, line: dict[str, Any]) -> list[Row]:
    """What the reference reads of a golden text; of one that spells control tokens, which are text
    in a bundle, what the bundle reads."""
    text = line["text"], line.get("text_pair"), line.get("language")
    ours, theirs = bundle.readings(*text), known.rows(*text)
    alike = [row.ids for row in ours] == [row.ids for row in theirs]
    return ours if not alike and bundle.reads_alike(ours, theirs) else theirs


def _reading(bundle: Bundle, known: reference.Reference) -> Iterator[Check]:
    """The ids of texts that tell tokenizers apart, and the types of pairs."""
    texts = _telling_texts(bundle)
    read = [(text, bundle.readings(*text), known.rows(*text)) for text in texts]
    wrong = [text for text, ours, theirs in read if not bundle.reads_alike(ours, theirs)]
    figure = f"{len(read) - len(wrong)}/{len(read)} equal"
    if wrong:
        text, pair, _ = wrong[0]
        figure += f"; not of {text[:60]!r}" + (f" with {pair[:60]!r}" if pair else "")
    yield Check("tokenizer against the model", not wrong, figure)
    if any(value["name"] == "token_type_ids" for value in bundle.manifest["inputs"]):
        pairs = [(ours, theirs) for (_, pair, _), ours, theirs in read if pair]
        types = [[[list(row.type_ids) for row in rows] for rows in both] for both in pairs]
        same = sum(ours == theirs for ours, theirs in types)
        figure = f"{same}/{len(pairs)} pairs equal"
        yield Check("token types against the model", same == len(pairs), figure)


def _telling_texts(bundle: Bundle) -> list[tuple[str, str | None, str | None]]:
    """Texts, pairs and languages: the golden ones, odd spellings and lengths beyond the limit."""
    longest = bundle.max_tokens
    long = [golden.SENTENCE * (longest // 4), f"{golden.SENTENCE}Äé 42! " * (longest // 6)]
    odd = [*golden.TEXTS, *tokenizer.TELLING]
    lines = [(i["text"], i.get("text_pair"), i.get("language")) for i in bundle.golden()]
    if not bundle.asks:
        told = bundle.manifest["tokenizer"].get("source_language_tokens", {}).get("ids", {})
        lines += [(text, None, tag) for tag in told or [None] for text in [*odd, *long]]
    if not bundle.generates:
        lines += [(text, pair, None) for text, pair in golden.QUESTIONS]
        lines += [("Who?", text, None) for text in long]
    if not bundle.generates and not bundle.asks:
        lines += [(long[0], "a pair", None), (long[0], long[1], None), (long[0], long[0], None)]
    return lines
