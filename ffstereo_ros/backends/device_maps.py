"""What ``core`` does with a disparity, on tensors of any device, bit for bit: restore, mask, depth, points.

Each step is an operation of its own: in one that multiplies and adds at once a GPU rounds once, and NumPy twice.
Nothing here waits for the device or reads from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.core.frame import BLEND_LIMIT, AxisTaps, FrameGeometry, require_model_shape, sampling_taps
from ffstereo_ros.core.geometry import finite_range, ray_slopes, require_camera_size
from ffstereo_ros.core.validity import known_range

Uint8Image = NDArray[np.uint8]

# Geometries and cameras whose tables are kept: as many as input sizes have graphs.
_KEPT = 4


@dataclass(frozen=True)
class DeviceTaps:
    """`AxisTaps` of one axis on a device: indices int64 ``[N]``, weights float32 ``[N]``."""

    lower: Tensor
    upper: Tensor
    weight: Tensor
    nearest: Tensor


@dataclass(frozen=True)
class Sampling:
    """Where the user's rows and columns lie among the model's, and the scale, float32 ``[]``."""

    rows: DeviceTaps
    columns: DeviceTaps
    scale: Tensor


class DeviceTables:
    """What every frame of a geometry or a camera needs again, made once and kept on the device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.sampling = lru_cache(maxsize=_KEPT)(lambda geometry: _sampling(geometry, device))
        self.rays = lru_cache(maxsize=_KEPT)(lambda camera, stride: _rays(camera, stride, device))


def restore_disparity(disparity: Tensor, geometry: FrameGeometry, tables: DeviceTables) -> Tensor:
    """As `core.frame.restore_disparity`: ``[h, w]`` model px -> ``[H, W]`` px of the user's image; a view at scale 1.

    Raises:
        ImageError: the disparity does not have the model's size.
    """
    restored = restore_map(disparity, geometry, tables)
    # By a tensor of the device: over a number, PyTorch multiplies by its rounded reciprocal on a GPU.
    return restored if geometry.scale == 1.0 else restored / tables.sampling(geometry).scale


def restore_map(values: Tensor, geometry: FrameGeometry, tables: DeviceTables) -> Tensor:
    """As `core.frame.restore_map`: ``[h, w]`` -> ``[H, W]``, values unchanged; a view at scale 1.

    Raises:
        ImageError: the map does not have the model's size.
    """
    require_model_shape(tuple(values.shape), geometry)
    if geometry.scale == 1.0:
        return values[geometry.inside]
    sampling: Sampling = tables.sampling(geometry)
    rows, columns = sampling.rows, sampling.columns
    blend = _between(_between(values, rows, rows.weight[:, None], 0), columns, columns.weight, 1)
    nearest = values.index_select(0, rows.nearest).index_select(1, columns.nearest)
    return torch.where((blend - nearest).abs_() <= BLEND_LIMIT, blend, nearest)


def known_mask(disparity: Tensor, *, max_disparity: float) -> Tensor:
    """As `core.validity.known_mask`: bool ``[H, W]``, true where the answer, px, can be a disparity."""
    return _inside(disparity, *known_range(max_disparity))


def keep(values: Tensor, known: Tensor, *, otherwise: float = float("nan")) -> Tensor:
    """As `core.validity.keep`: values ``[H, W]`` where they are known, ``otherwise`` elsewhere."""
    return torch.where(known, values, otherwise)


def depth_from_disparity(disparity: Tensor, camera: StereoCamera, *, min_depth: float, max_depth: float) -> Tensor:
    """As `core.geometry.depth_from_disparity`: ``[H, W]`` px -> ``[H, W]`` m; or of every n-th row and column."""
    shifted = disparity + camera.cx_offset if camera.cx_offset else disparity
    depth = torch.tensor(camera.focal_baseline, dtype=torch.float32) / shifted
    return keep(depth, _inside(depth, *finite_range(min_depth, max_depth)))


def packed_points(depth: Tensor, rgb: Tensor, x_over_z: Tensor, y_over_z: Tensor) -> Tensor:
    """The points of an organised cloud.

    Args:
        depth: ``[H, W]`` m, NaN = unknown.
        rgb: uint8 ``[H, W, 3]``.
        x_over_z, y_over_z: ``[W]`` and ``[H]``, the rays of columns and rows.

    Returns:
        float32 ``[H, W, 4]``: x, y, z in m, NaN = unknown, and the colour as 0x00RRGGBB.
    """
    red, green, blue = rgb.to(torch.int32).unbind(-1)
    colours = (red << 16) | (green << 8) | blue
    # Joined as integers: most colours are denormal as floats, which arithmetic on floats may take for zero.
    planes = (depth * x_over_z, depth * y_over_z[:, None], depth)
    return torch.stack((*(plane.view(torch.int32) for plane in planes), colours), -1).view(torch.float32)


def require_size(geometry: FrameGeometry, camera: StereoCamera) -> None:
    """Raises `ImageError` where the user's image is not one of the camera's."""
    require_camera_size((geometry.height, geometry.width), camera)


def to_device(image: Uint8Image, device: torch.device) -> Tensor:
    """Enqueues the copy of an image ``[H, W, 3]``, with any strides, by way of page-locked memory."""
    place = torch.empty(image.shape, dtype=torch.uint8, pin_memory=device.type == "cuda")
    np.copyto(place.numpy(), image)
    return place.to(device, non_blocking=True)


def to_host(values: Tensor) -> Tensor:
    """Enqueues one copy into new page-locked memory; the values are there once the stream has been waited for.

    PyTorch keeps such memory for the next frame when nobody holds it any more, and not before.
    """
    place = torch.empty(values.shape, dtype=values.dtype, pin_memory=values.device.type == "cuda")
    return place.copy_(values, non_blocking=True)


def _inside(values: Tensor, low: float, high: float) -> Tensor:
    return (values >= low) & (values <= high)


def _between(values: Tensor, taps: DeviceTaps, weight: Tensor, axis: int) -> Tensor:
    """Samples between neighbours along an axis."""
    first, step = values.index_select(axis, taps.lower), values.index_select(axis, taps.upper)
    return step.sub_(first).mul_(weight).add_(first)


def _sampling(geometry: FrameGeometry, device: torch.device) -> Sampling:
    rows, columns = (_taps(taps, device) for taps in sampling_taps(geometry))
    return Sampling(rows, columns, torch.tensor(geometry.scale, dtype=torch.float32, device=device))


def _taps(taps: AxisTaps, device: torch.device) -> DeviceTaps:
    lower, upper, nearest = (
        torch.from_numpy(each.astype(np.int64)).to(device) for each in (taps.lower, taps.upper, taps.nearest)
    )
    return DeviceTaps(lower, upper, torch.from_numpy(taps.weight).to(device), nearest)


def _rays(camera: StereoCamera, stride: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """``X / Z`` of every ``stride``-th column and ``Y / Z`` of every ``stride``-th row."""
    x_over_z, y_over_z = (torch.from_numpy(slopes[::stride].copy()).to(device) for slopes in ray_slopes(camera))
    return x_over_z, y_over_z
