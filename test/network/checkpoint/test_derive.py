"""Architecture out of records: any arrangement and widths, every way an attribute may be stored, refusals."""

from __future__ import annotations

import contextlib
import lzma
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from claimed_classes import make, save_official
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from official_format import Writer
from small_networks import ARRANGEMENTS, POST_8, POST_16, POST_32, default_hourglass, small_config, with_posts
from torch import nn

from ffstereo_ros.errors import WeightsError
from ffstereo_ros.network.architectures import full_config
from ffstereo_ros.network.checkpoint.archive import CheckpointArchive
from ffstereo_ros.network.checkpoint.derive import check_root, derive_config
from ffstereo_ros.network.checkpoint.official import load_official
from ffstereo_ros.network.checkpoint.records import Record, walk
from ffstereo_ros.network.checkpoint.store import build_model
from ffstereo_ros.network.config import NetworkConfig


def _convert(root: Any, tmp_path: Path) -> Any:
    return load_official(save_official(root, tmp_path / "x.pth"), True)


@pytest.mark.parametrize("name", ARRANGEMENTS)
def test_arrangement_is_derived_and_runs(name: str, tmp_path: Path) -> None:
    """The file's configuration and tensors come back exactly, and the network built from them answers."""
    root = Writer(ARRANGEMENTS[name]).network()
    loaded = _convert(root, tmp_path)
    assert loaded.config == ARRANGEMENTS[name]
    expected = root.state_dict()
    assert list(loaded.tensors.keys() - expected.keys()) == []
    assert all(torch.equal(loaded.tensors[key], tensor) for key, tensor in expected.items())
    image = torch.rand(1, 3, 64, 64) * 255
    with torch.inference_mode():
        disparity = build_model(loaded)(image, image, iterations=1, max_disparity=64).disparity
    assert disparity.shape == (1, 1, 64, 64)
    assert disparity.isfinite().all()


@pytest.mark.parametrize(("family", "synchronised"), [("foundation_stereo_ori", False), ("core", False)])
def test_class_paths_and_batch_norms_are_aliases(family: str, synchronised: bool, tmp_path: Path) -> None:
    config = ARRANGEMENTS["searched"]
    assert _convert(Writer(config, family, synchronised).network(), tmp_path).config == config


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickle_protocol_is_free(protocol: int, tmp_path: Path) -> None:
    root = Writer(ARRANGEMENTS["searched"]).network()
    path = save_official(root, tmp_path / "x.pth", pickle_protocol=protocol)
    assert load_official(path, True).config == ARRANGEMENTS["searched"]


def test_full_network_is_the_one_the_authors_configuration_builds(shared: Path, tmp_path: Path) -> None:
    packed = shared / "model" / "golden" / "official_format_full.pth.xz"
    path = tmp_path / "full.pth"
    path.write_bytes(lzma.decompress(packed.read_bytes()))
    loaded = load_official(path, False)
    assert loaded.config == full_config(max_disparity=416, normalize=False)
    assert len(loaded.tensors) == 632


def test_searched_golden_file(golden_checkpoint: Path) -> None:
    loaded = load_official(golden_checkpoint, True)
    config = loaded.config
    assert len(loaded.tensors) == 722
    assert (
        sum(t.numel() for name, t in loaded.tensors.items() if t.is_floating_point() and "running" not in name)
        == 17654857
    )
    assert config.corr_stem is None
    assert config.cost_agg.conv1 is None
    assert config.cost_agg.conv3_up is None
    assert config.cost_agg.post8_to_4 is not None
    assert config.cost_agg.post8_to_4.operation == "sum"
    assert {tensor.name.split(".")[0] for tensor in config.unused} == {"context_zqr_convs", "cost_agg"}
    assert config.max_disparity == 416


def _leaky_modules(root: Any) -> None:
    """As the authors' forward leaves it: the bool became a module."""
    for module in root.modules():
        if isinstance(getattr(module, "relu", None), bool):
            flag = module.relu
            del module.relu
            module.relu = nn.LeakyReLU() if flag else nn.Identity()


def _no_relu_is_none(root: Any) -> None:
    for module in root.modules():
        if getattr(module, "relu", None) is False:
            del module.relu
            module.register_module("relu", None)


def _empty_slots_are_attributes(root: Any) -> None:
    del root.corr_stem
    root.corr_stem = None
    del root.cost_agg.conv1
    root.cost_agg.__dict__["conv1"] = None


def _empty_slots_in_modules(root: Any) -> None:
    root.register_module("corr_stem", None)
    root.cost_agg.register_module("conv1", None)


def _empty_slots_are_absent(root: Any) -> None:
    del root.corr_stem, root.cost_agg.conv1, root.cost_agg.conv2


def _empty_sequences(root: Any) -> None:
    root.corr_stem = nn.Sequential()
    root.cost_agg.conv1 = nn.Sequential(nn.Identity())
    root.cost_agg.conv1 = make("core.distill_block.ForwardHelper", layers=nn.ModuleList())


def _other_timm(root: Any) -> None:
    for module in root.feature.modules():
        if type(module).__name__ in ("ConvBlock", "SplitTransposeBlock"):
            module.drop_path = make("timm.layers.drop.DropPath", drop_prob=0.1, scale_by_keep=True)


