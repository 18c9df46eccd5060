"""Point clouds as PLY, which every viewer opens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.files.whole import whole_file


def write_ply(path: Path, points: NDArray[np.float32], colours: NDArray[np.uint8]) -> int:
    """Writes the known points as binary little-endian PLY.

    Args:
        points: float32 ``[H, W, 3]`` m in the optical frame, NaN = unknown.
        colours: uint8 ``[H, W, 3]`` RGB.

    Returns:
        How many points were written.

    Raises:
        InputFileError: the file cannot be written.
    """
    known = np.isfinite(points).all(axis=-1)
    vertices = np.empty(int(known.sum()), dtype=[("xyz", "<f4", 3), ("rgb", "u1", 3)])
    vertices["xyz"] = points[known]
    vertices["rgb"] = colours[known]
    names = [f"property float {axis}" for axis in "xyz"] + [f"property uchar {c}" for c in ("red", "green", "blue")]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}", *names, "end_header", ""]
    with whole_file(path) as file:
        file.write("\n".join(header).encode("ascii"))
        file.write(vertices.tobytes())
    return len(vertices)
