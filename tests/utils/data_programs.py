"""Programs about datasets, samplers, collation and the loader."""

from __future__ import annotations

import collections
import types
from typing import Any

import numpy as np
from told import Say, collector

PROGRAMS, program = collector()


def squares(torch: Any, size: int = 10) -> Any:
    class Squares(torch.utils.data.Dataset):
        def __getitem__(self, index: int) -> Any:
            return index * index

        def __len__(self) -> int:
            return size

    return Squares()


def stream(torch: Any, size: int = 5, length: int | None = None) -> Any:
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self) -> Any:
            return iter(range(size))

        def __len__(self) -> int:
            if length is None:
                raise TypeError("no length")
            return length

        def __repr__(self) -> str:
            return "Stream"

    return Stream()


@program
def datasets(torch: Any, say: Say) -> None:
    d = torch.utils.data
    pairs = d.TensorDataset(torch.arange(6).reshape(3, 2), torch.tensor([7, 8, 9]))
    say(len(pairs), pairs[1], pairs[-1], pairs[[0, 2]], pairs[1:])
    stacked = d.StackDataset(squares(torch, 3), [5, 6, 7])
    named = d.StackDataset(a=squares(torch, 3), b=d.Subset([5, 6, 7], [2, 1, 0]))
    say(len(stacked), stacked[2], stacked.__getitems__([0, 2]), named[1], named.__getitems__([2, 1]))
    joined = squares(torch, 3) + squares(torch, 2)
    say(
        type(joined).__name__,
        len(joined),
        joined[4],
        joined[-1],
        joined.cumulative_sizes,
        joined.cummulative_sizes,
    )
    chained = stream(torch, 2) + stream(torch, 3)
    say(type(chained).__name__, list(chained))
    say(len(d.ChainDataset([stream(torch, 2, 2), stream(torch, 3, 3)])))
    part = d.Subset(squares(torch), [3, 1, 4])
    say(len(part), part[0], list(part), part.__getitems__([2, 0]))
    inner = d.Subset(part, [2, 0])
    say(list(inner), inner.__getitems__([1]), d.Subset(pairs, [2, 0])[[1, 0]])

    class Wrong(d.Subset):
        def __getitem__(self, index: Any) -> Any:
            return 1

    class Short(d.Dataset):
        def __len__(self) -> int:
            return 3

        def __getitems__(self, indices: Any) -> Any:
            return []

    for call in (
        lambda: d.Dataset()[0],
        lambda: d.TensorDataset(torch.zeros(2), torch.zeros(3)),
        lambda: d.StackDataset(),
        lambda: d.StackDataset([1], a=[1]),
        lambda: d.StackDataset([1], [1, 2]),
        lambda: d.StackDataset(a=[1], b=[1, 2]),
        lambda: d.StackDataset(Short()).__getitems__([1, 2]),
        lambda: d.StackDataset(x=Short()).__getitems__([1, 2]),
        lambda: d.ConcatDataset([]),
        lambda: d.ConcatDataset([stream(torch)]),
        lambda: joined[-6],
        lambda: list(d.ChainDataset([[1]])),
        lambda: len(d.ChainDataset([[1]])),
        lambda: Wrong([1], [0]),
    ):
        say.failure(call)


@program
def splits(torch: Any, say: Say) -> None:
    split = torch.utils.data.random_split
    data = squares(torch, 10)
    for lengths in ([7, 3], [0.5, 0.5], [0.3, 0.3, 0.4], [0.33, 0.33, 0.34], [10, 0], [0.99, 0.01]):
        torch.manual_seed(5)
        say(lengths, [part.indices for part in split(data, lengths)])
    say([list(part) for part in split(range(6), [4, 2], generator=torch.Generator().manual_seed(42))])
    say.failure(lambda: split(data, [3, 3]))
    say.failure(lambda: split(data, [1.5, -0.5]))


