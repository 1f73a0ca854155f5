"""Files and streams that fail: one line with the next step, an exit code, no stack trace."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamformer_export.cli import app
from streamformer_export.datasets import dataset_name, read_data

TABLE = "label\ttext\n1\tgood\n0\tbad\n"
COMMAND = [sys.executable, "-m", "streamformer_export"]


def refused(*arguments) -> str:
    """The one line that a command ends with; progress may come before it."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2, result.output
    return result.output.splitlines()[-1]


@pytest.fixture
def odd_files(tmp_path):
    """Files that are none, by what is said of them."""
    cut = tmp_path / "cut.tsv.gz"
    cut.write_bytes(gzip.compress(TABLE.encode())[:-12])
    (tmp_path / "plain.tsv.gz").write_text(TABLE)
    (tmp_path / "latin.tsv").write_bytes("label\ttext\n1\tcafé\n".encode("latin-1"))
    (tmp_path / "link.tsv").symlink_to("gone.tsv")
    (tmp_path / "circle.tsv").symlink_to("circle.tsv")
    (tmp_path / "empty.tsv").write_text("")
    (tmp_path / "folder").mkdir()
    return {
        tmp_path / "nowhere.tsv": "does not. Check the path.",
        tmp_path / "link.tsv": "is a link to gone.tsv, which does not. Mend the link.",
        tmp_path / "circle.tsv": "Mend the link.",
        tmp_path / "folder": "is one. Name a file in it.",
        tmp_path / "plain.tsv.gz": "Convert the file.",
        tmp_path / "latin.tsv": "Convert the file.",
        cut: "is cut or damaged",
        tmp_path / "empty.tsv": "Mend",
    }


def test_data_that_is_none_is_refused_in_one_line(bundles, odd_files):
    for file, said in odd_files.items():
        line = refused("evaluate", bundles / "tiny-sentiment", "--data", file)
        assert line.startswith("Error: ")
        assert str(file) in line
        assert said in line


@pytest.mark.parametrize("option", ["--calibrate", "--evaluate", "--golden-texts", "--held-out"])
def test_export_looks_for_its_files_before_it_works(sentiment_folder, tmp_path, option):
    (tmp_path / "link").symlink_to("gone")
    for file in ("nowhere.tsv", "link", "."):
        result = CliRunner().invoke(
            app,
            ["export", str(sentiment_folder), str(tmp_path / "out"), option, str(tmp_path / file)],
        )
        assert result.exit_code == 2
        assert result.output.startswith("Error: A data file ")
        assert len(result.output.splitlines()) == 1


def test_golden_texts_are_utf8(sentiment_folder, tmp_path):
    (tmp_path / "latin").write_bytes(b"caf\xe9\n")
    line = refused(
        "export", sentiment_folder, tmp_path / "out", "--golden-texts", tmp_path / "latin"
    )
    assert line.endswith("Convert the file.")


def test_outputs_that_cannot_be_are_refused(sentiment_folder, tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("gone")
    line = refused("export", sentiment_folder, tmp_path / "file")
    assert line.endswith("is a file. Give another path.")
    line = refused("export", sentiment_folder, tmp_path / "link")
    assert line.endswith("is a link to gone, which does not exist. Remove the link.")
    line = refused("export", sentiment_folder, tmp_path / "file" / "out")
    assert line.endswith("is a file. Give another path.")
    line = refused("attention", sentiment_folder, "--text", "x", "--force", "--output", tmp_path)
    assert line.endswith("is a folder. Give the name of a page with --output.")


@pytest.mark.parametrize("name", ["a b", "'\"", "a\nb", "100%", "#1", "c:d", "k=v", "é漢", "-x"])
def test_odd_names_are_names(bundles, tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    bundle = folder / "bundle"
    bundle.symlink_to(bundles / "tiny-sentiment")
    table = folder / f"{name}.tsv"
    table.write_text(TABLE)
    arguments = ["evaluate", str(bundle), "--variant", "fp32", "--data", str(table)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert f"({name})" in result.output


def test_a_name_goes_before_a_file(bundles, tmp_path, monkeypatch):
    from streamformer_export.bundle import Bundle

    monkeypatch.chdir(tmp_path)
    Path("x.tsv").write_text(TABLE)
    assert dataset_name("dev=x.tsv") == "dev"
    assert len(read_data("dev=x.tsv", Bundle.read(bundles / "tiny-sentiment")).texts) == 2


@pytest.mark.parametrize(
    ("redirected", "said"),
    [
        (">/dev/full", "No space left on device"),
        (">&-", "it is closed"),
        ("| true", "Broken pipe"),
        (">/dev/full --help", "No space left on device"),
    ],
)
def test_what_reaches_nobody_is_no_success(bundles, redirected, said):
    target, _, more = redirected.partition(" --")
    command = ["verify", "--help"] if more else ["verify", str(bundles / "tiny-sentiment")]
    # Three seconds for the reader of the pipe to end.
    wait = "sleep 3; " if "|" in target else ""
    script = f'{{ {wait}"$@"; echo "rc=$?" >&2; }} {target}'
    if target == ">&-":
        script = '"$@" >&-; echo "rc=$?" >&2'
    run = subprocess.run(
        ["bash", "-c", script, "bash", *COMMAND, *command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    lines = run.stderr.splitlines()
    assert lines[-1] == "rc=1"
    assert lines[0].startswith(f"Error: Cannot write to the standard output: {said}.")
    assert len(lines) == 2


def test_paths_need_no_locale(bundles, tmp_path):
    bundle = tmp_path / "dé 漢"
    bundle.symlink_to(bundles / "tiny-sentiment")
    plain = {k: v for k, v in os.environ.items() if k != "LANG" and not k.startswith("LC_")}
    run = subprocess.run(
        [*COMMAND, "verify", str(bundle)],
        capture_output=True,
        timeout=120,
        check=False,
        env={**plain, "LC_ALL": "C", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is not JSON"),
        ("[1]", "is not a JSON object"),
        ('{"format": 1}', "has no list of the bundle's files"),
    ],
)
@pytest.mark.parametrize("command", ["verify", "bench", "evaluate", "attention"])
def test_a_broken_manifest_is_told_in_one_line(tmp_path, command, content, said):
    (tmp_path / "manifest.json").write_text(content)
    more = {"verify": [], "attention": ["--text", "a", "--output", str(tmp_path / "page.html")]}
    arguments = [command, str(tmp_path), *more.get(command, ["--data", "texts.tsv"])]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2, result.output
    assert said in result.output
    assert str(tmp_path / "manifest.json") in result.output
    assert result.output.count("\n") == 1
