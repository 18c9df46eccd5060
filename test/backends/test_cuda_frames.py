"""How graphs are recorded, kept and dropped, on stand-ins for them: what no GPU is needed for."""

import threading
import weakref
from contextlib import contextmanager

import pytest
import torch

from ffstereo_ros.backends.cuda_frames import KEPT_SIZES, FrameCache, record_graph
from ffstereo_ros.errors import OutOfMemoryError


class Kept:
    """What a cache keeps, in place of a CUDA graph: it notes when it goes."""

    def __init__(self, dropped: list[str], name: str) -> None:
        weakref.finalize(self, dropped.append, name)


def test_before_one_size_too_many_is_recorded_all_others_go():
    """One alone would take the others' cuBLAS workspace along."""
    events: list[str] = []

    def make(shape, with_start):
        events.append(f"recorded {shape[0]}")
        return Kept(events, "dropped")

    cache = FrameCache(make, lambda: events.append("released"))
    for height in (1, 2, 3, 4, 2, 1, 5, 1, 5):
        cache.get((height, 32), False)
    recorded = [f"recorded {height}" for height in (1, 2, 3, 4)]
    assert events == [*recorded, *["dropped"] * KEPT_SIZES, "released", "recorded 5", "recorded 1"]


@pytest.mark.parametrize("kept", [0, 1])
@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_after_a_recording_that_failed_nothing_is_kept(kept, failure):
    events: list[str] = []

    def make(shape, with_start):
        if shape[0] == 99:
            raise failure("the capture failed")
        return Kept(events, "dropped")

    cache = FrameCache(make, lambda: events.append("released"))
    for height in range(kept):
        cache.get((height, 32), False)
    with pytest.raises(failure, match="the capture failed"):
        cache.get((99, 32), False)
    assert events == [*["dropped"] * kept, "released"]


@pytest.mark.parametrize("full", [torch.cuda.OutOfMemoryError, OutOfMemoryError])
def test_a_size_that_does_not_fit_beside_the_others_is_tried_alone(full):
    """PyTorch's own allocations say it with one error, those of our kernels with the other."""
    room, freed = [2], []

    def make(shape, with_start):
        if room[0] == 0:
            raise full("full")
        room[0] -= 1
        return object()

    def release():
        freed.append(True)
        room[0] = 2

    cache = FrameCache(make, release)
    for width in (32, 64, 96):
        cache.get((32, width), False)
    assert freed == [True]
    cache = FrameCache(make, lambda: freed.append(False))
    room[0] = 0
    with pytest.raises(full):
        cache.get((32, 32), False)
    assert freed == [True, False]  # also alone: the pool of a recording that failed is not used again


class PretendGraph:
    """A CUDA graph that holds nothing."""

    def __init__(self, events):
        self._events = events

    def reset(self):
        self._events.append("reset")

    def replay(self):
        self._events.append("replayed")


class PretendStream:
    def synchronize(self):
        pass


@pytest.fixture
def events(monkeypatch):
    """What happens to the graphs that are recorded in place of CUDA's."""
    seen: list[str] = []

    @contextmanager
    def capture(graph, pool, stream, mode):
        seen.append("began")
        yield
        seen.append("ended")

    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: PretendGraph(seen))
    monkeypatch.setattr(torch.cuda, "graph", capture)
    return seen


def cudnn():
    return torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32


def test_recording_tries_algorithms_and_keeps_float32(events):
    before, during = cudnn(), []
    replay = record_graph(lambda: during.append(cudnn()), PretendStream(), None)
    assert (during, cudnn()) == ([(True, False)] * 3, before)
    assert not torch.backends.cuda.matmul.allow_tf32
    replay()
    assert events == ["began", "ended", "replayed"]


def test_a_graph_that_was_not_recorded_goes_at_once(events):
    def enqueue():
        if events:
            raise RuntimeError("an operation that cannot be captured")

    with pytest.raises(RuntimeError, match="cannot be captured") as failure:
        record_graph(enqueue, PretendStream(), None)
    assert (events, failure.value.__traceback__ is None) == (["began", "reset"], False)


def test_one_thread_records_at_a_time_and_none_drops_graphs_meanwhile(events):
    inside, finish = threading.Event(), threading.Event()

    def slow():
        inside.set()
        assert finish.wait(10)

    cache = FrameCache(lambda *key: Kept(events, "dropped"), lambda: events.append("released"))
    cache.get((32, 32), False)
    work = (
        lambda: record_graph(slow, PretendStream(), None),
        lambda: record_graph(lambda: events.append("second"), PretendStream(), None),
        cache.clear,
    )
    threads = [threading.Thread(target=each) for each in work]
    threads[0].start()
    assert inside.wait(10)
    for thread in threads[1:]:
        thread.start()
        thread.join(0.1)
    assert events == []
    finish.set()
    for thread in threads:
        thread.join(10)
    assert events[:2] == ["began", "ended"]
    assert sorted(events[2:]) == sorted(["second"] * 3 + ["began", "ended", "dropped", "released"])
