"""What programs do with an image before a network sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

__all__ = ["CenterCrop", "Compose", "Lambda", "Normalize", "Resize", "ToTensor"]


class Compose:
    """One transform after the other."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, image: Any) -> Any:
        for transform in self.transforms:
            image = transform(image)
        return image


class ToTensor:
    """An image of bytes becomes a tensor (channels, height, width) of numbers from 0 to 1."""

    def __call__(self, image: Any) -> torch.Tensor:
        pixels = np.array(image)
        if pixels.ndim == 2:
            pixels = pixels[:, :, None]
        return torch.from_numpy(pixels.transpose(2, 0, 1).copy()).to(torch.get_default_dtype()) / 255


class Normalize:
    """Subtract a mean and divide by a deviation, channel by channel."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean, self.std = mean, std

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        mean, std = (
            torch.tensor(values, dtype=image.dtype).view(-1, 1, 1) for values in (self.mean, self.std)
        )
        return (image - mean) / std


class Lambda:
    """Any function."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        self.lambd = lambd

    def __call__(self, image: Any) -> Any:
        return self.lambd(image)


class Resize:
    """The shorter side gets this size."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, image: Image.Image) -> Image.Image:
        factor = self.size / min(image.size)
        return image.resize(
            (round(image.width * factor), round(image.height * factor)), Image.Resampling.BILINEAR
        )


class CenterCrop:
    """A square out of the middle."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, image: Image.Image) -> Image.Image:
        left, top = (image.width - self.size) // 2, (image.height - self.size) // 2
        return image.crop((left, top, left + self.size, top + self.size))
