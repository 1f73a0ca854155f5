"""Packing a model folder: fp16 weights, the files an export needs, no folders of one machine."""

import json

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from streamformer_export.errors import ExportError
from streamformer_export.pack import pack


def model_folder(path, **tensors):
    path.mkdir()
    save_file(tensors, path / "model.safetensors")
    (path / "config.json").write_text("{}")
    (path / "optimizer.pt").write_text("large")
    training = {
        "settings": {"train": ["a/b.tsv.gz", "c/d.en:c/d.fr"]},
        "files": {"a/b.tsv.gz": "0"},
    }
    (path / "training.json").write_text(json.dumps(training))
    return path


def test_weights_are_halved_and_the_rest_is_left_behind(tmp_path):
    weight = np.array([[1.5, -0.25]], dtype=np.float32)
    model = model_folder(tmp_path / "model", weight=weight, ids=np.array([1, 2]))
    pack(model, tmp_path / "out")
    packed = load_file(tmp_path / "out" / "model.safetensors")
    assert packed["weight"].dtype == np.float16
    np.testing.assert_array_equal(packed["weight"], weight)
    np.testing.assert_array_equal(packed["ids"], [1, 2])
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "config.json",
        "model.safetensors",
        "training.json",
    ]


def test_data_files_keep_their_names_only(tmp_path):
    pack(model_folder(tmp_path / "model", weight=np.zeros(1, np.float32)), tmp_path / "out")
    assert json.loads((tmp_path / "out" / "training.json").read_text()) == {
        "settings": {"train": ["b.tsv.gz", "d.en:d.fr"]},
        "files": {"b.tsv.gz": "0"},
    }


def test_a_weight_beyond_fp16_is_refused(tmp_path):
    model = model_folder(tmp_path / "model", weight=np.array([1e6], dtype=np.float32))
    with pytest.raises(ExportError, match=r"weight has 1e\+06, but fp16 holds values up to 65504"):
        pack(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_shards_and_other_floats_become_one_file(tmp_path):
    (model := tmp_path / "model").mkdir()
    (model / "config.json").write_text("{}")
    save_file({"a": np.ones(2, ml_dtypes.bfloat16)}, model / "model-1.safetensors")
    save_file({"b": np.ones(2, np.float64)}, model / "model-2.safetensors")
    where = {"a": "model-1.safetensors", "b": "model-2.safetensors"}
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    pack(model, tmp_path / "out")
    packed = load_file(tmp_path / "out" / "model.safetensors")
    assert {name: one.dtype for name, one in packed.items()} == {"a": np.float16, "b": np.float16}
    np.testing.assert_array_equal([packed["a"], packed["b"]], 1)


def test_an_existing_output_is_kept(tmp_path):
    model = model_folder(tmp_path / "model", weight=np.zeros(1, np.float32))
    with pytest.raises(ExportError, match="is not empty"):
        pack(model, model)
