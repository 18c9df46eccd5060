"""The training loop: batch, losses, step, average; now and then a checkpoint and an evaluation."""

from __future__ import annotations

import copy
import dataclasses
import functools
import logging
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from ffstereo_ros.backends.freed_memory import keep_freed_memory
from ffstereo_ros.errors import FFStereoError, ParameterError
from ffstereo_ros.network.inference.layout import arrange_for_speed
from ffstereo_ros.network.model import FastFoundationStereo
from ffstereo_ros.training.average import WeightAverage
from ffstereo_ros.training.crop_sequence import CropSequence
from ffstereo_ros.training.disturbed import disturbed_start
from ffstereo_ros.training.folder import check_pairs, folder_loader
from ffstereo_ros.training.generated import Batch, SceneSequence, generated_batches
from ffstereo_ros.training.gradients import GradientWatch
from ffstereo_ros.training.interruption import OneInterruption, ignore_interrupts
from ffstereo_ros.training.log import append_evaluation, append_losses, draw_curves
from ffstereo_ros.training.losses import Losses, stereo_losses
from ffstereo_ros.training.parallel import GradientExchange, helpers
from ffstereo_ros.training.record import RunRecord, go_on, new_record
from ffstereo_ros.training.settings import TrainSettings, learning_rate_factor, share
from ffstereo_ros.training.start import freeze_norms, starting_model
from ffstereo_ros.training.state import (
    WEIGHTS_FILE,
    Progress,
    check_unused,
    load_state,
    read_record,
    save_average,
    save_state,
)
from ffstereo_ros.training.turns import refinements, starts_near_truth
from ffstereo_ros.training.validation import (
    autocast,
    check_examples,
    folder_examples,
    held_out_examples,
    validate,
)
from ffstereo_ros.training.workers import told_in_one_line

_HELD_OUT = 32
_LOG_EVERY = 20
_HEAD_RATE = 0.1  # of the learning rate, for the disparity head
_PATIENCE = 20  # steps in a row without a usable gradient
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainResult:
    """What a run gave: progress, the logged total losses in order, and the last evaluation's figures by group."""

    progress: Progress
    losses: list[float]
    figures: dict[str, dict[str, float]]


def train(settings: TrainSettings) -> TrainResult:
    """Runs a training to its end; files appear in ``settings.output``.

    Raises:
        FFStereoError: a file given cannot be used, the output holds another run, or the loss stopped being a number.
    """
    record = read_record(settings.output) if settings.resume else None
    if record is not None:
        record, changes = go_on(record, settings)
        if changes:
            _LOG.warning("%s goes on with %s", settings.output, changes)
    if not settings.resume:
        check_unused(settings.output)
    if settings.data is not None:
        check_pairs(settings.data)
    if settings.evaluate_on is not None:
        check_examples(settings.evaluate_on)
    settings.output.mkdir(parents=True, exist_ok=True)
    with helpers(functools.partial(_help, settings, record), settings.output, settings.processes):
        return _Run(settings, record).run()


def _help(settings: TrainSettings, record: RunRecord | None, rank: int) -> None:
    ignore_interrupts()
    try:
        _Run(settings, record, rank).run()
    except FFStereoError as error:
        raise SystemExit(f"process {rank} of the run: {error}") from error


