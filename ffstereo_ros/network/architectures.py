"""The architecture the authors' code builds from its configuration, written as a `NetworkConfig`.

The searched ones (pruned widths, other blocks) are not listed here: they are read from the checkpoints themselves.
"""

from __future__ import annotations

from ffstereo_ros.network.config import (
    ContextConfig,
    ConvGRUConfig,
    EncoderStageConfig,
    FeatureConfig,
    HourglassConfig,
    LookupConfig,
    MotionEncoderConfig,
    NetworkConfig,
    SelectiveGRUConfig,
    UnusedTensor,
    UpdateConfig,
    UpsamplingConfig,
    VolumeConfig,
)
from ffstereo_ros.network.specs import (
    ActivationSpec,
    BasicConvSpec,
    BlockSpec,
    ConvBlockSpec,
    ConvSpec,
    DisparityAttentionSpec,
    EncoderBlockSpec,
    NormSpec,
    SequenceSpec,
    SkipJoinSpec,
    SplitTransposeSpec,
    conv_spec,
    convnext_spec,
    feature_attention_spec,
    reduced_conv_spec,
    residual_spec,
)


def full_config(max_disparity: int = 416, normalize: bool = True) -> NetworkConfig:
    """The config-built network (``vit_size`` vitl): 632 tensors, all slots with the default blocks."""
    feature = edgenext_feature_config(output_channels=224)
    c4, c8, c16, c32 = 224, 192, 320, 304
    return NetworkConfig(
        feature=feature,
        stem_2=half_resolution_stem(32, 32),
        volume=VolumeConfig(groups=8, proj_cmb=conv_spec(2, c4, 12, 1, bias=True), normalize=normalize),
        corr_stem=_default_corr_stem(8 + 2 * 12, 28),
        corr_feature_att=feature_attention_spec(28, c4),
        cost_agg=_default_hourglass(28, (c8, c16, c32), max_disparity),
        classifier=_default_classifier(28),
        context=default_context(c4, 128, 128),
        update_block=default_update(522, 128, 128, mask_channels=32),
        upsampling=default_upsampling(32, 32),
        lookup=LookupConfig(levels=2, radius=4),
        max_disparity=max_disparity,
        unused=(
            UnusedTensor("context_zqr_convs.0.weight", (384, 128, 3, 3)),
            UnusedTensor("context_zqr_convs.0.bias", (384,)),
        ),
    )


