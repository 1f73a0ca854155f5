"""Makes the tiny models of the tests: weights by formula, vocabularies of ordinary words.

    python tests/make_tiny_bundles.py OUT

writes OUT/{tiny-sentiment,tiny-translation}/ as model folders and
OUT/bundles/{tiny-sentiment,tiny-translation} as bundles with the variants fp32 and int8. It needs
torch and transformers, whose answers it stores: golden.jsonl in the bundles, answers.json in the
model folders. The results lie in tests/models and in the operator's test resources:

    cp -r OUT/tiny-* tests/models/
    cp -r OUT/bundles/* ../operator/src/test/resources/bundles/
"""

from __future__ import annotations

import json
import string
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from streamformer_export.export import Settings, Variant, export

TEXT_OF_WORDS = """
the a an and or but not no yes is are was were be been have has had do does did will would can
could may I you he she it we they me him her us them my your his its our their this that these
those who what where when why how in on at to from of for with by about into over under up down
out off man woman men women boy girl child children people person dog cat horse bird car bus
train street house door water beach park field ball game food coffee book film movie story plot
actor music song good bad best worst great terrible love hate like happy sad funny boring
beautiful ugly white black red blue green old young big small long short one two three four five
six seven eight nine ten go come run walk sit stand ride play watch look see read write say tell
eat drink sleep work live die give take make open close day night year time morning evening
today tomorrow very so too more most less here there all some many few other
"""
TEXT_OF_SYLLABLES = """
ing ed er est ly ness ment tion able ful ous al ic en es re un in dis pre con com ex pro th sh
ch st tr pl br gr str ck ll ss tt ee oo ea ou ai an on or ar at it is us um le el il ol
"""
WORDS = TEXT_OF_WORDS.split()
SYLLABLES = TEXT_OF_SYLLABLES.split()
CHARACTERS = string.ascii_lowercase + string.digits + string.punctuation


