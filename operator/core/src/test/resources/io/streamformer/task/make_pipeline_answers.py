"""Makes the answers that the decoders are tested against, with transformers' own pipelines.

    python make_pipeline_answers.py

writes pipeline-answers.json beside itself: logits by chance, and what the pipelines read from
them. Texts are tokenized with the tiny sentiment model's tokenizer. It needs torch and
transformers 4.57, the last one with a pipeline for questions.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast
from transformers.pipelines.question_answering import (
    QuestionAnsweringPipeline,
    select_starts_ends,
)
from transformers.pipelines.text_classification import TextClassificationPipeline
from transformers.pipelines.token_classification import (
    AggregationStrategy,
    TokenClassificationPipeline,
)

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[6]
TOKENIZER = REPOSITORY / "model-export/tests/models/tiny-sentiment/tokenizer.json"
TEXTS = [
    "The man and the woman walk the dogs.",
    "terrible coffee 😀 in the streetlights, the childrens' cafe\u0301!",
    "\U0001f469\u200d\U0001f680 Ünder the bridge; 12345 naïve birdies",
    "a",
]
PAIRS = [
    (
        "who walk the dog?",
        "The man 😀 and the woman walk the blackest dog at the beach.",
    ),
    ("what is it", "coffee"),
    ("is the house cafe\u0301 old?", "It is a small house, " * 2 + "and not very old."),
]
# Words of several tokens, which an answer may begin or end in.
LONG_WORDS = [
    (
        "the blackest?",
        "streetlights and the blackest birdies, naïve childrens: the unfriendliest",
    )
]
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "MISC"]
LONGEST_ANSWER = 30


def logits(random: np.random.Generator, *shape: int) -> np.ndarray:
    """Numbers that a text file holds exactly."""
    return (random.integers(-3000, 3000, shape) / 512).astype(np.float32)


def bare(pipeline: type, labels: list[str], **config: str) -> object:
    """A pipeline without a model."""
    made = pipeline.__new__(pipeline)
    made.framework = "pt"
    config["id2label"] = dict(enumerate(labels))
    made.model = SimpleNamespace(
        config=SimpleNamespace(num_labels=len(labels), **config)
    )
    return made


def entities(
    tokenizer: PreTrainedTokenizerFast, random: np.random.Generator
) -> list[dict]:
    pipeline = bare(TokenClassificationPipeline, LABELS)
    pipeline.tokenizer = tokenizer
    cases = []
    for text in TEXTS * 5:
        inputs = tokenizer(
            text,
            return_tensors="pt",
            return_special_tokens_mask=True,
            return_offsets_mapping=True,
        )
        values = logits(random, inputs["input_ids"].shape[1], len(LABELS))
        answers = {}
        for strategy in AggregationStrategy:
            found = pipeline.postprocess(
                [{**inputs, "logits": torch.tensor(values)[None], "sentence": text}],
                strategy,
            )
            answers[strategy.value] = [
                {
                    "label": entity.get("entity_group", entity.get("entity")),
                    "score": float(entity["score"]),
                    "start": int(entity["start"]),
                    "end": int(entity["end"]),
                }
                for entity in found
            ]
        cases.append({"text": text, "logits": values.tolist(), "answers": answers})
    return cases


def answers(
    tokenizer: PreTrainedTokenizerFast,
    random: np.random.Generator,
    pairs: list[tuple[str, str]],
) -> list[dict]:
    """Answers from token to token, and widened to whole words."""
    pipeline = bare(QuestionAnsweringPipeline, LABELS)
    cases = []
    for question, context in pairs * 5:
        inputs = tokenizer(question, context, return_offsets_mapping=True)
        tokens = len(inputs["input_ids"])
        outside = np.array(
            [[sequence != 1 for sequence in inputs.sequence_ids(0)]], dtype=int
        )
        outside[0, 0] = 0
        starts, ends = logits(random, tokens), logits(random, tokens)
        first, last, scores, _ = select_starts_ends(
            starts[None].astype(np.float64),
            ends[None].astype(np.float64),
            outside,
            np.ones((1, tokens), dtype=int),
            max_answer_len=LONGEST_ANSWER,
        )
        start, end = pipeline.get_indices(
            inputs.encodings[0], int(first[0]), int(last[0]), 1, align_to_words=True
        )
        cases.append(
            {
                "question": question,
                "context": context,
                "starts": starts.tolist(),
                "ends": ends.tolist(),
                "score": float(scores[0]),
                "start": inputs["offset_mapping"][first[0]][0],
                "end": inputs["offset_mapping"][last[0]][1],
                "words": {"start": start, "end": end},
            }
        )
    return cases


def classifications(random: np.random.Generator) -> list[dict]:
    cases = []
    for kind in (
        "single_label_classification",
        "multi_label_classification",
        "regression",
    ):
        pipeline = bare(TextClassificationPipeline, LABELS, problem_type=kind)
        values = logits(random, len(LABELS))
        found = pipeline.postprocess(
            {"logits": torch.tensor(values)[None]}, top_k=None, _legacy=False
        )
        scores = {answer["label"]: answer["score"] for answer in found}
        cases.append(
            {"problem_type": kind, "logits": values.tolist(), "scores": scores}
        )
    return cases


def main() -> None:
    random = np.random.Generator(np.random.PCG64(3))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(TOKENIZER),
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    )
    content = {
        "labels": LABELS,
        "entities": entities(tokenizer, random),
        "answers": answers(tokenizer, random, PAIRS),
        "classifications": classifications(random),
    }
    later = np.random.Generator(np.random.PCG64(4))
    content["answers"] += answers(tokenizer, later, LONG_WORDS)
    content["widened"] = sum(
        (one["start"], one["end"]) != tuple(one["words"].values())
        for one in content["answers"]
    )
    (HERE / "pipeline-answers.json").write_text(
        json.dumps(content) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
