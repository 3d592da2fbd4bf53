"""Names that programs import from PyTorch's inner modules are where PyTorch has them, and do the same."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

import cotangent

# What many published programs import, module by module.
PLACES = {
    "_jit_internal": "List Optional Tuple boolean_dispatch BroadcastingList2 Final ignore unused export",
    "_utils": "_flatten_dense_tensors _unflatten_dense_tensors _take_tensors ExceptionWrapper "
    "_get_device_index _rebuild_tensor_v2 _rebuild_parameter _reorder_tensors_as classproperty",
    "functional": "Tensor einsum norm split stft unique atleast_1d",
    "hub": "load_state_dict_from_url download_url_to_file get_dir set_dir load list help tqdm",
    "nn.common_types": "_size_1_t _size_2_t _size_3_t _size_any_t _size_2_opt_t _ratio_2_t _ratio_any_t "
    "_tensor_list_t _maybe_indices_t _scalar_or_tuple_2_t",
    "nn.grad": "conv1d_input conv1d_weight conv2d_input conv2d_weight conv3d_input conv3d_weight",
    "nn.modules.transformer": "_get_clones _get_activation_fn _generate_square_subsequent_mask",
    "nn.modules.conv": "_ConvNd _pair _single _triple",
    "nn.functional": "_pair _single _triple _in_projection_packed _canonical_mask _get_softmax_dim "
    "_verify_batch_size",
    "nn.init": "_calculate_fan_in_and_fan_out _calculate_correct_fan _no_grad_uniform_ _no_grad_normal_ "
    "_no_grad_trunc_normal_ _no_grad_fill_ _no_grad_zero_",
    "utils.data._utils": "collate fetch pin_memory worker MP_STATUS_CHECK_INTERVAL",
    "utils.data._utils.collate": "default_collate default_convert default_collate_err_msg_format "
    "default_collate_fn_map np_str_obj_array_pattern collate collate_tensor_fn collate_str_fn",
    "utils.data._utils.fetch": "_BaseDatasetFetcher _IterableDatasetFetcher _MapDatasetFetcher",
    "utils.data._utils.pin_memory": "pin_memory",
    "utils.data._utils.worker": "WorkerInfo get_worker_info _generate_state _worker_info",
    "utils.data.dataloader": "_BaseDataLoaderIter _SingleProcessDataLoaderIter _DatasetKind "
    "_MultiProcessingDataLoaderIter _InfiniteConstantSampler default_collate get_worker_info",
    "utils.model_zoo": "load_url tqdm",
}


@pytest.mark.parametrize("place", PLACES)
def test_names_are_where_pytorch_has_them(place: str) -> None:
    for library in (torch, cotangent):
        module = importlib.import_module(f"{library.__name__}.{place}")
        assert [name for name in PLACES[place].split() if not hasattr(module, name)] == []
    assert importlib.import_module(f"cotangent.{place}") is not None
    found: Any = cotangent
    for part in place.split("."):  # as `import torch` alone leaves it
        found = getattr(found, part)


def numbers(value: Any) -> Any:
    """Tensors as lists, anywhere in a result."""
    if isinstance(value, (torch.Tensor, cotangent.Tensor)):
        return value.dtype.__repr__(), value.tolist()
    return type(value)(map(numbers, value)) if isinstance(value, (list, tuple)) else value


def parts(t: Any) -> list[Any]:
    return [t.ones(2, 2), t.zeros(0), t.arange(3.0), t.arange(2)]


def indices(t: Any, *devices: Any) -> list[Any]:
    found = []
    for device in devices:
        try:
            found.append(t._utils._get_device_index(*device))
        except ValueError as error:
            found.append(str(error))
    return found


def wrapped(t: Any, kind: type[Exception]) -> tuple[str, str]:
    try:
        raise kind("lost")
    except kind:
        kept = t._utils.ExceptionWrapper(where="in a thread")
    try:
        kept.reraise()
    except Exception as error:
        return type(error).__name__, str(error).partition("\n")[0]
    raise AssertionError


def exchanged(t: Any) -> list[Any]:
    """The idiom of loaders that go over their data again and again without starting anew."""
    data = t.utils.data
    loader = data.DataLoader(data.TensorDataset(t.arange(6)), batch_size=2)
    loader._DataLoader__initialized = False
    loader.batch_sampler = data.BatchSampler(data.SequentialSampler(range(3)), 3, False)
    loader._DataLoader__initialized = True
    iterator = iter(loader)
    one = isinstance(iterator, data.dataloader._SingleProcessDataLoaderIter)
    return [one, [batch for (batch,) in iterator], loader._dataset_kind, len(iterator)]


def fetched(t: Any) -> list[Any]:
    kinds = t.utils.data._utils.fetch
    by_index = kinds._MapDatasetFetcher([4, 5, 6], True, list, False)
    stream = kinds._IterableDatasetFetcher(iter(range(5)), True, list, True)
    found = [by_index.fetch([2, 0]), stream.fetch([None] * 3), stream.ended]
    try:
        stream.fetch([None] * 3)
    except StopIteration:
        found.append("end")
    return found


def normal(t: Any, draw: str, *args: Any) -> Any:
    t.manual_seed(3)
    return getattr(t.nn.init, draw)(t.empty(2, 3), *args)


def clones(t: Any) -> list[str]:
    found = t.nn.modules.transformer._get_clones(t.nn.Linear(2, 1), 2)
    return [type(found).__name__, str(found), str(found[0].weight is found[1].weight)]


CALLS: dict[str, Callable[[Any], Any]] = {
    "flat": lambda t: t._utils._flatten_dense_tensors(parts(t)[:3]),
    "flat, nothing": lambda t: t._utils._flatten_dense_tensors([]),
    "not flat": lambda t: t._utils._unflatten_dense_tensors(t.arange(7.0), parts(t)[:3]),
    "not flat, too short": lambda t: t._utils._unflatten_dense_tensors(t.arange(3.0), parts(t)[:3]),
    "taken": lambda t: list(t._utils._take_tensors([*parts(t), t.ones(9), t.ones(1)], 16)),
    "reordered": lambda t: t._utils._reorder_tensors_as(
        [t.ones(1), t.zeros(1), t.arange(1)], [t.ones(1), t.arange(1), t.ones(1)]
    ),
    "device index": lambda t: indices(
        t, (None,), (0,), ("cpu",), (None, True), ("cpu", True, True), (1.5, True), ("cuda:1",)
    ),
    "error": lambda t: wrapped(t, RuntimeError),
    "key error": lambda t: wrapped(t, KeyError),
    "class property": lambda t: type("A", (), {"b": t._utils.classproperty(lambda c: c.__name__)}).b,
    "conv1d input": lambda t: t.nn.grad.conv1d_input(
        (1, 2, 7), t.ones(2, 1, 3), t.arange(6.0).view(1, 2, 3), 2, groups=2
    ),
    "conv2d input": lambda t: t.nn.grad.conv2d_input(
        (1, 1, 4, 4), t.arange(9.0).view(1, 1, 3, 3), t.ones(1, 1, 4, 4), padding=1
    ),
    "conv2d weight": lambda t: t.nn.grad.conv2d_weight(
        t.arange(32.0).view(1, 2, 4, 4), (1, 2, 2, 3), t.ones(1, 1, 3, 2)
    ),
    "conv3d weight": lambda t: t.nn.grad.conv3d_weight(
        t.arange(8.0).view(1, 1, 2, 2, 2), [1, 1, 1, 1, 1], t.ones(1, 1, 2, 2, 2)
    ),
    "conv2d input, of other dimensions": lambda t: t.nn.grad.conv2d_input(
        (1, 4, 4), t.ones(1, 1, 3, 3), t.ones(1, 1, 4, 4)
    ),
    "conv2d weight, of other dimensions": lambda t: t.nn.grad.conv2d_weight(
        t.ones(1, 4, 4), (1, 1, 3, 3), t.ones(1, 4, 4)
    ),
    "samplers exchanged": exchanged,
    "fetchers": fetched,
    "worker's numbers": lambda t: t.utils.data._utils.worker._generate_state(12345678901234, 3),
    "worker info": lambda t: repr(t.utils.data._utils.worker.WorkerInfo(1, 2, 3, None)),
    "pinned": lambda t: t.utils.data._utils.pin_memory.pin_memory([{"a": (1, "b")}, 2.0]),
    "context of no workers": lambda t: setattr(
        t.utils.data.DataLoader([1]), "multiprocessing_context", "fork"
    ),
    "uniform": lambda t: normal(t, "_no_grad_uniform_", 0.0, 2.0),
    "normal": lambda t: normal(t, "_no_grad_normal_", 0.0, 2.0),
    "cut normal": lambda t: normal(t, "_no_grad_trunc_normal_", 0.0, 2.0, -1.0, 1.0),
    "filled": lambda t: normal(t, "_no_grad_fill_", 3.0),
    "fan": lambda t: t.nn.init._calculate_correct_fan(t.empty(2, 3), "fan_out"),
    "no fan": lambda t: t.nn.init._calculate_correct_fan(t.empty(2, 3), "out"),
    "clones": clones,
    "activation": lambda t: t.nn.modules.transformer._get_activation_fn("gelu") is t.nn.functional.gelu,
    "no activation": lambda t: t.nn.modules.transformer._get_activation_fn("tanh"),
    "mask": lambda t: t.nn.modules.transformer._generate_square_subsequent_mask(3),
    "projected": lambda t: t.nn.functional._in_projection_packed(
        t.eye(2), t.eye(2), t.ones(2, 2), t.arange(12.0).view(6, 2), t.arange(6.0)
    ),
    "softmax dimension": lambda t: [t.nn.functional._get_softmax_dim("softmax", n, 5) for n in range(4)],
    "batch of one": lambda t: t.nn.functional._verify_batch_size([1, 3, 1]),
}


def outcome(call: Callable[[Any], Any], t: Any) -> Any:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            result = numbers(call(t))
        except Exception as error:
            result = type(error).__name__, str(error)
    return result, [str(each.message) for each in told]


@pytest.mark.parametrize("name", CALLS)
def test_calls_do_the_same(name: str) -> None:
    assert outcome(CALLS[name], cotangent) == outcome(CALLS[name], torch)


def test_modules_are_attributes_without_an_import_of_their_own() -> None:
    program = "import cotangent as torch; print(torch.nn.grad.conv2d_weight, torch.nn.common_types._size_2_t)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_an_iterator_is_not_pickled() -> None:
    with pytest.raises(NotImplementedError):
        pickle.dumps(iter(cotangent.utils.data.DataLoader([1])))
