"""Sequences of unequal length: packed for recurrent networks, padded for everything else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, NamedTuple, Self

from ...dtypes import float16, float32, float64, int8, int16, int32, int64, uint8
from ...functions import arange, as_tensor, full, tensor
from ...ops.recurrent import pack_rows, pad_rows

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class PackedSequence_(NamedTuple):
    """The fields of a `PackedSequence`."""

    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


class PackedSequence(PackedSequence_):
    """Sequences of unequal length, step after step: the rows of all that are still running.

    Made by `pack_padded_sequence` and `pack_sequence`.

    Args:
        data: the rows, (total, ...); or a pair of them and `batch_sizes`.
        batch_sizes: int64, how many sequences there are at each step.
        sorted_indices: how the sequences were ordered by length, or None.
        unsorted_indices: the inverse of that; computed if left out.

    Example:
        >>> import cotangent as torch
        >>> rnn = torch.nn.utils.rnn
        >>> rnn.pack_sequence([torch.tensor([1, 2, 3]), torch.tensor([4])]).data
        tensor([1, 4, 2, 3])
    """

    def __new__(
        cls, data: Any, batch_sizes: Any = None, sorted_indices: Any = None, unsorted_indices: Any = None
    ) -> Self:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not (isinstance(data, (list, tuple)) and len(data) == 2):
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def _indexed(self, data: Any, move: Callable[[Any], Any]) -> Self:
        """With other data, and the indices moved along."""
        indices = [None if t is None else move(t) for t in (self.sorted_indices, self.unsorted_indices)]
        return type(self)(data, self.batch_sizes, *indices)

    def pin_memory(self) -> Self:
        """With data and indices in page-locked memory."""
        return self._indexed(self.data.pin_memory(), lambda t: t.pin_memory())

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """With `data.to(...)`; itself if that changes nothing.

        Args:
            *args: as those of `Tensor.to`.
            **kwargs: as those of `Tensor.to`.
        """
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else self._indexed(data, lambda t: t.to(data.device))

    def cuda(self, *args: Any, **kwargs: Any) -> Self:
        """On a CUDA device; fails as `Tensor.cuda` does, there is none.

        Args:
            *args: as those of `Tensor.cuda`.
            **kwargs: as those of `Tensor.cuda`.
        """
        return self._indexed(self.data.cuda(*args, **kwargs), lambda t: t.cuda())

    def cpu(self, *args: Any, **kwargs: Any) -> Self:
        """On the CPU, where it is.

        Args:
            *args: as those of `Tensor.to`.
            **kwargs: as those of `Tensor.to`.
        """
        return self.to(*args, **{"device": "cpu", **kwargs})

    def double(self) -> Self:
        """With float64 data."""
        return self.to(dtype=float64)

    def float(self) -> Self:
        """With float32 data."""
        return self.to(dtype=float32)

    def half(self) -> Self:
        """With float16 data."""
        return self.to(dtype=float16)

    def long(self) -> Self:
        """With int64 data."""
        return self.to(dtype=int64)

    def int(self) -> Self:
        """With int32 data."""
        return self.to(dtype=int32)

    def short(self) -> Self:
        """With int16 data."""
        return self.to(dtype=int16)

    def char(self) -> Self:
        """With int8 data."""
        return self.to(dtype=int8)

    def byte(self) -> Self:
        """With uint8 data."""
        return self.to(dtype=uint8)

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a CUDA device."""
        return bool(self.data.is_cuda)

    def is_pinned(self) -> bool:
        """Whether the data is in page-locked memory."""
        return bool(self.data.is_pinned())


