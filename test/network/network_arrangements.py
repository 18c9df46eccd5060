"""Networks small enough to run in a moment, and other arrangements of their blocks."""

from __future__ import annotations

from dataclasses import replace

from ffstereo_ros.network.architectures import (
    conv_gru,
    deconv_spec,
    edgenext_feature_config,
    half_resolution_stem,
)
from ffstereo_ros.network.config import (
    REPLACED_SLOTS,
    ContextConfig,
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
    BlockSpec,
    ConvSpec,
    DisparityAttentionSpec,
    NormSpec,
    PostJoinSpec,
    SequenceSpec,
    SkipJoinSpec,
    UpsampleSpec,
    conv_spec,
    convnext_spec,
    feature_attention_spec,
    reduced_conv_spec,
    residual_spec,
)

RELU = ActivationSpec("relu")
X4, X8, X16, X32 = 16, 32, 48, 32  # feature channels


def basic3d(in_channels: int, out_channels: int, stride: int = 1, *, activation: bool = True) -> BasicConvSpec:
    return BasicConvSpec(conv_spec(3, in_channels, out_channels, 3, stride), activation=activation)


def up3d(in_channels: int, out_channels: int) -> BasicConvSpec:
    return BasicConvSpec(deconv_spec(3, in_channels, out_channels))


def helper(*blocks: BlockSpec) -> SequenceSpec:
    return SequenceSpec(blocks, helper=True)


def default_hourglass() -> HourglassConfig:
    """Every default slot filled, widths 6, 8, 12, 16."""

    def merge(channels: int) -> SequenceSpec:
        first = BasicConvSpec(conv_spec(3, 2 * channels, channels, 1))
        return SequenceSpec((first, reduced_conv_spec(channels, channels, 5)))

    patch = conv_spec(3, 6, 6, 4, 4, 0, bias=True, groups=6)
    return HourglassConfig(
        conv1=SequenceSpec((basic3d(6, 8, 2), reduced_conv_spec(8, 8, 3))),
        feature_att_8=feature_attention_spec(8, X8),
        conv2=SequenceSpec((basic3d(8, 12, 2), reduced_conv_spec(12, 12, 3))),
        feature_att_16=feature_attention_spec(12, X16),
        conv3=basic3d(12, 16, 2),
        feature_att_32=feature_attention_spec(16, X32),
        conv3_up=up3d(16, 12),
        agg_0=merge(12),
        feature_att_up_16=feature_attention_spec(12, X16),
        conv2_up=up3d(12, 8),
        agg_1=merge(8),
        feature_att_up_8=feature_attention_spec(8, X8),
        conv1_up=up3d(8, 6),
        conv_patch=SequenceSpec((patch, NormSpec("batch", 3, 6))),
        atts_4=DisparityAttentionSpec(6, 6, 2, (6, 6), 12),
        conv_out=SequenceSpec((reduced_conv_spec(6, 6, 17),)),
    )


def searched_hourglass() -> HourglassConfig:
    """All three post slots, helpers in the gates' slots, no default branch: the form of the released networks."""
    patch = BasicConvSpec(conv_spec(3, 6, 6, 4, 4, 0), activation=False)
    enlarge = UpsampleSpec((4.0, 4.0, 4.0), "trilinear", False)
    k3_up = BasicConvSpec(conv_spec(3, 16, 12, 3, 2, 1, transposed=True, output_padding=1))
    return HourglassConfig(
        conv1=None,
        feature_att_8=helper(basic3d(6, 6, 2), reduced_conv_spec(6, 8, 17, hidden=7), feature_attention_spec(8, X8)),
        conv2=None,
        feature_att_16=helper(basic3d(8, 12, 2), reduced_conv_spec(12, 10, 13), reduced_conv_spec(10, 12, 3)),
        conv3=SequenceSpec((basic3d(12, 16, 2), reduced_conv_spec(16, 16, 17))),
        feature_att_32=feature_attention_spec(16, X32),
        conv1_up=up3d(8, 6),
        post32_to_16=PostJoinSpec("sum", (k3_up,), (feature_attention_spec(12, X16), basic3d(12, 12))),
        post16_to_8=PostJoinSpec("sum", (up3d(12, 8),), (basic3d(8, 8), feature_attention_spec(8, X8))),
        post8_to_4=PostJoinSpec(
            "sum", (patch, DisparityAttentionSpec(6, 6, 3, (11,), 12), enlarge), (basic3d(6, 6), residual_spec(3, 6))
        ),
    )


def with_post(name: str, post: PostJoinSpec | None) -> HourglassConfig:
    """The default hourglass with one branch replaced."""
    return replace(default_hourglass(), **{name: post}, **dict.fromkeys(REPLACED_SLOTS[name]))


