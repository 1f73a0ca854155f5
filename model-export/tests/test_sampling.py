"""Samples: their distribution, their seeds, and the tokens that may be drawn."""

from __future__ import annotations

import numpy as np
import pytest

from graphs import optional_inputs, padded, random_rows, search, session
from streamformer_export.families import read_model
from streamformer_export.graph.builder import FLOAT, INT64, UINT32, Graph
from streamformer_export.graph.options import Option, Options
from streamformer_export.graph.sampling import hash32, kept, sample
from streamformer_export.quantize import Scheme

TOKENS = 40


@pytest.fixture(scope="module")
def sampler():
    """(logits (rows, tokens), settings) → drawn columns (rows)."""
    g = Graph("sample")
    logits = g.input("logits", FLOAT, ("rows", 1, "tokens"))
    settings = {
        "temperature": g.input("temperature", FLOAT, ()),
        "top_k": g.input("top_k", INT64, ()),
        "top_p": g.input("top_p", FLOAT, ()),
        "seed": g.input("seed", INT64, ("rows",)),
        "position": g.input("position", INT64, ()),
    }
    g.output("column", sample(g, logits, "", **settings), INT64, ("rows", 1, 1))
    graph = session(g)

    def run(logits, seed, temperature=1.0, top_k=0, top_p=1.0, position=0):
        feed = {
            "logits": logits[:, None].astype(np.float32),
            "temperature": np.array(temperature, np.float32),
            "top_k": np.array(top_k, np.int64),
            "top_p": np.array(top_p, np.float32),
            "seed": np.asarray(seed, np.int64),
            "position": np.array(position, np.int64),
        }
        return graph.run(None, feed)[0][:, 0, 0]

    return run


def expected(logits, temperature, top_k, top_p):
    """The distribution that transformers' warpers leave, in float64."""
    values = logits.astype(np.float64) / temperature
    if top_k:
        values[values < np.sort(values)[-top_k]] = -np.inf
    shares = np.exp(values - values.max())
    shares /= shares.sum()
    order = np.argsort(-shares)
    before = np.cumsum(shares[order]) - shares[order]
    shares[order[before >= top_p]] = 0
    return shares / shares.sum()


def chi_square(counts, shares):
    """Pearson's statistic and its degrees of freedom; rare tokens are taken together."""
    total = counts.sum()
    rare = shares * total < 5
    seen = np.append(counts[~rare], counts[rare].sum())
    wanted = np.append(shares[~rare], shares[rare].sum()) * total
    seen, wanted = seen[wanted > 0], wanted[wanted > 0]
    freedom = len(wanted) - 1
    return (np.square(seen - wanted) / wanted).sum(), freedom


SETTINGS = [(1.0, 0, 1.0), (0.6, 0, 1.0), (1.7, 12, 1.0), (1.0, 0, 0.8), (1.3, 9, 0.7)]
DRAWS = 20_000


