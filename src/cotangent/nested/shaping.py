"""What rearranges nested tensors of the layout `torch.jagged`, or asks of their shape.

Facts (which dimensions each function takes, and its errors): PyTorch's behaviour.
"""

from __future__ import annotations

from typing import Any, NoReturn

from ..errors import check_dim
from ..functions import arange, cat as _cat, where as _where
from ..nn.functional import pad
from ..size import Size
from .base import entering
from .ragged import HANDLERS, NestedTensor, components, from_list, like, make, number_of_elements
from .sizes import NestedInt

Nested = NestedTensor


handles = entering(HANDLERS)


def plain(input: Any, schema: str, name: str = "input") -> None:
    """Refuse what has holes, or another ragged dimension than the first.

    Args:
        input: an operand.
        schema: how PyTorch writes the function's parameters.
        name: the operand's name.

    Raises:
        ValueError: with PyTorch's text.
    """
    if not isinstance(input, Nested) or input._lengths is not None or input._ragged_idx != 1:
        raise ValueError(
            f"NestedTensor {schema}: expected {name} to be a contiguous jagged layout NestedTensor"
        )


def inner(input: Nested, dim: int, name: str, ndim: int | None = None, ragged: bool = False) -> int:
    """A dimension, counted in the values.

    Args:
        input: the nested tensor.
        dim: the dimension.
        name: the function's name, for errors.
        ndim: number of dimensions, if another than the tensor's.
        ragged: whether the ragged dimension is allowed.

    Raises:
        RuntimeError: for the batch, and for the ragged dimension if it is not allowed.
    """
    at = check_dim(dim, len(input._size) if ndim is None else ndim)
    if at == input._ragged_idx and not ragged:
        raise RuntimeError(f"{name}(): not supported for NestedTensor on ragged dim")
    if at == 0:
        raise RuntimeError(f"{name}(): not supported for NestedTensor on dim=0")
    return at - 1


def same_raggedness(input: Nested, size: Any) -> bool:
    """Whether sizes begin as those of a nested tensor, up to its ragged dimension; -1 fits any.

    Args:
        input: the nested tensor.
        size: the sizes.
    """
    mine, other = input._size[: input._ragged_idx + 1], tuple(size)[: input._ragged_idx + 1]
    return len(mine) == len(other) and all(
        a == b or (isinstance(b, int) and b == -1) for a, b in zip(mine, other)
    )


# -- asking -------------------------------------------------------------------------------------------------


@handles("size")
def size(func: Any, input: Nested, dim: int | None = None) -> Any:
    """All sizes, or one."""
    found = input._size
    return tuple.__new__(Size, found) if dim is None else found[check_dim(dim, len(found))]


@handles("stride")
def stride(func: Any, input: Nested, dim: int | None = None) -> Any:
    """All strides, or one."""
    steps = input._values.stride()
    found = (input._size[input._ragged_idx] * steps[input._ragged_idx - 1], *steps)
    return found if dim is None else found[check_dim(dim, len(found))]


@handles("dim", "ndimension", "ndim")
def dim(func: Any, input: Nested) -> int:
    """Number of dimensions."""
    return len(input._size)


@handles("numel", "nelement")
def numel(func: Any, input: Nested) -> int:
    """Number of elements."""
    return number_of_elements(input)


@handles("len")
def length(func: Any, input: Nested) -> int:
    """Number of examples."""
    return int(input._size[0])


@handles("data_ptr")
def data_ptr(func: Any, input: Nested) -> int:
    """None: PyTorch's wrappers have no memory of their own."""
    return 0


@handles("is_contiguous")
def is_contiguous(func: Any, input: Nested, memory_format: Any = None) -> bool:
    """Whether the values are, and there are no holes."""
    return input._contiguous()


@handles("values")
def values(func: Any, input: Nested) -> Any:
    """The examples behind each other."""
    return input._values.view(input._values.shape) if input._values.is_contiguous() else input._values[...]


@handles("is_same_size")
def is_same_size(func: Any, input: Any, other: Any) -> bool:
    """Whether two have the same sizes."""
    return bool(tuple(input.shape) == tuple(other.shape))


@handles("tolist", "numpy")
def to_python(func: Any, input: Nested, *args: Any, **kwargs: Any) -> NoReturn:
    """What subclasses of tensors do not do."""
    text = f".{func.__name__}() is not supported for tensor subclasses"
    raise RuntimeError(f"{text}, got NestedTensor" if func.__name__ == "tolist" else f"{text}.")


