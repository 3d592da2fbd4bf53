"""Some of the samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .._decorator import functional_datapipe
from ..datapipe import IterDataPipe
from ..utils.common import StreamWrapper, check_unpickable_fn, validate_input_col
from .callable import picked

__all__ = ["FilterIterDataPipe"]


@functional_datapipe("filter")
class FilterIterDataPipe(IterDataPipe):
    """The samples of which a function says True (functional name: ``filter``).

    Args:
        datapipe: the source.
        filter_fn: the function.
        input_col: the columns that it gets, a key or a list of keys; None for the whole sample.

    Example:
        >>> from cotangent.utils.data.datapipes.iter import IterableWrapper
        >>> list(IterableWrapper(["a", "1"]).filter(str.isdigit))
        ['1']
    """

    def __init__(self, datapipe: Any, filter_fn: Callable[..., bool], input_col: Any = None) -> None:
        super().__init__()
        self.datapipe = datapipe
        check_unpickable_fn(filter_fn)
        self.filter_fn = filter_fn
        self.input_col = input_col
        validate_input_col(filter_fn, input_col)

    def __iter__(self) -> Iterator[Any]:
        for data in self.datapipe:
            answer = picked(self.filter_fn, data, self.input_col)
            if not isinstance(answer, bool):
                raise ValueError(
                    "Boolean output is required for `filter_fn` of FilterIterDataPipe, got", type(answer)
                )
            if answer:
                yield data
            else:
                StreamWrapper.close_streams(data)
