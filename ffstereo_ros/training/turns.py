"""What takes turns from step to step: how many refinements, and where they start."""

from __future__ import annotations

_CYCLE, _NEAR_TRUTH = 5, (1, 3)  # of five steps two start near the truth; none of them is one that is logged


def refinements(step: int, most: int) -> int:
    """1 .. ``most`` take turns.

    Where ``most`` is a multiple of the cycle of starts, each turn begins one later: else a count would meet the same
    kind of start for ever.
    """
    turn = step // most if most % _CYCLE == 0 else 0
    return 1 + (step + turn) % most


def starts_near_truth(step: int) -> bool:
    """Whether the refinements of this step start from a disturbed truth, not from the volume."""
    return step % _CYCLE in _NEAR_TRUTH
