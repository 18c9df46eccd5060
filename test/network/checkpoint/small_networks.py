"""Small networks in arrangements that nobody published, for reading, storing and running."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ffstereo_ros.network.architectures import (
    deconv_spec,
    default_context,
    default_update,
    default_upsampling,
    edgenext_feature_config,
    half_resolution_stem,
)
from ffstereo_ros.network.config import (
    ContextConfig,
    ConvGRUConfig,
    HourglassConfig,
    LookupConfig,
    MotionEncoderConfig,
    NetworkConfig,
    SelectiveGRUConfig,
    UpdateConfig,
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
    UpsampleSpec,
    conv_spec,
    convnext_spec,
    feature_attention_spec,
    reduced_conv_spec,
    residual_spec,
)

C = 8  # channels of the volume at 1/4; 2C, 4C, 6C below
F4, F8, F16, F32 = 16, 32, 64, 32  # channels of the left features


def volume_conv(
    inner: int, outer: int, kernel: int | tuple[int, ...] = 3, stride: int = 1, **options: Any
) -> BlockSpec:
    """`BasicConv3d`."""
    return BasicConvSpec(conv_spec(3, inner, outer, kernel, stride, **options))


def down(inner: int, outer: int, kd: int = 5) -> BlockSpec:
    """The default step down."""
    return SequenceSpec((volume_conv(inner, outer, stride=2), reduced_conv_spec(outer, outer, kd)))


def up(inner: int, outer: int) -> BlockSpec:
    """The default step up."""
    return BasicConvSpec(deconv_spec(3, inner, outer))


def merge(channels: int, kd: int = 5) -> BlockSpec:
    """What follows a concatenation in the default hourglass."""
    return SequenceSpec((volume_conv(2 * channels, channels, 1), reduced_conv_spec(channels, channels, kd)))


def default_hourglass() -> HourglassConfig:
    """No post slot: every branch as built from the authors' configuration, with other kernels."""
    return HourglassConfig(
        conv1=down(C, 2 * C),
        feature_att_8=feature_attention_spec(2 * C, F8),
        conv2=down(2 * C, 4 * C, kd=9),
        feature_att_16=feature_attention_spec(4 * C, F16),
        conv3=down(4 * C, 6 * C, kd=3),
        feature_att_32=feature_attention_spec(6 * C, F32),
        conv1_up=up(2 * C, C),
        conv3_up=up(6 * C, 4 * C),
        agg_0=merge(4 * C),
        feature_att_up_16=feature_attention_spec(4 * C, F16),
        conv2_up=up(4 * C, 2 * C),
        agg_1=merge(2 * C),
        feature_att_up_8=feature_attention_spec(2 * C, F8),
        conv_patch=SequenceSpec((conv_spec(3, C, C, 4, 4, 0, bias=True, groups=C), NormSpec("batch", 3, C))),
        atts_4=DisparityAttentionSpec(C, C, 4, (C, 2 * C), 12),
        conv_out=SequenceSpec((reduced_conv_spec(C, C, 5),)),
    )


def pruned_update(lookup_channels: int) -> UpdateConfig:
    """Other widths and kernels wherever the search may change them: context 12, hidden 10."""
    encoder = MotionEncoderConfig(
        convc1=conv_spec(2, lookup_channels, 20, 1, bias=True),
        convc2=conv_spec(2, 20, 12, 3, bias=True),
        convd1=conv_spec(2, 1, 6, 7, bias=True),
        convd2=conv_spec(2, 6, 4, 3, bias=True),
        conv=conv_spec(2, 16, 9, 3, bias=True),
    )
    small, large = conv_spec(2, 30, 10, 1, bias=True), conv_spec(2, 30, 10, 3, bias=True)
    gru = SelectiveGRUConfig(
        conv0=conv_spec(2, 12 + 9 + 1, 14, 3, bias=True),
        conv1=conv_spec(2, 14 + 10, 30, 3, bias=True),
        small_gru=ConvGRUConfig(small, small, conv_spec(2, 24, 10, 1, bias=True)),
        large_gru=ConvGRUConfig(large, large, conv_spec(2, 24, 10, 5, bias=True)),
    )
    relu = ActivationSpec("relu")
    head = (conv_spec(2, 10, 6, 3, bias=True), relu, convnext_spec(6, 13), conv_spec(2, 6, 1, 3, bias=True))
    mask = (conv_spec(2, 10, 6, 3, bias=True), relu, conv_spec(2, 6, 8, 3, bias=True), relu)
    return UpdateConfig(encoder, gru, SequenceSpec(head), SequenceSpec(mask))


PRUNED_CONTEXT = ContextConfig(
    hidden_head=BasicConvSpec(conv_spec(2, F4, 10, 3)),
    context_head=BasicConvSpec(conv_spec(2, F4, 12, 3)),
    cam_reduce=conv_spec(2, 12, 5, 1),
    cam_expand=conv_spec(2, 5, 12, 1),
    samconv=conv_spec(2, 2, 1, 7),
)


