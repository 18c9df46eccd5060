"""Follows one pair of images through a `NetworkConfig` and refuses what does not fit, before any module is built."""

from __future__ import annotations

from ffstereo_ros.network.block_shapes import (
    Shape,
    block_shape,
    conv_shape,
    expect,
    post_join_shape,
    skip_join_shape,
)
from ffstereo_ros.network.config import (
    REPLACED_SLOTS,
    ContextConfig,
    EncoderStageConfig,
    FeatureConfig,
    HourglassConfig,
    NetworkConfig,
    SelectiveGRUConfig,
    UpdateConfig,
)
from ffstereo_ros.network.specs import ConvBlockSpec, ConvSpec, EncoderBlockSpec

# Any multiples of 32 do, a different one per axis so that a swap shows; the volume has max_disparity / 4 = 16 entries.
_HEIGHT, _WIDTH, _DISPARITIES = 64, 96, 16


def check_config(config: NetworkConfig) -> None:
    """Raise `ParameterError` naming the slot where widths, sizes or settings of a config do not fit together."""
    limit = config.max_disparity
    expect(limit > 0 and limit % 32 == 0, "max_disparity", f"is {limit} px: must be a positive multiple of 32")
    lookup = config.lookup
    expect(lookup.levels > 0 and lookup.radius > 0, "lookup", "needs at least one level and a radius of 1")
    radius = config.start_radius
    expect(
        radius is None or radius > 0, "start_radius", f"is {radius} bins: must be at least 1, or nothing for all bins"
    )
    surface = config.surface_radius
    expect(surface is None or surface > 0, "surface_radius", f"is {surface} px: must be above 0, or nothing")
    image = Shape(3, (_HEIGHT, _WIDTH))
    x4, x8, x16, x32 = _feature_shapes(config.feature, image)
    volume = _volume_shape(config, x4)
    volume = block_shape(config.corr_stem, volume, None, "corr_stem")
    volume = block_shape(config.corr_feature_att, volume, x4, "corr_feature_att")
    volume = _hourglass_shape(config.cost_agg, volume, x8, x16, x32)
    logits = block_shape(config.classifier, volume, x4, "classifier")
    expect(logits == Shape(1, volume.sizes), "classifier", f"gives {logits} for a volume of {volume}")
    hidden, context = _context_shapes(config.context, x4)
    samples = lookup.levels * (volume.channels + 1) * (2 * lookup.radius + 1)
    mask = _update_shape(config.update_block, Shape(samples, x4.sizes), hidden, context)
    stem = block_shape(config.stem_2, image, None, "stem_2")
    half = skip_join_shape(config.upsampling.spx_2_gru, mask, stem, "spx_2_gru")
    weights = block_shape(config.upsampling.spx_gru, half, None, "spx_gru")
    expect(weights == Shape(9, image.sizes), "spx_gru", f"gives {weights} for images of {image}: 9 weights per pixel")


def _feature_shapes(config: FeatureConfig, image: Shape) -> tuple[Shape, Shape, Shape, Shape]:
    expect(len(config.stages) == 4, "feature.stages", f"has {len(config.stages)} stages, 4 are needed")
    shape = conv_shape(config.stem, image, None, "feature.stem.0")
    scales = []
    for index, stage in enumerate(config.stages):
        shape = _stage_shape(stage, shape, f"feature.stages.{index}")
        scale = 4 * 2**index
        expect(shape.sizes == _at(scale), f"feature.stages.{index}", f"is not at 1/{scale} of the image but {shape}")
        scales.append(shape)
    x16 = skip_join_shape(config.deconv32_16, scales[3], scales[2], "feature.deconv32_16")
    x8 = skip_join_shape(config.deconv16_8, x16, scales[1], "feature.deconv16_8")
    x4 = skip_join_shape(config.deconv8_4, x8, scales[0], "feature.deconv8_4")
    return (
        _optional(config.conv4, x4, "feature.conv4"),
        _optional(config.conv8, x8, "feature.conv8"),
        _optional(config.conv16, x16, "feature.conv16"),
        _optional(config.conv32, scales[3], "feature.conv32"),
    )


