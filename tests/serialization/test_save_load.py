"""`torch.save` and `torch.load` by themselves: what goes in comes out, and nothing bad does."""

from __future__ import annotations

import copy
import io
import os
import pickle
import random
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from running import PROJECT, RunPython

import cotangent as torch
from cotangent.config import settings


def through(obj: Any, **options: Any) -> Any:
    """The object saved and loaded."""
    file = io.BytesIO()
    torch.save(obj, file, **options)
    file.seek(0)
    return torch.load(file)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_values_come_back(zipped: bool, protocol: int) -> None:
    base = torch.arange(10.0)
    saved = {
        "views": [base[2:5], base[::2], base.reshape(2, 5).t()],
        "kinds": [
            torch.ones(2, dtype=d) for d in (torch.bfloat16, torch.uint16, torch.bool, torch.complex64)
        ],
        "empty": torch.empty(0, 3),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "plain": (1, 2.5, "text", b"bytes", None, 3 + 4j, {1, 2}, True, bytearray(b"x")),
        "names": [torch.float16, torch.device("cpu"), torch.Size([1, 2])],
    }
    found = through(saved, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
    assert found["plain"] == saved["plain"] and found["names"] == saved["names"]
    for before, after in zip(saved["views"] + saved["kinds"], found["views"] + found["kinds"]):
        assert (
            torch.equal(before, after) and before.stride() == after.stride() and before.dtype is after.dtype
        )
        assert before.storage_offset() == after.storage_offset()
    assert found["empty"].shape == (0, 3)
    assert isinstance(found["parameter"], torch.nn.Parameter) and found["parameter"].requires_grad
    found["views"][0][0] = 77.0  # element 2 of the memory that all three share
    assert found["views"][1][1] == 77.0 and found["views"][2][2, 0] == 77.0


def test_a_training_continues_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    def made() -> tuple[Any, Any, Any]:
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
        return model, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 2)

    def train(parts: Any, steps: int) -> list[float]:
        model, optimizer, scheduler = parts
        losses = []
        for _ in range(steps):
            optimizer.zero_grad()
            loss = model(torch.ones(2, 3)).square().mean()
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
        return losses

    whole = train(made(), 8)
    first = made()
    assert train(first, 4) == whole[:4]
    torch.save([part.state_dict() for part in first], tmp_path / "middle.pt")
    second = made()
    for part, state in zip(second, torch.load(tmp_path / "middle.pt")):
        part.load_state_dict(state)
    assert train(second, 4) == whole[4:]


def test_what_a_tensor_carries_comes_back() -> None:
    global Attributed  # pickle finds it by its name; made here, as a subclass of Tensor is seen by every test

    class Attributed(torch.Tensor):
        """A subclass."""

    Attributed.__qualname__ = "Attributed"
    plain, kind = torch.ones(2), Attributed([1.0, 2.0])
    plain.note = "kept"
    kind.note = 3
    assert through(plain).note == "kept"
    with pytest.raises(pickle.UnpicklingError, match="Attributed was not an allowed global by default"):
        through(kind)
    with torch.serialization.safe_globals([Attributed]):
        found = through(kind)
    assert type(found) is Attributed and found.note == 3 and torch.equal(found, torch.Tensor([1.0, 2.0]))


class Point:
    def __init__(self) -> None:
        self.x = torch.ones(1)


def test_safe_globals_allow_a_class_for_as_long_as_they_stand() -> None:
    with pytest.raises(pickle.UnpicklingError, match="Point was not an allowed global"):
        through(Point())
    with torch.serialization.safe_globals([Point]):
        assert through(Point()).x == 1
    torch.serialization.add_safe_globals([Point])
    assert torch.serialization.get_safe_globals() == [Point]
    assert through(Point()).x == 1
    torch.serialization.clear_safe_globals()
    with pytest.raises(pickle.UnpicklingError):
        through(Point())


def test_unrestricted_loading_takes_any_pickle(tmp_path: Path) -> None:
    torch.save(Fraction(1, 3), tmp_path / "f.pt")
    assert torch.load(tmp_path / "f.pt", weights_only=False) == Fraction(1, 3)
    assert torch.serialization.get_unsafe_globals_in_checkpoint(tmp_path / "f.pt") == ["fractions.Fraction"]
    with pytest.raises(RuntimeError, match="explicit pickle_module"):
        torch.load(tmp_path / "f.pt", weights_only=True, pickle_module=pickle)


