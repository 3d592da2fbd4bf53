"""The random streams against PyTorch itself, call by call and state by state."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from record_rng import theirs  # noqa: E402
from rng_calls import bits, ours, sequence  # noqa: E402

from cotangent.kernels import discrete, sampling  # noqa: E402
from cotangent.kernels.rng import Stream  # noqa: E402

SEEDS = (0, 3, -5, 2**35 + 11)


def in_step(stream: Stream, generator: torch.Generator) -> bool:
    return bool((stream.get_state() == generator.get_state().numpy()).all())


@pytest.mark.parametrize("seed", SEEDS)
def test_mixed_calls(seed: int) -> None:
    stream, generator = Stream(seed), torch.Generator().manual_seed(seed)
    for call in sequence(1000 + seed, 300):
        expected = theirs(generator, call)
        assert (bits(ours(stream, call)) == bits(expected)).all(), call
        assert in_step(stream, generator), call


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "complex64", "complex128"])
def test_large_arrays(dtype: str) -> None:
    stream, generator = Stream(2), torch.Generator().manual_seed(2)
    for call in (["normal", dtype, 100_003, [0, 1]], ["uniform", dtype, 100_003, [-0.3, 0.5]]):
        assert (bits(ours(stream, call)) == bits(theirs(generator, call))).all(), call
        assert in_step(stream, generator), call


def test_a_large_permutation() -> None:
    generator = torch.Generator().manual_seed(6)
    expected = torch.randperm(300_007, generator=generator).numpy()
    assert (discrete.randperm(Stream(6), 300_007, np.dtype(np.int64)) == expected).all()


def test_states_pass_both_ways() -> None:
    generator = torch.Generator().manual_seed(9)
    stream = Stream(1)
    for size in (0, 3, 624, 1248, 700):
        torch.randn(size, generator=generator)
        stream.set_state(generator.get_state().numpy())
        assert in_step(stream, generator) and stream.initial_seed() == generator.initial_seed()
        sampling.normal(stream, (size + 1,), np.dtype(np.float64))
        generator.set_state(torch.from_numpy(stream.get_state()))
        assert in_step(stream, generator)


def test_layouts_are_filled_in_memory_order() -> None:
    expected = torch.empty(4, 5, 6).permute(2, 0, 1)
    expected.normal_(generator=torch.Generator().manual_seed(0))
    out = np.empty((4, 5, 6), np.float32).transpose(2, 0, 1)
    view = out.transpose(sampling.iteration_order(out))
    view[...] = sampling.normal(Stream(0), view.shape, out.dtype, contiguous=False)
    assert (out == expected.numpy()).all()
