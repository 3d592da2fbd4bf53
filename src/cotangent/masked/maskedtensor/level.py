"""What operations do with tensors of which a mask hides elements.

A MaskedTensor is a tensor of a level of its own (see func/levels.py), below those of all transforms: its
payload is a pair of ordinary tensors, and every operation on it comes to `MaskedLevel.run`. Which operations
there are, and what becomes of the mask, follows PyTorch's maskedtensor package.
While gradients flow back, every operation that is elementwise or linear is done: rules are made of these.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, Final, NoReturn

from ... import dtypes
from ...autograd.base import TensorBase, active, new
from ...autograd.dispatch import finish, promoted
from ...autograd.modes import modes, no_grad
from ...autograd.recorded import alias
from ...func.levels import Level
from ...ops.table import Primitive
from ...size import sparse_coo, strided
from ...sparse import sparse_coo_tensor
from ...sparse_compressed import sparse_csr_tensor

MISMATCH: Final = "Input masks must match. If you need support for this, please open an issue on Github."
ADVICE: Final = (
    "If you would like this operator to be supported, please file an issue for a feature request at "
    "https://github.com/pytorch/maskedtensor/issues with a minimal reproducible code snippet.\n"
    "In the case that the semantics for the operator are not trivial, it would be appreciated to also "
    "include a proposal for the semantics."
)
# Operations of the table that PyTorch has for tensors with masks, elementwise ones first.
_ELEMENTWISE: Final = frozenset(
    (  # noqa: SIM905
        "abs acos acosh angle asin asinh atan atanh bitwise_not ceil clamp_max_number clamp_min_number "
        "clamp_numbers conj_physical conjugated cos cosh deg2rad digamma erf erfc erfinv exp exp2 expm1 "
        "floor frac lgamma log log10 log1p log2 logit_of i0 isnan nan_to_num_of neg pow_scalar rad2deg "
        "reciprocal "
        "round_whole round_decimals rsqrt sigmoid sign sgn signbit sin sinc sinh sqrt square_of tan tanh "
        "trunc add atan2 bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift div_true "
        "div_floor div_trunc floor_divide_number floor_divide_tensor fmod_number fmod_tensor logaddexp "
        "logaddexp2 mul nextafter remainder_number remainder_tensor sub eq ne le ge gt lt maximum minimum "
        "fmax fmin "
        # in place
        "abs_written acosh_written asinh_written atanh_written conj_written"
    ).split()
)
_PASSED: Final = frozenset(
    (  # noqa: SIM905
        "select_at transpose_dims split_by split_lengths t_matrix slice_of slice_backward select_backward "
        "index_of index_one select_rows expand_to view_as_shape unsafe_view reshape_alias reshape_any cat "
        "joined unsqueeze_at windows_of windows_backward im2col col2im stack ordered_clone clone_of "
        "clone_for_grad alias cast cast_back dense_clone"
    ).split()
)
# PyTorch's names of overloads, for errors.
_OVERLOADS: Final = {"squeeze_dim": "dim", "squeeze_dims": "dims", "unbind_dim": "int"}


class Masked:
    """Numbers and a mask, both ordinary tensors of one shape; True lets a number through."""

    __slots__ = ("data", "mask")

    def __init__(self, data: Any, mask: Any) -> None:
        self.data = data
        self.mask = mask

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of both."""
        return tuple(self.data.shape)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return int(self.data.ndim)

    @property
    def dtype(self) -> Any:
        """The element type of the numbers."""
        return self.data.dtype

    @property
    def itemsize(self) -> int:
        """Bytes of one number."""
        return int(self.data.itemsize)


def same(a: Any, b: Any) -> bool:
    """Whether two tensors of one layout have the same elements, at the same places."""
    if a.shape != b.shape or a.layout is not b.layout:
        return False
    if a.layout is strided:
        return bool((a == b).all())
    pairs = zip(parts_of(a), parts_of(b), strict=True)
    return all(x.shape == y.shape and bool((x == y).all()) for x, y in pairs)


