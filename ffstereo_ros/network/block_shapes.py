"""What shape leaves a block, from its specification alone: finds mismatched widths before anything is built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.network.specs import (
    ActivationSpec,
    BasicConvSpec,
    BlockSpec,
    ConvNeXtSpec,
    ConvSpec,
    DisparityAttentionSpec,
    FeatureAttentionSpec,
    NormSpec,
    PostJoinSpec,
    ReducedConvSpec,
    ResidualSpec,
    SequenceSpec,
    SkipJoinSpec,
    UpsampleSpec,
)


class Shape(NamedTuple):
    """Channels and the sizes behind them: (H, W) of a map, (D, H, W) of a volume."""

    channels: int
    sizes: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.channels} x {' x '.join(map(str, self.sizes))}"


def expect(condition: bool, where: str, problem: str) -> None:
    """Raise `ParameterError` naming the place unless the condition holds."""
    if not condition:
        raise ParameterError(f"network config, {where}: {problem}")


def block_shape(spec: BlockSpec | None, shape: Shape, feature: Shape | None, where: str) -> Shape:
    """The shape that leaves a slot fed with ``shape``; ``feature`` is the left feature its gates may use.

    Raises `ParameterError` naming the place where widths or sizes do not fit.
    """
    return shape if spec is None else _SHAPES[type(spec)](spec, shape, feature, where)


def conv_shape(spec: ConvSpec, shape: Shape, _: Shape | None, where: str) -> Shape:
    """The shape that leaves a (transposed) convolution."""
    widths = f"takes {spec.in_channels} channels of {spec.dims} axes, gets {shape}"
    expect(spec.in_channels == shape.channels and spec.dims == len(shape.sizes), where, widths)
    spread = spec.dilation or (1,) * spec.dims
    extra = spec.output_padding or (0,) * spec.dims
    per_axis = (spec.kernel, spec.stride, spec.padding, spread, extra)
    expect(all(len(values) == spec.dims for values in per_axis), where, f"needs {spec.dims} numbers per setting")
    expect(min(*spec.kernel, *spec.stride, *spread, spec.groups) > 0, where, "has a kernel, stride or group below 1")
    divides = spec.in_channels % spec.groups == 0 and spec.out_channels % spec.groups == 0
    expect(divides, where, f"has {spec.groups} groups for {spec.in_channels} -> {spec.out_channels} channels")
    sizes = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + o + 1 if spec.transposed else (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d, o in zip(shape.sizes, *per_axis)
    )
    expect(min(sizes) > 0, where, f"leaves nothing of {shape}")
    return Shape(spec.out_channels, sizes)


def skip_join_shape(spec: SkipJoinSpec, lower: Shape, skip: Shape, where: str) -> Shape:
    """The shape that leaves a decoder step; its output has the skip map's size."""
    up = Shape(conv_shape(spec.conv1.conv, lower, None, f"{where}.conv1").channels, skip.sizes)
    joined = _join(spec.concat, up, skip, where)
    shape = block_shape(spec.conv2, joined, None, f"{where}.conv2")
    expect(shape.sizes == skip.sizes, where, f"gives {shape} beside a skip map of {skip}")
    return shape


def post_join_shape(spec: PostJoinSpec, skip: Shape, lower: Shape, feature: Shape | None, where: str) -> Shape:
    """The shape that leaves a searched branch."""
    up = _chain(spec.upsample, lower, None, f"{where}.upsample")
    return _chain(spec.out, _join(spec.operation == "concat", up, skip, where), feature, f"{where}.out")


def _join(concat: bool, up: Shape, skip: Shape, where: str) -> Shape:
    fits = up.sizes == skip.sizes and (concat or up.channels == skip.channels)
    expect(fits, where, f"joins {up} with {skip}")
    return Shape(up.channels + skip.channels if concat else up.channels, up.sizes)


def _chain(specs: tuple[BlockSpec, ...], shape: Shape, feature: Shape | None, where: str) -> Shape:
    for index, spec in enumerate(specs):
        shape = block_shape(spec, shape, feature, f"{where}.{index}")
    return shape


def _basic(spec: BasicConvSpec, shape: Shape, _: Shape | None, where: str) -> Shape:
    return conv_shape(spec.conv, shape, None, f"{where}.conv")


def _pair(spec: ReducedConvSpec | ResidualSpec, shape: Shape, _: Shape | None, where: str) -> Shape:
    middle = conv_shape(spec.conv1, shape, None, f"{where}.conv1")
    out = conv_shape(spec.conv2, middle, None, f"{where}.conv2")
    residual = isinstance(spec, ResidualSpec)
    expect(not residual or out == shape, where, f"adds {shape} to {out}")
    return out


def _gate(spec: FeatureAttentionSpec, shape: Shape, feature: Shape | None, where: str) -> Shape:
    expect(feature is not None and len(shape.sizes) == 3, where, "gates a volume, but no left feature comes here")
    assert feature is not None
    reduced = conv_shape(spec.reduce.conv, feature, None, f"{where}.feat_att.0")
    gate = conv_shape(spec.expand, reduced, None, f"{where}.feat_att.1")
    expect(gate == Shape(shape.channels, shape.sizes[1:]), where, f"gates {shape} with {gate}")
    return shape


def _convnext(spec: ConvNeXtSpec, shape: Shape, _: Shape | None, where: str) -> Shape:
    out = conv_shape(spec.dwconv, shape, None, f"{where}.dwconv")
    expect(out == shape and spec.hidden > 0, where, f"adds {shape} to {out}, hidden width {spec.hidden}")
    return out


def _attention(spec: DisparityAttentionSpec, shape: Shape, _: Shape | None, where: str) -> Shape:
    fits = len(shape.sizes) == 3 and spec.channels == shape.channels
    expect(fits, where, f"takes a volume of {spec.channels} channels, gets {shape}")
    splits = spec.heads > 0 and spec.embed_channels % spec.heads == 0
    expect(splits, where, f"splits {spec.embed_channels} channels into {spec.heads} heads")
    return shape


def _norm(spec: NormSpec, shape: Shape, _: Shape | None, where: str) -> Shape:
    fits = spec.channels == shape.channels and spec.dims == len(shape.sizes)
    expect(fits, where, f"normalises {spec.channels} channels of {spec.dims} axes, gets {shape}")
    return shape


def _same(_spec: ActivationSpec, shape: Shape, _: Shape | None, _where: str) -> Shape:
    return shape


def _upsample(spec: UpsampleSpec, shape: Shape, _: Shape | None, where: str) -> Shape:
    expect(len(spec.scale) == len(shape.sizes), where, f"has {len(spec.scale)} factors for {shape}")
    return Shape(shape.channels, tuple(int(n * factor) for n, factor in zip(shape.sizes, spec.scale)))


def _sequence(spec: SequenceSpec, shape: Shape, feature: Shape | None, where: str) -> Shape:
    return _chain(spec.blocks, shape, feature, f"{where}.layers" if spec.helper else where)


_SHAPES: dict[type, Callable[[Any, Shape, Shape | None, str], Shape]] = {
    ConvSpec: conv_shape,
    BasicConvSpec: _basic,
    ReducedConvSpec: _pair,
    ResidualSpec: _pair,
    FeatureAttentionSpec: _gate,
    ConvNeXtSpec: _convnext,
    DisparityAttentionSpec: _attention,
    NormSpec: _norm,
    ActivationSpec: _same,
    UpsampleSpec: _upsample,
    SequenceSpec: _sequence,
}