def small_config(
    cost_agg: HourglassConfig | None = None, *, hidden: int = 10, lookup: LookupConfig | None = None
) -> NetworkConfig:
    """A network of a few channels with all default blocks, at most 192 px of disparity."""
    lookup = lookup or LookupConfig()
    feature = edgenext_feature_config((8, 16, 24, X32), (1, 2, 2, 2), (3, 5, 7, 9), X4, heads=4, position_channels=8)
    return NetworkConfig(
        feature=feature,
        stem_2=half_resolution_stem(4, 6),
        volume=VolumeConfig(4, conv_spec(2, X4, 2, 1, bias=True), normalize=True),
        corr_stem=SequenceSpec((conv_spec(3, 8, 6, 1, bias=True), residual_spec(3, 6))),
        corr_feature_att=feature_attention_spec(6, X4),
        cost_agg=cost_agg or default_hourglass(),
        classifier=SequenceSpec((basic3d(6, 3), conv_spec(3, 3, 1, 7, bias=True))),
        context=_context(hidden),
        update_block=_update(hidden, lookup.levels * (6 + 1) * (2 * lookup.radius + 1)),
        upsampling=_upsampling(),
        lookup=lookup,
        max_disparity=192,
    )


def _context(hidden: int) -> ContextConfig:
    return ContextConfig(
        hidden_head=conv_spec(2, X4, hidden, 3, bias=True),
        context_head=BasicConvSpec(conv_spec(2, X4, 8, 3)),
        cam_reduce=conv_spec(2, 8, 2, 1),
        cam_expand=conv_spec(2, 2, 8, 1),
        samconv=conv_spec(2, 2, 1, 7),
    )


def _update(hidden: int, samples: int) -> UpdateConfig:
    def conv(in_channels: int, out_channels: int, kernel: int = 3) -> ConvSpec:
        return conv_spec(2, in_channels, out_channels, kernel, bias=True)

    encoder = MotionEncoderConfig(conv(samples, 12, 1), conv(12, 9), conv(1, 5, 7), conv(5, 4), conv(13, 7, 1))
    gru = SelectiveGRUConfig(
        conv(16, 11), conv(11 + hidden, 14), conv_gru(14, 11, hidden, 1), conv_gru(14, 11, hidden, 3)
    )
    head = SequenceSpec((conv(hidden, 8), RELU, convnext_spec(8, 13), conv(8, 1)))
    return UpdateConfig(encoder, gru, head, SequenceSpec((conv(hidden, 8), RELU, conv(8, 5), RELU)))


def _upsampling() -> UpsamplingConfig:
    join = SkipJoinSpec(
        BasicConvSpec(deconv_spec(2, 5, 4), norm=None), BasicConvSpec(conv_spec(2, 4 + 6, 7, 3), norm=None)
    )
    return UpsamplingConfig(join, SequenceSpec((conv_spec(2, 7, 9, 4, 2, 1, bias=True, transposed=True),)))


def arrangements() -> dict[str, NetworkConfig]:
    """Networks as the search may have left them: other slots, joins, kernels and widths than the golden two."""
    default, searched = default_hourglass(), searched_hourglass()
    base = small_config()
    concat_16 = PostJoinSpec("concat", (up3d(16, 9),), (basic3d(9 + 12, 12), feature_attention_spec(12, X16, hidden=5)))
    concat_4 = PostJoinSpec("concat", (basic3d(6, 3),), (basic3d(3 + 6, 6), reduced_conv_spec(6, 6, 7)))
    no_gates = replace(
        searched,
        feature_att_8=helper(basic3d(6, 8, 2)),
        feature_att_16=helper(basic3d(8, 12, 2)),
        feature_att_32=None,
        post32_to_16=PostJoinSpec("sum", (up3d(16, 12),), ()),
    )
    return {
        "default": base,
        "searched": small_config(searched, hidden=9),
        "only post32_to_16, concatenated": small_config(with_post("post32_to_16", concat_16)),
        "only post16_to_8": small_config(with_post("post16_to_8", searched.post16_to_8)),
        "only post8_to_4, concatenated": small_config(with_post("post8_to_4", concat_4)),
        "no gate on x16 and x32": small_config(no_gates),
        "no side attention, no conv_out": small_config(replace(default, atts_4=None, conv_out=None)),
        "helpers in corr_feature_att and classifier": replace(
            base,
            corr_stem=None,
            corr_feature_att=helper(basic3d(8, 7), basic3d(7, 6), feature_attention_spec(6, X4)),
            classifier=helper(conv_spec(3, 6, 1, 3, bias=True)),
        ),
        "no gate before the hourglass, raw correlation": replace(
            base, corr_feature_att=None, volume=replace(base.volume, normalize=False)
        ),
        "three levels, radius 2": small_config(lookup=LookupConfig(levels=3, radius=2)),
        "decoder sums, extra 1x1 convolutions": replace(
            base,
            feature=replace(
                base.feature,
                deconv8_4=SkipJoinSpec(BasicConvSpec(deconv_spec(2, 32, 8), "instance"), conv_spec(2, 8, 16, 3), False),
                conv8=conv_spec(2, X8, X8, 1),
                conv16=conv_spec(2, X16, X16, 1),
                conv32=conv_spec(2, X32, X32, 1),
            ),
        ),
    }
