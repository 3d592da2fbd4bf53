"""One operator in both libraries: values, dtypes, shapes, strides, first gradients and errors."""

from __future__ import annotations

import random
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import numpy as np
import torch
from samples.compare import as_array, dtype_name, widened
from samples.gradients import random_array
from samples.library import xp

from .carry import Carried, Foreign, carried, lifted, tensors
from .catalogue import label
from .translate import Missing, translated

DTYPES: Final = (
    torch.float64, torch.float32, torch.complex128, torch.complex64, torch.bfloat16, torch.float16,
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
)  # fmt: skip
GRADIENT_DTYPES: Final = (torch.float64, torch.complex128, torch.float32)

# Relative and absolute differences allowed; torch.testing.assert_close's, doubles held closer.
VALUES: Final = {
    "float16": (1e-3, 1e-3), "bfloat16": (1.6e-2, 1e-3), "float32": (2e-5, 1e-5), "complex64": (2e-5, 1e-5),
    "float64": (1e-7, 1e-7), "complex128": (1e-7, 1e-7),
}  # fmt: skip
# Wider limits where PyTorch's own results are less precise than that, by operator and dtype.
_WIDER: Final[dict[str, dict[str, tuple[float, float]]]] = {
    # Rational approximations in PyTorch that are good to seven digits: scipy.special.jv(0, x) has sixteen.
    "special.bessel_j0": {"float64": (1e-5, 5e-7)},
    "special.bessel_y1": {"float64": (1e-5, 5e-7)},
    # In double precision the element where they differ most is 0.148294, ours 0.148295, PyTorch's 0.148645.
    "matrix_exp": {"float32": (4e-3, 1e-5)},
    # PyTorch goes through logarithms of the cotangents; in float64 both agree.
    "logcumsumexp": {"float32": (5e-4, 1e-4), "complex64": (5e-4, 1e-4)},
    # Sums of huge terms of both signs in float32.
    "special.hermite_polynomial_he": {"float32": (1e-4, 1e-4)},
}
# Operators whose values are whatever the memory held.
_UNDEFINED: Final = frozenset(
    ("empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided")
)
# Operators whose results are determined only up to a factor; PyTorch's table says how to make them unique.
_UP_TO_A_FACTOR: Final = frozenset(
    (
        "linalg.svd",
        "svd",
        "linalg.eig",
        "linalg.eigh",
        "pca_lowrank",
        "svd_lowrank",
        "linalg.lstsq:grad_oriented",
    )
)
# PyTorch leaves `out=` of these as it was when there is but one dimension to transform.
_NO_OUT: Final = frozenset(("fft.ihfft2", "fft.ihfftn"))
# Operators that name one of several equal elements.
_POSITIONS: Final = frozenset(("sort", "argsort", "topk", "kthvalue", "mode", "median", "nanmedian"))
# The most samples that are generated to choose from.
_DRAWN: Final = 300


class Differs(Exception):
    """The two libraries do not agree; the text says in what."""


@dataclass
class Verdict:
    """What came of an operator.

    Args:
        state: "missing", "differs" or "agrees".
        first: the first difference, or what is missing.
        samples, gradients: how many were compared.
        errors, errors_same: how many wrong calls were made, and how many raised the same.
        error: the first wrong call that did not.
        strides: the first difference in strides.
    """

    name: str
    state: str = "agrees"
    first: str = ""
    samples: int = 0
    gradients: int = 0
    errors: int = 0
    errors_same: int = 0
    error: str = ""
    strides: str = ""
    dtypes: dict[str, str] = field(default_factory=dict)


def seed(library: Any = torch) -> None:
    """Start all random numbers anew."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    library.manual_seed(0)


def spread(items: list[Any], count: int) -> list[tuple[int, Any]]:
    """`count` of the items, evenly spaced, with their positions; the last one is among them."""
    if len(items) <= count:
        return list(enumerate(items))
    places = sorted({round(k * (len(items) - 1) / max(count - 1, 1)) for k in range(count)})
    return [(k, items[k]) for k in places]


@dataclass
class Sample:
    """One call: arguments without tensors, and what to make of its result for gradients."""

    position: int
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    broadcasts: bool
    process: Callable[..., Any] | None

    def call(self, library: Any, function: Callable[..., Any], *, grad: bool) -> tuple[Any, list[Any]]:
        """The function's result, and the tensors it was given."""
        made: dict[int, Any] = {}
        args = lifted(library, self.args, made, grad=grad)
        kwargs = lifted(library, self.kwargs, made, grad=grad)
        seed(library)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*args, **kwargs), list(made.values())

    def processed(self, library: Any, result: Any) -> Any:
        """The result as PyTorch's table wants it for gradients."""
        if self.process is None:
            return result
        return (translated(self.process) if library is xp else self.process)(result)

    def __repr__(self) -> str:
        words = [repr(a) for a in self.args] + [f"{k}={v!r}" for k, v in self.kwargs.items()]
        text = ", ".join(words)
        return f"[{self.position}]({text if len(text) < 200 else text[:200] + '...'})"


