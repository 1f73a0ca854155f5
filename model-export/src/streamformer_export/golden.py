"""Golden texts: what a bundle must answer wherever it is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Encoding, Tokenizer

from streamformer_export import answers, reference, tokenizer
from streamformer_export.bundle import GOLDEN, TEXT, Bundle, Cut, Runner
from streamformer_export.distance import Expected
from streamformer_export.errors import ExportError
from streamformer_export.families import Task
from streamformer_export.graph.heads import Pooling
from streamformer_export.languages import PREFIX
from streamformer_export.training.data import read_lines

# A text, and the one it is paired with.
Text = tuple[str, str | None]

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

QUESTIONS = (
    ("Who is riding a horse?", "A man is riding a horse on the beach."),
    ("What are the girls playing?", "Two young girls are playing football in the park."),
    ("When does the meeting start?", "The meeting starts at 9:45 on 3 March 2026."),
    ("How much?", "It costs $19.99 (plus 20% tax)."),
    (
        "Where did Mr. O'Neill's café open?",
        "Mr. O'Neill's café opened in Zürich - naïve, but chic.",
    ),
    ("What does a dog chase?", "A dog 🐶 chases a ball ⚽ in the snow ❄️."),
    ("who", "OK"),
    ("What is in the text?", "[CLS] [SEP] [MASK] [PAD] [UNK]"),
    ("</s> <pad>?", "He said </s> and then [MASK] walked away."),
    ("谁", "你好，世界"),  # noqa: RUF001
    ("Как дела?", "Привет, мир! Как дела?"),
    ("What is odd here?", "e\u0301 o\u0302 n\u0303 soft\u00adhyphen zero\u200bwidth no\u00a0break"),
    ("   Which   lines? ", "   too    many\tspaces\nand lines   "),
    (
        "What does the woman carry, and what do the children do while she crosses the street?",
        "A group of people in orange vests is standing in front of a large white building, while a "
        "woman with a red umbrella crosses the street and two children look at her.",
    ),
)

# Repeated until a text is longer than the model's limit.
SENTENCE = "The quick brown fox jumps over the lazy dog, and nobody knows why. "


def texts(source: Path | None, task: Task, max_tokens: int) -> list[Text]:
    """The texts of a file, one per line, or TEXTS or QUESTIONS; and one beyond the limit.

    In a file a tab stands between the texts of a pair.
    """
    asks = task is Task.QUESTION_ANSWERING
    long = SENTENCE * (max_tokens // 8)
    last = ("What does the fox jump over?", long) if asks else (long, None)
    if source is None:
        chosen = list(QUESTIONS) if asks else [(text, None) for text in TEXTS]
        return [*chosen, last]
    lines = read_lines(source)
    parts = [line.partition("\t") for line in lines if line.strip()]
    if not parts or (asks and not all(pair for _, _, pair in parts)):
        wanted = "a question, a tab and a context" if asks else "a text"
        raise ExportError(
            f"A file of golden texts has {wanted} per line: {source} has not. Mend the file."
        )
    return [*((text, pair or None) for text, _, pair in parts), last]


def write(
    draft: Bundle,
    model_folder: Path,
    chosen: list[Text],
    reference_variant: str | None,
    pooling: Pooling | None = None,
) -> Expected:
    """Writes golden.jsonl into a draft of a bundle; returns the answers and who gave them.

    `reference_variant` is the graph that answers where transformers does not; None asks
    transformers.
    """
    encodings = _reference_encodings(draft, model_folder, chosen)
    by = f"the {reference_variant} graph"
    if reference_variant is None:
        by = f"transformers {reference.version()}"
    rows, languages = [encoding.ids for encoding in encodings], []
    if draft.generates:
        told = _languages(draft, len(chosen))
        rows = [
            draft.ids(text, pair, one.get("language"))
            for (text, pair), one in zip(chosen, told, strict=True)
        ]
        languages = [one.get("target_language") for one in told]
        if reference_variant is None:
            found = reference.generated(model_folder, draft, rows, languages)
        else:
            runner = Runner(draft, reference_variant)
            found = runner.answers(rows, batch=1, languages=languages)
        expected = [
            {"output": draft.text(ids), **one} for ids, one in zip(found, told, strict=True)
        ]
    else:
        if reference_variant is None:
            found = reference.read(model_folder, draft, encodings, pooling)
        else:
            runner = Runner(draft, reference_variant)
            found = [runner.outputs([encoding])[0] for encoding in encodings]
        reader = answers.reader(draft.manifest)
        pairs = zip(found, encodings, strict=True)
        expected = [reader.line(reader.read(outputs, encoding)) for outputs, encoding in pairs]
    with (draft.folder / GOLDEN).open("w", encoding="utf-8", newline="\n") as file:
        for (text, pair), ids, answer in zip(chosen, rows, expected, strict=True):
            both = {"text": text} | ({} if pair is None else {"text_pair": pair})
            line = {**both, "input_ids": ids, **answer}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return Expected(by, rows if draft.generates else encodings, found, languages)


def encodings(bundle: Bundle) -> list[Encoding]:
    """The golden texts as the bundle's tokenizer reads them."""
    return [bundle.encode(line["text"], line.get("text_pair")) for line in bundle.golden()]


