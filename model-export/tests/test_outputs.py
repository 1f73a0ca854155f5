"""Where and under which name commands write is checked before they read anything."""

from __future__ import annotations

import os
import shutil

import pytest
from typer.testing import CliRunner

from streamformer_export import bundle
from streamformer_export.bundle import bundle_name
from streamformer_export.cli import app
from streamformer_export.errors import ExportError

# None of the inputs exists: a command that gets to them says so instead.
COMMANDS = {
    "export": ["export", "no/folder", "OUT"],
    "marian-student": ["marian-student", "OUT", "--folder", "no/folder"],
    "pack": ["pack", "no/folder", "OUT"],
    "train": ["train", "OUT", "--train", "no.tsv", "--valid", "no.tsv"],
    "finetune": ["finetune", "no/b", "OUT", "--train", "n", "--valid", "n", "--labels", "a,b"],
    "attention": ["attention", "no/folder", "--text", "x", "--output", "OUT"],
}


def said(command: str, out: str, *more: str) -> str:
    words = [out if word == "OUT" else word for word in COMMANDS[command]]
    result = CliRunner().invoke(app, [*words, *more])
    assert result.exit_code == 2, result.output
    assert result.output.count("\n") == 1
    return result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_a_place_where_nothing_can_be_written(command, tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("gone")
    assert "is a file. Give another path" in said(command, str(tmp_path / "file" / "out"))
    assert "is a link to gone, which does not exist" in said(command, str(tmp_path / "link"))
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    if not os.access(closed, os.W_OK):
        assert "no permission" in said(command, str(closed / "out"))


@pytest.mark.parametrize("command", ["export", "marian-student"])
def test_a_name_that_a_bundle_may_not_have(command, tmp_path):
    assert "OUT names the bundle 'My Bundle!'" in said(command, str(tmp_path / "My Bundle!"))
    out = str(tmp_path / "out")
    assert "--name names the bundle 'A b'" in said(command, out, "--name", "A b")
    assert not list(tmp_path.iterdir())


def test_names_are_those_of_the_schema(tmp_path):
    for name in ("a", "0", "sentiment-en", "a.b_c-1"):
        assert bundle_name(None, tmp_path / name) == name
    for name in ("A", ".a", "-a", "é", "a b", "a\n"):
        with pytest.raises(ExportError, match="Give one with --name"):
            bundle_name(name, tmp_path)


@pytest.mark.parametrize("swaps", [True, False])
def test_a_reader_finds_the_old_or_the_new_folder_while_one_replaces_the_other(
    tmp_path, monkeypatch, swaps
):
    old, new = tmp_path / "bundle", tmp_path / "draft"
    for folder in (old, new):
        folder.mkdir()
        (folder / "name").write_text(folder.name)
    seen = []
    rmtree = shutil.rmtree

    def watch(path, *more):
        seen.append((old / "name").read_text())
        rmtree(path, *more)

    monkeypatch.setattr(shutil, "rmtree", watch)
    if not swaps:
        monkeypatch.setattr(bundle.ctypes, "CDLL", lambda name: object())
    bundle.replace_folder(new, old)
    assert seen == ["draft"]
    assert (old / "name").read_text() == "draft"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
