"""Averaging as it is, or with gradients of 16 bits on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....dtypes import bfloat16, float16
from ....futures import Future
from ...collectives import all_reduce
from ...group import Work, resolve

__all__ = [
    "allreduce_hook", "bf16_compress_hook", "bf16_compress_wrapper", "fp16_compress_hook",
    "fp16_compress_wrapper",
]  # fmt: skip


def _summed(tensor: Any, group: Any) -> Future[Any]:
    work = all_reduce(tensor, group=group, async_op=True)
    assert isinstance(work, Work)
    return work.get_future()


def allreduce_hook(process_group: Any, bucket: Any) -> Future[Any]:
    """The averages, as without a hook.

    Args:
        process_group: the ranks; all by default.
        bucket: the gradients.
    """
    group = resolve(process_group)
    tensor = bucket.buffer().div_(group.size())
    return _summed(tensor, group).then(lambda done: done.value()[0])


def _compressed(dtype: Any, process_group: Any, bucket: Any) -> Future[Any]:
    group = resolve(process_group)
    buffer = bucket.buffer()
    small = buffer.to(dtype).div_(group.size())
    return _summed(small, group).then(lambda done: buffer.copy_(done.value()[0]))


def fp16_compress_hook(process_group: Any, bucket: Any) -> Future[Any]:
    """The averages of gradients that travel as float16.

    Args:
        process_group: the ranks; all by default.
        bucket: the gradients.
    """
    return _compressed(float16, process_group, bucket)


def bf16_compress_hook(process_group: Any, bucket: Any) -> Future[Any]:
    """The averages of gradients that travel as bfloat16.

    Args:
        process_group: the ranks; all by default.
        bucket: the gradients.
    """
    return _compressed(bfloat16, process_group, bucket)


def _wrapper(dtype: Any, hook: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def wrapped(state: Any, bucket: Any) -> Any:
        buffer = bucket.buffer()
        bucket.set_buffer(buffer.to(dtype))
        return hook(state, bucket).then(lambda done: buffer.copy_(done.value()))

    return wrapped


def fp16_compress_wrapper(hook: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A hook whose gradients travel as float16.

    Args:
        hook: the hook.
    """
    return _wrapper(float16, hook)


def bf16_compress_wrapper(hook: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A hook whose gradients travel as bfloat16.

    Args:
        hook: the hook.
    """
    return _wrapper(bfloat16, hook)
