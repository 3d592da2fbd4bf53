"""A picture of many images."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

__all__ = ["save_image"]


def save_image(images: torch.Tensor, path: str, nrow: int = 8) -> None:
    """Write images (count, 1, height, width) of numbers from 0 to 1, `nrow` in a row."""
    pixels = (images.detach().squeeze(1).numpy().clip(0, 1) * 255).astype(np.uint8)
    rows = [pixels[start : start + nrow] for start in range(0, len(pixels), nrow)]
    rows[-1] = np.pad(rows[-1], ((0, len(rows[0]) - len(rows[-1])), (0, 0), (0, 0)))
    Image.fromarray(np.vstack([np.hstack(list(row)) for row in rows])).save(path)
