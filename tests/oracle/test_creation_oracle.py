"""Making tensors: calls at the edges of what factories take, in both libraries."""

import array
import random
import warnings

import numpy as np
import pytest

import cotangent

oracle = pytest.importorskip("torch")


class Bad:
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, k):
        raise TypeError


class Good(Bad):
    def __getitem__(self, k):
        return self.items[k]


LOOP = [0]
LOOP += [LOOP]
CASES = """
torch.linspace(1,10,10,out=torch.rand(1).expand(10))
torch.logspace(1,10,10,out=torch.rand(1).expand(10))
torch.arange(10,out=torch.rand(1).expand(10))
torch.arange(-1,1,2.0/49,dtype=torch.float32,out=torch.zeros(1,49)).shape
torch.arange(4,out=torch.zeros(2,2))
torch.arange(4,out=torch.zeros(0))
torch.arange(4,out=torch.zeros(3))
torch.arange(4,out=torch.zeros(4,dtype=torch.int64))
torch.arange(4.,out=torch.zeros(4,dtype=torch.int64))
torch.linspace(0,3,4,out=torch.zeros(2,3).narrow(1,1,2))
torch.linspace(0,3,4,out=torch.zeros(2,3))
torch.linspace(0,3,4,out=torch.zeros(4,dtype=torch.int64))
torch.linspace(0,3,4,out=torch.zeros(4),dtype=torch.float64)
torch.logspace(0,3,4,out=torch.zeros(2,3).narrow(1,1,2))
torch.zeros((3,4),out=torch.ones(2))
torch.zeros((2,),dtype=torch.int64,out=torch.ones(2))
torch.zeros((2,),layout=torch.sparse_coo,out=torch.ones(2))
torch.ones((2,),out=torch.zeros(2,dtype=torch.int64))
torch.full((2,),3,out=torch.zeros(3))
torch.eye(2,out=torch.zeros(3))
torch.tensor(Bad([1,2]))
torch.tensor(Good([1,2]))
torch.tensor(LOOP)
torch.as_tensor(LOOP)
torch.tensor([0,"torch"])
torch.roll(torch.arange(6).view(2,3),1,dims=None)
torch.arange(6).view(2,3).roll(1,None)
torch.ones(2).new_empty_strided((2,),())
torch.empty_strided((2,),())
torch.empty([2,4,2**29,2**29],dtype=torch.float64)
torch.empty([8,8,2**29,2**29],dtype=torch.float64)
torch.empty_strided([8,8],[2**61,1],dtype=torch.float64)
torch.empty([0,4,2305843009213693952],dtype=torch.float32)
torch.zeros([2,4,2**29,2**29])
torch.linspace(0,1j,5,dtype=torch.float32)
torch.linspace(0j,1,5)
torch.linspace(0,1j,5)
torch.logspace(0,1j,5,dtype=torch.float32)
torch.logspace(0,1j,3)
seeded(lambda: torch.randint(0,9,(4,),out=o(4)))
seeded(lambda: torch.randint(0,9,(4,),out=o(4,dtype=torch.int64)))
seeded(lambda: torch.randint(0,9,(4,),out=o(4),dtype=torch.float32))
seeded(lambda: torch.randint(0,9,(4,),out=o(4),dtype=torch.int64))
seeded(lambda: torch.randn(3,out=o(3,dtype=torch.float64)))
seeded(lambda: torch.rand(3,out=o(3,dtype=torch.float64)))
seeded(lambda: torch.rand(3,out=o(2)))
seeded(lambda: torch.rand(2,2,out=o(0)))
seeded(lambda: torch.rand(2,2,out=o(2,2).t()))
seeded(lambda: torch.rand(2,out=o(2,dtype=torch.int64)))
seeded(lambda: torch.randn(20,out=o(20,dtype=torch.float16)))
seeded(lambda: torch.randn(2,out=o(2,dtype=torch.complex64)))
seeded(lambda: torch.randperm(5,out=o(0,dtype=torch.int64)))
seeded(lambda: torch.randperm(5,out=o(5)))
seeded(lambda: torch.randperm(5,out=o(3)))
torch.randperm(257,out=o(0,dtype=torch.uint8))
torch.randperm(256,dtype=torch.uint8).shape
torch.randperm(257,dtype=torch.uint8)
torch.randperm(2**11+2,dtype=torch.half)
torch.randperm(2**24+2,dtype=torch.float32)
torch.randperm(0,out=torch.tensor(5))
torch.randperm(-1)
seeded(lambda: torch.empty(5,dtype=torch.int8).random_(-128,None))
seeded(lambda: torch.empty(5).random_(0,None))
seeded(lambda: torch.normal(0.,1.,(3,),out=o(2)))
seeded(lambda: torch.bernoulli(torch.full((3,),.5),out=o(2)))
seeded(lambda: torch.multinomial(torch.ones(3),2,out=torch.empty(0,dtype=torch.int64)))
torch.frombuffer(np.array([]),dtype=torch.float32)
torch.frombuffer(bytearray(8),dtype=torch.float32,count=0)
torch.frombuffer(bytearray(8),dtype=torch.float32,offset=-1)
torch.frombuffer(bytearray(8),dtype=torch.float32,offset=8)
torch.frombuffer(bytearray(8),dtype=torch.float32,count=3)
torch.frombuffer(bytearray(8),dtype=torch.float32,count=1,offset=6)
torch.frombuffer(bytearray(7),dtype=torch.float32)
torch.frombuffer(bytearray(8),dtype=torch.float32,count=-2)
torch.frombuffer([1,2],dtype=torch.float32)
torch.frombuffer(b'abcd',dtype=torch.uint8)
torch.frombuffer(array.array('i',[1,2,3]),dtype=torch.int32)
torch.frombuffer(bytearray(2),dtype=torch.bfloat16)
torch.frombuffer(bytearray(8),dtype=torch.float32,requires_grad=True)
torch.frombuffer(bytearray(8),dtype=torch.int32,requires_grad=True)
torch.frombuffer(bytearray(8))
torch.asarray(array.array('f',[1,2,3]))
torch.asarray(bytearray(4))
torch.asarray(b'abcd')
torch.asarray(memoryview(bytearray(8)))
torch.asarray(np.float64(0.5))
torch.asarray(np.float64(0.5),copy=False)
torch.asarray([1,2],copy=False)
torch.asarray(np.arange(3),copy=False)
torch.asarray(np.arange(3),dtype=torch.float32,copy=False)
torch.asarray(torch.ones(2),dtype=torch.float64,copy=False)
torch.asarray(torch.ones(2).__dlpack__())
torch.asarray(array.array('f',[1,2,3]),dtype=torch.float64)
torch.asarray(1.5)
torch.asarray([1.5,2],requires_grad=True)
torch.asarray(torch.ones(2,requires_grad=True),requires_grad=False)
torch.asarray(np.ones(2)[::-1])
torch.asarray(array.array('d',[1,2,3]),dtype=torch.float32,copy=False)
torch.asarray(torch.ones(2),device='meta')
torch.asarray([1,2],device='meta')
torch.asarray(np.ones(2),device='meta',copy=False)
torch.asarray(np.int8(3),dtype=torch.float32,requires_grad=True)
torch.asarray([1],requires_grad=True)
torch.asarray(torch.tensor([1]),requires_grad=True)
torch.asarray([1],copy=3)
torch.asarray(np.array([1],'>i4'))
torch.frombuffer(bytearray(8),dtype=3)
torch.tensor(np.ones(2)[::-1])
torch.as_tensor(np.array([1],'>i4'))
torch.tensor(1+2j,dtype=torch.int64)
torch.tensor([1,2j],dtype=torch.uint8)
torch.tensor(np.float32(3),dtype=torch.int64)
torch.tensor(np.float64(3),dtype=torch.int64)
torch.tensor(b'abc')
torch.tensor([b'abc'])
torch.tensor(torch.ones(2).untyped_storage())
""".strip().split("\n")


