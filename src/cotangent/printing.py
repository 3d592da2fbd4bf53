"""The printed form of tensors: PyTorch's, digit for digit and wrap for wrap.

Everything here works on NumPy arrays and plain strings; a Tensor passes in what its `repr` needs to
show. The rules were found by watching what PyTorch 2.13 prints:

* Numbers. Integers and booleans print as Python's own, padded to the widest. Floating-point numbers
  share one style, chosen from the finite, nonzero ones that will be shown: whole numbers get a bare
  point ("1."), others `precision` decimals, and either turns scientific when the magnitudes span more
  than a factor of 1000, exceed 1e8 or fall below 1e-4. The column is as wide as the widest
  finite, nonzero number: zeros, infinities and nan do not widen it. The real and the imaginary parts of
  complex numbers are two such columns.
* Rows. A row breaks to keep within `linewidth`; above `threshold` elements only `edgeitems` at either
  end of each long dimension are read and shown.
* Suffixes (`dtype=...`, `grad_fn=...`) follow in one line where they fit, else on lines of their own.
"""

from __future__ import annotations

import contextlib
import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np


class _Options:
    """How tensors print; one instance serves the process, as PyTorch's does."""

    def __init__(
        self,
        precision: int = 4,
        threshold: float = 1000,
        edgeitems: int = 3,
        linewidth: int = 80,
        sci_mode: bool | None = None,
    ) -> None:
        self.precision = precision
        self.threshold = threshold
        self.edgeitems = edgeitems
        self.linewidth = linewidth
        self.sci_mode = sci_mode


