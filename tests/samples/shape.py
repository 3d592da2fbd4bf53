"""Operators that rearrange, cut, repeat and join."""

from __future__ import annotations

from collections.abc import Iterator

from .case import ALL, NUMBERS, Make, OpCase, S, Sample, Samples, V


def calls(*given: tuple[tuple[int, ...], tuple[object, ...]]) -> Samples:
    """Samples from (shape, further arguments): each shape dense, then the first ones in other layouts."""

    def samples(make: Make) -> Iterator[Sample]:
        for shape, rest in given:
            yield S(make(*shape), *rest)
        for shape, rest in given[:3]:
            if len(shape) > 1:
                yield S(make(*shape, layout="t"), *rest)
                yield V(make(*shape, layout="expand"), *rest)
            if shape:
                yield V(make(*shape, layout="step"), *rest)

    return samples


def contiguous_calls(*given: tuple[tuple[int, ...], tuple[object, ...]]) -> Samples:
    """The same, in dense layout only (`view` refuses others)."""

    def samples(make: Make) -> Iterator[Sample]:
        for shape, rest in given:
            yield S(make(*shape), *rest)

    return samples


def joined(*shapes: tuple[int, ...], rest: tuple[tuple[object, ...], ...] = ((),)) -> Samples:
    """Samples of operators over a list of tensors of these shapes."""

    def samples(make: Make) -> Iterator[Sample]:
        for further in rest:
            yield S([make(*shape) for shape in shapes], *further)
        yield S([make(*shape, layout="t" if len(shape) > 1 else "plain") for shape in shapes], *rest[0])
        yield S((make(*shapes[0]),), *rest[0])
        yield V([make(*shapes[0]), make(*shapes[0], dtype="float64")], *rest[0])
        yield V([make(*shapes[0]), make(*shapes[0], dtype="int16")], *rest[0])

    return samples


def _cat(make: Make) -> Iterator[Sample]:
    yield S([make(2, 3), make(1, 3)])
    yield S([make(2, 3), make(2, 1), make(2, 2)], 1)
    yield S([make(2, 3, layout="t"), make(2, 2, layout="step")], dim=-1)
    same = make(2, 2)
    yield S([same, same])
    yield V([make(0), make(2, 3)])
    yield V([make(0, 3), make(2, 3)])
    yield V([make(2), make(2, dtype="float64")])
    yield V([make(2), make(2, dtype="int16"), make(1, dtype="bool")])


def _pad(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), (1, 2))
    yield S(make(3, 4), (1, 0, 2, 1), "constant", 1)
    yield S(make(4, 3, layout="t"), (-1, 2))
    yield S(make(2, 3, 2), (0, 1, 1, -1))
    yield V(make(0, 2), (1, 1, 1, 0))
    yield V(make(3), (-1, -1))


def _pad_mode(mode: str) -> Samples:
    def samples(make: Make) -> Iterator[Sample]:
        yield S(make(1, 2, 4), (1, 2), mode)
        yield S(make(2, 4, layout="t"), (2, 1), mode)
        yield S(make(1, 1, 3, 4), (1, 0, 2, 1), mode)

    return samples


def _expand(make: Make) -> Iterator[Sample]:
    yield S(make(3, 1), 3, 4)
    yield S(make(3), (2, 3))
    yield S(make(), (2, 2))
    yield S(make(1, 4), -1, 4)
    yield S(make(1, 3, layout="step"), 2, -1)
    yield V(make(1, 0), (3, 0))
    yield V(make(1, 1), (0, 2))


def _expand_as(make: Make) -> Iterator[Sample]:
    yield S(make(3, 1), make(2, 3, 4, dtype="int64"))
    yield S(make(), make(2, dtype="int64"))


def _broadcast(make: Make) -> Iterator[Sample]:
    yield S(make(3, 1), make(4))
    yield S(make(), make(2, 1), make(1, 3))
    yield V(make(1), make(0))


def _squeeze(make: Make) -> Iterator[Sample]:
    yield S(make(1, 3, 1))
    yield S(make(1, 3, 1), 0)
    yield S(make(1, 3, 1), (0, 2))
    yield S(make(3, 1, layout="t"), -1)
    yield S(make(2, 3), 0)
    yield S(make())
    yield V(make(1, 0))


def _reshape(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), (2, 6))
    yield S(make(3, 4), (-1,))
    yield S(make(4, 3, layout="t"), (2, 6))
    yield S(make(4, 3, layout="t"), (3, 2, 2))
    yield S(make(), (1, 1))
    yield S(make(1), ())
    yield V(make(0, 3), (3, 0))
    yield V(make(3, 4, layout="expand"), (12,))
    yield V(make(3, 4, layout="step"), (2, 6))


def _view_as(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), make(2, 6, dtype="int32"))
    yield V(make(0, 2), make(2, 0, dtype="int32"))


