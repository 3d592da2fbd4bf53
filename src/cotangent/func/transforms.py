"""`grad`, `vjp`, `jvp`, Jacobians and Hessians of functions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes, tree
from ..autograd.api import check_cotangent
from ..autograd.base import TensorBase, wrap
from ..autograd.engine import run
from ..autograd.views import edge_of
from ..ops.table import TABLE
from .dual import JvpLevel
from .levels import GradLevel
from .mapping import vmap


def _variables(level: GradLevel, value: Any) -> tuple[list[Any], Any, list[Any]]:
    """(variables of the level, structure, same tree of variables) for an argument."""
    leaves, structure = tree.flatten(value)
    made = []
    for t in leaves:
        if not isinstance(t, TensorBase):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(t)}")
        if t.dtype.category < dtypes.FLOATING:  # type: ignore[attr-defined]
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        made.append(level.leaf(t))
    return made, structure, tree.unflatten(structure, made)


def _chosen(argnums: Any, args: tuple[Any, ...]) -> tuple[int, ...]:
    """The positions that `argnums` names."""
    if isinstance(argnums, bool) or not isinstance(argnums, (int, tuple)):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    out = []
    for n in (argnums,) if isinstance(argnums, int) else argnums:
        if not -len(args) <= n < len(args):
            raise RuntimeError(f"Got argnum={n}, but only {len(args)} positional inputs")
        out.append(n % len(args))
    return tuple(out)


def _lowered(level: Any, value: Any) -> Any:
    return tree.tree_map(level.lower, value)


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
        positions = _chosen(argnums, args)
        with GradLevel() as level:
            inside = list(args)
            variables: list[Any] = []
            structures = []
            for p in positions:
                made, structure, value = _variables(level, args[p])
                variables.extend(made)
                structures.append((structure, len(made)))
                inside[p] = value
            output = func(*inside, **kwargs)
            aux = None
            if has_aux:
                if not (isinstance(output, tuple) and len(output) == 2):
                    raise RuntimeError(
                        "grad_and_value(f)(*args): output of function f should be a tuple: (output, aux) if "
                        "has_aux is True"
                    )
                output, aux = output
            if not isinstance(output, TensorBase):
                raise RuntimeError(
                    f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(output)}"
                )
            if output.ndim:  # type: ignore[attr-defined]
                raise RuntimeError(
                    "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with "
                    f"{output.ndim} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"  # type: ignore[attr-defined]
                )
            seed = TABLE["ones_like"].entry(level.lower(output))
            flat = iter(_gradients(level, [output], [seed], variables))
            grads = [tree.unflatten(s, [next(flat) for _ in range(n)]) for s, n in structures]
            result: Any = level.lower(output)
            if has_aux:
                result = (result, _lowered(level, aux))
        return (grads[0] if isinstance(argnums, int) else tuple(grads)), result

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
    level = GradLevel()
    with level:
        variables: list[Any] = []
        structures, inside = [], []
        for p in primals:
            made, structure, value = _variables(level, p)
            variables.extend(made)
            structures.append((structure, len(made)))
            inside.append(value)
        output = func(*inside)
        aux = None
        if has_aux:
            if not (isinstance(output, tuple) and len(output) == 2):
                raise RuntimeError(
                    "vjp(f, *primals): output of function f should be a tuple: (output, aux) if has_aux is "
                    "True"
                )
            output, aux = output
        outputs, shape = tree.flatten(output)
        for o in outputs:
            if not isinstance(o, TensorBase):
                raise RuntimeError(
                    "vjp(f, *primals): expected f(*primals) to return only tensors, got unsupported type "
                    f"{type(o)}"
                )
        value = tree.unflatten(shape, [level.lower(o) for o in outputs])
        aux = _lowered(level, aux) if has_aux else None

    def pull(cotangents: Any = None, *more: Any, retain_graph: bool = True, create_graph: Any = None) -> Any:
        given = (cotangents, *more) if more else cotangents
        seeds = (
            tree.flatten(given)[0]
            if given is not None
            else [TABLE["ones_like"].entry(level.lower(outputs[0]))]
        )
        if len(seeds) != len(outputs):
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to "
                f"the function. cotangents: {tree.spec(given)}, primal output: {tree.spec(value)}"
            )
        for i, (seed, o) in enumerate(zip(seeds, outputs, strict=True)):
            check_cotangent(i, seed, o)
        with level.again():
            flat = iter(_gradients(level, outputs, seeds, variables))
        return tuple(tree.unflatten(s, [next(flat) for _ in range(n)]) for s, n in structures)

    return (value, pull, aux) if has_aux else (value, pull)


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
    head = "jvp(f, primals, tangents): "
    if not isinstance(primals, tuple):
        raise RuntimeError(
            head + "Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    leaves, structure = tree.flatten(primals)
    moves, _ = tree.flatten(tangents)
    if tree.spec(primals) != tree.spec(tangents):
        raise RuntimeError(
            head
            + "Expected primals and tangents to have the same python structure. For example, if primals is "
            f"a tuple of 3 tensors, tangents also must be. Got primals with structure {tree.spec(primals)} "
            f"and tangents with structure {tree.spec(tangents)}"
        )
    with JvpLevel() as level:
        inside = []
        for t, move in zip(leaves, moves, strict=True):
            check_tangent(t, move)
            inside.append(level.dual(t, move))
        output = func(*tree.unflatten(structure, inside))
        aux = None
        if has_aux:
            output, aux = output
        outputs, shape = tree.flatten(output)
        values, moved = [], []
        for o in outputs:
            if not isinstance(o, TensorBase):
                raise RuntimeError(
                    head + f"expected f(*primals) to return only tensors, got unsupported type {type(o)}"
                )
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
        result = (tree.unflatten(shape, values), tree.unflatten(shape, moved))
        return (*result, tree.tree_map(level.primal, aux)) if has_aux else result


def check_tangent(t: Any, move: Any) -> None:
    """Raise PyTorch's error for a tangent of another shape."""
    if tuple(t.shape) != tuple(move.shape):
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, "
            f"this is not supported. Tensor is of size {list(t.shape)} while the given forward gradient is "
            f"of size {list(move.shape)}."
        )