_options = _Options()
_PROFILES = (
    ("default", _Options()),
    ("short", _Options(precision=2, edgeitems=2)),
    ("full", _Options(threshold=math.inf)),
)
# Shown without `dtype=`, besides the default floating-point type and its complex twin. An empty tensor
# has no numbers from which a reader could tell the type, so there only the default goes without saying.
_PLAIN_DTYPES = ("int64", "bool")


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors print, for the whole process.

    Args:
        precision: digits after the point (4 at first).
        threshold: number of elements above which a tensor is summarised (1000 at first).
        edgeitems: elements shown at either end of a summarised dimension (3 at first).
        linewidth: characters per line, after which rows and suffixes break (80 at first).
        profile: "default", "short" (2 digits, 2 edge items) or "full" (never summarise), set before the
            other arguments; any other value changes nothing.
        sci_mode: True for scientific notation, False for none, None to let the values decide. Unlike
            the others it is always set: leaving it out goes back to None.

    Returns:
        None.

    Example:
        >>> import cotangent as torch
        >>> torch.set_printoptions(precision=2)
        >>> torch.tensor([0.12345, 1])
        tensor([0.12, 1.00])
        >>> torch.set_printoptions(profile="default")
    """
    for name, preset in _PROFILES:
        if profile == name:
            vars(_options).update(vars(preset))
    if precision is not None:
        _options.precision = precision
    if threshold is not None:
        _options.threshold = threshold
    if edgeitems is not None:
        _options.edgeitems = edgeitems
    if linewidth is not None:
        _options.linewidth = linewidth
    _options.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """How tensors print at present.

    Returns:
        A new dict of `precision`, `threshold`, `edgeitems`, `linewidth` and `sci_mode`.

    Example:
        >>> from cotangent.printing import get_printoptions
        >>> get_printoptions()["linewidth"]
        80
    """
    return dict(vars(_options))


@contextlib.contextmanager
def printoptions(**kwargs: Any) -> Iterator[None]:
    """Set how tensors print for the length of a `with` block (or a decorated function).

    Args:
        **kwargs: as in `set_printoptions`.

    Returns:
        A context manager that gives None and restores every option at its end.

    Raises:
        TypeError: on entry, for a name that `set_printoptions` does not know.

    Example:
        >>> from cotangent.printing import get_printoptions, printoptions
        >>> with printoptions(precision=2):
        ...     get_printoptions()["precision"]
        2
        >>> get_printoptions()["precision"]
        4
    """
    before = get_printoptions()
    set_printoptions(**kwargs)
    try:
        yield
    finally:
        vars(_options).update(before)


def tensor_text(
    array: np.ndarray[Any, Any],
    *,
    dtype_name: str,
    default_dtype: str = "float32",
    requires_grad: bool = False,
    grad_fn_name: str | None = None,
    tangent: str | None = None,
    contents: str | None = None,
    prefix: str = "tensor(",
    device: str | None = None,
) -> str:
    """The text of a tensor's `repr`, up to and with the closing parenthesis.

    The caller adds what stands around it: "Parameter containing:" and a line break before a Parameter's,
    `Parameter(...)` around a tensor subclass's that is marked as a parameter, `wrapper_text` around the
    payload of a function transform.

    Args:
        array: the elements, of any shape.
        dtype_name: the element type as PyTorch writes it after "torch.", such as "bfloat16".
        default_dtype: the default floating-point type at the time, written likewise. It and its complex
            twin (complex128 to float64, complex64 to any other) are not mentioned.
        requires_grad: whether to say so; a `grad_fn_name` says it already.
        grad_fn_name: the class name of the node that made the tensor, if one did ("Invalid" where
            PyTorch cannot rebuild the node of a view).
        tangent: the text of the forward-mode tangent, if there is one.
        contents: shown in place of the elements.
        prefix: what stands before the elements: "tensor(" or a subclass's name and a parenthesis; lines
            that continue are indented by its length.
        device: where there are no elements to show, only their shape and type.

    Returns:
        The text, of several lines where it is long.

    Raises:
        RuntimeError: `edgeitems` is negative and a summarised tensor has two or more dimensions.
        TypeError, ValueError: an option set by `set_printoptions` does not make sense.

    Example:
        >>> import numpy as np
        >>> from cotangent.printing import tensor_text
        >>> print(tensor_text(np.array([0.5, 2, np.nan]), dtype_name="float64", requires_grad=True))
        tensor([0.5000, 2.0000,    nan], dtype=torch.float64, requires_grad=True)
        >>> print(tensor_text(np.zeros((0, 3), np.float32), dtype_name="float32"))
        tensor([], size=(0, 3))
    """
    indent = len(prefix)
    empty = array.size == 0
    suffixes = []
    # With no edge items nothing may be left to tell the shape from, so PyTorch names it.
    if device is not None:
        suffixes += [f"device='{device}'", f"size={array.shape}"]
        contents, empty = "...", True
    elif array.ndim != 1 if empty else not _options.edgeitems:
        suffixes.append(f"size={array.shape}")
    if dtype_name != default_dtype if empty else not _goes_without_saying(dtype_name, default_dtype):
        suffixes.append(f"dtype=torch.{dtype_name}")
    suffixes += history_suffixes(requires_grad, grad_fn_name)
    if tangent is not None:
        suffixes.append(f"tangent={tangent}")
    if contents is None:
        contents = "[]" if empty else _elements(array, indent)
    return _with_suffixes(prefix + contents, suffixes, indent)


def _goes_without_saying(dtype_name: str, default_dtype: str) -> bool:
    """Whether a dtype is not mentioned beside elements that show its kind."""
    complex_twin = "complex128" if default_dtype == "float64" else "complex64"
    return dtype_name in (default_dtype, complex_twin) or dtype_name in _PLAIN_DTYPES


def history_suffixes(requires_grad: bool, grad_fn_name: str | None) -> list[str]:
    """What a `repr` says of a tensor's history."""
    if grad_fn_name is not None:
        return [f"grad_fn=<{grad_fn_name}>"]
    return ["requires_grad=True"] if requires_grad else []