class _Run:
    """One sitting of a run, as seen by the process ``rank``; process 0 keeps the books.

    ``record``: what the run that is gone on with remembers; None for a new one, or where its state has none.
    """

    def __init__(self, settings: TrainSettings, record: RunRecord | None, rank: int = 0) -> None:
        self.settings = settings
        self.exchange = GradientExchange(settings.output, rank, settings.processes)
        self.device = _device(settings)
        if self.device.type == "cpu":
            keep_freed_memory()
            torch.set_flush_denormal(True)
        else:
            torch.backends.cudnn.benchmark = True  # a handful of sizes take turns for hours
        if record is None:
            model = starting_model(settings.preset, settings.seed, settings.init)
        else:
            model = FastFoundationStereo(record.network)
        self.record = record or new_record(settings, model.config)
        self.model = model.to(self.device).train()
        if settings.frozen_norms:
            freeze_norms(self.model)
        arrange_for_speed(self.model)
        self.optimizer = torch.optim.AdamW(
            _parameter_groups(self.model, settings.weight_decay), lr=settings.learning_rate, betas=(0.9, 0.99)
        )
        self.average = WeightAverage(self.model, settings.average_decay)
        self.progress = Progress()
        if settings.resume:
            self.progress = load_state(settings.output, self.model, self.optimizer, self.average)
        self.losses: list[float] = []
        self.gradients = GradientWatch(_PATIENCE)
        self.figures: dict[str, dict[str, float]] = {}
        self._minutes_before = self.progress.minutes
        self._started = self._saved = self._evaluated = time.monotonic()
        self._interruption = OneInterruption()

    def run(self) -> TrainResult:
        """To the end of the run, or after Ctrl-C to the end of the step.

        Raises:
            KeyboardInterrupt: Ctrl-C; the state is written.
        """
        with self._interruption:
            self._all_steps()
        self.exchange.close()
        if self.exchange.rank == 0:
            self._save()
            if self._interruption.asked:
                _LOG.warning("%s holds what there is: go on with --resume", self.settings.output)
                raise KeyboardInterrupt
            self._evaluate()
        return TrainResult(self.progress, self.losses, self.figures)

    def _all_steps(self) -> None:
        batches = self._batches()
        first = self.exchange.rank == 0
        passed = self.settings.passed(self.progress.step, self.progress.minutes)  # the same in each process
        if passed >= 1 and first:
            self._tell_end()
        steps = {"total": self.settings.step_limit, "initial": self.progress.step, "disable": not first}
        with tqdm(unit="step", file=sys.stderr, **steps) as bar:
            while passed < 1:
                losses, rate, passed = self._step(next(batches), passed)
                if first:
                    if self.progress.step % _LOG_EVERY == 0 or self.progress.step == 1:
                        self._log(losses, rate, bar)
                    bar.update()
                    self._save_now_and_then()

    def _passed(self) -> float:
        """The part of the run that lies behind after this step; all of it once it is interrupted."""
        self.progress.minutes = self._minutes_before + (time.monotonic() - self._started) / 60
        return 1.0 if self._interruption.asked else self.settings.passed(self.progress.step + 1, self.progress.minutes)

    def _tell_end(self) -> None:
        _LOG.warning(
            "%s has come to %d step(s) in %.1f minutes, where this run ends: give more --steps or --minutes to go on",
            *(self.settings.output, self.progress.step, self.progress.minutes),
        )

    def _step(self, batch: Batch, passed: float) -> tuple[Losses, float, float]:
        """One optimiser step; returns its losses, its learning rate, and the part of the run passed after it."""
        settings = self.settings
        rate = settings.learning_rate * learning_rate_factor(passed, settings.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate_factor"]
        iterations = refinements(self.progress.step, settings.iterations)
        left, right = (image.to(self.device).float() for image in (batch.left, batch.right))
        truth = batch.truth.to(self.device)
        start = disturbed_start(truth, self.progress.step) if starts_near_truth(self.progress.step) else None
        with autocast(self.device):
            output = self.model(left, right, iterations, batch.max_disparity, start)
        losses = stereo_losses(output, truth, robust=settings.robust_loss)
        self.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()
        passed = self.exchange.average(self.model, self._passed())
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip_norm)
        if self.gradients.usable(float(norm)):
            self.optimizer.step()
        self.progress.step += 1
        self.progress.samples += left.shape[0] * self.exchange.count
        self.average.update(self.model, self.progress.step)
        return losses, rate, passed

    def _log(self, losses: Losses, rate: float, bar: tqdm[None]) -> None:
        values = {name: float(value.detach()) for name, value in vars(losses).items()}
        if not math.isfinite(values["total"]):
            raise FFStereoError(
                f"the loss is {values['total']} at step {self.progress.step}: lower --learning-rate "
                f"(now {self.settings.learning_rate:g}) and --resume from the last checkpoint"
            )
        self.losses.append(values["total"])
        gradients = {"gradient_norm": self.gradients.norm, "skipped": self.gradients.skipped}
        append_losses(self.settings.output, {**vars(self.progress), "learning_rate": rate, **values, **gradients})
        told = {"skipped": str(self.gradients.skipped)} if self.gradients.skipped else {}
        bar.set_postfix(loss=f"{values['total']:.2f}", epe=f"{values['epe']:.2f}", refresh=False, **told)

    def _save_now_and_then(self) -> None:
        now = time.monotonic()
        if now - self._saved > 60 * self.settings.save_minutes:
            self._try_to_save()
            self._saved = now
        if now - self._evaluated > 60 * self.settings.evaluate_minutes:
            self._evaluate()
            self._evaluated = time.monotonic()

    def _try_to_save(self) -> None:
        try:
            self._save()
        except FFStereoError as error:  # a full disk, say: no reason to end a run that may yet find room
            _LOG.warning("%s; tried again in %g minutes", error, self.settings.save_minutes)

    def _save(self) -> None:
        progress = self.progress
        source = f"{progress.samples} pairs, seed {self.settings.seed}, {progress.minutes:.0f} minutes"
        metadata = dataclasses.replace(self.record.identity, source=source)
        save_state(self.settings.output, self.model, self.optimizer, self.average, progress, self.record)
        save_average(self.settings.output / WEIGHTS_FILE, self.model.config, self.average, metadata)

    def _evaluate(self) -> None:
        """Figures of the averaged weights, written down and drawn."""
        settings = self.settings
        averaged = copy.deepcopy(self.model)
        averaged.load_state_dict(self.average.tensors)
        figures = validate(averaged, held_out_examples(_HELD_OUT), settings.iterations, settings.max_disparity)
        del figures["all"]
        if settings.evaluate_on is not None:
            real = folder_examples(settings.evaluate_on)
            figures |= validate(averaged, real, settings.iterations, settings.max_disparity)
        self.figures = figures
        append_evaluation(settings.output, self.progress.samples, figures)
        draw_curves(settings.output)

    def _batches(self) -> Iterator[Batch]:
        settings = self.settings
        stream, first = settings.seed * settings.processes + self.exchange.rank, self.progress.step
        crops = CropSequence(settings.seed, share(settings.crops, settings.processes))
        if settings.data is not None:
            return told_in_one_line(folder_loader(settings.data, stream, crops, first, settings.workers))
        scenes = SceneSequence(stream, crops, settings.enlarged)
        return told_in_one_line(generated_batches(scenes, first, settings.workers, self.device))


