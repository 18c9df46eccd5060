"""Records of single layers (convolutions, norms, activations) to their specifications, and the checks they share.

Channels, kernels and widths come from the weight shapes (pruning may leave stale attributes behind); strides, paddings,
joins and activations from the attributes. Whatever the network's blocks cannot express is refused with its place in the
file: a network that would compute something else is never built.
"""

from __future__ import annotations

from typing import Any, NoReturn

from ffstereo_ros.errors import WeightsError
from ffstereo_ros.network.checkpoint.records import Record, printable
from ffstereo_ros.network.specs import ActivationName, ActivationSpec, BasicConvSpec, ConvSpec, Dims, NormName

CONVOLUTIONS: dict[str, tuple[Dims, bool]] = {
    "Conv2d": (2, False),
    "Conv3d": (3, False),
    "ConvTranspose2d": (2, True),
    "ConvTranspose3d": (3, True),
}
BATCH_NORMS = ("BatchNorm2d", "BatchNorm3d", "SyncBatchNorm")
INSTANCE_NORMS = ("InstanceNorm2d", "InstanceNorm3d")
NO_OPERATION = ("Identity", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "DropPath")
ACTIVATIONS: dict[str, ActivationName] = {
    "ReLU": "relu",
    "LeakyReLU": "leaky_relu",
    "GELU": "gelu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
}
MAX_STEP = 64  # kernel, stride, padding, dilation of any layer; the largest seen is 17
MAX_SEQUENCE = 64


def refuse(where: str, what: str) -> NoReturn:
    """Raise the one-line error for something these networks do not have."""
    raise WeightsError(f"{printable(where)}: {what}; this is another architecture than Fast-FoundationStereo")


def required(record: Record, name: str, where: str) -> Record:
    """The sub-module `name`, which must be there."""
    child = record.child(name)
    if child is None:
        refuse(f"{where}.{name}".lstrip("."), f"is missing from {printable(record.name)}")
    return child


def parameter(record: Record, name: str, where: str, dims: int) -> tuple[int, ...]:
    """The shape of one of the record's own tensors, which must have `dims` axes."""
    tensor = record.own_tensors().get(name)
    if tensor is None:
        refuse(f"{where}.{name}", f"tensor is missing from {printable(record.name)}")
    if len(tensor.shape) != dims or 0 in tensor.shape:
        refuse(f"{where}.{name}", f"has shape {list(tensor.shape)}, expected {dims} axes, none empty")
    return tensor.shape


def is_name(record: Record | None, *names: str) -> bool:
    """Whether the record is there and its class is one of `names`."""
    return record is not None and record.name in names


def check_eps(record: Record, where: str, expected: float) -> None:
    """Refuse a normalisation layer whose epsilon is not the network's."""
    eps = record.attribute("eps", expected)
    if not isinstance(eps, float) or not abs(eps - expected) <= 1e-3 * expected:  # NaN too
        refuse(where, f"normalises with eps {printable(eps, 20)}, expected {expected:g}")


def check_gelu(record: Record | None, where: str) -> None:
    """Refuse anything but the exact (erf) GELU; timm's own GELU class is the same function."""
    if not is_name(record, "GELU") or (record is not None and record.attribute("approximate", "none") != "none"):
        refuse(where, f"is {printable(record.name) if record else 'missing'}, expected the exact GELU")


def norm_name(record: Record | None, where: str) -> NormName | None:
    """Which normalisation a record is; None for Identity and an empty slot."""
    if record is None or record.name in NO_OPERATION:
        return None
    if record.name in BATCH_NORMS:
        check_eps(record, where, 1e-5)
        parameter(record, "weight", where, 1)
        parameter(record, "running_mean", where, 1)
        return "batch"
    if record.name in INSTANCE_NORMS:
        check_eps(record, where, 1e-5)
        if record.attribute("affine", False) or record.attribute("track_running_stats", False):
            refuse(where, "is an instance norm with weights or running statistics")
        return "instance"
    refuse(where, f"is {printable(record.name)}, expected a batch or instance norm")


def steps(value: Any, dims: int, where: str, least: int) -> tuple[int, ...]:
    """A stride, padding or dilation as one number per axis; `value` is an int or a tuple."""
    values = (value,) * dims if isinstance(value, int) else value
    if (
        not isinstance(values, tuple)
        or len(values) != dims
        or not all(isinstance(v, int) and not isinstance(v, bool) and least <= v <= MAX_STEP for v in values)
    ):
        refuse(where, f"is {printable(value, 40)}, expected {dims} numbers from {least} to {MAX_STEP}")
    return values