@program
def samplers(torch: Any, say: Say) -> None:
    d = torch.utils.data
    data = range(40)
    say(list(d.SequentialSampler(data)) == list(data), len(d.SequentialSampler(data)))
    for options in (
        {},
        {"replacement": True},
        {"num_samples": 95},
        {"num_samples": 7},
        {"replacement": True, "num_samples": 70},
    ):
        torch.manual_seed(11)
        sampler = d.RandomSampler(data, **options)
        say(options, len(sampler), list(sampler), torch.rand(1))
        generator = torch.Generator().manual_seed(3)
        say(list(d.RandomSampler(data, generator=generator, **options)), torch.rand(1, generator=generator))
    torch.manual_seed(2)
    say(list(d.SubsetRandomSampler([5, 6, 7, 8])), len(d.SubsetRandomSampler([5, 6])), torch.rand(1))
    for last in (True, False):
        batches = d.BatchSampler(d.SequentialSampler(range(7)), 3, last)
        say(list(batches), len(batches))
    say(list(d.BatchSampler(range(4), 2, True)), list(d.BatchSampler(iter(range(3)), 5, False)))
    for call in (
        lambda: d.RandomSampler(data, replacement=1),
        lambda: d.RandomSampler(data, num_samples=0),
        lambda: d.RandomSampler(data, num_samples=1.5),
        lambda: d.RandomSampler([]),
        lambda: d.WeightedRandomSampler([1.0], 0),
        lambda: d.WeightedRandomSampler([1.0], True),
        lambda: d.WeightedRandomSampler([1.0], 1, replacement=1),
        lambda: d.WeightedRandomSampler([[1.0]], 1),
        lambda: d.BatchSampler([1], 0, False),
        lambda: d.BatchSampler([1], True, False),
        lambda: d.BatchSampler([1], 1, 1),
        lambda: iter(d.Sampler()),
    ):
        say.failure(call)


@program
def weighted_samplers(torch: Any, say: Say) -> None:
    d = torch.utils.data
    torch.manual_seed(4)
    say(list(d.WeightedRandomSampler([0.1, 0.9, 0.4, 0.7, 3.0, 0.6], 5, replacement=True)))
    say(list(d.WeightedRandomSampler([0.1, 0.9, 0.4, 0.7, 3.0, 0.6], 5, replacement=False)))


Point = collections.namedtuple("Point", "x y")


class Bag(dict):  # type: ignore[type-arg]
    """A mapping of one's own."""


class Row(list):  # type: ignore[type-arg]
    """A sequence of one's own."""


@program
def collation(torch: Any, say: Say) -> None:
    d = torch.utils.data
    for batch in (
        [torch.zeros(2), torch.ones(2)],
        [np.zeros(2), np.ones(2)],
        [np.float32(1), np.float32(2)],
        [np.int64(1), np.int64(2)],
        [1, 2],
        [1.5, 2.5],
        [True, False],
        ["a", "b"],
        [b"a", b"b"],
        [(1, "x"), (2, "y")],
        [[1, 2.0], [3, 4.0]],
        [{"a": 1, "b": [1, 2]}, {"a": 3, "b": [3, 4]}],
        [Point(1, 2.0), Point(3, 4.0)],
        [Bag(a=1), Bag(a=2)],
        [Row([1]), Row([2])],
        [types.MappingProxyType({"a": 1}), types.MappingProxyType({"a": 2})],
        [range(2), range(2, 4)],
        [(torch.zeros(1), {"k": (1, 2)}), (torch.ones(1), {"k": (3, 4)})],
    ):
        result = d.default_collate(batch)
        say(type(result).__name__, result)
    for value in (
        torch.zeros(1),
        np.arange(3),
        np.float64(2.5),
        np.array(["a"]),
        np.str_("s"),
        3,
        "text",
        (1, np.zeros(1)),
        [np.zeros(1)],
        {"a": np.zeros(1)},
        Point(np.zeros(1), 2),
        Bag(a=np.zeros(1)),
        types.MappingProxyType({"a": np.zeros(1)}),
        None,
    ):
        result = d.default_convert(value)
        say(type(result).__name__, result)
    for call in (
        lambda: d.default_collate([None, None]),
        lambda: d.default_collate([object]),
        lambda: d.default_collate([np.array(["a"]), np.array(["b"])]),
        lambda: d.default_collate([[1], [1, 2]]),
        lambda: d.default_collate([torch.zeros(1), torch.zeros(2)]),
        lambda: d.default_collate([{1, 2}]),
    ):
        say.failure(call)


