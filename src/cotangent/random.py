"""Random numbers: PyTorch's own CPU stream, so that the same seed gives the same numbers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from . import dtypes, lazy
from .autograd.modes import modes
from .autograd.outs import warn_resized
from .config import settings
from .creation import born, check_dtype, placed
from .drawing import NO_OUT, as_memory_goes, drawn
from .errors import bad_argument, check_broadcast, type_name, unfit
from .factories import written
from .kernels.rng import Stream, check_seed, default_stream
from .ops.arguments import as_number, integers
from .ops.noise import (
    bernoulli_around,
    binomial_around,
    normal_around,
    normal_around_both,
    poisson_around,
)
from .size import check_device, device, places
from .tensor import Tensor

counts: Any = lazy.module("cotangent.kernels.counts")
discrete: Any = lazy.module("cotangent.kernels.discrete")
sampling: Any = lazy.module("cotangent.kernels.sampling")


class Generator:
    """A source of random numbers with a state of its own.

    Args:
        device: "cpu" or None.

    Example:
        >>> import cotangent as torch
        >>> torch.rand(1, generator=torch.Generator().manual_seed(0))
        tensor([0.4963])
    """

    __module__ = "torch"

    def __init__(self, device: Any = None) -> None:
        if device is not None:
            _check_generator_device(device)
        self._own: Stream | None = Stream()

    @property
    def _stream(self) -> Stream:
        return default_stream() if self._own is None else self._own

    @property
    def device(self) -> device:
        """Where it draws."""
        return device("cpu")

    def manual_seed(self, seed: int) -> Generator:
        """Start the sequence that belongs to `seed`; returns the generator."""
        self._stream.manual_seed(_seed(seed))
        return self

    def seed(self) -> int:
        """Start somewhere nobody can foresee; returns the seed chosen."""
        return self._stream.seed()

    def initial_seed(self) -> int:
        """The seed it was started with."""
        return self._stream.initial_seed()

    def get_state(self) -> Any:
        """The state as a tensor of bytes, in PyTorch's layout."""
        return born(self._stream.get_state())

    def set_state(self, new_state: Any) -> Generator:
        """Continue from a state that `get_state` (here or in PyTorch) returned."""
        if not isinstance(new_state, Tensor):
            raise TypeError(f"expected a torch.ByteTensor, but got {type(new_state).__name__}")
        self._stream.set_state(new_state._data)
        return self

    def clone_state(self) -> Generator:
        """A generator that continues from the same place on its own."""
        made = Generator()
        made._own = self._stream.clone()
        return made

    def __reduce__(self) -> Any:
        return (_restored, (self.get_state(),))


def _check_generator_device(value: Any) -> None:
    try:
        check_device(value)
    except (AssertionError, NotImplementedError) as error:
        raise RuntimeError(f"Generators draw on the CPU only: {error}") from None


def _restored(state: Any) -> Generator:
    made = Generator()
    made.set_state(state)
    return made


default_generator: Final = Generator.__new__(Generator)
default_generator._own = None


def _seed(seed: Any) -> int:
    return seed.__index__() if isinstance(seed, (np.integer, Tensor)) else seed


def manual_seed(seed: int) -> Generator:
    """Start the default sequence that belongs to `seed`.

    Args:
        seed: an integer, or what `int` makes one of.

    Returns:
        the default generator.

    Raises:
        ValueError, TypeError: if it is no number, or does not fit 64 bits.

    Example:
        >>> import cotangent as torch
        >>> _ = torch.manual_seed(0)
        >>> torch.rand(2)
        tensor([0.4963, 0.7682])
    """
    value = int(seed)
    check_seed(value)
    return default_generator.manual_seed(value)


def seed() -> int:
    """Start the default sequence somewhere nobody can foresee; returns the seed chosen."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed the default sequence was started with.

    Example:
        >>> import cotangent as torch
        >>> _ = torch.manual_seed(3)
        >>> torch.initial_seed()
        3
    """
    return default_generator.initial_seed()