def test_mmap_looks_into_the_file(tmp_path: Path) -> None:
    path = tmp_path / "big.pt"
    torch.save({"a": torch.arange(1000.0), "none": torch.empty(0)}, path)
    found = torch.load(path, mmap=True)
    found["a"][0] = 5.0  # private: the file stays as it is
    assert torch.load(path)["a"][0] == 0
    assert found["a"].sum() == sum(range(1000)) + 5
    with torch.serialization.set_default_mmap_options(1):  # MAP_SHARED
        torch.load(path, mmap=True)["a"][1] = 8.0
    with pytest.raises(RuntimeError, match="sum written with them"):
        torch.load(path)
    with pytest.raises(ValueError, match="must be a file path"):
        torch.load(io.BytesIO(path.read_bytes()), mmap=True)


def test_records_are_aligned_for_mapping(tmp_path: Path) -> None:
    path = tmp_path / "aligned.name.pt"
    torch.save([torch.ones(n) for n in (1, 7, 100)], path)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            assert info.filename.startswith("aligned.name/")
            name, extra = struct.unpack("<HH", content[info.header_offset + 26 : info.header_offset + 30])
            assert (info.header_offset + 30 + name + extra) % 64 == 0


def test_map_location() -> None:
    file = io.BytesIO()
    torch.save(torch.ones(2), file)
    seen = []
    for where in (
        "cpu",
        torch.device("cpu"),
        {"cpu": "cpu"},
        lambda storage, tag: seen.append((len(storage), tag)),
    ):
        file.seek(0)
        assert torch.equal(torch.load(file, map_location=where), torch.ones(2))
    assert seen == [(8, "cpu")]
    file.seek(0)
    with pytest.raises(RuntimeError, match="Attempting to deserialize object on a CUDA device"):
        torch.load(file, map_location="cuda:0")


def test_a_killed_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save(torch.ones(3), path)
    code = (
        "import sys, time, cotangent as torch\n"
        "class Slow:\n"
        "    def __reduce__(self):\n"
        "        print('saving', flush=True); time.sleep(60)\n"
        f"torch.save([torch.zeros(100000), Slow()], {str(path)!r})\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src")}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None and process.stdout.readline() == b"saving\n"
        process.kill()
    assert torch.equal(torch.load(path), torch.ones(3))


def test_a_failed_save_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with pytest.raises(AttributeError, match="Can't pickle local object"):
        torch.save({"f": lambda: 0}, path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RuntimeError, match=r"Parent directory .* does not exist"):
        torch.save(1, tmp_path / "no" / "model.pt")
    with pytest.raises(AttributeError, match="expected 'f' to be string"):
        torch.save(1, 2)


def test_saving_keeps_links_and_permissions(tmp_path: Path) -> None:
    real, link = tmp_path / "real.pt", tmp_path / "link.pt"
    torch.save(1, real)
    real.chmod(0o640)
    link.symlink_to(real)
    torch.save(2, link)
    assert link.is_symlink() and torch.load(real) == 2 and real.stat().st_mode & 0o777 == 0o640


# -- damaged and hostile files ----------------------------------------------------------------------------


