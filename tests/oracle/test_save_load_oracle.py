"""Files of PyTorch are read here, files written here are read by PyTorch, and both call things alike."""

from __future__ import annotations

import inspect
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.optim.swa_utils

import cotangent
from cotangent.serialization.names import written_name

ZIPPED = pytest.mark.parametrize("zipped", [True, False])


def checkpoint() -> dict[str, Any]:
    """What a training program saves, and some more."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4), torch.nn.Embedding(5, 2))
    optimizer = torch.optim.AdamW(model[:2].parameters())
    model[1](model[0](torch.ones(2, 3))).square().sum().backward()
    optimizer.step()
    base = torch.arange(10.0)
    kinds = (
        torch.bfloat16,
        torch.float16,
        torch.float64,
        torch.uint8,
        torch.uint16,
        torch.int64,
        torch.bool,
    )
    parameter = torch.nn.Parameter(torch.ones(2))
    parameter.note = "kept"
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10).state_dict(),
        "views": [base[2:5], base[::2], base.reshape(2, 5).t(), torch.empty(0, 3), torch.tensor(2.5)],
        "kinds": (
            [torch.ones(3).to(kind) for kind in kinds]
            + [torch.tensor([1 + 2j])]
        ),
        "parameters": [torch.nn.Parameter(torch.ones(2), requires_grad=False), parameter],
        "requires": torch.ones(2, requires_grad=True),
        "plain": (1, 2.5, "text", b"bytes", None, True, 1 << 70, [()]),
        "names": [torch.float16, torch.device("cpu"), torch.Size([1, 2]), torch.strided],
        "rng": torch.get_rng_state(),
    }


def assert_same(one: Any, two: Any, path: str = "") -> None:
    """Compares two nests of PyTorch's objects."""
    assert type(one) is type(two), path
    if isinstance(one, torch.Tensor):
        assert one.dtype == two.dtype and torch.equal(one, two), path
        assert (one.stride(), one.storage_offset()) == (two.stride(), two.storage_offset()), path
        assert one.requires_grad == two.requires_grad and one.__dict__ == two.__dict__, path
    elif isinstance(one, dict):
        assert list(one) == list(two), path
        for key in one:
            assert_same(one[key], two[key], f"{path}.{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(two), path
        for number, (left, right) in enumerate(zip(one, two)):
            assert_same(left, right, f"{path}[{number}]")
    else:
        assert one == two, path


@ZIPPED
def test_a_checkpoint_goes_there_and_back(zipped: bool, tmp_path: Path) -> None:
    saved = checkpoint()
    saved.pop("names")
    torch.save(saved, tmp_path / "there.pt", _use_new_zipfile_serialization=zipped)
    cotangent.save(
        cotangent.load(tmp_path / "there.pt"), tmp_path / "back.pt", _use_new_zipfile_serialization=zipped
    )
    back = torch.load(tmp_path / "back.pt")
    assert_same(saved, back)
    back["views"][0][0] = 77.0
    assert back["views"][1][1] == 77.0


def test_a_lazy_conjugate_is_read(tmp_path: Path) -> None:
    torch.save(torch.tensor([1 + 2j]).conj(), tmp_path / "conj.pt")
    assert cotangent.load(tmp_path / "conj.pt").tolist() == [1 - 2j]


@ZIPPED
def test_names_go_there_and_back(zipped: bool, tmp_path: Path) -> None:
    names = checkpoint()["names"]
    torch.save(names, tmp_path / "there.pt", _use_new_zipfile_serialization=zipped)
    cotangent.save(
        cotangent.load(tmp_path / "there.pt", weights_only=False),
        tmp_path / "back.pt",
        _use_new_zipfile_serialization=zipped,
    )
    assert torch.load(tmp_path / "back.pt", weights_only=False) == names


@ZIPPED
def test_a_whole_module_goes_there_and_back(zipped: bool, tmp_path: Path) -> None:
    model = torch.nn.Sequential(
        torch.nn.Linear(3, 4),
        torch.nn.Softmax(-1),
        torch.nn.ParameterList([torch.ones(2)]),
        torch.nn.Dropout(),
    )
    torch.save(model, tmp_path / "there.pt", _use_new_zipfile_serialization=zipped)
    here = cotangent.load(tmp_path / "there.pt", weights_only=False)
    assert repr(here) == repr(model)
    cotangent.save(here, tmp_path / "back.pt", _use_new_zipfile_serialization=zipped)
    back = torch.load(tmp_path / "back.pt", weights_only=False)
    assert repr(back) == repr(model)
    assert_same(model.state_dict(), back.state_dict())


def test_training_goes_on_in_the_other_library() -> None:
    def made(xp: Any) -> tuple[Any, Any]:
        xp.manual_seed(1)
        model = xp.nn.Sequential(xp.nn.Linear(3, 8), xp.nn.Tanh(), xp.nn.Linear(8, 1))
        return model, xp.optim.AdamW(model.parameters(), lr=0.05)

    def train(xp: Any, model: Any, optimizer: Any, steps: int) -> list[float]:
        losses = []
        for _ in range(steps):
            optimizer.zero_grad()
            loss = (model(xp.ones(4, 3)) - 2).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    whole = train(torch, *made(torch), 12)
    for first, second in ((torch, cotangent), (cotangent, torch)):
        parts = made(first)
        losses = train(first, *parts, 6)
        file = io.BytesIO()
        first.save([part.state_dict() for part in parts], file)
        file.seek(0)
        others = made(second)
        for part, state in zip(others, second.load(file)):
            part.load_state_dict(state)
        assert losses + train(second, *others, 6) == pytest.approx(whole, rel=1e-5)


def test_records_are_the_same(tmp_path: Path) -> None:
    """Both write the same records with the same pickle."""
    pair = [
        torch.arange(3.0),
        torch.nn.Parameter(torch.ones(2)),
        {"a": torch.float32, "s": torch.Size([2])},
    ]
    ours = [
        cotangent.arange(3.0),
        cotangent.nn.Parameter(cotangent.ones(2)),
        {"a": cotangent.float32, "s": cotangent.Size([2])},
    ]
    torch.save(pair, tmp_path / "x.pt")
    with zipfile.ZipFile(tmp_path / "x.pt") as archive:
        theirs = {name: archive.read(name) for name in archive.namelist()}
    cotangent.save(ours, tmp_path / "x.pt")
    with zipfile.ZipFile(tmp_path / "x.pt") as archive:
        mine = {name: archive.read(name) for name in archive.namelist()}
    assert list(theirs) == list(mine)
    theirs.pop("x/.data/serialization_id")
    mine.pop("x/.data/serialization_id")
    assert theirs == mine


@pytest.mark.parametrize("space", ["nn", "optim", "optim.lr_scheduler", "optim.swa_utils"])
def test_classes_are_written_under_pytorchs_names(space: str) -> None:
    theirs: Any = torch
    ours: Any = cotangent
    for part in space.split("."):
        theirs, ours = getattr(theirs, part), getattr(ours, part, None)
    wrong = {}
    for name in dir(theirs):
        kind, mine = getattr(theirs, name), getattr(ours, name, None)
        if inspect.isclass(kind) and inspect.isclass(mine) and kind.__module__.startswith("torch."):
            found = written_name(mine)
            if found != (kind.__module__, kind.__qualname__):
                wrong[name] = found, kind.__module__
    assert wrong == {}


@pytest.mark.parametrize(
    "file",
    [b"PK\3\4 damaged", "evil"],
)
def test_refusals_are_pytorchs(file: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    if isinstance(file, bytes):
        path.write_bytes(file)
    else:
        torch.save({"x": zipfile.ZipFile}, path)
    texts = []
    for xp in (torch, cotangent):
        with pytest.raises(Exception, match=r".") as caught:
            xp.load(path)
        texts.append((type(caught.value).__name__, str(caught.value)))
    assert texts[0] == texts[1]
