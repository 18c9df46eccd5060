"""Padding to the network's size, and hierarchical inference: a half-resolution pass gives the full one its start.

Images here are tensors [B, 3, H, W] in 0..255 of any size; the disparity that leaves [B, 1, H, W] is in px of the left
image and not below zero. Both follow the authors' inference scripts, so that the published figures can be reproduced.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from ffstereo_ros.network.model import SIZE_MULTIPLE, FastFoundationStereo


class Margins(NamedTuple):
    """Pixels added on each side of an image."""

    left: int
    right: int
    top: int
    bottom: int


class CoarseMatch(NamedTuple):
    """A match of the images at half size.

    Attributes:
        disparity: [B, 1, H, W] on the full images, in their px.
        logits: matching logits [B, D, h, w] at a quarter of the half-size images with their margins.
        margins: of the half-size images, in their px.
    """

    disparity: Tensor
    logits: Tensor
    margins: Margins


def margins_for(height: int, width: int) -> Margins:
    """What brings a size to the next multiple of 32; the odd pixel goes right and below."""
    p, q = -width % SIZE_MULTIPLE, -height % SIZE_MULTIPLE
    return Margins(p // 2, p - p // 2, q // 2, q - q // 2)


def pad(image: Tensor, margins: Margins) -> Tensor:
    """Repeat the border pixels outwards: [B, C, H, W] -> [B, C, H + top + bottom, W + left + right]."""
    return F.pad(image, margins, mode="replicate") if any(margins) else image


def unpad(image: Tensor, margins: Margins) -> Tensor:
    """Slice the margins off again."""
    height, width = image.shape[-2:]
    return image[..., margins.top : height - margins.bottom, margins.left : width - margins.right]


def match_padded(
    model: FastFoundationStereo,
    left: Tensor,
    right: Tensor,
    iterations: int = 8,
    max_disparity: int = 192,
    start: Tensor | None = None,
) -> Tensor:
    """Pad, match, unpad. ``start`` [B, 1, H, W], px of the left image, is refined instead of the volume's estimate."""
    margins = margins_for(left.shape[2], left.shape[3])
    initial = None if start is None else _quarter(start, margins)
    output = model(pad(left, margins), pad(right, margins), iterations, max_disparity, initial)
    return unpad(output.disparity, margins).clamp(min=0)


def match_hierarchical(
    model: FastFoundationStereo, left: Tensor, right: Tensor, iterations: int = 8, max_disparity: int = 192
) -> Tensor:
    """Match at half size, then refine that at full size: reaches disparities up to twice ``max_disparity``."""
    coarse = coarse_match(model, left, right, iterations, max_disparity)
    return match_padded(model, left, right, iterations, max_disparity, coarse.disparity)


def coarse_match(
    model: FastFoundationStereo, left: Tensor, right: Tensor, iterations: int, max_disparity: int
) -> CoarseMatch:
    """Match at half size."""
    small = [F.interpolate(image, scale_factor=0.5, mode="bilinear", align_corners=False) for image in (left, right)]
    margins = margins_for(small[0].shape[2], small[0].shape[3])
    output = model(*(pad(image, margins) for image in small), iterations, max_disparity)
    answer = unpad(output.disparity, margins).clamp(min=0)
    disparity = 2 * F.interpolate(answer, size=left.shape[-2:], mode="bilinear", align_corners=True)
    return CoarseMatch(disparity, output.logits, margins)


def start_from(coarse: CoarseMatch) -> Tensor:
    """The half-size answer as a start [B, 1, H/4, W/4] in quarter px, for images whose sides are multiples of 32."""
    return _quarter(coarse.disparity, Margins(0, 0, 0, 0))


def _quarter(start: Tensor, margins: Margins) -> Tensor:
    """Full-size disparity in px [B, 1, H, W] -> padded, quarter-resolution start in quarter px.

    The authors add the left margin to the disparity. Padding both images alike does not change it, so this is a slip of
    up to 15 px; the refinement removes it, and the published results include it: kept for equality.
    """
    padded = pad(start, margins) + margins.left
    return 0.25 * F.interpolate(padded, scale_factor=0.25, mode="bilinear", align_corners=True)