def _offsets_as_attribute(root: Any) -> None:
    offsets = root.dx
    del root.dx
    root.__dict__["dx"] = offsets


def _no_batch_counters(root: Any) -> None:
    for module in root.modules():
        if hasattr(module, "num_batches_tracked"):
            del module.num_batches_tracked


def _root_alias(root: Any) -> None:
    root.__class__ = type(make("foundation_stereo_ori.foundation_stereo.FoundationStereoLite"))


def _stale_channel_attributes(root: Any) -> None:
    """Pruning may cut weights without telling the attributes."""
    for module in root.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d) and module.groups == 1:
            module.in_channels = module.out_channels = 999


def _worded_padding(root: Any) -> None:
    root.update_block.encoder.convc2.padding = "same"
    root.update_block.encoder.convc1.padding = "valid"


VARIANTS: list[Callable[[Any], None]] = [
    _leaky_modules,
    _no_relu_is_none,
    _empty_slots_are_attributes,
    _empty_slots_in_modules,
    _empty_slots_are_absent,
    _empty_sequences,
    _other_timm,
    _offsets_as_attribute,
    _no_batch_counters,
    _root_alias,
    _stale_channel_attributes,
    _worded_padding,
]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.__name__.strip("_"))
def test_other_ways_to_store_the_same_network(variant: Callable[[Any], None], tmp_path: Path) -> None:
    config = ARRANGEMENTS["searched"]
    root = Writer(config).network()
    variant(root)
    loaded = _convert(root, tmp_path)
    assert loaded.config == config
    build_model(loaded)


def test_gap_in_a_sequence_keeps_the_numbers(tmp_path: Path) -> None:
    root = Writer(ARRANGEMENTS["searched"]).network()
    root.update_block.mask = nn.Sequential(*root.update_block.mask, nn.Conv2d(8, 8, 1))
    root.update_block.mask._modules["3"] = None
    loaded = _convert(root, tmp_path)
    assert loaded.config.update_block.mask.blocks[3].name == "identity"
    assert "update_block.mask.4.weight" in build_model(loaded).state_dict()


def test_leftovers_are_kept_unused(tmp_path: Path) -> None:
    """Branches that post slots replace, and modules that never run, stay in the file under their names."""
    config = small_config(cost_agg=with_posts(post32_to_16=POST_32, post16_to_8=POST_16, post8_to_4=POST_8))
    root = Writer(config).network()
    old = Writer(small_config()).network().cost_agg
    for name in (
        "conv3_up",
        "agg_0",
        "feature_att_up_16",
        "conv2_up",
        "agg_1",
        "feature_att_up_8",
        "conv_patch",
        "atts",
    ):
        setattr(root.cost_agg, name, getattr(old, name))
    root.context_zqr_convs = nn.ModuleList([nn.Conv2d(4, 12, 3)])
    loaded = _convert(root, tmp_path)
    assert replace(loaded.config, unused=()) == config
    names = {tensor.name for tensor in loaded.config.unused}
    assert {"context_zqr_convs.0.bias", "cost_agg.conv3_up.conv.weight", "cost_agg.atts.4.sa.0.linear1.bias"} < names
    assert build_model(loaded).state_dict().keys() == root.state_dict().keys()


@pytest.mark.parametrize(
    ("stated", "tables", "expected"), [(416, 26, 416), (256, 26, 256), (416, 12, 192), (400, 26, 384)]
)
def test_max_disparity(stated: int, tables: int, expected: int, tmp_path: Path) -> None:
    """What `args` say, but never past the positional table, and a multiple of 32."""
    config = ARRANGEMENTS["searched"]
    root = Writer(config).network(max_disp=stated)
    root.cost_agg.post8_to_4.upsample[1].pos_embed0.pe = torch.rand(1, tables, 8)
    assert _convert(root, tmp_path).config.max_disparity == expected


def _set(path: str, value: Any) -> Callable[[Any], None]:
    def change(root: Any) -> None:
        *parents, name = path.split(".")
        target = root
        for part in parents:
            target = getattr(target, part)
        setattr(target, name, value)

    return change


def _delete(path: str) -> Callable[[Any], None]:
    def change(root: Any) -> None:
        *parents, name = path.split(".")
        target = root
        for part in parents:
            target = getattr(target, part)
        delattr(target, name)

    return change