def edgenext_feature_config(
    channels: tuple[int, int, int, int] = (48, 96, 160, 304),
    depths: tuple[int, int, int, int] = (3, 3, 9, 3),
    kernels: tuple[int, int, int, int] = (3, 5, 7, 9),
    output_channels: int = 224,
    heads: int = 8,
    expansion: int = 4,
    position_channels: int = 32,
) -> FeatureConfig:
    """EdgeNeXt (arXiv 2206.10589, "small" by default) with the decoder; the last block of stages 1 to 3 is an SDTA.

    The maps that leave have ``output_channels`` at 1/4, 2 * channels[1], 2 * channels[2], channels[3] below.
    """
    c0, c1, c2, c3 = channels
    stages = []
    for index in range(4):
        width, hidden = channels[index], expansion * channels[index]
        blocks: list[EncoderBlockSpec] = [ConvBlockSpec(width, kernels[index], hidden)] * depths[index]
        if index > 0:
            position = position_channels if index == 1 else None
            blocks[-1:] = [SplitTransposeSpec(width, -(-width // (index + 1)), index, heads, hidden, position)]
        downsample = conv_spec(2, channels[index - 1], width, 2, 2, 0, bias=True) if index > 0 else None
        stages.append(EncoderStageConfig(downsample, tuple(blocks)))
    return FeatureConfig(
        stem=conv_spec(2, 3, c0, 4, 4, 0, bias=True),
        stages=tuple(stages),
        deconv32_16=decoder_join(c3, c2),
        deconv16_8=decoder_join(2 * c2, c1),
        deconv8_4=decoder_join(2 * c1, c0),
        conv4=conv_spec(2, 2 * c0, output_channels, 1, bias=True),
    )


def decoder_join(in_channels: int, skip_channels: int) -> SkipJoinSpec:
    """One decoder step: x2 deconvolution to the skip's width, concatenation, residual block; instance norms."""
    deconv = BasicConvSpec(deconv_spec(2, in_channels, skip_channels), norm="instance")
    return SkipJoinSpec(deconv, residual_spec(2, 2 * skip_channels, norm="instance"))


def deconv_spec(dims: int, in_channels: int, out_channels: int) -> ConvSpec:
    """The x2 transposed convolution used everywhere: kernel 4, stride 2, padding 1, no bias."""
    return conv_spec(3 if dims == 3 else 2, in_channels, out_channels, 4, 2, 1, transposed=True)


def half_resolution_stem(hidden: int, out_channels: int) -> SequenceSpec:
    """``stem_2``: 3x3 stride-2 convolution on the image, then 3x3, both instance-normalised."""
    return SequenceSpec(
        (
            BasicConvSpec(conv_spec(2, 3, hidden, 3, 2), norm="instance"),
            conv_spec(2, hidden, out_channels, 3),
            NormSpec("instance", 2, out_channels),
            ActivationSpec("relu"),
        )
    )


def default_context(
    feature_channels: int, hidden_channels: int, context_channels: int, reduction: int = 16
) -> ContextConfig:
    """Plain 3x3 heads, channel attention with width / ``reduction``, 7x7 spatial attention."""
    middle = context_channels // reduction
    return ContextConfig(
        hidden_head=conv_spec(2, feature_channels, hidden_channels, 3, bias=True),
        context_head=conv_spec(2, feature_channels, context_channels, 3, bias=True),
        cam_reduce=conv_spec(2, context_channels, middle, 1),
        cam_expand=conv_spec(2, middle, context_channels, 1),
        samconv=conv_spec(2, 2, 1, 7),
    )


def default_update(lookup_channels: int, hidden: int, context: int, mask_channels: int) -> UpdateConfig:
    """The default update block; motion features are as wide as the hidden state, the disparity included."""
    encoder = MotionEncoderConfig(
        convc1=conv_spec(2, lookup_channels, 256, 1, bias=True),
        convc2=conv_spec(2, 256, 256, 3, bias=True),
        convd1=conv_spec(2, 1, 64, 7, bias=True),
        convd2=conv_spec(2, 64, 64, 3, bias=True),
        conv=conv_spec(2, 320, hidden - 1, 1, bias=True),
    )
    x = context + hidden
    gru = SelectiveGRUConfig(
        conv0=conv_spec(2, x, x, 3, bias=True),
        conv1=conv_spec(2, x + hidden, x + hidden, 3, bias=True),
        small_gru=conv_gru(x + hidden, x, hidden, 1),
        large_gru=conv_gru(x + hidden, x, hidden, 3),
    )
    relu = ActivationSpec("relu")
    head = (
        conv_spec(2, hidden, hidden, 3, bias=True),
        relu,
        convnext_spec(hidden),
        convnext_spec(hidden),
        conv_spec(2, hidden, 1, 3, bias=True),
    )
    middle = 2 * mask_channels
    mask = (
        conv_spec(2, hidden, middle, 3, bias=True),
        relu,
        conv_spec(2, middle, mask_channels, 3, bias=True),
        relu,
    )
    return UpdateConfig(encoder, gru, SequenceSpec(head), SequenceSpec(mask))


def conv_gru(gate_channels: int, x_channels: int, hidden: int, kernel: int) -> ConvGRUConfig:
    """One ConvGRU: convz and convr see ``gate_channels``, convq sees the hidden state and ``x_channels``."""
    gate = conv_spec(2, gate_channels, hidden, kernel, bias=True)
    return ConvGRUConfig(gate, gate, conv_spec(2, hidden + x_channels, hidden, kernel, bias=True))


def default_upsampling(mask_channels: int, stem_channels: int) -> UpsamplingConfig:
    """Deconvolution to 1/2, concatenation with the half-resolution stem, deconvolution to 9 weights per pixel."""
    width = mask_channels + stem_channels
    join = SkipJoinSpec(
        BasicConvSpec(deconv_spec(2, mask_channels, mask_channels), norm=None),
        BasicConvSpec(conv_spec(2, width, width, 3), norm=None),
    )
    weights = conv_spec(2, width, 9, 4, 2, 1, bias=True, transposed=True)
    return UpsamplingConfig(join, SequenceSpec((weights,)))


def _default_corr_stem(in_channels: int, channels: int) -> SequenceSpec:
    return SequenceSpec(
        (
            conv_spec(3, in_channels, channels, 1, bias=True),
            BasicConvSpec(conv_spec(3, channels, channels, 3)),
            residual_spec(3, channels),
            residual_spec(3, channels),
        )
    )


def _default_classifier(channels: int) -> SequenceSpec:
    half = channels // 2
    return SequenceSpec(
        (
            BasicConvSpec(conv_spec(3, channels, half, 3)),
            residual_spec(3, half),
            conv_spec(3, half, 1, 7, bias=True),
        )
    )


def _default_hourglass(c: int, features: tuple[int, int, int], max_disparity: int) -> HourglassConfig:
    f8, f16, f32 = features

    def down(in_channels: int, out_channels: int) -> BlockSpec:
        strided = BasicConvSpec(conv_spec(3, in_channels, out_channels, 3, 2))
        return SequenceSpec((strided, reduced_conv_spec(out_channels, out_channels, 17)))

    def merge(channels: int) -> BlockSpec:
        reduced = reduced_conv_spec(channels, channels, 17)
        return SequenceSpec((BasicConvSpec(conv_spec(3, 2 * channels, channels, 1)), reduced, reduced))

    patch = conv_spec(3, c, c, 4, 4, 0, bias=True, groups=c)
    out = reduced_conv_spec(c, c, 17)
    return HourglassConfig(
        conv1=down(c, 2 * c),
        feature_att_8=feature_attention_spec(2 * c, f8),
        conv2=down(2 * c, 4 * c),
        feature_att_16=feature_attention_spec(4 * c, f16),
        conv3=down(4 * c, 6 * c),
        feature_att_32=feature_attention_spec(6 * c, f32),
        conv3_up=BasicConvSpec(deconv_spec(3, 6 * c, 4 * c)),
        agg_0=merge(4 * c),
        feature_att_up_16=feature_attention_spec(4 * c, f16),
        conv2_up=BasicConvSpec(deconv_spec(3, 4 * c, 2 * c)),
        agg_1=merge(2 * c),
        feature_att_up_8=feature_attention_spec(2 * c, f8),
        conv1_up=BasicConvSpec(deconv_spec(3, 2 * c, c)),
        conv_patch=SequenceSpec((patch, NormSpec("batch", 3, c))),
        atts_4=DisparityAttentionSpec(c, c, 4, (c,) * 4, max_disparity // 16),
        conv_out=SequenceSpec((out, out)),
    )
