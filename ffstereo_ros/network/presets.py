"""Architectures of our own: the stages of Fast-FoundationStereo with narrower blocks, each a `NetworkConfig`.

``mini`` is made for CPUs. Most of its arithmetic is aggregation at 1/4 resolution, where a dense 3x3x3 convolution of
12 channels costs no more time than a wider separable one: memory traffic, not multiplications, is what is scarce there.
"""

from __future__ import annotations

from collections.abc import Callable

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.network.architectures import conv_gru, deconv_spec, half_resolution_stem
from ffstereo_ros.network.config import (
    ContextConfig,
    EncoderStageConfig,
    FeatureConfig,
    HourglassConfig,
    LookupConfig,
    MotionEncoderConfig,
    NetworkConfig,
    SelectiveGRUConfig,
    UpdateConfig,
    UpsamplingConfig,
    VolumeConfig,
)
from ffstereo_ros.network.specs import (
    ActivationSpec,
    BasicConvSpec,
    ConvBlockSpec,
    PostJoinSpec,
    SequenceSpec,
    SkipJoinSpec,
    SplitTransposeSpec,
    conv_spec,
    convnext_spec,
    feature_attention_spec,
    reduced_conv_spec,
)

_FEATURES = 48  # channels at 1/4: 8 groups of 6
_GROUPS = 8
_PROJECTED = 2
_VOLUME = 12  # channels of the volume at 1/4
_FILTERED = 8  # channels of the filtered volume, which the refinement reads
_HIDDEN = 24
_CONTEXT = 16


def mini_config() -> NetworkConfig:
    """The network that ships with the package: 1.6 M parameters.

    For 480x640 px and 192 px of disparity it takes 39.5 GFLOP with one refinement, and 2.8 for every further one.
    """
    return NetworkConfig(
        feature=_features(),
        stem_2=half_resolution_stem(8, 12),
        volume=VolumeConfig(_GROUPS, conv_spec(2, _FEATURES, _PROJECTED, 1, bias=True), normalize=True),
        corr_stem=None,
        corr_feature_att=SequenceSpec(
            (BasicConvSpec(conv_spec(3, _VOLUME, _VOLUME, 3)), feature_attention_spec(_VOLUME, _FEATURES)), helper=True
        ),
        cost_agg=_hourglass(),
        classifier=conv_spec(3, _FILTERED, 1, 3, bias=True),
        context=_context(),
        update_block=_update(),
        upsampling=_upsampling(),
        lookup=LookupConfig(levels=2, radius=4),
        max_disparity=416,
        start_radius=2,
        continue_left_band=True,
        surface_radius=4.0,
    )


def _features() -> FeatureConfig:
    """EdgeNeXt with widths 48, 48, 96, 128; the decoder narrows with one convolution instead of a residual block.

    The patches of the stem overlap: of EdgeNeXt's own, 4x4 px side by side, all that a patch shows changes with every
    px of disparity that is no multiple of four.
    """
    patch = conv_spec(2, 3, 48, 8, 4, 2, bias=True)

    def join(lower: int, middle: int, skip: int, out_channels: int) -> SkipJoinSpec:
        up = BasicConvSpec(deconv_spec(2, lower, middle), norm="instance")
        return SkipJoinSpec(up, BasicConvSpec(conv_spec(2, middle + skip, out_channels, 3), norm="instance"))

    stage4 = EncoderStageConfig(None, (ConvBlockSpec(48, 5, 96), ConvBlockSpec(48, 5, 96)))
    stage8 = EncoderStageConfig(
        conv_spec(2, 48, 48, 2, 2, 0, bias=True), (ConvBlockSpec(48, 5, 96), SplitTransposeSpec(48, 24, 1, 4, 96, 16))
    )
    stage16 = EncoderStageConfig(
        conv_spec(2, 48, 96, 2, 2, 0, bias=True),
        (ConvBlockSpec(96, 7, 192), ConvBlockSpec(96, 7, 192), SplitTransposeSpec(96, 32, 2, 4, 192)),
    )
    stage32 = EncoderStageConfig(
        conv_spec(2, 96, 128, 2, 2, 0, bias=True), (ConvBlockSpec(128, 9, 256), SplitTransposeSpec(128, 32, 3, 4, 256))
    )
    return FeatureConfig(
        stem=patch,
        stages=(stage4, stage8, stage16, stage32),
        deconv32_16=join(128, 64, 96, 64),
        deconv16_8=join(64, 48, 48, 48),
        deconv8_4=join(48, 32, 48, 32),
        conv4=conv_spec(2, 32, _FEATURES, 1, bias=True),
    )


