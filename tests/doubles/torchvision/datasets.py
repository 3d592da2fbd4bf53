"""scikit-learn's digits in the size of MNIST's, and images in folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits

__all__ = ["MNIST", "ImageFolder"]

TRAINING: Final = 1400  # of 1797
SCALE, BORDER = 3, 2  # 8 * 3 + 2 * 2 = 28


class MNIST(torch.utils.data.Dataset):  # type: ignore[misc]
    """Digits of 28 x 28 pixels; `root` and `download` stand for nothing."""

    def __init__(
        self,
        root: str,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        found = load_digits()
        part = slice(None, TRAINING) if train else slice(TRAINING, None)
        small = (found.images[part] * (255 / 16)).astype(np.uint8)
        large = np.kron(small, np.ones((1, SCALE, SCALE), np.uint8))
        self.data = torch.from_numpy(np.pad(large, ((0, 0), (BORDER, BORDER), (BORDER, BORDER))))
        self.targets = torch.from_numpy(found.target[part].astype(np.int64))
        self.transform, self.target_transform = transform, target_transform

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image: Any = Image.fromarray(self.data[index].numpy())
        target: Any = int(self.targets[index])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target


class ImageFolder(torch.utils.data.Dataset):  # type: ignore[misc]
    """The images of `root`'s folders, one folder a class."""

    def __init__(self, root: str, transform: Callable[[Any], Any] | None = None) -> None:
        folders = sorted(path for path in Path(root).iterdir() if path.is_dir())
        self.classes = [folder.name for folder in folders]
        self.samples = [
            (path, number) for number, folder in enumerate(folders) for path in sorted(folder.iterdir())
        ]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        path, number = self.samples[index]
        image: Any = Image.open(path).convert("RGB")
        return (image if self.transform is None else self.transform(image)), number