# -- parts --------------------------------------------------------------------------------------------------


@handles("unbind")
def unbind(func: Any, input: Nested, dim: int = 0) -> tuple[Any, ...]:
    """The examples."""
    if dim != 0:
        raise RuntimeError("unbind(): only supported for NestedTensor on dim=0")
    return components(input)


@handles("select")
def select(func: Any, input: Nested, dim: int, index: int) -> Any:
    """One example, or one index of a dimension of all examples."""
    at = check_dim(dim, len(input._size))
    if at == 0:
        return components(input)[index]
    at = inner(input, at, "select")
    if input._lengths is not None:
        raise ValueError(
            "select(): not yet supported on dim != 0 for non-contiguous nested tensor with holes"
        )
    before = at < input._ragged_idx - 1
    return like(input, input._values.select(at, index), input._ragged_idx - before)


@handles("narrow")
def narrow(func: Any, input: Nested, dim: int, start: int, length: int) -> Nested:
    """A range of a dimension."""
    plain(input, "narrow(self: jt, dim: any, start: any, length: any)", "self")
    return like(input, input._values.narrow(inner(input, dim, "narrow"), start, length))


@handles("getitem")
def getitem(func: Any, input: Nested, index: Any) -> Any:
    """Indexing, one dimension after the other."""
    given = index if isinstance(index, tuple) else (index,)
    at, found = 0, input
    for place, i in enumerate(given):
        if not isinstance(found, Nested):
            return found[given[place:]]
        if i is Ellipsis:
            at = len(found._size) - sum(j is not None for j in given[place + 1 :])
        elif i is None:
            found = found.unsqueeze(at)
            at += 1
        elif isinstance(i, slice):
            if at == 0:
                raise RuntimeError("slice(): not supported for NestedTensor on dim=0")
            plain(found, "slice_tensor(self: jt, dim: any?, start: any?, end: any?, step: any?)", "self")
            there = inner(found, at, "slice")
            found = like(found, found._values[(*[slice(None)] * there, i)])
            at += 1
        elif isinstance(i, int) and not isinstance(i, bool):
            found = found.select(at, i)
        else:
            raise NotImplementedError("aten.index.Tensor")
    return found


@handles("split", "split_with_sizes")
def split(func: Any, input: Nested, split_size: Any, dim: int = 0) -> tuple[Nested, ...]:
    """Parts of given sizes of a dimension."""
    name = "split" if isinstance(split_size, int) else "split_with_sizes"
    plain(
        input,
        "split_tensor(self: jt, split_size: any, dim: any?)" if name == "split"
        else "split_with_sizes_default(self: jt, split_sizes: any, dim: any?)",
        "self",
    )  # fmt: skip
    return tuple(like(input, part) for part in input._values.split(split_size, inner(input, dim, name)))


@handles("chunk")
def chunk(func: Any, input: Nested, chunks: int, dim: int = 0) -> tuple[Nested, ...]:
    """So many parts of a dimension, or groups of examples."""
    plain(input, "chunk_default(self: jt, chunks: any, dim: any?)", "self")
    if check_dim(dim, len(input._size)):
        return tuple(like(input, part) for part in input._values.chunk(chunks, inner(input, dim, "chunk")))
    found = [part.cumsum(0) for part in input._offsets.diff().chunk(chunks)]
    parts = input._values.split([int(ends[-1].item()) for ends in found])
    return tuple(make(part, pad(ends, (1, 0))) for part, ends in zip(parts, found))


# -- other shapes -------------------------------------------------------------------------------------------


@handles("transpose", "swapaxes", "swapdims")
def transpose(func: Any, input: Nested, dim0: int, dim1: int) -> Nested:
    """Two dimensions exchanged."""
    n, ragged = len(input._size), input._ragged_idx
    a, b = check_dim(dim0, n), check_dim(dim1, n)
    if ragged in (a, b):
        if 0 in (a, b):
            raise ValueError("Transpose is not supported on the batch dimension for jagged NT")
        return like(input, input._values.transpose(a - 1, b - 1), b if a == ragged else a)
    a, b = inner(input, a, "transpose"), inner(input, b, "transpose")
    return like(input, input._values.transpose(a, b))


@handles("mT")
def turned(func: Any, input: Nested) -> Any:
    """The last two dimensions exchanged."""
    return transpose(func, input, -2, -1)


