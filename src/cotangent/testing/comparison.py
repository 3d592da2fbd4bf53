"""Comparison of tensors, numbers and containers of them, to within tolerances."""

from __future__ import annotations

import cmath
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from ..creation import as_tensor
from ..dtypes import bfloat16, bool_, complex64, complex128, float16, float32, float64, int64
from ..ops.comparison import isclose
from ..size import strided
from ..tensor import Tensor

__all__ = ["assert_close"]

# Relative and absolute tolerance by dtype; (0, 0) for all others.
TOLERANCES: Final = {
    float16: (1e-3, 1e-5),
    bfloat16: (1.6e-2, 1e-5),
    float32: (1.3e-6, 1e-5),
    float64: (1e-7, 1e-7),
    complex64: (1.3e-6, 1e-5),
    complex128: (1e-7, 1e-7),
}
_OF_NUMBERS: Final = {int: int64, float: float64, complex: complex128}

Path = tuple[Any, ...]


class Options(NamedTuple):
    """What `assert_close` was told."""

    subclasses: bool
    rtol: float | None
    atol: float | None
    equal_nan: bool
    device: bool
    dtype: bool
    layout: bool
    stride: bool
    message: str | Callable[[str], str] | None

    def tolerances(self, *dtypes: Any) -> tuple[float, float]:
        """Those that were given, or the wider ones of these dtypes."""
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        pairs = [TOLERANCES.get(d, (0.0, 0.0)) for d in dtypes]
        return max(p[0] for p in pairs), max(p[1] for p in pairs)

    def fail(self, kind: type[Exception], text: str, at: Path) -> Exception:
        """The error, with the item it happened for, in the words of the caller if there are any."""
        if at:
            text += f"\n\nThe failure occurred for item {''.join(f'[{k!r}]' for k in at)}"
        if self.message is not None and kind is AssertionError:
            text = self.message(text) if callable(self.message) else self.message
        return kind(text)


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Assert that two things are equal to within tolerances: |actual - expected| <= atol + rtol |expected|.

    Sequences and mappings are compared item by item. Without tolerances those of the dtype hold, exact
    equality for integers among them.

    Args:
        actual: tensor, array, number, boolean, None, or a container of such.
        expected: likewise.
        allow_subclasses: whether the types may be related instead of the same.
        rtol: relative tolerance, to be given together with `atol`.
        atol: absolute tolerance.
        equal_nan: whether NaN equals NaN.
        check_device: whether devices have to be the same.
        check_dtype: whether dtypes (and types of numbers) have to be the same.
        check_layout: whether layouts have to be the same.
        check_stride: whether strides have to be the same.
        msg: text of the error, or a function that makes it from the usual one.

    Raises:
        AssertionError: if they differ; the text says where, and by how much.
        TypeError: for things that cannot be compared.
        ValueError: if just one tolerance is given.

    Example:
        >>> import cotangent as torch
        >>> torch.testing.assert_close(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0 + 1e-7]))
        >>> torch.testing.assert_close([1], [2])
        Traceback (most recent call last):
        AssertionError: Scalars are not equal!
        <BLANKLINE>
        Expected 2 but got 1.
        Absolute difference: 1
        Relative difference: 0.5
        <BLANKLINE>
        The failure occurred for item [0]
    """
    if (rtol is None) is not (atol is None):
        lacking = "rtol" if rtol is None else "atol"
        raise ValueError(f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {lacking}.")
    options = Options(
        allow_subclasses, rtol, atol, equal_nan, check_device, check_dtype, check_layout, check_stride, msg
    )
    checks: list[Callable[[], None]] = []
    _collect(actual, expected, options, (), checks)
    for check in checks:
        check()


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _collect(a: Any, b: Any, o: Options, at: Path, checks: list[Callable[[], None]]) -> None:
    """The comparisons to make, containers walked; what cannot be compared is an error before any is made."""
    if _is_sequence(a) and _is_sequence(b):
        if len(a) != len(b):
            text = f"The length of the sequences mismatch: {len(a)} != {len(b)}"
            raise o.fail(AssertionError, text, at)
        for k, (one, other) in enumerate(zip(a, b)):
            _collect(one, other, o, (*at, k), checks)
    elif isinstance(a, Mapping) and isinstance(b, Mapping):
        if set(a) != set(b):
            raise o.fail(
                AssertionError,
                "The keys of the mappings do not match:\n"
                f"Missing keys in the actual mapping: {sorted(set(b) - set(a))}\n"
                f"Additional keys in the actual mapping: {sorted(set(a) - set(b))}",
                at,
            )
        keys = list(a)
        try:
            keys = sorted(keys)
        except TypeError:
            pass  # keys without an order come as they are
        for key in keys:
            _collect(a[key], b[key], o, (*at, key), checks)
    else:
        checks.append(_comparison(a, b, o, at))


def _comparison(a: Any, b: Any, o: Options, at: Path) -> Callable[[], None]:
    if a is None or b is None:
        return lambda: _same_none(a, b, o, at)
    flags = (bool, np.bool_)
    if isinstance(a, flags) and isinstance(b, flags):
        return lambda: _same_flag(bool(a), bool(b), o, at)
    numbers = (int, float, complex, np.number)
    if isinstance(a, numbers) and isinstance(b, numbers):
        return lambda: _close_numbers(a, b, o, at)
    related = isinstance(a, type(b)) or isinstance(b, type(a))
    if related and (o.subclasses or type(a) is type(b)) and isinstance(a, (Tensor, np.ndarray)):
        return lambda: _close_tensors(as_tensor(a), as_tensor(b), o, at)
    text = f"No comparison pair was able to handle inputs of type {type(a)} and {type(b)}."
    raise o.fail(TypeError, text, at)


def _same_none(a: Any, b: Any, o: Options, at: Path) -> None:
    if not (a is None and b is None):
        raise o.fail(AssertionError, f"None mismatch: {a} is not {b}", at)


def _same_flag(a: bool, b: bool, o: Options, at: Path) -> None:
    if a is not b:
        raise o.fail(AssertionError, f"Booleans mismatch: {a} is not {b}", at)


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, np.number) else value


def _close_numbers(a: Any, b: Any, o: Options, at: Path) -> None:
    a, b = _number(a), _number(b)
    if o.dtype and type(a) is not type(b):
        raise o.fail(AssertionError, f"The (d)types do not match: {type(a)} != {type(b)}.", at)
    rtol, atol = o.tolerances(*(_OF_NUMBERS[complex if isinstance(v, complex) else type(v)] for v in (a, b)))
    if a == b or (o.equal_nan and cmath.isnan(a) and cmath.isnan(b)):
        return
    difference = abs(a - b)
    if cmath.isfinite(difference) and difference <= atol + rtol * abs(b):
        return
    relative = difference / abs(b) if b else float("inf")
    raise o.fail(AssertionError, _scalar_text(a, b, difference, relative, rtol, atol), at)


def _scalar_text(a: Any, b: Any, difference: Any, relative: Any, rtol: float, atol: float) -> str:
    exact = rtol == 0 and atol == 0
    allowed = ("", "") if exact else (f" (up to {atol} allowed)", f" (up to {rtol} allowed)")
    return (
        f"Scalars are not {'equal' if exact else 'close'}!\n\n"
        f"Expected {b} but got {a}.\n"
        f"Absolute difference: {difference}{allowed[0]}\n"
        f"Relative difference: {relative}{allowed[1]}"
    )


def _close_tensors(a: Any, b: Any, o: Options, at: Path) -> None:
    def differ(name: str, one: Any, other: Any) -> Exception:
        text = f"The values for attribute '{name}' do not match: {one} != {other}."
        return o.fail(AssertionError, text, at)

    if a.shape != b.shape:
        raise differ("shape", a.shape, b.shape)
    if a.layout != b.layout:
        if o.layout:
            raise differ("layout", a.layout, b.layout)
    elif o.stride and a.layout is strided and a.stride() != b.stride():
        raise differ("stride()", a.stride(), b.stride())
    if a.is_quantized != b.is_quantized:
        raise differ("is_quantized", a.is_quantized, b.is_quantized)
    if a.is_quantized and a.qscheme() != b.qscheme():
        raise differ("qscheme()", a.qscheme(), b.qscheme())
    if o.device and a.device != b.device:
        raise differ("device", a.device, b.device)
    if o.dtype and a.dtype != b.dtype:
        raise differ("dtype", a.dtype, b.dtype)
    rtol, atol = o.tolerances(a.dtype, b.dtype)
    if a.is_meta or b.is_meta:
        return
    a, b = a.detach(), b.detach()
    if a.is_quantized:
        _close_values(a.dequantize(), b.dequantize(), rtol, atol, o, at, "Quantized tensor-likes")
        return
    if a.layout != b.layout:
        a, b = (t.to_dense() for t in (a, b))
    if a.layout is strided:
        _close_values(a, b, rtol, atol, o, at, "Tensor-likes")
        return
    if not a.is_sparse:
        _close_compressed(a, b, rtol, atol, o, at)
        return
    if a.sparse_dim() != b.sparse_dim():
        text = (
            "The number of sparse dimensions in sparse COO tensors does not match: "
            f"{a.sparse_dim()} != {b.sparse_dim()}"
        )
        raise o.fail(AssertionError, text, at)
    if a.is_coalesced() != b.is_coalesced():
        a, b = a.coalesce(), b.coalesce()
    if a._nnz() != b._nnz():
        text = (
            f"The number of specified values in sparse COO tensors does not match: {a._nnz()} != {b._nnz()}"
        )
        raise o.fail(AssertionError, text, at)
    _close_values(a._indices(), b._indices(), 0.0, 0.0, o, at, "Sparse COO indices")
    _close_values(a._values(), b._values(), rtol, atol, o, at, "Sparse COO values")


def _close_compressed(a: Any, b: Any, rtol: float, atol: float, o: Options, at: Path) -> None:
    """Compare tensors of one compressed layout, part by part."""
    kind = repr(a.layout).rpartition("_")[2]
    if a._nnz() != b._nnz():
        text = f"The number of specified values in sparse {kind.upper()} tensors does not match: "
        raise o.fail(AssertionError, f"{text}{a._nnz()} != {b._nnz()}", at)
    parts = ("crow_indices", "col_indices") if kind in ("csr", "bsr") else ("ccol_indices", "row_indices")
    for part in parts:
        one, other = getattr(a, part)(), getattr(b, part)()
        _close_values(one, other, 0.0, 0.0, o, at, f"Sparse {kind.upper()} {part}")
    _close_values(a.values(), b.values(), rtol, atol, o, at, f"Sparse {kind.upper()} values")


def _close_values(a: Any, b: Any, rtol: float, atol: float, o: Options, at: Path, what: str) -> None:
    """Compare the elements of dense tensors."""
    if a.dtype != b.dtype:
        common = (a.new_zeros(1) + b.new_zeros(1)).dtype
        a, b = a.to(common), b.to(common)
    matches = isclose(a, b, rtol=rtol, atol=atol, equal_nan=o.equal_nan)
    if matches.all():
        return
    if a.dtype is bool_ or (a.dtype.itemsize < 8 and not (a.is_floating_point() or a.is_complex())):
        a, b = a.to(int64), b.to(int64)
    difference = (a - b).abs()
    relative = difference / b.abs()
    if not a.ndim:
        text = _scalar_text(a.item(), b.item(), difference.item(), relative.item(), rtol, atol)
        text = text.replace("Scalars", "Quantized scalars", what.startswith("Quantized"))
        raise o.fail(AssertionError, text, at)
    wrong = int((~matches).sum())
    lines = [f"Mismatched elements: {wrong} / {a.numel()} ({wrong / a.numel():.1%})"]
    exact = rtol == 0 and atol == 0
    for name, values, bound in (("absolute", difference, atol), ("relative", relative, rtol)):
        values[matches] = 0
        flat = values.flatten()
        place = int(flat.argmax())
        index = tuple(int(k) for k in np.unravel_index(place, tuple(values.shape)))
        allowed = "" if exact else f" (up to {bound} allowed)"
        lines.append(f"Greatest {name} difference: {flat[place].item()} at index {index}{allowed}")
    heading = f"{what} are not {'equal' if exact else 'close'}!"
    raise o.fail(AssertionError, "\n".join([heading, "", *lines]), at)
