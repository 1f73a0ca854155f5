"""The settings of a run: checked when made, written beside the result."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from streamformer_export.training.errors import TrainingError


class Precision(StrEnum):
    """The number format of matrix products; weights and optimizer always stay float32."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"


@dataclass(frozen=True, kw_only=True)
class TranslationSettings:
    """Training of an encoder-decoder from scratch."""

    train: tuple[str, ...]
    valid: str
    hold_out: int = 0
    hold_out_from: str | None = None
    vocabulary_size: int = 8000
    d_model: int = 256
    encoder_layers: int = 6
    decoder_layers: int = 2
    attention_heads: int = 8
    ffn_size: int = 1024
    dropout: float = 0.15
    longest: int = 128
    epochs: int = 16
    batch_tokens: int = 3000
    peak_rate: float = 1e-3
    warmup_steps: int = 1000
    label_smoothing: float = 0.1
    clip_norm: float = 1.0
    average: int = 4
    seed: int = 1
    precision: Precision = Precision.AUTO

    def __post_init__(self) -> None:
        _require(self.train, "--train is given at least once", self.train)
        _require(
            self.d_model % self.attention_heads == 0 and self.d_model % 2 == 0,
            "--d-model is even and a multiple of --attention-heads",
            f"{self.d_model} and {self.attention_heads}",
        )
        _require(
            self.hold_out == 0 or self.held_out_source in self.train,
            "with --hold-out and several --train, --hold-out-from names one of these",
            self.hold_out_from,
        )
        _require_at_least_1(
            self, "epochs", "batch_tokens", "encoder_layers", "decoder_layers", "average"
        )
        _require(0 <= self.dropout < 1, "--dropout is in [0, 1)", self.dropout)
        _require(
            0 <= self.label_smoothing < 1, "--label-smoothing is in [0, 1)", self.label_smoothing
        )
        _require(self.peak_rate > 0, "--peak-rate is above 0", self.peak_rate)
        _require(self.longest >= 2, "--longest is at least 2", self.longest)

    @property
    def held_out_source(self) -> str | None:
        """The --train value that sentences are held out from."""
        return self.train[0] if len(self.train) == 1 else self.hold_out_from


@dataclass(frozen=True, kw_only=True)
class ClassificationSettings:
    """Fine-tuning of a base encoder for text classification."""

    base: str
    train: str
    valid: str
    labels: tuple[str, ...]
    label_column: str = "label"
    text_column: str | None = None
    longest: int = 128
    epochs: int = 4
    batch_size: int = 32
    learning_rate: float = 5e-5
    layer_decay: float = 1.0
    dropout: float | None = None
    warmup_ratio: float = 0.06
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    evaluate_every: int = 500
    seed: int = 1
    precision: Precision = Precision.AUTO

    def __post_init__(self) -> None:
        _require(
            len(set(self.labels)) == len(self.labels) >= 2 and all(self.labels),
            "--labels names two or more different labels",
            ",".join(self.labels),
        )
        _require_at_least_1(self, "epochs", "batch_size", "evaluate_every")
        _require(self.learning_rate > 0, "--learning-rate is above 0", self.learning_rate)
        _require(0 < self.layer_decay <= 1, "--layer-decay is in (0, 1]", self.layer_decay)
        _require(0 <= self.warmup_ratio < 1, "--warmup-ratio is in [0, 1)", self.warmup_ratio)


def _require_at_least_1(settings: object, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        _require(value >= 1, f"--{name.replace('_', '-')} is at least 1", value)


def _require(holds: object, rule: str, seen: object) -> None:
    if not holds:
        raise TrainingError(f"The rule is: {rule}. It was {seen!r}. Change the option.")