def _basis(leaves: list[Any]) -> list[Any]:
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
    func: Callable[..., Any], argnums: Any = 0, *, has_aux: bool = False, chunk_size: int | None = None
) -> Callable[..., Any]:
    """The Jacobian of `func` in reverse mode: one row per output element, computed together by vmap.

    Args:
        func: returns tensors (or `(tensors, aux)`).
        argnums: position or positions of the arguments to differentiate by.
        has_aux: whether `func` returns a second thing that is passed through.
        chunk_size: rows computed at a time.

    Returns:
        a function returning, per output (and per argument), a tensor of shape output.shape + argument.shape.

    Example:
        >>> import cotangent as torch
        >>> torch.func.jacrev(torch.sin)(torch.zeros(2))
        tensor([[1., 0.],
                [0., 1.]])
    """

    @functools.wraps(func)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        positions = _chosen(argnums, args)

        def partial(*chosen: Any) -> Any:
            inside = list(args)
            for p, value in zip(positions, chosen, strict=True):
                inside[p] = value
            return func(*inside, **kwargs)

        found = vjp(partial, *[args[p] for p in positions], has_aux=has_aux)
        value, pull = found[0], found[1]
        outputs, shape = tree.flatten(value)
        basis = _basis(outputs)
        rows = vmap(lambda *seeds: pull(tree.unflatten(shape, list(seeds))), chunk_size=chunk_size)(*basis)
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
        positions = _chosen(argnums, args)
        chosen = tuple(args[p] for p in positions)
        leaves, structure = tree.flatten(chosen)
        extra: list[Any] = []

        def push(*moves: Any) -> Any:
            def partial(*values: Any) -> Any:
                inside = list(args)
                for p, value in zip(positions, values, strict=True):
                    inside[p] = value
                return func(*inside, **kwargs)

            found = jvp(partial, chosen, tree.unflatten(structure, list(moves)), has_aux=has_aux)
            extra[:] = found[2:]
            return found[1]

        columns = vmap(push, randomness=randomness, chunk_size=chunk_size)(*_basis(leaves))
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
        return (result, extra[0]) if has_aux else result

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

    Example:
        >>> import cotangent as torch
        >>> value, push = torch.func.linearize(torch.sin, torch.tensor(0.0))
        >>> push(torch.tensor(2.0))
        tensor(2.)
    """

    def push(*tangents: Any) -> Any:
        return jvp(func, primals, tangents)[1]

    return func(*primals), push
