"""The joint Unigram tokenizer of a translation model (Kudo 2018), one for both languages.

Control pieces follow Marian: `</s>` is id 0, `<unk>` is id 1, `<pad>` is the last id and starts
the decoder. They carry CONTROL_SCORE, far below any path over single characters, so the Unigram
lattice never picks them for a text that has `</s>` in it; `encode_special_tokens` (transformers:
`split_special_tokens`) keeps the added-token matcher from doing it. Ids of control pieces come
from the post-processor and the decoder alone.
"""

from __future__ import annotations

import json
import string
from collections.abc import Iterable
from pathlib import Path

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

END, UNKNOWN, PADDING = "</s>", "<unk>", "<pad>"
END_ID, UNKNOWN_ID = 0, 1
CONTROL_SCORE = -1000.0

# Single characters that are always in the vocabulary: what the control pieces are spelled with,
# and what a short training corpus may lack.
ALPHABET = string.ascii_letters + string.digits + string.punctuation


def train_tokenizer(texts: Iterable[str], vocabulary_size: int) -> Tokenizer:
    """Trains a tokenizer of at most `vocabulary_size` pieces; every character of `texts` is one."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Replace(Regex(r"\p{Cf}"), ""),
            normalizers.Replace(Regex(r"[\s\p{Cc}]+"), " "),
            normalizers.Replace("\u2019", "'"),
            normalizers.Strip(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always"),
            pre_tokenizers.Digits(individual_digits=True),
        ]
    )
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    trainer = trainers.UnigramTrainer(
        vocab_size=vocabulary_size - 1,
        special_tokens=[END, UNKNOWN],
        unk_token=UNKNOWN,
        initial_alphabet=list(ALPHABET),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)

    scores = dict(json.loads(tokenizer.to_str())["model"]["vocab"])
    del scores[END], scores[UNKNOWN]
    vocabulary = [(END, CONTROL_SCORE), (UNKNOWN, CONTROL_SCORE)]
    vocabulary += [*_in_steady_order(scores), (PADDING, CONTROL_SCORE)]
    tokenizer.model = models.Unigram(vocabulary, unk_id=UNKNOWN_ID, byte_fallback=False)
    tokenizer.add_special_tokens(
        [AddedToken(piece, normalized=False) for piece in (END, UNKNOWN, PADDING)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", pair=f"$A $B {END}", special_tokens=[(END, END_ID)]
    )
    tokenizer.encode_special_tokens = True
    return tokenizer


def _in_steady_order(scores: dict[str, float]) -> list[tuple[str, float]]:
    """Returns pieces and scores by falling score.

    The trainer sums in an order that changes from run to run, and gives characters that it would
    not have kept arbitrary scores at the low end. With rounded scores, and these made equal, two
    trainings on 100,000 pairs gave the same ids; on a toy corpus characters may still swap.
    """
    lowest = min((score for piece, score in scores.items() if len(piece) > 1), default=0.0)
    rounded = {piece: round(max(score, lowest), 6) for piece, score in scores.items()}
    return sorted(rounded.items(), key=lambda item: (-item[1], item[0]))


def write_tokenizer(tokenizer: Tokenizer, folder: Path, longest: int) -> None:
    """Writes tokenizer.json and the tokenizer_config.json that transformers reads beside it."""
    tokenizer.save(str(folder / "tokenizer.json"))
    configuration = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "unk_token": UNKNOWN,
        "pad_token": PADDING,
        "model_max_length": longest,
        "model_input_names": ["input_ids", "attention_mask"],
        "padding_side": "right",
        "split_special_tokens": True,
        "clean_up_tokenization_spaces": False,
    }
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(configuration, indent=2) + "\n", encoding="utf-8")


def read_tokenizer(folder: Path) -> Tokenizer:
    """Reads what `write_tokenizer` wrote."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    return tokenizer