REFUSED = [
    (_delete("update_block.gru04"), r"update_block\.gru04: is missing"),
    (_delete("feature.deconv8_4.conv1.conv.weight"), r"feature\.deconv8_4\.conv1\.conv\.weight: tensor is missing"),
    (_delete("proj_cmb.bias"), r"lacks 0|proj_cmb"),
    (_set("extra", nn.Linear(2, 2)), r"holds 2 tensors the network does not have: extra\.weight, extra\.bias"),
    (_set("feature.model", nn.Linear(2, 2)), r"feature\.model: holds a whole timm backbone"),
    (_set("classifier.layers", nn.Linear(2, 2)), r"classifier\.layers: is Linear"),
    (_set("corr_stem", nn.Linear(2, 2)), r"corr_stem: is torch\.nn\.modules\.linear\.Linear"),
    (_set("cost_agg.post8_to_4.op", "product"), r"cost_agg\.post8_to_4: .*product, expected sum or concat"),
    (_set("cost_agg.conv1_up.bn.eps", 1e-3), r"cost_agg\.conv1_up\.bn: normalises with eps 0\.001"),
    (_set("cost_agg.conv1_up.bn.eps", float("nan")), r"cost_agg\.conv1_up\.bn: normalises with eps nan"),
    (_set("cost_agg.conv1_up.relu", nn.LeakyReLU(0.2)), r"cost_agg\.conv1_up\.relu"),
    (_set("cost_agg.conv1_up.relu", nn.ReLU()), r"cost_agg\.conv1_up\.relu: is ReLU"),
    (_set("cost_agg.conv1_up.conv.stride", (1, 1, 1)), r"cost_agg"),
    (_set("cost_agg.conv1_up.conv.padding_mode", "circular"), r"pads with mode circular"),
    (_set("cost_agg.conv1_up.conv.groups", 7), r"has 7 groups"),
    (_set("cost_agg.conv1_up.conv.padding", (1 << 40,) * 3), r"cost_agg\.conv1_up\.conv\.padding"),
    (_set("update_block.disp_head.conv", nn.Sequential(nn.GELU("tanh"))), r"disp_head\.conv\.0.*exact GELU"),
    (_set("cv_group", 5), r"volume\.groups"),
    (_set("cv_group", "8"), r"cv_group: is 8, expected a number"),
    (_set("cnet.conv04", nn.ModuleList([nn.Conv2d(16, 16, 1)])), r"cnet\.conv04"),
    (_set("spx_gru", nn.Sequential(nn.ConvTranspose2d(16, 8, 4, 2, 1))), r"spx_gru.*9 weights"),
    (_set("cost_agg.post32_to_16.upsample", nn.Sequential(nn.Upsample(size=(4, 4, 4)))), r"upsample\.0: upsamples by"),
    (_set("update_block.mask", nn.ModuleDict({"a": nn.ReLU()})), r"update_block\.mask: is .*ModuleDict"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=[message[:30] for _, message in REFUSED])
def test_another_architecture_is_refused_with_its_place(
    change: Callable[[Any], None], message: str, tmp_path: Path
) -> None:
    root = Writer(ARRANGEMENTS["searched"]).network()
    change(root)
    if message.startswith("lacks 0"):  # a convolution without bias is a fine network
        assert _convert(root, tmp_path).config.volume.proj_cmb.bias is False
        return
    with pytest.raises(WeightsError, match=message) as caught:
        _convert(root, tmp_path)
    assert "\n" not in str(caught.value)


_POSTS = st.fixed_dictionaries(
    {},
    optional={
        "post32_to_16": st.sampled_from([POST_32]),
        "post16_to_8": st.sampled_from([POST_16]),
        "post8_to_4": st.sampled_from([POST_8]),
    },
)
_GATES = st.sets(st.sampled_from(["feature_att_8", "feature_att_16", "feature_att_32", "agg_0", "conv_out"]))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(posts=_POSTS, absent=_GATES, stem=st.booleans())
def test_any_mix_of_slots(posts: dict[str, Any], absent: set[str], stem: bool, tmp_path: Path) -> None:
    hourglass = replace(with_posts(**posts), **dict.fromkeys(absent - {"agg_0"}))
    config = replace(small_config(cost_agg=hourglass), **({} if stem else {"corr_stem": None}))
    assert _convert(Writer(config).network(), tmp_path).config == config


@pytest.fixture(scope="module")
def root_record(small_checkpoint: Path) -> Record:
    """The records of the small file."""
    with CheckpointArchive(small_checkpoint) as archive:
        return check_root(archive.load())


_ODD = st.sampled_from(
    [None, True, -1, 0, 1 << 70, 0.5, float("nan"), "x", "same", b"", (), (1, "a"), (0, 0), [], {}, {"0": None}, {1: 2}]
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_odd_attributes_give_a_network_or_our_error(root_record: Record, data: st.DataObject) -> None:
    """One attribute of one record replaced by something else: never another exception."""
    modules = [module for _, module in walk(root_record)]
    holder = data.draw(st.sampled_from(modules)).state
    key = data.draw(st.sampled_from(sorted(map(str, holder))))
    if isinstance(holder[key], dict) and holder[key] and data.draw(st.booleans()):
        holder, key = holder[key], data.draw(st.sampled_from(sorted(holder[key], key=str)))
    kept = holder[key]
    holder[key] = data.draw(_ODD | st.sampled_from([Record("core.submodule.BasicConv"), modules[1]]))
    try:
        with contextlib.suppress(WeightsError):
            assert isinstance(derive_config(check_root(root_record), True), NetworkConfig)
    finally:
        holder[key] = kept


def test_default_hourglass_reads_the_position_table(tmp_path: Path) -> None:
    attention = _convert(Writer(small_config()).network(), tmp_path).config.cost_agg.atts_4
    assert attention == default_hourglass().atts_4
