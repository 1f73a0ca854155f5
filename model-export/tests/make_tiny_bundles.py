"""Makes the tiny models of the tests: weights by formula, vocabularies of ordinary words.

    python tests/make_tiny_bundles.py OUT

writes OUT/tiny-* as model folders and OUT/bundles/tiny-* as bundles with the variants fp32 and
int8; tiny-options is tiny-translation with every option of decoding, tiny-large is tiny-sentiment
with its weights beside the graphs, as those of a model beyond 2 GB lie. It needs torch and
transformers, whose answers it stores: golden.jsonl in the bundles, answers.json in the model
folders. tiny-student is a Marian student, which the fp32 graph answers for. The results lie in
tests/models (but tiny-student) and in the operator's test resources:

    cp -r OUT/tiny-* tests/models/
    cp -r OUT/bundles/* ../operator/core/src/test/resources/bundles/
"""

from __future__ import annotations

import json
import string
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import numpy as np
from safetensors.numpy import save_file
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from streamformer_export.export import Settings, Variant, export
from streamformer_export.families import Task
from streamformer_export.graph import model as graph_model
from streamformer_export.graph.options import Option
from tiny_student import Shape, TinyStudent

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
# Golden texts with pairs among them.
PAIRS = Path(__file__).with_name("golden-pairs.txt")

WORDS = TEXT_OF_WORDS.split()
SYLLABLES = TEXT_OF_SYLLABLES.split()
CHARACTERS = string.ascii_lowercase + string.digits + string.punctuation


