"""Golden texts: what a bundle must answer wherever it is loaded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamformer_export import answers, reference, tokenizer
from streamformer_export.bundle import GOLDEN, Bundle, Runner
from streamformer_export.distance import Expected
from streamformer_export.errors import ExportError
from streamformer_export.families import Task
from streamformer_export.graph.heads import Pooling
from streamformer_export.languages import PREFIX
from streamformer_export.rows import Row
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
    if source is None:
        if asks:
            return [*QUESTIONS, ("What does the fox jump over?", long)]
        return [*((text, None) for text in TEXTS), (long, None)]
    lines = read_lines(source)
    parts = [line.partition("\t") for line in lines if line.strip()]
    if not parts or (asks and not all(pair for _, _, pair in parts)):
        wanted = "a question, a tab and a context" if asks else "a text"
        raise ExportError(
            f"A file of golden texts has {wanted} per line: {source} has not. Mend the file."
        )
    # Where the given questions fit, the last one does.
    last = (min((text for text, _, _ in parts), key=len), long) if asks else (long, None)
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
    told = _languages(draft, len(chosen)) if draft.generates else [{}] * len(chosen)
    known = reference.Reference(model_folder, draft, pooling) if not reference_variant else None
    by = f"transformers {reference.version()}" if known else f"the {reference_variant} graph"
    original = known or _FileReader(draft, model_folder)
    read = [
        _readings(draft, original, *text, one.get("language"))
        for text, one in zip(chosen, told, strict=True)
    ]
    ids = [list(ours[0].ids) for ours, _ in read]
    if draft.generates:
        languages = [one.get("target_language") for one in told]
        if known:
            both = zip(ids, languages, strict=True)
            found = [known.generate(row, language=language) for row, language in both]
        else:
            runner = Runner(draft, reference_variant)
            found = runner.answers(ids, batch=1, languages=languages)
        lines = [{"output": draft.text(out), **one} for out, one in zip(found, told, strict=True)]
        answer = Expected(by, ids, found)
    else:
        runner = None if known else Runner(draft, reference_variant)
        reader, lines, found = answers.reader(draft.manifest), [], []
        for _, theirs in read:
            outputs = [known.outputs(r) if known else runner.outputs([r])[0] for r in theirs]
            pairs = zip(outputs, theirs, strict=True)
            lines.append(reader.line(answers.best([reader.read(*pair) for pair in pairs])))
            found += outputs
        answer = Expected(by, [row for ours, _ in read for row in ours], found)
    with (draft.folder / GOLDEN).open("w", encoding="utf-8", newline="\n") as file:
        for (text, pair), row, expected in zip(chosen, ids, lines, strict=True):
            both = {"text": text} | ({} if pair is None else {"text_pair": pair})
            line = {**both, "input_ids": row, **expected}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return answer


@dataclass(frozen=True)
class Golden:
    """The golden texts of a bundle as its graph reads them, and the answers that it promises."""

    bundle: Bundle
    # Those of golden.jsonl.
    lines: list[dict[str, Any]]
    # Of each text its row, or one for each window of a question's context.
    readings: list[list[Row]]

    @staticmethod
    def read(bundle: Bundle) -> Golden:
        lines = bundle.golden()
        if bundle.generates:
            # With the languages that they tell.
            return Golden(bundle, lines, [[Row(line["input_ids"])] for line in lines])
        texts = [(line["text"], line.get("text_pair")) for line in lines]
        return Golden(bundle, lines, [bundle.readings(*text) for text in texts])

    @property
    def rows(self) -> list[Row]:
        return [row for windows in self.readings for row in windows]

    def replay(self, runner: Runner) -> list[Any]:
        """What a variant gives for each row: the outputs of an encoder, or generated ids."""
        if not self.bundle.generates:
            return runner.each(self.rows, lambda outputs, _: outputs)
        languages = [line.get("target_language") for line in self.lines]
        return runner.answers([line["input_ids"] for line in self.lines], languages=languages)

    def answered(self, given: list[Any]) -> list[dict[str, Any]]:
        """The golden lines with the answers of a replay."""
        found = self._answers(given)
        if self.bundle.generates:
            read = [{"output": text} for text in found]
        else:
            read = list(map(answers.reader(self.bundle.manifest).line, found))
        return [{**line, **one} for line, one in zip(self.lines, read, strict=True)]

    def differences(
        self, given: list[Any], lines: list[dict[str, Any]] | None = None
    ) -> tuple[float, float]:
        """Of a replay's answers: largest difference of a score, share of equal answers.

        `lines` have the expected answers, by default those of golden.jsonl.
        """
        pairs = list(zip(lines or self.lines, self._answers(given), strict=True))
        if self.bundle.generates:
            return 0.0, sum(line["output"] == text for line, text in pairs) / len(pairs)
        reader = answers.reader(self.bundle.manifest)
        apart, equal = zip(*(reader.compare(*pair) for pair in pairs), strict=True)
        return max(apart), sum(equal) / len(pairs)

    def _answers(self, given: list[Any]) -> list[Any]:
        """Per text: what was generated, or what the task's reader makes of the outputs."""
        if self.bundle.generates:
            return [self.bundle.text(ids) for ids in given]
        read, outputs = answers.reader(self.bundle.manifest).read, iter(given)
        return [
            answers.best([read(next(outputs), row) for row in windows]) for windows in self.readings
        ]


class _FileReader:
    """The folder's tokenizer without transformers, told to read control tokens as text."""

    def __init__(self, draft: Bundle, folder: Path) -> None:
        origin = draft.manifest["tokenizer"].get("origin")
        original = tokenizer.reference(folder, origin and tokenizer.Origin(origin))
        # What tells the languages is the bundle's own choice.
        frame = draft.tokenizer.encode("").tokens
        prefixed = any(PREFIX.fullmatch(token) for token in frame)
        if prefixed or "source_language_tokens" in draft.manifest["tokenizer"]:
            original.post_processor = draft.tokenizer.post_processor
        self._bundle = draft.reading_with(original)

    def rows(self, text: str, pair: str | None, language: str | None) -> list[Row]:
        return self._bundle.readings(text, pair, language)


def _languages(draft: Bundle, count: int) -> list[dict[str, str]]:
    """Which languages each golden text has, where the model is told: all of them in turn."""
    manifest = draft.manifest
    told = {
        "language": manifest["tokenizer"].get("source_language_tokens", {}).get("ids", {}),
        "target_language": manifest["decoding"].get("target_language_tokens", {}),
    }
    names = {key: list(tokens) for key, tokens in told.items() if tokens}
    return [{key: tags[i % len(tags)] for key, tags in names.items()} for i in range(count)]


def _readings(
    draft: Bundle,
    known: reference.Reference | _FileReader,
    text: str,
    pair: str | None,
    language: str | None,
) -> tuple[list[Row], list[Row]]:
    """What the bundle reads of a text, and what its answer comes from: the reference's own reading,
    but the bundle's of a text that spells control tokens, which the reference may find. Refuses any
    other difference."""
    ours, theirs = draft.readings(text, pair, language), known.rows(text, pair, language)
    if not draft.reads_alike(ours, theirs):
        raise ExportError(
            f"The bundle reads {text[:60]!r} as {_shown(ours)}, and the folder's own tokenizer as "
            f"{_shown(theirs)}. Save the tokenizer with transformers' save_pretrained, and export "
            "again."
        )
    same = [list(row.ids) for row in ours] == [list(row.ids) for row in theirs]
    return ours, theirs if same else ours


def _shown(rows: list[Row]) -> str:
    return f"{list(rows[0].ids[:8])} ({sum(map(len, rows))} tokens)"