def sparse_text(
    parts: dict[str, np.ndarray[Any, Any]],
    shape: tuple[int, ...],
    *,
    dtype_name: str,
    default_dtype: str = "float32",
    layout: str = "torch.sparse_coo",
    requires_grad: bool = False,
    grad_fn_name: str | None = None,
    prefix: str = "tensor(",
) -> str:
    """The text of a sparse tensor's `repr`.

    Args:
        parts: indices and values, by name; the last dimension of the indices is the number of values.
        shape: the tensor's shape.
        dtype_name, default_dtype, requires_grad, grad_fn_name: as for `tensor_text`.
        layout: the layout's name.
        prefix: what stands before: "tensor(" or a subclass's name and a parenthesis.

    Returns:
        The text, one line for each part and one or more for the rest.

    Example:
        >>> import numpy as np
        >>> from cotangent.printing import sparse_text
        >>> parts = {"indices": np.array([[0]]), "values": np.array([2.0])}
        >>> print(sparse_text(parts, (3,), dtype_name="float32"))
        tensor(indices=tensor([[0]]),
               values=tensor([2.]),
               size=(3,), nnz=1, layout=torch.sparse_coo)
    """
    indent = len(prefix)
    lines = []
    for name, array in parts.items():
        head = f"{name}=tensor("
        body = _elements(array, indent + len(head)) if array.size else f"[], size={array.shape}"
        lines.append(f"{head}{body})")
    text = prefix + (",\n" + " " * indent).join(lines)
    # Beside the values, the last part says where each is.
    suffixes = [f"size={shape}", f"nnz={list(parts.values())[-2].shape[-1]}"]
    if not _goes_without_saying(dtype_name, default_dtype):
        suffixes.append(f"dtype=torch.{dtype_name}")
    suffixes += [f"layout={layout}", *history_suffixes(requires_grad, grad_fn_name)]
    return _with_suffixes(text, suffixes, indent, own_line="indices" in parts)


def quantized_text(data: Any, prefix: str = "tensor(") -> str:
    """The text of a quantised tensor's `repr`.

    Args:
        data: its payload (kernels/quantized.py).
        prefix: what stands before: "tensor(" or a subclass's name and a parenthesis.
    """
    numbers = data.dequantized()
    contents = _elements(numbers, len(prefix)) if numbers.size else "[]"
    suffixes = [f"size={data.shape}", f"dtype={data.dtype!r}"]
    if data.axis is None:
        suffixes.append("quantization_scheme=torch.per_tensor_affine")
        suffixes += [f"scale={data.scale}", f"zero_point={data.zero_point}"]
    else:
        suffixes.append("quantization_scheme=torch.per_channel_affine")
        suffixes.append(f"scale={tensor_text(data.scale, dtype_name=data.scale.dtype.name)}")
        zeros = tensor_text(data.zero_point, dtype_name=data.zero_point.dtype.name)
        suffixes += [f"zero_point={zeros}", f"axis={data.axis}"]
    return _with_suffixes(prefix + contents, suffixes, len(prefix))


def wrapper_text(kind: str, level: int, value: str, bdim: int | None = None) -> str:
    """The text of a tensor as a function transform (`torch.func`) sees it: its payload's, wrapped.

    Args:
        kind: "GradTrackingTensor" or "BatchedTensor".
        level: the nesting level of the transform, from 1.
        value: the payload's text.
        bdim: the payload's batch dimension, for a BatchedTensor.

    Returns:
        The text, the payload's lines indented by four columns.

    Example:
        >>> from cotangent.printing import wrapper_text
        >>> print(wrapper_text("BatchedTensor", 1, "tensor([1., 2.])", bdim=0))
        BatchedTensor(lvl=1, bdim=0, value=
            tensor([1., 2.])
        )
    """
    batch = "" if bdim is None else f", bdim={bdim}"
    return f"{kind}(lvl={level}{batch}, value=\n{textwrap.indent(value, '    ')}\n)"


def _with_suffixes(text: str, suffixes: Sequence[str], indent: int, own_line: bool = False) -> str:
    if not suffixes:
        return text + ")"
    linewidth = _options.linewidth
    parts = [text]
    # Two more than the characters there are: room for the comma and the parenthesis to come.
    length = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        # Counted at full length even where the suffix, a tangent, has several lines itself.
        if own_line or length + len(suffix) + 2 > linewidth:
            own_line = False
            parts.append(",\n" + " " * indent + suffix)
            length = indent + len(suffix)
        else:
            parts.append(", " + suffix)
            length += len(suffix) + 2
    parts.append(")")
    return "".join(parts)


