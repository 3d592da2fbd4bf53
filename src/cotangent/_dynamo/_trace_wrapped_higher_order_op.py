"""A context of PyTorch's tracing that libraries enter around functions of indices (masks of attention)."""

from __future__ import annotations

from types import TracebackType

__all__ = ["TransformGetItemToIndex"]


class TransformGetItemToIndex:
    """For a block: `x[i]` with a 0-d tensor `i` takes elements as tensors do; vmap here does that anyway."""

    def __enter__(self) -> TransformGetItemToIndex:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass
