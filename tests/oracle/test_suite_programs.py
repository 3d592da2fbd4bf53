"""Short programs after PyTorch's own tests that once went wrong here: both libraries show the same."""

from __future__ import annotations

import copy
import io
import itertools
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from samples.library import xp

PROGRAMS = {
    "deep copies share memory as their originals do": """
a = t.arange(6.0).reshape(2, 3)
w = copy.deepcopy([a, a.storage(), a.view(6), a[0], a.untyped_storage(), a.t()])
w[0].add_(1)
show(*w)
show(w[-1].stride(), copy.deepcopy(a[:, 1]).stride(), copy.deepcopy(a[:, 1]).untyped_storage().nbytes())
show(copy.deepcopy(t.ones(1).expand(3)).stride(), copy.deepcopy(t.zeros(0, 3)), copy.deepcopy(t.tensor(3)))
m = t.nn.Linear(2, 2)
m.held = m.weight.data[0]
k = copy.deepcopy(m)
show(k.held.data_ptr() == k.weight.data_ptr())
""",
    "unwritten memory of out=": """
t.use_deterministic_algorithms(True)
try:
    for d in (t.float32, t.int8, t.bool, t.complex64, t.bfloat16):
        show(t.empty(2, 3, dtype=d, out=t.zeros(1, dtype=d)), t.empty(6, dtype=d, out=t.zeros(2, 3, dtype=d)))
finally:
    t.use_deterministic_algorithms(False)
""",
    "what is not deterministic": """
def unpooled(k):
    x = t.ones(1, 1, *[4] * k)
    found, at = getattr(t.nn.functional, f"max_pool{k}d")(x, 2, return_indices=True)
    return getattr(t.nn.functional, f"max_unpool{k}d")(found, at, 2)
place, value = t.tensor([0]), t.tensor([1.0])
q = t.quantize_per_tensor(t.tensor([-1.0, 0, 1]), 0.1, 10, t.qint8)
for warn_only in (False, True):
    t.use_deterministic_algorithms(True, warn_only=warn_only)
    try:
        for k in (1, 2, 3):
            attempt(lambda: unpooled(k).sum())
        attempt(lambda: t.zeros(4).put_(place, value), lambda: t.zeros(4).put(place, value))
        attempt(lambda: t.zeros(4).put_(place, value, accumulate=True), lambda: q.resize_((10,)).shape)
    finally:
        t.use_deterministic_algorithms(False)
attempt(lambda: q.resize_((1,)), lambda: q.resize_((5,)).shape)
""",
    "set_ lengthens a storage": """
x = t.zeros(1)
attempt(lambda: x.set_(x.untyped_storage(), 100, x.size(), x.stride()))
attempt(lambda: x.set_(x.untyped_storage(), 100, (2, 3)).shape)
show(x.storage_offset(), x.untyped_storage().nbytes(), t.ones(3).set_(t.ones(2), 0, (2, 2)).shape)
""",
    "old constructors take storages": """
e, y = t.tensor([]), t.arange(16.0).reshape(4, 4)
show(e.new(y.storage()).data_ptr() == y.data_ptr(), e.new(y.storage()).shape)
show(t.FloatTensor(y.storage()).data_ptr() == y.data_ptr(), t.FloatTensor(y.storage()), t.Tensor(y.storage()))
show(e.new(y.untyped_storage()).shape)
integers = t.IntTensor([1])
attempt(lambda: e.new(integers.storage()), lambda: e.new(integers), lambda: t.DoubleTensor(y.storage()))
""",
    "types that are no bases": """
attempt(lambda: type("X", (t.FloatTensor,), {}), lambda: type("Y", (t.LongTensor, object), {}))
attempt(lambda: t._C.TensorBase())
""",
    "index_add": """
one = t.tensor([0])
attempt(lambda: t.zeros(()).index_add(0, one, t.ones(1, 1, 1)))
attempt(lambda: t.zeros(2).index_add(0, one, t.ones(1, 1)))
attempt(lambda: t.zeros(()).index_add(0, one, t.ones(1)), lambda: t.zeros(()).index_add(0, one, t.ones(())))
attempt(lambda: t.zeros(2, 3).index_add(1, one, t.ones(2)))
attempt(lambda: t.zeros(2, 3).index_add(0, one, t.ones(1, 4)))
attempt(lambda: t.zeros(3).index_add(0, one, t.ones(())))
for d in (t.float16, t.bfloat16):
    rows, values = t.tensor([1, 0, 1, 1, 0]), t.arange(1.0, 11).reshape(5, 2).mul(0.3337).to(d)
    show(t.ones(2, 2, dtype=d).index_add(0, rows, values))
    show(t.ones(2, dtype=d).index_add(0, rows, values[:, 0]))
    show(t.ones(2, dtype=d).put(rows, values[:, 0], accumulate=True))
    show(t.ones(2, 2, dtype=d).index_put((rows,), values, accumulate=True))
""",
    "out= that partly is an operand": """
d, o, a = t.arange(18.0), t.ones(9), t.ones(3, 3)
for name in ("addcmul", "addcdiv", "lerp"):
    op = getattr(t, name)
    attempt(lambda: op(d[:9], o, o, out=d[:9]), lambda: op(d[1:10], o, o, out=d[:9]))
    attempt(lambda: op(o, o, d[1:10], out=d[:9]), lambda: op(o, d[1:10], o, out=d[:9]))
    attempt(lambda: op(d[:9].view(3, 3), a, a, out=d[:9].view(3, 3).t()))
attempt(lambda: t.lerp(o, o, 0.5, out=t.empty(9, dtype=t.float64)))
attempt(lambda: t.lerp(o, o, o, out=t.empty(9, dtype=t.float64)))
""",
    "out= of normal": """
x, y = t.rand(2, 3), t.rand(1, 3)
for mean, std, out in ((x, y, t.rand(4)), (x, 1.0, t.rand(1)), (1.0, x, t.rand(3)), (x, y, t.empty(0))):
    attempt(lambda: t.normal(mean, std, out=out).shape)
""",
    "fresh numbers in inference mode": """
with t.inference_mode():
    x = t.empty(3).uniform_()
    for name in ("normal_", "bernoulli_", "random_", "exponential_", "cauchy_", "log_normal_"):
        getattr(x, name)()
    t.ones(3, out=x)
    t.arange(3, out=x)
    show(x)
attempt(lambda: x.uniform_(), lambda: t.ones(3, out=x))
""",
    "powers keep the order in memory": """
x = t.rand(2, 3, 4, 5).contiguous(memory_format=t.channels_last)
show(*(x.pow(n).stride() for n in (0.0, 1.0, 2, 0.5, -1)))
""",
    "sparse tensors without elements": """
for layout in (t.sparse_csr, t.sparse_csc):
    for size in ((0, 3), (3, 0), (0, 3, 2), (3, 0, 2), (2, 3, 0), (0, 0, 0)):
        show(t.zeros(size).to_sparse(layout=layout, dense_dim=len(size) - 2))
        lines = size[0] if layout is t.sparse_csr else size[1]
        parts = t.zeros(lines + 1, dtype=t.int64), t.zeros(0, dtype=t.int64), t.zeros((0,) + size[2:])
        show(t.sparse_compressed_tensor(*parts, size, layout=layout))
attempt(lambda: t.zeros(0, 3, 2).to_sparse_csr(), lambda: t.zeros(2, 0, 3).to_sparse_csr())
attempt(lambda: t.zeros(3, 0, 2).to_sparse_bsc((1, 1), dense_dim=1))
""",
    "to_sparse with dense dimensions": """
x = t.arange(24.0).reshape(2, 3, 4)
for d in (0, 1, 3, 4):
    attempt(lambda: x.to_sparse(dense_dim=d)._indices())
attempt(lambda: x.to_sparse(layout=t.sparse_coo, blocksize=(1, 1)))
attempt(lambda: x.to_sparse(1).to_sparse(dense_dim=2))
attempt(lambda: x[0].to_sparse_csr().to_sparse(dense_dim=0))
attempt(lambda: x[0].to_sparse_csr().to_sparse(blocksize=(1, 1)))
""",
    "parts of sparse tensors are checked": """
i = t.tensor
compressed = t._validate_sparse_compressed_tensor_args
attempt(lambda: compressed(i([0, 1]), i([0]), i([1.0]), (1, 2), t.sparse_csr))
attempt(lambda: compressed(i([0, 1]), i([3]), i([1.0]), (1, 2), t.sparse_csr))
attempt(lambda: t._validate_sparse_csc_tensor_args(i([0, 1]), i([3]), i([1.0]), (2, 1)))
attempt(lambda: t._validate_sparse_coo_tensor_args(i([[0, 2]]), i([3.0, 1]), (2,)))
attempt(lambda: t._validate_sparse_coo_tensor_args(i([[1, 0]]), i([3.0, 1]), (2,), True))
""",
    "functions of sparse tensors": """
z, r = t.tensor([1 + 1j, 0, -2j, 0]).to_sparse(), t.tensor([0.5, 0, -0.25]).to_sparse()
show(z.abs(), z.sgn(), z.conj_physical(), r.conj_physical(), r.clone().asinh_(), r.clone().atanh_())
show(t.abs(z, out=t.sparse_coo_tensor(t.zeros(1, 0).long(), t.zeros(0), (4,))), r.clone().conj_physical_())
attempt(lambda: r.int().asinh_())
""",
    "masked reductions of sparse tensors": """
d, m = t.tensor([[1.0, 0, 2], [0, 0, 3]]), t.tensor([[True, False, True], [True, False, False]])
cases = ((d.to_sparse(), m.to_sparse()), (d.to_sparse_csr(), m.to_sparse_csr()), (d, m.to_sparse()))
cases += ((d.to_sparse(), m), (d.to_sparse(), m[:1]), (d.to_sparse_csr(), m), (d.to_sparse(), None))
cases += ((d.to_sparse(), m[:1].to_sparse()), (d.to_sparse_csr(), m[:, :1].to_sparse_csr()))
cases += ((d, m[0].to_sparse()),)
cases += ((d.to_sparse_csr(), None), (d.half().to_sparse(), m), (d.int().to_sparse(), m.to_sparse()))
for x, mask in cases:
    for name in ("sum", "prod", "amax", "amin", "mean"):
        for dim in (None, 0, 1, ()):
            for keepdim in (False, True):
                attempt(lambda: getattr(t.masked, name)(x, dim=dim, keepdim=keepdim, mask=mask))
h = t.arange(12.0).reshape(2, 3, 2).to_sparse(2)
attempt(lambda: t.masked.sum(h, dim=(0, 2)), lambda: t.masked.sum(h, dim=1))
attempt(lambda: t.masked.sum(h, 2, keepdim=True))
attempt(lambda: t.masked._where(m.to_sparse(), d.to_sparse(), t.tensor(5.0)))
attempt(lambda: t.masked._input_mask(d.to_sparse_bsr((1, 1)), mask=m))
""",
    "conversions between compressed layouts": """
layouts = {name: getattr(t, "sparse_" + name) for name in ("csr", "csc", "bsr", "bsc")}
for a, b in itertools.product(layouts, layouts):
    x = t.ones(2, 2).to_sparse(layout=layouts[a], blocksize=(1, 1) if a[0] == "b" else None)
    for size in ((1, 1), (2, 2)):
        attempt(lambda: x.to_sparse(layout=layouts[b], blocksize=size if b[0] == "b" else None))
    attempt(lambda: t.zeros_like(x, layout=layouts[b]), lambda: t.zeros_like(x, layout=t.sparse_coo))
    attempt(lambda: t.zeros_like(x, layout=t.strided))
batched = t.ones(2, 2, 2).to_sparse_csr()
attempt(lambda: batched.to_sparse_bsr((1, 1)), lambda: t.zeros_like(batched, layout=t.sparse_csc))
starts, columns = t.tensor([0, 1, 2], dtype=t.int32), t.tensor([0, 1], dtype=t.int32)
x = t.sparse_csr_tensor(starts, columns, t.ones(2), (2, 2))
show(x.to_sparse_csc().ccol_indices().dtype, x.to_sparse_bsr((1, 1)).col_indices().dtype)
copied = x.to("cpu", copy=True)
show(x.crow_indices().data_ptr() == copied.crow_indices().data_ptr())
show(t.tensor(0.0).to_sparse(), t.tensor(2.0).to_sparse())
""",
    "products of sparse tensors of different dtypes": """
a, b = t.eye(2).to_sparse(), t.eye(2).double().to_sparse()
attempt(lambda: t.sparse.mm(a, b), lambda: t.mm(a, b), lambda: a @ b, lambda: t.sparse.mm(a, b.to_dense()))
attempt(lambda: t.mm(a, b.to_dense()), lambda: t.mm(b.to_dense(), a))
attempt(lambda: t.sparse.mm(a.to_sparse_csr(), b.to_sparse_csr()))
""",
    "out= that partly is one of two operands": """
for name in "div floor_divide remainder fmod pow copysign xlogy float_power clamp_min".split():
    d, op = t.arange(1.0, 19, dtype=t.float64), getattr(t, name)
    o = d[:9].clone()
    attempt(lambda: op(d[1:10], o, out=d[:9]), lambda: op(o, d[1:10], out=d[:9]))
    attempt(lambda: op(d[:9], o, out=d[:9]))
    attempt(lambda: op(d[:9].view(3, 3), o.view(3, 3), out=d[:9].view(3, 3).t()))
""",
    "storages that are shared, and bases of tensors": """
s, u = t.FloatStorage(3), t.UntypedStorage(8)
attempt(lambda: s.copy_(t.TypedStorage([1, 2, 3], device="meta", dtype=t.float32)))
show(s.share_memory_().is_shared(), s.untyped().is_shared(), u.share_memory_() is u, u.is_shared())
attempt(lambda: type("T", (t._C.TensorBase,), {}))
""",
    "gradients of functions of sparse tensors": """
x = t.tensor([[1.0, 0, -2], [0, 3, 0]]).to_sparse().requires_grad_()
for name in ("abs", "sign", "neg", "relu", "trunc", "square", "floor", "log1p"):
    getattr(t, name)(x).to_dense().nan_to_num().sum().backward()
    show(name, x.grad.to_dense())
    x.grad = None
""",
    "sparse numbers": """
k = t.tensor(2.0).to_sparse()
u = t.sparse_coo_tensor(t.zeros(0, 2).long(), t.tensor([1.0, 2.0]), ())
show(k * u, u * k, u * 2, u * t.tensor(3).to_sparse(), t.tensor(3).to_sparse() * u)
attempt(lambda: t.tensor(2.0).to_sparse(0), lambda: t.tensor(2.0).to_sparse(1))
attempt(lambda: t.ones(2).to_sparse(0))
attempt(lambda: t.ones(2).to_sparse(2), lambda: t.ones(2).to_sparse(-1))
attempt(lambda: t.masked.sum(k, mask=t.tensor(True)))
attempt(lambda: t.masked.prod(k, mask=t.tensor(False).to_sparse()))
""",
    "numbers of NumPy among Python's": """
show(t.tensor(((7, 5), (9, np.array(5.0)))).dtype, t.tensor([1.0, np.float64(2)]).dtype)
show(t.tensor([1, np.float32(2)]).dtype, t.tensor([1.0, 2]).dtype, t.tensor([[1.0], [True]]).dtype)
""",
    "grids, evenly spaced numbers and the default storage": """
a = t.tensor([1, 2])
attempt(lambda: t.meshgrid(a, a, indexing=""), lambda: t.meshgrid(a, a.to("meta"), indexing="ij"))
attempt(lambda: t.meshgrid(a, t.ones(2, 2), indexing="ij"))
for d in (t.bfloat16, t.float16, t.float32, t.int32):
    show(t.linspace(-100, 100, 401, dtype=d), t.linspace(3, -2, 9, dtype=d))
kinds = [t.Storage is t.FloatStorage]
t.set_default_dtype(t.float64)
kinds.append(t.Storage is t.DoubleStorage)
t.set_default_dtype(t.float32)
show(kinds)
""",
    "strides of copies and of results of several operands": """
x = t.ones(4, 3, 2)[:, :, ::2]
for order in itertools.permutations(range(3)):
    y = x.permute(order)
    show(y.clone().stride(), (y * y).stride(), (y + 1).stride(), y.double().stride())
    show(t.zeros_like(y).stride(), t.full_like(y, 2).stride(), t.rand_like(y).stride())
""",
    "copies of narrowed tensors": """
x, s = t.zeros(4, 5), t.zeros(3, 4, 2).to_sparse(2)
for place in ((2, 0, 0), (-3, 0, 0), (0, 5, 0), (0, 4, 0), (0, -1, 1), (0, 0, -1), (0, 3, 2), (-1, 0, 1)):
    attempt(lambda: x.narrow_copy(*place).shape, lambda: s.narrow_copy(*place).shape)
attempt(lambda: s.narrow_copy(2, 1, 1).shape, lambda: s.narrow_copy(2, 1, 2))
""",
    "bilinear in 16 bits": """
for d in (t.bfloat16, t.float16):
    a, b, w = (t.arange(float(n)).reshape(size).mul(0.37).sin().to(d) for n, size in
               ((20, (4, 5)), (24, (4, 6)), (210, (7, 5, 6))))
    show(t.nn.functional.bilinear(a, b, w), t.nn.functional.bilinear(a[0], b[0], w, w[:, 0, 0]))
""",
    "memory that NumPy sees is not exchanged": """
x, y, z = t.zeros(5), t.from_numpy(np.ones(3)), t.zeros(5)
show(x.storage().resizable())
array = x.numpy()
show(x.storage().resizable(), z.storage().resizable())
attempt(lambda: x.resize_(10), lambda: x.resize_(2), lambda: y.resize_(3), lambda: y.resize_(4))
attempt(lambda: z.resize_(6).shape)
for count in (4, 9):
    lent, seen = t.zeros(5), None
    seen = lent.numpy()
    attempt(lambda: t.add(t.ones(count), 1, out=lent).shape)
attempt(lambda: np.asarray(z).resize(9), lambda: x.set_(x.untyped_storage(), 0, (3, 3)))
attempt(lambda: t.zeros(2).resize_(4).shape)
""",
    "private names of typed storages": """
f = t.FloatStorage([1, 2])
f._setitem(slice(0, 2), 3)
show(t.FloatStorage._dtype, f._size(), f._nbytes(), f._element_size(), f._is_shared(), f, f._deepcopy({}))
nothing = t.TypedStorage([1, 2], device="meta", dtype=t.float32)
attempt(lambda: nothing._write_file(io.BytesIO(), False, True, 4))
""",
}


# What is said once in a process only: whether it is said here depends on what ran before.
ONCE = ("Sparse invariant checks", "Sparse CSR tensor support", "TypedStorage is deprecated")


def outcome(library: Any, program: str) -> list[str]:
    """What the program shows, with its warnings."""
    lines: list[str] = []

    def show(*values: Any) -> None:
        lines.extend(repr(v) for v in values)

    def attempt(*calls: Any) -> None:
        for call in calls:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                try:
                    lines.append(repr(call()))
                except Exception as error:
                    lines.append(f"{type(error).__name__}: {error}")
            texts = (str(w.message).partition(" (Triggered")[0] for w in told)
            lines.extend(text for text in texts if not text.startswith(ONCE))

    scope = {"t": library, "np": np, "copy": copy, "io": io, "itertools": itertools}
    scope |= {"show": show, "attempt": attempt}
    library.manual_seed(0)
    exec(program, scope)
    return lines


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("program", PROGRAMS.values(), ids=list(PROGRAMS))
def test_a_program_shows_what_it_shows_in_pytorch(program: str) -> None:
    found = outcome(xp, program)
    assert found == outcome(torch, program)
    assert found