def invert_permutation(permutation: Any) -> Any:
    """The permutation that undoes another.

    Args:
        permutation: int64, (n,), or None.

    Returns:
        int64, (n,); None for None.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.utils.rnn.invert_permutation(torch.tensor([2, 0, 1]))
        tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    places: Any = arange(0, permutation.numel())
    return permutation.new_empty(permutation.shape).scatter_(0, permutation, places)


def _batch_sizes(lengths: list[int], batch: int) -> tuple[int, ...]:
    """How many sequences there are at each step, by their lengths."""
    if len(lengths) != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(lengths)} (batch_size={batch})"
        )
    if lengths and min(lengths) <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if any(after > before for before, after in pairwise(lengths)):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this "
            "requirement if you do not need ONNX exportability."
        )
    return tuple(sum(n > t for n in lengths) for t in range(lengths[0] if lengths else 0))


def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """The rows of padded sequences that belong to them.

    Args:
        input: (steps, batch, ...), or (batch, steps, ...) if `batch_first`.
        lengths: of the sequences, a list or a tensor.
        batch_first: see `input`.
        enforce_sorted: whether the lengths must not grow; otherwise the sequences are sorted.

    Returns:
        The packed sequences.

    Raises:
        RuntimeError: if lengths are not sorted though they should be, not positive, too many or too few.

    Example:
        >>> import cotangent as torch
        >>> rnn = torch.nn.utils.rnn
        >>> rnn.pack_padded_sequence(torch.tensor([[1, 4], [2, 0]]), [2, 1]).batch_sizes
        tensor([2, 1])
    """
    lengths = as_tensor(lengths, dtype=int64)
    if not input.numel():
        raise RuntimeError("Cannot pack empty tensors.")
    at = 0 if batch_first else 1
    order = None
    if not enforce_sorted:
        lengths, order = lengths.sort(descending=True)
        input = input.index_select(at, order)
    if batch_first:
        input = input.transpose(0, 1)
    sizes = _batch_sizes(lengths.tolist(), input.shape[1])
    return PackedSequence(pack_rows(input, sizes), tensor(sizes, dtype=int64), order, None)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Any, Any]:
    """The inverse of `pack_padded_sequence`.

    Args:
        sequence: packed sequences.
        batch_first: whether the result is (batch, steps, ...) and not (steps, batch, ...).
        padding_value: what stands after the end of a sequence.
        total_length: number of steps; by default the length of the longest sequence.

    Returns:
        The padded tensor, and the lengths, int64.

    Raises:
        ValueError: if `total_length` is too short.

    Example:
        >>> import cotangent as torch
        >>> rnn = torch.nn.utils.rnn
        >>> packed = rnn.pack_sequence([torch.tensor([1, 2]), torch.tensor([3])])
        >>> rnn.pad_packed_sequence(packed, batch_first=True)
        (tensor([[1, 2],
                [3, 0]]), tensor([2, 1]))
    """
    sizes = tuple(sequence.batch_sizes.tolist())
    steps = len(sizes)
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, but got "
                f"total_length={total_length} and max sequence length being {steps}"
            )
        steps = total_length
    batch = sizes[0]
    padded = pad_rows(sequence.data, sizes, steps, batch)
    counts = [sum(n > b for n in sizes) for b in range(batch)]
    lengths: Any = tensor(counts, dtype=int64)
    if padding_value:
        after = arange(steps).unsqueeze(1) >= lengths
        padded = padded.masked_fill(after.reshape(steps, batch, *[1] * (padded.dim() - 2)), padding_value)
    if batch_first:
        padded = padded.transpose(0, 1)
    order = sequence.unsorted_indices
    if order is not None:
        return padded.index_select(0 if batch_first else 1, order), lengths[order]
    return padded, lengths


def pad_sequence(
    sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Any:
    """Tensors of unequal length in one, padded to the longest.

    Args:
        sequences: tensors (length, ...) of which only the lengths differ.
        batch_first: whether the result is (batch, steps, ...) and not (steps, batch, ...).
        padding_value: what fills the rest.
        padding_side: "right", or "left" to pad in front.

    Returns:
        The padded tensor.

    Raises:
        RuntimeError: if there are no sequences, or for another side.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.utils.rnn.pad_sequence([torch.tensor([1, 2]), torch.tensor([3])], batch_first=True)
        tensor([[1, 2],
                [3, 0]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    given = tuple(sequences)
    if not given:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    longest = max(t.shape[0] for t in given)
    rest = tuple(given[0].shape[1:])
    shape = (len(given), longest, *rest) if batch_first else (longest, len(given), *rest)
    found: Any = full(shape, padding_value, dtype=given[0].dtype)
    for i, t in enumerate(given):
        n = t.shape[0]
        at = slice(longest - n, longest) if padding_side == "left" else slice(n)
        found[(i, at) if batch_first else (at, i)] = t
    return found


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list[Any]:
    """The sequences of a padded tensor.

    Args:
        padded_sequences: (steps, batch, ...), or (batch, steps, ...) if `batch_first`.
        lengths: of the sequences.
        batch_first: see `padded_sequences`.

    Returns:
        A list of tensors (length, ...).

    Example:
        >>> import cotangent as torch
        >>> torch.nn.utils.rnn.unpad_sequence(torch.tensor([[1, 2], [3, 0]]), torch.tensor([2, 1]), True)
        [tensor([1, 2]), tensor([3])]
    """
    if not batch_first:
        padded_sequences.transpose_(0, 1)  # PyTorch, too, turns the caller's tensor
    places: Any = arange(padded_sequences.shape[1])
    return [row[places < n] for row, n in zip(padded_sequences, lengths, strict=True)]


def pack_sequence(sequences: list[Any], enforce_sorted: bool = True) -> PackedSequence:
    """Tensors of unequal length, packed.

    Args:
        sequences: tensors (length, ...) of which only the lengths differ.
        enforce_sorted: whether the lengths must not grow; otherwise the sequences are sorted.

    Returns:
        The packed sequences.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2]), torch.tensor([3])])
        PackedSequence(data=tensor([1, 3, 2]), batch_sizes=tensor([2, 1]), sorted_indices=None, \
unsorted_indices=None)
    """
    lengths = [t.size(0) for t in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Any]:
    """The inverse of `pack_sequence`.

    Args:
        packed_sequences: packed sequences.

    Returns:
        A list of tensors (length, ...).

    Example:
        >>> import cotangent as torch
        >>> rnn = torch.nn.utils.rnn
        >>> rnn.unpack_sequence(rnn.pack_sequence([torch.tensor([1, 2]), torch.tensor([3])]))
        [tensor([1, 2]), tensor([3])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
