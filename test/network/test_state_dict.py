"""State-dict names, shapes and types are the authors', so that their weights load strictly."""

from __future__ import annotations

from pathlib import Path

import pytest
from golden_data import NetworkSource
from torch import nn

from ffstereo_ros.network.architectures import full_config
from ffstereo_ros.network.model import FastFoundationStereo

Entries = dict[str, tuple[str, str]]


def recorded(path: Path) -> Entries:
    """Name to (shape, type) of one ``state_dict_*.tsv``."""
    rows = [line.split("\t") for line in path.read_text().splitlines()[1:]]
    return {row[0]: (row[1], row[2]) for row in rows}


def entries(model: nn.Module) -> Entries:
    """Name to (shape, type) of a module, written as the file writes them."""
    return {
        name: ("x".join(map(str, tensor.shape)) or "scalar", str(tensor.dtype).removeprefix("torch."))
        for name, tensor in model.state_dict().items()
    }


@pytest.mark.parametrize(("network", "count"), [("full", 632), ("searched", 722)])
def test_names_shapes_and_types_are_the_authors(
    network: str, count: int, golden_network: NetworkSource, shared: Path
) -> None:
    ours = entries(golden_network(network, True))
    assert len(ours) == count
    assert ours == recorded(shared / "model" / f"state_dict_{network}.tsv")


def test_the_config_built_network_is_the_full_one(golden_network: NetworkSource, shared: Path) -> None:
    assert entries(FastFoundationStereo(full_config())) == recorded(shared / "model" / "state_dict_full.tsv")
    assert golden_network("full", True).config == full_config()


def test_unused_tensors_are_kept_but_never_trained(golden_network: NetworkSource) -> None:
    model = golden_network("searched", True)
    trained = {name for name, _ in model.named_parameters()}
    unused = {tensor.name for tensor in model.config.unused}
    assert "cost_agg.atts.4.sa.0.linear1.weight" in unused
    assert not trained & unused
    assert sum(parameter.numel() for parameter in model.parameters()) == 14_600_541  # as the published model card says
