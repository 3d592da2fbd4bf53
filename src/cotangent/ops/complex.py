"""Complex numbers: parts, absolute values, conjugates, and the views between complex and real tensors."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ..dtypes import BOOL, COMPLEX as COMPLEX_CATEGORY, SCALAR_NAME, float32, float64
from ..kernels import deferred, elementwise as k
from .copies import along, clone_of, zeros_like
from .describe import of_one, of_two
from .refusals import exact_out, out_must_be, refuse, refuse_with
from .select import choose
from .table import COMPLEX, FLOAT, REAL, elementwise, is_tensor, linear
from .views import select_at

# The conjugate at once: what rules use.
conjugated: Any = elementwise(
    "conjugated(input)",
    k.conj,
    node="ConjBackward0",
    public="conj",
    analytic=False,
    real_is_same=True,
    input=lambda g: conjugated(g),
    jvp=lambda tangents, args, out: conjugated(tangents[0]),
)
# What users get is a view; only its entry puts the work off, rules on arrays do it.
conj_view: Any = linear(
    "conj_view(input)",
    k.conj,
    node="ConjBackward0",
    public="conj",
    view=True,
    lens=deferred.conjugated,
    batch=along,
    input=lambda g: conjugated(g),
)
neg_view: Any = linear(
    "neg_view(input)",
    np.negative,
    node="NegViewBackward0",
    public="_neg_view",
    view=True,
    lens=deferred.negated,
    batch=along,
    input=lambda g: -g,
)
conj_written = elementwise(
    "conj_written(input)",
    k.conj,
    node="ConjPhysicalBackward1",
    public="conj_physical",
    analytic=False,
    input=lambda g: conjugated(g),
    jvp=lambda tangents, args, out: conjugated(tangents[0]),
)
conj_physical = elementwise(
    "conj_physical(input)",
    k.conj,
    out_check=exact_out,
    analytic=False,
    real_is_same=True,
    input=lambda g: conjugated(g),
    jvp=lambda tangents, args, out: conjugated(tangents[0]),
    doc=of_one("Complex conjugates, computed at once.", "conj_physical", "1 + 2j", "tensor([1.-2.j])"),
)
# Real and imaginary parts inside rules: plain arrays, not views.
real_part: Any = elementwise(
    "real_part(input)",
    lambda a, out=None: np.positive(a.real, out=out),
    result=REAL,
    node="RealBackward0",
    public="real",
    analytic=False,
    real_is_same=True,
    input=lambda g: g,
    jvp=lambda tangents, args, out: real_part(tangents[0]),
)
imag_part: Any = elementwise(
    "imag_part(input)",
    lambda a, out=None: np.positive(a.imag, out=out),
    result=REAL,
    node="ImagBackward0",
    public="imag",
    analytic=False,
    input=lambda g: g * 1j,
    jvp=lambda tangents, args, out: imag_part(tangents[0]),
)


def _as_real(a: Any) -> Any:
    return a[..., None].view(a.real.dtype)


def _as_complex(a: Any) -> Any:
    if a.strides[-1] != a.itemsize:
        a = np.ascontiguousarray(a)  # a batch or a traced array in another order: users' tensors were checked
    return a.view(np.result_type(a.dtype, np.complex64))[..., 0]


def _densely_complex(a: Any) -> Any:
    return _as_complex(np.ascontiguousarray(a))


view_as_real_of = linear(
    "view_as_real_of(input)",
    _as_real,
    node="ViewAsRealBackward0",
    public="view_as_real",
    view=True,
    batch=along,
    input=lambda g: joined(g),
)
view_as_complex_of = linear(
    "view_as_complex_of(input)",
    _as_complex,
    node="ViewAsComplexBackward0",
    public="view_as_complex",
    view=True,
    batch="axes",
    input=lambda g: parted(g),
)
# The pullbacks of the two: the same values, whatever the memory of the cotangent looks like.
joined: Any = linear(
    "joined(input)", _densely_complex, node="ViewAsComplexBackward0", batch="axes", input=lambda g: parted(g)
)
parted: Any = linear(
    "parted(input)", _as_real, node="ViewAsRealBackward0", batch=along, input=lambda g: joined(g)
)


def _abs_tangent(tangents: Any, args: Any, out: Any) -> Any:
    return real_part(conjugated(tangents[0]) * sgn_complex(args[0]))


def _sgn_back(g: Any, input: Any, out: Any) -> Any:
    size = abs_complex(input)
    radial = real_part(g / out) * out
    return choose(size == 0.0, 0.0, (g - radial) / size)


sgn_complex = elementwise(
    "sgn_complex(input)",
    k.sign,
    node="SgnBackward0",
    public="sgn",
    analytic=False,
    input=_sgn_back,
    jvp=lambda tangents, args, out: _sgn_back(tangents[0], args[0], out),
)
abs_complex = elementwise(
    "abs_complex(input)",
    np.absolute,
    result=REAL,
    node="AbsBackward0",
    public="abs",
    analytic=False,
    input=lambda g, input: g * sgn_complex(input),
    jvp=_abs_tangent,
)
sign = elementwise(
    "sign(input)",
    k.sign,
    fast=k.sign,
    out_check=exact_out,
    check=refuse_with(
        NotImplementedError(
            "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn "
            "instead."
        ),
        COMPLEX_CATEGORY,
    ),
    input=lambda g: zeros_like(g),
    doc=of_one(
        "-1, 0 or 1, as each element is negative, zero or positive.",
        "sign",
        "-2.0, 0.0, 3.0",
        "tensor([-1.,  0.,  1.])",
    ),
)
sgn = elementwise(
    "sgn(input)",
    k.sign,
    fast=k.sign,
    out_check=exact_out,
    complex_form=sgn_complex,
    input=lambda g, input, out: zeros_like(g),
    doc=of_one(
        "The sign of each element; z / |z| for complex numbers.",
        "sgn",
        "3 + 4j, 0",
        "tensor([0.6000+0.8000j, 0.0000+0.0000j])",
    ),
)


def _abs_out(result: Any, out: Any, input: Any) -> None:
    """PyTorch stores absolute values of complex numbers in any dtype, of real ones in their own."""
    if not input.dtype.is_complex:
        exact_out(result, out)


abs_written = elementwise(
    "abs_written(input)",
    np.absolute,
    node="AbsBackward0",
    public="abs",
    check=refuse_with(
        RuntimeError("In-place abs is not supported for complex tensors."),
        COMPLEX_CATEGORY,
        refuse("abs_cpu", BOOL),
    ),
    input=lambda g, input: g * sign(input),
)
abs = elementwise(
    "abs(input)",
    np.absolute,
    complex_form=abs_complex,
    out_check=_abs_out,
    check=refuse("abs_cpu", BOOL),
    input=lambda g, input: g * sign(input),
    doc=of_one("Absolute values.", "abs", "-2.0, 3.0", "tensor([2., 3.])"),
)


def _angle_back(g: Any, input: Any) -> Any:
    size = abs_complex(input)
    return choose(input == 0.0, 0.0, g * input / (size * size) * 1j)


def _angle_tangent(tangents: Any, args: Any, out: Any) -> Any:
    (t,), (input,) = tangents, args
    return real_part(conjugated(t) * _angle_back(1.0, input))


angle_complex = elementwise(
    "angle_complex(input)",
    k.angle_complex,
    result=REAL,
    node="AngleBackward0",
    public="angle",
    analytic=False,
    input=_angle_back,
    jvp=_angle_tangent,
)
angle = elementwise(
    "angle(input)",
    k.angle_real,
    result=FLOAT,
    complex_form=angle_complex,
    input=lambda g, input: zeros_like(g),
    doc=of_one(
        "Arguments of complex numbers; pi for negative real ones.",
        "angle",
        "1.0, -1.0",
        "tensor([0.0000, 3.1416])",
    ),
)


def _parts_match(kernel: str | None) -> Any:
    def guard(tensors: tuple[Any, ...]) -> None:
        a, b = tensors
        if not (is_tensor(a) and is_tensor(b)):
            return
        kinds = (a.dtype, b.dtype)
        if not all(d in (float32, float64) or d.name == "float16" for d in kinds):
            raise RuntimeError(
                f"Expected both inputs to be Half, Float or Double tensors but got {SCALAR_NAME[kinds[0]]} "
                f"and {SCALAR_NAME[kinds[1]]}"
            )
        if kinds[0] is not kinds[1]:
            raise RuntimeError(
                f"Expected object of scalar type {SCALAR_NAME[kinds[0]]} but got scalar type "
                f"{SCALAR_NAME[kinds[1]]} for second argument"
            )
        if kernel is not None and kinds[0].name == "float16":
            raise NotImplementedError(f"\"{kernel}\" not implemented for 'Half'")

    return guard


_OUT: Final = out_must_be(
    "Expected object of scalar type {result} but got scalar type {out} for argument 'out'"
)


def _complex(a: Any, b: Any, out: Any = None) -> Any:
    made = np.empty(np.broadcast_shapes(a.shape, b.shape), np.result_type(a.dtype, np.complex64))
    made.real = a
    made.imag = b
    return k.stored(made, out)


def _polar(a: Any, b: Any, out: Any = None) -> Any:
    return _complex(a * np.cos(b), a * np.sin(b), out)


complex: Any = elementwise(
    "complex(real, imag)",
    _complex,
    result=COMPLEX,
    strict=("real", "imag"),
    guard=_parts_match(None),
    out_check=_OUT,
    real=lambda g: real_part(g),
    imag=lambda g: imag_part(g),
    jvp=lambda tangents, args, out: complex(*_filled(tangents, args)),
    doc=of_two(
        "Complex numbers from real and imaginary parts.", "complex", "torch.tensor([1.0])",
        "torch.tensor([2.0])",
        "tensor([1.+2.j])",
    ),
)  # fmt: skip


def _polar_tangent(tangents: Any, args: Any, out: Any) -> Any:
    size, turn = _filled(tangents, args)
    return polar(size, args[1]) + out * 1j * turn


polar = elementwise(
    "polar(abs, angle)",
    _polar,
    result=COMPLEX,
    strict=("abs", "angle"),
    guard=_parts_match("polar_cpu"),
    out_check=_OUT,
    abs=lambda g, out: real_part(conjugated(g) * sgn_complex(out)),
    angle=lambda g, out: real_part(conjugated(g) * (out * 1j)),
    jvp=_polar_tangent,
    doc=of_two(
        "Complex numbers from absolute values and angles.", "polar", "torch.tensor([1.0])",
        "torch.tensor([0.0])",
        "tensor([1.+0.j])",
    ),
)  # fmt: skip


def _filled(tangents: Any, args: Any) -> tuple[Any, Any]:
    """Both tangents, zeros for a missing one."""
    a, b = (zeros_like(value) if t is None else t for t, value in zip(tangents, args, strict=True))
    return a, b


def view_as_real(input: Any) -> Any:
    """The same memory as real numbers, with a last dimension of real and imaginary parts.

    Args:
        input: complex tensor of any shape.

    Returns:
        a real tensor of shape (*input.shape, 2).

    Example:
        >>> import cotangent as torch
        >>> torch.view_as_real(torch.tensor([1 + 2j]))
        tensor([[1., 2.]])
    """
    if not input.dtype.is_complex:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    if input.is_conj():
        raise RuntimeError(
            "view_as_real doesn't work on unresolved conjugated tensors.  To resolve the conjugate tensor so "
            "you can view it as real, use self.resolve_conj(); however, be warned that the resulting tensor "
            "will NOT alias the original."
        )
    return view_as_real_of(input)


def view_as_complex(input: Any) -> Any:
    """The same memory as complex numbers; the last dimension holds real and imaginary parts.

    Args:
        input: float32 or float64 tensor of shape (*, 2).

    Returns:
        a complex tensor of shape (*).

    Raises:
        RuntimeError: for other dtypes and shapes.

    Example:
        >>> import cotangent as torch
        >>> torch.view_as_complex(torch.tensor([[1.0, 2.0]]))
        tensor([1.+2.j])
    """
    if input.dtype is not float32 and input.dtype is not float64:
        raise RuntimeError(
            "view_as_complex is only supported for half, float and double tensors, but got a tensor of "
            f"scalar type: {SCALAR_NAME[input.dtype]}"
        )
    shape = tuple(input.shape)
    if not shape:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    if hasattr(input._data, "strides"):
        steps = input.stride()
        if steps[-1] != 1:
            raise RuntimeError("Tensor must have a last dimension with stride 1")
        if any(step % 2 for step in steps[:-1]):
            raise RuntimeError("Tensor must have a stride divisible by 2 for all but last dimension")
    return view_as_complex_of(input)


def real(input: Any) -> Any:
    """Real parts, as a view; real tensors are returned as they are.

    Args:
        input: tensor of any shape.

    Returns:
        a real tensor of the same shape.

    Example:
        >>> import cotangent as torch
        >>> torch.real(torch.tensor([1 + 2j]))
        tensor([1.])
    """
    if not input.dtype.is_complex:
        return input
    return select_at(view_as_real_of(conj_view(input) if input.is_conj() else input), input.ndim, 0)


def imag(input: Any) -> Any:
    """Imaginary parts, as a view.

    Args:
        input: complex tensor of any shape.

    Returns:
        a real tensor of the same shape.

    Raises:
        RuntimeError: for real tensors.

    Example:
        >>> import cotangent as torch
        >>> torch.imag(torch.tensor([1 + 2j]))
        tensor([2.])
    """
    if not input.dtype.is_complex:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    if input.is_conj():
        return select_at(neg_view(view_as_real_of(conj_view(input))), input.ndim, 1)
    return select_at(view_as_real_of(input), input.ndim, 1)


def conj(input: Any) -> Any:
    """Complex conjugates, as a view; real tensors are returned as they are.

    Args:
        input: tensor of any shape.

    Returns:
        a view of the same shape, whose elements are conjugated when they are read.

    Example:
        >>> import cotangent as torch
        >>> torch.conj(torch.tensor([1 + 2j]))
        tensor([1.-2.j])
    """
    return conj_view(input) if input.dtype.is_complex else input


def resolve_conj(input: Any) -> Any:
    """A tensor whose conjugation is done.

    Args:
        input: tensor of any shape.

    Returns:
        `input`, or a copy if it is the view that `conj` makes.

    Example:
        >>> import cotangent as torch
        >>> torch.resolve_conj(torch.tensor([1 + 2j]).conj())
        tensor([1.-2.j])
    """
    return clone_of(input) if input.is_conj() else input


def resolve_neg(input: Any) -> Any:
    """A tensor whose negation is done.

    Args:
        input: tensor of any shape.

    Returns:
        `input`, or a copy if it is a view that negates: the imaginary part of a conjugate.

    Example:
        >>> import cotangent as torch
        >>> torch.resolve_neg(torch.tensor([1.0]))
        tensor([1.])
    """
    return clone_of(input) if input.is_neg() else input


FUNCTIONS: Final = (
    "conj", "conj_physical", "view_as_real", "view_as_complex", "sign", "sgn", "abs", "angle", "complex",
    "polar", "real",
    "imag", "resolve_conj", "resolve_neg",
)  # fmt: skip
METHODS: Final = ("conj", "conj_physical", "sign", "sgn", "abs", "angle", "resolve_conj", "resolve_neg")
PROPERTIES: Final = ("real", "imag")
INPLACE: Final = ("conj_physical", "sign", "sgn", "abs")
WRITTEN: Final = {"conj_physical": "conj_written", "abs": "abs_written"}
INPLACE_FUNCTIONS: Final = ("conj_physical", "abs")
ALIASES: Final = {"absolute": "abs"}
DUNDERS: Final = {"__abs__": "abs"}