class Runs:
    """Runs a command when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.parts = function, arguments

    def __reduce__(self) -> Any:
        return self.parts


def hostile(marker: Path) -> list[Any]:
    """Objects whose pickles do something."""
    command = f"touch {marker}"
    return [
        Runs(os.system, command),
        Runs(eval, f"open({str(marker)!r}, 'w')"),
        Runs(exec, f"open({str(marker)!r}, 'w')"),
        Runs(subprocess.check_call, ["touch", str(marker)]),
        Runs(getattr, dict, "fromkeys"),
        Runs(__import__, "antigravity"),
        Runs(open, str(marker), "w"),
        OrderedDict(a=Runs(pickle.loads, pickle.dumps(Runs(os.system, command)))),
    ]


@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize("zipped", [True, False])
def test_hostile_pickles_run_nothing(number: int, zipped: bool, tmp_path: Path) -> None:
    marker, path = tmp_path / "ran", tmp_path / "evil.pt"
    torch.save(
        {"w": torch.ones(1), "x": hostile(marker)[number]}, path, _use_new_zipfile_serialization=zipped
    )
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed") as caught:
        torch.load(path)
    assert "evil.pt" in caught.value.__notes__[0] and "Nothing was run" in caught.value.__notes__[0]
    assert not marker.exists()


@pytest.mark.parametrize(
    "pickled",
    [
        b"(S'touch ran'\nios\nsystem\n.",  # INST
        b"cos\nsystem\n(S'touch ran'\ntR.",
        b"\x80\x02c__builtin__\nset\nq\x00}U\x01ab.",  # state for a class
        b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.",
        b"\x80\x02ctorch\nTensor\nq\x00)\x81}U\x05_dataK\x01sb.",  # state for a tensor
        b"\x80\x02c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R.",  # much memory
        b"\x80\x02\x82\x01.",  # an extension code
        b"\x80\x02ccollections\nOrderedDict\n(tR]r\xff\xff\xff\x7fa.",
    ],
)
def test_hand_written_pickles_are_refused(
    pickled: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile("hand.pt", "w") as archive:
        archive.writestr("hand/data.pkl", pickled)
        archive.writestr("hand/version", "3\n")
    with pytest.raises(pickle.UnpicklingError):
        torch.load("hand.pt")
    assert os.listdir() == ["hand.pt"]


def mutated(content: bytes, generator: random.Random) -> bytes:
    """The bytes of a file after something has happened to them."""
    kind = generator.randrange(5)
    at = generator.randrange(len(content))
    if kind == 0:
        return content[:at]
    if kind == 1:
        return content[:at] + bytes([content[at] ^ 1 << generator.randrange(8)]) + content[at + 1 :]
    if kind == 2:
        return content[:at] + generator.randbytes(8) + content[at + 8 :]
    if kind == 3:
        return content[:at] + generator.randbytes(3) + content[at:]
    return generator.randbytes(4) + content[4:] if at % 2 else content[:at] + content[at + 5 :]


def test_500_damaged_files_give_an_error_or_their_content(tmp_path: Path) -> None:
    saved = {
        "w": torch.arange(20.0),
        "b": torch.ones(3, 2, dtype=torch.bfloat16),
        "s": torch.eye(3).to_sparse(),
        "m": torch.empty(2, device="meta"),
        "lr": 0.5,
        "names": ["a", "b"],
    }
    generator, path, refused = random.Random(0), tmp_path / "damaged.pt", 0
    for zipped in (True, False):
        file = io.BytesIO()
        torch.save(saved, file, _use_new_zipfile_serialization=zipped)
        for _ in range(250):
            path.write_bytes(mutated(file.getvalue(), generator))
            try:
                found = torch.load(path)
            except (RuntimeError, pickle.UnpicklingError, EOFError, AttributeError, ImportError) as error:
                refused += 1
                assert "damaged.pt" in str(error) + "".join(getattr(error, "__notes__", [])), repr(error)
                assert str(error)
                continue
            if zipped:  # its sums find every change of content; what is left alone are dates and padding
                assert repr(found) == repr(saved)
    assert refused > 300


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"hello world", b"\x80\x02.", b"PK\5\6" + bytes(18)])
def test_what_is_no_checkpoint_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    path.write_bytes(content)
    with pytest.raises((RuntimeError, EOFError, pickle.UnpicklingError)) as caught:
        torch.load(path)
    assert "other.pt" in str(caught.value) + "".join(getattr(caught.value, "__notes__", []))


def test_storages(monkeypatch: pytest.MonkeyPatch) -> None:
    # The warning comes once per process, and another test may have had it.
    monkeypatch.setattr(settings, "warn_always", True)
    x = torch.arange(6.0)
    storage = x[2:].untyped_storage()
    assert (storage.nbytes(), len(storage), storage.data_ptr()) == (24, 24, x.data_ptr())
    assert torch.empty(0).set_(storage, 1, (2, 2)).tolist() == [[1.0, 2.0], [3.0, 4.0]]
    storage.fill_(0)
    assert x.tolist() == [0.0] * 6
    with pytest.warns(UserWarning, match="TypedStorage is deprecated"):
        typed = torch.FloatStorage([1.0, 2.0])
    assert isinstance(typed, torch.FloatStorage) and not isinstance(typed, torch.LongStorage)
    assert typed.double().tolist() == [1.0, 2.0] and typed[1] == 2.0
    with pytest.raises(IndexError, match="out of range for storage of size 2"):
        typed[2]
    with pytest.raises(RuntimeError, match="not resizable"):
        storage.resize_(48)


def test_safetensors_library_reads_and_writes(tmp_path: Path, run_python: RunPython) -> None:
    code = (
        "import torch\nfrom safetensors.torch import load_file, save_file, load_model, save_model,"
        " safe_open\nmodel = torch.nn.Linear(2, 2)\nsave_file({'a': torch.arange(4.).reshape(2, 2), 'b':"
        " torch.ones(3, dtype=torch.bfloat16)}, 'x.safetensors')\nfound ="
        " load_file('x.safetensors')\nprint(found['a'].tolist(), found['b'].dtype)\nwith"
        " safe_open('x.safetensors', framework='pt') as f:\n    print(sorted(f.keys()),"
        " f.get_slice('a')[1:].tolist())\nsave_model(model, 'm.safetensors')\nother = torch.nn.Linear(2,"
        " 2)\nprint(load_model(other, 'm.safetensors'), torch.equal(other.weight, model.weight))\n"
    )
    (tmp_path / "script.py").write_text(code)
    result = run_python("-m", "cotangent", "script.py")
    assert (
        result.stdout
        == "[[0.0, 1.0], [2.0, 3.0]] torch.bfloat16\n['a', 'b'] [[2.0, 3.0]]\n(set(), []) True\n"
    ), result.stderr


def test_a_record_whose_sum_was_not_computed_is_read_unchecked() -> None:
    file = io.BytesIO()
    with torch.utils.serialization.config.patch({"save.compute_crc32": False}):
        torch.save({"x": torch.arange(3)}, file)
    assert {info.CRC for info in zipfile.ZipFile(file).infolist()} == {0}
    file.seek(0)
    assert torch.load(file)["x"].tolist() == [0, 1, 2]


def test_a_file_needs_to_write_forwards_only() -> None:
    class Pipe:
        """Nothing but `write`."""

        def __init__(self) -> None:
            self.written = bytearray()

        def write(self, data: Any) -> int:
            self.written += data
            return len(data)

    pipe = Pipe()
    torch.save([torch.ones(3), torch.zeros(100)], pipe)
    assert zipfile.ZipFile(io.BytesIO(pipe.written)).testzip() is None
    assert torch.load(io.BytesIO(pipe.written))[0].tolist() == [1, 1, 1]


def test_one_memory_has_one_dtype_in_a_file() -> None:
    x = torch.ones(4)
    with pytest.raises(RuntimeError, match="view the same data as different types"):
        torch.save([x, x.view(torch.int32)], io.BytesIO())


def test_numbers_that_look_like_an_archive_are_none() -> None:
    numbers = torch.tensor([*b"PK\5\6", *bytes(100)], dtype=torch.uint8)
    file = io.BytesIO()
    torch.save(numbers, file, _use_new_zipfile_serialization=False)
    file.seek(0)
    assert zipfile.is_zipfile(file)
    file.seek(0)
    assert not torch.serialization._is_zipfile(file)
    assert torch.equal(torch.load(file), numbers)


def test_places_of_ones_own() -> None:
    torch.serialization.register_package(
        1, lambda storage: None, lambda storage, tag: storage if tag == "shelf" else None
    )
    file = io.BytesIO()
    torch.save(torch.ones(2), file)
    file.seek(0)
    assert torch.load(file, map_location="shelf").tolist() == [1, 1]
    file.seek(0)
    with pytest.raises(RuntimeError, match="don't know how to restore data location"):
        torch.load(file, map_location="cellar")


class Noted(torch.Tensor):
    """A tensor with a slot of its own."""

    __slots__ = ("note", "missing")


def test_slots_of_subclasses_are_kept() -> None:
    x = torch.ones(2).as_subclass(Noted)
    x.note = ["a"]
    x.free = 3
    file = io.BytesIO()
    torch.save(x, file)
    file.seek(0)
    unrestricted = torch.load(file, weights_only=False)
    for found in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x)), unrestricted):
        assert type(found) is Noted and found.tolist() == [1.0, 1.0]
        assert found.note == ["a"] and found.free == 3
        assert not hasattr(found, "missing")
    assert copy.copy(x).note is x.note and copy.deepcopy(x).note is not x.note
    assert not hasattr(x + 1, "note")


def test_tensors_without_numbers_are_copied() -> None:
    x = torch.nn.Parameter(torch.empty(2, 3, device="meta").t())
    found = copy.deepcopy(x)
    assert found is not x and found.device.type == "meta" and found.stride() == (1, 3) and found.requires_grad
