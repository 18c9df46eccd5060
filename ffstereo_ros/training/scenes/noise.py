"""Noise that tiles without a seam: spectral (1/f) noise and its stretched forms."""

from __future__ import annotations

import torch

from ffstereo_ros.training.scenes.draw import Draw


def spectral_noise(draw: Draw, size: int, exponent: float, stretch: float = 1.0) -> torch.Tensor:
    """Noise [size, size] in 0..1 with amplitude 1/f^exponent; periodic because it is made in the Fourier domain.

    ``stretch`` above 1 draws the noise out along x, as wood grain or brushed metal.
    """
    fy = torch.fft.fftfreq(size).view(-1, 1)
    fx = torch.fft.rfftfreq(size).view(1, -1) * stretch
    frequency = (fx * fx + fy * fy).sqrt()
    frequency[0, 0] = 1.0
    spectrum = torch.fft.rfft2(draw.randn(size, size)) * frequency.pow(-exponent)
    spectrum[0, 0] = 0
    return normalised(torch.fft.irfft2(spectrum, s=(size, size)))


def normalised(values: torch.Tensor) -> torch.Tensor:
    """Values shifted and scaled to mean 0.5 and standard deviation 0.2, clipped to 0..1."""
    return (0.5 + 0.2 * (values - values.mean()) / values.std().clamp_min(1e-6)).clamp(0, 1)


def coloured(draw: Draw, grey: torch.Tensor, detail: torch.Tensor | None = None) -> torch.Tensor:
    """An RGB image [3, H, W] that runs between two random colours along ``grey`` [H, W]; ``detail`` adds a third."""
    first, second = draw.colour(0.6), draw.colour(0.6)
    image = first.view(3, 1, 1) * (1 - grey) + second.view(3, 1, 1) * grey
    if detail is None:
        return image
    return (image + (draw.colour(0.8) - 0.5).view(3, 1, 1) * (detail - 0.5)).clamp(0, 1)


def wrapped_offset(size: int, centre_y: float, centre_x: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Offsets (y [size, 1], x [1, size]) from a centre on a torus of ``size`` texels, each in -size/2 .. size/2."""
    axis = torch.arange(size, dtype=torch.float32)
    half = size / 2
    dy = torch.remainder(axis - centre_y + half, size) - half
    dx = torch.remainder(axis - centre_x + half, size) - half
    return dy.view(-1, 1), dx.view(1, -1)
