"""One inference thread fed by a one-place slot: the newest frame wins, the executor never waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class NewestSlot(Generic[T]):
    """Holds at most one item; a newer one takes its place."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: T | None = None
        self._closed = False

    def put(self, item: T) -> T | None:
        """Leaves ``item`` to be taken; never waits.

        Returns:
            The item that is lost by this: the one that was waiting, or ``item`` itself once the slot is closed.
        """
        with self._changed:
            if self._closed:
                return item
            superseded, self._item = self._item, item
            self._changed.notify()
            return superseded

    def take(self) -> T | None:
        """Waits for an item; None once the slot is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._item is not None)
            item, self._item = self._item, None
            return item

    def close(self) -> T | None:
        """Ends all waiting; nothing is taken afterwards.

        Returns:
            The item that was still waiting.
        """
        with self._changed:
            self._closed = True
            item, self._item = self._item, None
            self._changed.notify_all()
            return item


class InferenceWorker(Generic[T]):
    """Runs ``process`` on the newest item in a thread of its own.

    Args:
        process: deals with one item, failures included; it must not raise.
        dropped: told every item that ``process`` will not see.
    """

    def __init__(self, process: Callable[[T], None], dropped: Callable[[T], None]) -> None:
        self._process = process
        self._dropped = dropped
        self._slot: NewestSlot[T] = NewestSlot()
        # A daemon, so that a backend that hangs cannot keep the program from ending.
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    def submit(self, item: T) -> None:
        """Leaves an item to be processed; what it supersedes is told to ``dropped``."""
        self._report(self._slot.put(item))

    def stop(self, timeout: float) -> bool:
        """Lets the item in work finish, takes no other, and ends the thread.

        Args:
            timeout: longest wait for the item in work, s.

        Returns:
            True once the thread has ended.
        """
        self._report(self._slot.close())
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (item := self._slot.take()) is not None:
            self._process(item)

    def _report(self, lost: T | None) -> None:
        if lost is not None:
            self._dropped(lost)
