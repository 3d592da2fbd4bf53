"""Storages in both libraries: what they are made of, read, written, converted and refused."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest

import cotangent

oracle = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")

CALLS = """
U([1, 258, -1])
U((1, 2))
U(b"ab")
U(range(3))
U("ab")
U(2.5)
U(None)
U({1: 2})
U([1.5])
U(np.array([1, 2]))
U(torch.tensor([1, 2]))
s[2:4].fill_(9), s
s[0], s[-1], s[5:]
s[9]
s[-9]
s["a"]
s[True]
s[[0]]
s[torch.tensor(0)]
s[::2]
s[::-1]
s.__setitem__(0, -1), s
s.__setitem__(slice(1, 3), 300), s
s.__setitem__(0, 1.5)
s.__setitem__(slice(1, 3), [5, 6])
s.fill_(-1)
s.fill_(300)
s.fill_(1.5)
U(8).copy_(s)
U(7).copy_(s)
U(8).copy_(F([1, 2]))
I(2).copy_(F([1, 2]))
F(3).copy_(F(2))
s.byteswap(torch.int16), s
s.byteswap(torch.complex64), s
U(3).byteswap(torch.int16)
s.float(), s.long(), s.bool(), s.complex_float()
s.type(), F(1).type()
F([1, 2])[-3]
F([1, 2])["a"]
F([1, 2])[0:1]
F([1, 2])[torch.tensor(0)]
F([1, 2]).fill_("a")
F([1, 2]).__setitem__(0, "a")
F([1, 2]).__setitem__(slice(0, 2), [1, 2])
I([1, 2]).__setitem__(0, 2**40)
I([1, 2]).__setitem__(0, 2**70)
torch.ByteStorage([1]).fill_(-5), torch.CharStorage([1]).fill_(-5), torch.HalfStorage([1]).fill_(1e300)
torch.CharStorage([1]).fill_(300)
torch.LongStorage([1]).fill_(1e300)
torch.BoolStorage([2, 0])
torch.ShortStorage.from_buffer(b"abcd", "big")
torch.ShortStorage.from_buffer(b"abcd", "little", 2)
torch.ShortStorage.from_buffer(b"abcd", "native", 0, 1)
torch.ShortStorage.from_buffer(b"abcde", "native")
torch.ShortStorage.from_buffer(b"abcd", "native", 0, 9)
torch.ShortStorage.from_buffer(b"abcd", "other")
torch.ShortStorage.from_buffer(b"abcd")
torch.ComplexFloatStorage.from_buffer(b"abcdefgh", "big")
U.from_buffer(b"abcd", dtype=torch.uint8)
U.from_buffer(b"abcd")
U.from_file(path, True, 4).fill_(7), U.from_file(path, False, 4), I.from_file(path, False, 1)
U.from_file(path, True, 4).filename, U.from_file(path, False, 4).filename
U.from_file(path + "2", False, 4)
U.from_file(path, True, 4), U.from_file(path, False, 100)
U.from_file(path, False, 0)
torch.is_storage(s), torch.is_storage(F(1)), torch.is_storage(3)
pickle.loads(pickle.dumps(F([1, 2])))
copy.copy(s), copy.deepcopy(F([1, 2]))
""".strip().split("\n")


@pytest.mark.parametrize("call", CALLS)
def test_calls(call: str, tmp_path: Path) -> None:
    def told(torch: Any) -> Any:
        path = str(tmp_path / torch.__name__)
        scope = {
            "torch": torch, "U": torch.UntypedStorage, "F": torch.FloatStorage, "I": torch.IntStorage,
            "s": torch.UntypedStorage(list(range(1, 9))), "pickle": pickle, "copy": copy, "path": path,
            "np": pytest.importorskip("numpy"),
        }  # fmt: skip
        try:
            found = str(eval(call, scope))
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            found = f"{type(error).__name__}: {error}"
        return found.replace(path, "PATH").replace("cotangent", "torch")

    assert told(cotangent) == told(oracle)


def test_bytes_out_of_a_pickle() -> None:
    assert pickle.loads(pickle.dumps(cotangent.UntypedStorage([1, 2]))).tolist() == [1, 2]
