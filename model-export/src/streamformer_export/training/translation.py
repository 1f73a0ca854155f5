"""Trains an encoder-decoder translation model from scratch (Vaswani et al. 2017).

A deep encoder and a shallow decoder (Kasai et al. 2021) with one embedding for source, target and
output; the result is an ordinary MarianMT folder of Hugging Face transformers.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional
from transformers import GenerationConfig, MarianConfig, MarianMTModel

from streamformer_export.training.batches import padded, sorted_batches, token_batches
from streamformer_export.training.data import (
    Pair,
    hold_out,
    read_pairs,
    split_files,
    without,
    write_held_out,
)
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
from streamformer_export.training.settings import TranslationSettings
from streamformer_export.training.tokenizer import (
    END_ID,
    UNKNOWN_ID,
    read_tokenizer,
    train_tokenizer,
    write_tokenizer,
)
from streamformer_export.translation_scores import TranslationScores, translation_scores

EVALUATION_ROWS = 128


@dataclass(frozen=True)
class EncodedPairs:
    """Sentence pairs as piece ids, each with `</s>` at its end."""

    sources: list[list[int]]
    targets: list[list[int]]

    @classmethod
    def of(cls, tokenizer: Tokenizer, pairs: list[Pair], longest: int | None) -> EncodedPairs:
        """Encodes the pairs; those with a side of more than `longest` pieces are left out."""
        sources = tokenizer.encode_batch([pair.source for pair in pairs])
        targets = tokenizer.encode_batch([pair.target for pair in pairs])
        kept = [
            (source.ids, target.ids)
            for source, target in zip(sources, targets, strict=True)
            if longest is None or max(len(source.ids), len(target.ids)) <= longest
        ]
        return cls([source for source, _ in kept], [target for _, target in kept])

    def lengths(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the lengths of all sources and of all targets."""
        return (
            np.array([len(ids) for ids in self.sources]),
            np.array([len(ids) for ids in self.targets]),
        )


def train(
    settings: TranslationSettings, folder: RunFolder, threads: int | None = None
) -> tuple[float, str]:
    """Runs the training; returns the score of the weights that were kept, and its name."""
    quieten_transformers()
    device = Device.choose(settings.precision, threads)
    train_pairs, valid_pairs = _read_data(settings, folder, device)
    tokenizer = _tokenizer(settings, folder, train_pairs)
    encoded = EncodedPairs.of(tokenizer, train_pairs, settings.longest)
    if not encoded.sources:
        raise TrainingError(
            f"Some pairs must be left to train on: 0 of {len(train_pairs)} have at most "
            f"{settings.longest} pieces a side. Raise --longest."
        )
    say(
        f"{len(encoded.sources)} pairs to train on ({len(train_pairs) - len(encoded.sources)} too "
        f"long), {len(valid_pairs)} to validate, {tokenizer.get_vocab_size()} pieces, "
        f"{'bf16' if device.bf16 else 'fp32'} on {device.torch_device}"
    )
    trainer = _Trainer(settings, folder, device, tokenizer, encoded, valid_pairs)
    return trainer.run(), trainer.measure


def _read_data(
    settings: TranslationSettings, folder: RunFolder, device: Device
) -> tuple[list[Pair], list[Pair]]:
    """Reads all pairs, holds sentences out and writes the settings beside the result."""
    tables = {files: read_pairs(files) for files in settings.train}
    valid_pairs = read_pairs(settings.valid)
    held_out = []
    if settings.hold_out:
        held_out = hold_out(tables[settings.held_out_source], settings.hold_out, settings.seed)
    train_pairs = without([pair for table in tables.values() for pair in table], held_out)
    train_pairs = list(dict.fromkeys(train_pairs))
    folder.start(
        settings,
        [path for files in (*settings.train, settings.valid) for path in split_files(files)],
        train_pairs=len(train_pairs),
        valid_pairs=len(valid_pairs),
        precision="bf16" if device.bf16 else "fp32",
        device=str(device.torch_device),
    )
    if held_out:
        write_held_out(folder.path / "held-out.tsv", held_out)
    return train_pairs, valid_pairs


def _tokenizer(settings: TranslationSettings, folder: RunFolder, pairs: list[Pair]) -> Tokenizer:
    """Reads the resumed run's tokenizer or trains one on both sides of the training pairs."""
    if not (folder.path / "tokenizer.json").is_file():
        sentences = [sentence for pair in pairs for sentence in pair]
        tokenizer = train_tokenizer(sentences, settings.vocabulary_size)
        write_tokenizer(tokenizer, folder.path, settings.longest)
    return read_tokenizer(folder.path)