def _meshgrid(make: Make) -> Iterator[Sample]:
    yield S(make(3), make(2), indexing="ij")
    yield S(make(3), make(2), make(), indexing="xy")
    yield V(make(2), make(0), indexing="ij")


def _repeat_interleave(make: Make) -> Iterator[Sample]:
    yield S(make(3, 2), 2)
    yield S(make(3, 2), 2, 0)
    yield S(make(2, 3, layout="t"), make.given(1, 0, 2, dtype="int64"), 1)
    yield S(make(), 3)


def _block_diag(make: Make) -> Iterator[Sample]:
    yield S(make(2, 3), make(1, 2))
    yield S(make(2), make(), make(2, 2))


def _tensor_split(make: Make) -> Iterator[Sample]:
    yield S(make(5, 3), 2)
    yield S(make(2, 5), 3, 1)
    yield S(make(5, 2, layout="t"), (1, 3))
    yield V(make(0, 2), 2)


def _as_strided(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), (2, 2), (4, 1))
    yield S(make(3, 4), (3, 2), (1, 2), 1)
    yield S(make(5), (3, 3), (1, 1))


CASES = [
    OpCase(
        "Tensor.view",
        contiguous_calls(
            ((3, 4), (2, 6)),
            ((3, 4), ((4, -1),)),
            ((), (1,)),
            ((2, 3, 2), (6, 2)),
            ((0, 3), (3, 0)),
        ),
        ALL,
    ),
    OpCase("Tensor.view_as", _view_as, ALL),
    OpCase("reshape", _reshape, ALL),
    OpCase("Tensor.reshape_as", _view_as, ALL),
    OpCase(
        "flatten", calls(((2, 3, 2), ()), ((2, 3, 2), (1,)), ((2, 3, 2), (0, 1)), ((), ()), ((0, 2), ())), ALL
    ),
    OpCase("unflatten", calls(((2, 6), (1, (2, 3))), ((4,), (0, (2, -1)))), ALL),
    OpCase("ravel", calls(((2, 3), ()), ((), ())), ALL),
    OpCase(
        "transpose",
        calls(((3, 4), (0, 1)), ((2, 3, 4), (0, -1)), ((2, 3), (1, 1)), ((), (0, 0)), ((0, 2), (0, 1))),
        ALL,
        inplace=True,
        aliases=("swapaxes", "swapdims"),
    ),
    OpCase("t", calls(((3, 4), ()), ((3,), ()), ((), ())), ALL, inplace=True),
    OpCase("Tensor.T", calls(((3, 4), ())), ALL, lambda xp, x: x.T),
    OpCase("Tensor.mT", calls(((2, 3, 4), ()), ((3, 2), ())), ALL, lambda xp, x: x.mT),
    OpCase("Tensor.H", calls(((3, 4), ())), ALL, lambda xp, x: x.H),
    OpCase(
        "permute",
        calls(((2, 3, 4), ((2, 0, 1),)), ((3, 4), ((-1, 0),)), ((), ((),)), ((0, 2, 3), ((1, 2, 0),))),
        ALL,
    ),
    OpCase(
        "movedim",
        calls(((2, 3, 4), (0, 2)), ((2, 3, 4), ((0, 1), (-1, 0))), ((3,), (0, 0))),
        ALL,
        aliases=("moveaxis",),
    ),
    OpCase("Tensor.expand", _expand, ALL),
    OpCase("Tensor.expand_as", _expand_as, ALL),
    OpCase("broadcast_to", calls(((3, 1), ((2, 3, 4),)), ((), ((2,),))), ALL),
    OpCase("broadcast_tensors", _broadcast, ALL),
    OpCase("squeeze", _squeeze, ALL, inplace=True),
    OpCase(
        "unsqueeze",
        calls(((3, 4), (0,)), ((3, 4), (-1,)), ((2, 3), (1,)), ((), (0,)), ((0,), (1,))),
        ALL,
        inplace=True,
    ),
    OpCase("atleast_1d", calls(((), ()), ((3,), ())), ALL),
    OpCase("atleast_2d", calls(((), ()), ((3,), ()), ((2, 3), ())), ALL),
    OpCase("atleast_3d", calls(((), ()), ((3,), ()), ((2, 3), ())), ALL),
    OpCase("cat", _cat, ALL, out=True, aliases=("concat", "concatenate")),
    OpCase("stack", joined((2, 3), (2, 3), rest=((), (1,), (-1,))), ALL, out=True),
    OpCase("hstack", joined((2, 3), (2, 1)), ALL, out=True),
    OpCase("vstack", joined((2, 3), (1, 3)), ALL, out=True),
    OpCase("dstack", joined((2, 3), (2, 3)), ALL, out=True),
    OpCase("column_stack", joined((3, 2), (3,)), ALL, out=True),
    OpCase(
        "split",
        calls(
            ((5, 3), (2,)), ((2, 5), (2, 1)), ((5, 2), ((1, 4),)), ((2, 6), ([3, 2, 1], 1)), ((0, 2), (1,))
        ),
        ALL,
    ),
    OpCase("split_with_sizes", calls(((5, 2), ([1, 4],)), ((2, 5), ([2, 0, 3], 1))), ALL),
    OpCase("chunk", calls(((5, 3), (2,)), ((2, 5), (3, 1)), ((3,), (7,)), ((0, 2), (2,))), ALL),
    OpCase("tensor_split", _tensor_split, ALL),
    OpCase("hsplit", calls(((4, 6), (3,)), ((6,), ((2, 4),))), ALL),
    OpCase("vsplit", calls(((6, 2), (3,))), ALL),
    OpCase("unbind", calls(((2, 3), ()), ((2, 3), (1,)), ((3,), (-1,)), ((0, 2), ())), ALL),
    OpCase("narrow", calls(((3, 4), (1, 1, 2)), ((4, 3), (0, -3, 2)), ((5,), (0, 5, 0))), ALL),
    OpCase("select", calls(((3, 4), (0, 1)), ((3, 4), (-1, -2)), ((3,), (0, 0))), ALL),
    OpCase("flip", calls(((3, 4), ((0,),)), ((3, 4), ((0, -1),)), ((), ((0,),)), ((0, 3), ((1,),))), ALL),
    OpCase("fliplr", calls(((3, 4), ())), ALL),
    OpCase("flipud", calls(((3, 4), ()), ((3,), ())), ALL),
    OpCase("rot90", calls(((3, 4), ()), ((3, 4), (2,)), ((2, 3, 2), (-1, (0, 2)))), ALL),
    OpCase(
        "roll",
        calls(((3, 4), (1,)), ((3, 4), (2, 1)), ((3, 4), ((1, -2), (0, 1))), ((0, 2), (1, 0)), ((), (1,))),
        ALL,
    ),
    OpCase(
        "Tensor.repeat",
        calls(((2, 3), (2, 1)), ((2,), (2, 3)), ((), (3,)), ((2, 2), (0, 2)), ((0, 2), (2, 2))),
        ALL,
    ),
    OpCase("tile", calls(((2, 3), ((2,),)), ((2,), ((2, 3),)), ((), ((2,),))), ALL),
    # The numbers in `repeats` decide the shape.
    OpCase("repeat_interleave", _repeat_interleave, ALL, vmap=False, trace=False),
    OpCase(
        "tril",
        calls(((3, 4), ()), ((2, 3, 3), (-1,)), ((3, 2), (1,)), ((0, 3), ())),
        ALL,
        inplace=True,
        out=True,
    ),
    OpCase(
        "triu",
        calls(((3, 4), ()), ((2, 3, 3), (-1,)), ((3, 2), (1,)), ((0, 3), ())),
        ALL,
        inplace=True,
        out=True,
    ),
    OpCase(
        "diagonal",
        calls(((3, 4), ()), ((3, 3), (1,)), ((2, 3, 4), (-1, 0, 2)), ((2, 2), (3,))),
        ALL,
        aliases=("Tensor.diagonal",),
    ),
    OpCase("diag", calls(((3,), ()), ((3, 4), (1,)), ((2,), (-1,)), ((3, 3), ())), ALL, out=True),
    OpCase("diag_embed", calls(((2, 3), ()), ((3,), (1,)), ((2, 3), (-1, 0, 2))), ALL),
    OpCase("diagflat", calls(((2, 2), ()), ((3,), (1,))), ALL),
    OpCase("trace", calls(((3, 3), ()), ((2, 4), ())), NUMBERS),
    OpCase("nn.functional.pad", _pad, ALL),
    OpCase(
        "nn.functional.pad reflect", _pad_mode("reflect"), NUMBERS, lambda xp, *a: xp.nn.functional.pad(*a)
    ),
    OpCase(
        "nn.functional.pad replicate",
        _pad_mode("replicate"),
        NUMBERS,
        lambda xp, *a: xp.nn.functional.pad(*a),
    ),
    OpCase("nn.functional.pad circular", _pad_mode("circular"), ALL, lambda xp, *a: xp.nn.functional.pad(*a)),
    OpCase("meshgrid", _meshgrid, ALL),
    OpCase("block_diag", _block_diag, ALL),
    OpCase("as_strided", _as_strided, ALL, inplace=True, vmap=False),
    OpCase("Tensor.unfold", calls(((5,), (0, 3, 1)), ((3, 6), (1, 2, 2)), ((4, 3), (0, 2, 2))), ALL),
    OpCase("clone", calls(((3, 4), ()), ((), ()), ((0,), ())), ALL),
    OpCase("Tensor.contiguous", calls(((3, 4), ()), ((), ())), ALL),
]
