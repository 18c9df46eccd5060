"""The frame a layout fills: image size, disparity range, and how much of it is blank."""

from __future__ import annotations

from dataclasses import dataclass

from ffstereo_ros.training.scenes.draw import Draw

MAX_DISPARITY = 190.0
_CLOSE_UPS = 0.4

# The share of blank surfaces: little in most scenes, much in some. More of it teaches a fresh network nothing.
_PLAINNESS = ((0.0, 0.1), (0.14, 0.3), (0.4, 0.8))
_PLAINNESS_WEIGHTS = (0.5, 0.3, 0.2)


@dataclass(frozen=True)
class Frame:
    """``far`` and ``near``: the disparities, px, between which things stand; ``plainness``: share of blank surfaces.

    ``focal``: the cameras' focal length, px.
    """

    height: int
    width: int
    far: float
    near: float
    plainness: float
    focal: float

    def level(self, draw: Draw) -> float:
        """A disparity in the frame's range, px."""
        return draw.uniform(self.far, self.near)


def draw_frame(draw: Draw, height: int, width: int, limit: float = MAX_DISPARITY) -> Frame:
    """A frame whose nearest disparity is between 1/9 and all of ``limit`` px, or of nearly half the width.

    Two of five are close-ups, where the wall behind has a large disparity, too, and the right camera misses a wide band
    at the left: what stands there must be told from what it continues.
    """
    limit = min(limit, 0.42 * width)
    if draw.chance(_CLOSE_UPS):
        near = limit * draw.uniform(0.4, 1.0)
        far = near * draw.uniform(0.25, 0.85)
    else:
        near = draw.log_uniform(limit / 9, limit)
        far = near * draw.uniform(0.0, 0.9) ** 1.3
    plainness = draw.uniform(*draw.choice(_PLAINNESS, _PLAINNESS_WEIGHTS))
    return Frame(height, width, far, near, plainness, focal=draw.uniform(0.6, 1.2) * width)
