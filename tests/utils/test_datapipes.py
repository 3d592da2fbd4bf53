"""Pipelines of data."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import pytest

import cotangent as torch
from cotangent.utils.data import DataLoader, IterDataPipe, MapDataPipe
from cotangent.utils.data.datapipes import iter as streams, map as sequences
from cotangent.utils.data.graph_settings import apply_sharding


def even(n: int) -> bool:
    return n % 2 == 0


def third(n: int) -> int:
    return n % 3


def numbers(count: int) -> Any:
    return streams.IterableWrapper(range(count))


def test_a_pipeline_and_its_length() -> None:
    pipe = numbers(10).filter(even).map(str).batch(2)
    assert list(pipe) == [["0", "2"], ["4", "6"], ["8"]]
    assert list(pipe) == [["0", "2"], ["4", "6"], ["8"]]
    assert len(numbers(7).batch(3)) == 3 and len(numbers(7).batch(3, drop_last=True)) == 2
    with pytest.raises(TypeError, match="instance doesn't have valid length"):
        len(pipe)


def test_columns() -> None:
    rows = streams.IterableWrapper([(1, 2, 3), (4, 5, 6)])
    assert list(rows.map(pow, input_col=[0, 1])) == [(1, 3), (1024, 6)]
    assert list(rows.map(abs, input_col=1, output_col=-1)) == [(1, 2, 3, 2), (4, 5, 6, 5)]
    assert list(rows.filter(even, input_col=1)) == [(1, 2, 3)]
    with pytest.raises(ValueError, match="takes 1 parameters, but 2 are required"):
        rows.map(even, input_col=[0, 1])


def test_groups_and_batches_of_batches() -> None:
    assert list(numbers(7).groupby(third, group_size=2)) == [[0, 3], [1, 4], [2, 5], [6]]
    assert list(numbers(4).groupby(third, keep_key=True)) == [(0, [0, 3]), (1, [1]), (2, [2])]
    deep = streams.IterableWrapper([[[0, 1], [2]], [[3]]])
    assert list(deep.unbatch()) == [[0, 1], [2], [3]]
    assert list(deep.unbatch(-1)) == [0, 1, 2, 3]


def test_several_streams() -> None:
    assert list(numbers(2).concat(numbers(3))) == [0, 1, 0, 1, 2]
    assert list(numbers(2).zip(numbers(3))) == [(0, 0), (1, 1)]
    assert list(numbers(2).mux(numbers(3))) == [0, 0, 1, 1]
    first, second = numbers(4).fork(2)
    assert list(zip(first, second)) == [(n, n) for n in range(4)]
    parts = numbers(5).demux(3, third)
    assert [list(part) for part in parts] == [[0, 3], [1, 4], [2]]
    with pytest.raises(BufferError, match="buffer size 2 is insufficient"):
        list(numbers(5).fork(2, buffer_size=2)[0])


def test_a_second_iterator_ends_the_first() -> None:
    pipe = numbers(3).map(str)
    first = iter(pipe)
    assert next(first) == "0"
    assert next(iter(pipe)) == "0"
    with pytest.raises(RuntimeError, match="invalidated because another iterator has been created"):
        next(first)


def test_an_error_names_the_pipe() -> None:
    with pytest.raises(ZeroDivisionError, match=r"thrown by __iter__ of MapperIterDataPipe\(datapipe="):
        list(streams.IterableWrapper([0]).map((1).__truediv__))


def test_shuffling_follows_the_seed_and_the_loader() -> None:
    torch.manual_seed(3)
    pipe = numbers(20).shuffle()
    loader = DataLoader(pipe, batch_size=5, shuffle=True)
    one = torch.cat(list(loader)).tolist()
    assert sorted(one) == list(range(20)) and one != list(range(20))
    assert torch.cat(list(loader)).tolist() != one
    torch.manual_seed(3)
    assert torch.cat(list(DataLoader(numbers(20).shuffle(), batch_size=5, shuffle=True))).tolist() == one
    assert torch.cat(list(DataLoader(pipe, batch_size=5, shuffle=False))).tolist() == list(range(20))
    with pytest.warns(UserWarning, match="does not contain a `Shuffler`"):
        DataLoader(numbers(3), shuffle=True)


def test_workers_share_what_is_to_be_shared() -> None:
    whole = DataLoader(numbers(12), batch_size=None, num_workers=2)
    assert sorted(whole) == sorted([*range(12)] * 2)
    shared = DataLoader(numbers(12).sharding_filter(), batch_size=None, num_workers=2)
    assert sorted(shared) == list(range(12))
    pipe = numbers(7).sharding_filter()
    apply_sharding(pipe, 3, 1)
    assert list(pipe) == [1, 4] and len(pipe) == 2
    with pytest.raises(RuntimeError, match="Sharding twice"):
        apply_sharding(pipe.sharding_filter(), 2, 0)


def test_sequences() -> None:
    squares = sequences.SequenceWrapper(range(5)).map(third)
    assert list(squares.batch(2)) == [[0, 1], [2, 0], [1]]
    assert squares.zip(sequences.SequenceWrapper("abc"))[1] == (1, "b")
    assert len(squares.concat(squares)) == 10 and squares.concat(squares)[6] == 1
    assert sorted(sequences.SequenceWrapper(range(5)).shuffle().set_seed(1)) == list(range(5))
    assert [b.tolist() for b in DataLoader(squares, batch_size=3)] == [[0, 1, 2], [0, 1]]


def test_files(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "c.csv"):
        (tmp_path / name).write_text(name)
    found = streams.FileLister(str(tmp_path), masks="*.txt")
    texts = [text for _, text in found.open_files().read_from_stream()]
    assert texts == ["a.txt", "b.txt"]
    named = streams.IterableWrapper([("x", io.StringIO("abc"))], deepcopy=False)
    assert list(streams.StreamReader(named, chunk=2)) == [("x", "ab"), ("x", "c")]


def test_pipes_are_pickled_in_the_middle_of_a_pass() -> None:
    pipe = numbers(6).filter(even).shuffle().batch(2)
    next(iter(pipe))
    assert sorted(n for batch in pickle.loads(pickle.dumps(pipe)) for n in batch) == [0, 2, 4]


def test_types_and_determinism() -> None:
    class Ints(IterDataPipe[int]):
        @torch.utils.data.runtime_validation
        def __iter__(self) -> Any:
            yield from (1, "two")

    with pytest.raises(RuntimeError, match="Expected an instance as subtype of int, but found two"):
        list(Ints())
    with torch.utils.data.runtime_validation_disabled():
        assert list(Ints()) == [1, "two"]

    @torch.utils.data.argument_validation
    def first(pipe: IterDataPipe[int]) -> Any:
        return pipe

    first.__wrapped__.__annotations__["pipe"] = IterDataPipe[int]
    assert issubclass(IterDataPipe[int], IterDataPipe) and MapDataPipe[str].type.param is str

    @torch.utils.data.non_deterministic
    class Noise(IterDataPipe):
        def __iter__(self) -> Any:
            yield 0

    assert list(Noise()) == [0]
    with (
        torch.utils.data.guaranteed_datapipes_determinism(),
        pytest.raises(TypeError, match="Noise is non-deterministic"),
    ):
        Noise()