def small_config(**changes: Any) -> NetworkConfig:
    """A narrow network of the default arrangement; `changes` replace its entries."""
    config = NetworkConfig(
        feature=edgenext_feature_config((8, 16, 32, 32), (1, 1, 2, 1), (3, 5, 7, 9), F4, heads=4, position_channels=4),
        stem_2=half_resolution_stem(4, 8),
        volume=VolumeConfig(4, conv_spec(2, F4, 2, 1, bias=True), True),
        corr_stem=SequenceSpec((conv_spec(3, 8, C, 1, bias=True), volume_conv(C, C), residual_spec(3, C))),
        corr_feature_att=feature_attention_spec(C, F4),
        cost_agg=default_hourglass(),
        classifier=SequenceSpec((volume_conv(C, 4), residual_spec(3, 4), conv_spec(3, 4, 1, 7, bias=True))),
        context=PRUNED_CONTEXT,
        update_block=pruned_update(2 * 9 * (C + 1)),
        upsampling=default_upsampling(8, 8),
        max_disparity=192,
    )
    return replace(config, **changes)


POST_32 = PostJoinSpec(
    "sum",
    (BasicConvSpec(conv_spec(3, 6 * C, 4 * C, 3, 2, 1, transposed=True, output_padding=1)),),
    (feature_attention_spec(4 * C, F16), volume_conv(4 * C, 4 * C), reduced_conv_spec(4 * C, 4 * C, 9)),
)
POST_32_WITHOUT_GATE = PostJoinSpec(
    "concat",
    (BasicConvSpec(deconv_spec(3, 6 * C, 5 * C)),),
    (volume_conv(9 * C, 4 * C), residual_spec(3, 4 * C, hidden=12)),
)
POST_16 = PostJoinSpec("sum", (up(4 * C, 2 * C),), (volume_conv(2 * C, 2 * C), feature_attention_spec(2 * C, F8)))
POST_16_CONCAT = PostJoinSpec("concat", (up(4 * C, 2 * C),), (merge(2 * C, kd=7),))
POST_8 = PostJoinSpec(
    "sum",
    (
        BasicConvSpec(conv_spec(3, C, C, 4, 4, 0), activation=False),
        DisparityAttentionSpec(C, C, 2, (24,), 12),
        UpsampleSpec((4.0, 4.0, 4.0), "trilinear", False),
    ),
    (volume_conv(C, C), residual_spec(3, C)),
)
POST_8_CONCAT = PostJoinSpec("concat", (ActivationSpec("identity"),), (volume_conv(2 * C, C, (1, 3, 3)),))


def with_posts(**posts: PostJoinSpec) -> HourglassConfig:
    """The default hourglass with post slots; what they replace is left out."""
    replaced = {
        "post32_to_16": ("conv3_up", "agg_0", "feature_att_up_16"),
        "post16_to_8": ("conv2_up", "agg_1", "feature_att_up_8"),
        "post8_to_4": ("conv_patch", "atts_4", "conv_out"),
    }
    empty = {name: None for post in posts for name in replaced[post]}
    return replace(default_hourglass(), **posts, **empty)  # type: ignore[arg-type]


def _searched() -> NetworkConfig:
    """Arranged as the released 23-36-37, narrower."""
    helper_8 = SequenceSpec(
        (volume_conv(C, C, stride=2), reduced_conv_spec(C, 2 * C, 17), feature_attention_spec(2 * C, F8)), helper=True
    )
    helper_16 = SequenceSpec(
        (volume_conv(2 * C, 4 * C, stride=2), reduced_conv_spec(4 * C, 2 * C, 13), reduced_conv_spec(2 * C, 4 * C, 3)),
        helper=True,
    )
    posts = with_posts(post32_to_16=POST_32, post16_to_8=POST_16, post8_to_4=POST_8)
    att = SequenceSpec((volume_conv(8, C), volume_conv(C, C), feature_attention_spec(C, F4)), helper=True)
    return small_config(
        corr_stem=None,
        corr_feature_att=att,
        cost_agg=replace(posts, conv1=None, conv2=None, feature_att_8=helper_8, feature_att_16=helper_16),
        classifier=SequenceSpec((conv_spec(3, C, 1, 3, bias=True),), helper=True),
    )


def _other_lookup() -> NetworkConfig:
    return small_config(lookup=LookupConfig(levels=3, radius=2), update_block=pruned_update(3 * 5 * (C + 1)))


def _dilated_classifier() -> NetworkConfig:
    odd = ConvSpec(3, C, 4, (3, 3, 3), (1, 1, 1), (2, 2, 2), bias=False, dilation=(2, 2, 2), groups=2)
    blocks = (BasicConvSpec(odd), ActivationSpec("identity"), conv_spec(3, 4, 1, 1, bias=True))
    return small_config(classifier=SequenceSpec(blocks))


ARRANGEMENTS = {
    "default": small_config(),
    "searched": _searched(),
    "default refinement": small_config(
        context=default_context(F4, 16, 16, reduction=4),
        update_block=default_update(2 * 9 * (C + 1), 16, 16, mask_channels=8),
    ),
    "other lookup": _other_lookup(),
    "no gates": small_config(
        corr_feature_att=None,
        cost_agg=replace(
            default_hourglass(), feature_att_8=None, feature_att_16=None, feature_att_32=None, feature_att_up_16=None
        ),
    ),
    "x16 not read": small_config(cost_agg=replace(with_posts(post32_to_16=POST_32_WITHOUT_GATE), feature_att_16=None)),
    "post 16 concat": small_config(cost_agg=with_posts(post16_to_8=POST_16_CONCAT)),
    "post 8 alone": small_config(cost_agg=with_posts(post8_to_4=POST_8_CONCAT)),
    "post 32 and 8": small_config(cost_agg=with_posts(post32_to_16=POST_32, post8_to_4=POST_8)),
    "dilated, grouped": _dilated_classifier(),
}
