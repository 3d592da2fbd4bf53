"""What a tensor is to Python and to NumPy: type promotion, shared memory, protocols, copies, threads."""

from __future__ import annotations

import copy
import json
import math
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from promotion_cases import table

import cotangent as torch

RECORDED: dict[str, str] = json.loads(
    (Path(__file__).resolve().parent / "data" / "promotion.json").read_text(encoding="utf-8")
)["table"]


def expected_of(question: str) -> str:
    """PyTorch's answer, or what follows from it where the types or kernels at hand differ."""
    answer = RECORDED[question].replace("complex32", "complex64").replace("ComplexHalf", "ComplexFloat")
    if "not implemented for 'UInt" not in answer:
        return answer
    # PyTorch stores uint16, uint32, uint64 but does not compute with them; here they compute.
    return "torch.bool" if question.endswith("<") else RECORDED[question.removesuffix("+") + "result_type"]


def test_promotion() -> None:
    assert len(RECORDED) > 3000
    answers = table(torch)
    assert answers.keys() == RECORDED.keys()
    wrong = {q: (a, expected_of(q)) for q, a in answers.items() if a != expected_of(q)}
    assert not wrong


@pytest.mark.parametrize("name", ["float16", "float32", "float64", "complex64", "int8", "uint8", "bool"])
def test_memory_is_shared_both_ways(name: str) -> None:
    array = np.zeros((2, 3), name)
    t = torch.from_numpy(array)
    array[0, 1] = 1
    assert t[0, 1].item() == 1
    t[1, 2] = 1
    assert array[1, 2] == 1
    assert t.numpy() is not None and np.shares_memory(t.numpy(), array)
    view = t.t()[1:]
    assert np.shares_memory(np.asarray(view), array) and view.stride() == (1, 3)


def test_views_of_arrays_are_views() -> None:
    array = np.arange(12.0).reshape(3, 4)
    t = torch.from_numpy(array[1:, ::2])
    assert t.stride() == (4, 2) and t.tolist() == [[4.0, 6.0], [8.0, 10.0]]
    t.mul_(10)
    assert array[1].tolist() == [40.0, 5.0, 60.0, 7.0]
    with pytest.raises(ValueError, match="negative"):
        torch.from_numpy(array[::-1])


def test_copies_share_nothing() -> None:
    array = np.ones(2)
    assert not np.shares_memory(torch.tensor(array).numpy(), array)
    assert np.shares_memory(torch.as_tensor(array).numpy(), array)
    assert not np.shares_memory(torch.as_tensor(array, dtype=torch.float32).numpy(), array)


def test_array_protocol() -> None:
    t = torch.ones(2)
    assert np.asarray(t).dtype == np.float32
    assert np.asarray(t, dtype=np.float64).dtype == np.float64
    assert np.shares_memory(np.asarray(t), t.numpy())
    assert not np.shares_memory(np.array(t), t.numpy())
    with pytest.raises(RuntimeError, match="requires grad"):
        np.asarray(torch.ones(1, requires_grad=True))
    with pytest.raises(TypeError, match="BFloat16"):
        np.asarray(torch.ones(1, dtype=torch.bfloat16))


@pytest.mark.parametrize(
    ("function", "derivative"),
    [(np.sin, math.cos), (np.exp, math.exp), (np.log, lambda v: 1 / v), (np.square, lambda v: 2 * v)],
    ids=["sin", "exp", "log", "square"],
)
def test_numpy_functions_are_recorded(function: Any, derivative: Any) -> None:
    x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    y = function(x)
    assert isinstance(y, torch.Tensor) and y.requires_grad
    y.sum().backward()
    assert x.grad.tolist() == pytest.approx([derivative(0.5), derivative(2.0)])


def test_numpy_operators_are_recorded() -> None:
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    y = np.array([3.0, 4.0]) * x + np.float64(2) * x
    assert isinstance(y, torch.Tensor)
    y.sum().backward()
    assert x.grad.tolist() == [5.0, 6.0]
    z = np.maximum(x, 1.5)
    assert z.tolist() == [1.5, 2.0]


def test_numpy_functions_without_a_derivative_say_so() -> None:
    with pytest.raises(TypeError, match="no derivative"):
        np.spacing(torch.ones(2, requires_grad=True))
    assert np.spacing(torch.ones(2, dtype=torch.float64)).tolist() == np.spacing(np.ones(2)).tolist()


def test_dlpack() -> None:
    t = torch.arange(6).reshape(2, 3)
    array = np.from_dlpack(t)
    assert np.shares_memory(array, t.numpy()) and array.tolist() == t.tolist()
    own = np.arange(3.0)
    back = torch.from_dlpack(own)
    back[0] = 7
    assert own[0] == 7
    assert torch.from_dlpack(t).data_ptr() == t.data_ptr()
    with pytest.raises(BufferError, match="require gradient"):
        torch.from_dlpack(torch.ones(1, requires_grad=True))
    lent = torch.ones(2)
    torch.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(lent))[1] = 3
    assert lent.tolist() == [1.0, 3.0]
    with pytest.raises(RuntimeError, match="invalid capsule"):
        torch.from_dlpack([1.0])


def test_format() -> None:
    assert f"{torch.tensor(1.5):.2f}" == "1.50"
    assert f"{torch.tensor(3):03d}" == "003"
    assert f"{torch.tensor(2.5, requires_grad=True)}" == "2.5"
    assert f"{torch.ones(2)}" == "tensor([1., 1.])"
    with pytest.raises(TypeError, match=r"Tensor.__format__"):
        f"{torch.ones(2):.2f}"


