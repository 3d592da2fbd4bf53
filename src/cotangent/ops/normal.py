"""The normal distribution's function, entropy terms, the scaled error function, log-gamma of several."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from ..dtypes import COMPLEX, FLOATING
from ..errors import bad_argument
from ..kernels import normal as k
from .arguments import REQUIRED
from .bessel import PAIRS, tensor_or_number
from .describe import of_one, of_two
from .exponential import exp, log, log1p
from .refusals import only_full, refuse
from .select import choose
from .special import lgamma
from .table import FLOAT, constant, deliver, elementwise, is_tensor

_BELL: Final = 1.0 / math.sqrt(2.0 * math.pi)
_ROOT_TWO_PI: Final = math.sqrt(2.0 * math.pi)
_ROOT_TWO_OVER_PI: Final = math.sqrt(2.0 / math.pi)
_ROOT_HALF: Final = math.sqrt(0.5)

erfcx: Any = elementwise(
    "erfcx(input)",
    k.erfcx,
    result=FLOAT,
    node="SpecialErfcxBackward0",
    public="special_erfcx",
    check=only_full("erfcx_cpu"),
    input=lambda g, input, out: g * (2.0 * input * out - 2.0 / math.sqrt(math.pi)),
    doc=of_one(
        "exp(input ** 2) * erfc(input), without overflow.", "special.erfcx", "0.0, 1.0",
        "tensor([1.0000, 0.4276])",
    ),
)  # fmt: skip
ndtr: Any = elementwise(
    "ndtr(input)",
    k.ndtr,
    result=FLOAT,
    node="MulBackward1",
    public="special_ndtr",
    check=refuse("erf_vml_cpu", COMPLEX),
    input=lambda g, input: g * (exp(input * input * -0.5) * _BELL),
    doc=of_one("The normal distribution function.", "special.ndtr", "0.0, 1.0", "tensor([0.5000, 0.8413])"),
)
ndtri: Any = elementwise(
    "ndtri(input)",
    k.ndtri,
    result=FLOAT,
    node="SpecialNdtriBackward0",
    public="special_ndtri",
    check=only_full("ndtri_cpu"),
    input=lambda g, out: g * (exp(out * out * 0.5) * _ROOT_TWO_PI),
    doc=of_one("The inverse of `ndtr`.", "special.ndtri", "0.25, 0.5", "tensor([-0.6745,  0.0000])"),
)
log_ndtr: Any = elementwise(
    "log_ndtr(input)",
    k.log_ndtr,
    result=FLOAT,
    node="SpecialLogNdtrBackward0",
    public="special_log_ndtr",
    check=only_full("log_ndtr_cpu"),
    input=lambda g, input: g * (_ROOT_TWO_OVER_PI / erfcx(input * -_ROOT_HALF)),
    doc=of_one(
        "The logarithm of `ndtr`, accurate far out.", "special.log_ndtr", "-10.0, 0.0",
        "tensor([-53.2313,  -0.6931])",
    ),
)  # fmt: skip
entr: Any = elementwise(
    "entr(input)",
    k.entr,
    result=FLOAT,
    node="SpecialEntrBackward0",
    public="special_entr",
    check=refuse("entr_cpu", COMPLEX),
    input=lambda g, input: g * (-(log(input) + 1.0)),
    doc=of_one(
        "-input * log(input): 0 at 0, -inf below.", "special.entr", "0.0, 1.0, 2.0",
        "tensor([ 0.0000,  0.0000, -1.3863])",
    ),
)  # fmt: skip
xlog1py_of: Any = elementwise(
    "xlog1py_of(input, other)",
    k.xlog1py,
    result=FLOAT,
    node="SpecialXlog1PyBackward0",
    public="special_xlog1py",
    check=refuse("xlog1py_cpu", COMPLEX),
    input=lambda g, input, other: g * choose((input == 0.0) & (other <= -1.0), 0.0, log1p(other)),
    other=lambda g, input, other: g * (input / (other + 1.0)),
)


def xlog1py(input: Any = REQUIRED, other: Any = REQUIRED, *, out: Any = None) -> Any:
    tensor_or_number("special_xlog1py", input, other, PAIRS)
    return deliver("special_xlog1py", xlog1py_of(input, other), out, input, other)


xlog1py.__doc__ = of_two(
    "input * log1p(other), and 0 where input is 0.", "special.xlog1py", "torch.tensor([0.0, 2.0])",
    "torch.tensor([-1.0, 1.0])", "tensor([0.0000, 1.3863])",
)  # fmt: skip


def mvlgamma(input: Any = REQUIRED, p: Any = REQUIRED, *, out: Any = None) -> Any:
    """Logarithms of the multivariate gamma function of p dimensions, without its constant's sign.

    Args:
        input: tensor of any shape; greater than (p - 1) / 2.
        p: number of dimensions.
        out: tensor to store the result in.

    Returns:
        a tensor of the shape of `input`.

    Raises:
        RuntimeError: if p is less than 1 or the input complex.

    Source: https://dlmf.nist.gov/35.3

    Example:
        >>> import cotangent as torch
        >>> torch.mvlgamma(torch.tensor([2.0, 3.0]), 2)
        tensor([0.4516, 1.5502])
    """
    if not is_tensor(input):
        bad_argument("mvlgamma", "input", 1, "Tensor", input)
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    if input.dtype.category == COMPLEX:
        raise RuntimeError("mvlgamma: result type has to be a floating point type")
    x = input if input.dtype.category == FLOATING else input * 1.0
    steps = constant((np.arange(p) * -0.5).astype(x.dtype.np))
    total = lgamma(x.unsqueeze(-1) + steps).sum(-1)
    return deliver("mvlgamma", total + p * (p - 1) / 4.0 * math.log(math.pi), out)


NAMES: Final = ("entr", "erfcx", "log_ndtr", "ndtr", "ndtri", "xlog1py")
