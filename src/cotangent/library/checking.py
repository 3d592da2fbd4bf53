"""Whether an operator keeps what its schema, fake kernel and derivative say: `torch.library.opcheck`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from ..autograd import api
from ..autograd.modes import no_grad
from ..compile import function as compiled
from ..kernels.shape import owner
from ..ops.overloads import OpOverload, OpOverloadPacket
from ..random import get_rng_state, set_rng_state
from ..tensor import Tensor
from ..testing.comparison import assert_close
from ..tree import flatten, tree_map
from .operators import Operator, Overload, Packet

__all__ = ["MetadataMismatchError", "OpCheckError", "opcheck"]

_SUCCESS: Final = "SUCCESS"


class OpCheckError(Exception):
    """An operator does not keep what it promises."""


class MetadataMismatchError(Exception):
    """What a fake kernel makes has another shape, dtype or layout than what the kernel makes."""


class _Checked:
    """An operator with arguments for it.

    Args:
        op: the operator.
        args, kwargs: the arguments.
        tolerances: for `assert_close`.
    """

    def __init__(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any], **tolerances: Any) -> None:
        self.op = op
        self.args, self.kwargs = args, kwargs
        self.tolerances = tolerances
        self.own: Operator | None = getattr(op, "_op", None)
        self.wanted = any(t.requires_grad for t in self.tensors((args, kwargs)))

    @staticmethod
    def tensors(values: Any) -> list[Any]:
        """The tensors anywhere in nested values."""
        return [t for t in flatten(values)[0] if isinstance(t, Tensor)]

    def copies(self, change: Callable[[Any], Any] | None = None) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with copies of the tensors, which require gradients as those do."""

        def copied(t: Any) -> Any:
            if not isinstance(t, Tensor):
                return t
            new = t.detach().clone() if change is None else change(t.detach())
            return new.requires_grad_(t.requires_grad)

        found: tuple[tuple[Any, ...], dict[str, Any]] = tree_map(copied, (self.args, self.kwargs))
        return found

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[tuple[str, bool, Any]]:
        """(name, whether the schema says that it is written, value) of every argument."""
        if self.own is not None:
            by_place, by_name = self.own.schema.bind(args, kwargs)
            values = (*by_place, *by_name.values())
            for argument, value in zip(self.own.schema.arguments, values, strict=True):
                yield argument.name, bool(argument.writes), value
            return
        in_place = self.op.overloadpacket.__name__.endswith("_")
        for k, value in enumerate(args):
            yield f"#{k}", in_place and k == 0, value
        for name, value in kwargs.items():
            yield name, name == "out", value

    def has_derivative(self) -> bool:
        """Whether autograd knows what to do with the operator, other than to look into its kernel."""
        own = self.own
        if own is None or own.strict or own.backward is not None:
            return True
        return bool(own.kernels.keys() & {"Autograd", "CompositeImplicitAutograd"})

    # -- the checks --------------------------------------------------------------------------------------

    def schema(self) -> None:
        """What is written and returned is what the schema says."""
        args, kwargs = self.copies()
        given = list(self.arguments(args, kwargs))
        before = [[t.detach().clone() for t in self.tensors(value)] for _, _, value in given]
        with no_grad():
            made = self.tensors(self.op(*args, **kwargs))
        memories = {_memory(t) for t in made}
        aliases = self.own is not None and "(" in self.own.schema.returns.replace("(Tensor", "")
        for (name, writes, value), old in zip(given, before, strict=True):
            now = self.tensors(value)
            if writes:
                continue
            if not all(map(_same, now, old)):
                raise RuntimeError(f"Argument {name} is not defined as mutable but was mutated")
            if not aliases and self.own is not None and any(_memory(t) in memories for t in now):
                raise RuntimeError(f"Argument {name} is not defined to alias output but was aliasing")

    def autograd_registration(self) -> None:
        """A derivative is registered with autograd, and is not what the kernel happens to call."""
        if not self.wanted or self.has_derivative():
            return
        args, kwargs = self.copies()
        if any(t.requires_grad for t in self.tensors(self.op(*args, **kwargs))):
            assert self.own is not None
            raise AssertionError(
                f"{self.own.schema.name}: at least one output of this operator has requires_grad=True but "
                "the operator does not have an autograd kernel defined at an autograd key (e.g. "
                "DispatchKey::Autograd). This could mean that you have incorrectly registered an autograd "
                "kernel to a non-Autograd DispatchKey, which may lead to silently incorrect results. If your "
                "operator consists of regular PyTorch operations, consider not using an operator at all or "
                "registering your operator as CompositeImplicitAutograd. If you have an autograd.Function "
                "registered to a backend (CPU/CUDA/XPU) key, the correct location for it is the Autograd key."
            )

    def fake(self) -> Any:
        """What the operator makes of tensors without numbers."""
        args, kwargs = self.copies(lambda t: t.to("meta"))
        with no_grad():
            return self.op(*args, **kwargs)

    def faketensor(self) -> None:
        """The fake kernel tells what the kernel makes."""
        args, kwargs = self.copies()
        with no_grad():
            real = self.tensors(self.op(*args, **kwargs))
        fake = self.tensors(self.fake())
        head = f"When comparing the output of {self.op} on FakeTensor and concrete Tensors, found "
        if len(fake) != len(real):
            raise MetadataMismatchError(f"{head}mismatch in number of returns {len(fake)} != {len(real)}")
        for a, b in zip(real, fake, strict=True):
            if told := _difference(a, b):
                raise MetadataMismatchError(f"{head}mismatched tensor metadata: {told}")

    def _results(self, op: Any) -> tuple[Any, list[Any]]:
        """What a call makes, and the gradients of the sum of what requires one."""
        args, kwargs = self.copies()
        made = op(*args, **kwargs)
        sums = [t.sum() for t in self.tensors(made) if t.requires_grad]
        leaves = [t for t in self.tensors((args, kwargs)) if t.requires_grad]
        found = api.grad(sums, leaves, allow_unused=True) if sums and leaves else []
        return tree_map(lambda t: t.detach() if isinstance(t, Tensor) else t, made), list(found)

    def dispatch(self) -> None:
        """A compiled call does what a call does, and its gradients are the same."""
        state = get_rng_state()
        made, gradients = self._results(self.op)
        self.fake()
        if gradients and not self.has_derivative():
            raise AssertionError(_OTHER_GRADIENTS)
        set_rng_state(state)
        again, others = self._results(compiled.compile(lambda *a, **k: self.op(*a, **k)))
        for one, two, text in ((made, again, _OTHER_RESULTS), (gradients, others, _OTHER_GRADIENTS)):
            try:
                _check_close(one, two, self.tolerances)
            except AssertionError as error:
                raise AssertionError(text) from error


