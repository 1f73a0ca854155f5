"""The output folder: what is refused, what is written, what a resumed run must keep."""

import dataclasses
import hashlib
import json

import pytest

from streamformer_export.training.errors import TrainingError
from streamformer_export.training.run_folder import RunFolder
from streamformer_export.training.settings import ClassificationSettings, TranslationSettings

SETTINGS = TranslationSettings(train=("a.tsv",), valid="b.tsv")


def start(path, **options):
    folder = RunFolder(path, **options)
    folder.start(SETTINGS, [], precision="fp32")
    return folder


def test_writes_every_setting_and_the_versions(tmp_path):
    data = tmp_path / "data.tsv"
    data.write_text("a\tb\n")
    folder = RunFolder(tmp_path / "out")
    folder.start(SETTINGS, [data], precision="fp32")
    content = json.loads((tmp_path / "out" / "training.json").read_text())
    assert content["settings"].keys() == {field.name for field in dataclasses.fields(SETTINGS)}
    assert content["facts"] == {"precision": "fp32"}
    assert content["files"] == {str(data): hashlib.sha256(b"a\tb\n").hexdigest()}
    assert {"python", "numpy", "tokenizers"} <= content["versions"].keys()


def test_nothing_is_written_before_the_start(tmp_path):
    RunFolder(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_refuses_an_existing_output(tmp_path):
    start(tmp_path)
    with pytest.raises(TrainingError, match="not empty"):
        RunFolder(tmp_path)


def test_force_replaces_a_run(tmp_path):
    start(tmp_path)
    (tmp_path / "old").touch()
    start(tmp_path, force=True)
    assert not (tmp_path / "old").exists()


def test_force_refuses_a_folder_of_something_else(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(TrainingError, match=r"no training\.json"):
        RunFolder(tmp_path, force=True)
    assert (tmp_path / "thesis.tex").exists()


def test_resume_refuses_other_settings(tmp_path):
    start(tmp_path)
    folder = RunFolder(tmp_path, resume=True)
    with pytest.raises(TrainingError, match="seed was 1 and is 5"):
        folder.start(dataclasses.replace(SETTINGS, seed=5), [], precision="fp32")


def test_resume_may_change_the_number_of_epochs(tmp_path):
    start(tmp_path)
    folder = RunFolder(tmp_path, resume=True)
    folder.start(dataclasses.replace(SETTINGS, epochs=5), [], precision="fp32")
    content = json.loads((tmp_path / "training.json").read_text(encoding="utf-8"))
    assert content["settings"]["epochs"] == 5
    assert content["resumed"] == [{"epochs_before": 16}]


def test_resume_refuses_an_empty_folder_and_force(tmp_path):
    with pytest.raises(TrainingError, match="has none"):
        RunFolder(tmp_path, resume=True)
    with pytest.raises(TrainingError, match="Drop one"):
        RunFolder(tmp_path, resume=True, force=True)


def test_resume_drops_later_metrics(tmp_path):
    folder = start(tmp_path)
    for epoch in (1, 2, 3):
        folder.add_metrics(epoch=epoch)
    folder.add_metrics(epoch=2, averaged=2)
    folder.keep_metrics_until(2)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"epoch": 1}, {"epoch": 2}]


def test_the_state_goes_when_the_run_is_finished(tmp_path):
    folder = start(tmp_path)
    state = folder.state
    folder.finish(keep_state=True)
    assert state.is_dir()
    folder.finish(keep_state=False)
    assert not state.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"d_model": 100},
        {"epochs": 0},
        {"dropout": 1.0},
        {"label_smoothing": -0.1},
        {"peak_rate": 0.0},
        {"train": ()},
        {"train": ("a.tsv", "b.tsv"), "hold_out": 5},
        {"train": ("a.tsv", "b.tsv"), "hold_out": 5, "hold_out_from": "c.tsv"},
    ],
)
def test_translation_settings_check_themselves(change):
    with pytest.raises(TrainingError, match="The rule is"):
        dataclasses.replace(SETTINGS, **change)


@pytest.mark.parametrize(
    "change",
    [{"labels": ("a",)}, {"labels": ("a", "a")}, {"batch_size": 0}, {"layer_decay": 0.0}],
)
def test_classification_settings_check_themselves(change):
    settings = {"base": "b", "train": "t", "valid": "v", "labels": ("a", "b")}
    with pytest.raises(TrainingError, match="The rule is"):
        ClassificationSettings(**settings | change)
