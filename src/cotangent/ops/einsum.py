"""Sums of products in Einstein's notation.

Every operand is brought to one order of dimensions (those of the result first, then those summed over), with
dimensions of one where it has no such subscript; then they are multiplied from left to right, dimensions
being summed over as soon as no later operand has them: in the product of matrices where both factors have
them.
"""

from __future__ import annotations

import math
from collections import Counter
from itertools import chain
from typing import Any, Final, NoReturn

from ..dtypes import FLOATING, SCALAR_NAME
from ..errors import type_name
from .arithmetic import mul
from .blas import bmm_of
from .reduce import accumulating, sum_dims
from .table import is_tensor
from .views import diagonal_of, permute_dims, reshaped, unsqueeze_at

# Stands for the ellipsis in a parsed list of subscripts.
_DOTS: Final = "..."
_TOO_FEW: Final = (
    "einsum(): must specify the equation string and at least one operand, or at least one operand and its "
    "subscripts list"
)


def einsum(*args: Any) -> Any:
    """Sums of products of the elements of tensors, by names of their dimensions.

    Args:
        args: the equation ("ij,jk->ik": letters per operand, then those of the result; "..." stands for any
            further dimensions, which broadcast; without "->" the letters that appear once, in alphabetical
            order) and the operands; or the operands, each followed by a list of ints (or `...`), and the list
            of the result.

    Returns:
        the dimensions named for the result.

    Raises:
        RuntimeError: if the equation cannot be read or does not fit the operands.
        ValueError: if there are no operands.

    Example:
        >>> import cotangent as torch
        >>> torch.einsum("ij,jk->ik", torch.ones(2, 3), torch.ones(3, 2))
        tensor([[3., 3.],
                [3., 3.]])
        >>> torch.einsum("ii", torch.eye(3))
        tensor(3.)
    """
    if len(args) < 2:
        raise ValueError(_TOO_FEW)
    if is_tensor(args[0]):
        equation, operands = _from_lists(args)
    else:
        equation, operands = args[0], list(args[1:])
        if not isinstance(equation, str):
            raise TypeError(
                f"einsum(): argument 'equation' (position 1) must be str, not {type_name(equation)}"
            )
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = list(operands[0])
            if not operands:
                raise ValueError(_TOO_FEW)
    for i, operand in enumerate(operands):
        if not is_tensor(operand):
            raise TypeError(f"expected Tensor as element {i} in argument 1, but got {type_name(operand)}")
    inputs, output = _parsed(equation, operands)
    return _evaluated(operands, inputs, output)


# -- reading --------------------------------------------------------------------------------------------


def _letter(n: Any) -> str:
    if n is Ellipsis:
        return _DOTS
    if not 0 <= n < 52:
        raise ValueError("einsum(): subscript in subscript list is not within the valid range [0, 52)")
    if not hasattr(n, "__index__"):
        raise TypeError(f"'{type_name(n)}' object cannot be interpreted as an integer")
    return chr(ord("A") + n) if n < 26 else chr(ord("a") + n - 26)


def _from_lists(args: tuple[Any, ...]) -> tuple[str, list[Any]]:
    """Operands and lists of subscripts as an equation."""
    equation = ",".join("".join(_letter(n) for n in listed) for listed in args[1::2])
    if len(args) % 2:
        equation = ",".join("".join(_letter(n) for n in listed) for listed in args[1:-1:2])
        equation += "->" + "".join(_letter(n) for n in args[-1])
    return equation, list(args[: len(args) - len(args) % 2 : 2])


def _bad_letter(index: int) -> NoReturn:
    raise RuntimeError(
        f"einsum(): invalid subscript given at index {index} in the equation string, subscripts must be in "
        "[a-zA-Z]"
    )


