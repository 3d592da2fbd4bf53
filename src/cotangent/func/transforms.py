"""`grad`, `vjp`, `jvp`, Jacobians and Hessians of functions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from .. import dtypes, tree
from ..autograd.api import check_cotangent
from ..autograd.base import TensorBase, wrap
from ..autograd.engine import run
from ..autograd.modes import modes
from ..autograd.views import edge_of
from ..ops.table import TABLE
from .batched import stacked
from .checks import (
    GRAD,
    JVP,
    VJP,
    check_floating,
    check_like,
    check_outputs,
    check_real,
    check_scalar,
    check_structure,
    check_tangent,
    check_tensors,
    chosen,
    lowered,
    pair,
)
from .dual import JvpLevel
from .levels import GradLevel
from .mapping import vmap

_NO_HOOKS: Final = (
    "torch.func.{grad, vjp, jacrev, hessian} don't yet support saved tensor hooks. Please open an issue with "
    "your use case."
)


class _Recording(GradLevel):
    """The level of a transform whose function may not change how tensors are saved."""

    def __enter__(self) -> _Recording:
        if modes.extras.saved_hooks:
            raise RuntimeError(_NO_HOOKS)
        self.refusal, modes.extras.saving_disabled = modes.extras.saving_disabled, _NO_HOOKS
        super().__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        modes.extras.saving_disabled = self.refusal
        super().__exit__(*error)


class _Inside:
    """The arguments of a function as tensors of a level.

    Args:
        level: the level, which has been entered.
        args, kwargs: the arguments.
        positions: which of `args` to differentiate by.
    """

    def __init__(self, level: GradLevel, args: Any, kwargs: Any, positions: tuple[int, ...]) -> None:
        self.level = level
        leaves, structure = tree.flatten((list(args), kwargs))
        self.outside = leaves
        self.leaves = [level.wrap(t) if isinstance(t, TensorBase) else t for t in leaves]
        self.args, self.kwargs = tree.unflatten(structure, self.leaves)
        self.variables: list[Any] = []
        self.structures = []
        for p in positions:
            made, shape = tree.flatten(self.args[p])
            for t in made:
                _differentiable(t)
            self.variables.extend(made)
            self.structures.append(shape)

    def grouped(self, gradients: list[Any]) -> tuple[Any, ...]:
        """Gradients by the variables in the structures of the arguments they belong to."""
        feed = iter(gradients)
        return tuple(tree.unflatten(s, [next(feed) for _ in range(s.num_leaves)]) for s in self.structures)

    def write_back(self) -> None:
        """Give arguments that the function wrote to in place their new values."""
        for outside, t in zip(self.outside, self.leaves, strict=True):
            if isinstance(outside, TensorBase) and self.level.below(t) is not outside:
                outside.copy_(self.level.below(t))  # type: ignore[attr-defined]


def _differentiable(t: Any) -> None:
    if not isinstance(t, TensorBase):
        raise ValueError(f"Thing passed to transform API must be Tensor, got {type(t)}")
    if t.dtype.category < dtypes.FLOATING:  # type: ignore[attr-defined]
        raise RuntimeError("only Tensors of floating point dtype can require gradients")
    t._req = True


def _gradients(level: GradLevel, roots: list[Any], seeds: list[Any], inputs: list[Any]) -> list[Any]:
    """Gradients with respect to variables of the level, as tensors of the level below."""
    live = [(r, s) for r, s in zip(roots, seeds, strict=True) if level.owns(r) and r._req]
    if not live:
        found: list[Any] = [None] * len(inputs)
    else:
        found = run(
            [edge_of(r) for r, _ in live], [s if level.owns(s) else level.wrap(s) for _, s in live],
            keep=True, create_graph=False, inputs=[edge_of(t) for t in inputs], accumulate=False,
        )  # fmt: skip
    return [
        TABLE["zeros_like"].entry(level.lower(t)) if g is None else level.lower(g)
        for g, t in zip(found, inputs, strict=True)
    ]


def grad_and_value(func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that returns the gradient of `func` and its value.

    Args:
        func: returns a scalar tensor (or `(scalar, aux)`).
        argnums: position or positions of the arguments to differentiate by.
        has_aux: whether `func` returns a second thing that is passed through.

    Returns:
        a function returning `(gradient, value)`, or `(gradient, (value, aux))`.

    Raises:
        RuntimeError: when called, if `func` does not return a scalar tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.func.grad_and_value(lambda x: x**2)(torch.tensor(3.0))
        (tensor(6.), tensor(9.))
    """

    @functools.wraps(func)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        with _Recording() as level:
            inside = _Inside(level, args, kwargs, chosen(argnums, args))
            output = func(*inside.args, **inside.kwargs)
            aux = None
            if has_aux:
                output, aux = pair(output, GRAD)
            check_scalar(output)
            level.settle(func, (output, aux))
            seed = TABLE["ones_like"].entry(level.lower(output))
            grads = inside.grouped(_gradients(level, [output], [seed], inside.variables))
            result: Any = level.lower(output)
            if has_aux:
                result = (result, lowered(level, aux))
        inside.write_back()
        return (grads[0] if isinstance(argnums, int) else grads), result

    return transformed


