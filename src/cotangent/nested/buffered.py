"""Nested tensors of the layout `torch.strided`: the examples behind each other in one buffer.

Every dimension of an example may differ. PyTorch has few functions for this layout and develops it no
further; the same ones are here, with its errors for the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NoReturn

from ..autograd.modes import no_grad
from ..creation import as_tensor
from ..errors import check_dim
from ..functions import cat, stack, tensor as _tensor, zeros
from ..nn.functional import pad, scaled_dot_product_attention
from ..size import strided
from ..uncommon import no_backend
from .base import Nested, contained, entering, is_tensor

_HANDLERS: Final[dict[str, Callable[..., Any]]] = {}
_handles: Final = entering(_HANDLERS)
_NO: Final = "Internal error: NestedTensorImpl doesn't support {}. Please file an issue."
# Functions that ask for sizes before PyTorch finds that there are none for this layout.
_ASK_SIZES: Final = frozenset(
    ("cat", "concat", "concatenate", "split", "expand", "expand_as", "flatten", "unflatten", "sort", "len")
)
# What PyTorch calls the operations behind some functions.
_OVERLOADS: Final = {
    "rsub": "rsub.Scalar", "log_softmax": "_log_softmax", "rdiv": "reciprocal", "pow": "pow.Tensor_Scalar",
    "prod": "prod.dim_int",
}  # fmt: skip


class StridedNested(Nested):
    """A nested tensor of the layout `torch.strided`; `torch.nested.nested_tensor` and others make it."""

    handlers = _HANDLERS
    _shapes: list[tuple[int, ...]]
    _examples: tuple[Any, ...] | None
    _turned: bool
    _made_by: str

    def _like(self, values: Any) -> StridedNested:
        """Other numbers in the same places."""
        return _held(values, self._shapes)

    def _parts(self) -> tuple[Any, ...]:
        """The examples, views of the buffer."""
        if self._examples is not None:
            return self._examples
        pieces = self._values.split([math.prod(s) for s in self._shapes])
        return tuple(piece.view(shape) for piece, shape in zip(pieces, self._shapes, strict=True))

    def _joined(self, parts: Any) -> StridedNested:
        """Other examples as such a tensor."""
        return _of_parts(parts)

    @classmethod
    def _refused(cls, name: str) -> Exception:
        """PyTorch's error for a function that this layout does not have."""
        if name in _ASK_SIZES:
            return RuntimeError(_NO.format("sizes"))
        return no_backend(_OVERLOADS.get(name, name), "NestedTensorCPU")

    @property
    def shape(self) -> NoReturn:
        """There is none: sizes may differ in every dimension."""
        raise RuntimeError(_NO.format("sizes"))

    @property
    def layout(self) -> Any:
        """`torch.strided`."""
        return strided

    def _nested_tensor_size(self) -> Any:
        """The sizes of the examples: (B, dimensions)."""
        return _tensor(self._shapes)

    def _nested_tensor_strides(self) -> Any:
        """The strides of the examples: (B, dimensions)."""
        return _tensor([p.stride() for p in self._parts()])

    def __repr__(self) -> str:  # type: ignore[override]
        shown = []
        for part in self._parts():
            lines = repr(part.detach().requires_grad_(self.requires_grad)).split("\n")
            shown.append("\n".join(f"  {line}" for line in lines))
        end = ""
        if self.grad_fn is not None:
            end = f", grad_fn=<{self._made_by or type(self.grad_fn).__name__}>"
        elif self.requires_grad:
            end = ", requires_grad=True"
        inside = ",\n".join(shown)
        return f"nested_tensor([\n{inside}\n]{end})"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _held, (self._values.detach().requires_grad_(self.requires_grad), self._shapes)


def _held(buffer: Any, shapes: list[tuple[int, ...]], made_by: str = "") -> StridedNested:
    """A buffer as a nested tensor of examples of these shapes; `made_by` is printed as its node's name."""
    made: StridedNested = contained(StridedNested, (), buffer)
    made._shapes, made._examples, made._turned, made._made_by = shapes, None, False, made_by
    return made


