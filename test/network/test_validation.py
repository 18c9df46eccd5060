"""A config whose parts do not fit is refused at its slot, in one line, before anything is built."""

from __future__ import annotations

from dataclasses import replace

import pytest
from network_arrangements import (
    arrangements,
    basic3d,
    default_hourglass,
    feature_attention_spec,
    helper,
    searched_hourglass,
    small_config,
    up3d,
)

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.network.architectures import full_config
from ffstereo_ros.network.config import NetworkConfig
from ffstereo_ros.network.model import FastFoundationStereo
from ffstereo_ros.network.specs import BasicConvSpec, PostJoinSpec, conv_spec
from ffstereo_ros.network.validation import check_config

BASE = small_config()
DEFAULT, SEARCHED = default_hourglass(), searched_hourglass()
UPDATE = BASE.update_block
STAGE = BASE.feature.stages[1]
NO_PADDING = BasicConvSpec(conv_spec(3, 16, 12, 3, 2, 1, transposed=True))  # 2n - 1 of n disparities

BROKEN: dict[str, tuple[NetworkConfig, str]] = {
    "range": (replace(BASE, max_disparity=100), "max_disparity: is 100 px: must be a positive multiple of 32"),
    "groups": (replace(BASE, volume=replace(BASE.volume, groups=5)), r"volume\.groups: is 5 for 16 channels"),
    "stem width": (replace(BASE, corr_stem=basic3d(9, 6)), r"corr_stem\.conv: takes 9 channels of 3 axes, gets 8 x"),
    "2-D in a volume": (replace(BASE, corr_stem=conv_spec(2, 8, 6, 3)), "corr_stem: takes 8 channels of 2 axes"),
    "gate width": (replace(BASE, corr_feature_att=feature_attention_spec(6, 17)), "feat_att.0: takes 17 channels"),
    "gate without feature": (
        replace(BASE, corr_stem=helper(basic3d(8, 6), feature_attention_spec(6, 16))),
        r"corr_stem\.layers\.1: gates a volume, but no left feature comes here",
    ),
    "sum of unequal widths": (
        small_config(replace(SEARCHED, post32_to_16=PostJoinSpec("sum", (up3d(16, 11),), ()))),
        r"post32_to_16: joins 11 x 4 x 4 x 6 with 12 x 4 x 4 x 6",
    ),
    "deconvolution one short": (
        small_config(replace(SEARCHED, post32_to_16=PostJoinSpec("sum", (NO_PADDING,), ()))),
        r"post32_to_16: joins 12 x 3 x 3 x 5 with",
    ),
    "replaced slot filled": (
        small_config(replace(DEFAULT, post16_to_8=SEARCHED.post16_to_8)),
        r"post16_to_8: takes the place of conv2_up, agg_1, feature_att_up_8: empty those",
    ),
    "no way up": (small_config(replace(DEFAULT, conv3_up=None)), r"conv3_up: joins 16 x 2 x 2 x 3 with"),
    "classifier": (replace(BASE, classifier=basic3d(6, 2)), "classifier: gives 2 x"),
    "lookup": (replace(BASE, lookup=replace(BASE.lookup, radius=3)), r"convc1: takes 126 channels of 2 axes, gets 98"),
    "gate of the GRU": (
        replace(BASE, update_block=replace(UPDATE, gru04=replace(UPDATE.gru04, conv0=conv_spec(2, 16, 12, 3)))),
        r"gru04\.conv1\.0: takes 21 channels of 2 axes, gets 22",
    ),
    "heads": (
        replace(BASE, feature=replace(BASE.feature, stages=(BASE.feature.stages[0], replace(STAGE, blocks=(
            STAGE.blocks[0], replace(STAGE.blocks[1], heads=3))), *BASE.feature.stages[2:]))),
        r"feature\.stages\.1\.blocks\.1: has 3 heads for 16 channels",
    ),
    "nine weights": (
        replace(BASE, upsampling=replace(BASE.upsampling, spx_gru=conv_spec(2, 7, 8, 4, 2, 1, transposed=True))),
        "spx_gru: gives 8 x 64 x 96",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_misfits_are_named(name: str) -> None:
    config, message = BROKEN[name]
    with pytest.raises(ParameterError, match=message) as caught:
        FastFoundationStereo(config)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("config", [full_config(), *arrangements().values()])
def test_what_fits_passes(config: NetworkConfig) -> None:
    check_config(config)
