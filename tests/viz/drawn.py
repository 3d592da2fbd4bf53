"""Models and functions whose graphs the tests draw."""

from typing import Any

import cotangent as torch
from cotangent import nn

F = nn.functional


class Block(nn.Module):
    """A residual block, with one ReLU that runs twice."""

    def __init__(self, before: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample: Any = None
        if stride != 1 or before != width:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: Any) -> Any:
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    """The layers of ResNet-18, as wide as asked for."""

    def __init__(self, width: int = 64, classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        before = width
        for i in range(4):
            wide = width << i
            blocks = nn.Sequential(Block(before, wide, 1 if i == 0 else 2), Block(wide, wide))
            setattr(self, f"layer{i + 1}", blocks)
            before = wide
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(before, classes)

    def forward(self, x: Any) -> Any:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class Cell(nn.Module):
    """One step of a recurrent network."""

    def __init__(self) -> None:
        super().__init__()
        self.i = nn.Linear(3, 4)
        self.h = nn.Linear(4, 4)

    def forward(self, x: Any, h: Any) -> Any:
        return torch.tanh(self.i(x) + self.h(h))


class Attention(nn.Module):
    """A block of a transformer."""

    def __init__(self, d: int = 8, heads: int = 2) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(d)
        self.attn = nn.MultiheadAttention(d, heads, batch_first=True)
        self.ln2 = nn.LayerNorm(d)
        self.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d))

    def forward(self, x: Any) -> Any:
        h = self.ln1(x)
        x = x + self.attn(h, h, h, need_weights=False)[0]
        return x + self.mlp(self.ln2(x))


def resnet(width: int = 2, side: int = 32) -> Any:
    """(a narrow ResNet-18, a function that computes its loss)."""
    torch.manual_seed(0)
    model = ResNet(width, 10)
    x, y = torch.randn(2, 3, side, side), torch.tensor([1, 2])
    return model, lambda: F.cross_entropy(model(x), y)


def mlp() -> Any:
    """(a small Sequential, its loss)."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 4), nn.Tanh(), nn.Linear(4, 1))
    x, y = torch.randn(5, 2), torch.randn(5, 1)
    return model, lambda: ((model(x) - y) ** 2).mean()


def rnn() -> Any:
    """(a cell, the sum of its state after three calls)."""
    torch.manual_seed(0)
    cell = Cell()
    xs = torch.randn(3, 1, 3)

    def run() -> Any:
        h = torch.zeros(1, 4)
        for x in xs:
            h = cell(x, h)
        return h.sum()

    return cell, run


def attention() -> Any:
    """(a transformer block, its loss)."""
    torch.manual_seed(0)
    model = Attention()
    x = torch.randn(2, 5, 8)
    return model, lambda: model(x).square().mean()
