"""Stand-in for message_filters: filters by callback, and the exact and the approximate time synchroniser."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

Queue = dict[int, Any]


class SimpleFilter:
    """Something that messages come out of."""

    def __init__(self) -> None:
        self.callbacks: dict[int, tuple[Callable[..., None], tuple[Any, ...]]] = {}

    def registerCallback(self, cb: Callable[..., None], *args: Any) -> int:  # noqa: N802
        """Calls ``cb(*messages, *args)`` for every output, in the order of registration."""
        connection = len(self.callbacks)
        self.callbacks[connection] = (cb, args)
        return connection

    def signalMessage(self, *msg: Any) -> None:  # noqa: N802
        """Hands an output to all callbacks."""
        for callback, args in self.callbacks.values():
            callback(*msg, *args)


class TimeSynchronizer(SimpleFilter):
    """Hands out one message of every input when all have the same stamp; keeps ``queue_size`` messages of each."""

    def __init__(self, fs: Sequence[SimpleFilter], queue_size: int) -> None:
        super().__init__()
        self.queue_size = queue_size
        self.lock = threading.Lock()
        self.queues: list[Queue] = [{} for _ in fs]
        for index, (source, queue) in enumerate(zip(fs, self.queues)):
            source.registerCallback(self.add, queue, index)

    def add(self, msg: Any, my_queue: Queue, my_queue_index: int | None = None) -> None:
        """Takes one message of the input that ``my_queue`` belongs to."""
        stamp = _nanoseconds(msg)
        with self.lock:
            my_queue[stamp] = msg
            while len(my_queue) > self.queue_size:
                del my_queue[min(my_queue)]
            chosen = self._choose(stamp)
            if chosen is not None:
                self.signalMessage(*(queue.pop(key) for queue, key in zip(self.queues, chosen)))

    def _choose(self, stamp: int) -> list[int] | None:
        return [stamp] * len(self.queues) if all(stamp in queue for queue in self.queues) else None


class ApproximateTimeSynchronizer(TimeSynchronizer):
    """Hands out one message of every input when their stamps lie less than ``slop`` seconds apart."""

    def __init__(self, fs: Sequence[SimpleFilter], queue_size: int, slop: float) -> None:
        super().__init__(fs, queue_size)
        self._slop = round(slop * 1e9)

    def _choose(self, stamp: int) -> list[int] | None:
        best: list[int] | None = None
        best_distance = 0
        for earliest in sorted({key for queue in self.queues for key in queue if stamp - self._slop < key <= stamp}):
            window = range(earliest, earliest + self._slop)
            inside = [[key for key in queue if key in window] for queue in self.queues]
            if not all(inside):
                continue
            nearest = [min(keys, key=lambda key: abs(key - stamp)) for keys in inside]
            distance = sum(abs(key - stamp) for key in nearest)
            if best is None or distance < best_distance:
                best, best_distance = nearest, distance
        return best


def _nanoseconds(msg: Any) -> int:
    return int(msg.header.stamp.sec) * 1_000_000_000 + int(msg.header.stamp.nanosec)