@program
def loading(torch: Any, say: Say) -> None:
    d = torch.utils.data
    data = squares(torch)
    tensors = d.TensorDataset(torch.arange(10.0).reshape(10, 1), torch.arange(10))
    for options in (
        {},
        {"batch_size": 4},
        {"batch_size": 4, "drop_last": True},
        {"batch_size": 3, "shuffle": True},
        {"batch_size": None},
        {"batch_size": None, "shuffle": True},
        {"batch_size": 4, "sampler": [3, 1, 2]},
        {"batch_sampler": [[0, 1], [5]]},
        {"batch_size": 2, "collate_fn": sum},
        {"batch_size": 6, "shuffle": True, "generator": torch.Generator().manual_seed(3)},
    ):
        torch.manual_seed(9)
        loader = d.DataLoader(data, **options)
        say(list(options), len(loader), list(loader), list(loader), torch.rand(1))
        torch.manual_seed(9)
        say(list(d.DataLoader(tensors, **{**options, "collate_fn": None})), torch.rand(1))
    part = d.Subset(d.Subset(tensors, [8, 7, 6, 5]), [0, 3])
    say(list(d.DataLoader(part, batch_size=2)), list(d.DataLoader(part)))
    loader = d.DataLoader(data, 4)
    say(
        loader.batch_size,
        loader.drop_last,
        type(loader.sampler).__name__,
        type(loader.batch_sampler).__name__,
    )
    say(loader.dataset is data, loader.num_workers, loader.pin_memory, loader.timeout, loader.generator)
    iterator = iter(loader)
    say(next(iterator), len(iterator), iter(iterator) is iterator)
    say(d.get_worker_info(), loader.collate_fn is d.default_collate)
    list(d.DataLoader(data, 5, pin_memory=True))
    first, second = d.random_split(tensors, [6, 4])
    for x, y in d.DataLoader(first, batch_size=3, shuffle=True):
        say(x, y)
    say(len(second))


@program
def several_at_once(torch: Any, say: Say) -> None:
    d = torch.utils.data

    class Batched(d.Dataset):
        def __len__(self) -> int:
            return 5

        def __getitem__(self, index: int) -> Any:
            return ("one", index)

        def __getitems__(self, indices: Any) -> Any:
            return [("many", index) for index in indices]

    say(list(d.DataLoader(Batched(), batch_size=3)), list(d.DataLoader(Batched(), batch_size=None)))

    class Doubled(d.TensorDataset):
        def __getitem__(self, index: Any) -> Any:
            return tuple(t * 2 for t in super().__getitem__(index))

    say(list(d.DataLoader(Doubled(torch.arange(3)), batch_size=2)))
    tracked = torch.ones(3, requires_grad=True)
    (batch,) = next(iter(d.DataLoader(d.TensorDataset(tracked), batch_size=2)))
    say(batch, batch.requires_grad)


@program
def streams(torch: Any, say: Say) -> None:
    d = torch.utils.data
    for options in (
        {},
        {"batch_size": 2},
        {"batch_size": 2, "drop_last": True},
        {"batch_size": None},
        {"batch_size": 9},
    ):
        say(options, list(d.DataLoader(stream(torch), **options)))
    loader = d.DataLoader(stream(torch, 5, 5), batch_size=2)
    say(len(loader), len(d.DataLoader(stream(torch, 5, 5), batch_size=2, drop_last=True)))
    say(len(d.DataLoader(stream(torch, 5, 5), batch_size=None)))
    short = d.DataLoader(stream(torch, 5, 3), batch_size=None)
    say(len(short), list(short))
    say.failure(lambda: len(d.DataLoader(stream(torch))))
    for options in ({"shuffle": True}, {"sampler": [1]}, {"batch_sampler": [[1]]}):
        say.failure(lambda options=options: d.DataLoader(stream(torch), **options))  # type: ignore[misc]
    say(list(d.DataLoader(stream(torch), shuffle=False, batch_size=5)))


@program
def loader_errors(torch: Any, say: Say) -> None:
    d = torch.utils.data
    data = squares(torch)
    for options in (
        {"num_workers": -1},
        {"timeout": -1},
        {"prefetch_factor": 2},
        {"persistent_workers": True},
        {"multiprocessing_context": "fork"},
        {"sampler": [1], "shuffle": True},
        {"batch_sampler": [[1]], "batch_size": 2},
        {"batch_sampler": [[1]], "shuffle": True},
        {"batch_sampler": [[1]], "drop_last": True},
        {"batch_size": None, "drop_last": True},
        {"batch_size": 0},
        {"batch_size": 1.5},
    ):
        say.failure(lambda options=options: d.DataLoader(data, **options))  # type: ignore[misc]
    loader = d.DataLoader(data)
    for name in ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"):
        say.failure(lambda name=name: setattr(loader, name, 3))  # type: ignore[misc]
    loader.num_workers = 0
    say.failure(lambda: d.DataLoader([], shuffle=True))
    say(list(d.DataLoader([])))
    say.failure(lambda: list(d.DataLoader([None])))
    say.failure(lambda: list(d.DataLoader([torch.zeros(1), torch.zeros(2)], batch_size=2)))
