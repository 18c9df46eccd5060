"""``ffstereo bench kernels``: each CUDA kernel against its PyTorch reference and against the memory's speed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from ffstereo_ros import markdown
from ffstereo_ros.cli.bench_files import add_figure_files, write_figures
from ffstereo_ros.cli.build_engine import parse_size
from ffstereo_ros.errors import BackendError, ParameterError

if TYPE_CHECKING:
    from ffstereo_ros.kernels.measure import Row

_METHOD = """\
# CUDA kernels

`ffstereo bench kernels --json docs/benchmarks/kernels.json --report docs/benchmarks/kernels.md` writes this page.

Every kernel as the released networks call it, on random tensors. Times are medians of 50 runs, each after a write that
empties the GPU's caches. "Least" is what must be read and written, each byte once; the floor is that at the speed of a
512 MB device-to-device copy measured in the same run; the share is floor / kernel. "Error" is the largest difference
from the reference in float64, over the largest exact value.
"""

_COLUMNS = ("size", "kernel", "least MB", "kernel us", "PyTorch us", "floor us", "share", "error")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Declares the command."""
    parser = subparsers.add_parser("kernels", help="the CUDA kernels against PyTorch and the memory's speed")
    add_figure_files(parser)
    parser.add_argument(
        "--sizes", nargs="+", default=["480x640", "576x960"], metavar="HxW", help="image sizes, rows x columns, px"
    )
    parser.add_argument("--max-disparity", type=int, default=192, metavar="N", help="px (default: %(default)s)")
    parser.add_argument("--precision", choices=("fp16", "bf16", "fp32"), default="fp16", help="default: %(default)s")
    return parser


def run(args: argparse.Namespace) -> int:
    """Measures, prints the table, and writes what was asked for.

    Raises:
        FFStereoError: there is no GPU, or our kernels cannot run on it.
    """
    sizes = [parse_size(text) for text in args.sizes]
    if args.max_disparity < 32 or args.max_disparity % 32:
        raise ParameterError(f"max_disparity = {args.max_disparity} px: a multiple of 32 is needed, at least 32")
    from ffstereo_ros.factory import require_torch

    require_torch()
    speed, rows = _measure(sizes, args.max_disparity, args.precision)
    from ffstereo_ros.machine import machine

    facts = {**machine(), "copy": f"{speed / 1e9:.0f} GB/s", "precision": args.precision}
    print(table(rows))
    write_figures(args, as_dict(rows, facts), markdown.page(_METHOD, facts, table(rows)))
    return 0


def _measure(sizes: list[tuple[int, int]], max_disparity: int, precision: str) -> tuple[float, list[tuple[str, Row]]]:
    """The copy's bytes per second, and a row for every size and kernel."""
    import torch

    from ffstereo_ros.backends.torch_device import choose_placement, why_no_cuda
    from ffstereo_ros.kernels.measure import CudaTimer, copy_speed, measure, released_cases

    if not torch.cuda.is_available():
        raise BackendError(f"kernels are measured on an NVIDIA GPU: {why_no_cuda()}; run it on a machine with one")
    placement, timer = choose_placement("cuda", precision), CudaTimer()
    speed = copy_speed(placement.device, timer)
    rows = []
    for height, width in sizes:
        shape = (height // 4, width // 4, max_disparity // 4)
        for case in released_cases(*shape, placement.dtype, placement.device):
            rows.append((f"{height}x{width}", measure(case, timer, speed)))
    return speed, rows


def as_dict(rows: Sequence[tuple[str, Row]], facts: dict[str, str]) -> dict[str, object]:
    """The figures for JSON."""
    return {"machine": facts, "kernels": [{"size": size, **asdict(row), "share": row.share} for size, row in rows]}


def table(rows: Sequence[tuple[str, Row]]) -> str:
    """The figures as a Markdown table."""
    return markdown.table(_COLUMNS, (_cells(size, row) for size, row in rows))


def _cells(size: str, row: Row) -> tuple[str, ...]:
    times = (row.kernel_us, row.reference_us, row.floor_us)
    figures = (f"{row.least_mb:.1f}", *(f"{time:.1f}" for time in times), f"{row.share:.0%}", f"{row.error:.1e}")
    return size, row.name, *figures
