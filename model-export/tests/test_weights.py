"""The weights that transformers reads: which file, which name of a tied tensor, which format."""

from __future__ import annotations

import json
import pickle
import shlex
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import tied
from conftest import MODELS
from graphs import session
from streamformer_export import checkpoint
from streamformer_export.errors import ExportError
from streamformer_export.families import read_model
from streamformer_export.quantize import Scheme
from streamformer_export.weights import Weights

STORED = json.loads(tied.ANSWERS.read_text())


def ours(case: tied.Case, folder: Path) -> np.ndarray:
    """The last token's first logits; raises ExportError where the folder is refused."""
    case.write(folder, STORED["shapes"][case.family])
    graph = session(read_model(folder).build_scorer(Scheme()))
    given = {key: np.array(value, np.int64) for key, value in tied.feed(case.family).items()}
    return graph.run(None, given)[0][0, -1, :4]


# They tie the words of both sides whatever tie_word_embeddings says, in one version at least.
ALWAYS_TIED = ("marian", "t5", "t5-of-5", "mt5")
# A head that is stored is their own.
OWN_HEAD = ("t5-of-5", "mt5")


def group(case: tied.Case) -> set[str]:
    """The names that a configuration ties."""
    *sides, head = tied.members(case.family)
    if case.family == "marian-apart":
        return {sides[1], head} if case.tied else set()
    names = sides if case.tied or case.family in ALWAYS_TIED else []
    return {*names, *([head] if case.tied and case.family not in OWN_HEAD else [])}


def agreed(case: tied.Case) -> list[float] | None:
    """What both transformers answer, or the one that has an answer; None where they differ."""
    if len(group(case) & set(case.stored)) > 1 and not case.equal:
        return None
    found = STORED["answers"][case.name]
    # Only transformers 5 has the key that it writes for T5, and it computes mT5 otherwise than 4.
    versions = ("5",) if case.family in OWN_HEAD else ("4", "5")
    answers = [found[v] for v in versions if not isinstance(found[v], str)]
    if not answers or not np.allclose(answers[0], answers[-1], atol=1e-4):
        return None
    return answers[0]


@pytest.mark.parametrize("family", tied.CONFIGS)
def test_every_member_of_a_tied_group_serves_all(family, tmp_path):
    taken = 0
    for case in tied.cases():
        if case.family != family:
            continue
        expected = agreed(case)
        if expected is None:
            with pytest.raises(ExportError, match=r"differ, but config|is missing in the weights"):
                ours(case, tmp_path)
            continue
        taken += 1
        np.testing.assert_allclose(ours(case, tmp_path), expected, atol=1e-4, err_msg=case.name)
    # At least each member alone.
    assert taken >= len(tied.members(family))


@pytest.mark.reference
def test_the_stored_answers_are_those_of_transformers(torch):
    import transformers

    version = transformers.__version__.split(".")[0]
    for case in list(tied.cases())[::5]:
        found = tied.answer(case, STORED["shapes"][case.family])
        stored = STORED["answers"][case.name][version]
        assert isinstance(found, str) == isinstance(stored, str), case.name
        if not isinstance(found, str):
            np.testing.assert_allclose(found, stored, atol=1e-4, err_msg=case.name)


@pytest.mark.reference
def test_the_groups_are_transformers_own(torch):
    import transformers

    for family, config in tied.CONFIGS.items():
        kind = getattr(transformers, config["architectures"][0])
        names = {
            name
            for name, _ in kind(transformers.AutoConfig.for_model(**config)).named_parameters(
                remove_duplicate=False
            )
        }
        assert set(tied.members(family)) <= names
    for name in ("Bert", "Roberta", "XLMRoberta", "DistilBert", "Albert", "Electra"):
        for head in ("ForSequenceClassification", "ForTokenClassification", "Model"):
            assert not getattr(transformers, name + head)._tied_weights_keys


