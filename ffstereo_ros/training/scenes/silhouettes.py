"""The silhouette bank: signed distance maps of outlines too irregular for a formula, numbered as the textures are."""

from __future__ import annotations

import math
from functools import lru_cache

import torch

from ffstereo_ros.training.scenes.draw import Draw
from ffstereo_ros.training.scenes.noise import spectral_noise

SILHOUETTE = 256
BANK_SIZE = 96
_SEED = 9_000_000
_FAR = 12.0


def _axes() -> tuple[torch.Tensor, torch.Tensor]:
    axis = torch.arange(SILHOUETTE, dtype=torch.float32) - (SILHOUETTE - 1) / 2
    return axis.view(-1, 1), axis.view(1, -1)


def _merge(field: torch.Tensor, centre: tuple[float, float], reach: float, part: object) -> None:
    """Lowers ``field`` in place to the part's distance inside the square of ``reach`` texels around (y, x)."""
    middle = (SILHOUETTE - 1) / 2
    rows = slice(max(0, int(centre[0] + middle - reach)), max(0, int(centre[0] + middle + reach) + 1))
    columns = slice(max(0, int(centre[1] + middle - reach)), max(0, int(centre[1] + middle + reach) + 1))
    y, x = _axes()
    window = field[rows, columns]
    if window.numel():
        torch.minimum(window, part(y[rows] - centre[0], x[:, columns] - centre[1]), out=window)  # type: ignore[operator]


def _leaf(angle: float, length: float, width: float) -> object:
    """Distance function of an ellipse of half ``length`` and ``width`` texels turned by ``angle``."""
    cos, sin = math.cos(angle), math.sin(angle)

    def distance(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        along, across = cos * x + sin * y, cos * y - sin * x
        return (((along / length).square() + (across / width).square()).sqrt() - 1) * width

    return distance


def _segment(dy: float, dx: float, width: float) -> object:
    """Distance function of a line from -(dy, dx) to (dy, dx), ``width`` texels wide."""
    squared = dy * dy + dx * dx + 1e-6

    def distance(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        along = ((y * dy + x * dx) / squared).clamp(-1, 1)
        return ((y - along * dy).square() + (x - along * dx).square()).sqrt() - width / 2

    return distance


def foliage(draw: Draw, field: torch.Tensor) -> None:
    """Leaves of one size at all angles around a centre."""
    length = draw.log_uniform(5, 28)
    width = length * draw.uniform(0.15, 0.6)
    for _ in range(int(draw.log_uniform(30, 180))):
        centre = (draw.normal(50), draw.normal(50))
        _merge(field, centre, length + 8, _leaf(draw.uniform(0, math.pi), length * draw.uniform(0.6, 1.2), width))


def tree(draw: Draw, field: torch.Tensor) -> None:
    """A trunk that forks into thinner branches, bare or with leaves."""
    leaves = draw.chance(0.5)

    def grow(y: float, x: float, angle: float, length: float, width: float) -> None:
        dy, dx = -math.cos(angle) * length / 2, math.sin(angle) * length / 2
        _merge(field, (y + dy, x + dx), length / 2 + width + 8, _segment(dy, dx, width))
        if length < 12:
            if leaves:
                _merge(field, (y + 2 * dy, x + 2 * dx), 16, _leaf(draw.uniform(0, math.pi), 8, 4))
            return
        for _ in range(draw.integer(2, 4)):
            turn = angle + draw.uniform(-0.8, 0.8)
            grow(y + 2 * dy, x + 2 * dx, turn, length * draw.uniform(0.6, 0.82), max(1.2, width * 0.65))

    grow(126, 0, draw.uniform(-0.15, 0.15), draw.uniform(45, 75), draw.uniform(4, 12))


def blob(draw: Draw, field: torch.Tensor) -> None:
    """A smooth irregular outline, or islands: thresholded noise around a disc."""
    noise = spectral_noise(draw, SILHOUETTE, draw.uniform(1.6, 2.6)) - 0.5
    y, x = _axes()
    radius = (y.square() + x.square()).sqrt()
    torch.minimum(field, (radius - 85 + noise * draw.uniform(60, 300)) * 0.5, out=field)


def person(draw: Draw, field: torch.Tensor) -> None:
    """A head, a trunk and limbs: rounded parts of very different widths."""
    shoulder = draw.uniform(22, 40)
    _merge(field, (-95, 0), 40, _leaf(0.0, draw.uniform(14, 22), draw.uniform(18, 26)))
    _merge(field, (-30, 0), 110, _leaf(math.pi / 2, 55, shoulder))
    for side in (-1, 1):
        lean = draw.uniform(-0.3, 0.5) * side
        _merge(field, (65, side * shoulder * 0.5), 90, _segment(58, lean * 30, draw.uniform(12, 22)))
        _merge(field, (-30, side * (shoulder + 8)), 80, _segment(40, draw.uniform(-0.2, 1) * side * 25, 11))


@lru_cache(maxsize=BANK_SIZE)
def silhouette(index: int) -> torch.Tensor:
    """Signed distance map number ``index`` (0 .. BANK_SIZE - 1): texels, negative inside, [SILHOUETTE, SILHOUETTE]."""
    draw = Draw(_SEED + index)
    field = torch.full((SILHOUETTE, SILHOUETTE), _FAR)
    draw.choice((foliage, tree, blob, person), (4, 3, 3, 1))(draw, field)
    return field.clamp(-_FAR, _FAR)