def outcome(torch, text):
    def seeded(call):
        torch.manual_seed(3)
        return call()

    scope = {
        "torch": torch, "np": np, "array": array, "Bad": Bad, "Good": Good, "LOOP": LOOP, "seeded": seeded,
        "o": torch.empty,
    }  # fmt: skip
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = eval(text, scope)
        except Exception as error:
            told = type(error).__name__, str(error)
        else:
            strides = found.stride() if isinstance(found, torch.Tensor) and not found.is_sparse else None
            told = str(found), str(getattr(found, "dtype", None)), strides
    warned = sorted({str(w.message).partition(" (Triggered internally")[0] for w in caught})
    return str((told, warned)).replace("cotangent", "torch")


@pytest.mark.parametrize("text", CASES)
def test_calls(text):
    assert outcome(cotangent, text) == outcome(oracle, text)


SHAPES = (
    lambda t: t.rand(3, 1).expand(3, 4),
    lambda t: t.rand(4, 1, 5).expand(4, 3, 5),
    lambda t: t.rand(4, 6, 5)[:, ::2].permute(2, 0, 1),
    lambda t: t.rand(1, 4).expand(3, 4),
    lambda t: t.empty_strided((10, 3, 4), (0, 3, 0)),
    lambda t: t.empty_strided((5, 4), (1, 1)),
    lambda t: t.empty_strided((5, 4, 3), (12, 0, 4)),
    lambda t: t.rand(2, 3, 4, 5).permute(0, 2, 3, 1)[:, :, :, ::2],
)


