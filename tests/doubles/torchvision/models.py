"""ResNet-18 and the convolutions of VGG-16, with random weights.

The networks are those of K. He, X. Zhang, S. Ren and J. Sun, "Deep Residual Learning for Image Recognition",
2015 (table 1), and K. Simonyan and A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", 2014 (table 1, column D).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Final

import torch
from torch import nn

__all__ = ["VGG16_Weights", "resnet18", "vgg16"]

VGG16_Weights: Final = SimpleNamespace(IMAGENET1K_V1=None)
VGG16: Final = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512, "pool", 512, 512, 512)
RESNET18: Final = (64, 128, 256, 512)


class Residual(nn.Module):  # type: ignore[misc]
    """Two convolutions and a shortcut past them."""

    def __init__(self, channels: int, wanted: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, wanted, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(wanted)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(wanted, wanted, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(wanted)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels != wanted:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, wanted, 1, stride, bias=False), nn.BatchNorm2d(wanted)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, H, W) to (N, wanted, H / stride, W / stride)."""
        past = x if self.downsample is None else self.downsample(x)
        x = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        x += past
        return self.relu(x)


class ResNet(nn.Module):  # type: ignore[misc]
    """Four stages of two residual blocks; its children come in the order in which they are applied."""

    def __init__(self) -> None:
        super().__init__()
        channels = RESNET18[0]
        self.conv1 = nn.Conv2d(3, channels, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        for number, wanted in enumerate(RESNET18, 1):
            first = Residual(channels, wanted, 1 if number == 1 else 2)
            setattr(self, f"layer{number}", nn.Sequential(first, Residual(wanted, wanted, 1)))
            channels = wanted
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(channels, 1000)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) to (N, 1000)."""
        for layer in list(self.children())[:-1]:
            x = layer(x)
        return self.fc(torch.flatten(x, 1))


def resnet18(weights: None = None) -> ResNet:
    """A ResNet-18 with random weights."""
    return ResNet()


def vgg16(weights: None = None) -> SimpleNamespace:
    """VGG-16 without its linear layers, which nobody asks for, with random weights."""
    layers: list[nn.Module] = []
    channels = 3
    for wanted in VGG16:
        if isinstance(wanted, int):
            layers += [nn.Conv2d(channels, wanted, 3, padding=1), nn.ReLU(inplace=True)]
            nn.init.kaiming_normal_(layers[-2].weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layers[-2].bias)
            channels = wanted
        else:
            layers.append(nn.MaxPool2d(2))
    return SimpleNamespace(features=nn.Sequential(*layers))
