"""Batch normalisation as modules."""

from __future__ import annotations

from typing import Any, ClassVar

from ...dtypes import int64
from ...functions import empty, ones, tensor, zeros
from ...tensor import Tensor
from .. import functional as F, init
from ..parameter import Parameter, UninitializedBuffer, UninitializedParameter
from .lazy import LazyModuleMixin
from .module import Module

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "SyncBatchNorm",
]


class _NormBase(Module):
    """Parameters and running statistics of norms by channel."""

    _version = 2

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            made = Parameter(empty(num_features, device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name, made)
        tracked = track_running_stats
        self.register_buffer(
            "running_mean", zeros(num_features, device=device, dtype=dtype) if tracked else None
        )
        self.register_buffer(
            "running_var", ones(num_features, device=device, dtype=dtype) if tracked else None
        )
        self.register_buffer("num_batches_tracked", tensor(0, dtype=int64) if tracked else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Set running means to 0, running variances to 1 and the count of batches to 0."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Set factors to 1 and summands to 0, and the statistics to their start."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        raise NotImplementedError

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

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
        version = local_metadata.get("version", None)
        if (version is None or version < 2) and self.track_running_stats:
            # Files of the first version do not count batches.
            key = prefix + "num_batches_tracked"
            if key not in state_dict:
                counted = self.num_batches_tracked
                there = counted is not None and counted.device.type != "meta"
                state_dict[key] = counted if there else tensor(0, dtype=int64)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class _BatchNorm(_NormBase):
    """Normalisation over examples and places."""

    def _factor(self) -> float:
        """Counts the batch; how far running values move."""
        factor = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                factor = 1.0 / float(self.num_batches_tracked)
        return factor

    def _normalized(self, input: Tensor, factor: float) -> Any:
        of_batch = self.training or (self.running_mean is None and self.running_var is None)
        kept = not self.training or self.track_running_stats
        return F.batch_norm(
            input,
            self.running_mean if kept else None,
            self.running_var if kept else None,
            self.weight,
            self.bias,
            of_batch,
            factor,
            self.eps,
        )

    def forward(self, input: Tensor) -> Any:
        self._check_input_dim(input)
        return self._normalized(input, self._factor())


def _refuse(wanted: str, input: Tensor) -> None:
    raise ValueError(f"expected {wanted} input (got {input.dim()}D input)")


class _LazyNormBase(LazyModuleMixin):
    """Norms that learn the number of channels from their first input."""

    weight: Any
    bias: Any
    running_mean: Any
    running_var: Any
    num_batches_tracked: Any
    num_features: int
    affine: bool
    track_running_stats: bool

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        # No affine or running tensors are made yet: their size is not known.
        super().__init__(0, eps, momentum, False, False, device, dtype)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
            if bias:
                self.bias = UninitializedParameter(device=device, dtype=dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = tensor(0, dtype=int64)

    def reset_parameters(self) -> None:
        """As for the eager norm, once the parameters have a size."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Give parameters and running statistics the number of channels."""
        if not self.has_uninitialized_params():
            return
        self.num_features = input.shape[1]
        for value in (self.weight, self.bias, self.running_mean, self.running_var):
            if value is not None:
                value.materialize((self.num_features,))
        self.reset_parameters()


class _Ranked:
    """The numbers of dimensions a norm takes."""

    ranks: ClassVar[tuple[int, ...]]

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in self.ranks:
            _refuse(" or ".join(f"{n}D" for n in self.ranks), input)


class BatchNorm1d(_Ranked, _BatchNorm):
    """Brings every channel of (N, C) or (N, C, L) to mean 0 and variance 1, then scales and shifts it.

    Training uses the statistics of the batch and keeps running ones, which evaluation uses.

    Args:
        num_features: the number C of channels.
        eps: added to the variance.
        momentum: how far running values move with each batch; None averages over all batches.
        affine: whether to scale and shift by parameters.
        track_running_stats: whether to keep running values.
        device: device of the parameters.
        dtype: dtype of the parameters.
        bias: whether to shift, if `affine`.

    Raises:
        ValueError: for inputs of another rank.

    Source: https://arxiv.org/abs/1502.03167

    Example:
        >>> import cotangent as torch
        >>> torch.nn.BatchNorm1d(1)(torch.tensor([[1.0], [3.0]])).detach()
        tensor([[-1.0000],
                [ 1.0000]])
    """

    ranks = (2, 3)


class BatchNorm2d(_Ranked, _BatchNorm):
    """`BatchNorm1d` for (N, C, H, W).

    Args:
        num_features: the number C of channels.
        eps: added to the variance.
        momentum: how far running values move with each batch; None averages over all batches.
        affine: whether to scale and shift by parameters.
        track_running_stats: whether to keep running values.
        device: device of the parameters.
        dtype: dtype of the parameters.
        bias: whether to shift, if `affine`.

    Raises:
        ValueError: for inputs of another rank.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.BatchNorm2d(3)
        BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    ranks = (4,)


class BatchNorm3d(_Ranked, _BatchNorm):
    """`BatchNorm1d` for (N, C, D, H, W).

    Args:
        num_features: the number C of channels.
        eps: added to the variance.
        momentum: how far running values move with each batch; None averages over all batches.
        affine: whether to scale and shift by parameters.
        track_running_stats: whether to keep running values.
        device: device of the parameters.
        dtype: dtype of the parameters.
        bias: whether to shift, if `affine`.

    Raises:
        ValueError: for inputs of another rank.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.BatchNorm3d(3)(torch.zeros(2, 3, 1, 1, 1)).shape
        torch.Size([2, 3, 1, 1, 1])
    """

    ranks = (5,)


class LazyBatchNorm1d(_Ranked, _LazyNormBase, _BatchNorm):
    """A `BatchNorm1d` that takes the number of channels from its first input.

    Args:
        eps: added to the variance.
        momentum: how far running values move with each batch; None averages over all batches.
        affine: whether to scale and shift by parameters.
        track_running_stats: whether to keep running values.
        device: device of the parameters.
        dtype: dtype of the parameters.
        bias: whether to shift, if `affine`.

    Example:
        >>> import cotangent as torch
        >>> norm = torch.nn.LazyBatchNorm1d()
        >>> _ = norm(torch.zeros(2, 3))
        >>> norm.num_features
        3
    """

    ranks = (2, 3)
    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_Ranked, _LazyNormBase, _BatchNorm):
    """A `BatchNorm2d` that takes the number of channels from its first input; see `LazyBatchNorm1d`."""

    ranks = (4,)
    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_Ranked, _LazyNormBase, _BatchNorm):
    """A `BatchNorm3d` that takes the number of channels from its first input; see `LazyBatchNorm1d`."""

    ranks = (5,)
    cls_to_become = BatchNorm3d


class SyncBatchNorm(_BatchNorm):
    """Batch norm whose statistics processes share; in a single process an ordinary one.

    Args:
        num_features: the number of channels.
        eps: added to the variance.
        momentum: how far running values move with each batch; None averages over all batches.
        affine: whether to scale and shift by parameters.
        track_running_stats: whether to keep running values.
        process_group: the processes.
        device: device of the parameters.
        dtype: dtype of the parameters.
        bias: whether to shift, if `affine`.

    Raises:
        ValueError: for inputs of fewer than 2 dimensions or without channels.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.SyncBatchNorm(2)(torch.zeros(3, 2)).shape
        torch.Size([3, 2])
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            _refuse("at least 2D", input)

    def forward(self, input: Tensor) -> Any:
        self._check_input_dim(input)
        if input.size(1) == 0:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")
        return self._normalized(input, self._factor())

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """Replace every batch norm of a module by one of this class with the same tensors.

        Args:
            module: any module, or a batch norm itself.
            process_group: for the new ones.

        Returns:
            `module`, changed; or the new batch norm.

        Example:
            >>> import cotangent as torch
            >>> net = torch.nn.Sequential(torch.nn.BatchNorm1d(2))
            >>> type(torch.nn.SyncBatchNorm.convert_sync_batchnorm(net)[0]).__name__
            'SyncBatchNorm'
        """
        found: Module = module
        if isinstance(module, _BatchNorm):
            made = cls(
                module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats,
                process_group,
            )  # fmt: skip
            if module.affine:
                made.weight, made.bias = module.weight, module.bias
            made.running_mean, made.running_var = module.running_mean, module.running_var
            made.num_batches_tracked = module.num_batches_tracked
            made.training = module.training
            found = made
        for name, child in module.named_children():
            found.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return found