def _read(text: str, start: int, where: str, ellipsis: str) -> list[str]:
    """One list of subscripts; `start` is its place in the equation, for messages."""
    found: list[str] = []
    i = 0
    while i < len(text):
        letter = text[i]
        if letter == ".":
            if _DOTS in found:
                raise RuntimeError(f"einsum(): found '.' for {where} {ellipsis}")
            if text[i : i + 3] != _DOTS:
                dots = " (...)" if where == "output" else ""
                raise RuntimeError(f"einsum(): found '.' for {where} that is not part of any ellipsis{dots}")
            found.append(_DOTS)
            i += 3
            continue
        if letter != " ":
            if not (letter.isascii() and letter.isalpha()):
                _bad_letter(start + i)
            found.append(letter)
        i += 1
    return found


def _parsed(equation: str, operands: list[Any]) -> tuple[list[list[Any]], list[Any]]:
    """Per operand the names of its dimensions, and those of the result.

    The dimensions an ellipsis covers are named by negative ints, -1 for the last one.
    """
    left, arrow, right = equation.partition("->")
    inputs = []
    start = 0
    for i, part in enumerate(left.split(",")):
        inputs.append(_read(part, start, f"operand {i}", "for which an ellipsis was already found"))
        start += len(part) + 1
        if i >= len(operands):
            raise RuntimeError("einsum(): fewer operands were provided than specified in the equation")
    if len(inputs) < len(operands):
        raise RuntimeError("einsum(): more operands were provided than specified in the equation")
    covered = 0
    for i, (names, operand) in enumerate(zip(inputs, operands, strict=True)):
        count = len(names) - (_DOTS in names)
        if _DOTS in names:
            if count > operand.ndim:
                raise RuntimeError(
                    f"einsum(): the number of subscripts in the equation ({count}) is more than the number "
                    f"of dimensions ({operand.ndim}) for operand {i}"
                )
            covered = max(covered, operand.ndim - count)
        elif count != operand.ndim:
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({count}) does not match the number of "
                f"dimensions ({operand.ndim}) for operand {i} and no ellipsis was given"
            )
    seen = Counter(name for names in inputs for name in names if name != _DOTS)
    if arrow:
        output = _read(right, len(left) + 2, "output", "but an ellipsis (...) was already found")
        for n, name in enumerate(output):
            if name == _DOTS:
                continue
            if name in output[:n]:
                raise RuntimeError(f"einsum(): output subscript {name} appears more than once in the output")
            if name not in seen:
                raise RuntimeError(
                    f"einsum(): output subscript {name} does not appear in the equation for any input operand"
                )
    else:
        # Capital letters come before small ones.
        output = [_DOTS, *sorted(name for name, times in seen.items() if times == 1)]
    expanded = [
        _expanded(names, operand.ndim - len(names) + 1)
        for names, operand in zip(inputs, operands, strict=True)
    ]
    return expanded, _expanded(output, covered)


def _expanded(names: list[str], covered: int) -> list[Any]:
    """The list with an ellipsis replaced by names of the dimensions it covers."""
    out: list[Any] = []
    for name in names:
        if name == _DOTS:
            out.extend(range(-covered, 0))
        else:
            out.append(name)
    return out


# -- evaluating -----------------------------------------------------------------------------------------


def _evaluated(operands: list[Any], inputs: list[list[Any]], output: list[Any]) -> Any:
    order = list(output)
    alone = any(sum(n in names for names in inputs) == 1 for n in {*chain(*inputs)} - {*output})
    if alone and operands[0].dtype.category < FLOATING:
        # PyTorch sums such a dimension first, which makes int64 of integers.
        operands = [accumulating(operand, None) for operand in operands]
    for names in inputs:
        order.extend(name for name in names if name not in order)
    sizes: dict[Any, int] = {}
    ready = []
    for i, (operand, names) in enumerate(zip(operands, inputs, strict=True)):
        operand, names = _diagonals(operand, names, i)
        _note_sizes(operand, names, i, sizes)
        for name in order:
            if name not in names:
                operand = unsqueeze_at(operand, operand.ndim)
                names = [*names, name]
        ready.append(permute_dims(operand, tuple(names.index(name) for name in order)) if order else operand)
    kept = len(output)
    result = ready[0]
    for i, operand in enumerate(ready[1:], 1):
        later = ready[i + 1 :]
        done = [d for d in range(kept, len(order)) if all(other.shape[d] == 1 for other in later)]
        result = _pair(result, operand, done)
    left = tuple(range(kept, len(order)))
    if not left:
        return result
    if all(result.shape[d] == 1 for d in left):
        return reshaped(result, tuple(result.shape[:kept]))
    return sum_dims(accumulating(result, None), left, False)


