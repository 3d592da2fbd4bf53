"""`torch.distributed.autograd`: backward through functions that were called on other processes."""

from __future__ import annotations

from typing import Any

from ..rpc import recording as _recording
from ..rpc.recording import Context as DistAutogradContext, container as _container
from .engine import backward, get_gradients, release as _release_context

__all__ = ["DistAutogradContext", "backward", "context", "get_gradients", "is_available"]


def is_available() -> bool:
    """Whether there is distributed autograd: yes.

    Example:
        >>> import cotangent as torch
        >>> torch.distributed.autograd.is_available()
        True
    """
    return True


class context:
    """For a block: what goes to other workers is recorded for `backward`; gives the context's id.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.distributed import autograd
        >>> with autograd.context():
        ...     pass
        Traceback (most recent call last):
        RuntimeError: Need to initialize distributed autograd using torch.distributed.autograd.init()
    """

    def __enter__(self) -> int:
        self._number = _container.new().number
        return self._number

    def __exit__(self, *error: Any) -> None:
        _container.thread.context = None  # also if somebody else has released it
        _release_context(self._number)


def _current_context() -> DistAutogradContext:
    """The context of this thread.

    Raises:
        RuntimeError: if there is none.
    """
    found = _recording.current()
    if found is None:
        raise RuntimeError(_recording.NO_CONTEXT)
    return found


def _retrieve_context(context_id: int) -> DistAutogradContext:
    """The context with an id.

    Raises:
        RuntimeError: if there is none.
    """
    return _container.get(context_id)


def _is_valid_context(context_id: int) -> bool:
    """Whether there is a context with this id here."""
    return context_id in _container.contexts
