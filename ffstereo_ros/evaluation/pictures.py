"""Small pictures for the report: photographs, disparities and errors as WebP data addresses."""

from __future__ import annotations

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.files.images import colour_disparity

Uint8Image = NDArray[np.uint8]
Float32Array = NDArray[np.float32]

WIDTH = 480
_QUALITY = 80
_LOWEST = np.float32(-1e30)
_UNKNOWN = (38, 38, 44)
_NO_TRUTH = (232, 232, 236)

# Upper limits in px and colours (RGB) of the error picture: from harmless blue to red; the last has no limit. The hues
# stay apart for colour-blind eyes (ColorBrewer RdYlBu, reversed).
ERROR_CLASSES: tuple[tuple[float, tuple[int, int, int]], ...] = (
    (0.5, (49, 54, 149)),
    (1.0, (69, 117, 180)),
    (2.0, (171, 217, 233)),
    (4.0, (254, 224, 144)),
    (8.0, (244, 109, 67)),
    (float("inf"), (165, 0, 38)),
)


def error_legend() -> list[tuple[str, str]]:
    """Colour and text of each class of the error picture, for the page."""
    legend, low = [], 0.0
    for high, colour in ERROR_CLASSES:
        text = f"{low:g} to {high:g} px" if np.isfinite(high) else f"above {low:g} px"
        legend.append((_css(colour), text))
        low = high
    return [*legend, (_css(_UNKNOWN), "no answer"), (_css(_NO_TRUTH), "no truth")]


def photograph(image: Uint8Image) -> str:
    """A uint8 ``[H, W, 3]`` RGB image as a data address, at most 480 px wide."""
    height, width = image.shape[:2]
    if width > WIDTH:
        size = (WIDTH, max(1, round(height * WIDTH / width)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return _address(image)


def disparity_picture(disparity: Float32Array, *, low: float, high: float) -> str:
    """A disparity ``[H, W]`` px in the turbo colours between ``low`` and ``high``; unknown is dark."""
    small = _shrink(_thicken(disparity))
    colours = colour_disparity(small, low=low, high=high)
    colours[~np.isfinite(small)] = _UNKNOWN
    return _address(colours)


def error_picture(disparity: Float32Array, truth: Float32Array) -> str:
    """|d - truth| ``[H, W]`` in the classes of ``ERROR_CLASSES``; no answer is dark, no truth is light."""
    error = np.abs(disparity - truth)
    error[np.isfinite(truth) & ~np.isfinite(disparity)] = -1.0
    small = _shrink(_thicken(error))
    colours = np.empty((*small.shape, 3), dtype=np.uint8)
    colours[...] = _NO_TRUTH
    low = -0.5
    for high, colour in ERROR_CLASSES:
        with np.errstate(invalid="ignore"):
            colours[(small > low) & (small <= high)] = colour
        low = high
    colours[small == -1.0] = _UNKNOWN
    return _address(colours)


def disparity_range(*disparities: Float32Array | None) -> tuple[float, float]:
    """Common colour limits, px: the 2nd and 97th percentile of the first of them that holds a value."""
    for disparity in disparities:
        if disparity is not None and np.isfinite(disparity).any():
            low, high = np.nanpercentile(disparity, (2, 97))
            return float(low), float(max(high, low + 1.0))
    return 0.0, 1.0


def _thicken(values: Float32Array) -> Float32Array:
    """Sparse samples (laser points) grow to 5x5 px, or they would vanish when the picture is made small."""
    known = np.isfinite(values)
    if known.mean() > 0.4:
        return values
    grown = cv2.dilate(np.where(known, values, np.float32(-np.inf)).astype(np.float32), np.ones((5, 5), np.uint8))
    grown = np.asarray(grown, dtype=np.float32)
    # OpenCV's border stands in with the lowest finite number.
    return np.where(known, values, np.where(grown > _LOWEST, grown, np.float32(np.nan)))


def _shrink(values: Float32Array) -> Float32Array:
    """At most 480 px wide by picking pixels: a mean would invent values at edges."""
    height, width = values.shape
    if width <= WIDTH:
        return values
    rows = (np.arange(round(height * WIDTH / width)) * width / WIDTH).astype(np.intp)
    columns = (np.arange(WIDTH) * width / WIDTH).astype(np.intp)
    return np.asarray(values[np.minimum(rows, height - 1)[:, None], columns[None, :]], dtype=np.float32)


def _address(rgb: Uint8Image) -> str:
    encoded = cv2.imencode(".webp", np.ascontiguousarray(rgb[..., ::-1]), [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])[1]
    return "data:image/webp;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")


def _css(colour: tuple[int, int, int]) -> str:
    return "#" + "".join(f"{channel:02x}" for channel in colour)
