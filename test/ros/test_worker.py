"""The newest item wins, nothing is lost without a word, and the thread ends."""

from __future__ import annotations

import threading

from ffstereo_ros.ros.worker import NewestSlot, Worker


def test_a_newer_item_takes_the_place() -> None:
    slot: NewestSlot[int] = NewestSlot()
    assert slot.put(1) is None
    assert slot.put(2) == 1
    assert slot.take() == 2


def test_a_closed_slot_gives_nothing_and_returns_what_is_put() -> None:
    slot: NewestSlot[int] = NewestSlot()
    slot.put(1)
    assert slot.close() == 1
    assert (slot.take(), slot.put(2)) == (None, 2)


def test_what_waits_can_be_taken_back() -> None:
    slot: NewestSlot[int] = NewestSlot()
    assert slot.withdraw() is None
    slot.put(1)
    assert slot.withdraw() == 1
    slot.put(2)
    assert slot.take() == 2


def test_calls_come_before_the_item_and_none_is_superseded() -> None:
    slot: NewestSlot[int] = NewestSlot()
    first, second = (lambda: None), (lambda: None)
    slot.put(1)
    assert slot.call(first)
    assert slot.call(second)
    assert [slot.take() for _ in range(3)] == [first, second, 1]


def test_every_item_is_processed_or_dropped() -> None:
    processed: list[int] = []
    dropped: list[int] = []
    working, go_on = threading.Event(), threading.Event()

    def process(item: int) -> None:
        working.set()
        assert go_on.wait(5)
        processed.append(item)

    worker: Worker[int] = Worker(process, dropped.append)
    worker.submit(0)
    assert working.wait(5)
    for item in range(1, 6):  # while 0 is in work
        worker.submit(item)
    assert dropped == [1, 2, 3, 4]
    assert not worker.stop(0.01)  # 0 is still in work; 5 is given up
    go_on.set()
    assert worker.stop(5)
    worker.submit(6)
    assert (processed, dropped) == ([0], [1, 2, 3, 4, 5, 6])


def test_an_item_that_is_taken_back_is_not_told_as_dropped() -> None:
    dropped: list[int] = []
    working, go_on = threading.Event(), threading.Event()

    def process(_: int) -> None:
        working.set()
        assert go_on.wait(5)

    worker: Worker[int] = Worker(process, dropped.append)
    worker.submit(0)
    assert working.wait(5)
    worker.submit(1)
    assert [worker.withdraw(), worker.withdraw()] == [1, None]
    go_on.set()
    assert worker.stop(5)
    assert dropped == []


def test_calls_are_made_between_items_in_order_and_before_the_end() -> None:
    seen: list[object] = []
    working, go_on = threading.Event(), threading.Event()

    def process(item: int) -> None:
        working.set()
        assert go_on.wait(5)
        seen.append(item)

    worker: Worker[int] = Worker(process, lambda _: None, name="w", at_end=lambda: seen.append("end"))
    worker.submit(0)
    assert working.wait(5)
    worker.submit(1)
    assert worker.call(lambda: seen.append("first"))
    assert worker.call(lambda: seen.append("second"))
    assert not worker.stop(0.01)  # 0 is still in work; 1 is given up, the calls are not
    go_on.set()
    assert worker.stop(5)
    assert seen == [0, "first", "second", "end"]
    assert not worker.call(lambda: seen.append("too late"))