def sentiment(folder: Path) -> dict[str, np.ndarray]:
    """A folder without weights; returns them."""
    source = MODELS / "tiny-sentiment"
    (folder / "config.json").write_bytes((source / "config.json").read_bytes())
    return load_file(source / "model.safetensors")


def write_shards(folder: Path, tensors: dict[str, np.ndarray], **more: str) -> None:
    names = sorted(tensors)
    where = {name: f"model-0000{i % 2 + 1}-of-00002.safetensors" for i, name in enumerate(names)}
    for file in set(where.values()):
        save_file({n: tensors[n] for n in names if where[n] == file}, folder / file)
    index = {"metadata": {}, "weight_map": where | more}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def test_one_file_goes_before_shards(tmp_path):
    tensors = sentiment(tmp_path)
    write_shards(tmp_path, {name: np.zeros_like(tensor) for name, tensor in tensors.items()})
    assert not Weights(tmp_path)["classifier.weight"].any()
    save_file(tensors, tmp_path / "model.safetensors")
    found = Weights(tmp_path)["classifier.weight"]
    np.testing.assert_array_equal(found, tensors["classifier.weight"])


@pytest.mark.parametrize("name", ["../other.safetensors", "/etc/x.safetensors", "a\\b", "a/b"])
def test_an_index_names_files_of_the_folder(tmp_path, name):
    write_shards(tmp_path, sentiment(tmp_path), more=name)
    with pytest.raises(ExportError, match="Shards must be in the model folder"):
        Weights(tmp_path)


def test_a_shard_that_is_missing_or_says_a_name_again(tmp_path):
    write_shards(tmp_path, tensors := sentiment(tmp_path))
    save_file(tensors, tmp_path / "model-00002-of-00002.safetensors")
    with pytest.raises(ExportError, match=r"is in model-00001.* and in model-00002"):
        Weights(tmp_path)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ExportError, match="no such file"):
        Weights(tmp_path)


def test_a_dangling_link_is_not_passed_over(tmp_path):
    write_shards(tmp_path, sentiment(tmp_path))
    (tmp_path / "model.safetensors").symlink_to("../gone")
    with pytest.raises(ExportError, match=r"is a link to \.\./gone, which does not exist"):
        Weights(tmp_path)


def test_an_adapter_is_not_dropped(tmp_path):
    save_file(sentiment(tmp_path), tmp_path / "model.safetensors")
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ExportError, match="Merge it first"):
        Weights(tmp_path)


def test_an_old_and_a_new_name_of_one_tensor(tmp_path):
    tensors = sentiment(tmp_path)
    name = "bert.embeddings.LayerNorm.weight"
    tensors["bert.embeddings.LayerNorm.gamma"] = tensors[name]
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(ExportError, match="stored twice"):
        Weights(tmp_path)


@pytest.mark.parametrize("dtype", ["int8", "int64", "float8_e4m3fn", "uint8"])
def test_weights_are_floating_point_numbers(tmp_path, dtype):
    kind = getattr(ml_dtypes, dtype, None) or np.dtype(dtype)
    content = np.zeros(4, kind).tobytes()
    name = {"float8_e4m3fn": "F8_E4M3", "int8": "I8", "int64": "I64", "uint8": "U8"}[dtype]
    header = {"w": {"dtype": name, "shape": [4], "data_offsets": [0, len(content)]}}
    said = json.dumps(header).encode()
    (tmp_path / "model.safetensors").write_bytes(len(said).to_bytes(8, "little") + said + content)
    with pytest.raises(ExportError, match=rf"w has the type {name}\. Supported: BF16, F16"):
        Weights(tmp_path)["w"]


class Storage:
    """A storage of `entry`, as torch pickles one."""

    def __init__(self, kind: str, entry: str, count: int) -> None:
        self.key = ("storage", Named("torch", kind), entry, "cpu", count)


