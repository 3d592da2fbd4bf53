"""Tensors that are no plain memory (sparse, conjugate, negative, without numbers) in each other's files."""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch

import cotangent

ZIPPED = pytest.mark.parametrize("zipped", [True, False])


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """PyTorch warns of compressed layouts and unchecked places."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def tensors(t: Any) -> dict[str, Any]:
    """One of each kind."""

    def z() -> Any:
        return t.tensor([1 + 2j, 3 - 1j])

    full = t.eye(4)
    return {
        "places": t.sparse_coo_tensor([[0, 2, 0]], [1.0, 2.0, 3.0], (3,)),
        "ordered places": full.to_sparse(),
        "rows at places": t.ones(2, 3).to_sparse(1),
        "integers at places": t.arange(3).to_sparse(),
        "csr": full.to_sparse_csr(),
        "csc": full[:, :3].to_sparse_csc(),
        "bsr": full.to_sparse_bsr((2, 2)),
        "bsc": full.to_sparse_bsc((2, 1)),
        "conjugate": z().conj(),
        "imaginary part of a conjugate": z().conj().imag,
        "negative": t._neg_view(t.arange(3.0)),
        "negative conjugate": t._neg_view(z().conj()),
        "no numbers": t.empty(2, 3, device="meta").t(),
        "parameter without numbers": t.nn.Parameter(t.empty(2, device="meta", dtype=t.float64)),
    }


def facts(x: Any) -> Any:
    """What tells tensors of either library apart."""
    parts = [str(x.dtype), str(x.layout), tuple(x.shape), x.requires_grad, type(x).__name__]
    if not (x.is_complex() and x.is_neg()):  # of two marks cotangent keeps one, the other is computed
        parts += [x.is_conj(), x.is_neg()]
    if str(x.device) == "meta":
        return [*parts, x.stride()]
    if str(x.layout) == "torch.sparse_coo":
        return [*parts, x.is_coalesced(), x._indices().tolist(), x._values().tolist()]
    if x.layout != (torch if isinstance(x, torch.Tensor) else cotangent).strided:
        return [*parts, x.to_dense().tolist(), x.values().tolist()]
    return [*parts, x.tolist()]


@ZIPPED
def test_there_and_back(zipped: bool) -> None:
    for writer, reader in ((torch, cotangent), (cotangent, torch), (cotangent, cotangent)):
        file = io.BytesIO()
        saved = tensors(writer)
        writer.save(saved, file, _use_new_zipfile_serialization=zipped)
        file.seek(0)
        found = reader.load(file)
        for name, x in found.items():
            assert facts(x) == facts(saved[name]), (writer.__name__, name)


@ZIPPED
def test_weights_go_nowhere(zipped: bool) -> None:
    for t in (torch, cotangent):
        file = io.BytesIO()
        t.save([t.ones(2, 3).t(), t.arange(4)[1:3], t.nn.Linear(2, 1).state_dict()], file,
               _use_new_zipfile_serialization=zipped)  # fmt: skip
        file.seek(0)
        turned, part, weights = t.load(file, map_location="meta")
        assert turned.stride() == (1, 3) and turned.device.type == part.device.type == "meta"
        assert part.shape == (2,) and weights["weight"].untyped_storage().device.type == "meta"
        file.seek(0)
        layer = t.nn.Linear(2, 1, device="meta")
        layer.load_state_dict(t.load(file)[2], assign=True)
        assert layer(t.ones(1, 2)).shape == (1, 1)


def coordinates(places: list[int], ordered: bool = False) -> Any:
    return torch.sparse_coo, (torch.tensor([places]), torch.ones(2), torch.Size([3]), ordered)


BAD: dict[str, Any] = {
    "a place outside": coordinates([0, 9]),
    "a negative place": coordinates([0, -1]),
    "not in order": coordinates([1, 0], True),
    "too few parts": (torch.sparse_coo, (torch.tensor([[1, 0]]),)),
    "no tensors": (torch.sparse_coo, (1, 2, torch.Size([3]), False)),
    "rows outside": (
        torch.sparse_csr,
        (torch.tensor([0, 1, 9]), torch.tensor([0, 1]), torch.ones(2), torch.Size([2, 2])),
    ),
    "columns outside": (
        torch.sparse_csr,
        (torch.tensor([0, 1, 2]), torch.tensor([0, 7]), torch.ones(2), torch.Size([2, 2])),
    ),
    "no layout": (3, (torch.tensor([[0]]), torch.ones(1), torch.Size([3]), False)),
}


class Sparse:
    """Pickles as a sparse tensor of these parts."""

    def __init__(self, parts: Any) -> None:
        self.parts = parts

    def __reduce__(self) -> Any:
        return torch._utils._rebuild_sparse_tensor, self.parts


@ZIPPED
@pytest.mark.parametrize("name", BAD)
def test_parts_that_do_not_fit_are_refused(name: str, zipped: bool) -> None:
    file = io.BytesIO()
    torch.save(Sparse(BAD[name]), file, _use_new_zipfile_serialization=zipped)
    file.seek(0)
    with pytest.raises((RuntimeError, pickle.UnpicklingError)):
        cotangent.load(file)
