"""Verification: one line per promise of a bundle, with the figure that was seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamformer_export import golden, reference, schema, tokenizer
from streamformer_export.bundle import Bundle, Runner
from streamformer_export.errors import ExportError

# Batches that each text is put into, with other texts and their padding.
BATCHES = (3, 17)
# Float sums may round differently in another shape; a probability may move by this much.
ROUNDING = 1e-4
LOGIT_BOUND = 1e-4

ONNX_TYPES = {"float32": "tensor(float)", "int64": "tensor(int64)", "int32": "tensor(int32)"}


@dataclass(frozen=True)
class Check:
    """One promise, whether it holds, and the figure."""

    name: str
    passed: bool
    figure: str


def verify(
    folder: Path, against: Path | None = None, threads: int | None = None
) -> Iterator[Check]:
    """Yields the checks of a bundle one by one; reading it checks format and hashes."""
    bundle = Bundle.read(folder)
    manifest = bundle.manifest
    yield Check("files", True, f"{len(manifest['files'])} have the manifest's SHA-256")
    unlisted = {p.name for p in folder.iterdir()} - set(manifest["files"]) - {"manifest.json"}
    yield Check("listed files", not unlisted, ", ".join(sorted(unlisted)) or "no other file")
    schema.check(manifest)
    yield Check("manifest", True, f"follows {schema.NAME}")
    yield _tokenizer(bundle)
    for variant, entry in manifest["variants"].items():
        runner = Runner(bundle, variant, threads)
        yield _signature(bundle, runner, variant)
        apart, equal = golden.differences(bundle, variant, threads)
        limits = entry["tolerance"]
        yield Check(
            f"{variant} golden texts",
            equal >= limits["equal_share"] and apart <= limits["score"],
            f"{equal:.3f} equal (at least {limits['equal_share']}), "
            f"scores apart by {apart:.2g} (at most {limits['score']})",
        )
        yield _independence(bundle, runner, variant)
    if against is not None:
        yield from _against(bundle, against, threads)


def _tokenizer(bundle: Bundle) -> Check:
    lines = bundle.golden()
    same = sum(bundle.ids(line["text"]) == line["input_ids"] for line in lines)
    return Check("tokenizer", same == len(lines), f"golden ids equal {same}/{len(lines)}")


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


def _independence(bundle: Bundle, runner: Runner, variant: str) -> Check:
    """Each golden text alone, and with neighbours in batches of several sizes."""
    rows = [line["input_ids"] for line in bundle.golden()]
    alone = [runner.run([row]) for row in rows]
    random = np.random.default_rng(0)
    differing, apart, seen = 0, 0.0, 0
    for size in BATCHES:
        order = random.permutation(len(rows))
        for start in range(0, len(rows), size):
            chosen = order[start : start + size]
            outputs = runner.run([rows[i] for i in chosen])
            for k, i in enumerate(chosen):
                seen += 1
                if bundle.generates:
                    both = (runner.trim(o[0][j][0]) for o, j in ((outputs, k), (alone[i], 0)))
                    differing += next(both) != next(both)
                else:
                    here, there = outputs[0][k], alone[i][0][0]
                    differing += here.argmax() != there.argmax()
                    apart = max(apart, float(np.abs(here - there).max()))
    figure = f"{differing} of {seen} answers depend on the batch"
    if not bundle.generates:
        figure += f", max |logit difference| {apart:.2g}"
    return Check(f"{variant} row independence", not differing and apart <= ROUNDING, figure)


def _against(bundle: Bundle, folder: Path, threads: int | None) -> Iterator[Check]:
    """Compares every variant with transformers; only fp32 has to be equal."""
    if not reference.available():
        raise ExportError(
            "--against compares with transformers on torch: one is not installed. "
            "Run: pip install 'streamformer-export[train]'"
        )
    lines = bundle.golden()
    ours, theirs = bundle.tokenizer, tokenizer.reference(folder)
    theirs.enable_truncation(bundle.max_tokens)
    same = sum(ours.encode(x["text"]).ids == theirs.encode(x["text"]).ids for x in lines)
    yield Check("tokenizer against the model", same == len(lines), f"{same}/{len(lines)} equal")
    model = reference.load(folder, bundle)
    rows = [line["input_ids"] for line in lines]
    if not bundle.generates:
        expected = reference.logits(model, rows)
        for variant in bundle.manifest["variants"]:
            runner = Runner(bundle, variant, threads)
            found = np.concatenate([runner.run([row])[0] for row in rows])
            apart = float(np.abs(found - expected).max())
            yield Check(
                f"{variant} against the model",
                variant != "fp32" or apart <= LOGIT_BOUND,
                f"max |logit difference| {apart:.2g}",
            )
        return
    for beams in (1, 4):
        expected_ids = [reference.generate(model, bundle, row, beams) for row in rows]
        for variant in bundle.manifest["variants"]:
            found_ids = Runner(bundle, variant, threads).answers(rows, num_beams=beams)
            same = sum(a == b for a, b in zip(found_ids, expected_ids, strict=True))
            yield Check(
                f"{variant} against the model, {beams} beam{'s' if beams > 1 else ''}",
                variant != "fp32" or same == len(rows),
                f"{same}/{len(rows)} token sequences identical",
            )