def parts_of(t: Any) -> tuple[Any, ...]:
    """The values of a sparse tensor, and where they stand."""
    if t.layout is sparse_coo:
        return t.values(), t.indices()
    return t.values(), t.crow_indices(), t.col_indices()


def with_values(t: Any, values: Any) -> Any:
    """A sparse tensor with other values at the same places."""
    if t.layout is sparse_coo:
        return sparse_coo_tensor(t.indices(), values, t.size()).coalesce()
    return sparse_csr_tensor(t.crow_indices(), t.col_indices(), values, t.size())


class MaskedLevel(Level):
    """Computes with the numbers that masks let through."""

    number = 1
    depth = 0
    is_transform = False
    beside_recording = True
    kind: type[Any]  # the class of its tensors

    def below(self, t: Any) -> Any:
        return t._data.data

    def made(self, data: Any, mask: Any) -> Any:
        """A tensor with a mask, without history."""
        t: Any = new(self.kind)
        t._data = Masked(data, mask)
        t._req = False
        t._node = t._vc = t._view = t._cut = None
        t._level, t._owner = self.number, self
        active.masked = True
        return t

    def detached(self, t: Any) -> Any:
        found = alias(t, None)
        found.__class__ = self.kind
        return found

    def item(self, t: Any) -> Any:
        if not bool(t._data.mask):
            raise ValueError("__torch_dispatch__, aten._local_scalar_dense: expected a mask tensor")
        return t._data.data.item()

    def truth(self, t: Any) -> bool:
        return bool(self.item(t))

    def run(self, op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
        with no_grad():
            results = self.computed(op, tensors, statics)
        single = op.nout == 1
        pairs = tuple(Masked(*pair) for pair in ([results] if single else results))
        compute = promoted(op, tensors, statics)[0] if op.kind == "elementwise" else None
        found = finish(op, tensors, statics, pairs[0] if single else pairs, compute, self)
        for t in (found,) if single else found:
            t.__class__ = self.kind
        return found

    def computed(self, op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
        """The numbers and the mask of an operation's result; a list of such pairs if it has several."""
        name, going_back = op.name, modes.task != 0
        if name == "where":
            return self._chosen(op, tensors, going_back)
        if name == "softmax_of":
            return self._softmax(op, tensors[0]._data, statics)
        if name == "softmax_backward":
            return self._softmax_back(op, tensors, statics)
        if name == "copy_to":
            return self._copied(op, tensors, statics)
        if name == "ones_like" or (name in ("zeros_like", "zeros_of", "full_like") and going_back):
            shown = tensors[0]._data
            return op.entry(shown.data, *statics), shown.mask
        if op.kind == "elementwise" and (name in _ELEMENTWISE or going_back):
            return self._elementwise(op, tensors, statics)
        if name in _PASSED or (going_back and op.is_view):
            return self._passed(op, tensors, statics)
        if going_back and op.kind == "linear":
            return self._linear(op, tensors, statics)
        return self.refuse(op.public, _OVERLOADS.get(name, "default"))

    def refuse(self, name: str, overload: str = "default") -> NoReturn:
        """Warn and raise for an operation that is not there for tensors with masks."""
        text = f"{name} is not implemented in __torch_dispatch__ for MaskedTensor.\n{ADVICE}"
        warnings.warn(text, stacklevel=2)
        raise TypeError(
            f"Multiple dispatch failed for 'torch._ops.aten.{name}.{overload}'; all __torch_dispatch__ "
            "handlers returned NotImplemented:\n\n"
            f"  - tensor subclass {self.kind}\n\n"
            "For more information, try re-running with TORCH_LOGS=not_implemented"
        )

    def mask_of(self, tensors: Any) -> Any:
        """The mask of operands, which must be the same for all that have one.

        Raises:
            ValueError: if they have different ones.
        """
        masks = [t._data.mask for t in tensors if self.owns(t)]
        if not all(same(masks[0], other) for other in masks[1:]):
            raise ValueError(MISMATCH)
        return masks[0]

    def _data(self, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [self._data(v) for v in value]
        return value._data.data if self.owns(value) else value

    def _mask(self, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [self._mask(v) for v in value]
        return value._data.mask if self.owns(value) else value

    def _elementwise(self, op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
        mask = self.mask_of(tensors)
        operands = [self._data(t) for t in tensors]
        first = next(t for t in operands if isinstance(t, TensorBase))
        if first.layout is strided:  # type: ignore[attr-defined]
            data = op.entry(*operands, *statics)
            return data, mask.expand_as(data)
        for k, t in enumerate(operands):
            if not isinstance(t, TensorBase) or t.layout is not first.layout:  # type: ignore[attr-defined]
                continue
            if not all(same(x, y) for x, y in zip(parts_of(first)[1:], parts_of(t)[1:], strict=True)):
                kind = "sparse_coo" if first.layout is sparse_coo else "sparse_csr"  # type: ignore[attr-defined]
                raise ValueError(
                    f"{kind} indices must match. If you need support for this, please open an issue on "
                    "Github."
                )
            operands[k] = parts_of(t)[0]
        return with_values(first, op.entry(*operands, *statics)), mask

    def _passed(self, op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
        data = op.entry(*map(self._data, tensors), *statics)
        if op.name in ("cast", "cast_back"):
            return data, self._mask(tensors[0])
        mask = op.entry(*map(self._mask, tensors), *statics)
        return (data, mask) if op.nout == 1 else list(zip(data, mask, strict=True))

    def _linear(self, op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
        """Of hidden numbers nothing comes; shown is what something shown took part in."""
        shown = tensors[0]._data
        data = op.entry(shown.data.masked_fill(~shown.mask, 0), *map(self._data, tensors[1:]), *statics)
        took_part = op.entry(shown.mask.to(shown.data.dtype), *map(self._data, tensors[1:]), *statics)
        return data, took_part != 0

    def _chosen(self, op: Primitive, tensors: tuple[Any, ...], going_back: bool) -> Any:
        """What is no MaskedTensor is shown everywhere; in rules it stands for a gradient, hidden with it."""
        condition, *choices = tensors
        shown = condition.new_ones((), dtype=dtypes.bool_)
        if going_back and not all(map(self.owns, choices)):
            shown = self.mask_of(choices)
        masks = [t._data.mask if self.owns(t) else shown for t in choices]
        data = op.entry(self._data(condition), *map(self._data, choices))
        return data, op.entry(self._data(condition), *masks).expand_as(data)

    def _softmax(self, op: Primitive, shown: Masked, statics: tuple[Any, ...]) -> Any:
        data = op.entry(shown.data.masked_fill(~shown.mask, -math.inf), *statics)
        return data.masked_fill(~shown.mask, 0), shown.mask

    def _softmax_back(self, op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
        g, out = tensors[:2]
        if not (self.owns(g) and self.owns(out)):
            raise ValueError(
                "__torch_dispatch__, aten._softmax_backward_data: grad and output must both be MaskedTensors"
            )
        if not same(g._data.mask, out._data.mask):
            raise ValueError(
                "__torch_dispatch__, aten._softmax_backward_data: expected the masks of grad and output to "
                "match"
            )
        hidden = ~g._data.mask
        data = op.entry(g._data.data.masked_fill(hidden, 0), out._data.data.masked_fill(hidden, 0), *statics)
        return data, g._data.mask

    def _copied(self, op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
        """The mask of what is written to stays, whatever the other one is (PyTorch compares them in vain)."""
        written = next(t for t in tensors if self.owns(t))
        return op.entry(*map(self._data, tensors), *statics), written._data.mask


MASKED: Final = MaskedLevel()
