"""Normalisation of every channel of every example, as modules."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from ...tensor import Tensor
from .. import functional as F
from .batchnorm import _LazyNormBase, _NormBase

__all__ = [
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
]


class _InstanceNorm(_NormBase):
    """What the norms of all ranks share."""

    spatial: ClassVar[int]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def _get_no_batch_dim(self) -> int:
        return self.spatial + 1

    def _check_input_dim(self, input: Tensor) -> None:
        n = self.spatial
        if input.dim() not in (n + 1, n + 2):
            raise ValueError(f"expected {n + 1}D or {n + 2}D input (got {input.dim()}D input)")

    def _normalized(self, input: Tensor) -> Any:
        return F.instance_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum if self.momentum is not None else 0.0,
            self.eps,
        )

    def forward(self, input: Tensor) -> Any:
        self._check_input_dim(input)
        at = input.dim() - self.spatial - 1
        if input.size(at) != self.num_features:
            if self.affine:
                raise ValueError(
                    f"expected input's size at dim={at} to match num_features ({self.num_features}), but "
                    f"got: {input.size(at)}."
                )
            warnings.warn(
                f"input's size at dim={at} does not match num_features. You can silence this warning by not "
                "passing in num_features, which is not used because affine=False",
                stacklevel=2,
            )
        if at == 0:
            return self._normalized(input.unsqueeze(0)).squeeze(0)
        return self._normalized(input)

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        if local_metadata.get("version", None) is None and not self.track_running_stats:
            found = [prefix + name for name in ("running_mean", "running_var") if prefix + name in state_dict]
            if found:
                names = " and ".join(f'"{key}"' for key in found)
                klass = type(self).__name__
                error_msgs.append(
                    f"Unexpected running stats buffer(s) {names} for {klass} with track_running_stats=False. "
                    "If state_dict is a checkpoint saved before 0.4.0, this may be expected because "
                    f"{klass} does not track running stats by default since 0.4.0. Please remove these keys "
                    "from state_dict. If the running stats are actually needed, instead set "
                    f"track_running_stats=True in {klass} to enable them. See the documentation of {klass} "
                    "for details."
                )
                for key in found:
                    state_dict.pop(key)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class InstanceNorm1d(_InstanceNorm):
    """Brings every channel of every example of (N, C, L) or (C, L) to mean 0 and variance 1.

    Args:
        num_features: the number C of channels.
        eps: added to the variance.
        momentum: how far running values move.
        affine: whether to scale and shift by parameters.
        track_running_stats: whether to keep running values for evaluation.
        device: device of the parameters.
        dtype: dtype of the parameters.
        bias: whether to shift, if `affine`.

    Raises:
        ValueError: for inputs of another rank.

    Source: https://arxiv.org/abs/1607.08022

    Example:
        >>> import cotangent as torch
        >>> torch.nn.InstanceNorm1d(1)(torch.tensor([[[1.0, 3.0]]]))
        tensor([[[-1.0000,  1.0000]]])
    """

    spatial = 1


class InstanceNorm2d(_InstanceNorm):
    """`InstanceNorm1d` for (N, C, H, W) or (C, H, W); arguments as there.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.InstanceNorm2d(3)(torch.zeros(3, 2, 2)).shape
        torch.Size([3, 2, 2])
    """

    spatial = 2


class InstanceNorm3d(_InstanceNorm):
    """`InstanceNorm1d` for (N, C, D, H, W) or (C, D, H, W); arguments as there.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.InstanceNorm3d(3)(torch.zeros(3, 2, 2, 2)).shape
        torch.Size([3, 2, 2, 2])
    """

    spatial = 3


class LazyInstanceNorm1d(_LazyNormBase, _InstanceNorm):
    """An `InstanceNorm1d` that takes the number of channels from its first input.

    Args:
        eps: added to the variance.
        momentum: how far running values move.
        affine: whether to scale and shift by parameters.
        track_running_stats: whether to keep running values for evaluation.
        device: device of the parameters.
        dtype: dtype of the parameters.
        bias: whether to shift, if `affine`.

    Example:
        >>> import cotangent as torch
        >>> norm = torch.nn.LazyInstanceNorm1d()
        >>> _ = norm(torch.zeros(2, 3, 4))
        >>> norm.num_features
        3
    """

    spatial = 1
    cls_to_become: Any = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNormBase, _InstanceNorm):
    """An `InstanceNorm2d` that takes the number of channels from its first input."""

    spatial = 2
    cls_to_become: Any = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNormBase, _InstanceNorm):
    """An `InstanceNorm3d` that takes the number of channels from its first input."""

    spatial = 3
    cls_to_become: Any = InstanceNorm3d
