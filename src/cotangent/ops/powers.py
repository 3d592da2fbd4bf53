"""Powers and roots."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from ..dtypes import BOOL, FLOATING, SCALAR_NAME, complex128, float64, int32
from ..kernels import elementwise as k
from .arguments import NUMBER, REQUIRED, compiler_name, no_match, plain
from .complex import real_part
from .copies import cast, zeros_like
from .describe import of_one, of_two
from .exponential import log
from .refusals import NO_BOOL_OPERAND, refuse
from .results import frexp_result
from .select import choose
from .table import FLOAT, deliver, elementwise, general, is_array, is_tensor

_LN2: Final = math.log(2.0)

sqrt = elementwise(
    "sqrt(input)",
    np.sqrt,
    result=FLOAT,
    input=lambda g, out: g / (2.0 * out),
    doc=of_one("Square roots.", "sqrt", "4.0, 2.0", "tensor([2.0000, 1.4142])"),
)
rsqrt = elementwise(
    "rsqrt(input)",
    k.rsqrt,
    result=FLOAT,
    input=lambda g, out: -0.5 * g * (out * out * out),
    doc=of_one("One over the square root.", "rsqrt", "4.0, 1.0", "tensor([0.5000, 1.0000])"),
)


def _pow_scalar_back(g: Any, input: Any, exponent: Any) -> Any:
    if exponent == 0:
        return zeros_like(g)
    if exponent == 2 and is_array(input):  # on tensors the power below shows in the graph, as in PyTorch
        return g * (input * 2.0)
    return g * (pow_scalar(input, exponent - 1) * exponent)


pow_scalar = elementwise(
    "pow_scalar(input | exponent)",
    k.pow_scalar,
    fast=k.pow_scalar,
    wide=False,
    node="PowBackward0",
    public="pow",
    weighs=("exponent",),
    input=_pow_scalar_back,
)


def _holds_complex(x: Any) -> bool:
    """Whether an array or a Tensor is complex; what stands for large real arrays has no dtype."""
    found = getattr(x, "dtype", None)
    return bool(getattr(found, "kind", "") == "c" or getattr(found, "is_complex", False))


def _pow_left(g: Any, input: Any, exponent: Any) -> Any:
    if str(getattr(exponent, "dtype", "")) in ("bool", "torch.bool"):  # PyTorch subtracts one from it
        raise RuntimeError(NO_BOOL_OPERAND)
    return choose(exponent == 0.0, 0.0, g * (exponent * pow_tensor(input, exponent - 1.0)))


def _pow_right(g: Any, input: Any, exponent: Any, out: Any) -> Any:
    flat = (input == 0.0) & (real_part(exponent) >= 0.0)
    if _holds_complex(exponent) and not _holds_complex(input):
        input = input * complex(1.0)  # negative numbers have a logarithm then
    return g * choose(flat, 0.0, out * log(input))


pow_tensor = elementwise(
    "pow_tensor(input, exponent)",
    k.pow_tensor,
    fast=np.power,
    node="PowBackward1",
    public="pow",
    check=refuse("pow", BOOL),
    input=_pow_left,
    exponent=_pow_right,
)


def _log_number(base: Any) -> Any:
    """Logarithm of a Python number; nan for negative real ones."""
    if isinstance(base, complex):
        return complex(np.log(np.complex128(base)))
    return math.log(base) if base > 0 else math.nan


def _pow_base_back(g: Any, exponent: Any, base: Any, out: Any) -> Any:
    if base == 0:
        return choose(real_part(exponent) >= 0.0, 0.0, g * (out * -math.inf))
    if not isinstance(base, complex) and base < 0 and _holds_complex(exponent):
        base = complex(base)
    return g * (out * _log_number(base))


pow_base = elementwise(
    "pow_base(exponent | base)",
    k.pow_base,
    fast=k.pow_base,
    node="PowBackward2",
    public="pow",
    weighs=("base",),
    check=refuse("pow", BOOL),
    exponent=_pow_base_back,
)


def _ldexp_cast_error(_result: Any, target: Any) -> Exception:
    return RuntimeError(f"ldexp can't be cast to the desired output type {SCALAR_NAME[target]}")


def _ldexp_out(result: Any, out: Any, _input: Any) -> None:
    if out.dtype.category < result.dtype.category:
        raise _ldexp_cast_error(None, out.dtype)


ldexp: Any = elementwise(
    "ldexp(input, other)",
    k.ldexp,
    result=FLOAT,
    cast_error=_ldexp_cast_error,
    out_check=_ldexp_out,
    strict=("input", "other"),
    input=lambda g, other: ldexp(g, other),
    other=lambda g, out: g * (out * _LN2),
    doc=of_two(
        "input * 2 ** other.",
        "ldexp",
        "torch.tensor([1.0, 3.0])",
        "torch.tensor([2, 3])",
        "tensor([ 4., 24.])",
    ),
)
frexp_of = general(
    "frexp_of(input)",
    lambda a: np.frexp(a),
    node="FrexpBackward0",
    public="frexp",
    nout=2,
    nondiff_outputs=(1,),
    input=lambda g, out1: ldexp(g[0], -out1),
)


_OVERLOADS: Final = (
    "Tensor input, Tensor exponent, *, Tensor out = None",
    "Number self, Tensor exponent, *, Tensor out = None",
    "Tensor input, Number exponent, *, Tensor out = None",
)


def pow(input: Any, exponent: Any = REQUIRED, *, out: Any = None) -> Any:
    """`input` to the power of `exponent`, element by element.

    Args:
        input, exponent: tensors that broadcast together; one of them may be a number.
        out: tensor to store the result in.

    Returns:
        a tensor of the broadcast shape.

    Raises:
        RuntimeError: for integers and a negative number as exponent.

    Example:
        >>> import cotangent as torch
        >>> torch.pow(torch.tensor([1.0, 3.0]), 2), torch.pow(2, torch.tensor([1, 3]))
        (tensor([1., 9.]), tensor([2, 8]))
    """
    kind = exponent.__class__
    if (kind is int or kind is float) and is_tensor(input):
        value = pow_scalar(input, exponent)
    elif is_tensor(exponent):
        value = pow_tensor(input, exponent) if is_tensor(input) else pow_base(exponent, plain(input))
    elif is_tensor(input) and isinstance(exponent, NUMBER):
        value = pow_scalar(input, plain(exponent))
    else:
        no_match(
            "pow",
            (input,) if exponent is REQUIRED else (input, exponent),
            *_OVERLOADS,
        )
    return value if out is None else deliver("pow", value, out, input, exponent)


def square(input: Any, *, out: Any = None) -> Any:
    """Squares of elements.

    Args:
        input: tensor.
        out: tensor to store the result in.

    Returns:
        a tensor of the shape of `input`.

    Example:
        >>> import cotangent as torch
        >>> torch.square(torch.tensor([1.0, -3.0]))
        tensor([1., 9.])
    """
    return deliver("square", pow_scalar(input, 2), out)


def _widest(input: Any, exponent: Any) -> Any:
    """The dtype in which `float_power` computes."""
    for value in (input, exponent):
        if value.dtype.is_complex if is_tensor(value) else isinstance(value, (complex, np.complexfloating)):
            return complex128
    return float64


def _in(value: Any, wide: Any) -> Any:
    """A tensor in that dtype; numbers as they are."""
    if not is_tensor(value):
        return complex(value) if wide is complex128 else float(value)
    return value if value.dtype is wide else cast(value, wide.np)


def float_power(input: Any, exponent: Any, *, out: Any = None) -> Any:
    """Powers computed in double precision.

    Args:
        input, exponent: tensors that broadcast together; one of them may be a number.
        out: tensor to store the result in.

    Returns:
        a float64 (or complex128) tensor of the broadcast shape.

    Example:
        >>> import cotangent as torch
        >>> torch.float_power(torch.tensor([1, 3]), 2)
        tensor([1., 9.], dtype=torch.float64)
    """
    if not is_tensor(input) and not is_tensor(exponent):
        no_match("float_power", (input, exponent), *_OVERLOADS)
    wide = _widest(input, exponent)
    if out is not None and out.dtype is not wide:
        raise RuntimeError(
            f"the output given to float_power has dtype {SCALAR_NAME[out.dtype]} but the operation's result "
            f"requires dtype {SCALAR_NAME[wide]}"
        )
    return deliver("float_power", pow(_in(input, wide), _in(exponent, wide)), out, input, exponent)


def float_power_(input: Any, exponent: Any) -> Any:
    """In-place form of `float_power`.

    Args:
        input: float64 (or complex128) tensor.
        exponent: tensor or number.

    Returns:
        `input`.

    Raises:
        RuntimeError: if `input` has another dtype than the result.
    """
    wide = _widest(input, exponent)
    if input.dtype is not wide:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {SCALAR_NAME[input.dtype]} but the operation's result "
            f"requires dtype {SCALAR_NAME[wide]}"
        )
    return input.pow_(_in(exponent, wide))


def frexp(input: Any, *, out: Any = None) -> Any:
    """Mantissas in [0.5, 1) (up to sign) and exponents: input = mantissa * 2 ** exponent.

    Args:
        input: floating-point tensor.
        out: pair of tensors to store the results in.

    Returns:
        a named tuple (mantissa, exponent); the exponents are int32.

    Example:
        >>> import cotangent as torch
        >>> torch.frexp(torch.tensor([8.0, -3.0])).exponent
        tensor([4, 2], dtype=torch.int32)
    """
    if input.dtype.category != FLOATING:
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    if out is not None:
        wanted = zip(("mantissa", "exponent"), out, (input.dtype, int32), strict=True)
        for name, given, d in wanted:
            if given.dtype is not d:
                verb = f"have dtype {compiler_name(d)}" if d is not int32 else "have int dtype"
                raise RuntimeError(
                    f"torch.frexp() expects {name} to {verb} but got {compiler_name(given.dtype)}"
                )
    return deliver("frexp", frexp_result(*frexp_of(input)), out)


def power_of(input: Any, other: Any) -> Any:
    """`other ** input` for Python's operator."""
    return pow(other, input)


FUNCTIONS: Final = ("pow", "square", "sqrt", "rsqrt", "float_power", "ldexp", "frexp")
METHODS: Final = (*FUNCTIONS, "float_power_")
INPLACE: Final = ("pow", "square", "sqrt", "rsqrt", "ldexp")
INPLACE_FUNCTIONS: Final = ("square", "sqrt", "rsqrt", "ldexp")
DUNDERS: Final = {"__pow__": "pow", "__rpow__": "power_of", "__ipow__": "pow_"}
