"""Records what PyTorch draws on CPU, into tests/data/rng.json: `python tools/record_rng.py`.

Needs the oracle extra. `--exhaustive` compares instead all 2^24 values that each of the two uniforms of a
float32 Box-Muller pair can take, by giving PyTorch's generator states made to yield them (a minute).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from rng_calls import Call, digest, is_exact, picked, sequence, weights  # noqa: E402

from cotangent.kernels.boxmuller import normals_32  # noqa: E402

OUT = ROOT / "tests" / "data" / "rng.json"
SEEDS = (0, 1, -7, 2**40 + 7, 2**64 - 1)
LENGTH = 60


def as_array(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    """The tensor's elements; bfloat16 as int16."""
    tensor = tensor.detach().contiguous()
    return (tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


def as_tensor(values: np.ndarray[Any, Any], dtype: torch.dtype) -> torch.Tensor:
    """The tensor with these elements."""
    values = np.ascontiguousarray(values)
    if dtype == torch.bfloat16:
        return torch.from_numpy(values.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(values)


def theirs(generator: torch.Generator, call: Call) -> np.ndarray[Any, Any]:
    """What PyTorch draws for `call`."""
    name, dtype_name, size, arguments = call
    dtype = getattr(torch, dtype_name)
    empty = torch.empty(size, dtype=dtype)
    if name in ("uniform", "normal", "log_normal", "exponential", "cauchy", "bernoulli", "geometric"):
        return as_array(getattr(empty, f"{name}_")(*arguments, generator=generator))
    if name == "normal_strided":
        return as_array(torch.empty(size, 2, dtype=dtype)[:, 0].normal_(*arguments, generator=generator))
    if name in ("randint", "randint_small"):
        return as_array(empty.random_(*arguments, generator=generator))
    if name == "random_full":
        return as_array(empty.random_(generator=generator))
    if name == "randperm":
        return as_array(torch.randperm(size, dtype=dtype, generator=generator))
    if name == "trunc_normal":
        return as_array(torch.nn.init.trunc_normal_(empty, *arguments, generator=generator))
    given = as_tensor(weights(size, dtype_name), dtype)
    if name == "normal_around":
        mean: Any = 0.25 if arguments[0] == "std" else given
        std: Any = 0.5 if arguments[0] == "mean" else given.flip(0)
        return as_array(torch.normal(mean, std, generator=generator))
    if name == "bernoulli_around":
        return as_array(torch.bernoulli(given, generator=generator))
    if name == "poisson":
        return as_array(torch.poisson(given * arguments[0], generator=generator))
    if name == "binomial":
        trials = (given.flip(0) * (arguments[0] * 10)).floor()
        return as_array(torch.binomial(trials, given, generator=generator))
    if name == "multinomial":
        return as_array(torch.multinomial(given, *arguments, generator=generator))
    # The last two know no generator= and draw from the default one.
    torch.set_rng_state(generator.get_state())
    if name == "dropout":
        drawn = torch.nn.functional.dropout(torch.ones(size, dtype=dtype), *arguments)
    else:
        drawn = torch.nn.functional.rrelu(given - 0.5, *arguments, training=True)
    generator.set_state(torch.get_rng_state())
    return as_array(drawn)


def record() -> list[dict[str, Any]]:
    """One row a seed: the calls, a digest or some bits of each answer, and a digest of the last state."""
    rows = []
    for place, seed in enumerate(SEEDS):
        generator = torch.Generator()
        generator.manual_seed(seed)
        answers: list[Any] = []
        calls = sequence(place, LENGTH)
        for call in calls:
            drawn = theirs(generator, call)
            answers.append(digest(drawn) if is_exact(call) else picked(drawn))
        state = generator.get_state().numpy()
        rows.append(
            {
                "seed": seed,
                "calls": [[call, answer] for call, answer in zip(calls, answers)],
                # Without the cached normal number, which the C library has a hand in.
                "state": digest(state[:5024]),
            }
        )
    return rows


def untempered(words: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The generator's inner words that yield these outputs: MT19937's tempering, undone."""
    y = words.astype(np.uint32)
    y ^= y >> 18
    y ^= (y << 15) & np.uint32(0xEFC60000)
    left = y
    for _ in range(5):
        left = y ^ ((left << 7) & np.uint32(0x9D2C5680))
    right = left
    for _ in range(3):
        right = left ^ (right >> 11)
    return right


def exhaustive() -> int:
    """Count the differences between PyTorch's float32 normals and ours over all uniforms."""
    per_state = 304  # pairs; a state holds 623 words that need no regeneration
    torch.manual_seed(0)
    state = torch.get_rng_state()
    raw = state.numpy()
    raw[8:12].view(np.int32)[0], raw[16:24].view(np.uint64)[0] = 624, 1
    inner = raw[24 : 24 + 624 * 8].view(np.uint64)
    different = 0
    for first in range(0, 1 << 24, per_state):
        k = np.arange(first, min(first + per_state, 1 << 24), dtype=np.uint64)
        k = np.pad(k, (0, -k.size % 8), mode="edge")
        words = np.empty((k.size // 8, 2, 8), np.uint32)
        words[:, 0] = k.reshape(-1, 8)
        words[:, 1] = (k * np.uint64(2654435761) % np.uint64(1 << 24)).reshape(-1, 8)  # a permutation
        inner[1 : 1 + words.size] = untempered(words.ravel())
        torch.set_rng_state(state)
        wanted = torch.randn(words.size).numpy()
        uniforms = words.astype(np.float32) * np.float32(2.0**-24)
        normals_32(uniforms)
        got = uniforms.ravel() + np.float32(0.0)
        different += int(np.count_nonzero(got.view(np.int32) != wanted.view(np.int32)))
    return different


def main() -> None:
    """Record, or compare exhaustively."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exhaustive", action="store_true")
    torch.set_num_threads(1)
    if parser.parse_args().exhaustive:
        print(f"{exhaustive()} of {2 << 24} float32 normals differ from PyTorch {torch.__version__}")
        return
    rows = record()
    with OUT.open("w", encoding="utf-8") as file:
        file.write(json.dumps({"torch": torch.__version__, "rows": rows}, separators=(",", ":")) + "\n")
    print(f"{sum(len(row['calls']) for row in rows)} calls written to {OUT.name}")


if __name__ == "__main__":
    main()
