"""Block specifications: every layer the network's slots may hold, as frozen data.

A specification says what a module is made of; ``ffstereo_ros.network.blocks.build_block`` turns it into the module.
The state-dict names follow from the specification alone and are those of the published checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

Dims: TypeAlias = Literal[2, 3]
NormName: TypeAlias = Literal["batch", "instance"]
ActivationName: TypeAlias = Literal["relu", "leaky_relu", "gelu", "sigmoid", "tanh", "identity"]


@dataclass(frozen=True)
class ConvSpec:
    """Plain (transposed) convolution, `nn.Conv2d/3d` or `nn.ConvTranspose2d/3d`; all tuples have ``dims`` entries."""

    kind: ClassVar[str] = "conv"
    dims: Dims
    in_channels: int
    out_channels: int
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    bias: bool = True
    transposed: bool = False
    output_padding: tuple[int, ...] = ()  # empty: zeros; only a transposed convolution may have another
    dilation: tuple[int, ...] = ()  # empty: ones
    groups: int = 1


@dataclass(frozen=True)
class BasicConvSpec:
    """`BasicConv` / `BasicConv_IN`: convolution (``conv``) -> norm (``bn`` or no key) -> LeakyReLU(0.01) or nothing."""

    kind: ClassVar[str] = "basic_conv"
    conv: ConvSpec
    norm: NormName | None = "batch"
    activation: bool = True


@dataclass(frozen=True)
class ReducedConvSpec:
    """`Conv3dNormActReduced`: (1, k, k) convolution, BN, ReLU, then (kd, 1, 1) convolution, BN, ReLU."""

    kind: ClassVar[str] = "reduced_conv"
    conv1: ConvSpec
    conv2: ConvSpec


@dataclass(frozen=True)
class ResidualSpec:
    """`ResnetBasicBlock` (2-D) / `ResnetBasicBlock3D`: conv1, norm, ReLU, conv2, norm, plus input, ReLU."""

    kind: ClassVar[str] = "residual"
    conv1: ConvSpec
    conv2: ConvSpec
    norm: NormName | None = "batch"


@dataclass(frozen=True)
class FeatureAttentionSpec:
    """`FeatureAtt`: volume * sigmoid(expand(reduce(left feature))), the same for all disparities."""

    kind: ClassVar[str] = "feature_attention"
    reduce: BasicConvSpec
    expand: ConvSpec


@dataclass(frozen=True)
class ConvNeXtSpec:
    """`EdgeNextConvEncoder`: depthwise conv, linear, GELU, linear, layer scale, plus input."""

    kind: ClassVar[str] = "convnext"
    dwconv: ConvSpec
    hidden: int


@dataclass(frozen=True)
class DisparityAttentionSpec:
    """`CostVolumeDisparityAttention`: positions, then one transformer layer per entry of ``feedforward``.

    ``embed_channels`` is the width of q, k and v (heads * head width); ``max_length`` the longest disparity axis.
    """

    kind: ClassVar[str] = "disparity_attention"
    channels: int
    embed_channels: int
    heads: int
    feedforward: tuple[int, ...]
    max_length: int


@dataclass(frozen=True)
class NormSpec:
    """A normalisation that stands alone in a sequence."""

    kind: ClassVar[str] = "norm"
    norm: NormName
    dims: Dims
    channels: int


@dataclass(frozen=True)
class ActivationSpec:
    """An activation that stands alone in a sequence; ``identity`` holds the place of a layer that does nothing here."""

    kind: ClassVar[str] = "activation"
    name: ActivationName


@dataclass(frozen=True)
class UpsampleSpec:
    """`nn.Upsample` by constant factors, one per axis."""

    kind: ClassVar[str] = "upsample"
    scale: tuple[float, ...]
    mode: Literal["nearest", "bilinear", "trilinear"]
    align_corners: bool | None = None


@dataclass(frozen=True)
class SequenceSpec:
    """Blocks in order: `nn.Sequential` (keys ``0.``, ``1.``) or, with ``helper``, `ForwardHelper` (keys ``layers.0.``).

    Every `FeatureAttentionSpec` inside receives the 2-D left feature of the slot.
    """

    kind: ClassVar[str] = "sequence"
    blocks: tuple[BlockSpec, ...]
    helper: bool = False


BlockSpec: TypeAlias = (
    ConvSpec
    | BasicConvSpec
    | ReducedConvSpec
    | ResidualSpec
    | FeatureAttentionSpec
    | ConvNeXtSpec
    | DisparityAttentionSpec
    | NormSpec
    | ActivationSpec
    | UpsampleSpec
    | SequenceSpec
)


@dataclass(frozen=True)
class SkipJoinSpec:
    """`Conv2x` / `Conv2x_IN`: conv1 on the lower map, joined with the skip map (concatenated or summed), then conv2."""

    kind: ClassVar[str] = "skip_join"
    conv1: BasicConvSpec
    conv2: BlockSpec
    concat: bool = True


@dataclass(frozen=True)
class PostJoinSpec:
    """`PostForwardHelper`: ``upsample`` on the lower volume, joined with the skip volume, then ``out`` in order."""

    kind: ClassVar[str] = "post_join"
    operation: Literal["sum", "concat"]
    upsample: tuple[BlockSpec, ...]
    out: tuple[BlockSpec, ...]


@dataclass(frozen=True)
class ConvBlockSpec:
    """EdgeNeXt `ConvBlock`: depthwise conv, LayerNorm, MLP with ``hidden`` channels, layer scale, plus input."""

    kind: ClassVar[str] = "conv_block"
    channels: int
    kernel: int
    hidden: int


@dataclass(frozen=True)
class SplitTransposeSpec:
    """EdgeNeXt `SplitTransposeBlock` (SDTA): ``convs`` cascaded 3x3 depthwise convs of ``width`` channels on chunks
    of the input, cross-covariance attention of ``heads``, MLP; ``position_channels``: Fourier width per axis or None.
    """

    kind: ClassVar[str] = "split_transpose"
    channels: int
    width: int
    convs: int
    heads: int
    hidden: int
    position_channels: int | None = None


EncoderBlockSpec: TypeAlias = ConvBlockSpec | SplitTransposeSpec


def conv_spec(
    dims: Dims,
    in_channels: int,
    out_channels: int,
    kernel: int | tuple[int, ...],
    stride: int = 1,
    padding: int | None = None,
    *,
    bias: bool = False,
    transposed: bool = False,
    output_padding: int = 0,
    groups: int = 1,
) -> ConvSpec:
    """`ConvSpec` from plain numbers; ``padding`` defaults to kernel // 2 per axis (1 for a transposed conv)."""
    sizes = (kernel,) * dims if isinstance(kernel, int) else kernel
    if padding is not None:
        pads = (padding,) * dims
    else:
        pads = (1,) * dims if transposed else tuple(size // 2 for size in sizes)
    out_pads = (output_padding,) * dims if transposed and output_padding else ()
    return ConvSpec(
        dims, in_channels, out_channels, sizes, (stride,) * dims, pads, bias, transposed, out_pads, (), groups
    )


def reduced_conv_spec(
    in_channels: int, out_channels: int, disparity_kernel: int, hidden: int | None = None, kernel: int = 3
) -> ReducedConvSpec:
    """`ReducedConvSpec` from widths; the hidden width is the output's unless given."""
    hidden = out_channels if hidden is None else hidden
    conv1 = conv_spec(3, in_channels, hidden, (1, kernel, kernel), bias=True)
    return ReducedConvSpec(conv1, conv_spec(3, hidden, out_channels, (disparity_kernel, 1, 1), bias=True))


def residual_spec(
    dims: Dims, channels: int, norm: NormName | None = "batch", hidden: int | None = None
) -> ResidualSpec:
    """`ResidualSpec` with 3x3(x3) kernels."""
    hidden = channels if hidden is None else hidden
    return ResidualSpec(conv_spec(dims, channels, hidden, 3), conv_spec(dims, hidden, channels, 3), norm)


def feature_attention_spec(
    volume_channels: int, feature_channels: int, hidden: int | None = None
) -> FeatureAttentionSpec:
    """`FeatureAttentionSpec`; the hidden width is half of the feature's unless given."""
    hidden = feature_channels // 2 if hidden is None else hidden
    reduce = BasicConvSpec(conv_spec(2, feature_channels, hidden, 1))
    return FeatureAttentionSpec(reduce, conv_spec(2, hidden, volume_channels, 1, bias=True))


def convnext_spec(channels: int, hidden: int | None = None, kernel: int = 7) -> ConvNeXtSpec:
    """`ConvNeXtSpec`; the hidden width is four times the channels unless given."""
    hidden = 4 * channels if hidden is None else hidden
    return ConvNeXtSpec(conv_spec(2, channels, channels, kernel, bias=True, groups=channels), hidden)
