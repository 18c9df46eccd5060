"""What two imperfect cameras make of the same scene: exposure, colour, lens, sensor, compression, infrared dots."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F

from ffstereo_ros.training.scenes.draw import Draw

_NOISE_TILE = 1400


@lru_cache(maxsize=2)
def _noise_tile(device: torch.device) -> torch.Tensor:
    """Standard normal noise that every scene cuts its own windows from: the same on any machine and device."""
    return Draw(5_000_000).randn(3, _NOISE_TILE, _NOISE_TILE).to(device)


@dataclass(frozen=True)
class CameraEffects:
    """One camera's faults, in the order they act. Gains are factors, sigmas are px or parts of full scale.

    ``sharpening`` is the part of what a blur of 1 px takes away that the camera's processor adds.
    """

    gain: tuple[float, float, float]
    gamma: float
    vignetting: float
    blur: float
    sharpening: float
    noise: float
    noise_place: tuple[int, int]
    grey: bool
    quality: float | None  # JPEG quantisation step in parts of full scale, or None

    def apply(self, image: torch.Tensor) -> torch.Tensor:
        """Image [3, H, W] in 0..1 to uint8 [3, H, W]."""
        image = image.clamp_min(0)
        if self.grey:
            image = image.mean(0, keepdim=True).expand(3, -1, -1)
        image = image.pow(self.gamma) * torch.tensor(self.gain, device=image.device).view(3, 1, 1)
        if self.vignetting:
            image = image * _vignette(image, self.vignetting)
        if self.blur > 0.2:
            image = gaussian_blur(image, self.blur)
        image = image + self._noise(image)
        if self.sharpening:
            image = image + self.sharpening * (image - gaussian_blur(image, 1.0))
        if self.quality is not None:
            image = jpeg_like(image, self.quality)
        return image.mul(255).round_().clamp_(0, 255).to(torch.uint8)

    def _noise(self, image: torch.Tensor) -> torch.Tensor:
        top, left = self.noise_place
        height, width = image.shape[1:]
        channels = 1 if self.grey else 3
        window = _noise_tile(image.device)[:channels, top : top + height, left : left + width]
        if window.shape[1] < height or window.shape[2] < width:
            window = F.pad(window[None], (0, width - window.shape[2], 0, height - window.shape[1]), mode="circular")[0]
        return window * self.noise


def photograph(camera: CameraEffects, view: torch.Tensor, zoom: float) -> torch.Tensor:
    """What the camera makes of a view, uint8 [3, H, W]; one of a sensor ``zoom`` times coarser is enlarged to H x W.

    Both views lose and regain their resolution alike, about the same centres, so their disparity stays what it was.
    """
    if zoom == 1.0:
        return camera.apply(view)
    size = view.shape[1:]
    coarse = [max(8, round(length / zoom)) for length in size]
    taken = camera.apply(F.interpolate(view[None], size=coarse, mode="bilinear", antialias=True)[0])
    enlarged = F.interpolate(taken[None].float(), size=size, mode="bicubic", align_corners=False)[0]
    return enlarged.round_().clamp_(0, 255).to(torch.uint8)


def _vignette(image: torch.Tensor, strength: float) -> torch.Tensor:
    height, width = image.shape[1:]
    y = torch.linspace(-1, 1, height, device=image.device).view(-1, 1)
    x = torch.linspace(-1, 1, width, device=image.device).view(1, -1)
    return 1 - strength * (x * x + y * y) / 2


def gaussian_blur(image: torch.Tensor, sigma: float) -> torch.Tensor:
    """Separable Gaussian blur of [C, H, W], borders repeated."""
    reach = max(1, math.ceil(2.5 * sigma))
    axis = torch.arange(-reach, reach + 1, dtype=torch.float32, device=image.device)
    kernel = torch.exp(-(axis**2) / (2 * sigma * sigma))
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    padded = F.pad(image[:, None], (reach, reach, reach, reach), mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel), kernel.transpose(2, 3))[:, 0]


@lru_cache(maxsize=2)
def _dct(device: torch.device) -> torch.Tensor:
    """The orthonormal 8-point DCT-II matrix [8, 8]."""
    k = torch.arange(8, dtype=torch.float32).view(-1, 1)
    n = torch.arange(8, dtype=torch.float32).view(1, -1)
    matrix = torch.cos(math.pi / 8 * (n + 0.5) * k) * math.sqrt(2 / 8)
    matrix[0] /= math.sqrt(2)
    return matrix.to(device)


def jpeg_like(image: torch.Tensor, step: float) -> torch.Tensor:
    """Quantises the 8x8 block DCT of [3, H, W]: steps grow with frequency, and colour gets coarser ones, as in JPEG."""
    height, width = image.shape[1:]
    padded = F.pad(image[None], (0, -width % 8, 0, -height % 8), mode="replicate")[0]
    grey = padded.mean(0, keepdim=True)
    planes = torch.cat((grey, padded[:1] - grey, padded[2:] - grey))
    rows, columns = padded.shape[1] // 8, padded.shape[2] // 8
    blocks = planes.view(3, rows, 8, columns, 8).transpose(2, 3)
    dct = _dct(image.device)
    order = torch.arange(8, device=image.device, dtype=torch.float32)
    steps = step * (1 + 0.6 * (order.view(-1, 1) + order.view(1, -1)))
    steps = torch.stack((steps, 2 * steps, 2 * steps)).view(3, 1, 1, 8, 8)
    coded = ((dct @ blocks @ dct.T) / steps).round() * steps
    planes = (dct.T @ coded @ dct).transpose(2, 3).reshape(3, rows * 8, columns * 8)
    red, blue = planes[1] + planes[0], planes[2] + planes[0]
    decoded = torch.stack((red, 3 * planes[0] - red - blue, blue))
    return decoded[:, :height, :width]


def draw_cameras(draw: Draw) -> tuple[CameraEffects, CameraEffects]:
    """Two cameras of one rig: alike, but not equal."""
    grey = draw.chance(0.22)
    clean = draw.chance(0.45)
    light = draw.log_uniform(0.5, 0.9) if draw.chance(0.15) else 1.0
    spread = 0.02 if clean else draw.uniform(0.02, 0.15)
    shared = {
        "gamma": draw.uniform(0.75, 1.35),
        "vignetting": 0.0 if draw.chance(0.6) else draw.uniform(0.05, 0.5),
        "noise": draw.log_uniform(0.0005, 0.01) if clean else draw.log_uniform(0.003, 0.02),
    }
    tint = [1.0 if grey else draw.uniform(0.85, 1.15) for _ in range(3)]
    blur = 0.0 if draw.chance(0.45) else draw.uniform(0.3, 1.1)
    sharpening = draw.uniform(0.2, 0.8) if draw.chance(0.25) else 0.0
    step = draw.log_uniform(0.006, 0.05) if draw.chance(0.35) else None

    def one() -> CameraEffects:
        exposure = light * (1 + draw.normal(spread))
        gain = tuple(exposure * t * (1.0 if grey else 1 + draw.normal(spread * 0.3)) for t in tint)
        place = (draw.integer(0, _NOISE_TILE - 320), draw.integer(0, _NOISE_TILE - 640))
        gamma = shared["gamma"] * (1 + draw.normal(spread * 0.3))
        softness = max(0.0, blur + draw.normal(0.1 if blur else 0.02))
        gains = (gain[0], gain[1], gain[2])
        noise, vignetting = shared["noise"], shared["vignetting"]
        return CameraEffects(gains, gamma, vignetting, softness, sharpening, noise, place, grey, step)

    return one(), one()


def project_dots(
    image: torch.Tensor, disparity: torch.Tensor, dots: torch.Tensor, strength: float | torch.Tensor, left: bool
) -> torch.Tensor:
    """Adds an infrared pattern ``dots`` [H, W'] projected from the left camera's place to a view's image [3, H, W].

    ``strength`` may be one of each pixel, [H, W].
    """
    height, width = disparity.shape
    columns = torch.arange(width, dtype=torch.float32, device=image.device).view(1, -1).expand(height, -1)
    seen = columns if left else columns + disparity
    low = seen.floor().clamp(0, dots.shape[1] - 2)
    fraction = (seen - low).clamp(0, 1)
    low = low.long()
    pattern = torch.lerp(dots.gather(1, low), dots.gather(1, low + 1), fraction)
    return image + strength * pattern