def _elements(array: np.ndarray[Any, Any], indent: int) -> str:
    """The brackets and what is in them."""
    heads: list[int | None] = [None] * array.ndim
    if array.size > _options.threshold and array.ndim:
        if not _options.edgeitems:
            return "[...]"
        array = _edges(array, heads)
    kind = array.dtype.kind
    values = (array.astype(np.float32) if array.itemsize == 1 and kind in "Vf" else array).ravel().tolist()
    if kind == "c":
        real, real_width = _float_column([value.real for value in values])
        imag, imag_width = _float_column([value.imag for value in values])
        cells = [
            # The sign joins the parts, so the imaginary column is not padded (and rows may be ragged).
            f"{a.rjust(real_width)}{b}j" if b[0] == "-" else f"{a.rjust(real_width)}+{b}j"
            for a, b in zip(real, imag)
        ]
        step = real_width + imag_width + 3
    else:
        cells, width = _whole_column(values) if kind in "iub" else _float_column(values)
        cells = [cell.rjust(width) for cell in cells]
        step = width + 2
    if not heads:
        return cells[0]
    return _brackets(cells, array.shape, heads, step, indent)


def _edges(array: np.ndarray[Any, Any], heads: list[int | None]) -> np.ndarray[Any, Any]:
    """The elements that a summary shows; into `heads` go, per shortened dimension, how many lead it.

    The slices are those PyTorch takes, so that odd values of `edgeitems` do or raise the same.
    """
    edge = _options.edgeitems
    picks: list[np.ndarray[Any, Any]] = []
    for axis, n in enumerate(array.shape):
        head, tail = range(n), range(0)
        if n > 2 * edge:
            if axis == array.ndim - 1:
                head, tail = range(n)[:edge], range(n)[-edge:]
            else:
                head, tail = range(edge), range(n - edge, n)
                if not head:
                    raise RuntimeError("stack expects a non-empty TensorList")
            heads[axis] = len(head)
        picks.append(np.array([*head, *tail], np.intp))
    shown: np.ndarray[Any, Any] = array[np.ix_(*picks)]
    return shown


def _whole_column(values: list[Any]) -> tuple[list[str], int]:
    """Integers or booleans as text, and the width of their column."""
    cells = [str(value) for value in values]
    return cells, max(map(len, cells), default=0)


def _float_column(values: list[float]) -> tuple[list[str], int]:
    """Floating-point numbers as text in their common style, and the width of their column."""
    counted = [value for value in values if value and math.isfinite(value)]
    whole = all(map(float.is_integer, counted))
    scientific = False
    if counted:
        if _options.sci_mode is None:
            sizes = list(map(abs, counted))
            low, high = min(sizes), max(sizes)
            scientific = high / low > 1000 or high > 1e8 or low < 1e-4
        else:
            scientific = bool(_options.sci_mode)
    if scientific:
        cells = [f"{value:.{_options.precision}e}" for value in values]
    elif whole:
        cells = [f"{value:.0f}." if math.isfinite(value) else f"{value:.0f}" for value in values]
    else:
        cells = [f"{value:.{_options.precision}f}" for value in values]
    width = 1
    for value, cell in zip(values, cells):
        if len(cell) > width and value and math.isfinite(value):
            width = len(cell)
    return cells, width


def _brackets(
    cells: list[str], shape: tuple[int, ...], heads: Sequence[int | None], step: int, indent: int
) -> str:
    """The cells of a shape in nested brackets, "..." where a dimension was shortened."""
    head = heads[0]
    if len(shape) == 1:
        per_line = max(1, math.floor((_options.linewidth - indent) / step))
        if head is not None:
            cells = [*cells[:head], " ...", *cells[head:]]
        parts = [", ".join(cells[i : i + per_line]) for i in range(0, len(cells), per_line)]
        gap = ",\n"
    else:
        stride = len(cells) // shape[0]
        parts = [
            _brackets(cells[i : i + stride], shape[1:], heads[1:], step, indent + 1)
            for i in range(0, len(cells), stride)
        ]
        if head is not None:
            parts.insert(head, "...")
        gap = "," + "\n" * (len(shape) - 1)
    return "[" + (gap + " " * (indent + 1)).join(parts) + "]"