def _of_parts(parts: Any, views: bool = False) -> StridedNested:
    """Examples as a nested tensor; as views they share their memory with what they are views of."""
    parts = tuple(parts)
    # The node that is printed is that of the operation, not that of putting the examples together.
    node = parts[0].grad_fn
    name = "" if node is None else type(node).__name__
    made = _held(cat([p.reshape(-1) for p in parts]), [tuple(p.shape) for p in parts], name)
    if views:
        made._examples, made._turned = parts, True
    return made


def strided_from(tensors: list[Any], dtype: Any, device: Any) -> StridedNested:
    """Examples with their history as a nested tensor.

    Args:
        tensors: the examples.
        dtype, device: of the result.

    Raises:
        RuntimeError: if they have different numbers of dimensions.
    """
    if not tensors:
        return _held(zeros(0, dtype=dtype), [])
    for i, t in enumerate(tensors):
        if t.dim() != tensors[0].dim():
            raise RuntimeError(
                f"All Tensors given to nested_tensor must have the same dimension. Found dimension {t.dim()} "
                f"for Tensor at index {i} and dimension {tensors[0].dim()} for Tensor at index 0."
            )
    kind = tensors[0].dtype if dtype is None else dtype
    return _of_parts([t.to(device=device, dtype=kind) for t in tensors])


def strided_tensor(examples: Any, dtype: Any, device: Any, requires_grad: bool) -> StridedNested:
    """A copy of examples as a nested tensor without a history.

    Args:
        examples: tensors, or what `torch.tensor` takes.
        dtype, device: of the result.
        requires_grad: whether operations with it are recorded.
    """
    with no_grad():
        made = strided_from([as_tensor(t).detach() for t in examples], dtype, device)
    made._values = made._values.detach().requires_grad_(requires_grad)
    return made


# -- asking and parts ---------------------------------------------------------------------------------------


def _dims(input: StridedNested) -> int:
    return 1 + len(input._shapes[0]) if input._shapes else 1


@_handles("dim", "ndimension", "ndim")
def _dim(func: Any, input: StridedNested) -> int:
    return _dims(input)


@_handles("size")
def _size(func: Any, input: StridedNested, dim: int | None = None) -> int:
    if dim is None:
        raise RuntimeError(_NO.format("sizes"))
    at = check_dim(dim, _dims(input))
    if at == 0:
        return len(input._shapes)
    found = {s[at - 1] for s in input._shapes}
    if len(found) != 1:
        raise RuntimeError(f"Given dimension {at} is irregular and does not have a size.")
    return found.pop()


@_handles("stride", "tolist")
def _stride(func: Any, input: StridedNested, *args: Any) -> NoReturn:
    raise RuntimeError(_NO.format("strides"))


@_handles("numel", "nelement")
def _numel(func: Any, input: StridedNested) -> int:
    return int(input._values.numel())


@_handles("is_contiguous")
def _is_contiguous(func: Any, input: StridedNested, memory_format: Any = None) -> bool:
    return not input._turned


@_handles("values")
def _buffer(func: Any, input: StridedNested) -> Any:
    return input._values[...]


@_handles("data_ptr", "untyped_storage", "numpy", "__array__")
def _of_buffer(func: Any, input: StridedNested, *args: Any, **kwargs: Any) -> Any:
    return func(input._values, *args, **kwargs)


@_handles("is_same_size")
def _is_same_size(func: Any, input: Any, other: Any) -> bool:
    return bool(input._shapes == other._shapes)


@_handles("unbind")
def _unbind(func: Any, input: StridedNested, dim: int = 0) -> tuple[Any, ...]:
    if dim != 0:
        raise RuntimeError(f"NestedTensor can only be unbound along dimension 0 got dimension {dim} instead.")
    return input._parts()


@_handles("iter")
def _iter(func: Any, input: StridedNested) -> NoReturn:
    raise RuntimeError(_NO.format("sizes"))


