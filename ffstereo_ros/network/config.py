"""The whole architecture of one network as frozen data: what `FastFoundationStereo` is built from.

Widths, blocks, kernels and joins of a checkpoint live here, never in code. A slot is a `BlockSpec`
(see ``ffstereo_ros.network.specs``) or None, which means identity or absent. Slot names are the state-dict prefixes of
the published checkpoints (arXiv 2512.11130 and its released weights).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ffstereo_ros.network.serialization import from_plain, to_plain
from ffstereo_ros.network.specs import BlockSpec, ConvSpec, EncoderBlockSpec, PostJoinSpec, SkipJoinSpec


@dataclass(frozen=True)
class EncoderStageConfig:
    """One EdgeNeXt stage: optional LayerNorm + 2x2 stride-2 convolution (``downsample``), then the blocks."""

    downsample: ConvSpec | None
    blocks: tuple[EncoderBlockSpec, ...]


@dataclass(frozen=True)
class FeatureConfig:
    """``feature``: stem (patch convolution, LayerNorm), four stages at 1/4, 1/8, 1/16, 1/32, the decoder back to 1/4.

    ``conv4`` .. ``conv32`` act on the maps that leave at that scale; None passes the map on.
    """

    stem: ConvSpec
    stages: tuple[EncoderStageConfig, ...]
    deconv32_16: SkipJoinSpec
    deconv16_8: SkipJoinSpec
    deconv8_4: SkipJoinSpec
    conv4: ConvSpec | None
    conv8: ConvSpec | None = None
    conv16: ConvSpec | None = None
    conv32: ConvSpec | None = None


@dataclass(frozen=True)
class VolumeConfig:
    """Group-wise correlation and concatenation volume at 1/4 resolution.

    ``normalize``: features are L2-normalised within each group before the correlation (cosine similarity).
    It belongs to the weights: the wrong value makes 7-8 % of all disparities negative.
    """

    groups: int
    proj_cmb: ConvSpec
    normalize: bool


@dataclass(frozen=True)
class HourglassConfig:
    """``cost_agg``: three stride-2 steps down, three up, and a side path.

    A post slot replaces the branch beside it (`REPLACED_SLOTS`), ``post8_to_4`` also the x4 trilinear upsampling and
    the sum. Replaced slots are None here; tensors a file holds for them go to `NetworkConfig.unused`.
    """

    conv1: BlockSpec | None
    feature_att_8: BlockSpec | None
    conv2: BlockSpec | None
    feature_att_16: BlockSpec | None
    conv3: BlockSpec | None
    feature_att_32: BlockSpec | None
    conv1_up: BlockSpec
    conv3_up: BlockSpec | None = None
    agg_0: BlockSpec | None = None
    feature_att_up_16: BlockSpec | None = None
    conv2_up: BlockSpec | None = None
    agg_1: BlockSpec | None = None
    feature_att_up_8: BlockSpec | None = None
    conv_patch: BlockSpec | None = None
    atts_4: BlockSpec | None = None  # state-dict prefix cost_agg.atts.4
    conv_out: BlockSpec | None = None
    post32_to_16: PostJoinSpec | None = None
    post16_to_8: PostJoinSpec | None = None
    post8_to_4: PostJoinSpec | None = None


# The default branch each post slot takes the place of.
REPLACED_SLOTS = {
    "post32_to_16": ("conv3_up", "agg_0", "feature_att_up_16"),
    "post16_to_8": ("conv2_up", "agg_1", "feature_att_up_8"),
    "post8_to_4": ("conv_patch", "atts_4", "conv_out"),
}


@dataclass(frozen=True)
class ContextConfig:
    """``cnet.conv04.0`` (-> tanh -> hidden state), ``cnet.conv04.1`` (-> ReLU -> context), ``cam.fc`` and ``sam``."""

    hidden_head: BlockSpec
    context_head: BlockSpec
    cam_reduce: ConvSpec  # cam.fc.0
    cam_expand: ConvSpec  # cam.fc.2
    samconv: ConvSpec  # sam.samconv


@dataclass(frozen=True)
class MotionEncoderConfig:
    """``update_block.encoder``: two convolutions on the lookup, two on the disparity, one on both."""

    convc1: ConvSpec
    convc2: ConvSpec
    convd1: ConvSpec
    convd2: ConvSpec
    conv: ConvSpec


@dataclass(frozen=True)
class ConvGRUConfig:
    """The three gates of one ConvGRU; convz and convr see the shared map, convq sees cat(r * hidden, x)."""

    convz: ConvSpec
    convr: ConvSpec
    convq: ConvSpec


@dataclass(frozen=True)
class SelectiveGRUConfig:
    """``update_block.gru04``: conv0 on the input, conv1 on cat(x, hidden), a small- and a large-kernel ConvGRU."""

    conv0: ConvSpec
    conv1: ConvSpec
    small_gru: ConvGRUConfig
    large_gru: ConvGRUConfig


@dataclass(frozen=True)
class UpdateConfig:
    """``update_block``: motion encoder, selective GRU, disparity head (``disp_head.conv``) and mask head (``mask``)."""

    encoder: MotionEncoderConfig
    gru04: SelectiveGRUConfig
    disp_head: BlockSpec
    mask: BlockSpec


@dataclass(frozen=True)
class LookupConfig:
    """Geometry lookup: pyramid levels, and radius in samples on each side of the current disparity."""

    levels: int = 2
    radius: int = 4


@dataclass(frozen=True)
class UpsamplingConfig:
    """Convex upsampling weights from the mask feature and the half-resolution stem: ``spx_2_gru``, then ``spx_gru``."""

    spx_2_gru: SkipJoinSpec
    spx_gru: BlockSpec


@dataclass(frozen=True)
class UnusedTensor:
    """A tensor a checkpoint holds under ``name`` that no computation reads; kept so that loading stays strict."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"


@dataclass(frozen=True)
class NetworkConfig:
    """The architecture of one network. Equal configs build equal modules with equal state-dict names and shapes.

    ``max_disparity`` is the largest one, in px, the network was made for (multiple of 32): positional tables end there.
    ``start_radius``: refinement starts from the mean over so many bins on either side of the likeliest one; None, as in
    the published networks: over all bins.
    ``continue_left_band``: where the right camera sees nothing, no bin is a match; the start, and each refinement, take
    there what the row has beside it. False, as in the published networks: the bins, and what refinement makes of them.
    ``surface_radius``: when matching, a pixel is upsampled from those neighbours alone that lie within so many px of
    the surface that most of its weight is on; None, as in the published networks: from all nine.
    """

    feature: FeatureConfig
    stem_2: BlockSpec
    volume: VolumeConfig
    corr_stem: BlockSpec | None
    corr_feature_att: BlockSpec | None
    cost_agg: HourglassConfig
    classifier: BlockSpec
    context: ContextConfig
    update_block: UpdateConfig
    upsampling: UpsamplingConfig
    lookup: LookupConfig = LookupConfig()
    max_disparity: int = 416
    start_radius: int | None = None
    continue_left_band: bool = False
    surface_radius: float | None = None
    unused: tuple[UnusedTensor, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and strings, ready for JSON."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> NetworkConfig:
        """The inverse of `to_dict`. Raises `ParameterError` naming any unknown, missing or mistyped entry."""
        return from_plain(cls, data)
