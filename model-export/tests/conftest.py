from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from graphs import random_rows
from streamformer_export.calibrate import calibrate
from streamformer_export.export import Answers, Settings, Variant, export
from streamformer_export.families import Task
from streamformer_export.quantize import Scheme, Static

MODELS = Path(__file__).parent / "models"


ENCODERS = (
    "tiny-answers",
    "tiny-embeddings",
    "tiny-entities",
    "tiny-sentiment",
    "tiny-similarity",
    "tiny-toxic",
)

GENERATORS = (
    "tiny-bart",
    "tiny-generation",
    "tiny-many",
    "tiny-mbart",
    "tiny-mt5",
    "tiny-summary",
    "tiny-translation",
)


@pytest.fixture(scope="session", params=ENCODERS)
def encoder_folder(request) -> Path:
    return MODELS / request.param


@pytest.fixture(scope="module")
def torch():
    """torch on one thread and from one seed; the test is skipped where it is not installed."""
    module = pytest.importorskip("torch")
    module.set_num_threads(1)
    module.manual_seed(0)
    return module


@pytest.fixture(scope="session")
def sentiment_folder() -> Path:
    return MODELS / "tiny-sentiment"


@pytest.fixture(scope="session")
def translation_folder() -> Path:
    return MODELS / "tiny-translation"


@pytest.fixture(scope="session", params=GENERATORS)
def generator_folder(request) -> Path:
    return MODELS / request.param


@pytest.fixture(scope="session", params=["fp32", "int8"])
def scheme_of(request):
    """A function from a model to the scheme of one variant."""

    def scheme(model) -> Scheme:
        if request.param == "fp32":
            return Scheme()
        return Static(calibrate(model, random_rows(8, 300, seed=0), "test"))

    return scheme


@pytest.fixture(scope="session")
def bundles(tmp_path_factory) -> Path:
    """Bundles of all tiny models with both variants, written without torch."""
    out = tmp_path_factory.mktemp("bundles")
    told = {
        "tiny-many": {"languages": ("en", "fr"), "target_languages": ("fr", "de=__de__")},
        "tiny-mbart": {"languages": ("en",), "target_languages": ("ro",)},
        "tiny-summary": {"task": Task.SUMMARIZATION},
    }
    for name in (*ENCODERS, *GENERATORS):
        settings = Settings(
            name=name,
            variants=(Variant.INT8, Variant.FP32),
            source="test",
            license="test",
            answers=Answers.GRAPH,
            **told.get(name, {}),
        )
        export(MODELS / name, out / name, settings)
    return out


@pytest.fixture
def copied(tmp_path):
    """A function that copies a model folder and changes its config.json or another JSON file."""

    def copy(folder: Path, file: str = "config.json", **changes) -> Path:
        target = tmp_path / folder.name
        shutil.copytree(folder, target, dirs_exist_ok=True)
        content = json.loads((target / file).read_text())
        content.update(changes)
        (target / file).write_text(json.dumps(content))
        return target

    return copy
