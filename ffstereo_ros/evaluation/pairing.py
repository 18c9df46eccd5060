"""Left and right messages brought together by their stamps."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import Generic, TypeVar

T = TypeVar("T")

# Messages waiting for their partner, per side; beyond that the oldest is given up and counted.
_WAITING = 200
LEFT, RIGHT = 0, 1


class Pairing(Generic[T]):
    """Brings together what has one stamp, or else what is nearest to each other within a tolerance.

    A message whose partner is lost is not given its partner's neighbour, which would leave that one's own partner to
    the next, and so on to the end: a pair of two stamps is given out when neither can have a nearer partner any more
    (stamps rise on each side), each is the other's nearest of those that wait, and no other stamp lies between them.

    Args:
        tolerance: largest difference of stamps, ns.

    Attributes:
        unpaired: left and right messages given up.
    """

    def __init__(self, tolerance: int) -> None:
        self._tolerance = tolerance
        self.waiting: tuple[dict[int, T], dict[int, T]] = ({}, {})
        self._seen: tuple[list[int], list[int]] = ([], [])  # rising; also those that have met their partner
        self.unpaired = [0, 0]

    def add(self, side: int, stamp: int, message: T) -> list[tuple[int, T, T]]:
        """Takes a message of one side; the pairs that are certain now: the left one's stamp, left and right."""
        insort(self._seen[side], stamp)
        del self._seen[side][: -2 * _WAITING]
        mine = self.waiting[side]
        self.unpaired[side] += stamp in mine  # two messages of one stamp: the later one counts
        mine[stamp] = message
        pairs = [self._take(stamp, stamp)] if stamp in self.waiting[1 - side] else []
        if self._tolerance:
            pairs += self._nearest_pairs(at_the_end=False)
        if len(mine) > _WAITING:
            del mine[next(iter(mine))]
            self.unpaired[side] += 1
        return sorted(pairs, key=lambda pair: pair[0])  # one of equal stamps may be certain together with earlier ones

    def finish(self) -> list[tuple[int, T, T]]:
        """The pairs that were waiting for a nearer partner; the rest is given up."""
        pairs = self._nearest_pairs(at_the_end=True) if self._tolerance else []
        for side in (LEFT, RIGHT):
            self.unpaired[side] += len(self.waiting[side])
            self.waiting[side].clear()
        return pairs

    def _nearest_pairs(self, *, at_the_end: bool) -> list[tuple[int, T, T]]:
        found: list[tuple[int, T, T]] = []
        while True:
            lefts, rights = sorted(self.waiting[LEFT]), sorted(self.waiting[RIGHT])
            pair = next((pair for left in lefts if (pair := self._pair_of(left, lefts, rights, at_the_end))), None)
            if pair is None:
                return sorted(found, key=lambda pair: pair[0])
            found.append(self._take(*pair))

    def _pair_of(self, left: int, lefts: list[int], rights: list[int], at_the_end: bool) -> tuple[int, int] | None:
        """A waiting left stamp with its right one, if they are each other's nearest and nothing nearer can come."""
        right = _nearest(left, rights)
        if right is None or _nearest(right, lefts) != left:
            return None
        gap, (early, late) = abs(left - right), sorted((left, right))
        if gap > self._tolerance or any(bisect_left(seen, late) > bisect_right(seen, early) for seen in self._seen):
            return None
        settled = at_the_end or (self._seen[RIGHT][-1] >= left + gap and self._seen[LEFT][-1] >= right + gap)
        return (left, right) if settled else None

    def _take(self, left: int, right: int) -> tuple[int, T, T]:
        return left, self.waiting[LEFT].pop(left), self.waiting[RIGHT].pop(right)


def _nearest(stamp: int, among: list[int]) -> int | None:
    """Of rising stamps the one nearest to a stamp; of two at one distance the earlier."""
    at = bisect_left(among, stamp)
    return min(among[max(at - 1, 0) : at + 1], key=lambda other: abs(other - stamp), default=None)