def _parameter_groups(model: FastFoundationStereo, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels only: norms, biases and layer scales keep their size.

    The disparity head learns at a tenth of the rate. It answers in tenths of a quarter px, which one full step of all
    its weights can overshoot; what then learns to be silent is the layer before.
    """
    head: list[Tensor] = list(model.update_block.disp_head.parameters())
    slow = set(map(id, head))
    rest: list[Tensor] = [p for p in model.parameters() if id(p) not in slow]
    kernels, others = [p for p in rest if p.ndim > 1], [p for p in rest if p.ndim <= 1]
    return [
        {"params": kernels, "weight_decay": weight_decay, "rate_factor": 1.0},
        {"params": others, "weight_decay": 0.0, "rate_factor": 1.0},
        {"params": head, "weight_decay": 0.0, "rate_factor": _HEAD_RATE},
    ]


def _device(settings: TrainSettings) -> torch.device:
    name = settings.device
    if name == "auto":  # several processes exchange gradients as CPU tensors
        return torch.device("cuda" if torch.cuda.is_available() and settings.processes == 1 else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ParameterError(f"device is '{name}' but PyTorch sees no CUDA device here: use cpu, or auto")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= (count := torch.cuda.device_count()):
        raise ParameterError(f"device is '{name}': PyTorch sees {count} CUDA device(s) here, counted from 0")
    return device