@_handles("select")
def _select(func: Any, input: StridedNested, dim: int, index: int) -> Any:
    at = check_dim(dim, _dims(input))
    if at == 0:
        return input._parts()[index]
    return _of_parts((p.select(at - 1, index) for p in input._parts()), views=True)


@_handles("getitem")
def _getitem(func: Any, input: StridedNested, index: Any) -> Any:
    first, *rest = index if isinstance(index, tuple) else (index,)
    if not isinstance(first, int) or isinstance(first, bool):
        raise RuntimeError(_NO.format("sizes"))
    part = input._parts()[first]
    return part[tuple(rest)] if rest else part


@_handles("narrow")
def _narrow(func: Any, input: StridedNested, dim: int, start: int, length: int) -> StridedNested:
    if dim != 0:
        raise RuntimeError(f"narrow(): only dim=0 supported for nested tensors, but got: {dim}")
    return _of_parts(input._parts()[start : start + length], views=True)


@_handles("chunk")
def _chunk(func: Any, input: StridedNested, chunks: int, dim: int = 0) -> tuple[StridedNested, ...]:
    at = check_dim(dim, _dims(input))
    if at != _dims(input) - 1:
        raise RuntimeError("Chunk for nested tensors is currently only supported for the last dimension.")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    last = _size(func, input, at)
    if last % chunks:
        raise RuntimeError(
            "Chunk for nested tensors is only supported for nested tensors with trailing dimension divisible "
            f"by chunks, got: {last} % {chunks} != 0"
        )
    pieces = zip(*(p.chunk(chunks, -1) for p in input._parts()), strict=True)
    return tuple(_of_parts(piece, views=True) for piece in pieces)


# -- other shapes -------------------------------------------------------------------------------------------


@_handles("transpose", "mT", "swapaxes", "swapdims")
def _transpose(func: Any, input: StridedNested, dim0: int = -2, dim1: int = -1) -> StridedNested:
    a, b = (check_dim(d, _dims(input)) for d in (dim0, dim1))
    if 0 in (a, b):
        raise RuntimeError("Nested tensor dimension 0 cannot be transposed")
    return _of_parts((p.transpose(a - 1, b - 1) for p in input._parts()), views=True)


@_handles("unsqueeze")
def _unsqueeze(func: Any, input: StridedNested, dim: int) -> StridedNested:
    at = check_dim(dim, _dims(input) + 1)
    if at == 0:
        raise RuntimeError(
            "unsqueeze(): For nested tensors, unsqueezing dimension 0 is not supported at the moment if you "
            "need this feature, please open an issue on github describing your use case."
        )
    return _of_parts((p.unsqueeze(at - 1) for p in input._parts()), views=input._turned)


@_handles("squeeze")
def _squeeze(func: Any, input: StridedNested, dim: int | None = None) -> StridedNested:
    if dim is None:
        raise RuntimeError(_NO.format("sizes"))
    at = check_dim(dim, _dims(input))
    if at == 0:
        raise RuntimeError(
            "squeeze(): For nested tensors, squeezing dimension 0 is not supported at the moment if you "
            "need this feature, please open an issue on github describing your use case."
        )
    return _of_parts((p.squeeze(at - 1) for p in input._parts()), views=input._turned)


@_handles("view", "reshape")
def _view(func: Any, input: StridedNested, *shape: Any) -> StridedNested:
    wanted = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    name = func.__name__
    parts = []
    for part in input._parts():
        # -1 keeps the example's own size.
        own = part.shape
        sizes = [own[d] if n == -1 and d < len(own) else n for d, n in enumerate(wanted[1:])]
        if math.prod(sizes) != part.numel() and -1 not in sizes:
            raise RuntimeError(f"shape '{list(wanted)}' is invalid for input of size {part.numel()}")
        parts.append(getattr(part, name)(sizes))
    return _of_parts(parts)


@_handles("contiguous")
def _contiguous(func: Any, input: StridedNested, memory_format: Any = None) -> StridedNested:
    return _held(input._values, input._shapes) if input._turned else input


@_handles("clone")
def _clone(func: Any, input: StridedNested, *, memory_format: Any = None) -> StridedNested:
    return input._like(input._values.clone())