def _optional(spec: ConvSpec | None, shape: Shape, where: str) -> Shape:
    out = block_shape(spec, shape, None, where)
    expect(out.sizes == shape.sizes, where, f"changes {shape} to {out}")
    return out


def _stage_shape(stage: EncoderStageConfig, shape: Shape, where: str) -> Shape:
    if stage.downsample is not None:
        shape = conv_shape(stage.downsample, shape, None, f"{where}.downsample.1")
    for index, block in enumerate(stage.blocks):
        _check_encoder_block(block, shape.channels, f"{where}.blocks.{index}")
    return shape


def _check_encoder_block(block: EncoderBlockSpec, channels: int, where: str) -> None:
    expect(block.channels == channels, where, f"takes {block.channels} channels, gets {channels}")
    if isinstance(block, ConvBlockSpec):
        expect(block.kernel % 2 == 1, where, f"has kernel {block.kernel}: must be odd")
        return
    expect(block.heads > 0 and channels % block.heads == 0, where, f"has {block.heads} heads for {channels} channels")
    chunk = -(-channels // (block.convs + 1))
    fits = block.convs > 0 and block.width == chunk and chunk * block.convs < channels
    expect(fits, where, f"splits {channels} channels into {block.convs} chunks of {block.width} and a rest")


def _volume_shape(config: NetworkConfig, x4: Shape) -> Shape:
    groups = config.volume.groups
    expect(groups > 0 and x4.channels % groups == 0, "volume.groups", f"is {groups} for {x4.channels} channels")
    projected = _optional(config.volume.proj_cmb, x4, "proj_cmb")
    return Shape(groups + 2 * projected.channels, (_DISPARITIES, *x4.sizes))


def _hourglass_shape(config: HourglassConfig, volume: Shape, x8: Shape, x16: Shape, x32: Shape) -> Shape:
    where = "cost_agg"
    _check_replaced(config)
    conv1 = block_shape(config.conv1, volume, None, f"{where}.conv1")
    conv1 = block_shape(config.feature_att_8, conv1, x8, f"{where}.feature_att_8")
    conv2 = block_shape(config.conv2, conv1, None, f"{where}.conv2")
    conv2 = block_shape(config.feature_att_16, conv2, x16, f"{where}.feature_att_16")
    conv3 = block_shape(config.conv3, conv2, None, f"{where}.conv3")
    conv3 = block_shape(config.feature_att_32, conv3, x32, f"{where}.feature_att_32")
    if config.post32_to_16 is not None:
        conv2 = post_join_shape(config.post32_to_16, conv2, conv3, x16, f"{where}.post32_to_16")
    else:
        up = block_shape(config.conv3_up, conv3, None, f"{where}.conv3_up")
        conv2 = _stack(up, conv2, f"{where}.conv3_up")
        conv2 = block_shape(config.agg_0, conv2, None, f"{where}.agg_0")
        conv2 = block_shape(config.feature_att_up_16, conv2, x16, f"{where}.feature_att_up_16")
    if config.post16_to_8 is not None:
        conv1 = post_join_shape(config.post16_to_8, conv1, conv2, x8, f"{where}.post16_to_8")
    else:
        up = block_shape(config.conv2_up, conv2, None, f"{where}.conv2_up")
        conv1 = _stack(up, conv1, f"{where}.conv2_up")
        conv1 = block_shape(config.agg_1, conv1, None, f"{where}.agg_1")
        conv1 = block_shape(config.feature_att_up_8, conv1, x8, f"{where}.feature_att_up_8")
    return _top_shape(config, volume, block_shape(config.conv1_up, conv1, None, f"{where}.conv1_up"))


def _check_replaced(config: HourglassConfig) -> None:
    """A block that is never run would be trained and stored for nothing."""
    for post, slots in REPLACED_SLOTS.items():
        filled = [slot for slot in slots if getattr(config, slot) is not None]
        replaced = getattr(config, post) is not None
        expect(not (replaced and filled), f"cost_agg.{post}", f"takes the place of {', '.join(filled)}: empty those")


def _top_shape(config: HourglassConfig, volume: Shape, up: Shape) -> Shape:
    if config.post8_to_4 is not None:
        out = post_join_shape(config.post8_to_4, volume, up, None, "cost_agg.post8_to_4")
    else:
        side = block_shape(config.conv_patch, volume, None, "cost_agg.conv_patch")
        side = block_shape(config.atts_4, side, None, "cost_agg.atts.4")
        side = Shape(side.channels, tuple(4 * n for n in side.sizes))
        expect(side == up, "cost_agg.conv_patch", f"adds {side} (enlarged x4) to {up}")
        out = block_shape(config.conv_out, up, None, "cost_agg.conv_out")
    expect(out.sizes == volume.sizes, "cost_agg", f"gives {out} for a volume of {volume}")
    return out


def _stack(up: Shape, skip: Shape, where: str) -> Shape:
    expect(up.sizes == skip.sizes, where, f"joins {up} with {skip}")
    return Shape(up.channels + skip.channels, up.sizes)


def _context_shapes(config: ContextConfig, x4: Shape) -> tuple[Shape, Shape]:
    hidden = block_shape(config.hidden_head, x4, None, "cnet.conv04.0")
    context = block_shape(config.context_head, x4, None, "cnet.conv04.1")
    expect(hidden.sizes == context.sizes == x4.sizes, "cnet.conv04", f"gives {hidden} and {context}")
    pooled = Shape(context.channels, (1, 1))
    reduced = conv_shape(config.cam_reduce, pooled, None, "cam.fc.0")
    expect(conv_shape(config.cam_expand, reduced, None, "cam.fc.2") == pooled, "cam.fc.2", "must give the context back")
    attention = conv_shape(config.samconv, Shape(2, x4.sizes), None, "sam.samconv")
    expect(attention == Shape(1, x4.sizes), "sam.samconv", f"gives {attention} for {x4}")
    return hidden, context


def _update_shape(config: UpdateConfig, samples: Shape, hidden: Shape, context: Shape) -> Shape:
    """The shape of the mask feature; refuses an update block that does not fit its inputs."""
    where, sizes = "update_block.encoder", hidden.sizes
    encoder = config.encoder
    geometry = conv_shape(encoder.convc1, samples, None, f"{where}.convc1")
    geometry = conv_shape(encoder.convc2, geometry, None, f"{where}.convc2")
    motion = conv_shape(encoder.convd1, Shape(1, sizes), None, f"{where}.convd1")
    motion = conv_shape(encoder.convd2, motion, None, f"{where}.convd2")
    joined = conv_shape(encoder.conv, _stack(geometry, motion, where), None, f"{where}.conv")
    _check_gru(config.gru04, _stack(context, Shape(joined.channels + 1, joined.sizes), where), hidden)
    delta = block_shape(config.disp_head, hidden, None, "update_block.disp_head.conv")
    expect(delta == Shape(1, sizes), "update_block.disp_head", f"gives {delta}: one channel is needed")
    return block_shape(config.mask, hidden, None, "update_block.mask")


def _check_gru(config: SelectiveGRUConfig, entering: Shape, hidden: Shape) -> None:
    where = "update_block.gru04"
    x = conv_shape(config.conv0, entering, None, f"{where}.conv0.0")
    gates = conv_shape(config.conv1, _stack(x, hidden, f"{where}.conv0.0"), None, f"{where}.conv1.0")
    for name, gru in (("small_gru", config.small_gru), ("large_gru", config.large_gru)):
        mixed = _stack(hidden, x, where)
        for gate, conv, source in (
            ("convz", gru.convz, gates),
            ("convr", gru.convr, gates),
            ("convq", gru.convq, mixed),
        ):
            out = conv_shape(conv, source, None, f"{where}.{name}.{gate}")
            expect(out == hidden, f"{where}.{name}.{gate}", f"gives {out} for a hidden state of {hidden}")


def _at(scale: int) -> tuple[int, int]:
    return _HEIGHT // scale, _WIDTH // scale
