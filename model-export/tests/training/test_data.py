"""Reading pairs and labelled texts, and holding sentences out."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamformer_export.training.data import (
    LabelledText,
    Pair,
    hold_out,
    read_labelled_texts,
    read_pairs,
    sentence_key,
    without,
    write_held_out,
)
from streamformer_export.training.errors import TrainingError


def write(path: Path, text: str) -> Path:
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["pairs.tsv", "pairs.tsv.gz"])
def test_reads_a_table_plain_or_gzipped(tmp_path, name):
    path = write(tmp_path / name, "Go.\tVa !\r\nRun!\tCours\u2028!\n\tblank\n")
    assert read_pairs(str(path)) == [Pair("Go.", "Va !"), Pair("Run!", "Cours\u2028!")]


def test_reads_two_files_line_by_line(tmp_path):
    source = write(tmp_path / "a.en", "one\ntwo\n")
    target = write(tmp_path / "a.fr.gz", "un\ndeux\n")
    assert read_pairs(f"{source}:{target}") == [Pair("one", "un"), Pair("two", "deux")]


def test_refuses_files_of_different_lengths(tmp_path):
    source, target = write(tmp_path / "a", "one\ntwo\n"), write(tmp_path / "b", "un\n")
    with pytest.raises(TrainingError, match=r"2 lines .* 1\. Align"):
        read_pairs(f"{source}:{target}")


def test_refuses_a_row_without_two_columns(tmp_path):
    path = write(tmp_path / "pairs.tsv", "a\tb\na\tb\tc\n")
    with pytest.raises(TrainingError, match=r"line 2 of .* has 3"):
        read_pairs(str(path))


def test_refuses_what_is_not_utf_8(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_bytes(b"caf\xe9\tcaf\xe9\n")
    with pytest.raises(TrainingError, match="must be UTF-8"):
        read_pairs(str(path))


def test_refuses_a_missing_file(tmp_path):
    with pytest.raises(TrainingError, match=r"missing\.tsv does not"):
        read_pairs(str(tmp_path / "missing.tsv"))


def test_holds_a_sentence_out_with_all_its_pairs(tmp_path):
    pairs = [
        Pair("Run!", "Cours !"),
        Pair("Stay.", "Reste."),
        Pair("Run!", "Courez !"),
        Pair("RUN!", "Cours !"),
    ]
    held_out = next(
        chosen
        for chosen in (hold_out(pairs, 1, seed) for seed in range(50))
        if chosen[0].source == "Run!"
    )
    assert held_out[0].references == ["Cours !", "Courez !"]
    assert without([*pairs, Pair("  run! ", "File !")], held_out) == [Pair("Stay.", "Reste.")]

    write_held_out(tmp_path / "held-out.tsv", held_out)
    assert (tmp_path / "held-out.tsv").read_text(encoding="utf-8") == "Run!\tCours !\tCourez !\n"


def test_refuses_to_hold_everything_out():
    with pytest.raises(TrainingError, match="2 of 2"):
        hold_out([Pair("a", "b"), Pair("c", "d")], 2, 1)


@given(
    st.lists(st.tuples(st.text("aAbB ", min_size=1), st.text("xy", min_size=1)), min_size=2),
    st.integers(0, 3),
)
def test_no_twin_of_a_held_out_sentence_stays(rows, seed):
    pairs = [Pair(*row) for row in rows]
    keys = {sentence_key(pair.source) for pair in pairs}
    held_out = hold_out(pairs, len(keys) // 2, seed)
    kept = {sentence_key(pair.source) for pair in without(pairs, held_out)}
    held = {sentence_key(item.source) for item in held_out}
    assert len(held) == len(keys) // 2
    assert kept == keys - held


def test_labels_are_names_or_numbers(tmp_path):
    path = write(tmp_path / "a.tsv", "label\tsentence\n1\tfine\nnegative\tpoor\n")
    labels = ["negative", "positive"]
    expected = [LabelledText("fine", 1), LabelledText("poor", 0)]
    assert read_labelled_texts(path, labels, "label", None) == expected
    assert read_labelled_texts(path, labels, "label", "sentence") == expected


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("label\ta\tb\n", "Name it with --text-column"),
        ("sentence\tother\n", "Name it with --text-column"),
        ("class\n", r"has \['class'\], not 'label'"),
        ("label\ttext\n2\tfine\n", "line 2 of"),
        ("label\ttext\n1\n", "line 2 of"),
        ("", "columns"),
    ],
)
def test_refuses_bad_tables(tmp_path, table, message):
    path = write(tmp_path / "a.tsv", table)
    with pytest.raises(TrainingError, match=message):
        read_labelled_texts(path, ["negative", "positive"], "label", None)