def conv(record: Record, where: str) -> ConvSpec:
    """A plain or transposed convolution, 2-D or 3-D."""
    if record.name not in CONVOLUTIONS:
        refuse(where, f"is {printable(record.name)}, expected a convolution")
    dims, transposed = CONVOLUTIONS[record.name]
    if record.attribute("padding_mode", "zeros") != "zeros":
        refuse(where, f"pads with mode {printable(record.attribute('padding_mode'))}, expected zeros")
    weight = parameter(record, "weight", where, dims + 2)
    groups = record.attribute("groups", 1)
    if not isinstance(groups, int) or not 1 <= groups <= weight[0] or weight[0] % groups:
        refuse(where, f"has {printable(groups, 20)} groups for a weight of shape {list(weight)}")
    outer, inner = weight[0], weight[1] * groups
    dilation = steps(record.attribute("dilation", 1), dims, f"{where}.dilation", 1)
    output_padding = steps(record.attribute("output_padding", 0), dims, f"{where}.output_padding", 0)
    return ConvSpec(
        dims=dims,
        in_channels=outer if transposed else inner,
        out_channels=inner if transposed else outer,
        kernel=steps(weight[2:], dims, f"{where}.kernel", 1),
        stride=steps(record.attribute("stride", 1), dims, f"{where}.stride", 1),
        padding=_padding(record.attribute("padding", 0), weight[2:], dilation, where),
        bias="bias" in record.own_tensors(),
        transposed=transposed,
        output_padding=output_padding if any(output_padding) else (),
        dilation=dilation if any(step != 1 for step in dilation) else (),
        groups=groups,
    )


def _padding(value: Any, kernel: tuple[int, ...], dilation: tuple[int, ...], where: str) -> tuple[int, ...]:
    """Padding per axis; torch's words `valid` and `same` (odd kernels) are translated."""
    if value == "valid":
        return (0,) * len(kernel)
    if value == "same":
        if any(size * step % 2 == 0 for size, step in zip(kernel, dilation)):
            refuse(where, "pads 'same' on an even kernel")
        value = tuple(step * (size - 1) // 2 for size, step in zip(kernel, dilation))
    return steps(value, len(kernel), f"{where}.padding", 0)


def basic_conv(record: Record, where: str) -> BasicConvSpec:
    """`BasicConv` and `BasicConv_IN`."""
    if record.name not in ("BasicConv", "BasicConv_IN"):
        refuse(where, f"is {printable(record.name)}, expected BasicConv")
    name, flag = ("IN", "use_in") if record.name == "BasicConv_IN" else ("bn", "use_bn")
    norm = norm_name(record.child(name), f"{where}.{name}")
    if not record.attribute(flag, True):
        norm = None
    spec = conv(required(record, "conv", where), f"{where}.conv")
    return BasicConvSpec(spec, norm, _leaky(record, where))


def _leaky(record: Record, where: str) -> bool:
    """Whether a BasicConv ends in LeakyReLU(0.01): a plain bool until the authors' code first runs, then a module."""
    child = record.child("relu")
    if child is None:
        members = record.attribute("_modules")
        empty = isinstance(members, dict) and "relu" in members
        flag = record.attribute("relu", None if empty else "absent")
        if not (flag is None or isinstance(flag, bool)):
            refuse(f"{where}.relu", f"is {printable(flag, 40)}, expected true, false or LeakyReLU")
        return bool(flag)
    if child.name in NO_OPERATION:
        return False
    if child.name != "LeakyReLU" or child.attribute("negative_slope", 0.01) != 0.01:
        refuse(f"{where}.relu", f"is {printable(child.name)}, expected LeakyReLU with slope 0.01")
    return True


def activation(record: Record, where: str) -> ActivationSpec:
    """An activation that stands alone."""
    if record.name == "LeakyReLU" and record.attribute("negative_slope", 0.01) != 0.01:
        refuse(where, "is a LeakyReLU with another slope than 0.01")
    if record.name == "GELU":
        check_gelu(record, where)
    return ActivationSpec(ACTIVATIONS[record.name])


def numbered(record: Record, where: str) -> list[Record | None]:
    """The members of a Sequential or ModuleList by their number; gaps and empty places are None."""
    if record.name not in ("Sequential", "ModuleList"):
        refuse(where, f"is {printable(record.name)}, expected Sequential or ModuleList")
    numbers = [int(name) if name.isascii() and name.isdigit() else -1 for name in record.children]
    if numbers != sorted(set(numbers)) or any(not 0 <= n < MAX_SEQUENCE for n in numbers):
        refuse(where, f"has members not numbered in order from 0 to {MAX_SEQUENCE - 1}")
    return [record.child(str(i)) for i in range(numbers[-1] + 1)] if numbers else []