def samples(op: Any, dtype: torch.dtype, count: int, *, grad: bool = False) -> list[Sample]:
    """A few of PyTorch's samples of the operator in that dtype, the same ones at every call."""
    seed()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drawn = list(islice(op.sample_inputs("cpu", dtype, requires_grad=grad), _DRAWN))
    made: list[Sample] = []
    for position, sample in spread(drawn, count):
        try:
            args, kwargs = carried(((sample.input, *sample.args), sample.kwargs))
        except Foreign:
            continue
        process = getattr(sample, "output_process_fn_grad", None)
        made.append(Sample(position, args, kwargs, bool(sample.broadcasts_input), process))
    return made


def outcome(call: Callable[[], Any]) -> tuple[Any, str]:
    """What the call returned, or the exception's type and text."""
    try:
        return call(), ""
    except Missing:
        raise
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"


def same(
    actual: Any, expected: Any, what: str, *, values: bool = True, slack: float = 1.0, limits: Any = VALUES
) -> None:
    """Hold two results against each other.

    Raises:
        Differs: with the first difference.
    """
    if isinstance(expected, torch.Tensor):
        if not isinstance(actual, xp.Tensor):
            raise Differs(f"{what}: {type(actual).__name__} where PyTorch gives a tensor")
        if dtype_name(actual) != dtype_name(expected):
            raise Differs(f"{what}: {actual.dtype}, PyTorch {expected.dtype}")
        if str(actual.layout) != str(expected.layout):
            raise Differs(f"{what}: {actual.layout}, PyTorch {expected.layout}")
        if expected.layout != torch.strided:
            actual, expected = actual.to_dense(), expected.to_dense()
        if tuple(actual.shape) != tuple(expected.shape):
            raise Differs(f"{what}: shape {list(actual.shape)}, PyTorch {list(expected.shape)}")
        if actual.requires_grad != expected.requires_grad:
            raise Differs(f"{what}: requires_grad {actual.requires_grad}")
        if values:
            _close(actual, expected, what, slack, limits)
    elif isinstance(expected, tuple | list):
        if not isinstance(actual, tuple | list) or isinstance(actual, tuple) != isinstance(expected, tuple):
            raise Differs(f"{what}: {type(actual).__name__} where PyTorch gives a {type(expected).__name__}")
        if len(actual) != len(expected):
            raise Differs(f"{what}: {len(actual)} results, PyTorch {len(expected)}")
        for name in getattr(type(expected), "__match_args__", ()):
            if not hasattr(actual, name):
                raise Differs(f"{what}: no field {name}")
        for k, (one, other) in enumerate(zip(actual, expected, strict=True)):
            same(one, other, f"{what} result {k}", values=values, slack=slack, limits=limits)
    elif isinstance(expected, torch.dtype | torch.device):
        if str(actual) != str(expected):
            raise Differs(f"{what}: {actual}, PyTorch {expected}")
    elif type(actual).__name__ != type(expected).__name__ or (
        values and not (actual == expected or (actual != actual and expected != expected))
    ):
        if isinstance(expected, float) and isinstance(actual, float) and np.isclose(actual, expected, 1e-6):
            return
        raise Differs(f"{what}: {actual!r}, PyTorch {expected!r}")


def _close(actual: Any, expected: torch.Tensor, what: str, slack: float, limits: Any) -> None:
    one, other = (
        widened(as_array(xp, actual)),
        widened(as_array(torch, expected.resolve_conj().resolve_neg())),
    )
    if np.array_equal(one, other):
        return
    relative, absolute = (slack * v for v in limits.get(dtype_name(expected), (0.0, 0.0)))
    if other.dtype.kind not in "fc":
        close = one == other
    else:
        with np.errstate(all="ignore"):
            close = np.isclose(one, other, rtol=relative, atol=absolute, equal_nan=True)
            if other.dtype.kind == "c":
                # Infinities and nan of complex numbers are compared part by part.
                parts = [np.isclose(f(one), f(other), relative, absolute, True) for f in (np.real, np.imag)]
                close |= parts[0] & parts[1]
    if not close.all():
        where = tuple(int(i) for i in np.argwhere(~close)[0])
        raise Differs(
            f"{what}: {int((~close).sum())} of {close.size} differ; at {list(where)} {one[where]!s}, "
            f"PyTorch {other[where]!s}"
        )