def new_model(settings: TranslationSettings, vocabulary_size: int) -> MarianMTModel:
    """Returns a model with fresh weights.

    Embeddings have variance 1 / d_model, so that scaled ones stand beside the positions. Matrices
    are small (transformers' 0.02): each post-norm layer starts close to the identity and the
    decoder sees the source from the first step. With Xavier's larger matrices the encoder's
    outputs collapsed to one vector and the loss stayed at 4.0.
    """
    padding = vocabulary_size - 1
    configuration = MarianConfig(
        vocab_size=vocabulary_size,
        decoder_vocab_size=vocabulary_size,
        d_model=settings.d_model,
        encoder_layers=settings.encoder_layers,
        decoder_layers=settings.decoder_layers,
        encoder_attention_heads=settings.attention_heads,
        decoder_attention_heads=settings.attention_heads,
        encoder_ffn_dim=settings.ffn_size,
        decoder_ffn_dim=settings.ffn_size,
        dropout=settings.dropout,
        activation_function="relu",
        scale_embedding=True,
        max_position_embeddings=max(512, settings.longest),
        eos_token_id=END_ID,
        forced_eos_token_id=END_ID,
        pad_token_id=padding,
        decoder_start_token_id=padding,
    )
    # torch's fused attention is many times slower than plain matrix products on short sentences
    # on a CPU.
    model = MarianMTModel._from_config(configuration, attn_implementation="eager")
    nn.init.normal_(model.model.shared.weight, std=settings.d_model**-0.5)
    model.generation_config = GenerationConfig(
        eos_token_id=END_ID,
        forced_eos_token_id=END_ID,
        pad_token_id=padding,
        decoder_start_token_id=padding,
        bad_words_ids=[[padding], [UNKNOWN_ID]],
        max_length=max(512, settings.longest),
        num_beams=4,
    )
    return model


def translation_loss(
    model: MarianMTModel,
    source: torch.Tensor,
    target: torch.Tensor,
    label_smoothing: float,
) -> torch.Tensor:
    """Returns the mean label-smoothed cross-entropy per target piece.

    `source` is `(batch, source_time)`, `target` is `(batch, target_time)`; both are padded ids.
    Only real target positions reach the vocabulary projection, the widest product of the model.
    """
    padding = model.config.pad_token_id
    start = torch.full_like(target[:, :1], model.config.decoder_start_token_id)
    hidden = model.model(
        input_ids=source,
        attention_mask=(source != padding).long(),
        decoder_input_ids=torch.cat([start, target[:, :-1]], dim=1),
        use_cache=False,
    ).last_hidden_state  # (batch, target_time, d_model)
    real = target != padding
    logits = functional.linear(hidden[real], model.lm_head.weight)  # (pieces, vocabulary)
    return functional.cross_entropy(logits.float(), target[real], label_smoothing=label_smoothing)


@torch.inference_mode()
def translate(
    model: MarianMTModel, tokenizer: Tokenizer, device: Device, texts: list[str], beams: int = 1
) -> list[str]:
    """Translates the texts in float32, longest first; returns translations in the texts' order."""
    model.eval()
    sources = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    translations = [""] * len(texts)
    batches = sorted_batches(np.array([len(ids) for ids in sources]), EVALUATION_ROWS)
    for rows in progress(batches, "translate"):
        ids = device.tensor(padded([sources[row] for row in rows], model.config.pad_token_id))
        output = model.generate(
            input_ids=ids,
            attention_mask=(ids != model.config.pad_token_id).long(),
            num_beams=beams,
            max_length=2 * ids.shape[1] + 10,
        )
        for row, text in zip(rows, tokenizer.decode_batch(output.tolist()), strict=True):
            translations[row] = text
    return translations