_OTHER_RESULTS: Final = (
    "Outputs of the operator are different in eager-mode PyTorch vs AOTDispatcher tracing. This means the "
    "operator will have incorrect output underneath torch.compile. This could be because the operator's "
    "implementation not traceable."
)
_OTHER_GRADIENTS: Final = (
    "Gradients of the operator are different in eager-mode PyTorch vs AOTDispatcher. This means the "
    "operator will have incorrect gradients underneath torch.compile. This could be because the operator's "
    "backward is incorrectly registered or not traceable."
)


def _check_close(one: Any, two: Any, tolerances: dict[str, Any]) -> None:
    for a, b in zip(flatten(one)[0], flatten(two)[0], strict=True):
        if isinstance(a, Tensor):
            assert_close(b, a, equal_nan=True, **tolerances)
        elif a != b:
            raise AssertionError(f"{a} and {b}")


def _memory(t: Any) -> int:
    return id(owner(t._data)) if isinstance(t._data, np.ndarray) else id(t)


def _same(a: Any, b: Any) -> bool:
    return a.shape == b.shape and bool(((a == b) | ((a != a) & (b != b))).all())


def _difference(a: Any, b: Any) -> str:
    if a.shape != b.shape:
        return f"Shapes {a.shape} and {b.shape} are not equal!"
    if a.dtype is not b.dtype:
        return f"Dtypes {a.dtype} and {b.dtype} are not equal!"
    one, two = a.stride(), b.stride()
    at = [k for k, n in enumerate(a.shape) if n > 1 and one[k] != two[k]]
    if at and a.numel():
        return f"Stride mismatch! Strides are {one} and {two} (mismatched at {at[0]})!"
    return ""