def among_equals(actual: Any, expected: Any, sample: Sample) -> Any:
    """Both results, with our positions put for PyTorch's if they point at equal elements.

    Which of several equal elements such an operator names is PyTorch's own affair (its documentation says
    so).
    """
    single = isinstance(expected, torch.Tensor)
    mine, theirs = (actual, expected) if single else (actual[-1], expected[-1])
    if not isinstance(theirs, torch.Tensor) or not isinstance(mine, xp.Tensor) or theirs.dtype != torch.int64:
        return actual, expected
    x = lifted(torch, sample.args[0], {}, grad=False)
    found = torch.from_numpy(as_array(xp, mine))
    if found.shape != theirs.shape or found.equal(theirs):
        return actual, expected
    for d in range(x.ndim):
        try:
            pair = [i.unsqueeze(d) if i.ndim < x.ndim else i for i in (found, theirs)]
            one, other = (x.gather(d, i) for i in pair)
        except (RuntimeError, IndexError):
            continue
        # A permutation names each element once; a rank may name the same one again.
        again = single or x.shape[d] != pair[0].shape[d] or len(pair[0].unique()) == len(pair[1].unique())
        if torch.equal(one, other) and again:
            return (actual, found) if single else (tuple(actual[:-1]), tuple(expected[:-1]))
    return actual, expected


def strides_differ(actual: Any, expected: Any) -> str:
    """The first difference in strides, where these mean anything."""
    for one, other in zip(tensors(xp, actual), tensors(torch, expected), strict=False):
        if other.layout != torch.strided:
            continue
        mine, theirs = one.stride(), other.stride()
        if other.numel() and any(
            n > 1 and a != b for n, a, b in zip(other.shape, mine, theirs, strict=False)
        ):
            return f"strides {list(mine)} of {list(other.shape)}, PyTorch {list(theirs)}"
    return ""


