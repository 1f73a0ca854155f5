"""Makes the ids that long texts are cut to, with transformers' own truncation.

    python make_cut_texts.py

writes cut-texts.json beside itself: texts, pairs, and questions with their context in windows, cut
on either side by the tiny sentiment model's tokenizer. It needs transformers.
"""

from __future__ import annotations

import json
from pathlib import Path

from transformers import PreTrainedTokenizerFast

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[6]
TOKENIZER = REPOSITORY / "model-export/tests/models/tiny-sentiment/tokenizer.json"
MAX_TOKENS = 15
STORY = "The man 😀 and the woman walk the blackest dogs at the beach, café 12345, unhappily."
SHORT = "streetlights, Who?"
# Texts and pairs of all lengths around the limit.
PAIRS = [
    ("a dog", None),
    (STORY, None),
    (SHORT, STORY),
    (STORY, SHORT),
    (STORY, STORY),
    ("a " * 6, "b " * 7),
    ("a " * 7, "b " * 6),
    ("a " * 5, "b " * 7),
    ("a " * 5, "b " * 70),
    ("a dog", "a cat"),
]
QUESTIONS = [("Who walks?", STORY * 2), ("a " * 11, "b c d e"), ("Who?", "a dog")]


def read(side: str) -> dict[str, list]:
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(TOKENIZER), truncation_side=side
    )
    limit = {"max_length": MAX_TOKENS, "return_token_type_ids": True}
    texts, questions = [], []
    for text, pair in PAIRS:
        found = tokenizer(text, pair, truncation=True, **limit)
        texts.append(
            {
                "text": text,
                "pair": pair,
                "ids": found["input_ids"],
                "types": found["token_type_ids"],
            }
        )
    for question, context in QUESTIONS:
        # [CLS] question [SEP] context [SEP]
        room = MAX_TOKENS - 3 - len(tokenizer.tokenize(question))
        windows = tokenizer(
            question,
            context,
            truncation="only_second",
            stride=min(MAX_TOKENS // 2, room // 2),
            return_overflowing_tokens=True,
            **limit,
        )
        questions.append(
            {
                "question": question,
                "context": context,
                "windows": windows["input_ids"],
            }
        )
    return {"texts": texts, "questions": questions}


def main() -> None:
    sides = {side: read(side) for side in ("left", "right")}
    content = {"max_tokens": MAX_TOKENS, **sides}
    (HERE / "cut-texts.json").write_text(
        json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
