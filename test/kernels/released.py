"""Every kernel variant as the released network launches it at 480 x 640 with 48 disparities, and as training paints its
scenes, without any memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ffstereo_ros.kernels.convex_upsample import op as upsample
from ffstereo_ros.kernels.correlation_volume import op as volume
from ffstereo_ros.kernels.geometry_lookup import op as lookup
from ffstereo_ros.kernels.launch import Launch, SharedMemory
from ffstereo_ros.kernels.volume_terms import op as terms
from ffstereo_ros.training.scene_painting import op as painting
from ffstereo_ros.training.scene_painting.banks import Banks
from ffstereo_ros.training.scene_painting.table import FLOATS, SceneTable

B, H, W, D = 1, 120, 160, 48


def _empty(dtype: torch.dtype, *shape: int) -> Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def _volume(dtype: torch.dtype, limits: SharedMemory, term_channels: int = 0, folded: bool = False) -> Launch:
    feature = _empty(dtype, B, 224, H, W)
    inputs = volume.Inputs(feature, feature, 8, D, True)
    if term_channels:
        term = _empty(dtype, B, term_channels, H, W)
        inputs = inputs._replace(left_term=term, right_term=term)
    return volume.prepare(inputs._replace(weight=_empty(dtype, term_channels, 8)) if folded else inputs, limits)


def _lookup(dtype: torch.dtype, limits: SharedMemory, outputs: int = 0) -> Launch:
    filtered = _empty(dtype, B, D, H, W, 32).permute(0, 4, 1, 2, 3)[:, :28]
    inputs = lookup.Inputs(filtered, _empty(dtype, B, H, W, W), _empty(torch.float32, B, 1, H, W), 4, 2)
    if outputs:
        packed = (_empty(torch.int32, 4, 1, 32, 4), _empty(torch.float32, 64), outputs)
        inputs = inputs._replace(packed_weight=packed[0], packed_bias=packed[1], outputs=outputs)
    return lookup.prepare(inputs, limits)


def _upsample(dtype: torch.dtype, memory_format: torch.memory_format, radius: float | None = None) -> Launch:
    logits = _empty(dtype, B, 9, 4 * H, 4 * W).contiguous(memory_format=memory_format)
    return upsample.prepare(_empty(torch.float32, B, 1, H, W), logits, radius)


def _terms(dtype: torch.dtype) -> Launch:
    first = _empty(dtype, B, 32, D, H, W).contiguous(memory_format=torch.channels_last_3d)
    return terms.prepare(first, _empty(dtype, B, 96, H, W), _empty(dtype, B, 192, H, W + 2), 0.01)


def _painting() -> Launch:
    """32 scenes of 15 layers, 256 x 512."""
    tables = (_empty(torch.float32, 32 * 15, FLOATS), _empty(torch.int32, 33), _empty(torch.float32, 32, 2))
    tiles = (_empty(torch.float16, 1, 257, 257, 4), _empty(torch.float16, 1, 4, 257, 257, 4))
    return painting.prepare(SceneTable(*tables, 256, 512), Banks(*tiles, _empty(torch.float32, 1, 256, 256)))


LAUNCHES: dict[str, Callable[[torch.dtype, SharedMemory], Launch]] = {
    "correlation": _volume,
    "correlation, concatenated": lambda dtype, limits: _volume(dtype, limits, 12),
    "correlation, convolved": lambda dtype, limits: _volume(dtype, limits, 28, folded=True),
    "lookup": _lookup,
    "lookup, convolved": lambda dtype, limits: _lookup(dtype, limits, 56),
    "upsampling": lambda dtype, _: _upsample(dtype, torch.contiguous_format),
    "upsampling, channels last": lambda dtype, _: _upsample(dtype, torch.channels_last),
    "upsampling, one surface": lambda dtype, _: _upsample(dtype, torch.channels_last, 4.0),
    "volume terms": lambda dtype, _: _terms(dtype),
    "scene painting": lambda *_: _painting(),
}