class Named:
    """A name in a pickle that nothing here has to be called by."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __reduce__(self) -> str:
        return self.name


class Call:
    def __init__(self, function: Named, *arguments: object) -> None:
        self.function, self.arguments = function, arguments


REBUILD = Named("torch._utils", "_rebuild_tensor_v2")


def tensor(kind: str, entry: str, count: int, offset: int, shape: tuple, strides: tuple) -> Call:
    hooks = OrderedDict()
    return Call(REBUILD, Storage(kind, entry, count), offset, shape, strides, False, hooks)


class Pickler(pickle._Pickler):
    """Writes what torch.save writes, without torch."""

    def persistent_id(self, one):
        return one.key if isinstance(one, Storage) else None

    def save(self, one, save_persistent_id=True):
        if isinstance(one, Named):
            self.write(pickle.GLOBAL + f"{one.module}\n{one.name}\n".encode())
        elif isinstance(one, Call):
            self.save(one.function)
            self.save(one.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(one, save_persistent_id)


def torch_file(path: Path, content: object, *, compression=zipfile.ZIP_STORED, **entries) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        with archive.open("archive/data.pkl", "w") as file:
            Pickler(file, 2).dump(content)
        archive.writestr("archive/byteorder", entries.pop("byteorder", "little"))
        for name, values in entries.items():
            archive.writestr(f"archive/data/{name.removeprefix('e')}", values.tobytes())
    return path


def test_a_torch_file_is_read_without_torch(tmp_path):
    values = np.arange(12, dtype=np.float32)
    brain = np.array([1.5, -2, 3], ml_dtypes.bfloat16)
    content = OrderedDict(
        whole=tensor("FloatStorage", "0", 12, 0, (3, 4), (4, 1)),
        again=tensor("FloatStorage", "0", 12, 0, (3, 4), (4, 1)),
        part=tensor("FloatStorage", "0", 12, 4, (2, 2), (4, 1)),
        turned=tensor("FloatStorage", "0", 12, 0, (4, 3), (1, 4)),
        spread=tensor("FloatStorage", "0", 12, 2, (3, 2), (0, 1)),
        scalar=tensor("FloatStorage", "0", 12, 5, (), ()),
        none=tensor("FloatStorage", "0", 12, 0, (0, 4), (4, 1)),
        brain=tensor("BFloat16Storage", "1", 3, 0, (3,), (1,)),
        ids=tensor("LongStorage", "2", 2, 0, (1, 2), (2, 1)),
    )
    torch_file(tmp_path / "pytorch_model.bin", content, e0=values, e1=brain, e2=np.array([7, 8]))
    weights = Weights(tmp_path)
    grid = values.reshape(3, 4)
    expected = {
        "whole": grid,
        "again": grid,
        "part": grid[1:, :2],
        "turned": grid.T,
        "spread": np.array([[2, 3]] * 3),
        "scalar": np.array(5),
        "none": np.zeros((0, 4)),
        "brain": np.array([1.5, -2, 3]),
    }
    for name, one in expected.items():
        assert weights[name].dtype == np.float32
        np.testing.assert_array_equal(weights[name], one, err_msg=name)
    assert isinstance(weights["whole"], np.memmap)
    assert weights.same("whole", "again")
    with pytest.raises(ExportError, match="I64"):
        weights["ids"]


def test_shards_of_torch_files(tmp_path):
    where = {}
    for name, value in (("a", 1.0), ("b", 2.0)):
        one = tensor("FloatStorage", "0", 1, 0, (1,), (1,))
        file = f"pytorch_model-{name}.bin"
        torch_file(tmp_path / file, {name: one}, e0=np.float32([value]))
        where[name] = file
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": where}))
    weights = Weights(tmp_path)
    assert (weights["a"], weights["b"]) == (1.0, 2.0)


FLAT = tensor("FloatStorage", "0", 4, 0, (4,), (1,))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"w": Call(Named("os", "system"), "true")}, r"it names os\.system"),
        ({"w": Call(Named("builtins", "eval"), "1")}, r"it names builtins\.eval"),
        (Call(REBUILD, 1, 0, (1,), (1,), False, None), "not a plain view"),
        ({"w": tensor("FloatStorage", "0", 4, 1, (4,), (1,))}, "beyond its storage"),
        ({"w": tensor("FloatStorage", "0", 4, 0, (2, 2), (3, 1))}, "beyond its storage"),
        ({"w": tensor("FloatStorage", "0", 4, 3, (4,), (-1,))}, "from 0 up"),
        ({"w": tensor("FloatStorage", "0", 5, 0, (4,), (1,))}, "too short"),
        ({"w": tensor("FloatStorage", "9", 4, 0, (4,), (1,))}, "data/9"),
        ({"w": tensor("ComplexFloatStorage", "0", 4, 0, (4,), (1,))}, "ComplexFloatStorage"),
        ({"w": Call(Named("torch._utils", "_rebuild_sparse_tensor"))}, "_rebuild_sparse_tensor"),
        ({"state_dict": {"w": FLAT}}, "the entry 'state_dict'"),
        ([FLAT], "it has a list"),
    ],
)
def test_a_torch_file_with_anything_but_tensors_is_refused(tmp_path, content, message):
    torch_file(tmp_path / "pytorch_model.bin", content, e0=np.zeros(4, np.float32))
    with pytest.raises(ExportError, match=rf"{message}.*save_pretrained"):
        checkpoint.find(tmp_path)


def test_a_pickle_cannot_change_what_rebuilds_tensors(tmp_path):
    name = b"ctorch._utils\n_rebuild_tensor_v2\n"
    for state in (b"}X\x01\x00\x00\x00aK\x01sb.", b"N}X\x04\x00\x00\x00_runK\x01s\x86b."):
        with zipfile.ZipFile(tmp_path / "pytorch_model.bin", "w") as archive:
            archive.writestr("archive/data.pkl", b"\x80\x02" + name + state)
        with pytest.raises(ExportError, match="it changes a function"):
            checkpoint.find(tmp_path)


def test_torch_files_of_other_forms_are_refused(tmp_path):
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C))
    with pytest.raises(ExportError, match=r"zip format.*python -c .*weights_only=True"):
        checkpoint.find(tmp_path)
    torch_file(path, {"w": FLAT}, compression=zipfile.ZIP_DEFLATED, e0=np.zeros(4, np.float32))
    with pytest.raises(ExportError, match="compressed"):
        checkpoint.find(tmp_path)
    torch_file(path, {"w": FLAT}, byteorder="big", e0=np.zeros(4, np.float32))
    with pytest.raises(ExportError, match="big-endian"):
        checkpoint.find(tmp_path)


@pytest.mark.reference
@pytest.mark.parametrize("family", ["tiny-sentiment", "tiny-bart", "tiny-mt5", "tiny-generation"])
def test_a_file_of_torch_gives_the_weights_of_safetensors(torch, family, tmp_path):
    (tmp_path / "config.json").write_bytes((MODELS / family / "config.json").read_bytes())
    tensors = load_file(MODELS / family / "model.safetensors")
    state = torch.nn.Module().state_dict()
    for i, (name, one) in enumerate(tensors.items()):
        # Some are kept in another order of their numbers.
        held = torch.tensor(one)
        state[name] = held.T.contiguous().T if i % 3 == 0 and held.ndim == 2 else held
    torch.save(state, tmp_path / "pytorch_model.bin")
    weights = Weights(tmp_path)
    for name, one in tensors.items():
        np.testing.assert_array_equal(weights[name], one.astype(np.float32), err_msg=name)
    # The old format is refused; the command that the refusal names makes it right.
    torch.save(state, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    with pytest.raises(ExportError, match="convert it: python -c") as refused:
        Weights(tmp_path)
    command = str(refused.value).partition("convert it: ")[2]
    words = shlex.split(command)
    subprocess.run([sys.executable, *words[1:]], check=True)
    assert set(Weights(tmp_path)) == set(weights)