@handles("permute")
def permute(func: Any, input: Nested, *dims: Any) -> Nested:
    """The dimensions in another order."""
    order = dims[0] if len(dims) == 1 and isinstance(dims[0], (tuple, list)) else dims
    n = len(input._size)
    if n != len(order):
        raise ValueError(
            f"permute(): number of dimensions in the tensor input ({n}) does not match the length of the "
            f"desired ordering of dimensions ({len(order)})."
        )
    places = [check_dim(d, n) for d in order]
    if len(set(places)) != n:
        raise ValueError("permute(): duplicate dims are not allowed.")
    if input._lengths is not None:
        raise ValueError("permute(): not supported on jagged layout nested tensor with holes")
    if places[0] != 0:
        raise ValueError("Permute is not supported on the batch dimension for jagged NT")
    inside = [d - 1 for d in places[1:]]
    return like(input, input._values.permute(inside), places.index(input._ragged_idx))


@handles("T")
def reversed_dims(func: Any, input: Nested) -> Any:
    """The dimensions in reverse order, which the batch forbids."""
    return permute(func, input, *range(len(input._size) - 1, -1, -1))


@handles("unsqueeze")
def unsqueeze(func: Any, input: Nested, dim: int) -> Nested:
    """A new dimension of one."""
    at = inner(input, dim, "unsqueeze", len(input._size) + 1, ragged=True)
    return like(input, input._values.unsqueeze(at), input._ragged_idx + (at <= input._ragged_idx - 1))


@handles("squeeze")
def squeeze(func: Any, input: Nested, dim: Any = None) -> Nested:
    """A dimension of one less."""
    if not isinstance(dim, int):
        raise NotImplementedError("aten.squeeze.default" if dim is None else "aten.squeeze.dims")
    plain(input, "squeeze_dim(self: jt, dim: any)", "self")
    return like(input, input._values.squeeze(inner(input, dim, "squeeze")))


