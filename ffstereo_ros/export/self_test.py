"""Whether an engine computes what PyTorch computes: NVIDIA's own accuracy gates, applied each time one is loaded."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.errors import BackendError
from ffstereo_ros.export.self_test_pairs import room_pair, shifted_pair

Uint8Image = NDArray[np.uint8]
Float32Array = NDArray[np.float32]
Answer = Callable[[Uint8Image, Uint8Image], Float32Array]

# NVIDIA's gates for its TensorRT builds of the network against PyTorch.
MIN_COSINE = 0.999
MAX_MEAN_PX = 0.5
MAX_BAD2 = 0.03

# Name of the first case where PyTorch itself misses the shift: the weights are to blame, not the engine.
UNTRAINED = "known shift against PyTorch, which misses it too"


@dataclass(frozen=True)
class Case:
    """A pair, what the answer is compared with (``[H, W]`` px, NaN = not compared), and where that comes from."""

    name: str
    left: Uint8Image
    right: Uint8Image
    expected: Float32Array


@dataclass(frozen=True)
class Verdict:
    """How an answer compares.

    Attributes:
        case: name of the pair.
        cosine: similarity of both disparity maps.
        mean_px: mean absolute difference, px.
        bad2: share of pixels more than 2 px off.
        infinite: pixels that are NaN or infinite.
        negative: pixels below 0 px where the expected answer is not.
        pixels: all of them.
        ratio: median of answer / expected.
    """

    case: str
    cosine: float
    mean_px: float
    bad2: float
    infinite: int
    negative: int
    pixels: int
    ratio: float

    @property
    def passed(self) -> bool:
        """All gates."""
        close = self.cosine >= MIN_COSINE and self.mean_px <= MAX_MEAN_PX and self.bad2 <= MAX_BAD2
        return close and self.infinite == 0 and self.negative == 0

    def figures(self) -> str:
        """The figures beside their gates."""
        return (
            f"{self.case}: cosine {self.cosine:.5f} (at least {MIN_COSINE}), mean {self.mean_px:.3f} px "
            f"(at most {MAX_MEAN_PX}), bad2 {100 * self.bad2:.2f} % (at most {100 * MAX_BAD2:g}), "
            f"{self.infinite} not finite, {self.negative} negative"
        )


def judge(case: Case, answer: Float32Array) -> Verdict:
    """Compares an answer ``[H, W]`` px with the case."""
    finite = np.isfinite(answer)
    compared = finite & np.isfinite(case.expected)
    a, b = answer[compared].astype(np.float64), case.expected[compared].astype(np.float64)
    negative = int(np.count_nonzero((a < 0) & (b >= 0)))
    infinite = int(np.count_nonzero(~finite))
    if a.size == 0:
        return Verdict(case.name, 0.0, float("inf"), 1.0, infinite, 0, answer.size, float("nan"))
    difference = np.abs(a - b)
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    cosine = float(a @ b) / norms if norms > 0 else 0.0
    ratio = float(np.median(a / np.where(np.abs(b) < 1e-3, np.nan, b)))
    bad2 = float(np.mean(difference > 2))
    return Verdict(case.name, cosine, float(difference.mean()), bad2, infinite, negative, answer.size, ratio)


def run_self_test(answer: Answer, cases: Sequence[Case]) -> tuple[Verdict, ...]:
    """Answers and judges every case."""
    return tuple(judge(case, answer(case.left, case.right)) for case in cases)


def likely_cause(verdicts: Sequence[Verdict]) -> str:
    """What usually lies behind figures like these, most specific first."""
    if any(verdict.infinite for verdict in verdicts):
        return "numbers overflow in half precision: build with --precision bf16 or fp32"
    ratio = float(np.median([verdict.ratio for verdict in verdicts]))
    if min(verdict.cosine for verdict in verdicts) > 0.9 and any(abs(ratio / unit - 1) < 0.05 for unit in (0.25, 4.0)):
        return f"disparity is {ratio:.2f} times what it should be: the engine answers in px of another image size"
    if any(verdict.negative > 0.02 * verdict.pixels for verdict in verdicts):
        return "negative disparities: the correlation was exported with the wrong normalisation for these weights"
    if max(verdict.mean_px for verdict in verdicts) > 10 * MAX_MEAN_PX:
        return "answers unrelated to the images: wrong weights, image order or normalisation, or a fault of TensorRT"
    return "loss of precision in the engine: build with --precision bf16 or fp32"


def require_passed(engine: str, verdicts: Sequence[Verdict]) -> None:
    """Refuses an engine that failed a case.

    Raises:
        BackendError: with the figures of the failed cases and the likely cause.
    """
    failed = [verdict for verdict in verdicts if not verdict.passed]
    if failed:
        figures = "; ".join(verdict.figures() for verdict in failed)
        raise BackendError(
            f"{engine} failed its self-test and is not used: {figures}; likely cause: {likely_cause(failed)}"
        )


def known_shift_case(height: int, width: int, max_disparity: int) -> Case:
    """The case that needs no network: what an engine made elsewhere is judged by."""
    pair = shifted_pair(height, width, max_disparity)
    return Case("known shift", pair.left, pair.right, pair.truth)


def record_cases(answer: Answer, height: int, width: int, max_disparity: int) -> tuple[Case, ...]:
    """Both pairs with what an engine must say to them; ``answer`` is PyTorch in float32.

    The known shift is compared with the truth where PyTorch itself finds it, else (untrained weights) with PyTorch.
    """
    known = known_shift_case(height, width, max_disparity)
    found = answer(known.left, known.right)
    if not judge(known, found).passed:
        known = replace(known, name=UNTRAINED, expected=found)
    room = room_pair(height, width, max_disparity)
    return known, Case("drawn room against PyTorch", room.left, room.right, answer(room.left, room.right))


def pack_cases(cases: Sequence[Case]) -> bytes:
    """The cases as one compressed npz."""
    arrays: dict[str, NDArray[np.generic]] = {"names": np.array([case.name for case in cases])}
    for index, case in enumerate(cases):
        arrays |= {f"left{index}": case.left, f"right{index}": case.right, f"expected{index}": case.expected}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def unpack_cases(path: Path, height: int, width: int) -> tuple[Case, ...]:
    """The inverse of `pack_cases`, for an engine of so many rows and columns, px.

    Raises:
        BackendError: the file is missing or damaged, or not of that size.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            names = [str(name) for name in file["names"]]
            cases = tuple(
                Case(name, file[f"left{i}"], file[f"right{i}"], file[f"expected{i}"]) for i, name in enumerate(names)
            )
    except Exception as error:  # zipfile and NumPy raise a dozen kinds, depending on the byte that is wrong
        raise BackendError(f"{path.name} is missing or damaged: build the engine again") from error
    if not cases or any(case.left.shape != (height, width, 3) for case in cases):
        raise BackendError(f"{path.name} is not of this engine's size: build the engine again")
    return cases