@_handles("to_padded_tensor")
def _to_padded(
    func: Any, input: StridedNested, padding: float, output_size: Any = None, out: Any = None
) -> Any:
    most = [max(sizes) for sizes in zip(*input._shapes, strict=True)]
    if output_size is not None:
        wanted = list(output_size)[1:]
        if len(wanted) != len(most):
            raise RuntimeError(
                "Length of output_size does not match NestedTensor dims. Broadcasting is not supported."
            )
        if any(n < m for n, m in zip(wanted, most, strict=True)):
            raise RuntimeError(
                "Value in output_size is less than NestedTensor padded size. Truncation is not supported."
            )
        most = wanted
    filled = []
    for part in input._parts():
        missing = [n for size, m in zip(part.shape[::-1], most[::-1], strict=True) for n in (0, m - size)]
        filled.append(pad(part, missing, value=padding))
    return stack(filled)


# -- computing ----------------------------------------------------------------------------------------------

_UNARY = "abs sgn logical_not isinf isposinf isneginf isnan relu gelu silu tanh neg sin cos sqrt dropout"
_SCALARS = "gt ge eq"
_BINARY = "add sub mul div"


@_handles(*_UNARY.split())
def _unary(func: Any, input: StridedNested, *args: Any, **kwargs: Any) -> StridedNested:
    return input._like(func(input._values, *args, **kwargs))


@_handles(*_SCALARS.split())
def _compared(func: Any, input: StridedNested, other: Any) -> StridedNested:
    name = func.__name__.strip("_")
    if isinstance(other, Nested):
        raise RuntimeError(f"{name} does not support nested tensor as other value.")
    return input._like(func(input._values, other))


def _operand(name: str, input: Any, other: Any) -> Any:
    if not is_tensor(other) or (not isinstance(other, Nested) and other.dim() == 0):
        return other
    for mine, theirs in ((input, other), (other, input)):
        if not isinstance(theirs, Nested) and isinstance(mine, Nested):
            kinds = ("nested", "non-nested") if mine is input else ("non-nested", "nested")
            raise RuntimeError(
                f"Expected both self and other to be nested, but got a {kinds[0]} self and {kinds[1]} other"
            )
    if input._shapes != other._shapes:
        raise RuntimeError(f"{name} does not support broadcasting when given a NestedTensor")
    return other._values


@_handles(*_BINARY.split(), "masked_fill")
def _binary(func: Any, input: Any, other: Any, *args: Any, **kwargs: Any) -> StridedNested:
    name = func.__name__.strip("_")
    if not isinstance(input, Nested):  # a number or a 0-d tensor in front
        if is_tensor(input) and input.dim():
            _operand(name, input, other)
        return other._like(func(input, other._values, *args, **kwargs))  # type: ignore[no-any-return]
    return input._like(func(input._values, _operand(name, input, other), *args, **kwargs))  # type: ignore[no-any-return]


@_handles(*(f"{name}_" for name in f"{_UNARY} {_BINARY}".split()), "zero_", "fill_", "copy_")
def _written(func: Any, input: StridedNested, *args: Any, **kwargs: Any) -> StridedNested:
    name = func.__name__
    others = [_operand(name, input, a) for a in args]
    func(input._values, *others, **kwargs)
    return input