def grad(func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that returns the gradient of `func`.

    Args:
        func: returns a scalar tensor (or `(scalar, aux)`).
        argnums: position or positions of the arguments to differentiate by.
        has_aux: whether `func` returns a second thing that is passed through.

    Returns:
        a function returning the gradient, or `(gradient, aux)`.

    Raises:
        RuntimeError: when called, if `func` does not return a scalar tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.func.grad(torch.func.grad(lambda x: x**3))(torch.tensor(2.0))
        tensor(12.)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return transformed


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of `func` and the function that pulls cotangents back through it.

    Args:
        func: returns tensors (or `(tensors, aux)`).
        primals: arguments, all tensors or containers of them.
        has_aux: whether `func` returns a second thing that is passed through.

    Returns:
        `(value, vjp_fn)` or `(value, vjp_fn, aux)`; `vjp_fn(cotangents)` gives one cotangent per primal.

    Raises:
        RuntimeError: if `func` returns something else than tensors.

    Example:
        >>> import cotangent as torch
        >>> value, pull = torch.func.vjp(torch.sin, torch.tensor(0.0))
        >>> pull(torch.tensor(2.0))
        (tensor(2.),)
    """
    return _vjp(func, primals, tuple(range(len(primals))), has_aux)


def _vjp(func: Callable[..., Any], args: Any, positions: tuple[int, ...], has_aux: bool) -> Any:
    """`vjp` by some of the arguments; the others may be written, too."""
    level = _Recording()
    with level:
        inside = _Inside(level, args, {}, positions)
        output = func(*inside.args)
        aux = None
        if has_aux:
            output, aux = pair(output, VJP)
            lower_aux = lowered(level, aux)
        outputs, shape = tree.flatten(output)
        check_outputs(outputs, VJP)
        value = tree.unflatten(shape, [level.lower(o) for o in outputs])
        check_floating(outputs)
        level.settle(func, (output, aux))
    inside.write_back()

    def pull(cotangents: Any = None, *more: Any, retain_graph: bool = True, create_graph: Any = None) -> Any:
        given = (cotangents, *more) if more else cotangents
        if given is None:
            seeds = [TABLE["ones_like"].entry(level.lower(outputs[0]))]
        else:
            seeds, structure = tree.flatten(given)
            if structure != shape:
                raise RuntimeError(
                    "Expected pytree structure of cotangents to be the same as pytree structure of outputs "
                    f"to the function. cotangents: {tree.pprint(structure)}, primal output: "
                    f"{tree.pprint(shape)}"
                )
        for i, (seed, o) in enumerate(zip(seeds, outputs, strict=True)):
            check_cotangent(i, seed, o)
        with level.again():
            return inside.grouped(_gradients(level, outputs, seeds, inside.variables))

    return (value, pull, lower_aux) if has_aux else (value, pull)


def jvp(
    func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> Any:
    """The value of `func` and its derivative along `tangents`.

    Args:
        func: returns tensors (or `(tensors, aux)`).
        primals: tuple of arguments.
        tangents: tuple of the same structure and shapes.
        strict: raise if an output does not depend on the inputs.
        has_aux: whether `func` returns a second thing that is passed through.

    Returns:
        `(value, derivative)` or `(value, derivative, aux)`.

    Raises:
        RuntimeError: if structures or shapes differ, or `func` returns something else than tensors.

    Example:
        >>> import cotangent as torch
        >>> torch.func.jvp(torch.sin, (torch.tensor(0.0),), (torch.tensor(2.0),))
        (tensor(0.), tensor(2.))
    """
    if not isinstance(primals, tuple):
        raise RuntimeError(
            f"{JVP}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    return _jvp(func, primals, tuple(range(len(primals))), tangents, strict, has_aux)


def _jvp(
    func: Callable[..., Any], args: tuple[Any, ...], positions: tuple[int, ...], tangents: Any, strict: bool,
    has_aux: bool,
) -> Any:  # fmt: skip
    """`jvp` by some of the arguments; the others may be written, too."""
    primals = tuple(args[p] for p in positions)
    leaves, moves = tree.flatten(primals)[0], tree.flatten(tangents)[0]
    check_structure(primals, tangents)
    check_tensors(leaves, "primals")
    check_tensors(moves, "tangents")
    before, modes.tangents = modes.tangents, True
    try:
        with JvpLevel() as level:
            given, structure = tree.flatten(args)
            inside = [level.dual(t, None) if isinstance(t, TensorBase) else t for t in given]
            entered = list(tree.unflatten(structure, inside))
            made: list[Any] = []
            for p in positions:
                parts, shape = tree.flatten(args[p])
                duals = []
                for t in parts:
                    move = moves[len(made)]
                    check_tangent(t, move)
                    duals.append(level.dual(t, move))
                    made.append(duals[-1])
                entered[p] = tree.unflatten(shape, duals)
            output = func(*entered)
            aux = None
            if has_aux:
                output, aux = pair(output, JVP)
                lower_aux = lowered(level, aux)
            outputs, shape = tree.flatten(output)
            check_outputs(outputs, JVP)
            values, moved = [], []
            for o in outputs:
                tangent = level.tangent(o)
                if tangent is None:
                    if strict:
                        raise RuntimeError(
                            "jvp(f, primals, tangents, strict=True): The output of f is independent of the "
                            "inputs. This is not allowed with strict=True."
                        )
                    tangent = TABLE["zeros_like"].entry(level.primal(o))
                values.append(level.primal(o))
                moved.append(tangent)
            level.settle(func, (output, aux))
    finally:
        modes.tangents = before
    for outside, t in zip(given, tree.flatten(entered)[0], strict=True):
        if isinstance(outside, TensorBase) and level.below(t) is not outside:
            outside.copy_(level.below(t))  # type: ignore[attr-defined]
    result = (tree.unflatten(shape, values), tree.unflatten(shape, moved))
    return (*result, lower_aux) if has_aux else result


def basis(leaves: list[Any]) -> list[Any]:
    """Per leaf of total size n: (n, *shape), the standard basis of all leaves together."""
    counts = [t.numel() for t in leaves]
    total = sum(counts)
    out, start = [], 0
    for t, n in zip(leaves, counts, strict=True):
        rows = np.zeros((total, n), t.dtype.np)
        rows[np.arange(start, start + n), np.arange(n)] = 1
        out.append(wrap(rows.reshape((total, *tuple(t.shape)))))
        start += n
    return out


def jacrev(
    func: Callable[..., Any], argnums: Any = 0, *, has_aux: bool = False, chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:  # fmt: skip
    """The Jacobian of `func` in reverse mode: one row per output element, computed together by vmap.

    Args:
        func: returns tensors (or `(tensors, aux)`).
        argnums: position or positions of the arguments to differentiate by.
        has_aux: whether `func` returns a second thing that is passed through.
        chunk_size: rows computed at a time; one at a time without vmap.

    Returns:
        a function returning, per output (and per argument), a tensor of shape output.shape + argument.shape.

    Raises:
        ValueError: if `chunk_size` is not positive.
        RuntimeError: when called, for complex inputs or outputs.

    Example:
        >>> import cotangent as torch
        >>> torch.func.jacrev(torch.sin)(torch.zeros(2))
        tensor([[1., 0.],
                [0., 1.]])
    """

    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        check_real("jacrev", tree.flatten(args)[0], "inputs")
        partial = functools.partial(func, **kwargs) if kwargs else func
        found = _vjp(partial, args, chosen(argnums, args), has_aux)
        value, pull = found[0], found[1]
        outputs, shape = tree.flatten(value)
        check_real("jacrev", outputs, "outputs")
        seeds = basis(outputs)

        def row(*seeds: Any) -> Any:
            return pull(tree.unflatten(shape, list(seeds)))

        if chunk_size == 1:
            rows = _one_by_one(row, seeds)
        else:
            rows = vmap(row, chunk_size=chunk_size)(*seeds)
        jacobians = []
        start = 0
        for o in outputs:
            n = o.numel()

            def reshaped(t: Any, start: int = start, n: int = n, o: Any = o) -> Any:
                part = TABLE["slice_of"].entry(t, 0, start, start + n, 1)
                return TABLE["reshape_any"].entry(part, tuple(o.shape) + tuple(t.shape)[1:])

            per_argument = tree.tree_map(reshaped, rows)
            jacobians.append(per_argument[0] if isinstance(argnums, int) else per_argument)
            start += n
        result = tree.unflatten(shape, jacobians)
        return (result, found[2]) if has_aux else result

    return transformed


def _one_by_one(row: Callable[..., Any], basis: list[Any]) -> Any:
    """Rows of a Jacobian computed without vmap, stacked."""
    parts = [
        tree.flatten(row(*(TABLE["select_at"].entry(b, 0, i) for b in basis))) for i in range(len(basis[0]))
    ]
    columns = zip(*(leaves for leaves, _ in parts), strict=True)
    return tree.unflatten(parts[0][1], [stacked(list(c)) for c in columns])


def jacfwd(
    func: Callable[..., Any],
    argnums: Any = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """The Jacobian of `func` in forward mode: one column per input element, computed together by vmap.

    Args:
        func: returns tensors (or `(tensors, aux)`).
        argnums: position or positions of the arguments to differentiate by.
        has_aux: whether `func` returns a second thing that is passed through.
        randomness: as for vmap.
        chunk_size: columns computed at a time.

    Returns:
        a function returning, per output (and per argument), a tensor of shape output.shape + argument.shape.

    Example:
        >>> import cotangent as torch
        >>> torch.func.jacfwd(torch.sin)(torch.zeros(2))
        tensor([[1., 0.],
                [0., 1.]])
    """

    @functools.wraps(func)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        check_real("jacfwd", tree.flatten(args)[0], "inputs")
        positions = tuple(range(len(args))) if argnums is None else chosen(argnums, args)
        leaves, structure = tree.flatten(tuple(args[p] for p in positions))
        partial = functools.partial(func, **kwargs) if kwargs else func

        def push(*moves: Any) -> Any:
            found = _jvp(partial, args, positions, tree.unflatten(structure, list(moves)), False, has_aux)
            check_real("jacfwd", tree.flatten(found[0])[0], "outputs")
            return found[1:]

        columns, *extra = vmap(push, randomness=randomness, chunk_size=chunk_size)(*basis(leaves))
        outputs, shape = tree.flatten(columns)
        jacobians = []
        for o in outputs:
            parts, start = [], 0
            for t in leaves:
                n = t.numel()
                part = TABLE["slice_of"].entry(o, 0, start, start + n, 1)
                order = (*range(1, o.ndim), 0)
                part = TABLE["permute_dims"].entry(part, order)
                parts.append(TABLE["reshape_any"].entry(part, tuple(o.shape)[1:] + tuple(t.shape)))
                start += n
            per_argument = tree.unflatten(structure, parts)
            jacobians.append(per_argument[0] if isinstance(argnums, int) else per_argument)
        result = tree.unflatten(shape, jacobians)
        # aux has been computed for each column: all are the same
        return (result, tree.tree_map(lambda t: t[0], extra[0])) if has_aux else result

    return transformed


def hessian(func: Callable[..., Any], argnums: Any = 0) -> Callable[..., Any]:
    """The Hessian of `func`: forward mode over reverse mode.

    Args:
        func: returns a scalar tensor.
        argnums: position or positions of the arguments to differentiate by.

    Returns:
        a function returning the matrix of second derivatives, of shape argument.shape twice.

    Example:
        >>> import cotangent as torch
        >>> torch.func.hessian(lambda x: (x**3).sum())(torch.ones(2))
        tensor([[6., 0.],
                [0., 6.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """The value of `func` and its derivative there, as a linear function of tangents.

    Args:
        func: returns tensors.
        primals: arguments.

    Returns:
        `(value, jvp_fn)`; `jvp_fn(*tangents)` is the derivative along them.

    Raises:
        RuntimeError: by `jvp_fn` for tangents that are not like the primals.

    Example:
        >>> import cotangent as torch
        >>> value, push = torch.func.linearize(torch.sin, torch.tensor(0.0))
        >>> push(torch.tensor(2.0))
        tensor(2.)
    """

    leaves, structure = tree.flatten(primals)

    def push(*tangents: Any) -> Any:
        moves, given = tree.flatten(tangents)
        if given != structure:
            raise RuntimeError(
                f"Expected the tangents {given} to have the same argspec as the primals {structure}"
            )
        for i, (primal, move) in enumerate(zip(leaves, moves, strict=True)):
            check_like(i, primal, move)
        return jvp(func, primals, tangents)[1]

    return func(*primals), push
