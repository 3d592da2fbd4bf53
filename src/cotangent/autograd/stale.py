"""The error for a saved value that was written in place before backward needed it."""

from __future__ import annotations

from typing import Any, Final

from .. import dtypes
from .base import DETACHED, wrap
from .modes import modes
from .notes import annotate, recorded_at, written_at


def type_text(data: Any) -> str:
    """`torch.FloatTensor [2, 3]`, as PyTorch names a tensor in messages."""
    found = data.dtype if isinstance(data.dtype, dtypes.dtype) else dtypes.from_numpy(data.dtype)
    return f"{found.cpp_type} [{', '.join(map(str, data.shape))}]"


_DETACHED: Final = (
    "Trying to use a saved tensor that has been detached in-place, i.e. with .detach_().This is not "
    "supported, "
    "please use out-of-place `.detach()` instead"
)


def stale_value(node: Any, field: str) -> None:
    """Raise PyTorch's error for a saved tensor whose version has moved on.

    An output of the node may have been cut off its history (`detach_`) meanwhile; an input may not.
    """
    if field.startswith("out") and field in node.saved_names:
        value, cell = getattr(node, field), getattr(node, field + "_vc")
        now, expected = cell[0] % DETACHED, getattr(node, field + "_v") % DETACHED
        if now == expected:
            return
        number = int(field[3:] or 0)
        producer: Any = None if number in node.op.nondiff_outputs else node
        shown = getattr(node, "shown", None)
        if shown is not None:
            producer = shown() or node
        data = getattr(value, "_data", value)
        written = wrap(data)
        written._vc = cell
    else:
        t = getattr(node, field)
        saved = getattr(node, field + "_v")
        if isinstance(t, (list, tuple)):
            k = next(i for i, v in enumerate(t) if v._vc is not None and v._vc[0] != saved[i])
            t, saved = t[k], saved[k]
        else:
            k = 0
        edge = node.edges[node.position(field) + k]
        cut = t._vc[0] // DETACHED != saved // DETACHED and t._node is None
        if cut and edge is not None and not hasattr(edge, "variable"):
            raise RuntimeError(_DETACHED)
        now, expected = t._vc[0] % DETACHED, saved % DETACHED
        if now == expected:
            return
        data, written = t._data, t
        producer, number = t.grad_fn, t.output_nr  # the history it has by now
    origin = ""
    if producer is not None and not hasattr(producer, "variable"):
        name, _, overload = producer.name().rpartition("Backward")
        name = name + overload.strip("0") if overload.isdigit() else producer.name()
        origin = f", which is output {number} of {name},"
    hint = (
        "Hint: the backtrace further above shows the operation that failed to compute its gradient. The "
        "variable in question was changed in there or anywhere later. Good luck!"
        if modes.extras.anomaly
        else "Hint: enable anomaly detection to find the operation that failed to compute its gradient, with "
        "torch.autograd.set_detect_anomaly(True, check_nan=False)."
    )
    error = RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[{type_text(data)}]{origin or ''} is at version {now}; expected version {expected} instead. {hint}"
    )
    annotate(error, "stale", recorded=recorded_at(node), broken=written_at(written, expected))
    raise error
