"""A picture of an organised cloud, seen from beside the camera."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]


def render_cloud(
    points: Float32Array,
    colours: NDArray[np.uint8],
    *,
    yaw_degrees: float = 22.0,
    pitch_degrees: float = 9.0,
    background: int = 255,
) -> NDArray[np.uint8]:
    """Draws the known points, near ones over far ones.

    Args:
        points: float32 ``[H, W, 3]`` m in the optical frame, NaN = unknown.
        colours: uint8 ``[H, W, 3]`` RGB.
        yaw_degrees, pitch_degrees: how far the eye moves to the right and up on its circle around the scene.
        background: grey level 0..255.

    Returns:
        uint8 ``[H, W, 3]`` RGB.
    """
    height, width = points.shape[:2]
    image = np.full((height, width, 3), background, dtype=np.uint8)
    known = np.isfinite(points).all(axis=-1)
    if not known.any():
        return image
    xyz, rgb = points[known], colours[known]
    # The near half is what people look at; a few points at infinity must not decide where the eye stands.
    pivot = np.array([0.0, 0.0, float(np.percentile(xyz[:, 2], 30))], dtype=np.float32)
    seen = (xyz - pivot) @ _rotation(np.radians(yaw_degrees), np.radians(pitch_degrees)).T + pivot
    front = seen[:, 2] > 0.1 * pivot[2]
    seen, rgb = seen[front], rgb[front]
    focal = _focal_to_fit(seen, width, height)
    order = np.argsort(-seen[:, 2])
    seen, rgb = seen[order], rgb[order]
    centre = np.median(seen[:, :2] / seen[:, 2:], axis=0)
    u, v = ((seen[:, :2] / seen[:, 2:] - centre) * focal + (width / 2, height / 2)).astype(np.int32).T
    _splat(image, u, v, rgb)
    return image


def _rotation(yaw: float, pitch: float) -> Float32Array:
    about_y = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    about_x = [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    return (np.array(about_x) @ np.array(about_y)).astype(np.float32)


def _focal_to_fit(seen: Float32Array, width: int, height: int) -> float:
    """Focal length, px, at which 96 % of the points fall into the picture."""
    rays = np.abs(seen[:, :2] / seen[:, 2:] - np.median(seen[:, :2] / seen[:, 2:], axis=0))
    reach = np.percentile(rays, 98, axis=0)
    return float(min(width / 2 / max(reach[0], 1e-6), height / 2 / max(reach[1], 1e-6)))


def _splat(image: NDArray[np.uint8], u: NDArray[np.int32], v: NDArray[np.int32], rgb: NDArray[np.uint8]) -> None:
    """Writes 2x2 px for each point, point by point, so that later (nearer) points win."""
    height, width = image.shape[:2]
    rows = (v[:, None] + np.array([0, 0, 1, 1])).ravel()
    columns = (u[:, None] + np.array([0, 1, 0, 1])).ravel()
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    image[rows[inside], columns[inside]] = np.repeat(rgb, 4, axis=0)[inside]