def get_rng_state() -> Any:
    """The state of the default sequence, as a tensor of bytes in PyTorch's layout."""
    return default_generator.get_state()


def set_rng_state(new_state: Any) -> None:
    """Continue the default sequence from a state that `get_rng_state` returned."""
    default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng(
    devices: Any = None, enabled: bool = True, _caller: str = "fork_rng", _devices_kw: str = "devices",
    device_type: str = "cuda",
) -> Iterator[None]:  # fmt: skip
    """For a block: draw freely; afterwards the default sequence continues as if nothing had been drawn.

    Args:
        devices: other devices whose state to keep; there are none here.
        enabled: whether it does anything.

    Example:
        >>> import cotangent as torch
        >>> _ = torch.manual_seed(0)
        >>> with torch.random.fork_rng():
        ...     _ = torch.rand(5)
        >>> torch.rand(1)
        tensor([0.4963])
    """
    if devices is not None:
        list(devices)
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)


# -- new tensors
# ----------------------------------------------------------------------------------------------


class _Request:
    """The options every random factory takes, read once."""

    def __init__(self, function: str, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        self.function = function
        if "size" in options:
            args = (options.pop("size"),)
        self.dtype = check_dtype(function, options.pop("dtype", None))
        self.requires_grad = options.pop("requires_grad", False)
        self.out = options.pop("out", None)
        self.asked = self.dtype
        if self.out is not None:
            if modes.vmaps:
                raise RuntimeError(NO_OUT)
            self.dtype = self.dtype or self.out.dtype
        generator = options.pop("generator", None)
        if generator is not None and not isinstance(generator, Generator):
            got = ", ".join([type_name(a) for a in args] + [f"generator={type_name(generator)}"])
            raise unfit(
                f"{function}() received an invalid combination of arguments - got ({got}), but expected one "
                "of:\n"
                " * (tuple of ints size, *, torch.Generator generator, ...)\n"
            )
        self.stream = default_stream() if generator is None else generator._stream
        device = options.get("device")
        self.where = places[-1] if device is None else check_device(device)
        for key in options:
            if key not in ("device", "layout", "pin_memory", "memory_format", "names"):
                raise TypeError(f"{function}() got an unexpected keyword argument '{key}'")
        self.shape = sizes_of(function, args)

    def finish(self, make: Callable[..., Any], *arrays: Any, apart: bool = False) -> Any:
        """The tensor that `make(shape, *arrays)` draws the numbers of; see `drawn`."""
        if self.where.type == "meta" and self.out is None and not arrays:  # nothing is drawn
            whole = self.function in ("randint", "randperm")
            d = self.dtype or (dtypes.int64 if whole else settings.default_dtype)
            return placed(born(np.empty(self.shape, d.np), self.requires_grad), self.where)
        made = drawn(self.stream, make, self.shape, *arrays, apart=apart)
        if self.out is not None:
            if arrays and self.function == "normal":
                warn_resized(self.out, made._data.shape)
            return written(self.out, self.asked, as_memory_goes(made._data, self.out._data))
        return made.requires_grad_() if self.requires_grad else made


def sizes_of(function: str, args: tuple[Any, ...]) -> tuple[int, ...]:
    """Sizes of a new tensor, checked."""
    if len(args) == 1 and isinstance(args[0], str):
        bad_argument(function, "size", 1, "tuple of ints", args[0])
    shape = integers(function, "size", args) if args else ()
    for n in shape:
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {list(shape)}")
    return shape


def _floating(request: _Request) -> Any:
    return (request.dtype or settings.default_dtype).np


def rand(*size: Any, **options: Any) -> Any:
    """Uniform numbers in [0, 1).

    Args:
        size: sizes, separately or as one sequence.
        options: generator, dtype, device, requires_grad, out as in PyTorch.

    Returns:
        a new tensor.

    Raises:
        NotImplementedError: for an integer dtype.

    Example:
        >>> import cotangent as torch
        >>> _ = torch.manual_seed(0)
        >>> torch.rand(2, 2)
        tensor([[0.4963, 0.7682],
                [0.0885, 0.1320]])
    """
    request = _Request("rand", size, options)
    return request.finish(lambda shape: sampling.uniform(request.stream, shape, _floating(request)))


def randn(*size: Any, **options: Any) -> Any:
    """Normal numbers of mean 0 and standard deviation 1.

    Args:
        size: sizes, separately or as one sequence.
        options: generator, dtype, device, requires_grad, out as in PyTorch.

    Returns:
        a new tensor.

    Raises:
        NotImplementedError: for an integer dtype.

    Example:
        >>> import cotangent as torch
        >>> _ = torch.manual_seed(0)
        >>> torch.randn(2, 2)
        tensor([[ 1.5410, -0.2934],
                [-2.1788,  0.5684]])
    """
    request = _Request("randn", size, options)
    return request.finish(lambda shape: sampling.normal(request.stream, shape, _floating(request)))


def randint(*args: Any, **options: Any) -> Any:
    """Integers in [low, high).

    Args:
        args: `high, size` or `low, high, size` (also by keyword).
        options: generator, dtype (int64), device, requires_grad, out as in PyTorch.

    Returns:
        a new tensor.

    Raises:
        RuntimeError: if the range is empty or does not fit the dtype.

    Example:
        >>> import cotangent as torch
        >>> _ = torch.manual_seed(0)
        >>> torch.randint(10, (3,))
        tensor([4, 9, 3])
    """
    given = list(args)
    size = options.pop("size") if "size" in options else (given.pop() if given else None)
    low, high = options.pop("low", None), options.pop("high", None)
    if len(given) == 2:
        low, high = given
    elif len(given) == 1:
        low, high = (low, given[0]) if high is None else (given[0], high)
    bounds = [0 if low is None else low, high]
    if high is None or not isinstance(size, (tuple, list)) or any(
        isinstance(b, float) or not hasattr(b, "__index__") for b in bounds
    ):
        got = ", ".join(type_name(a) for a in args)
        raise unfit(
            f"randint() received an invalid combination of arguments - got ({got}), but expected one of:\n"
            " * (int high, tuple of ints size, ...)\n * (int low, int high, tuple of ints size, ...)\n"
        )
    request = _Request("randint", (size,), options)
    d = (request.dtype or dtypes.int64).np
    first, last = (b.__index__() for b in bounds)
    return request.finish(lambda shape: discrete.randint(request.stream, shape, d, first, last))


def randperm(n: int, **options: Any) -> Any:
    """A random permutation of 0 .. n - 1.

    Args:
        n: how many numbers.
        options: generator, dtype (int64), device, requires_grad, out as in PyTorch.

    Returns:
        (n,).

    Raises:
        RuntimeError: if `n` is negative.

    Example:
        >>> import cotangent as torch
        >>> _ = torch.manual_seed(0)
        >>> torch.randperm(4)
        tensor([0, 1, 3, 2])
    """
    if isinstance(n, (float, str)) or not hasattr(n, "__index__"):
        bad_argument("randperm", "n", 1, "int", n)
    request = _Request("randperm", (n,), options)
    d = (request.dtype or dtypes.int64).np
    return request.finish(lambda shape: discrete.randperm(request.stream, shape[-1], d), apart=True)


def _like(
    function: str, source: Any, make: Callable[..., Any], options: dict[str, Any], *bounds: Any
) -> Any:
    if not isinstance(source, Tensor):
        bad_argument(function, "input", 1, "Tensor", source)
    options.setdefault("dtype", None)
    if options["dtype"] is None:
        options["dtype"] = source.dtype
    memory_format = options.pop("memory_format", None)
    data = source._data
    plain = data.__class__ is not np.ndarray or (data.flags.c_contiguous and memory_format is None)
    inner = modes.vmaps[-1] if modes.vmaps else None
    if inner is not None and inner.owns(source) and inner.randomness == "different":
        plain = source._data.bdim == 0  # as the batch lies in memory
    if plain or (inner is not None and not inner.owns(source)):
        return make(*bounds, tuple(source.shape), **options)
    generator, requires_grad = options.pop("generator", None), options.pop("requires_grad", False)
    laid = {} if memory_format is None else {"memory_format": memory_format}
    place = source.detach().clone(**laid).to(options["dtype"])
    made = getattr(place, _IN_PLACE[function])(*bounds, generator=generator)
    return made.requires_grad_() if requires_grad else made


# The methods that fill a tensor, whatever its order in memory, with the numbers of these functions.
_IN_PLACE: Final = {"rand_like": "uniform_", "randn_like": "normal_", "randint_like": "random_"}


def rand_like(input: Any, **options: Any) -> Any:
    """Uniform numbers in [0, 1) of the shape and dtype of `input`."""
    return _like("rand_like", input, rand, options)


def randn_like(input: Any, **options: Any) -> Any:
    """Normal numbers of the shape and dtype of `input`."""
    return _like("randn_like", input, randn, options)


def randint_like(input: Any, low: Any = None, high: Any = None, **options: Any) -> Any:
    """Integers in [low, high) of the shape and dtype of `input`; in [0, low) without `high`."""
    if low is None and high is None:
        raise TypeError('randint_like() missing 1 required positional arguments: "high"')
    bounds = (0, low) if high is None else (low or 0, high)
    return _like("randint_like", input, randint, options, *bounds)


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Any = None,
    out: Any = None,
    **options: Any,
) -> Any:
    """Normal numbers with given means and standard deviations.

    Args:
        mean: number or tensor.
        std: number or tensor.
        size: shape, if both are numbers.
        generator: source of the numbers.
        out: tensor to write the result to.
        options: dtype, device, requires_grad, if both are numbers.

    Returns:
        a tensor of the broadcast shape.

    Raises:
        RuntimeError: for negative standard deviations.

    Example:
        >>> import cotangent as torch
        >>> _ = torch.manual_seed(0)
        >>> torch.normal(10.0, torch.zeros(2))
        tensor([10., 10.])
    """
    if size is not None:
        mean, std = as_number("normal", "mean", 1, mean, "float"), as_number("normal", "std", 2, std, "float")
    if not (isinstance(mean, Tensor) or isinstance(std, Tensor)):
        request = _Request("normal", (size,), {"generator": generator, "out": out, **options})
        return request.finish(
            lambda shape: sampling.normal(request.stream, shape, _floating(request), float(mean), float(std))
        )
    request = _Request("normal", (), {"generator": generator, "out": out})
    d = (mean if isinstance(mean, Tensor) else std).dtype.np

    def around(shape: Any, *given: Any) -> Any:
        feed = iter(given)
        two = (v if isinstance(v, (int, float)) else next(feed) for v in (mean, std))
        return sampling.normal_around(request.stream, *two, d)

    both = isinstance(mean, Tensor) and isinstance(std, Tensor)
    if both:
        check_broadcast([tuple(mean.shape), tuple(std.shape)])
    found = request.finish(around, *(v for v in (mean, std) if not isinstance(v, (int, float))))
    return depending(normal_around_both if both else normal_around, found, mean, std)