def _diagonals(operand: Any, names: list[Any], index: int) -> tuple[Any, list[Any]]:
    """A subscript that is repeated in one operand takes the diagonal."""
    while len(set(names)) < len(names):
        second = next(d for d, name in enumerate(names) if name in names[:d])
        name = names[second]
        first = names.index(name)
        if operand.shape[first] != operand.shape[second]:
            raise RuntimeError(
                f"einsum(): subscript {name} is repeated for operand {index} but the sizes don't match, "
                f"{operand.shape[second]} != {operand.shape[first]}"
            )
        operand = diagonal_of(operand, 0, first, second)  # the diagonal becomes the last dimension
        names = [n for n in names if n != name] + [n for n in names if n == name][1:]
    return operand, names


def _note_sizes(operand: Any, names: list[Any], index: int, sizes: dict[Any, int]) -> None:
    for name, n in zip(names, operand.shape, strict=True):
        known = sizes.get(name, 1)
        if known != 1 and n not in (1, known):
            if isinstance(name, int):
                covered = sum(isinstance(other, int) for other in names)
                raise RuntimeError(
                    f"einsum(): dimension {covered + name} covered by ellipsis in operand {index}has size "
                    f"{n} which does not broadcast with previously seen ellipsis with size {known} for the "
                    "respective dimension"
                )
            raise RuntimeError(
                f"einsum(): subscript {name} has size {n} for operand {index} which does not broadcast with "
                f"previously seen size {known}"
            )
        if n != 1:
            sizes[name] = n


def _pair(a: Any, b: Any, done: list[int]) -> Any:
    """The product of two operands, summed over the dimensions `done`, which stay with size 1."""
    both = [d for d in done if a.shape[d] != 1 and b.shape[d] != 1]
    for_a = tuple(d for d in done if d not in both and a.shape[d] != 1)
    for_b = tuple(d for d in done if d not in both and b.shape[d] != 1)
    if for_a:
        a = sum_dims(a, for_a, True)
    if for_b:
        b = sum_dims(b, for_b, True)
    if not both:
        return mul(a, b)
    if a.dtype is not b.dtype:
        raise RuntimeError(f"expected scalar type {SCALAR_NAME[a.dtype]} but found {SCALAR_NAME[b.dtype]}")
    return _as_matrices(a, b, both)


def _as_matrices(a: Any, b: Any, both: list[int]) -> Any:
    """Summed products as one product of batches of matrices."""
    rest = [d for d in range(a.ndim) if d not in both]
    shared = [d for d in rest if a.shape[d] != 1 and b.shape[d] != 1]
    rows = [d for d in rest if a.shape[d] != 1 and d not in shared]
    columns = [d for d in rest if d not in shared and d not in rows]
    sizes_a, sizes_b = tuple(a.shape), tuple(b.shape)
    count, n, p = (
        math.prod(sizes[d] for d in dims)
        for sizes, dims in ((sizes_a, shared), (sizes_a, rows), (sizes_b, columns))
    )
    m = math.prod(sizes_a[d] for d in both)
    left = reshaped(permute_dims(a, (*shared, *rows, *both, *columns)), (count, n, m))
    right = reshaped(permute_dims(b, (*shared, *both, *columns, *rows)), (count, m, p))
    dims = (*shared, *rows, *columns, *both)
    sizes = tuple(sizes_b[d] if d in columns else 1 if d in both else sizes_a[d] for d in dims)
    found = reshaped(bmm_of(left, right), sizes)
    return permute_dims(found, tuple(dims.index(d) for d in range(a.ndim)))
