"""Golden texts: what a bundle must answer wherever it is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from streamformer_export import reference, tokenizer
from streamformer_export.bundle import GOLDEN, Bundle, Runner
from streamformer_export.errors import ExportError

# English, since both default bundles read it; `--golden-texts` gives others.
TEXTS = (
    "Hello!",
    "OK",
    "no",
    "I love you.",
    "A man is riding a horse on the beach.",
    "Two young girls are playing football in the park.",
    "This is the worst film I have seen in years.",
    "An utterly charming story, told with warmth and wit.",
    "The plot makes no sense, but the actors are a joy to watch.",
    "not bad at all",
    "Where is the railway station?",
    "Please close the door, it's cold in here.",
    "She didn't say that she wouldn't come, did she?",
    "The meeting starts at 9:45 on 3 March 2026.",
    "1234567890",
    "It costs $19.99 (plus 20% tax).",
    "WHY ARE YOU SHOUTING AT ME?!",
    "Mr. O'Neill's café opened in Zürich - naïve, but très chic.",
    "A dog 🐶 chases a ball ⚽ in the snow ❄️.",
    "I'm so happy 😀😀😀!!!",
    "Mail me at someone@example.org or see https://example.org/a?b=c&d=e#f",
    "   too    many\tspaces\nand lines   ",
    "你好，世界",  # noqa: RUF001
    "Привет, мир! Как дела?",
    "مرحبا بالعالم",
    "ﬁne ½ Ⅷ ｆｕｌｌ ｗｉｄｔｈ",  # noqa: RUF001
    "soft\u00adhyphen zero\u200bwidth no\u00a0break",
    "e\u0301 o\u0302 n\u0303",
    "[CLS] [SEP] [MASK] [PAD] [UNK]",
    "</s> <pad> <unk> <s> >>fra<<",
    "He said </s> and then [MASK] walked away.",
    "Supercalifragilisticexpialidocious antidisestablishmentarianism",
    "A group of people in orange vests is standing in front of a large white building, while a "
    "woman with a red umbrella crosses the street and two children look at her.",
)

# Repeated until a text is longer than the model's limit.
SENTENCE = "The quick brown fox jumps over the lazy dog, and nobody knows why. "


def texts(source: Path | None, max_tokens: int) -> list[str]:
    """The texts of a file, one per line, or TEXTS; and one that is longer than the limit."""
    if source is None:
        chosen = list(TEXTS)
    else:
        lines = source.read_text(encoding="utf-8").split("\n")
        chosen = [line for line in lines if line.strip()]
        if not chosen:
            raise ExportError(f"A file of golden texts has a text per line: {source} has none.")
    return [*chosen, SENTENCE * (max_tokens // 8)]


def write(
    draft: Bundle, model_folder: Path, chosen: list[str], reference_variant: str | None
) -> str:
    """Writes golden.jsonl into a draft of a bundle; returns who gave the answers.

    `reference_variant` is the graph that answers where transformers does not; None asks
    transformers.
    """
    rows = _reference_ids(draft, model_folder, chosen)
    if reference_variant is None:
        answers = reference.answers(model_folder, draft, rows)
        by = f"transformers {reference.version()}"
    else:
        answers = Runner(draft, reference_variant).answers(rows, batch=1)
        by = f"the {reference_variant} graph"
    with (draft.folder / GOLDEN).open("w", encoding="utf-8", newline="\n") as file:
        for text, ids, answer in zip(chosen, rows, answers, strict=True):
            line = {"text": text, "input_ids": ids, **_expected(draft, answer)}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return by


def differences(bundle: Bundle, variant: str, threads: int | None = None) -> tuple[float, float]:
    """Replays the golden texts: largest difference of a score, share of equal answers."""
    lines = bundle.golden()
    answers = Runner(bundle, variant, threads).answers([line["input_ids"] for line in lines])
    apart, equal = 0.0, 0
    for line, answer in zip(lines, answers, strict=True):
        if bundle.generates:
            equal += bundle.text(answer) == line["output"]
            continue
        labels = bundle.manifest["labels"]
        equal += labels[int(answer.argmax())] == line["label"]
        apart = max(apart, abs(float(answer[labels.index(line["label"])]) - line["score"]))
    return apart, equal / len(lines)


def _expected(bundle: Bundle, answer: Any) -> dict[str, Any]:
    if bundle.generates:
        return {"output": bundle.text(answer)}
    best = int(answer.argmax())
    return {"label": bundle.manifest["labels"][best], "score": round(float(answer[best]), 6)}


def _reference_ids(draft: Bundle, folder: Path, chosen: list[str]) -> list[list[int]]:
    """The reference tokenizer's ids; refuses a bundle tokenizer that gives others."""
    original = tokenizer.reference(folder)
    original.enable_truncation(draft.max_tokens)
    rows = []
    for text in chosen:
        ids = original.encode(text).ids
        if draft.ids(text) != ids:
            raise ExportError(
                "The bundle's tokenizer gives the reference's ids: "
                f"{text[:60]!r} gives {draft.ids(text)[:8]} instead of {ids[:8]}. "
                "Export with a tokenizer that does not depend on its added tokens."
            )
        rows.append(ids)
    return rows
