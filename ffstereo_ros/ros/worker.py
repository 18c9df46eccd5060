"""One thread fed by a one-place slot: the newest item wins, the executor never waits."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class NewestSlot(Generic[T]):
    """Holds at most one item, of which a newer one takes the place, and calls, of which none is lost."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: T | None = None
        self._calls: deque[Callable[[], None]] = deque()
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

    def withdraw(self) -> T | None:
        """Takes the item that waits back; None where none does."""
        with self._changed:
            item, self._item = self._item, None
            return item

    def call(self, call: Callable[[], None]) -> bool:
        """Leaves a call to be taken, before any item that waits; false once the slot is closed."""
        with self._changed:
            if self._closed:
                return False
            self._calls.append(call)
            self._changed.notify()
            return True

    def take(self) -> T | Callable[[], None] | None:
        """Waits for a call or an item; None once the slot is closed and its calls are taken."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._calls or self._item is not None)
            if self._calls:
                return self._calls.popleft()
            item, self._item = self._item, None
            return item

    def close(self) -> T | None:
        """Ends all waiting; no item is taken afterwards.

        Returns:
            The item that was still waiting.
        """
        with self._changed:
            self._closed = True
            item, self._item = self._item, None
            self._changed.notify_all()
            return item


class Worker(Generic[T]):
    """Runs ``process`` on the newest item in a thread of its own, and calls between two items.

    Args:
        process: deals with one item, failures included; it must not raise, nor may a call.
        dropped: told every item that ``process`` will not see, but for those that are withdrawn.
        name: of the thread.
        at_end: the last that the thread does.
    """

    def __init__(
        self,
        process: Callable[[T], None],
        dropped: Callable[[T], None],
        *,
        name: str = "inference",
        at_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._process = process
        self._dropped = dropped
        self._at_end = at_end
        self._slot: NewestSlot[T] = NewestSlot()
        # A daemon, so that a backend that hangs cannot keep the program from ending.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, item: T) -> None:
        """Leaves an item to be processed; what it supersedes is told to ``dropped``."""
        self._report(self._slot.put(item))

    def withdraw(self) -> T | None:
        """Takes the item that waits back; None where none does."""
        return self._slot.withdraw()

    def call(self, call: Callable[[], None]) -> bool:
        """Leaves a call to be made between two items; false once the worker was stopped."""
        return self._slot.call(call)

    def stop(self, timeout: float) -> bool:
        """Lets the item in work finish, takes no other, makes the calls that wait, and ends the thread.

        Args:
            timeout: longest wait for the item in work, s.

        Returns:
            True once the thread has ended.
        """
        self._report(self._slot.close())
        self._thread.join(timeout)
        return not self.running

    @property
    def running(self) -> bool:
        """Whether the thread has not ended."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while (taken := self._slot.take()) is not None:
            if callable(taken):
                taken()
            else:
                self._process(taken)
        self._at_end()

    def _report(self, lost: T | None) -> None:
        if lost is not None:
            self._dropped(lost)
