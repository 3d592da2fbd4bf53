"""Names that programs take from `torch._jit_internal`: marks for scripting, and typing's own."""

from __future__ import annotations

from collections.abc import Callable

# The older names are what programs import from here.
from typing import (  # noqa: UP035
    Any,
    Dict as Dict,
    Final as Final,
    List as List,
    Optional as Optional,
    Tuple as Tuple,
    TypeVar,
    Union as Union,
)

from .futures import Future as Future
from .jit import export as export, ignore as ignore, is_scripting as is_scripting, unused as unused
from .nn.functional._grouped import (
    BroadcastingList1 as BroadcastingList1,
    BroadcastingList2 as BroadcastingList2,
    BroadcastingList3 as BroadcastingList3,
    boolean_dispatch as boolean_dispatch,
)

F = TypeVar("F", bound=Callable[..., Any])


def _overload(func: F) -> F:
    """Mark a signature of a function that has several; all are ignored but the last."""
    return func


_overload_method = _copy_to_script_wrapper = _overload