def inputs(bundle: Bundle) -> list[Encoding | Cut]:
    """The golden texts as the graph reads them, with the languages that they tell."""
    if not bundle.generates:
        return encodings(bundle)
    return [Cut(line["input_ids"], []) for line in bundle.golden()]


def answered(
    bundle: Bundle, variant: str, threads: int | None = None, runner: Runner | None = None
) -> list[dict[str, Any]]:
    """The golden lines with the answers that a variant gives."""
    lines = bundle.golden()
    runner = runner or Runner(bundle, variant, threads)
    if bundle.generates:
        languages = [line.get("target_language") for line in lines]
        outputs = runner.answers([line["input_ids"] for line in lines], languages=languages)
        return [
            {**line, "output": bundle.text(ids)} for ids, line in zip(outputs, lines, strict=True)
        ]
    reader = answers.reader(bundle.manifest)
    found = runner.read(encodings(bundle))
    return [{**line, **reader.line(one)} for line, one in zip(lines, found, strict=True)]


def differences(
    bundle: Bundle,
    variant: str,
    threads: int | None = None,
    lines: list[dict[str, Any]] | None = None,
    runner: Runner | None = None,
) -> tuple[float, float]:
    """Answers the golden texts: largest difference of a score, share of equal answers.

    `lines` are the expected answers, by default those of golden.jsonl; `runner` has the variant,
    where there is one already.
    """
    expected = bundle.golden() if lines is None else lines
    if bundle.generates:
        found = answered(bundle, variant, threads, runner)
        pairs = zip(found, expected, strict=True)
        return 0.0, sum(a["output"] == b["output"] for a, b in pairs) / len(expected)
    reader = answers.reader(bundle.manifest)
    runner = runner or Runner(bundle, variant, threads)
    found = runner.read(encodings(bundle))
    compared = [reader.compare(line, one) for line, one in zip(expected, found, strict=True)]
    apart, equal = zip(*compared, strict=True)
    return max(apart), sum(equal) / len(expected)


def reference_tokenizer(bundle: Bundle, folder: Path) -> Tokenizer:
    """The folder's own tokenizer, with the bundle's limit and the bundle's first language."""
    origin = bundle.manifest["tokenizer"].get("origin")
    original = tokenizer.reference(folder, tokenizer.Origin(origin) if origin else None)
    if bundle.template.endswith(TEXT):
        original.enable_truncation(bundle.max_tokens)
    # What tells the languages is the bundle's own choice.
    frame = bundle.tokenizer.encode("").tokens
    prefixed = any(PREFIX.fullmatch(token) for token in frame)
    if prefixed or "source_language_tokens" in bundle.manifest["tokenizer"]:
        original.post_processor = bundle.tokenizer.post_processor
    return original


def _languages(draft: Bundle, count: int) -> list[dict[str, str]]:
    """Which languages each golden text has, where the model is told: all of them in turn."""
    manifest = draft.manifest
    told = {
        "language": manifest["tokenizer"].get("source_language_tokens", {}).get("ids", {}),
        "target_language": manifest["decoding"].get("target_language_tokens", {}),
    }
    names = {key: list(tokens) for key, tokens in told.items() if tokens}
    return [{key: tags[i % len(tags)] for key, tags in names.items()} for i in range(count)]


def _reference_encodings(draft: Bundle, folder: Path, chosen: list[Text]) -> list[Encoding]:
    """What the bundle's tokenizer reads; refuses other ids than the reference tokenizer's."""
    original = reference_tokenizer(draft, folder)
    found = []
    for text, pair in chosen:
        encoding = draft.encode(text, pair)
        if not tokenizer.reads_alike(draft.tokenizer, original, draft.prompt(text), pair):
            ids = original.encode(draft.prompt(text), pair).ids
            raise ExportError(
                "The bundle's tokenizer gives the reference's ids: "
                f"{text[:60]!r} gives {encoding.ids[:8]} instead of {ids[:8]}. "
                "Export with a tokenizer that does not depend on its added tokens."
            )
        found.append(encoding)
    return found