def _sizes(given: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(given[0]) if len(given) == 1 and isinstance(given[0], (tuple, list)) else given


@handles("view", "reshape")
def view(func: Any, input: Nested, *shape: Any) -> Nested:
    """Other sizes behind the batch and the ragged dimension."""
    wanted = _sizes(shape)
    if input._ragged_idx != 1 and input._size != wanted:
        raise RuntimeError(
            f"view(): does not support ragged_idx != 1 except when inp._size == size. inp._size is "
            f"({input._size}) and size is ({list(wanted)})."
        )
    if len(wanted) < 3 or not same_raggedness(input, wanted):
        raise RuntimeError(f"view(): cannot view shape {input._size} as {list(wanted)}")
    at = input._ragged_idx - 1
    inside = [input._values.shape[at] if d == at else n for d, n in enumerate(wanted[1:])]
    return like(input, getattr(input._values, func.__name__)(inside))


@handles("view_as", "reshape_as")
def view_as(func: Any, input: Nested, other: Any) -> Nested:
    """The sizes of another one."""
    return input.view(other.shape)  # type: ignore[no-any-return]


@handles("unflatten")
def unflatten(func: Any, input: Nested, dim: int, sizes: Any) -> Nested:
    """A dimension divided into several."""
    at = inner(input, dim, "unflatten")
    ragged = input._ragged_idx + (len(sizes) - 1 if at < input._ragged_idx - 1 else 0)
    return like(input, input._values.unflatten(at, sizes), ragged)


@handles("flatten")
def flatten(func: Any, input: Nested, start_dim: int = 0, end_dim: int = -1) -> Nested:
    """Several dimensions as one."""
    first, last = (inner(input, d, "flatten") for d in (start_dim, end_dim))
    if first == last:
        return input
    if first < input._ragged_idx - 1 < last:
        raise RuntimeError("flatten(): not supported for NestedTensor on ragged dim")
    ragged = input._ragged_idx - (last - first if last < input._ragged_idx - 1 else 0)
    return like(input, input._values.flatten(first, last), ragged)


@handles("expand")
def expand(func: Any, input: Nested, *size: Any) -> Nested:
    """Dimensions of one repeated without memory."""
    wanted = _sizes(size)
    if not same_raggedness(input, wanted):
        raise RuntimeError(f"expand(): cannot expand shape {input._size} -> {list(wanted)}")
    inside = [-1 if isinstance(n, NestedInt) or d == input._ragged_idx else n for d, n in enumerate(wanted)]
    return like(input, input._values.expand(inside[1:]))


@handles("expand_as")
def expand_as(func: Any, input: Any, other: Any) -> Nested:
    """The sizes of another one."""
    if isinstance(input, Nested):
        return input.expand(other.shape)  # type: ignore[no-any-return]
    return like(other, input.expand_as(other._values))


@handles("cat", "concat", "concatenate")
def cat(func: Any, tensors: Any, dim: int = 0) -> Nested:
    """Behind each other along a dimension of the examples."""
    first = next(t for t in tensors if isinstance(t, Nested))
    every = [t if isinstance(t, Nested) else expand_as(func, t, first) for t in tensors]
    return like(every[0], _cat([t._values for t in every], inner(first, dim, "cat")))


@handles("stack")
def stack(func: Any, tensors: Any, dim: int = 0) -> Nested:
    """Side by side along a new dimension."""
    first = tensors[0]
    for t in tensors:
        if not isinstance(t, Nested):
            raise RuntimeError("stack(): expected all nested tensors inputs")
        if t.dim() != first.dim():
            raise RuntimeError("stack(): expected all nested tensors to have the same dim")
        if not same_raggedness(t, first._size):
            raise RuntimeError("stack(): expected all nested tensors to have the same nested structure")
    at = inner(first, dim, "stack", first.dim() + 1)
    return like(first, func([t._values for t in tensors], at))


# -- padding ------------------------------------------------------------------------------------------------


def padded(input: Nested, padding: Any, most: int | None = None) -> Any:
    """The examples side by side, (B, ..., most, ...), with a number where they have ended.

    Args:
        input: the nested tensor, without holes.
        padding: the number.
        most: the size of the ragged dimension; the largest length by default.
    """
    at = input._ragged_idx - 1
    total = input._values.shape[at]
    most = input._get_max_seqlen() if most is None else most
    rows = input._values.transpose(0, at) if at else input._values
    places = arange(most)
    ends = input._offsets.diff().unsqueeze(-1)
    open_ = (places < ends).reshape(-1, most, *[1] * (rows.dim() - 1))
    if total == 0:
        found = rows.new_full((len(input), most, *rows.shape[1:]), padding)
    else:
        # Padding takes some row that is there, and is then replaced.
        taken = rows[(input._offsets[:-1].unsqueeze(-1) + places).clamp(max=total - 1)]
        found = _where(open_, taken, taken.new_full((), padding))
    return found.transpose(1, at + 1) if at else found


def unpadded(full: Any, nested: Nested) -> Nested:
    """Examples that lie side by side as a nested tensor of the raggedness of another one.

    Args:
        full: (B, ..., most, ...).
        nested: the other one.
    """
    at = nested._ragged_idx
    rows = full.transpose(1, at) if at > 1 else full
    counts = nested._offsets.diff()
    places = (arange(rows.shape[1]) < counts.unsqueeze(-1)).nonzero(as_tuple=True)
    found = rows[places]
    return like(nested, found.transpose(0, at - 1) if at > 1 else found)


@handles("to_padded_tensor")
def to_padded_tensor(
    func: Any, input: Nested, padding: float, output_size: Any = None, out: Any = None
) -> Any:
    """The examples side by side, with a number where they have ended."""
    if input._lengths is not None:
        raise RuntimeError("to_padded_tensor(): not supported for nested tensors with holes")
    if output_size is not None:
        return padded(input, padding, output_size[input._ragged_idx])
    # PyTorch takes all values as a bound where nobody has asked for the largest length yet.
    known = input._maybe_max_seqlen
    return padded(input, padding, input._values.shape[0] if known is None else known)


@handles("masked_select")
def masked_select(func: Any, input: Nested, mask: Nested) -> Nested:
    """The elements of each example that a mask takes."""
    if input.dim() > 2:
        raise RuntimeError("masked_select only support 2-D selections currently")
    if input.shape != mask.shape:
        raise RuntimeError(f"Mask with shape {mask.shape} is not compatible with input's shape {input.shape}")
    counts = pad(mask._values.cumsum(0), (1, 0))
    return make(input._values.masked_select(mask._values), counts[input._offsets])


@handles("contiguous")
def contiguous(func: Any, input: Nested, memory_format: Any = None) -> Nested:
    """Contiguous values without holes."""
    if input._contiguous():
        return input
    if input._lengths is None:
        return like(input, input._values.contiguous())
    return without_holes(input)


def without_holes(input: Nested) -> Nested:
    """The examples in memory of their own.

    Args:
        input: the nested tensor.
    """
    if input._ragged_idx != 1:
        raise AssertionError("NJT with ragged_idx != 1 not supported for contiguous clone")
    return from_list(list(components(input)))