class _Trainer:
    """The training loop: one object per run."""

    def __init__(
        self,
        settings: TranslationSettings,
        folder: RunFolder,
        device: Device,
        tokenizer: Tokenizer,
        pairs: EncodedPairs,
        valid_pairs: list[Pair],
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.device = device
        self.tokenizer = tokenizer
        self.pairs = pairs
        self.valid_pairs = valid_pairs
        torch.manual_seed(settings.seed)
        self.model = new_model(settings, tokenizer.get_vocab_size()).to(device.torch_device)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=settings.peak_rate,
            betas=(0.9, 0.98),
            eps=1e-9,
            weight_decay=0.0,
            fused=True,
        )
        lengths = pairs.lengths()
        self.plans = [
            token_batches(*lengths, settings.batch_tokens, settings.seed, epoch)
            for epoch in range(1, settings.epochs + 1)
        ]
        self.total_steps = sum(map(len, self.plans))
        self.step = 0
        self.best = -1.0
        self.measure = "BLEU"

    def run(self) -> float:
        """Trains all epochs that are left, then tries the averaged weights."""
        first = self._resume() + 1
        for epoch in range(first, self.settings.epochs + 1):
            started = time.monotonic()
            # Seeding by epoch makes a resumed run draw the same dropout masks.
            torch.manual_seed(self.settings.seed * 1_000_003 + epoch)
            loss, pieces = self._train_epoch(epoch)
            trained = time.monotonic() - started
            scores = self._evaluate()
            self._record(
                epoch=epoch,
                step=self.step,
                loss=round(loss, 4),
                **_figures(scores),
                rate=self.optimizer.param_groups[0]["lr"],
                target_pieces_per_second=round(pieces / trained),
                seconds=round(time.monotonic() - started, 1),
            )
            self._keep_if_best(scores)
            self._save(epoch)
        if self.settings.average > 1:
            self._try_average()
        return self.best

    def _train_epoch(self, epoch: int) -> tuple[float, int]:
        """Runs one epoch; returns its mean loss per target piece and its target pieces."""
        self.model.train()
        summed, pieces = 0.0, 0
        bar = progress(self.plans[epoch - 1], f"epoch {epoch}/{self.settings.epochs}")
        padding = self.model.config.pad_token_id
        for rows in bar:
            rate = self.settings.peak_rate * rate_factor(
                self.step, self.settings.warmup_steps, self.total_steps
            )
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            source = self.device.tensor(padded([self.pairs.sources[row] for row in rows], padding))
            target = self.device.tensor(padded([self.pairs.targets[row] for row in rows], padding))
            with self.device.autocast():
                loss = translation_loss(self.model, source, target, self.settings.label_smoothing)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.step += 1
            value = loss.item()
            require_finite(value, self.step)
            real = sum(len(self.pairs.targets[row]) for row in rows)
            summed += value * real
            pieces += real
            bar.set_postfix(loss=f"{summed / pieces:.3f}", refresh=False)
        return summed / pieces, pieces

    def _evaluate(self) -> TranslationScores:
        """Returns greedy BLEU (sacreBLEU, cased, 13a) and chrF on the validation pairs."""
        translations = translate(
            self.model, self.tokenizer, self.device, [pair.source for pair in self.valid_pairs]
        )
        scores = translation_scores(translations, [pair.target for pair in self.valid_pairs])
        if scores.note:
            say(scores.note)
        return scores

    def _record(self, **values: object) -> None:
        self.folder.add_metrics(**values)
        say("  ".join(f"{name} {value}" for name, value in values.items()))

    def _keep_if_best(self, scores: TranslationScores) -> None:
        """Goes by BLEU; where BLEU says nothing of the validation pairs, by chrF."""
        self.measure = "chrF" if scores.note else "BLEU"
        score = scores.chrf if scores.note else scores.bleu
        if score > self.best:
            self.best = score
            self.model.save_pretrained(self.folder.path)

    def _save(self, epoch: int) -> None:
        """Writes the state to resume from, and the weights for the average."""
        state = self.folder.state
        weights = {
            name: value.detach().cpu().clone() for name, value in self.model.named_parameters()
        }
        save_file(weights, state / f"epoch-{epoch}.safetensors")
        (state / f"epoch-{epoch - self.settings.average}.safetensors").unlink(missing_ok=True)
        save_state(
            state / "state.pt",
            {
                "epoch": epoch,
                "step": self.step,
                "best": self.best,
                "model": weights,
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
        self._load_parameters(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.best = state["step"], state["best"]
        self.folder.keep_metrics_until(state["epoch"])
        say(f"resumed after epoch {state['epoch']}")
        return state["epoch"]

    def _load_parameters(self, weights: dict[str, torch.Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(weights[name])

    def _try_average(self) -> None:
        """Averages the last epochs' weights and keeps them if they translate better."""
        last = range(1, self.settings.epochs + 1)[-self.settings.average :]
        mean: dict[str, torch.Tensor] = {}
        for epoch in last:
            weights = load_file(self.folder.state / f"epoch-{epoch}.safetensors")
            for name, value in weights.items():
                mean[name] = mean.get(name, 0.0) + value / len(last)
        self._load_parameters(mean)
        scores = self._evaluate()
        self._record(epoch=self.settings.epochs, averaged=len(last), **_figures(scores))
        self._keep_if_best(scores)


def _figures(scores: TranslationScores) -> dict[str, float]:
    return {"bleu": round(scores.bleu, 2), "chrf": round(scores.chrf, 2)}
