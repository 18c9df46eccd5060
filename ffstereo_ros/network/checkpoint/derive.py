"""The records of a pickled network to its `NetworkConfig`: class names, attributes and shapes in, architecture out.

Nothing is looked up in a table of known checkpoints, so other arrangements and widths load as well.
"""

from __future__ import annotations

from typing import Any

from ffstereo_ros.errors import WeightsError
from ffstereo_ros.network.checkpoint.derive_blocks import block, post_join, skip_join, slot
from ffstereo_ros.network.checkpoint.derive_encoder import feature_config
from ffstereo_ros.network.checkpoint.derive_layers import conv, numbered, refuse, required
from ffstereo_ros.network.checkpoint.records import Record, TensorRecord, printable, state_dict, walk
from ffstereo_ros.network.config import (
    REPLACED_SLOTS,
    ContextConfig,
    ConvGRUConfig,
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
from ffstereo_ros.network.specs import BlockSpec, ConvSpec, SequenceSpec

NETWORK_CLASSES = ("FastFoundationStereo", "FoundationStereoLite", "FoundationStereo")
MAX_DISPARITY = 1 << 16  # px; where a network has no table of positions, nothing else limits it
NEVER_EXECUTED = ("context_zqr_convs",)

# What each post slot of the hourglass replaces, by the name in a file (its tensors stay there, unread).
REPLACED_BY = {post: tuple(name.removesuffix("_4") for name in slots) for post, slots in REPLACED_SLOTS.items()}
OPTIONAL_SLOTS = (
    *("conv1", "feature_att_8", "conv2", "feature_att_16", "conv3", "feature_att_32", "conv3_up", "agg_0"),
    *("feature_att_up_16", "conv2_up", "agg_1", "feature_att_up_8", "conv_patch", "conv_out"),
)


def derive_config(root: Record, normalize: bool) -> NetworkConfig:
    """The architecture of the network `root` describes; `normalize` as settled by `read_normalize` or the user.

    Raises WeightsError naming the place in the file where the network is not a Fast-FoundationStereo.
    """
    hourglass = required(root, "cost_agg", "")
    attention = required(root, "sam", "")
    cam = numbered(required(required(root, "cam", ""), "fc", "cam"), "cam.fc")
    heads = numbered(required(required(root, "cnet", ""), "conv04", "cnet"), "cnet.conv04")
    if len(cam) != 3 or cam[0] is None or cam[2] is None or len(heads) != 2:
        refuse("cam.fc or cnet.conv04", f"has {len(cam)} or {len(heads)} members, expected 3 and 2")
    return NetworkConfig(
        feature=feature_config(required(root, "feature", ""), "feature"),
        stem_2=_filled(root, "stem_2", 2),
        volume=VolumeConfig(_groups(root), _conv(root, "proj_cmb"), normalize),
        corr_stem=slot(root.child("corr_stem"), "corr_stem", 3),
        corr_feature_att=slot(root.child("corr_feature_att"), "corr_feature_att", 3),
        cost_agg=_hourglass(hourglass, "cost_agg"),
        classifier=_filled(root, "classifier", 3),
        context=ContextConfig(
            hidden_head=_head(heads[0], "cnet.conv04.0"),
            context_head=_head(heads[1], "cnet.conv04.1"),
            cam_reduce=conv(cam[0], "cam.fc.0"),
            cam_expand=conv(cam[2], "cam.fc.2"),
            samconv=conv(required(attention, "samconv", "sam"), "sam.samconv"),
        ),
        update_block=_update(required(root, "update_block", ""), "update_block"),
        upsampling=UpsamplingConfig(
            skip_join(required(root, "spx_2_gru", ""), "spx_2_gru", 2), _filled(root, "spx_gru", 2)
        ),
        lookup=_lookup(root),
        max_disparity=_max_disparity(root),
        unused=_unused(root, hourglass),
    )


def check_root(value: Any) -> Record:
    """The record of a whole pickled network, or a WeightsError that says what the file holds instead.

    Its tree of modules is walked once, so that whatever reads it later may recurse.
    """
    if isinstance(value, Record) and value.name in NETWORK_CLASSES:
        for _ in walk(value):
            pass
        return value
    if isinstance(value, dict):
        names = ", ".join(printable(name, 30) for name in list(value)[:3]) or "empty"
        raise WeightsError(
            f"holds a dict ({names}, ...), not a whole pickled network: the arrangement of blocks is not in it; "
            "use the .pth that the authors publish, or a .safetensors written by `ffstereo convert`"
        )
    found = printable(value.path) if isinstance(value, Record) else type(value).__name__
    raise WeightsError(f"holds {found}, expected a pickled {NETWORK_CLASSES[0]}")


def arguments(root: Record) -> dict[str, Any]:
    """The plain values of the network's `args`: an omegaconf DictConfig, an argparse Namespace or a dict."""
    args = root.attribute("args")
    content: Any = args
    if isinstance(args, Record):
        content = args.state.get("_content", args.state)
    if not isinstance(content, dict):
        return {}
    return {str(k): v.state.get("_val") if isinstance(v, Record) else v for k, v in content.items()}


def read_normalize(root: Record) -> bool | None:
    """Whether the file says to normalise features before the correlation; None where it does not say.

    Raises WeightsError for a value that is neither.
    """
    value = arguments(root).get("normalize", root.attribute("normalize"))
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    raise WeightsError(f"args.normalize is {printable(value, 40)}, expected true or false")


def _filled(root: Record, name: str, dims: Any) -> BlockSpec:
    return block(required(root, name, ""), name, dims)


def _conv(record: Record, name: str, where: str = "") -> ConvSpec:
    place = f"{where}.{name}".lstrip(".")
    return conv(required(record, name, where), place)


def _head(record: Record | None, where: str) -> BlockSpec:
    if record is None:
        refuse(where, "is empty")
    return block(record, where, 2)


def _groups(root: Record) -> int:
    """Groups of the group-wise correlation (8 in every file seen)."""
    groups = root.attribute("cv_group", arguments(root).get("cv_group", 8))
    if not isinstance(groups, int) or isinstance(groups, bool) or not 1 <= groups <= 1024:
        refuse("cv_group", f"is {printable(groups, 40)}, expected a number of groups")
    return groups


def _hourglass(record: Record, where: str) -> HourglassConfig:
    """`cost_agg`; slots that a post slot replaces are left empty."""
    posts = {name: post_join(record.child(name), f"{where}.{name}") for name in REPLACED_BY}
    replaced = {slot_name for post, names in REPLACED_BY.items() if posts[post] for slot_name in names}
    slots = {n: None if n in replaced else slot(record.child(n), f"{where}.{n}", 3) for n in OPTIONAL_SLOTS}
    if "atts" not in replaced and (atts := record.child("atts")) is not None:
        slots["atts_4"] = slot(atts.child("4"), f"{where}.atts.4", 3)
    conv1_up = block(required(record, "conv1_up", where), f"{where}.conv1_up", 3)
    return HourglassConfig(conv1_up=conv1_up, **slots, **posts)  # type: ignore[arg-type]


def _update(record: Record, where: str) -> UpdateConfig:
    """`update_block`: motion encoder, selective GRU, disparity head, mask head."""
    encoder = required(record, "encoder", where)
    gru = required(record, "gru04", where)
    head = required(record, "disp_head", where)
    names = ("convc1", "convc2", "convd1", "convd2", "conv")
    return UpdateConfig(
        MotionEncoderConfig(*(_conv(encoder, name, f"{where}.encoder") for name in names)),
        SelectiveGRUConfig(
            conv0=_conv_relu(gru, "conv0", f"{where}.gru04"),
            conv1=_conv_relu(gru, "conv1", f"{where}.gru04"),
            small_gru=_gates(gru, "small_gru", f"{where}.gru04"),
            large_gru=_gates(gru, "large_gru", f"{where}.gru04"),
        ),
        disp_head=block(required(head, "conv", f"{where}.disp_head"), f"{where}.disp_head.conv", 2),
        mask=block(required(record, "mask", where), f"{where}.mask", 2),
    )


def _conv_relu(record: Record, name: str, where: str) -> ConvSpec:
    where, member = f"{where}.{name}", required(record, name, where)
    spec = block(member, where, 2)
    blocks = spec.blocks if isinstance(spec, SequenceSpec) else ()
    if len(blocks) != 2 or not isinstance(blocks[0], ConvSpec) or getattr(blocks[1], "name", "") != "relu":
        refuse(where, "is not convolution, ReLU")
    return blocks[0]


def _gates(record: Record, name: str, where: str) -> ConvGRUConfig:
    gru = required(record, name, where)
    return ConvGRUConfig(*(_conv(gru, gate, f"{where}.{name}") for gate in ("convz", "convr", "convq")))


def _lookup(root: Record) -> LookupConfig:
    """Levels and radius of the geometry lookup, from `args` and the buffer of offsets `dx`."""
    args = arguments(root)
    levels, radius = args.get("corr_levels", 2), args.get("corr_radius", 4)
    offsets = root.own_tensors().get("dx", root.attribute("dx"))
    if isinstance(offsets, TensorRecord):
        radius = (max(offsets.shape, default=1) - 1) // 2
    if not isinstance(levels, int) or not isinstance(radius, int) or not (1 <= levels <= 8 and 1 <= radius <= 32):
        refuse("args", f"has {printable(levels, 40)} lookup levels of radius {printable(radius, 40)}")
    return LookupConfig(int(levels), int(radius))


def _max_disparity(root: Record) -> int:
    """The largest disparity in px: `args.max_disp`, but never past the positional tables; a multiple of 32."""
    limits = [
        16 * table.shape[1]
        for _, record in walk(root)
        if record.name == "PositionalEmbedding" and isinstance(table := record.attribute("pe"), TensorRecord)
        if len(table.shape) == 3
    ]
    stated = arguments(root).get("max_disp", min(limits, default=416))
    if not isinstance(stated, int) or min([stated, *limits]) < 32 or stated > MAX_DISPARITY:
        refuse("args.max_disp", f"is {printable(stated, 40)} px, expected 32 to {MAX_DISPARITY}")
    return min([stated, *limits]) // 32 * 32


def _unused(root: Record, hourglass: Record) -> tuple[UnusedTensor, ...]:
    """Tensors of modules that never run: leftovers of the search, kept so that loading stays strict."""
    replaced = [n for post, names in REPLACED_BY.items() if hourglass.child(post) is not None for n in names]
    prefixes = tuple(f"{name}." for name in (*NEVER_EXECUTED, *(f"cost_agg.{name}" for name in replaced)))
    return tuple(
        UnusedTensor(name, tensor.shape, stored_dtype(tensor.dtype))
        for name, tensor in state_dict(root).items()
        if name.startswith(prefixes)
    )


def stored_dtype(dtype: str) -> str:
    """The element type a tensor has once loaded: every float becomes float32, integers stay."""
    return "float32" if dtype in ("float16", "bfloat16", "float64") else dtype
