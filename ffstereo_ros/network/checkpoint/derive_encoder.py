"""Records of the feature network (timm's EdgeNeXt and the authors' decoder) to `FeatureConfig`."""

from __future__ import annotations

import math

from ffstereo_ros.network.checkpoint.derive_blocks import skip_join
from ffstereo_ros.network.checkpoint.derive_layers import (
    NO_OPERATION,
    check_eps,
    check_gelu,
    conv,
    numbered,
    parameter,
    refuse,
    required,
)
from ffstereo_ros.network.checkpoint.records import Record, printable
from ffstereo_ros.network.config import EncoderStageConfig, FeatureConfig
from ffstereo_ros.network.specs import ConvBlockSpec, ConvSpec, EncoderBlockSpec, SkipJoinSpec, SplitTransposeSpec

_EPS = 1e-6  # of every LayerNorm of timm's EdgeNeXt
_LAYER_NORMS = ("LayerNorm", "LayerNorm2d", "LayerNormFp32", "LayerNorm2dFp32")


def feature_config(record: Record, where: str) -> FeatureConfig:
    """The feature network: stem, four EdgeNeXt stages, decoder, optional 1x1 convolutions on the way out."""
    if record.child("model") is not None:
        refuse(f"{where}.model", "holds a whole timm backbone, only an EdgeNeXt stem and stages are read")
    stem = numbered(required(record, "stem", where), f"{where}.stem")
    stages = numbered(required(record, "stages", where), f"{where}.stages")
    if len(stem) != 2 or stem[0] is None or len(stages) != 4:
        refuse(where, f"has a stem of {len(stem)} layers and {len(stages)} stages, expected 2 and 4")
    _check_layer_norm(stem[1], f"{where}.stem.1")
    return FeatureConfig(
        stem=conv(stem[0], f"{where}.stem.0"),
        stages=tuple(_stage(stage, f"{where}.stages.{i}") for i, stage in enumerate(stages)),
        deconv32_16=_join(record, "deconv32_16", where),
        deconv16_8=_join(record, "deconv16_8", where),
        deconv8_4=_join(record, "deconv8_4", where),
        conv4=_optional_conv(record, "conv4", where),
        conv8=_optional_conv(record, "conv8", where),
        conv16=_optional_conv(record, "conv16", where),
        conv32=_optional_conv(record, "conv32", where),
    )


def _join(record: Record, name: str, where: str) -> SkipJoinSpec:
    return skip_join(required(record, name, where), f"{where}.{name}", 2)


def _optional_conv(record: Record, name: str, where: str) -> ConvSpec | None:
    child = record.child(name)
    return None if child is None or child.name in NO_OPERATION else conv(child, f"{where}.{name}")


def _check_layer_norm(record: Record | None, where: str) -> None:
    if record is None or record.name not in _LAYER_NORMS:
        refuse(where, f"is {printable(record.name) if record else 'missing'}, expected a layer norm")
    check_eps(record, where, _EPS)


def _stage(record: Record | None, where: str) -> EncoderStageConfig:
    """`EdgeNeXtStage`: a downsampling (none in the first stage) and blocks."""
    if record is None or record.name != "EdgeNeXtStage":
        refuse(where, f"is {printable(record.name) if record else 'missing'}, expected EdgeNeXtStage")
    downsample = record.child("downsample")
    spec = None
    if downsample is not None and downsample.name not in NO_OPERATION:
        norm, convolution = (downsample.child(str(i)) for i in range(2))
        _check_layer_norm(norm, f"{where}.downsample.0")
        if convolution is None:
            refuse(f"{where}.downsample.1", "is missing")
        spec = conv(convolution, f"{where}.downsample.1")
    members = numbered(required(record, "blocks", where), f"{where}.blocks")
    return EncoderStageConfig(spec, tuple(_block(m, f"{where}.blocks.{i}") for i, m in enumerate(members)))


def _block(record: Record | None, where: str) -> EncoderBlockSpec:
    if record is None or record.name not in ("ConvBlock", "SplitTransposeBlock"):
        refuse(where, f"is {printable(record.name) if record else 'missing'}, expected an EdgeNeXt block")
    channels = parameter(record, "gamma", where, 1)[0]
    _check_layer_norm(record.child("norm"), f"{where}.norm")
    mlp = required(record, "mlp", where)
    check_gelu(mlp.child("act"), f"{where}.mlp.act")
    hidden, inputs = parameter(required(mlp, "fc1", where), "weight", f"{where}.mlp.fc1", 2)
    if inputs != channels:
        refuse(f"{where}.mlp.fc1", f"takes {inputs} channels, expected {channels}")
    if record.name == "ConvBlock":
        return _conv_block(record, where, channels, hidden)
    return _split_transpose(record, where, channels, hidden)


def _depthwise(record: Record, where: str, channels: int) -> int:
    """The kernel of a depthwise convolution that keeps the size."""
    spec = conv(record, where)
    size = spec.kernel[0]
    expected = ConvSpec(2, channels, channels, (size, size), (1, 1), (size // 2,) * 2, groups=channels)
    if spec != expected or size % 2 == 0:
        refuse(where, f"is not a depthwise convolution of {channels} channels that keeps the size")
    return size


def _conv_block(record: Record, where: str, channels: int, hidden: int) -> ConvBlockSpec:
    if record.attribute("shortcut_after_dw", False):
        refuse(f"{where}.shortcut_after_dw", "is true, expected false")
    kernel = _depthwise(required(record, "conv_dw", where), f"{where}.conv_dw", channels)
    return ConvBlockSpec(channels, kernel, hidden)


def _split_transpose(record: Record, where: str, channels: int, hidden: int) -> SplitTransposeSpec:
    convs = numbered(required(record, "convs", where), f"{where}.convs")
    if not convs or any(c is None for c in convs):
        refuse(f"{where}.convs", "is empty or has gaps")
    width = -(-channels // (len(convs) + 1))  # of the first chunks; the last may be narrower
    for i, member in enumerate(convs):
        if member is not None and _depthwise(member, f"{where}.convs.{i}", width) != 3:
            refuse(f"{where}.convs.{i}", "is not a 3x3 convolution")
    attention = required(record, "xca", where)
    _check_layer_norm(record.child("norm_xca"), f"{where}.norm_xca")
    parameter(record, "gamma_xca", where, 1)
    heads = parameter(attention, "temperature", f"{where}.xca", 3)[0]
    if heads != attention.attribute("num_heads", heads) or channels % heads:
        refuse(f"{where}.xca", f"has {heads} temperatures for {channels} channels")
    position = _position(record.child("pos_embd"), f"{where}.pos_embd")
    return SplitTransposeSpec(channels, width, len(convs), heads, hidden, position)


def _position(record: Record | None, where: str) -> int | None:
    """Width of the Fourier position of each axis; None where there is none."""
    if record is None or record.name in NO_OPERATION:
        return None
    weight = parameter(required(record, "token_projection", where), "weight", f"{where}.token_projection", 4)
    scale, temperature = record.attribute("scale", math.tau), record.attribute("temperature", 10000)
    numbers = isinstance(scale, int | float) and isinstance(temperature, int | float)
    known = numbers and math.tau - 1e-6 <= scale <= math.tau + 1e-6 and temperature == 10000  # compared: no overflow
    if weight[1] % 2 or not known:
        refuse(where, f"has scale {printable(scale, 40)} and temperature {printable(temperature, 40)}")
    return weight[1] // 2