def test_printing_of_history() -> None:
    x = torch.ones(2, requires_grad=True)
    assert repr(x) == "tensor([1., 1.], requires_grad=True)"
    assert repr(x * 2) == "tensor([2., 2.], grad_fn=<MulBackward0>)"
    assert repr(x.detach()) == "tensor([1., 1.])"
    with torch.no_grad():
        assert repr(x * 2) == "tensor([2., 2.])"


def pickled(value: Any) -> Any:
    """`value` after a round through pickle."""
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, pickled])
def test_duplicates_are_leaves_of_their_own(duplicate: Any) -> None:
    for made in (
        torch.arange(6.0).reshape(2, 3).t(),
        torch.ones(2, requires_grad=True),
        torch.tensor([1, 2], dtype=torch.int8),
        torch.ones(2, dtype=torch.bfloat16),
        torch.nn.Parameter(torch.ones(3)),
    ):
        other = duplicate(made)
        assert type(other) is type(made) and other.dtype is made.dtype
        assert other.requires_grad == made.requires_grad and other.is_leaf
        assert torch.equal(other, made) and other.data_ptr() != made.data_ptr()


def test_copies_keep_sharing_inside_one_structure() -> None:
    x = torch.ones(2)
    a, b = copy.deepcopy([x, x])
    assert a is b and a is not x
    assert copy.copy(x).data_ptr() == x.data_ptr()
    with pytest.raises(RuntimeError, match="graph leaves"):
        copy.deepcopy(torch.ones(1, requires_grad=True) * 2)


def test_value_types_survive_pickling() -> None:
    for value in (torch.float32, torch.strided, torch.device("cpu"), torch.Size([2, 3])):
        assert pickled(value) == value


@pytest.mark.parametrize(
    ("write", "made", "kept"),
    [
        (lambda: torch.arange(3).add_(1.5), "Float", "Long"),
        (lambda: torch.ones(3, dtype=torch.bool).add_(1), "Long", "Bool"),
        (lambda: torch.ones(3).mul_(1j), "ComplexFloat", "Float"),
        (lambda: torch.arange(3).exp_(), "Float", "Long"),
    ],
    ids=["long", "bool", "float", "exp"],
)
def test_in_place_keeps_the_dtype(write: Any, made: str, kept: str) -> None:
    with pytest.raises(RuntimeError) as raised:
        write()
    assert str(raised.value) == f"result type {made} can't be cast to the desired output type {kept}"


def test_tensors_as_python_numbers() -> None:
    assert (int(torch.tensor(2.7)), float(torch.tensor(3)), complex(torch.tensor(1 + 2j))) == (2, 3.0, 1 + 2j)
    assert [10, 20, 30][torch.tensor(1)] == 20
    for convert in (int, float, complex, math.sqrt):
        with pytest.raises(ValueError, match="only one element tensors"):
            convert(torch.ones(2))
    with pytest.raises(RuntimeError, match="without overflow"):
        float(torch.tensor(1j))
    with pytest.raises(RuntimeError, match="ambiguous"):
        bool(torch.ones(2))


def test_threads_record_apart_and_accumulate_together() -> None:
    shared = torch.ones(4, dtype=torch.float64, requires_grad=True)
    seen: list[bool] = []
    failures: list[BaseException] = []

    def work(k: int) -> None:
        try:
            if k % 2:
                with torch.no_grad():
                    seen.append((shared * 2).requires_grad)
            for _ in range(50):
                ((shared * k).sin() * shared).sum().backward()
            seen.append(torch.is_grad_enabled())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures
    assert sorted(seen) == [False] * 3 + [True] * 6
    exact = 50 * sum(k * math.cos(k) + math.sin(k) for k in range(6))
    assert shared.grad.tolist() == pytest.approx([exact] * 4)


@pytest.mark.parametrize(
    ("kind", "name"), [(float, "float64"), (int, "int64"), (bool, "bool"), (complex, "complex128")]
)
def test_python_types_stand_for_dtypes(kind: type, name: str) -> None:
    x = torch.ones(2)
    wanted = getattr(torch, name)
    made = [
        torch.tensor([1], dtype=kind), torch.zeros(2, dtype=kind), torch.full((2,), 1, dtype=kind),
        torch.as_tensor([1], dtype=kind), torch.zeros_like(x, dtype=kind), x.new_tensor([1], dtype=kind),
        x.new_zeros(2, dtype=kind), x.to(kind), x.to(dtype=kind), x.to("cpu", kind),
    ]  # fmt: skip
    assert [t.dtype for t in made] == [wanted] * len(made)
    if kind in (float, complex):
        assert x.sum(dtype=kind).dtype is wanted
        assert torch.randn(2, dtype=kind).dtype is wanted
    with pytest.raises(TypeError, match=r"argument 'dtype' must be torch\.dtype, not type"):
        torch.zeros(2, dtype=str)


def test_numpy_scalars_and_tensors_meet():
    assert (torch.tensor([1.5]) * np.float64(2)).tolist() == [3.0]
    assert (np.float64(2) * torch.tensor([1.5])).tolist() == [3.0]
    array = np.ones(2, np.float32)
    array += torch.tensor([1.0, 2.0])
    assert array.tolist() == [2.0, 3.0]
