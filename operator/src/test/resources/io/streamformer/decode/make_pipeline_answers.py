"""Makes the answers that the decoders are tested against, with transformers' own pipelines.

    python make_pipeline_answers.py

writes pipeline-answers.json beside itself: logits by chance, and what the pipelines read from
them. Texts are tokenized with the tiny sentiment model's tokenizer. It needs torch and
transformers 5.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast
from transformers.pipelines.document_question_answering import select_starts_ends
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
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "MISC"]
LONGEST_ANSWER = 30


def logits(random: np.random.Generator, *shape: int) -> np.ndarray:
    """Numbers that a text file holds exactly."""
    return (random.integers(-3000, 3000, shape) / 512).astype(np.float32)


def bare(pipeline: type, labels: list[str], **config: str) -> object:
    """A pipeline without a model."""
    made = pipeline.__new__(pipeline)
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
    tokenizer: PreTrainedTokenizerFast, random: np.random.Generator
) -> list[dict]:
    """The rules of the question-answering pipeline, which live on in that for documents."""
    cases = []
    for question, context in PAIRS * 5:
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
        cases.append(
            {
                "question": question,
                "context": context,
                "starts": starts.tolist(),
                "ends": ends.tolist(),
                "score": float(scores[0]),
                "start": inputs["offset_mapping"][first[0]][0],
                "end": inputs["offset_mapping"][last[0]][1],
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
        "answers": answers(tokenizer, random),
        "classifications": classifications(random),
    }
    (HERE / "pipeline-answers.json").write_text(
        json.dumps(content) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
