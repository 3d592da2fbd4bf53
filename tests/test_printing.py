"""The printed form of tensors against what PyTorch printed when tools/record_printing.py was last run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from printing_cases import PICKED, array_of, cotangent_text, drawn_case

from cotangent.printing import get_printoptions, printoptions, set_printoptions, tensor_text, wrapper_text

RECORDED: dict[str, list[str]] = json.loads(
    (Path(__file__).parent / "data" / "printing.json").read_text(encoding="utf-8")
)
DEFAULT = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None}


@pytest.fixture(autouse=True)
def default_options() -> Iterator[None]:
    set_printoptions(profile="default")
    yield
    set_printoptions(profile="default")


def test_each_picked_case_has_its_record() -> None:
    assert len(RECORDED["picked"]) == len(PICKED)


@pytest.mark.parametrize("number", range(len(PICKED)))
def test_picked(number: int) -> None:
    assert cotangent_text(PICKED[number]) == RECORDED["picked"][number]


@pytest.mark.parametrize("seed", range(len(RECORDED["drawn"])))
def test_drawn(seed: int) -> None:
    assert cotangent_text(drawn_case(seed)) == RECORDED["drawn"][seed]


# What follows was read off PyTorch 2.13 by hand.


def test_tangent_wraps_by_its_full_length() -> None:
    ones = array_of([1, 1], "float32")
    text = tensor_text(ones, dtype_name="float32", tangent="tensor([1., 1.])")
    assert text == "tensor([1., 1.], tangent=tensor([1., 1.]))"
    square = array_of([[2, 2], [2, 2]], "float32")
    inner = tensor_text(square, dtype_name="float32", grad_fn_name="AddBackward0")
    text = tensor_text(square, dtype_name="float32", grad_fn_name="MulBackward0", tangent=inner)
    assert text == (
        "tensor([[2., 2.],\n        [2., 2.]], grad_fn=<MulBackward0>,\n"
        "       tangent=tensor([[2., 2.],\n        [2., 2.]], grad_fn=<AddBackward0>))"
    )


def test_given_contents_stand_in_for_the_elements() -> None:
    def text(shape: tuple[int, ...], dtype: str, contents: str) -> str:
        return tensor_text(array_of(np.zeros(shape), dtype), dtype_name=dtype, contents=contents)

    assert text((2, 2), "int32", "x") == "tensor(x, dtype=torch.int32)"
    assert text((2, 0), "float64", "x") == "tensor(x, size=(2, 0), dtype=torch.float64)"
    assert text((0,), "int64", "q") == "tensor(q, dtype=torch.int64)"
    assert text((3,), "float32", "") == "tensor()"


def test_transforms_wrap_and_indent() -> None:
    inner = tensor_text(array_of([[1, 2], [3, 4]], "float32"), dtype_name="float32")
    batched = wrapper_text("BatchedTensor", 1, inner, bdim=1)
    assert wrapper_text("GradTrackingTensor", 2, batched) == (
        "GradTrackingTensor(lvl=2, value=\n"
        "    BatchedTensor(lvl=1, bdim=1, value=\n"
        "        tensor([[1., 2.],\n"
        "                [3., 4.]])\n"
        "    )\n"
        ")"
    )


def test_a_summary_reads_only_the_edges() -> None:
    class Watched(np.ndarray):  # type: ignore[type-arg]
        """Fails when it is read as a whole."""

        def ravel(self, order: str = "C") -> np.ndarray:  # type: ignore[type-arg,override]
            assert self.size <= 36
            return super().ravel(order)  # type: ignore[arg-type]

    # A terabyte, if it were there: one element seen through strides of zero.
    huge = np.broadcast_to(np.ones((), np.float32), (500_000, 500_000)).view(Watched)
    rows = ["[1., 1., 1.,  ..., 1., 1., 1.]"] * 3
    inside = (",\n" + " " * 8).join([*rows, "...", *rows])
    assert tensor_text(huge, dtype_name="float32") == f"tensor([{inside}])"


def test_options_and_profiles() -> None:
    assert get_printoptions() == DEFAULT
    set_printoptions(3, 7, 1, 50, None, True)
    assert get_printoptions() == {
        "precision": 3, "threshold": 7, "edgeitems": 1, "linewidth": 50, "sci_mode": True,
    }  # fmt: skip
    set_printoptions(profile="nothing known")
    assert get_printoptions()["precision"] == 3
    set_printoptions(profile="short")
    assert get_printoptions() == DEFAULT | {"precision": 2, "edgeitems": 2}
    set_printoptions(profile="full")
    assert get_printoptions() == DEFAULT | {"threshold": float("inf")}
    set_printoptions(profile="short", precision=7)  # the profile first, then the others
    assert get_printoptions() == DEFAULT | {"precision": 7, "edgeitems": 2}


def test_sci_mode_is_reset_by_every_call() -> None:
    set_printoptions(sci_mode=True)
    set_printoptions(linewidth=9)
    assert get_printoptions() == DEFAULT | {"linewidth": 9}


def test_get_gives_a_copy() -> None:
    get_printoptions()["precision"] = 9
    assert get_printoptions() == DEFAULT


def test_printoptions_restores_all_also_after_an_error() -> None:
    set_printoptions(sci_mode=True)
    with pytest.raises(KeyError), printoptions(precision=2):
        assert get_printoptions() == DEFAULT | {"precision": 2}
        raise KeyError
    assert get_printoptions() == DEFAULT | {"sci_mode": True}


def test_wrong_arguments() -> None:
    with pytest.raises(TypeError, match=r"^set_printoptions\(\) got an unexpected keyword argument 'foo'$"):
        set_printoptions(foo=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"takes from 0 to 6 positional arguments but 7 were given$"):
        set_printoptions(1, 2, 3, 4, "short", True, 7)  # type: ignore[call-arg]
    with (
        pytest.raises(TypeError, match=r"^set_printoptions\(\) got an unexpected keyword argument 'foo'$"),
        printoptions(foo=1),
    ):
        pass
