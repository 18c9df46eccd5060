"""Frames through a network on a CUDA GPU: one CUDA graph per input size, static buffers, one copy up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ffstereo_ros.backends.device_result import Stage
from ffstereo_ros.backends.pytorch import Forward
from ffstereo_ros.errors import OutOfMemoryError

Uint8Image = NDArray[np.uint8]
Float32Array = NDArray[np.float32]

# Runs the function given, and returns what repeats all that it enqueued at the price of one launch.
Record = Callable[[Callable[[], None]], Callable[[], None]]

# Sizes whose graphs are kept. A camera has one; a new scale or region of interest adds another.
KEPT_SIZES = 4

# Held while a graph is recorded or dropped: CUDA refuses to wait for the whole device while any thread records, as each
# recording does first, and cuDNN's settings are the process's.
_RECORDING = Lock()


class StaticFrame:
    """One input size: buffers that stay where they are, and the network between them as one launch.

    The copies are page-locked and asynchronous; they stay out of the graph, whose memory then belongs to the GPU alone.
    """

    def __init__(
        self, forward: Forward, shape: tuple[int, int], with_start: bool, device: torch.device, record: Record
    ) -> None:
        locked = device.type == "cuda"
        self._pair = torch.zeros((2, *shape, 3), dtype=torch.uint8, pin_memory=locked)
        self._start = torch.zeros((1, 1, *shape), pin_memory=locked) if with_start else None
        self._pair_there = torch.zeros_like(self._pair, device=device)
        self._start_there = None if self._start is None else torch.zeros_like(self._start, device=device)
        self._maps_there = torch.empty(0)

        def enqueue() -> None:
            self._maps_there = forward(self._pair_there, self._start_there)

        self._launch = record(enqueue)

    def enqueue(self, left: Uint8Image, right: Uint8Image, start: Float32Array | None) -> Tensor:
        """Enqueues one frame; its maps [N, H, W] are a copy on the device, as the next frame overwrites the graph's."""
        for place, image in zip(self._pair, (left, right)):
            place.copy_(torch.from_numpy(np.ascontiguousarray(image)))
        self._pair_there.copy_(self._pair, non_blocking=True)
        if self._start is not None and self._start_there is not None and start is not None:
            self._start[0, 0].copy_(torch.from_numpy(np.ascontiguousarray(start)))
            self._start_there.copy_(self._start, non_blocking=True)
        self._launch()
        return self._maps_there.clone()


class FrameCache:
    """Static frames by input size, at most `KEPT_SIZES`; they are dropped all at once, never one alone.

    All were recorded on one stream and share its cuBLAS workspace, which newer versions of PyTorch free as soon as one
    graph of the stream goes (pytorch issue 193402): the others would go on writing to it. So all are dropped before one
    too many is recorded, and when a recording fails; where it failed for want of memory, it is tried once more, alone.
    """

    def __init__(self, make: Callable[[tuple[int, int], bool], StaticFrame], release: Callable[[], None]) -> None:
        self._make, self._release = make, release
        self._frames: dict[tuple[tuple[int, int], bool], StaticFrame] = {}

    def get(self, shape: tuple[int, int], with_start: bool) -> StaticFrame:
        """The frame of this size, px, recorded at the first call.

        Raises:
            torch.cuda.OutOfMemoryError, OutOfMemoryError: it does not fit, alone in memory.
        """
        key = (shape, with_start)
        if key not in self._frames:
            if len(self._frames) >= KEPT_SIZES:
                self.clear()
            self._frames[key] = self._new(*key)
        return self._frames[key]

    def clear(self) -> None:
        """Drops all frames and gives their memory back."""
        with _RECORDING:
            self._frames.clear()
            self._release()

    def _new(self, shape: tuple[int, int], with_start: bool) -> StaticFrame:
        alone = not self._frames
        try:
            return self._make_or_clear(shape, with_start)
        except (torch.cuda.OutOfMemoryError, OutOfMemoryError):
            if alone:
                raise
        return self._make_or_clear(shape, with_start)

    def _make_or_clear(self, shape: tuple[int, int], with_start: bool) -> StaticFrame:
        try:
            return self._make(shape, with_start)
        except BaseException:
            self.clear()  # also with nothing kept: PyTorch refuses a pool whose only graph has failed
            raise


class CudaFrames:
    """Runs a network on a CUDA device, on a stream of its own.

    Attributes:
        stage: makes what is done with a frame's maps follow the frame on that stream, and waits for it; it holds
            neither the network nor its graphs.
    """

    def __init__(self, forward: Forward, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)
        self.stage: Stage = partial(on_stream, self._stream)
        self._stream.wait_stream(torch.cuda.current_stream(device))  # the weights are being made ready there
        self._pool = torch.cuda.graph_pool_handle()

        def make(shape: tuple[int, int], with_start: bool) -> StaticFrame:
            return StaticFrame(forward, shape, with_start, device, self._record)

        self._cache = FrameCache(make, self._release)

    def run(self, left: Uint8Image, right: Uint8Image, start: Float32Array | None = None) -> Tensor:
        """uint8 ``[H, W, 3]`` images and a start ``[H, W]`` px -> the network's maps ``[N, H, W]``, new on the device.

        Raises:
            torch.cuda.OutOfMemoryError, OutOfMemoryError: this size does not fit.
            BackendError: the driver, NVRTC or the GPU cannot run our kernels.
        """
        with self.stage():
            return self._cache.get((left.shape[0], left.shape[1]), start is not None).enqueue(left, right, start)

    def close(self) -> None:
        """Frees the graphs, and the network they came from."""
        self._cache.clear()
        del self._cache  # it makes frames by way of this object and would hold itself until the next collection

    def _record(self, enqueue: Callable[[], None]) -> Callable[[], None]:
        # One pool for all sizes: their graphs never run at once, and each answer is copied before the next.
        return record_graph(enqueue, self._stream, self._pool)

    def _release(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()
        torch.cuda.empty_cache()


@contextmanager
def on_stream(stream: torch.cuda.Stream) -> Iterator[None]:
    """What is enqueued inside runs on ``stream``, and has run at the end; for inference alone."""
    with torch.cuda.stream(stream), torch.inference_mode():
        yield
        stream.synchronize()


def cudnn_settings() -> AbstractContextManager[None]:
    """cuDNN takes the fastest of its algorithms, found by trying them, and none that computes float32 as TF32.

    Matrix products keep to float32 by PyTorch's default, which is not touched here.
    """
    settings: AbstractContextManager[None] = torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False)
    return settings


def record_graph(enqueue: Callable[[], object], stream: torch.cuda.Stream, pool: Any) -> Callable[[], None]:
    """A CUDA graph of what is enqueued on ``stream``, the current one, with memory of a pool.

    It runs twice uncaptured first, when kernels are compiled and cuDNN chooses among its algorithms. Of several threads
    one records at a time.
    """
    with _RECORDING, cudnn_settings():
        for _ in range(2):
            enqueue()
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool, stream, "thread_local"):
                enqueue()
        except BaseException:
            graph.reset()  # now: with the error's traceback it would go when other graphs use the stream's workspace
            raise
    replay: Callable[[], None] = graph.replay
    return replay
