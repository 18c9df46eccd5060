"""Records of compound blocks, and of the slots that hold them, to their specifications."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast

from ffstereo_ros.network.checkpoint.derive_layers import (
    ACTIVATIONS,
    BATCH_NORMS,
    CONVOLUTIONS,
    INSTANCE_NORMS,
    MAX_STEP,
    NO_OPERATION,
    activation,
    basic_conv,
    check_eps,
    check_gelu,
    conv,
    is_name,
    norm_name,
    numbered,
    parameter,
    refuse,
    required,
)
from ffstereo_ros.network.checkpoint.records import Record, TensorRecord, printable
from ffstereo_ros.network.specs import (
    ActivationSpec,
    BasicConvSpec,
    BlockSpec,
    ConvNeXtSpec,
    ConvSpec,
    Dims,
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


def _reduced(record: Record, where: str, dims: Dims) -> ReducedConvSpec:
    """`Conv3dNormActReduced`: two times convolution, batch norm, ReLU."""
    convs = []
    for name in ("conv1", "conv2"):
        part = required(record, name, where)
        first, norm, last = (part.child(str(i)) for i in range(3))
        if first is None or norm_name(norm, f"{where}.{name}.1") != "batch" or not is_name(last, "ReLU"):
            refuse(f"{where}.{name}", "is not convolution, batch norm, ReLU")
        convs.append(conv(first, f"{where}.{name}.0"))
    return ReducedConvSpec(*convs)


def _residual(record: Record, where: str, dims: Dims) -> ResidualSpec:
    """`ResnetBasicBlock` and `ResnetBasicBlock3D`."""
    if record.child("downsample") is not None:
        refuse(f"{where}.downsample", "is present, expected none")
    norms = [norm_name(record.child(name), f"{where}.{name}") for name in ("bn1", "bn2")]
    if norms[0] != norms[1]:
        refuse(where, "has two different normalisations")
    first, second = (conv(required(record, name, where), f"{where}.{name}") for name in ("conv1", "conv2"))
    return ResidualSpec(first, second, norms[0])


def _feature_attention(record: Record, where: str, dims: Dims) -> FeatureAttentionSpec:
    """`FeatureAtt`."""
    members = sequence(required(record, "feat_att", where), f"{where}.feat_att", 2)
    if len(members) != 2 or not isinstance(members[0], BasicConvSpec) or not isinstance(members[1], ConvSpec):
        refuse(f"{where}.feat_att", "is not BasicConv, convolution")
    return FeatureAttentionSpec(members[0], members[1])


def _convnext(record: Record, where: str, dims: Dims) -> ConvNeXtSpec:
    """`EdgeNextConvEncoder`."""
    if not is_name(record.child("norm"), "Identity") and record.child("norm") is not None:
        refuse(f"{where}.norm", "is present, expected Identity")
    check_gelu(record.child("act"), f"{where}.act")
    parameter(record, "gamma", where, 1)
    hidden = parameter(required(record, "pwconv1", where), "weight", f"{where}.pwconv1", 2)[0]
    return ConvNeXtSpec(conv(required(record, "dwconv", where), f"{where}.dwconv"), hidden)


def _disparity_attention(record: Record, where: str, dims: Dims) -> DisparityAttentionSpec:
    """`CostVolumeDisparityAttention`; the length of its positional table comes from the table itself."""
    layers = numbered(required(record, "sa", where), f"{where}.sa")
    widths = [_transformer_layer(layer, f"{where}.sa.{i}") for i, layer in enumerate(layers)]
    if not widths or len({width[:3] for width in widths}) != 1:
        refuse(f"{where}.sa", "has no layers, or layers of different heads or widths")
    channels, embedding, heads, _ = widths[0]
    table = required(record, "pos_embed0", where).attribute("pe")
    if not isinstance(table, TensorRecord) or len(table.shape) != 3 or table.shape[2] != channels:
        refuse(f"{where}.pos_embed0.pe", f"is not a table of shape [1, length, {channels}]")
    return DisparityAttentionSpec(channels, embedding, heads, tuple(width[3] for width in widths), table.shape[1])


def _transformer_layer(record: Record | None, where: str) -> tuple[int, int, int, int]:
    """(channels, width of q k v, heads, feed-forward width) of one `FlashAttentionTransformerEncoderLayer`."""
    if record is None:
        refuse(where, "is empty")
    attention = required(record, "self_attn", where)
    embedding, channels = parameter(required(attention, "q_proj", where), "weight", f"{where}.self_attn.q_proj", 2)
    heads = attention.attribute("num_heads")
    if not isinstance(heads, int) or heads < 1 or embedding % heads:
        refuse(f"{where}.self_attn", f"has {printable(heads, 20)} heads for a width of {embedding}")
    if attention.attribute("head_dim", embedding // heads) != embedding // heads:
        refuse(f"{where}.self_attn", f"has head width {printable(attention.attribute('head_dim'), 20)}")
    for name in ("norm1", "norm2"):
        check_eps(required(record, name, where), f"{where}.{name}", 1e-5)
    if record.child("act") is not None:
        check_gelu(record.child("act"), f"{where}.act")
    feedforward = parameter(required(record, "linear1", where), "weight", f"{where}.linear1", 2)[0]
    return channels, embedding, heads, feedforward


def _upsample(record: Record, where: str, dims: Dims) -> UpsampleSpec:
    """`nn.Upsample` by a factor."""
    mode = record.attribute("mode", "nearest")
    axes = {"bilinear": 2, "trilinear": 3, "nearest": dims}.get(mode) if isinstance(mode, str) else None
    factor = record.attribute("scale_factor")
    factors = factor if isinstance(factor, tuple) else (factor,) * (axes or 0)
    if axes is None or record.attribute("size") is not None or len(factors) != axes:
        refuse(where, f"upsamples by {printable(factor, 20)} with mode {printable(mode, 20)}")
    if not all(isinstance(f, int | float) and 1 <= f <= MAX_STEP for f in factors):
        refuse(where, f"upsamples by {printable(factor, 20)}, expected 1 to {MAX_STEP}")
    corners = record.attribute("align_corners")
    kind = cast("Literal['nearest', 'bilinear', 'trilinear']", mode)
    return UpsampleSpec(tuple(float(f) for f in factors), kind, None if mode == "nearest" else bool(corners))


def sequence(record: Record | None, where: str, dims: Dims) -> tuple[BlockSpec, ...]:
    """The blocks of a Sequential or ModuleList; places without a module become `identity` and keep their number."""
    if record is None or record.name in NO_OPERATION:
        return ()
    return tuple(
        ActivationSpec("identity") if member is None else block(member, f"{where}.{i}", dims)
        for i, member in enumerate(numbered(record, where))
    )


_READERS: dict[str, Callable[[Record, str, Dims], BlockSpec]] = {
    "BasicConv": lambda record, where, dims: basic_conv(record, where),
    "BasicConv_IN": lambda record, where, dims: basic_conv(record, where),
    "Conv3dNormActReduced": _reduced,
    "ResnetBasicBlock": _residual,
    "ResnetBasicBlock3D": _residual,
    "FeatureAtt": _feature_attention,
    "EdgeNextConvEncoder": _convnext,
    "CostVolumeDisparityAttention": _disparity_attention,
    "Upsample": _upsample,
    "Sequential": lambda record, where, dims: SequenceSpec(sequence(record, where, dims)),
    "ForwardHelper": lambda record, where, dims: SequenceSpec(
        sequence(record.child("layers"), f"{where}.layers", dims), helper=True
    ),
    **dict.fromkeys(CONVOLUTIONS, lambda record, where, dims: conv(record, where)),
    **dict.fromkeys(ACTIVATIONS, lambda record, where, dims: activation(record, where)),
    **dict.fromkeys(NO_OPERATION, lambda record, where, dims: ActivationSpec("identity")),
}


def block(record: Record, where: str, dims: Dims) -> BlockSpec:
    """Any block a slot may hold; `dims` is the number of spatial axes there (it decides for layers that do not say).

    Raises WeightsError naming the place for a class or an attribute no block of the network has.
    """
    if record.name in (*BATCH_NORMS, *INSTANCE_NORMS):
        norm = norm_name(record, where)
        channels = record.attribute("num_features")
        if norm == "batch":
            channels = parameter(record, "weight", where, 1)[0]
        if norm is None or not isinstance(channels, int):
            refuse(where, "is a normalisation without channels")
        return NormSpec(norm, dims, channels)
    if record.name not in _READERS:
        refuse(where, f"is {printable(record.path)}, which no block of this network is")
    return _READERS[record.name](record, where, dims)


def slot(record: Record | None, where: str, dims: Dims) -> BlockSpec | None:
    """The content of a slot; None where it is empty or does nothing."""
    if record is None or record.name in NO_OPERATION:
        return None
    spec = block(record, where, dims)
    return None if isinstance(spec, SequenceSpec) and not spec.blocks else spec


def skip_join(record: Record, where: str, dims: Dims) -> SkipJoinSpec:
    """`Conv2x` and `Conv2x_IN`."""
    if record.name not in ("Conv2x", "Conv2x_IN"):
        refuse(where, f"is {printable(record.name)}, expected Conv2x")
    return SkipJoinSpec(
        basic_conv(required(record, "conv1", where), f"{where}.conv1"),
        block(required(record, "conv2", where), f"{where}.conv2", dims),
        bool(record.attribute("concat", True)),
    )


def post_join(record: Record | None, where: str) -> PostJoinSpec | None:
    """`PostForwardHelper`, or None where the slot is empty."""
    if record is None:
        return None
    operation = record.attribute("op")
    if record.name != "PostForwardHelper" or operation not in ("sum", "concat"):
        refuse(where, f"is {printable(record.name)} joining by {printable(operation, 20)}, expected sum or concat")
    return PostJoinSpec(
        operation,
        sequence(record.child("upsample"), f"{where}.upsample", 3),
        sequence(record.child("out"), f"{where}.out", 3),
    )
