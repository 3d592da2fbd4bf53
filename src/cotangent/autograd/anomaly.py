"""Anomaly detection: which forward line led to an error or a nan in backward."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

import numpy as np

from .base import TensorBase
from .modes import modes, refresh_extras
from .where import warn

_ENABLED = (
    "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for "
    "debugging."
)


def watched(node: Any, grads: tuple[Any, ...], tensors: bool) -> tuple[Any, ...]:
    """Run a node; on an error, or a nan among its results, say where in forward it was recorded.

    Raises:
        RuntimeError: if a result holds nan (unless the check is off).
    """
    extras = modes.extras
    before, extras.running = extras.running, node
    try:
        values: tuple[Any, ...] = node.apply(grads, tensors)
        if extras.check_nan:
            for i, value in enumerate(values):
                if value is not None and _has_nan(value):
                    raise RuntimeError(f"Function '{node.name()}' returned nan values in its {i}th output.")
    except Exception:
        _report(node)
        raise
    finally:
        extras.running = before
    return values


def _has_nan(value: Any) -> bool:
    while isinstance(value, TensorBase):
        value = value._data
    if not isinstance(value, (np.ndarray, np.generic)):
        return False  # a payload without numbers
    return bool(np.isnan(value).any())


def _report(node: Any) -> None:
    """Say where a node was recorded; on stderr where warnings are errors: another error is on its way."""
    try:
        _describe(node)
    except Warning as warning:
        print(f"Warning: {warning}", file=sys.stderr)


def _describe(node: Any) -> None:
    metadata = node.metadata
    if "traceback_" not in metadata:
        warn(
            f"Error detected in {node.name()}. No forward pass information available. Enable detect anomaly "
            "during forward pass for more information."
        )
        return
    warn(
        f"Error detected in {node.name()}. Traceback of forward call that caused the "
        f"error:\n{metadata['traceback_']}"
    )
    while (parent := node.metadata.get("parent_")) is not None:
        trace = parent.metadata.get("traceback_")
        if trace is None:
            warn(
                f"\n\nPrevious calculation was induced by {parent.name()}. No forward pass information "
                "available. Enable "
                "detect anomaly during forward pass for more information."
            )
        else:
            warn(
                f"\n\nPrevious calculation was induced by {parent.name()}. Traceback of forward call that "
                "induced the "
                f"previous calculation:\n{trace}"
            )
        node = parent


class set_detect_anomaly:
    """Switch anomaly detection on or off, at once as a function or for a block.

    Args:
        mode: whether it is on.
        check_nan: whether nan in backward is an error.

    Example:
        >>> import cotangent as torch
        >>> with torch.autograd.set_detect_anomaly(False):
        ...     torch.is_anomaly_enabled()
        False
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = (modes.extras.anomaly, modes.extras.check_nan)
        _set(mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        _set(*self._before)


class detect_anomaly:
    """Anomaly detection for a block: errors in backward show the forward line, nan is an error.

    Args:
        check_nan: whether nan in backward is an error.

    Example:
        >>> import warnings
        >>> import cotangent as torch
        >>> x = torch.tensor([-1.0], requires_grad=True)
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     with torch.autograd.detect_anomaly():
        ...         try:
        ...             torch.sqrt(x).sum().backward()
        ...         except RuntimeError as error:
        ...             print(error)
        Function 'SqrtBackward0' returned nan values in its 0th output.
    """

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan
        self._before = (modes.extras.anomaly, modes.extras.check_nan)
        warn(_ENABLED)

    def __enter__(self) -> None:
        self._before = (modes.extras.anomaly, modes.extras.check_nan)
        _set(True, self.check_nan)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        _set(*self._before)


def _set(mode: bool, check_nan: bool) -> None:
    modes.extras.anomaly = bool(mode)
    modes.extras.check_nan = bool(check_nan)
    refresh_extras()


def set_anomaly_enabled(enabled: bool, check_nan: bool = True) -> None:
    """Switch anomaly detection on or off."""
    _set(enabled, check_nan)


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on.

    Example:
        >>> import cotangent as torch
        >>> torch.is_anomaly_enabled()
        False
    """
    return modes.extras.anomaly


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly detection treats nan as an error.

    Example:
        >>> import cotangent as torch
        >>> torch.is_anomaly_check_nan_enabled()
        True
    """
    return modes.extras.check_nan