def wordpiece(cased: bool = False) -> Tokenizer:
    """A WordPiece tokenizer as BERT has it."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *CHARACTERS, *WORDS]
    pieces += [f"##{piece}" for piece in [*string.ascii_lowercase, *string.digits, *SYLLABLES]]
    if cased:
        pieces += [*string.ascii_uppercase, *(f"##{c}" for c in string.ascii_uppercase)]
    else:
        pieces = [piece.lower() if piece in WORDS else piece for piece in pieces]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=not cased)
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


def multilingual() -> Tokenizer:
    """A Unigram tokenizer with XLM-RoBERTa's order and pairs."""
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = [*(f"▁{word}" for word in WORDS), *SYLLABLES, "▁", *CHARACTERS]
    pieces += [*string.ascii_uppercase, *"àâçéèêëîïôöüßиорстанве世界你好"]
    scored = [(piece, -5.0 - 0.1 * len(piece)) for piece in dict.fromkeys(pieces)]
    vocabulary = [*((piece, 0.0) for piece in special), *scored, ("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.add_special_tokens([AddedToken(piece, normalized=False) for piece in special])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return tokenizer


def byte_level() -> Tokenizer:
    """A byte-level BPE tokenizer with RoBERTa's order and pairs."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    pieces = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    merges = []
    for word in WORDS:
        # Each word and its beginnings, with the space before it.
        whole = f"Ġ{word}"
        for end in range(2, len(whole) + 1):
            if whole[:end] not in pieces:
                pieces.append(whole[:end])
                merges.append((whole[: end - 1], whole[end - 1]))
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(piece, normalized=False) for piece in special[:4]])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer


def told_languages(tags: Sequence[str], *, last: bool = False) -> Tokenizer:
    """The multilingual one with a control token for each language, as M2M100 and mBART have it."""
    tokenizer = multilingual()
    tokenizer.add_special_tokens([AddedToken(tag, normalized=False) for tag in tags])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A </s> {tags[0]}" if last else f"{tags[0]} $A </s>",
        special_tokens=[("</s>", 2), (tags[0], tokenizer.token_to_id(tags[0]))],
    )
    return tokenizer


def sentence_pieces() -> Tokenizer:
    """A Unigram tokenizer with T5's order: <pad>, </s>, <unk>."""
    source = json.loads(unigram().to_str())
    special = [["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0]]
    source["model"]["vocab"] = [*special, *source["model"]["vocab"][2:-1]]
    source["model"]["unk_id"] = 2
    source["added_tokens"] = []
    tokenizer = Tokenizer.from_str(json.dumps(source))
    tokenizer.add_special_tokens([AddedToken(piece, normalized=False) for piece, _ in special])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return tokenizer


def endless() -> Tokenizer:
    """The byte-level BPE tokenizer with GPT-2's one control token, which it never adds itself."""
    source = json.loads(byte_level().to_str())
    pieces = sorted(source["model"]["vocab"], key=source["model"]["vocab"].get)[5:]
    source["model"]["vocab"] = {piece: i for i, piece in enumerate([*pieces, "<|endoftext|>"])}
    source["added_tokens"] = []
    source["post_processor"] = None
    tokenizer = Tokenizer.from_str(json.dumps(source))
    tokenizer.add_special_tokens([AddedToken("<|endoftext|>", normalized=False)])
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


def student(folder: Path) -> Path:
    """A Marian student with a shortlist, in Marian's own format."""
    pieces = ("</s>", "<unk>", "▁", *CHARACTERS, *string.ascii_uppercase)
    pieces += tuple(f"▁{word}" for word in WORDS)
    tiny = TinyStudent(Shape(vocabulary=len(pieces)), 4, pieces)
    # It has to end now and then, and what it wrote must not decide alone.
    tiny.tensors["decoder_ff_logit_out_b"][0, 0] += 1
    for name, tensor in tiny.tensors.items():
        if name.startswith("decoder_l") and name.endswith(("_Wv", "_Wo", "_W1", "_W2")):
            tensor *= 2
    return tiny.write(folder)


ENTITIES = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
INSULTS = ("toxic", "insult", "threat", "obscene")
POOLING = {
    "modules.json": [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(
            [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
        )
    ],
    "sentence_bert_config.json": {"max_seq_length": 48, "do_lower_case": False},
    "1_Pooling/config.json": {"word_embedding_dimension": 24, "pooling_mode_mean_tokens": True},
}


def encoders(out: Path) -> None:
    """The encoders beside tiny-sentiment: one of each family, of each task one."""
    common = {
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 40,
        "max_position_embeddings": 66,
    }
    _encoder(
        out / "tiny-entities",
        wordpiece(cased=True),
        {
            "architectures": ["DistilBertForTokenClassification"],
            "model_type": "distilbert",
            "dim": 24,
            "n_layers": 2,
            "n_heads": 3,
            "hidden_dim": 40,
            "max_position_embeddings": 64,
            **_labels(ENTITIES),
        },
    )
    _encoder(
        out / "tiny-answers",
        wordpiece(),
        {
            "architectures": ["ElectraForQuestionAnswering"],
            "model_type": "electra",
            "embedding_size": 16,
            **common,
        },
    )
    _encoder(
        out / "tiny-embeddings",
        multilingual(),
        {
            "architectures": ["XLMRobertaModel"],
            "model_type": "xlm-roberta",
            "type_vocab_size": 1,
            "pad_token_id": 1,
            **common,
        },
    )
    for name, content in POOLING.items():
        path = out / "tiny-embeddings" / name
        path.parent.mkdir(exist_ok=True)
        _json(path, content)
    _encoder(
        out / "tiny-toxic",
        byte_level(),
        {
            "architectures": ["RobertaForSequenceClassification"],
            "model_type": "roberta",
            "type_vocab_size": 1,
            "pad_token_id": 1,
            "problem_type": "multi_label_classification",
            **common,
            **_labels(INSULTS),
        },
    )
    _encoder(
        out / "tiny-similarity",
        wordpiece(),
        {
            "architectures": ["AlbertForSequenceClassification"],
            "model_type": "albert",
            "embedding_size": 16,
            "num_hidden_groups": 1,
            "problem_type": "regression",
            **common,
            "num_hidden_layers": 3,
            **_labels(("similarity",)),
        },
    )


def generators(out: Path) -> None:
    """The generating models beside tiny-translation: one of each family."""
    common = {
        "d_model": 24,
        "encoder_layers": 2,
        "decoder_layers": 1,
        "encoder_attention_heads": 3,
        "decoder_attention_heads": 3,
        "encoder_ffn_dim": 40,
        "decoder_ffn_dim": 40,
        "max_position_embeddings": 64,
        "pad_token_id": 1,
        "eos_token_id": 2,
    }
    generation = {"pad_token_id": 1, "eos_token_id": 2, "bad_words_ids": [[1]], "num_beams": 4}
    _generator(
        out / "tiny-bart",
        byte_level(),
        {"architectures": ["BartForConditionalGeneration"], "model_type": "bart", **common},
        {"decoder_start_token_id": 2, "forced_bos_token_id": 0, **generation},
    )
    tokenizer = told_languages(("en_XX", "ro_RO"), last=True)
    _generator(
        out / "tiny-mbart",
        tokenizer,
        {
            "architectures": ["MBartForConditionalGeneration"],
            "model_type": "mbart",
            "scale_embedding": True,
            **common,
        },
        {"decoder_start_token_id": tokenizer.token_to_id("ro_RO"), **generation},
    )
    _generator(
        out / "tiny-many",
        told_languages(("__en__", "__fr__", "__de__")),
        {
            "architectures": ["M2M100ForConditionalGeneration"],
            "model_type": "m2m_100",
            **common,
        },
        {"decoder_start_token_id": 2, "max_length": 40, **generation},
    )
    _generator(
        out / "tiny-summary",
        sentence_pieces(),
        {
            "architectures": ["T5ForConditionalGeneration"],
            "model_type": "t5",
            "d_model": 24,
            "d_kv": 8,
            "d_ff": 40,
            "num_layers": 2,
            "num_decoder_layers": 1,
            "num_heads": 3,
            "n_positions": 64,
            "feed_forward_proj": "gated-gelu",
            "task_specific_params": {
                "summarization": {"prefix": "summarize: ", "num_beams": 4, "max_length": 25}
            },
        },
        {
            "pad_token_id": 0,
            "eos_token_id": 1,
            "decoder_start_token_id": 0,
            "bad_words_ids": [[0]],
        },
    )
    _generator(
        out / "tiny-mt5",
        sentence_pieces(),
        {
            "architectures": ["MT5ForConditionalGeneration"],
            "model_type": "mt5",
            "d_model": 24,
            "d_kv": 8,
            "d_ff": 40,
            "num_layers": 2,
            "num_heads": 3,
            "feed_forward_proj": "gated-gelu",
            "tie_word_embeddings": False,
        },
        {
            "pad_token_id": 0,
            "eos_token_id": 1,
            "decoder_start_token_id": 0,
            "bad_words_ids": [[0]],
        },
    )
    tokenizer = endless()
    end = tokenizer.token_to_id("<|endoftext|>")
    _generator(
        out / "tiny-generation",
        tokenizer,
        {
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            "n_embd": 24,
            "n_head": 3,
            "n_layer": 2,
            "n_positions": 64,
            "bos_token_id": end,
            "eos_token_id": end,
        },
        {"bos_token_id": end, "eos_token_id": end, "max_new_tokens": 16},
    )


def _labels(names: Sequence[str]) -> dict:
    return {
        "id2label": {str(i): name for i, name in enumerate(names)},
        "label2id": {name: i for i, name in enumerate(names)},
    }


def _generator(folder: Path, tokenizer: Tokenizer, config: dict, generation: dict) -> None:
    """As `_encoder`; tensors that are tied to another are left out."""
    import transformers

    config["vocab_size"] = tokenizer.get_vocab_size()
    of_config = transformers.AutoConfig.for_model(**config)
    model = getattr(transformers, config["architectures"][0])(of_config)
    make = Maker(6, 24, 40)
    for name, tensor in model.state_dict().items():
        shape = tensor.shape
        tied = config.get("tie_word_embeddings", True)
        if name.endswith("embed_tokens.weight") or (name == "lm_head.weight" and tied):
            continue
        if name.endswith("bias") or "relative" in name:
            make.add(name, *shape, scale=0.5 if "final" in name else 0.1)
        elif "norm" in name or ".ln_" in name:
            make.add(name, *shape, scale=0.1, around=1.0)
        elif name.endswith(("shared.weight", "wte.weight")):
            make.add(name, *shape, scale=1.0 if config["model_type"] in ("t5", "mt5") else 0.6)
        elif "positions" in name or "wpe" in name:
            make.add(name, *shape, scale=0.3)
        else:
            inputs = shape[0] if config["model_type"] == "gpt2" else shape[1]
            # T5's queries are as small as its unscaled scores need them.
            gain = 1.2 if config["model_type"] in ("t5", "mt5") else 1.6
            gain = 0.4 if name.endswith("Attention.q.weight") else gain
            make.add(name, *shape, scale=gain * inputs**-0.5)
    # The end token has to win now and then.
    end = generation["eos_token_id"]
    for name, tensor in make.tensors.items():
        if name == "final_logits_bias":
            tensor[0, end] = 8.0
        elif name in ("shared.weight", "transformer.wte.weight", "lm_head.weight"):
            tensor[end] *= 1.5
    _write(folder, config, make, tokenizer, {"model_max_length": 64})
    _json(folder / "generation_config.json", generation)


def _encoder(folder: Path, tokenizer: Tokenizer, config: dict) -> None:
    """A model folder with the tensors that transformers' class has, and values of our own."""
    import transformers

    config["vocab_size"] = tokenizer.get_vocab_size()
    of_config = transformers.AutoConfig.for_model(**config)
    model = getattr(transformers, config["architectures"][0])(of_config)
    make = Maker(5, 24, 40)
    for name, tensor in model.state_dict().items():
        if name.endswith("bias"):
            make.add(name, *tensor.shape, scale=0.1)
        elif "norm" in name.lower():
            make.add(name, *tensor.shape, scale=0.1, around=1.0)
        elif "embeddings." in name:
            make.add(name, *tensor.shape, scale=1.0 if "word" in name else 0.3)
        else:
            gain = 3.0 if name.startswith(("classifier", "qa_outputs")) else 1.0
            make.add(name, *tensor.shape, scale=gain * tensor.shape[1] ** -0.5)
    _write(folder, config, make, tokenizer, {"model_max_length": 64})


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


OUTPUTS = ("logits", "start_logits", "end_logits", "embeddings")


def store_answers(folder: Path) -> None:
    """answers.json: rows of ids with transformers' outputs, or its sequences and scores."""
    import torch
    import transformers

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    texts = ["no", "the dog and the cat sleep on the street", "Is this a good book or a bad one?"]
    rows = [tokenizer.encode(text).ids for text in texts]
    config = json.loads((folder / "config.json").read_text())
    prompted = config["architectures"] == ["GPT2LMHeadModel"]
    if not (folder / "generation_config.json").is_file():
        encodings = [tokenizer.encode(text) for text in texts]
        encodings.append(tokenizer.encode("Who is it?", "It is the dog."))
        kind = getattr(transformers, config["architectures"][0])
        model = kind.from_pretrained(folder, dtype=torch.float32).eval()
        outputs = []
        for encoding in encodings:
            feed = {"input_ids": torch.tensor([encoding.ids])}
            if config.get("type_vocab_size", 2) > 1 and config["model_type"] != "distilbert":
                feed["token_type_ids"] = torch.tensor([encoding.type_ids])
            with torch.no_grad():
                found = model(**feed)
            if "Model" in config["architectures"][0]:
                mean = found.last_hidden_state[0].mean(dim=0)
                found = {"embeddings": [torch.nn.functional.normalize(mean, dim=0)]}
            kept = {name: found[name][0].tolist() for name in OUTPUTS if name in found}
            outputs.append({name: np.round(values, 6).tolist() for name, values in kept.items()})
        rows = [[e.ids, e.type_ids] for e in encodings]
        _json(folder / "answers.json", {"rows": rows, "outputs": outputs})
        return
    kind = getattr(transformers, config["architectures"][0])
    model = kind.from_pretrained(folder, dtype=torch.float32)
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
            first = len(row) if prompted else 1
            answer = {"sequences": output.sequences[:, first:].tolist()}
            if beams > 1:
                answer["scores"] = output.sequences_scores.tolist()
            found.append(answer)
        searches.append({**search, "answers": found})
    content = {"rows": rows, "max_new_tokens": MAX_NEW_TOKENS, "searches": searches}
    _json(folder / "answers.json", content)


def main(out: Path) -> None:
    sentiment(out / "tiny-sentiment")
    translation(out / "tiny-translation")
    encoders(out)
    generators(out)
    for folder in sorted(out.glob("tiny-*")):
        store_answers(folder)
    common = {
        "variants": (Variant.INT8, Variant.FP32),
        "languages": ("en",),
        "source": "Random weights: only for tests.",
        "license": "Apache-2.0",
    }
    short = {"max_length_factor": 2.0}
    french = {"target_languages": ("fr",), **short}
    many = {"languages": ("en", "fr", "de"), "target_languages": ("fr", "de", "en"), **short}
    every = {"options": frozenset(Option)}
    pairs = {"golden_texts": PAIRS}
    for name, folder, more in (
        ("tiny-sentiment", "tiny-sentiment", {}),
        ("tiny-translation", "tiny-translation", french),
        ("tiny-options", "tiny-translation", french | every),
        ("tiny-summary", "tiny-summary", {"task": Task.SUMMARIZATION}),
        ("tiny-many", "tiny-many", many),
        ("tiny-generation", "tiny-generation", {}),
        ("tiny-entities", "tiny-entities", {}),
        ("tiny-answers", "tiny-answers", {}),
        ("tiny-embeddings", "tiny-embeddings", {}),
        ("tiny-toxic", "tiny-toxic", pairs),
        ("tiny-similarity", "tiny-similarity", pairs),
    ):
        settings = Settings(name=name, **(common | more))
        export(out / folder, out / "bundles" / name, settings, force=True)
    with mock.patch.object(graph_model, "INLINE_BYTES", 0):
        settings = Settings(name="tiny-large", **common)
        export(out / "tiny-sentiment", out / "bundles" / "tiny-large", settings, force=True)
    settings = Settings(name="tiny-student", max_new_tokens=16, **(common | french))
    export(student(out / "student"), out / "bundles" / "tiny-student", settings, force=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