def bernoulli(input: Any, p: Any = None, *, generator: Any = None, out: Any = None) -> Any:
    """Ones with the probabilities in `input` (or all with probability p), else zeros.

    Args:
        input: probabilities.
        p: one probability for all, of the shape and dtype of `input`.
        generator: source of the numbers.
        out: tensor to write the result to.

    Returns:
        a tensor like `input`.

    Raises:
        RuntimeError: for probabilities outside [0, 1].

    Example:
        >>> import cotangent as torch
        >>> torch.bernoulli(torch.tensor([0.0, 1.0]))
        tensor([0., 1.])
    """
    request = _Request("bernoulli", (), {"generator": generator, "out": out})
    d = input.dtype.np
    if p is not None:
        return request.finish(
            lambda shape, like: discrete.bernoulli(request.stream, (*shape, *like.shape), d, p), input
        )
    found = request.finish(
        lambda shape, chances: discrete.bernoulli_around(
            request.stream, np.broadcast_to(chances, (*shape, *chances.shape)), d
        ),
        input,
    )
    return depending(bernoulli_around, found, input)


def depending(around: Any, made: Any, *parameters: Any) -> Any:
    """Random numbers as results of those parameters that are tensors, where gradients are asked for."""
    given = [p for p in parameters if isinstance(p, Tensor)]
    if modes.grad is None or not any(p.requires_grad for p in given):
        return made
    return around(made, *given)


