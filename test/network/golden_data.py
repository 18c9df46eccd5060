"""What the parity tests share: the golden checkpoints read into our network, their inputs, and the recorded tensors."""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ffstereo_ros.network.blocks import run_block
from ffstereo_ros.network.cost_volume import all_pairs_correlation, groupwise_correlation
from ffstereo_ros.network.geometry_lookup import GeometryPyramid
from ffstereo_ros.network.model import FastFoundationStereo, soft_argmax

# The golden network of a name ("full" or "searched") and a normalisation.
NetworkSource = Callable[[str, bool], FastFoundationStereo]


@dataclass
class Golden:
    """The recorded tensors of one run, strided, with the statistics of the full ones."""

    samples: dict[str, np.ndarray]
    meta: dict[str, Any]

    @classmethod
    def open(cls, folder: Path, network: str, pair: str, normalize: bool) -> Golden:
        stem = f"{network}_{pair}_norm{int(normalize)}"
        with np.load(folder / f"{stem}_strided.npz") as arrays:
            samples = dict(arrays)
        return cls(samples, json.loads((folder / f"{stem}_meta.json").read_text()))

    def error(self, name: str, full: Tensor) -> tuple[float, float]:
        """Largest and mean absolute difference of the recorded samples from our full tensor."""
        assert list(full.shape) == self.meta[name]["shape"], name
        strides = self.meta[name]["stride"]
        ours = full.numpy()[tuple(slice(None, None, step) for step in strides)]
        if name.startswith("spx_logits"):
            ours = full.numpy()[..., ::7, ::7]
        difference = np.abs(ours.astype(np.float64) - self.samples[name])
        return float(difference.max()), float(difference.mean())


def unpack(archive: Path, target: Path) -> Path:
    """Decompress an .xz file."""
    target.write_bytes(lzma.decompress(archive.read_bytes()))
    return target


def load_pair(folder: Path, pair: str) -> tuple[Tensor, Tensor]:
    """The uint8 RGB pair as float [1, 3, H, W]."""
    with np.load(folder / "images.npz") as images:
        left, right = (torch.from_numpy(images[f"{pair}_{side}"]) for side in ("left", "right"))
    return left.permute(2, 0, 1)[None].float(), right.permute(2, 0, 1)[None].float()


@torch.inference_mode()
def run_stages(model: FastFoundationStereo, left: Tensor, right: Tensor, max_disparity: int = 192) -> dict[str, Tensor]:
    """Every recorded tensor before the second iteration, under its recorded name."""
    maps, right_x4, stem = model.encode(left, right)
    out = {f"feat_left_{scale}": feature for scale, feature in zip(("04", "08", "16", "32"), maps)}
    out |= {"feat_right_04": right_x4, "stem_2x": stem}
    volume = model.config.volume
    out["gwc_volume"] = groupwise_correlation(maps.x4, right_x4, volume.groups, max_disparity // 4, volume.normalize)
    out["comb_raw"] = model.build_volume(maps.x4, right_x4, max_disparity)
    out["corr_stem_out"] = run_block(model.corr_stem, out["comb_raw"])
    out["corr_feature_att_out"] = run_block(model.corr_feature_att, out["corr_stem_out"], maps.x4)
    out["cost_agg_out"], out["logits"] = model.aggregate(out["comb_raw"], maps)
    out["init_disp"] = soft_argmax(out["logits"])
    context = model.context(maps.x4)
    out |= {"hidden0": context.hidden, "inp0": context.context, "att": context.attention}
    lookup = GeometryPyramid(out["cost_agg_out"], all_pairs_correlation(maps.x4, right_x4), model.config.lookup)
    out["geo_feat_iter0"] = lookup(out["init_disp"])
    step = model.update_block(context, out["geo_feat_iter0"], out["init_disp"])
    out["hidden_iter1"], out["delta_iter1"] = step
    out["mask_feat_iter1"] = model.update_block.mask_feature(out["hidden_iter1"])
    return out
