"""Tables of vectors, looked up by index, as modules."""

from __future__ import annotations

from typing import Any

from ...autograd.modes import no_grad
from ...functions import empty
from ...tensor import Tensor
from .. import functional as F, init
from ..parameter import Parameter
from .module import Module

__all__ = ["Embedding", "EmbeddingBag"]


def _drawn(table: Any, padding_idx: int | None) -> None:
    """Draw a table from the standard normal distribution; the padding vector is 0."""
    init.normal_(table)
    if padding_idx is not None:
        with no_grad():
            table[padding_idx].fill_(0)


class Embedding(Module):
    """A table of vectors, looked up by index.

    Args:
        num_embeddings: number of vectors.
        embedding_dim: length of each.
        padding_idx: index whose vector starts as zeros and gets no gradient.
        max_norm: longer vectors are shortened to this norm, in the table, when they are looked up.
        norm_type: exponent of that norm.
        scale_grad_by_freq: whether to divide gradients by how often an index occurs in the input.
        sparse: whether the gradient of the table is sparse.
        _weight: the table, instead of a random one.
        _freeze: whether the table is not trained.
        device: device of the table.
        dtype: dtype of the table.

    Raises:
        AssertionError: if `padding_idx` is out of range or `_weight` has another shape.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.Embedding(10, 3)(torch.tensor([[1, 2], [4, 3]])).shape
        torch.Size([2, 2, 3])
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < max(num_embeddings, 1):
                raise AssertionError("Padding_idx must be within num_embeddings")
            if padding_idx < 0:
                padding_idx += num_embeddings
        self.padding_idx = padding_idx
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        if _weight is None:
            table = empty((num_embeddings, embedding_dim), device=device, dtype=dtype)
            self.weight = Parameter(table, requires_grad=not _freeze)
            self.reset_parameters()
        else:
            if list(_weight.shape) != [num_embeddings, embedding_dim]:
                raise AssertionError("Shape of weight does not match num_embeddings and embedding_dim")
            self.weight = Parameter(_weight, requires_grad=not _freeze)
        self.sparse = sparse

    def reset_parameters(self) -> None:
        """Draw the table from the standard normal distribution; the padding vector is 0."""
        _drawn(self.weight, self.padding_idx)

    def forward(self, input: Tensor) -> Any:
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )

    def extra_repr(self) -> str:
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        for name in ("padding_idx", "max_norm"):
            if getattr(self, name) is not None:
                parts.append(f"{name}={getattr(self, name)}")
        if self.norm_type != 2:
            parts.append(f"norm_type={self.norm_type}")
        if self.scale_grad_by_freq is not False:
            parts.append(f"scale_grad_by_freq={self.scale_grad_by_freq}")
        if self.sparse is not False:
            parts.append("sparse=True")
        return ", ".join(parts)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """An embedding over a given table.

        Args:
            embeddings: the table, `(num_embeddings, embedding_dim)`.
            freeze: whether the table is not trained.
            padding_idx: as in the class.
            max_norm: as in the class.
            norm_type: as in the class.
            scale_grad_by_freq: as in the class.
            sparse: as in the class.

        Returns:
            The module.

        Raises:
            AssertionError: if the table is not two-dimensional.

        Example:
            >>> import cotangent as torch
            >>> torch.nn.Embedding.from_pretrained(torch.eye(2))(torch.tensor([1]))
            tensor([[0., 1.]])
        """
        if embeddings.dim() != 2:
            raise AssertionError("Embeddings parameter is expected to be 2-dimensional")
        rows, columns = embeddings.shape
        return cls(
            num_embeddings=rows,
            embedding_dim=columns,
            _weight=embeddings,
            _freeze=freeze,
            padding_idx=padding_idx,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            sparse=sparse,
        )


class EmbeddingBag(Module):
    """Sums, means or maxima of rows of a table, bag by bag.

    Args:
        num_embeddings: number of vectors.
        embedding_dim: length of each.
        max_norm: longer vectors are shortened to this norm, in the table, when they are looked up.
        norm_type: exponent of that norm.
        scale_grad_by_freq: whether to divide gradients by how often an index occurs in the input.
        mode: "sum", "mean" or "max".
        sparse: whether the gradient of the table is sparse.
        _weight: the table, instead of a random one.
        include_last_offset: whether the last offset is where the last bag ends.
        padding_idx: index that counts for nothing; its vector starts as zeros.
        device: device of the table.
        dtype: dtype of the table.

    Raises:
        AssertionError: if `padding_idx` is out of range or `_weight` has another shape.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.EmbeddingBag(10, 3)(torch.tensor([[1, 2], [4, 3]])).shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        if padding_idx:  # PyTorch does not look at 0
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise AssertionError("padding_idx must be within num_embeddings")
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        if _weight is None:
            self.weight = Parameter(empty((num_embeddings, embedding_dim), device=device, dtype=dtype))
            self.reset_parameters()
        else:
            if list(_weight.shape) != [num_embeddings, embedding_dim]:
                raise AssertionError("Shape of weight does not match num_embeddings and embedding_dim")
            self.weight = Parameter(_weight)
        self.mode = mode
        self.sparse = sparse
        self.include_last_offset = include_last_offset

    def reset_parameters(self) -> None:
        """Draw the table from the standard normal distribution; the padding vector is 0."""
        _drawn(self.weight, self.padding_idx)

    def forward(self, input: Tensor, offsets: Any = None, per_sample_weights: Any = None) -> Any:
        return F.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        parts = [f"{self.num_embeddings!r}, {self.embedding_dim!r}"]
        usual: dict[str, Any] = {"max_norm": None, "norm_type": 2, "scale_grad_by_freq": False, "mode": ()}
        for name, value in {**usual, "padding_idx": None}.items():
            if getattr(self, name) != value:
                parts.append(f"{name}={getattr(self, name)!r}")
        return ", ".join(parts)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """Bags over a given table.

        Args:
            embeddings: the table, `(num_embeddings, embedding_dim)`.
            freeze: whether the table is not trained.
            max_norm: as in the class.
            norm_type: as in the class.
            scale_grad_by_freq: as in the class.
            mode: as in the class.
            sparse: as in the class.
            include_last_offset: as in the class.
            padding_idx: as in the class.

        Returns:
            The module.

        Raises:
            AssertionError: if the table is not two-dimensional.

        Example:
            >>> import cotangent as torch
            >>> torch.nn.EmbeddingBag.from_pretrained(torch.eye(2))(torch.tensor([[1, 0]]))
            tensor([[0.5000, 0.5000]])
        """
        if embeddings.dim() != 2:
            raise AssertionError("Embeddings parameter is expected to be 2-dimensional")
        rows, columns = embeddings.shape
        made = cls(
            rows,
            columns,
            _weight=embeddings,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            mode=mode,
            sparse=sparse,
            include_last_offset=include_last_offset,
            padding_idx=padding_idx,
        )
        made.weight.requires_grad = not freeze
        return made
