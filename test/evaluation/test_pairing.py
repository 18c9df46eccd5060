"""Left and right by their stamps: the nearest, and only if each is the other's."""

from __future__ import annotations

import pytest

from ffstereo_ros.evaluation.pairing import LEFT, RIGHT, Pairing

PERIOD = 33


def pairs_of(messages, tolerance):
    """Pairs of names, in the order they were given out, and how many were given up; each message is (side, stamp)."""
    pairing = Pairing(tolerance)
    given = [pair for side, stamp in messages for pair in pairing.add(side, stamp, f"{'LR'[side]}{stamp}")]
    given += pairing.finish()
    assert pairing.waiting == ({}, {})
    return [(left, right) for _, left, right in given], pairing.unpaired


def test_pairs_come_in_the_order_of_their_stamps():
    """Right first, and every fourth of it late by less than the tolerance: that pair is certain with the next one."""
    messages = [
        message
        for number in range(12)
        for message in ((RIGHT, number * PERIOD + 3 * (number % 4 == 1)), (LEFT, number * PERIOD))
    ]
    pairs, unpaired = pairs_of(messages, 5)
    assert [left for left, _ in pairs] == [f"L{number * PERIOD}" for number in range(12)]
    assert unpaired == [0, 0]


def stream(count, *, offset=0, lost=(), right_first=False):
    """Messages as they come: ``lost`` are sides and numbers that do not, ``offset`` is what right stamps are later."""
    messages = []
    for number in range(count):
        both = [(LEFT, number * PERIOD), (RIGHT, number * PERIOD + offset)]
        messages += reversed(both) if right_first else both
    gone = [(side, number * PERIOD + offset * side) for side, number in lost]
    return [message for message in messages if message not in gone]


@pytest.mark.parametrize("right_first", [False, True])
@pytest.mark.parametrize("tolerance", [0, 5, 100])
def test_one_stamp_is_a_pair_whatever_is_lost(tolerance, right_first):
    messages = stream(9, lost=[(RIGHT, 3), (LEFT, 6)], right_first=right_first)
    pairs, unpaired = pairs_of(messages, tolerance)
    assert pairs == [(f"L{n * PERIOD}", f"R{n * PERIOD}") for n in (0, 1, 2, 4, 5, 7, 8)]
    assert unpaired == [1, 1]


@pytest.mark.parametrize("right_first", [False, True])
@pytest.mark.parametrize("offset", [1, -1, 12, -12])
@pytest.mark.parametrize("tolerance", [13, 60])
def test_two_stamps_meet_their_nearest_not_their_last(tolerance, offset, right_first):
    """A lost image costs one pair, where a tolerance beyond half a period once cost all that followed."""
    messages = stream(9, offset=offset, lost=[(RIGHT, 3)], right_first=right_first)
    pairs, unpaired = pairs_of(messages, tolerance)
    assert pairs == [(f"L{n * PERIOD}", f"R{n * PERIOD + offset}") for n in range(9) if n != 3]
    assert unpaired == [1, 0]


def test_beyond_the_tolerance_there_is_no_pair():
    assert pairs_of(stream(5, offset=3), 2) == ([], [5, 5])
    assert len(pairs_of(stream(5, offset=3), 3)[0]) == 5


def test_a_pair_of_two_stamps_is_given_out_one_period_later():
    pairing = Pairing(10)
    assert pairing.add(LEFT, 0, "a") == []
    assert pairing.add(RIGHT, 2, "b") == []  # a left one at 1 might still come
    assert pairing.add(LEFT, PERIOD, "c") == [(0, "a", "b")]


def test_a_silent_side_costs_no_memory():
    pairing = Pairing(10)
    for number in range(1000):
        pairing.add(LEFT, number * PERIOD, "x")
    assert len(pairing.waiting[LEFT]) == 200
    assert pairing.finish() == []
    assert pairing.unpaired == [1000, 0]


def test_of_two_messages_with_one_stamp_the_later_counts():
    assert pairs_of([(LEFT, 0), (LEFT, 0), (RIGHT, 0)], 0) == ([("L0", "R0")], [1, 0])


def test_a_clock_that_goes_back_loses_no_pair():
    messages = stream(4, offset=1) + [(side, stamp - 500) for side, stamp in stream(4, offset=1)]
    assert len(pairs_of(messages, 10)[0]) == 8


def test_cameras_that_run_freely_meet_within_the_tolerance():
    messages = [(LEFT, 0), (RIGHT, 20), (LEFT, 33), (RIGHT, 40), (LEFT, 66), (RIGHT, 80)]
    assert pairs_of(messages, 30)[0] == [("L0", "R20"), ("L33", "R40"), ("L66", "R80")]