def wordpiece() -> Tokenizer:
    """An uncased WordPiece tokenizer as BERT has it."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *CHARACTERS, *WORDS]
    pieces += [f"##{piece}" for piece in [*string.ascii_lowercase, *string.digits, *SYLLABLES]]
    pieces = list(dict.fromkeys(piece.lower() if piece in WORDS else piece for piece in pieces))
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens([AddedToken(piece) for piece in special])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    return tokenizer


def unigram() -> Tokenizer:
    """A Unigram tokenizer with Marian's order: </s> first, <pad> last."""
    pieces = [f"▁{word}" for word in WORDS] + SYLLABLES + [f"▁{s}" for s in SYLLABLES]
    # Longer pieces have the better score per character.
    scored = [(piece, -5.0 - 0.1 * len(piece)) for piece in dict.fromkeys(pieces)]
    letters = ["▁", *CHARACTERS, *string.ascii_uppercase]
    scored += [(c, -8.0) for c in letters if c not in pieces]
    vocabulary = [("</s>", -1000.0), ("<unk>", -1000.0), *scored, ("<pad>", -1000.0)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=1, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.add_special_tokens(
        [AddedToken(piece, normalized=False) for piece in ("</s>", "<unk>", "<pad>")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A $B </s>", special_tokens=[("</s>", 0)]
    )
    return tokenizer


class Maker:
    """Seeded tensors: the same folder, byte for byte, on every machine."""

    def __init__(self, seed: int, width: int, ffn: int) -> None:
        self.random = np.random.Generator(np.random.PCG64(seed))
        self.width, self.ffn = width, ffn
        self.tensors: dict[str, np.ndarray] = {}

    def add(self, name: str, *shape: int, scale: float = 1.0, around: float = 0.0) -> None:
        values = around + scale * self.random.standard_normal(shape)
        self.tensors[name] = values.astype(np.float16)

    def linear(self, name: str, inputs: int, outputs: int, gain: float = 1.0) -> None:
        self.add(f"{name}.weight", outputs, inputs, scale=gain * inputs**-0.5)
        self.add(f"{name}.bias", outputs, scale=0.1)

    def norm(self, name: str) -> None:
        self.add(f"{name}.weight", self.width, scale=0.1, around=1.0)
        self.add(f"{name}.bias", self.width, scale=0.1)


def sentiment(folder: Path) -> None:
    """A BERT of two layers, width 24, three heads."""
    tokenizer = wordpiece()
    width, ffn, layers, positions = 24, 48, 2, 64
    make = Maker(5, width, ffn)
    words = tokenizer.get_vocab_size()
    make.add("bert.embeddings.word_embeddings.weight", words, width)
    make.add("bert.embeddings.position_embeddings.weight", positions, width, scale=0.3)
    make.add("bert.embeddings.token_type_embeddings.weight", 2, width, scale=0.3)
    make.norm("bert.embeddings.LayerNorm")
    for i in range(layers):
        name = f"bert.encoder.layer.{i}"
        for part in ("query", "key", "value"):
            make.linear(f"{name}.attention.self.{part}", width, width)
        make.linear(f"{name}.attention.output.dense", width, width)
        make.norm(f"{name}.attention.output.LayerNorm")
        make.linear(f"{name}.intermediate.dense", width, ffn)
        make.linear(f"{name}.output.dense", ffn, width)
        make.norm(f"{name}.output.LayerNorm")
    make.linear("bert.pooler.dense", width, width)
    make.linear("classifier", width, 2, gain=2.0)
    config = {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": 3,
        "intermediate_size": ffn,
        "max_position_embeddings": positions,
        "vocab_size": words,
        "pad_token_id": 0,
        "id2label": {"0": "negative", "1": "positive"},
        "label2id": {"negative": 0, "positive": 1},
    }
    _write(folder, config, make, tokenizer, {"model_max_length": positions})


def translation(folder: Path) -> None:
    """A Marian of two and one layers, width 24, three heads."""
    tokenizer = unigram()
    width, ffn, words, positions = 24, 48, tokenizer.get_vocab_size(), 64
    make = Maker(5, width, ffn)
    make.add("model.shared.weight", words, width, scale=0.6)
    make.add("final_logits_bias", 1, words, scale=0.5)
    # The end token has to win now and then.
    make.tensors["final_logits_bias"][0, 0] = 8.0
    for side, layers in (("encoder", 2), ("decoder", 1)):
        for i in range(layers):
            name = f"model.{side}.layers.{i}"
            for part in ("self_attn", "encoder_attn")[: 1 if side == "encoder" else 2]:
                for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
                    make.linear(f"{name}.{part}.{projection}", width, width, gain=2.0)
                make.norm(f"{name}.{part}_layer_norm")
            make.linear(f"{name}.fc1", width, ffn)
            make.linear(f"{name}.fc2", ffn, width)
            make.norm(f"{name}.final_layer_norm")
    config = {
        "architectures": ["MarianMTModel"],
        "model_type": "marian",
        "activation_function": "relu",
        "d_model": width,
        "encoder_layers": 2,
        "decoder_layers": 1,
        "encoder_attention_heads": 3,
        "decoder_attention_heads": 3,
        "encoder_ffn_dim": ffn,
        "decoder_ffn_dim": ffn,
        "max_position_embeddings": positions,
        "scale_embedding": True,
        "vocab_size": words,
        "decoder_vocab_size": words,
        "decoder_start_token_id": words - 1,
        "pad_token_id": words - 1,
        "eos_token_id": 0,
        "forced_eos_token_id": None,
    }
    generation = {
        "decoder_start_token_id": words - 1,
        "pad_token_id": words - 1,
        "eos_token_id": 0,
        "bad_words_ids": [[words - 1], [1]],
        "num_beams": 4,
        "max_length": 40,
    }
    _write(folder, config, make, tokenizer, {"model_max_length": positions})
    _json(folder / "generation_config.json", generation)


def _write(folder: Path, config: dict, make: Maker, tokenizer: Tokenizer, settings: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(make.tensors, folder / "model.safetensors", metadata={"format": "pt"})
    _json(folder / "config.json", config)
    tokenizer.save(str(folder / "tokenizer.json"))
    _json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "PreTrainedTokenizerFast", **settings},
    )


def _json(path: Path, content: dict) -> None:
    text = json.dumps(content, indent=None if path.stem == "answers" else 2)
    path.write_text(text + "\n", encoding="utf-8")


# How the stored sequences were searched.
SEARCHES = (
    {"num_beams": 1, "length_penalty": 1.0, "min_new_tokens": 0},
    {"num_beams": 1, "length_penalty": 1.0, "min_new_tokens": 6},
    {"num_beams": 4, "length_penalty": 1.0, "min_new_tokens": 0},
    {"num_beams": 4, "length_penalty": 0.6, "min_new_tokens": 6},
)
MAX_NEW_TOKENS = 20


def store_answers(folder: Path) -> None:
    """answers.json: rows of ids with transformers' logits, or its sequences and scores."""
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoModelForSequenceClassification

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    texts = ["no", "the dog and the cat sleep on the street", "Is this a good book or a bad one?"]
    rows = [tokenizer.encode(text).ids for text in texts]
    if "sentiment" in folder.name:
        model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
        logits = [model(input_ids=torch.tensor([row])).logits[0].tolist() for row in rows]
        _json(folder / "answers.json", {"rows": rows, "logits": logits})
        return
    model = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float32)
    model.generation_config.max_length = None
    searches = []
    for search in SEARCHES:
        found = []
        for row in rows:
            beams = search["num_beams"]
            settings = dict(search)
            if beams == 1:
                del settings["length_penalty"]
            output = model.generate(
                input_ids=torch.tensor([row]),
                max_new_tokens=MAX_NEW_TOKENS,
                num_return_sequences=beams,
                output_scores=True,
                return_dict_in_generate=True,
                **settings,
            )
            answer = {"sequences": output.sequences[:, 1:].tolist()}
            if beams > 1:
                answer["scores"] = output.sequences_scores.tolist()
            found.append(answer)
        searches.append({**search, "answers": found})
    content = {"rows": rows, "max_new_tokens": MAX_NEW_TOKENS, "searches": searches}
    _json(folder / "answers.json", content)


def main(out: Path) -> None:
    sentiment(out / "tiny-sentiment")
    translation(out / "tiny-translation")
    for name in ("tiny-sentiment", "tiny-translation"):
        store_answers(out / name)
    common = {
        "variants": (Variant.INT8, Variant.FP32),
        "languages": ("en",),
        "source": "Random weights: only for tests.",
        "license": "Apache-2.0",
    }
    for name, more in (
        ("tiny-sentiment", {}),
        ("tiny-translation", {"target_languages": ("fr",)}),
    ):
        settings = Settings(name=name, **common, **more)
        export(out / name, out / "bundles" / name, settings, force=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
