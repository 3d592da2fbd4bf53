"""Functions of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..._utils.collate import default_collate
from .._decorator import functional_datapipe
from ..datapipe import IterDataPipe, length_of
from ..utils.common import check_unpickable_fn, validate_input_col

__all__ = ["CollatorIterDataPipe", "MapperIterDataPipe"]


def picked(fn: Callable[..., Any], data: Any, columns: Any) -> Any:
    """A function of a sample, or of some columns of it.

    Args:
        fn: the function.
        data: the sample.
        columns: None for all of it, one key, or a list of keys.
    """
    if columns is None:
        return fn(data)
    if isinstance(columns, (list, tuple)):
        return fn(*(data[column] for column in columns))
    return fn(data[columns])


@functional_datapipe("map")
class MapperIterDataPipe(IterDataPipe):
    """A function of each sample (functional name: ``map``).

    Args:
        datapipe: the source.
        fn: the function.
        input_col: the columns that it gets, a key or a list of keys; None for the whole sample.
        output_col: where its result goes; None for the first of `input_col` (the others are removed), -1 for
            the end of the sample.

    Example:
        >>> from cotangent.utils.data.datapipes.iter import IterableWrapper
        >>> list(IterableWrapper([-1, 2]).map(abs))
        [1, 2]
    """

    def __init__(
        self, datapipe: Any, fn: Callable[..., Any], input_col: Any = None, output_col: Any = None
    ) -> None:
        super().__init__()
        self.datapipe = datapipe
        check_unpickable_fn(fn)
        self.fn = fn
        self.input_col = input_col
        if input_col is None and output_col is not None:
            raise ValueError("`output_col` must be None when `input_col` is None.")
        if isinstance(output_col, (list, tuple)):
            if len(output_col) > 1:
                raise ValueError("`output_col` must be a single-element list or tuple")
            output_col = output_col[0]
        self.output_col = output_col
        validate_input_col(fn, input_col)

    def _apply_fn(self, data: Any) -> Any:
        result = picked(self.fn, data, self.input_col)
        if self.input_col is None:
            return result
        changed = list(data) if isinstance(data, tuple) else data
        if self.output_col is None:
            columns = self.input_col if isinstance(self.input_col, (list, tuple)) else [self.input_col]
            changed[columns[0]] = result
            for column in sorted(columns[1:], reverse=True):
                del changed[column]
        elif self.output_col == -1:
            changed.append(result)
        else:
            changed[self.output_col] = result
        return tuple(changed) if isinstance(data, tuple) else changed

    def __iter__(self) -> Iterator[Any]:
        for data in self.datapipe:
            yield self._apply_fn(data)

    def __len__(self) -> int:
        return length_of(self, self.datapipe)


@functional_datapipe("collate")
class CollatorIterDataPipe(MapperIterDataPipe):
    """Batches as tensors (functional name: ``collate``).

    Args:
        datapipe: gives batches, lists of samples.
        conversion: makes tensors of one.
        collate_fn: the same, under an older name.

    Example:
        >>> from cotangent.utils.data.datapipes.iter import IterableWrapper
        >>> list(IterableWrapper([1, 2, 3]).batch(2).collate())
        [tensor([1, 2]), tensor([3])]
    """

    def __init__(
        self,
        datapipe: Any,
        conversion: Callable[..., Any] = default_collate,
        collate_fn: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(datapipe, fn=conversion if collate_fn is None else collate_fn)