@pytest.mark.parametrize(("temperature", "top_k", "top_p"), SETTINGS)
@pytest.mark.parametrize("vary", ["seed", "position"])
def test_samples_follow_the_distribution(sampler, temperature, top_k, top_p, vary):
    logits = np.random.default_rng(3).normal(0, 1, TOKENS)
    shares = expected(logits, temperature, top_k, top_p)
    settings = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    if vary == "seed":
        drawn = sampler(np.tile(logits, (DRAWS, 1)), np.arange(DRAWS), **settings)
    else:
        # Eight neighbouring seeds through many positions.
        drawn = np.concatenate(
            [
                sampler(np.tile(logits, (8, 1)), np.arange(8), **settings, position=i)
                for i in range(DRAWS // 8)
            ]
        )
    counts = np.bincount(drawn, minlength=TOKENS)
    assert not counts[shares == 0].any()
    statistic, freedom = chi_square(counts, shares)
    # Four standard deviations above the mean.
    assert statistic < freedom + 4 * np.sqrt(2 * freedom)


def test_successive_samples_are_independent(sampler):
    """Pairs of samples at neighbouring positions and of neighbouring seeds."""
    logits = np.tile(np.log([0.5, 0.3, 0.2]), (DRAWS, 1))
    shares = np.outer([0.5, 0.3, 0.2], [0.5, 0.3, 0.2]).reshape(-1)
    seeds = np.arange(DRAWS) * 2
    first = sampler(logits, seeds)
    for second in (
        sampler(logits, seeds, position=1),
        sampler(logits, seeds + 1),
        sampler(logits, seeds + 2**32),
    ):
        statistic, freedom = chi_square(np.bincount(3 * first + second, minlength=9), shares)
        assert statistic < freedom + 4 * np.sqrt(2 * freedom)


def test_any_seed_is_one_of_its_own(sampler):
    logits = np.zeros((6, 5000))
    seeds = [0, 1, -1, 2**32, 2**63 - 1, -(2**63)]
    drawn = sampler(logits, seeds)
    assert len(set(drawn.tolist())) == 6
    np.testing.assert_array_equal(drawn[::-1], sampler(logits, seeds[::-1]))


def test_hash_is_lowbias32():
    g = Graph("hash")
    g.output("y", hash32(g, g.input("x", UINT32, ("n",))), UINT32, ("n",))
    x = np.random.default_rng(0).integers(0, 2**32, 1000, np.uint32)
    y = x ^ (x >> 16)
    y = y * np.uint32(0x7FEB352D)
    y = y ^ (y >> 15)
    y = y * np.uint32(0x846CA68B)
    y = y ^ (y >> 16)
    np.testing.assert_array_equal(session(g).run(None, {"x": x})[0], y)


@pytest.mark.reference
def test_the_kept_tokens_are_the_references():
    torch = pytest.importorskip("torch")
    from transformers import TopKLogitsWarper, TopPLogitsWarper

    g = Graph("kept")
    values, columns = kept(
        g,
        g.input("values", FLOAT, ("rows", 1, "tokens")),
        g.input("top_k", INT64, ()),
        g.input("top_p", FLOAT, ()),
    )
    g.output("values_kept", values, FLOAT, ("rows", 1, None))
    g.output("columns", columns, INT64, ("rows", 1, None))
    graph = session(g)
    logits = np.random.default_rng(5).normal(0, 3, (300, 200)).astype(np.float32)
    for top_k, top_p in [(0, 0.9), (5, 1.0), (1, 1.0), (50, 0.5), (0, 0.01), (300, 0.99)]:
        expected = torch.tensor(logits)
        if top_k:
            expected = TopKLogitsWarper(top_k)(None, expected)
        if top_p < 1:
            expected = TopPLogitsWarper(top_p)(None, expected)
        feed = {"values": logits[:, None], "top_k": np.array(top_k, np.int64)}
        feed["top_p"] = np.array(top_p, np.float32)
        values, columns = graph.run(None, feed)
        found = np.full_like(logits, -np.inf)
        np.put_along_axis(found, columns[:, 0], values[:, 0], axis=1)
        np.testing.assert_array_equal(found, expected.numpy())


@pytest.fixture(scope="module")
def translator(translation_folder):
    model = read_model(translation_folder)
    return model, session(model.build(Scheme(), Options(frozenset({Option.SAMPLING}))))


def test_a_seed_gives_a_row_its_sample(translator):
    model, graph = translator
    rows = random_rows(12, 300, seed=1)
    seeds = list(range(100, 112))

    def drawn(chosen, more=0, beams=1):
        feed = padded([rows[i] for i in chosen], model.pad_token_id, more)
        feed |= search(20, len(chosen), beams)
        given = {"temperature": 1.2, "top_k": 30, "top_p": 0.95}
        feed |= optional_inputs(graph, len(chosen), seed=[seeds[i] for i in chosen], **given)
        sequences, scores = graph.run(None, feed)
        assert sequences.shape[1] == 1
        return {
            i: ([t for t in sequences[k, 0] if t != model.pad_token_id], scores[k, 0])
            for k, i in enumerate(chosen)
        }

    together = drawn(range(12))
    for chosen in ([3], [11, 0, 3], range(5, 12)):
        # More beams than one are none where rows are sampled.
        for i, (tokens, score) in drawn(chosen, more=2, beams=4).items():
            assert tokens == together[i][0]
            np.testing.assert_allclose(score, together[i][1], atol=1e-4)
    banned = set(model.rules.banned_ids)
    assert not any(banned & set(tokens) for tokens, _ in together.values())
    seeds = list(range(200, 212))
    assert any(drawn(range(12))[i][0] != together[i][0] for i in range(12))


def test_temperature_zero_searches(translator, translation_folder):
    model, graph = translator
    plain = session(model.build(Scheme()))
    rows = random_rows(5, 300, seed=2)
    for beams in (1, 4):
        feed = padded(rows, model.pad_token_id) | search(20, 5, beams)
        found = graph.run(None, feed | optional_inputs(graph, 5, seed=[1, 2, 3, 4, 5]))
        for ours, expected in zip(found, plain.run(None, feed), strict=True):
            np.testing.assert_array_equal(ours, expected)