def gradient(library: Any, function: Any, sample: Sample) -> Any:
    """The gradients of a call's arguments for random cotangents of its results."""
    result, inputs = sample.call(library, function, grad=True)
    found = [t for t in tensors(library, sample.processed(library, result)) if t.requires_grad]
    wanted = [t for t in inputs if t.requires_grad]
    if not found or not wanted:
        return []
    cotangents = [
        library.from_numpy(random_array(7 + k, tuple(t.shape), dtype_name(t)))
        for k, t in enumerate(found)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(library.autograd.grad(found, wanted, cotangents, allow_unused=True))


class Judge:
    """Compares one operator.

    Args:
        op: its entry in `op_db`.
        count: how many samples in each dtype.
    """

    def __init__(self, op: Any, count: int) -> None:
        self.op = op
        self.name = label(op)
        self.count = count
        self.verdict = Verdict(self.name)
        self.values = op.name not in _UNDEFINED
        self.limits = {**VALUES, **_WIDER.get(op.name, {})}
        self.unique = self.name not in _UP_TO_A_FACTOR

    def run(self) -> Verdict:
        """All comparisons, up to the first difference of values."""
        verdict = self.verdict
        try:
            self.function = translated(self.op.op)
            for dtype in DTYPES:
                if dtype in self.op.supported_dtypes("cpu"):
                    self._dtype(dtype)
            self._gradients()
            self._forms()
        except Missing as missing:
            verdict.state, verdict.first = "missing", str(missing)
        except Differs as difference:
            verdict.state, verdict.first = "differs", str(difference)
            if re.search("AttributeError: (module '(torch|cotangent)|'Tensor')", verdict.first):
                verdict.state = "missing"
        if verdict.state != "missing":
            self._errors()
        return verdict

    def _what(self, form: str, dtype: torch.dtype, sample: Sample) -> str:
        return f"{form} {str(dtype).removeprefix('torch.')} {sample!r}"

    def _dtype(self, dtype: torch.dtype) -> None:
        for sample in samples(self.op, dtype, self.count):
            self._compare(self.op.op, self.function, self._what("values", dtype, sample), sample)

    def _compare(self, theirs: Any, mine: Any, what: str, sample: Sample) -> None:
        expected = outcome(lambda: sample.call(torch, theirs, grad=False))
        actual = outcome(lambda: sample.call(xp, mine, grad=False))
        self.verdict.samples += 1
        if expected[1]:
            if "out=" in what and "TypeError" in expected[1]:
                return  # the overload that has `out=` takes other arguments
            if actual[1] != expected[1]:
                raise Differs(f"{what}: {actual[1] or 'no error'}, PyTorch {expected[1]}")
            return
        if actual[1]:
            raise Differs(f"{what}: {actual[1]}")
        one, other = self.results(actual[0][0], expected[0][0], what, sample)
        self.verdict.strides = self.verdict.strides or strides_differ(one, other)

    def results(self, one: Any, other: Any, what: str, sample: Sample) -> tuple[Any, Any]:
        """Hold our result against PyTorch's, both as far as they are determined; they are returned.

        Raises:
            Differs: with the first difference.
        """
        if self.name.partition(":")[0] in _POSITIONS:
            one, other = among_equals(one, other, sample)
        if not self.unique:
            one, other = sample.processed(xp, one), sample.processed(torch, other)
        same(one, other, what, values=self.values, limits=self.limits)
        return one, other

    def _gradients(self) -> None:
        if not self.op.supports_autograd:
            return
        for dtype in GRADIENT_DTYPES:
            if dtype not in self.op.supported_backward_dtypes("cpu"):
                continue
            for sample in samples(self.op, dtype, self.count, grad=True):
                what = self._what("gradient", dtype, sample)
                expected = outcome(lambda s=sample: gradient(torch, self.op.op, s))
                if expected[1]:
                    continue
                actual = outcome(lambda s=sample: gradient(xp, self.function, s))
                if actual[1]:
                    raise Differs(f"{what}: {actual[1]}")
                self.verdict.gradients += 1
                same(actual[0], expected[0], what, values=self.values, slack=10.0, limits=self.limits)

    def _forms(self) -> None:
        """Methods, operators, in-place forms and `out=`, in one dtype each."""
        dtypes = self.op.supported_dtypes("cpu")
        dtype = next((d for d in DTYPES if d in dtypes), None)
        if dtype is None:
            return
        for sample in samples(self.op, dtype, min(self.count, 3)):
            for form, theirs, mine in self._variants():
                if "in-place" in form and (sample.broadcasts or not isinstance(sample.args[0], Carried)):
                    continue
                self._compare(theirs, mine, self._what(form, dtype, sample), sample)
            if self.op.supports_out and self.values and self.name not in _NO_OUT:
                self._compare(
                    _with_out(torch, self.op.op),
                    _with_out(xp, self.function),
                    self._what("out=", dtype, sample),
                    sample,
                )

    def _variants(self) -> Iterator[tuple[str, Any, Any]]:
        op = self.op
        if op.method_variant is not None:
            yield "method", op.method_variant, translated(op.method_variant)
        if op.inplace_variant is not None:
            yield "in-place", op.inplace_variant, translated(op.inplace_variant)
        for form, variant in (
            ("operator", op.operator_variant),
            ("in-place operator", op.inplace_operator_variant),
        ):
            if variant is not None:
                yield form, variant, variant

    def _errors(self) -> None:
        if self.op.error_inputs_func is None:
            return
        seed()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = list(self.op.error_inputs("cpu"))
        for position, error in enumerate(found):
            try:
                sample = error.sample_input
                args, kwargs = carried(((sample.input, *sample.args), sample.kwargs))
            except Foreign:
                continue
            made = Sample(position, args, kwargs, False, None)
            expected = outcome(lambda s=made: s.call(torch, self.op.op, grad=True))
            if not expected[1]:
                continue
            self.verdict.errors += 1
            try:
                actual = outcome(lambda s=made: s.call(xp, self.function, grad=True))
            except Missing as missing:
                actual = (None, f"missing {missing}")
            if actual[1] == expected[1]:
                self.verdict.errors_same += 1
            elif not self.verdict.error:
                self.verdict.error = f"{made!r}: {actual[1] or 'no error'}, PyTorch {expected[1]}"


def _with_out(library: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function called twice, the second time with `out=` new tensors like the first result."""

    def call(*args: Any, **kwargs: Any) -> Any:
        first = function(*args, **kwargs)
        places: Any = [library.zeros_like(t) for t in tensors(library, first)]
        if not places:
            return first
        given = places[0] if isinstance(first, library.Tensor) else tuple(places)
        library.manual_seed(0)
        function(*args, **kwargs, out=given)
        return given

    return call
