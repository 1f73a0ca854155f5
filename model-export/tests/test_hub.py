"""Models by their names on the hub, without a network: its cache, and what it refuses."""

from __future__ import annotations

import json
import shutil
import socket

import huggingface_hub
import pytest
from huggingface_hub import constants, errors
from typer.testing import CliRunner

from conftest import MODELS
from streamformer_export import hub
from streamformer_export.cli import app
from streamformer_export.errors import ExportError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    """An empty cache, and a machine without a network."""

    def refuse(*_args, **_more):
        raise OSError("no network in tests")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def cached(tmp_path):
    """tiny-sentiment as huggingface-hub caches org/tiny-sentiment."""
    model = tmp_path / "cache" / "models--org--tiny-sentiment"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text(COMMIT)
    shutil.copytree(MODELS / "tiny-sentiment", model / "snapshots" / COMMIT)
    return model / "snapshots" / COMMIT


def test_a_cached_model_is_exported(cached, offline, tmp_path):
    out = tmp_path / "out"
    arguments = ["export", "org/tiny-sentiment", str(out), "--variant", "fp32"]
    result = CliRunner().invoke(app, [*arguments, "--answers", "graph"])
    assert result.exit_code == 0, result.output
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["source"] == f"Hugging Face hub: org/tiny-sentiment, revision {COMMIT}"


def test_only_what_an_export_needs_is_downloaded(cached, monkeypatch):
    asked = {}

    def download(model, **more):
        asked.update(more, model=model)
        return str(cached)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert hub.find("org/tiny-sentiment", "v1").folder == cached
    assert (asked["model"], asked["revision"]) == ("org/tiny-sentiment", "v1")
    there = [
        "config.json",
        "model.safetensors",
        "model-00001-of-00002.safetensors",
        "model.safetensors.index.json",
        "tokenizer.json",
        "generation_config.json",
        "modules.json",
        "1_Pooling/config.json",
        "pytorch_model.bin",
        "tf_model.h5",
        "onnx/model.onnx",
        "onnx/model.safetensors",
        "modeling.py",
    ]
    wanted = huggingface_hub.utils.filter_repo_objects(
        there, allow_patterns=asked["allow_patterns"]
    )
    assert list(wanted) == there[:8]


def test_torch_files_are_downloaded_where_there_are_no_safetensors(cached, monkeypatch):
    (cached / "model.safetensors").unlink()
    (cached / "pytorch_model.bin").write_text("")
    asked = []

    def download(model, allow_patterns, **_more):
        asked.append(allow_patterns)
        return str(cached)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert hub.find("org/tiny-sentiment").folder == cached
    assert [("pytorch_model.bin" in one, "model.safetensors" in one) for one in asked] == [
        (False, True),
        (True, False),
    ]


def test_a_folder_needs_no_hub(sentiment_folder, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", None)
    found = hub.find(str(sentiment_folder))
    assert found == hub.Source(sentiment_folder)
    with pytest.raises(ExportError, match="Leave it out"):
        hub.find(str(sentiment_folder), "main")
    assert hub.find("./not/there").description == ""


def test_no_network_is_one_line(tmp_path):
    result = CliRunner().invoke(app, ["export", "org/model", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert result.output.startswith("Error: A model of the hub is downloaded or cached")
    assert "Connect to a network" in result.output
    assert result.output.count("\n") == 1


def test_offline_mode_is_one_line(offline):
    with pytest.raises(ExportError, match="Connect to a network"):
        hub.find("org/model")


class Response:
    """As much of an answer as huggingface-hub's errors look at."""

    headers: dict[str, str] = {}  # noqa: RUF012
    request = None


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (errors.GatedRepoError, r"gated.*Accept its terms.*hf auth login"),
        (errors.RepositoryNotFoundError, r"neither, or is private.*Correct the name"),
        (errors.RevisionNotFoundError, r"has no 'v9'.*leave it out"),
    ],
)
def test_refusals_tell_the_next_step(kind, message, monkeypatch):
    def refuse(model, **_more):
        raise kind("refused", response=Response())

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(ExportError, match=message):
        hub.find("org/model", "v9")


def test_a_model_without_safetensors_is_refused(cached, offline):
    (cached / "model.safetensors").unlink()
    with pytest.raises(ExportError, match=r"no weights on the hub.*save_pretrained"):
        hub.find("org/tiny-sentiment")