def multinomial(
    input: Any, num_samples: int, replacement: bool = False, *, generator: Any = None, out: Any = None
) -> Any:
    """Indices drawn with the weights in `input`.

    Args:
        input: (n,) or (rows, n) non-negative weights.
        num_samples: how many per row.
        replacement: whether an index may come twice.
        generator: source of the numbers.
        out: tensor to write the result to.

    Returns:
        (num_samples,) or (rows, num_samples), int64.

    Raises:
        RuntimeError: for weights that cannot be drawn from.

    Example:
        >>> import cotangent as torch
        >>> torch.multinomial(torch.tensor([0.0, 1.0]), 1)
        tensor([1])
    """
    if out is not None and out.dtype is not dtypes.int64:
        raise RuntimeError(f"multinomial expects Long tensor out, got: {dtypes.SCALAR_NAME[out.dtype]}")
    request = _Request("multinomial", (), {"generator": generator, "out": out})
    return request.finish(
        lambda shape, weights: _rows(
            lambda rows: counts.multinomial(request.stream, rows, num_samples, replacement),
            np.broadcast_to(weights, (*shape, *weights.shape)),
            input.ndim,
        ),
        input,
    )


def _rows(draw: Callable[[Any], Any], weights: Any, ndim: int) -> Any:
    """What `draw` makes of rows of weights, where batches have put more dimensions than `ndim` in front."""
    if weights.ndim == ndim:
        return draw(weights)
    found = draw(weights.reshape(-1, weights.shape[-1]))
    return found.reshape(*weights.shape[:-1], found.shape[-1])


def poisson(input: Any, generator: Any = None) -> Any:
    """Poisson numbers with the rates in `input`."""
    request = _Request("poisson", (), {"generator": generator})
    found = request.finish(lambda shape, rates: counts.poisson(request.stream, rates), input)
    return depending(poisson_around, found, input)


def binomial(count: Any, prob: Any, generator: Any = None) -> Any:
    """Binomial numbers with the given counts and probabilities."""
    request = _Request("binomial", (), {"generator": generator})
    found = request.finish(
        lambda shape, trials, chances: counts.binomial(request.stream, trials, chances),
        count,
        prob,
    )
    return depending(binomial_around, found, count, prob)


def thread_safe_generator() -> Any:
    """The generator of the thread of a data loader that asks: None, as its workers are processes.

    Example:
        >>> import cotangent as torch
        >>> torch.random.thread_safe_generator() is None
        True
    """
    return None


for _draw in (bernoulli, multinomial):
    setattr(Tensor, _draw.__name__, _draw)

__all__ = [
    "Generator", "bernoulli", "binomial", "default_generator", "get_rng_state", "initial_seed", "manual_seed",
    "multinomial", "normal", "poisson", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like",
    "randperm", "seed", "set_rng_state",
]  # fmt: skip