_CHECKS: Final[dict[str, Callable[[_Checked], None]]] = {
    "test_schema": _Checked.schema,
    "test_autograd_registration": _Checked.autograd_registration,
    "test_faketensor": _Checked.faketensor,
    "test_aot_dispatch_static": _Checked.dispatch,
    "test_aot_dispatch_dynamic": _Checked.dispatch,
}
_USUAL: Final = tuple(name for name in _CHECKS if name != "test_aot_dispatch_static")


def opcheck(
    op: Any,
    args: Any,
    kwargs: dict[str, Any] | None = None,
    *,
    test_utils: str | Sequence[str] = _USUAL,
    raise_exception: bool = True,
    atol: float | None = None,
    rtol: float | None = None,
) -> dict[str, Any]:
    """Look whether an operator does what it says of itself, with given arguments.

    The checks are

    - `test_schema`: what is written, and what shares memory with what;
    - `test_faketensor`: the fake kernel's shapes, dtypes and strides;
    - `test_autograd_registration`: the derivative is not that of what the kernel calls;
    - `test_aot_dispatch_dynamic`: a compiled call has the same results and gradients.

    Derivatives themselves are checked by `torch.autograd.gradcheck`.

    Args:
        op: an operator of `custom_op`, of a `Library`, or of `torch.ops`.
        args, kwargs: arguments for it; tensors that require gradients have gradients checked, too.
        test_utils: which checks.
        raise_exception: whether the first check that fails raises.
        atol, rtol: tolerances of comparisons.

    Returns:
        for each check "SUCCESS", or the exception.

    Raises:
        ValueError: for something else than an operator, or an unknown check.
        OpCheckError: if a check fails.

    Example:
        >>> import cotangent as torch
        >>> @torch.library.custom_op("docs::negative", mutates_args=())
        ... def negative(x: torch.Tensor) -> torch.Tensor:
        ...     return -x
        >>> @negative.register_fake
        ... def _(x):
        ...     return torch.empty_like(x)
        >>> torch.library.opcheck(negative, (torch.ones(2),), test_utils="test_faketensor")
        {'test_faketensor': 'SUCCESS'}
    """
    given = getattr(op, "_opoverload", op)
    if isinstance(given, (Packet, OpOverloadPacket)):
        given = given.default
    if not isinstance(given, (Overload, OpOverload)):
        raise ValueError(
            "opcheck(op, ...): op must be instance of torch._ops.OpOverload, e.g. "
            f"torch.ops.aten.sin.default, got {type(op)}"
        )
    wanted = (test_utils,) if isinstance(test_utils, str) else tuple(test_utils)
    if not set(wanted) <= set(_CHECKS):
        raise ValueError(
            f"opcheck(op, ..., test_utils={wanted}), expected test_utils to be subset of {tuple(_CHECKS)} "
            "but it was not"
        )
    checked = _Checked(given, tuple(args), dict(kwargs or {}), atol=atol, rtol=rtol)
    found: dict[str, Any] = {}
    for name in wanted:
        try:
            _CHECKS[name](checked)
            found[name] = _SUCCESS
        except Exception as error:
            if raise_exception:
                raise OpCheckError(
                    f"opcheck(op, ...): {name} failed with {error} (scroll up for stack trace)"
                ) from error
            found[name] = error
    return found
