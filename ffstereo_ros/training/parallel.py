"""Data-parallel training on one machine: every process trains on its own batches, gradients are averaged each step.

On a CPU this beats one process with more threads, most of all when others use the cores too: threads wait for each
other hundreds of times a step, and oneDNN's weight gradients do so spinning, where processes wait once.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

from ffstereo_ros.errors import FFStereoError

_RENDEZVOUS = ".rendezvous"
_PATIENCE = timedelta(hours=2)  # one process may be evaluating, or all of them may be paused
_ENDING = 60.0  # s a helper has to put its things away after the last step
_ENDING_INTERRUPTED = 10.0  # s the same after Ctrl-C, where a second one leaves it in the middle of a step


class GradientExchange:
    """One process's end of the exchange; with ``count`` 1 there is nobody to exchange with."""

    def __init__(self, output: Path, rank: int, count: int) -> None:
        self.rank, self.count = rank, count
        if count > 1:
            torch.set_num_threads(1)
            rendezvous = (output / _RENDEZVOUS).resolve()
            dist.init_process_group(
                "gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=count, timeout=_PATIENCE
            )

    def average(self, model: nn.Module, passed: float) -> float:
        """Replaces all gradients by their mean over the processes; returns the first process's ``passed``.

        Sharing that number keeps the learning rates equal and lets all processes stop after the same step.

        Raises:
            FFStereoError: another process has ended.
        """
        if self.count == 1:
            return passed
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        own = passed if self.rank == 0 else 0.0
        flat = torch.cat([*(gradient.flatten() for gradient in gradients), torch.tensor([own * self.count])])
        try:
            dist.all_reduce(flat)
        except RuntimeError as error:
            raise FFStereoError("another process of the run has ended; go on with --resume") from error
        flat /= self.count
        place = 0
        for gradient in gradients:
            gradient.copy_(flat[place : place + gradient.numel()].view_as(gradient))
            place += gradient.numel()
        return float(flat[-1])

    def close(self) -> None:
        """Leaves the group."""
        if self.count > 1:
            dist.destroy_process_group()


@contextmanager
def helpers(run: Callable[[int], None], output: Path, count: int) -> Iterator[None]:
    """Runs ``run(rank)`` for ranks 1 .. count - 1 in processes of their own, ended with the block."""
    (output / _RENDEZVOUS).unlink(missing_ok=True)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=run, args=(rank,)) for rank in range(1, count)]
    for process in processes:
        process.start()
    try:
        yield
        _join(processes, _ENDING)
    except KeyboardInterrupt:
        _join(processes, _ENDING_INTERRUPTED)
        raise
    finally:
        for process in processes:
            process.terminate()
        (output / _RENDEZVOUS).unlink(missing_ok=True)


def _join(processes: Sequence[BaseProcess], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for process in processes:
        process.join(timeout=max(0.0, deadline - time.monotonic()))