@_handles("sum", "mean")
def _sum(func: Any, input: StridedNested, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Any:
    if dim is None:
        raise no_backend(func.__name__, "NestedTensorCPU")
    if func.__name__ == "mean":
        raise RuntimeError(_NO.format("sizes"))
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    if len(dims) != 1:
        raise RuntimeError("NestedTensor only allows reduction of a single dimension for now.")
    at = check_dim(dims[0], _dims(input))
    if at != _dims(input) - 1:
        raise RuntimeError(
            f"NestedTensor can only be reduced across the last dimension for now got dimension {at} instead."
        )
    if not keepdim:
        raise RuntimeError("NestedTensor always requires keepdim=True for now.")
    return _of_parts(p.sum(-1, keepdim=True, **kwargs) for p in input._parts())


@_handles("softmax")
def _softmax(func: Any, input: StridedNested, dim: Any = None, *args: Any, **kwargs: Any) -> StridedNested:
    at = check_dim(dim, _dims(input))
    if at == 0:
        raise RuntimeError("Cannot apply softmax across nested dimension 0")
    return _of_parts(p.softmax(at - 1) for p in input._parts())


@_handles("layer_norm")
def _layer_norm(
    func: Any, input: StridedNested, normalized_shape: Any, weight: Any = None, bias: Any = None,
    eps: float = 1e-5, cudnn_enable: bool = True,
) -> StridedNested:  # fmt: skip
    if weight is None or bias is None:
        raise ValueError("NestedTensor layer_norm requires weight and bias")
    rows = input._values.reshape(-1, *normalized_shape)
    return input._like(func(rows, normalized_shape, weight, bias, eps).reshape(-1))


@_handles("linear")
def _linear(func: Any, input: StridedNested, weight: Any, bias: Any = None) -> StridedNested:
    if _dims(input) != 3:
        raise RuntimeError(
            f"Linear requires nested_tensor.dim == 3 and weight.dim == 2. Nested tensor dim: {_dims(input)}. "
            f"Weight tensor dim: {weight.dim()}"
        )
    last = _size(func, input, 2)
    if last != weight.shape[1]:
        raise RuntimeError(
            f"Shape mismatch for NestedTensor Linear: Expected input's (a nested tensor) 'last_dim' to equal "
            f"'weight.size(1), but got: last_dim = {last}, and weight.size(1) = {weight.shape[1]}"
        )
    found = func(input._values.reshape(-1, last), weight, bias)
    shapes = [(*s[:-1], weight.shape[0]) for s in input._shapes]
    return _held(found.reshape(-1), shapes, "LinearBackward0")


@_handles("embedding")
def _embedding(func: Any, input: StridedNested, weight: Any, *args: Any, **kwargs: Any) -> StridedNested:
    found = func(input._values, weight, *args, **kwargs)
    shapes = [(*s, weight.shape[1]) for s in input._shapes]
    return _held(found.reshape(-1), shapes, "EmbeddingBackward0")


@_handles("matmul", "bmm")
def _matmul(func: Any, input: Any, other: Any) -> StridedNested:
    for mine, theirs in ((input, other), (other, input)):
        if isinstance(mine, Nested) and not isinstance(theirs, Nested):
            kinds = ("nested", "non-nested") if mine is input else ("non-nested", "nested")
            raise RuntimeError(f"Expected both to be nested, but got a {kinds[0]} self and {kinds[1]} other")
    counts = len(input._shapes), len(other._shapes)
    if counts[0] != counts[1]:
        raise RuntimeError(
            f"matmul: Expected size for the 1st dimension of 2nd input tensor to be: {counts[0]} but got: "
            f"{counts[1]}."
        )
    found = _of_parts(a @ b for a, b in zip(input._parts(), other._parts(), strict=True))
    found._made_by = "BmmBackward0" if func.__name__ == "bmm" else "MatmulBackward0"
    return found


@_handles("scaled_dot_product_attention")
def _attention(
    func: Any, query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> StridedNested:  # fmt: skip
    if attn_mask is not None:
        raise RuntimeError(
            "Scaled_dot_product_attention: Nested tensors for query / key are not supported when an explicit "
            "attn_mask is set"
        )
    if is_causal:
        raise RuntimeError(
            "_scaled_dot_product_attention: Nested tensors for query / key are not supported when "
            "is_causal=True"
        )
    found = [
        scaled_dot_product_attention(*(t.unsqueeze(0) for t in one), None, dropout_p, scale=scale)
        for one in zip(*(t._parts() for t in (query, key, value)), strict=True)
    ]
    return _of_parts(t.squeeze(0) for t in found)


@_handles("where")
def _where(func: Any, condition: Any, input: Any, other: Any) -> NoReturn:
    raise RuntimeError(
        "self must not be nested" if isinstance(input, Nested) else "condition must not be nested"
    )