@pytest.mark.parametrize("make", SHAPES)
def test_strides_of_what_is_like_another(make):
    def strides(t):
        return [f(make(t)).stride() for f in (t.zeros_like, t.empty_like, t.ones_like, t.exp)]

    assert strides(cotangent) == strides(oracle)


INDEXED = (
    "e[..., i]", "e[i]", "e[:, i]", "e[i, i]", "e[i, :, i]", "e[:, i, i]", "e[e > -1]", "e[:, q]", "e[q.t()]",
    "f[i]", "f[:, i]", "f[..., i]", "f[:, :, i]", "f[:, i, i]", "f[i, :, i]", "f[None, :, i]", "f[0, :, i]",
    "torch.where(c > 0, c, d)", "torch.where(d > 0, c, d)", "torch.where(d > 0, d, c)",
)  # fmt: skip


@pytest.mark.parametrize("text", INDEXED)
def test_strides_of_what_is_indexed(text):
    def strides(torch):
        scope = {
            "torch": torch, "e": torch.ones(2, 2, 2).permute(2, 0, 1), "i": torch.tensor([0, 1]),
            "q": torch.tensor([[0, 1], [1, 0]]), "c": torch.ones(2, 3).t(), "d": torch.ones(3, 2),
            "f": torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last),
        }  # fmt: skip
        return eval(text, scope).stride()

    assert strides(cotangent) == strides(oracle)


AS_ARRAY = [
    {}, {"requires_grad": True}, {"requires_grad": False}, {"copy": True},
    {"copy": True, "requires_grad": True}, {"copy": True, "requires_grad": False},
    {"copy": False, "requires_grad": False}, {"dtype": "float64"},
    {"dtype": "float64", "requires_grad": True}, {"dtype": "float64", "requires_grad": False},
]  # fmt: skip


@pytest.mark.parametrize("options", AS_ARRAY, ids=str)
@pytest.mark.parametrize("kind", ["constant", "leaf", "result"])
def test_gradients_of_what_asarray_is_given(kind, options):
    def told(torch):
        x = torch.ones(2, requires_grad=kind != "constant")
        x = x * 2 if kind == "result" else x
        given = {k: getattr(torch, v) if k == "dtype" else v for k, v in options.items()}
        with warnings.catch_warnings(action="ignore"):  # each library says once that the default is another
            y = torch.asarray(x, **given)
        return str(y), y is x, y.requires_grad, x.requires_grad, y.is_leaf, y.data_ptr() == x.data_ptr()

    assert told(cotangent) == told(oracle)


def test_asarray_says_that_the_default_has_changed():
    cotangent.set_warn_always(True)
    try:
        with pytest.warns(UserWarning, match="unspecified requires_grad now defaults to obj.requires_grad"):
            assert cotangent.asarray(cotangent.ones(1, requires_grad=True)).requires_grad
    finally:
        cotangent.set_warn_always(False)


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "float16", "bfloat16", "int64", "complex64", "complex128"]
)
def test_spaced_numbers_are_rounded_as_pytorchs(dtype: str) -> None:
    draw = random.Random(5)
    for _ in range(150):
        start, end = (
            draw.choice([draw.uniform(-5, 5), draw.uniform(-1e3, 1e3), draw.randint(-7, 7)]) for _ in "ab"
        )
        if dtype.startswith("complex"):
            start = complex(start, draw.uniform(-3, 3))
        steps = draw.choice([1, 2, 3, 8, 17, 100])
        for name in ("linspace",) if dtype.startswith("complex") else ("linspace", "logspace"):
            low, high = (start, end) if name == "linspace" else (start / 1e3, end / 1e3)
            wanted = getattr(oracle, name)(low, high, steps, dtype=getattr(oracle, dtype)).tolist()
            found = getattr(cotangent, name)(low, high, steps, dtype=getattr(cotangent, dtype)).tolist()
            if name == "linspace":
                assert found == wanted, (start, end, steps)
            else:
                assert found == pytest.approx(wanted, rel=1e-2 if "16" in dtype else 1e-5)
