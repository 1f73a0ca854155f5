"""The command line of the training commands."""

import sys

from typer.testing import CliRunner

from streamformer_export.cli import app


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_help_names_every_command():
    output = run("--help").output
    assert "train" in output and "finetune" in output


def test_a_broken_rule_is_one_line_and_exit_code_2(tmp_path, pairs_table):
    result = run(
        "train", tmp_path / "out", "--train", pairs_table, "--valid", pairs_table, "--epochs", 0
    )
    assert result.exit_code == 2
    assert result.stderr.strip().count("\n") == 0
    assert "--epochs is at least 1" in result.stderr


def test_missing_torch_names_the_extra(tmp_path, pairs_table, monkeypatch):
    monkeypatch.delitem(sys.modules, "streamformer_export.training.translation", raising=False)
    monkeypatch.delattr("streamformer_export.training.translation", raising=False)
    monkeypatch.delitem(sys.modules, "streamformer_export.training.device", raising=False)

    class NoTorch:
        def find_spec(self, name, path=None, target=None):
            if name == "torch":
                raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoTorch(), *sys.meta_path])
    result = run("train", tmp_path / "out", "--train", pairs_table, "--valid", pairs_table)
    assert result.exit_code == 2
    assert "streamformer-export[train]" in result.stderr


def test_the_command_line_imports_no_torch():
    import subprocess

    script = "import sys, streamformer_export.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
