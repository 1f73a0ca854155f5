"""Fine-tunes a base encoder for text classification (Devlin et al. 2019).

The result is an ordinary Hugging Face folder (`AutoModelForSequenceClassification`).
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel
from transformers.utils import cached_file

from streamformer_export import tokenizer as folders
from streamformer_export.pack import TOKENIZER_FILES
from streamformer_export.training.batches import padded, row_batches, sorted_batches
from streamformer_export.training.data import LabelledText, read_labelled_texts
from streamformer_export.training.device import (
    Device,
    load_state,
    progress,
    quieten_transformers,
    require_finite,
    save_state,
    say,
)
from streamformer_export.training.errors import TrainingError
from streamformer_export.training.run_folder import RunFolder
from streamformer_export.training.schedule import rate_factor
from streamformer_export.training.settings import ClassificationSettings

EVALUATION_ROWS = 64


def finetune(
    settings: ClassificationSettings, folder: RunFolder, threads: int | None = None
) -> float:
    """Runs the fine-tuning and returns the accuracy of the weights that were kept."""
    quieten_transformers()
    device = Device.choose(settings.precision, threads)
    labels = list(settings.labels)
    train_path, valid_path = Path(settings.train), Path(settings.valid)
    columns = (settings.label_column, settings.text_column)
    train_texts = read_labelled_texts(train_path, labels, *columns)
    valid_texts = read_labelled_texts(valid_path, labels, *columns)
    for path, texts in ((train_path, train_texts), (valid_path, valid_texts)):
        if not texts:
            raise TrainingError(f"A table has rows: {path} has none. Give another file.")
    base = BaseTokenizer.read(settings.base)
    folder.start(
        settings,
        [train_path, valid_path],
        train_texts=len(train_texts),
        valid_texts=len(valid_texts),
        precision="bf16" if device.bf16 else "fp32",
        device=str(device.torch_device),
    )
    for name, content in base.files.items():
        (folder.path / name).write_bytes(content)
    if base.disagrees:
        say(
            "The base's tokenizer.json and its class disagree; this run reads texts as the file "
            "says. Export the result with --tokenizer file."
        )
    say(
        f"{len(train_texts)} texts to train on, {len(valid_texts)} to validate, "
        f"{'bf16' if device.bf16 else 'fp32'} on {device.torch_device}"
    )
    return _Trainer(settings, folder, device, base.tokenizer, train_texts, valid_texts).run()


@dataclass(frozen=True)
class BaseTokenizer:
    """The tokenizer of a base: its files as they are, and how a bundle of it will read texts."""

    files: dict[str, bytes]
    tokenizer: Tokenizer
    disagrees: bool

    @staticmethod
    def read(base: str) -> BaseTokenizer:
        """Reads the tokenizer of a folder or of a model on the hub."""
        with tempfile.TemporaryDirectory() as copied:
            folder = Path(copied)
            try:
                shutil.copyfile(cached_file(base, "config.json"), folder / "config.json")
                for name in TOKENIZER_FILES:
                    found = cached_file(base, name, _raise_exceptions_for_missing_entries=False)
                    if found:
                        shutil.copyfile(found, folder / name)
            except (OSError, ValueError) as error:
                raise TrainingError(
                    f"BASE is a Hugging Face folder or hub id: {base!r} cannot be read "
                    f"({str(error).splitlines()[0]}). Check the path."
                ) from error
            source = folders.read_source(folder, folders.Origin.FILE)
            content, _ = folders.bundled(folder, source)
            kept = {path.name: path.read_bytes() for path in folder.iterdir()}
        kept.pop("config.json")
        return BaseTokenizer(kept, folders.load(content), source.origin is not None)


def new_model(settings: ClassificationSettings) -> PreTrainedModel:
    """Returns the base encoder with a fresh head for the labels."""
    configuration = AutoConfig.from_pretrained(
        settings.base,
        num_labels=len(settings.labels),
        id2label=dict(enumerate(settings.labels)),
        label2id={label: index for index, label in enumerate(settings.labels)},
    )
    if settings.dropout is not None:
        configuration.hidden_dropout_prob = settings.dropout
        configuration.attention_probs_dropout_prob = settings.dropout
    return AutoModelForSequenceClassification.from_pretrained(
        settings.base,
        config=configuration,
        dtype=torch.float32,
        attn_implementation="eager",  # see translation.new_model
    )


def parameter_groups(model: PreTrainedModel, settings: ClassificationSettings) -> list[dict]:
    """Returns optimizer groups: no decay of biases and norms, lower rates in lower layers.

    A layer's rate is `layer_decay` times that of the layer above it (Howard and Ruder 2018); the
    head has the full rate, the embeddings the lowest.
    """
    layers = model.config.num_hidden_layers
    groups: dict[tuple[int, bool], dict] = {}
    for name, parameter in model.named_parameters():
        layer = re.search(r"\.layers?\.(\d+)\.", name)
        lowest = layers + 1 if "embeddings" in name else 0
        depth = layers - int(layer[1]) if layer else lowest
        decays = parameter.ndim > 1
        group = groups.setdefault(
            (depth, decays),
            {
                "params": [],
                "peak": settings.learning_rate * settings.layer_decay**depth,
                "weight_decay": settings.weight_decay if decays else 0.0,
            },
        )
        group["params"].append(parameter)
    return list(groups.values())


class _Trainer:
    """The fine-tuning loop: one object per run."""

    def __init__(
        self,
        settings: ClassificationSettings,
        folder: RunFolder,
        device: Device,
        tokenizer: Tokenizer,
        train_texts: list[LabelledText],
        valid_texts: list[LabelledText],
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.device = device
        tokenizer.enable_truncation(settings.longest)
        self.train_ids = self._encode(tokenizer, train_texts)
        self.valid_ids = self._encode(tokenizer, valid_texts)
        self.train_labels = np.array([text.label for text in train_texts])
        self.valid_labels = np.array([text.label for text in valid_texts])
        torch.manual_seed(settings.seed)
        self.model = new_model(settings).to(device.torch_device)
        self.padding = self.model.config.pad_token_id or 0
        self.optimizer = torch.optim.AdamW(
            parameter_groups(self.model, settings), lr=settings.learning_rate, fused=True
        )
        lengths = np.array([len(ids) for ids in self.train_ids])
        self.plans = [
            row_batches(lengths, settings.batch_size, settings.seed, epoch)
            for epoch in range(1, settings.epochs + 1)
        ]
        self.total_steps = sum(map(len, self.plans))
        self.step = 0
        self.best = (0.0, float("-inf"))  # accuracy, then the negative loss

    @staticmethod
    def _encode(tokenizer: Tokenizer, texts: list[LabelledText]) -> list[list[int]]:
        return [encoding.ids for encoding in tokenizer.encode_batch([t.text for t in texts])]

    def run(self) -> float:
        """Trains the epochs that are left; keeps the best weights."""
        first = self._resume() + 1
        for epoch in range(first, self.settings.epochs + 1):
            # Seeding by epoch makes a resumed run draw the same dropout masks.
            torch.manual_seed(self.settings.seed * 1_000_003 + epoch)
            self._train_epoch(epoch)
            self._save(epoch)
        return self.best[0]

    def _train_epoch(self, epoch: int) -> None:
        plan = self.plans[epoch - 1]
        warmup_steps = round(self.settings.warmup_ratio * self.total_steps)
        summed, seen, started = 0.0, 0, time.monotonic()
        bar = progress(plan, f"epoch {epoch}/{self.settings.epochs}")
        self.model.train()
        for number, rows in enumerate(bar, start=1):
            factor = rate_factor(self.step, warmup_steps, self.total_steps)
            for group in self.optimizer.param_groups:
                group["lr"] = group["peak"] * factor
            with self.device.autocast():
                logits = self._logits([self.train_ids[row] for row in rows])
            loss = functional.cross_entropy(
                logits.float(), self.device.tensor(self.train_labels[rows])
            )
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.step += 1
            value = loss.item()
            require_finite(value, self.step)
            summed += value
            seen += 1
            bar.set_postfix(loss=f"{summed / seen:.3f}", refresh=False)
            if self.step % self.settings.evaluate_every == 0 or number == len(plan):
                self._evaluate_and_record(epoch, summed / seen, time.monotonic() - started)
                summed, seen, started = 0.0, 0, time.monotonic()
                self.model.train()

    def _logits(self, ids: list[list[int]]) -> torch.Tensor:
        """Returns the logits `(batch, labels)` of token id lists."""
        mask = padded([[1] * len(row) for row in ids], 0)
        return self.model(
            input_ids=self.device.tensor(padded(ids, self.padding)),
            attention_mask=self.device.tensor(mask),
        ).logits

    @torch.inference_mode()
    def _evaluate(self) -> tuple[float, float]:
        """Returns accuracy and mean loss on the validation texts, in float32 as it will run."""
        self.model.eval()
        right, loss = 0, 0.0
        lengths = np.array([len(ids) for ids in self.valid_ids])
        for rows in sorted_batches(lengths, EVALUATION_ROWS):
            logits = self._logits([self.valid_ids[row] for row in rows])
            labels = self.device.tensor(self.valid_labels[rows])
            right += int((logits.argmax(dim=1) == labels).sum())
            loss += functional.cross_entropy(logits, labels, reduction="sum").item()
        return right / len(self.valid_ids), loss / len(self.valid_ids)

    def _evaluate_and_record(self, epoch: int, train_loss: float, seconds: float) -> None:
        accuracy, loss = self._evaluate()
        values = {
            "epoch": epoch,
            "step": self.step,
            "loss": round(train_loss, 4),
            "valid_loss": round(loss, 4),
            "accuracy": round(accuracy, 4),
            "seconds": round(seconds, 1),
        }
        self.folder.add_metrics(**values)
        say("  ".join(f"{name} {value}" for name, value in values.items()))
        if (accuracy, -loss) > self.best:
            self.best = (accuracy, -loss)
            self.model.save_pretrained(self.folder.path)

    def _save(self, epoch: int) -> None:
        save_state(
            self.folder.state / "state.pt",
            {
                "epoch": epoch,
                "step": self.step,
                "best": list(self.best),
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            },
        )

    def _resume(self) -> int:
        """Takes up the last whole epoch and returns its number, 0 at a fresh start."""
        path = self.folder.state / "state.pt"
        if not path.is_file():
            self.folder.keep_metrics_until(0)
            return 0
        state = load_state(path)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.best = state["step"], tuple(state["best"])
        self.folder.keep_metrics_until(state["epoch"])
        say(f"resumed after epoch {state['epoch']}")
        return state["epoch"]