def _hourglass() -> HourglassConfig:
    """Widths 12, 24, 48, 64 from 1/4 to 1/32, sums on the way up, one dense convolution at 1/4."""
    return HourglassConfig(
        conv1=BasicConvSpec(conv_spec(3, _VOLUME, 24, 3, 2)),
        feature_att_8=SequenceSpec((reduced_conv_spec(24, 24, 9), feature_attention_spec(24, 48)), helper=True),
        conv2=BasicConvSpec(conv_spec(3, 24, 48, 3, 2)),
        feature_att_16=SequenceSpec((reduced_conv_spec(48, 48, 9), feature_attention_spec(48, 64)), helper=True),
        conv3=SequenceSpec((BasicConvSpec(conv_spec(3, 48, 64, 3, 2)), reduced_conv_spec(64, 64, 5))),
        feature_att_32=feature_attention_spec(64, 128),
        conv1_up=BasicConvSpec(conv_spec(3, 24, _VOLUME, 2, 2, 0, transposed=True)),
        post32_to_16=PostJoinSpec(
            "sum",
            (BasicConvSpec(deconv_spec(3, 64, 48)),),
            (BasicConvSpec(conv_spec(3, 48, 48, 3)), feature_attention_spec(48, 64)),
        ),
        post16_to_8=PostJoinSpec(
            "sum",
            (BasicConvSpec(deconv_spec(3, 48, 24)),),
            (reduced_conv_spec(24, 24, 5), feature_attention_spec(24, 48)),
        ),
        post8_to_4=PostJoinSpec("sum", (), (BasicConvSpec(conv_spec(3, _VOLUME, _FILTERED, 3)),)),
    )


def _context() -> ContextConfig:
    return ContextConfig(
        hidden_head=conv_spec(2, _FEATURES, _HIDDEN, 3, bias=True),
        context_head=conv_spec(2, _FEATURES, _CONTEXT, 3, bias=True),
        cam_reduce=conv_spec(2, _CONTEXT, 4, 1),
        cam_expand=conv_spec(2, 4, _CONTEXT, 1),
        samconv=conv_spec(2, 2, 1, 7),
    )


def _update() -> UpdateConfig:
    samples = 2 * 9 * (_FILTERED + 1)  # levels * offsets * (volume channels + correlation)
    motion = 16
    encoder = MotionEncoderConfig(
        convc1=conv_spec(2, samples, 32, 1, bias=True),
        convc2=conv_spec(2, 32, 24, 3, bias=True),
        convd1=conv_spec(2, 1, 8, 7, bias=True),
        convd2=conv_spec(2, 8, 8, 3, bias=True),
        conv=conv_spec(2, 32, motion - 1, 3, bias=True),
    )
    x, gate = 24, 32
    gru = SelectiveGRUConfig(
        conv0=conv_spec(2, _CONTEXT + motion, x, 3, bias=True),
        conv1=conv_spec(2, x + _HIDDEN, gate, 3, bias=True),
        small_gru=conv_gru(gate, x, _HIDDEN, 1),
        large_gru=conv_gru(gate, x, _HIDDEN, 3),
    )
    relu = ActivationSpec("relu")
    head = (conv_spec(2, _HIDDEN, 24, 3, bias=True), relu, convnext_spec(24, 48), conv_spec(2, 24, 1, 3, bias=True))
    mask = (conv_spec(2, _HIDDEN, 24, 3, bias=True), relu, conv_spec(2, 24, 16, 3, bias=True), relu)
    return UpdateConfig(encoder, gru, SequenceSpec(head), SequenceSpec(mask))


def _upsampling() -> UpsamplingConfig:
    join = SkipJoinSpec(
        BasicConvSpec(deconv_spec(2, 16, 12), norm=None), BasicConvSpec(conv_spec(2, 12 + 12, 16, 3), norm=None)
    )
    return UpsamplingConfig(join, SequenceSpec((conv_spec(2, 16, 9, 4, 2, 1, bias=True, transposed=True),)))


PRESETS: dict[str, Callable[[], NetworkConfig]] = {"mini": mini_config}


def preset_config(name: str) -> NetworkConfig:
    """The architecture called ``name``. Raises `ParameterError` naming those there are."""
    if name not in PRESETS:
        raise ParameterError(f"preset is '{name}': known are {', '.join(sorted(PRESETS))}")
    return PRESETS[name]()
