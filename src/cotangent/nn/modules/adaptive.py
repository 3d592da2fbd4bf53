"""Softmax over many classes, the rare ones grouped and computed with fewer features."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from .. import functional as F
from .container import ModuleList, Sequential
from .linear import Linear
from .module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class _ASMoutput(NamedTuple):
    output: Any
    loss: Any


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log-probabilities of classes ordered by how frequent they are, and the loss of the targets.

    The head knows the most frequent classes and the groups of others; each group has a map of its own, with
    fewer features the rarer its classes are.

    Args:
        in_features: features of the input.
        n_classes: classes, the most frequent first.
        cutoffs: where groups begin.
        div_value: by how much the features shrink from group to group.
        head_bias: whether the head has a bias.
        device: device of the parameters.
        dtype: dtype of the parameters.

    Raises:
        ValueError: if the cutoffs are not increasing numbers between 1 and n_classes - 1.

    Source: https://arxiv.org/abs/1609.04309

    Example:
        >>> import cotangent as torch
        >>> net = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 10, [2, 5], div_value=2.0)
        >>> output, loss = net(torch.zeros(3, 8), torch.tensor([0, 4, 9]))
        >>> output.shape, net.log_prob(torch.zeros(3, 8)).shape
        (torch.Size([3]), torch.Size([3, 10]))
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cuts = list(cutoffs)
        if not cuts:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        ordered = all(a < b for a, b in pairwise(cuts)) and all(int(c) == c for c in cuts)
        if not ordered or min(cuts) <= 0 or max(cuts) > n_classes - 1:
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, "
                "where each value is between 1 and n_classes-1"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cuts, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, device=device, dtype=dtype)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(pairwise(self.cutoffs), 1):
            inner = int(in_features // div_value**i)
            self.tail.append(
                Sequential(
                    Linear(in_features, inner, bias=False, device=device, dtype=dtype),
                    Linear(inner, high - low, bias=False, device=device, dtype=dtype),
                )
            )

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        self.head.reset_parameters()
        pairs: Any = self.tail
        for first, second in pairs:
            first.reset_parameters()
            second.reset_parameters()

    def forward(self, input_: Any, target_: Any) -> _ASMoutput:
        batched = self._check(input_, target_)
        x, target = (input_, target_) if batched else (input_.unsqueeze(0), target_.unsqueeze(0))
        count = target.size(0)
        output = x.new_zeros(count)
        heads = target.new_empty(count)
        seen = 0
        for i, (low, high) in enumerate(pairwise([0, *self.cutoffs])):
            mask = (target >= low) & (target < high)
            rows = mask.nonzero().squeeze(1)
            if not rows.numel():
                continue
            seen += rows.numel()
            if i == 0:
                heads.index_copy_(0, rows, target[mask])
                continue
            heads.index_fill_(0, rows, self.shortlist_size + i - 1)
            inside = F.log_softmax(self.tail[i - 1](x.index_select(0, rows)), dim=1)
            chosen = inside.gather(1, (target[mask] - low).unsqueeze(1))
            output.index_copy_(0, rows, chosen.squeeze(1))
        if seen != count:
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{target.min().item()}, {target.max().item()}] were found. "
            )
        head = F.log_softmax(self.head(x), dim=1)
        output = output + head.gather(1, heads.unsqueeze(1)).squeeze()
        loss = (-output).mean()
        return _ASMoutput(output if batched else output.squeeze(0), loss)

    def _check(self, x: Any, target: Any) -> bool:
        n = target.dim()
        if n > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if n == 1 and x.size(0) != target.size(0):
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        if x.dim() != n + 1:
            raise RuntimeError(
                f"{n}D target tensor expects {n + 1}D input tensors, but found inputs with size {x.size()}"
            )
        return bool(n == 1)

    def _get_full_log_prob(self, input: Any, head_output: Any) -> Any:
        """Log-probabilities of all classes, from the output of the head."""
        out = input.new_empty((head_output.size(0), self.n_classes))
        head = F.log_softmax(head_output, dim=1)
        out[:, : self.shortlist_size] = head[:, : self.shortlist_size]
        for i, (low, high) in enumerate(pairwise(self.cutoffs)):
            inside = F.log_softmax(self.tail[i](input), dim=1)
            out[:, low:high] = inside + head[:, self.shortlist_size + i].unsqueeze(1)
        return out

    def log_prob(self, input: Any) -> Any:
        """Log-probabilities of all classes.

        Args:
            input: (N, in_features).

        Returns:
            (N, n_classes).
        """
        return self._get_full_log_prob(input, self.head(input))

    def predict(self, input: Any) -> Any:
        """The most probable class of each example; most need the head alone.

        Args:
            input: (N, in_features).

        Returns:
            int64, (N,).
        """
        head = self.head(input)
        output = head.argmax(dim=1)
        rare = output >= self.shortlist_size
        if rare.any():
            output[rare] = self._get_full_log_prob(input[rare], head[rare]).argmax(dim=1)
        return output
