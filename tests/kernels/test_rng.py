"""The random streams against what PyTorch drew when tests/data/rng.json was recorded, and their own laws."""

from __future__ import annotations

import json
import threading
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, strategies as st
from rng_calls import bits, digest, is_exact, ours, picked

from cotangent.kernels import counts, discrete, fma, sampling
from cotangent.kernels.rng import DEFAULT_SEED, Stream, check_seed, default_stream

RECORDED = json.loads((Path(__file__).parent.parent / "data" / "rng.json").read_text(encoding="utf-8"))
F32, F64, I64 = (np.dtype(name) for name in ("float32", "float64", "int64"))
BF16 = np.dtype(ml_dtypes.bfloat16)


@pytest.mark.parametrize("row", RECORDED["rows"], ids=lambda row: f"seed {row['seed']}")
def test_recorded_sequences(row: dict[str, Any]) -> None:
    stream = Stream(row["seed"])
    for call, answer in row["calls"]:
        drawn = ours(stream, call)
        if is_exact(call):
            assert digest(drawn) == answer, call
        else:  # another C library's logarithm may differ in the last place, which an exponential magnifies
            assert len(answer) == len(picked(drawn)), call
            apart = [abs(a - b) for a, b in zip(picked(drawn), answer)]
            assert max(apart, default=0) <= 64, call
    assert digest(stream.get_state()[:5024]) == row["state"]


def test_numbers_that_people_know() -> None:
    normals = sampling.normal(Stream(0), (3,), F32)
    assert normals.tolist() == pytest.approx([1.5410, -0.2934, -2.1788], abs=1e-4)
    uniforms = sampling.uniform(Stream(42), (2,), F32)
    assert uniforms.tolist() == pytest.approx([0.8823, 0.9150], abs=1e-4)
    assert discrete.randperm(Stream(0), 5, I64).tolist() == [4, 0, 1, 3, 2]


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 1000, 1500])
def test_drawing_in_pieces_is_drawing_at_once(size: int) -> None:
    whole, pieces = Stream(3), Stream(3)
    at_once = whole.words(size)
    assert [pieces.word() for _ in range(size)] == at_once.tolist()
    assert (whole.get_state() == pieces.get_state()).all()
    doubles = sampling.uniforms_64(whole, size)
    assert [pieces.double() for _ in range(size)] == doubles.tolist()


def test_a_saved_state_continues() -> None:
    stream = Stream(5)
    sampling.normal(stream, (7,), F32)  # leaves the eighth number of four pairs behind
    state = stream.get_state()
    assert state.shape == (5056,) and state.dtype == np.uint8
    twin = stream.clone()
    expected = sampling.normal(stream, (20,), F64, contiguous=False)
    assert (sampling.normal(twin, (20,), F64, contiguous=False) == expected).all()
    stream.set_state(state)
    assert (stream.get_state() == state).all() and stream.initial_seed() == 5
    assert (sampling.normal(stream, (20,), F64, contiguous=False) == expected).all()
    stream.manual_seed(5)
    assert stream.next_double is None


def test_unusable_states() -> None:
    stream = Stream(0)
    before = stream.get_state()
    with pytest.raises(TypeError, match=r"^RNG state must be a torch\.ByteTensor$"):
        stream.set_state(np.zeros(5056, np.float32))  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match=r"size 5056 but found the input RNG state size to be 5055$"):
        stream.set_state(np.zeros(5055, np.uint8))
    with pytest.raises(RuntimeError, match=r"^RNG state must be contiguous$"):
        stream.set_state(np.zeros(2 * 5056, np.uint8)[::2])
    with pytest.raises(RuntimeError, match=r"^Invalid mt19937 state$"):
        stream.set_state(np.zeros(5056, np.uint8))
    assert (stream.get_state() == before).all()


def test_seeds() -> None:
    assert Stream().initial_seed() == DEFAULT_SEED == 67280421310721
    assert check_seed(-1) == 2**64 - 1 and check_seed(-(2**63)) == 2**63
    assert (Stream(1).words(9) == Stream(2**32 + 1).words(9)).all()  # only 32 bits of it count
    for seed in (2**64, -(2**63) - 1):
        with pytest.raises(ValueError, match=r"^Overflow when unpacking long long$"):
            check_seed(seed)
    for wrong in (1.5, "1", None, True):
        text = f"^manual_seed expected a long, but got {type(wrong).__name__}$"
        with pytest.raises(RuntimeError, match=text):
            check_seed(wrong)  # type: ignore[arg-type]
    stream = Stream(1)
    assert stream.seed() == stream.initial_seed() != stream.seed()
    assert default_stream() is default_stream()


def test_threads_share_a_stream() -> None:
    stream, parts = Stream(8), []

    def work() -> None:
        parts.extend([sampling.uniform(stream, (2000,), F64) for _ in range(20)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = sampling.uniform(Stream(8), (80, 2000), F64)
    assert sorted(part.tobytes() for part in parts) == sorted(row.tobytes() for row in alone)


FINITE = st.floats(-1e15, 1e15).filter(lambda value: value == 0 or abs(value) > 1e-15)


@given(x=FINITE, factor=FINITE, addend=FINITE)
def test_fused_multiply_add_rounds_once(x: float, factor: float, addend: float) -> None:
    exact = Fraction(x) * Fraction(factor) + Fraction(addend)
    assert fma.fma64(np.array([x]), factor, addend)[0] == float(exact)
    x32, factor32, addend32 = (np.float32(value) for value in (x, factor, addend))
    exact = Fraction(float(x32)) * Fraction(float(factor32)) + Fraction(float(addend32))
    got = fma.fma32(np.array([x32]), factor, addend)[0]
    near = np.float32(float(exact))
    # Fraction -> float64 -> float32 rounds twice; the nearest of the three candidates is the answer.
    candidates = (np.nextafter(near, np.float32(-np.inf)), near, np.nextafter(near, np.float32(np.inf)))
    assert abs(Fraction(float(got)) - exact) == min(abs(Fraction(float(c)) - exact) for c in candidates)


def test_fused_multiply_add_at_a_midpoint() -> None:
    # 1 + 2^-24 lies halfway between two float32; the product's last bit, far below, decides.
    x = np.array([1 + 2.0**-23, 1 - 2.0**-23], np.float32)
    got = fma.fma32(x, 2.0**-24 * (1 - 2.0**-24), 1.0)
    assert got.tolist() == [1 + 2.0**-23, 1.0]
    tiny = fma.fma32(np.array([2.0**-12], np.float32), 2.0**-60, 1 + 2.0**-23)
    assert tiny[0] == np.float32(1 + 2.0**-23)


@pytest.mark.parametrize("n", [20_001, 200_003])
def test_long_permutations_are_the_plain_shuffle(n: int) -> None:
    stream = Stream(4)
    words = stream.words(n - 1).tolist()
    plain = list(range(n))
    for place, word in enumerate(words):
        other = place + word % (n - place)
        plain[place], plain[other] = plain[other], plain[place]
    assert discrete.randperm(Stream(4), n, I64).tolist() == plain


def test_iteration_order_follows_memory() -> None:
    base = np.empty((2, 3, 4))
    assert sampling.iteration_order(base) == (0, 1, 2)
    assert sampling.iteration_order(base.transpose(2, 0, 1)) == (1, 2, 0)
    out = base.transpose(2, 0, 1)
    order = sampling.iteration_order(out)
    view = out.transpose(order)
    view[...] = sampling.uniform(Stream(0), view.shape, F64)
    assert (base == sampling.uniform(Stream(0), (2, 3, 4), F64)).all()


def test_half_precision_stays_below_the_bound() -> None:
    drawn = sampling.uniform(Stream(0), (20_000,), BF16).astype(np.float32)
    assert drawn.max() < 1.0 and drawn.min() >= 0.0


def test_statistics() -> None:
    size = 40_000
    normal = sampling.normal(Stream(1), (size,), F32, 2.0, 3.0)
    assert abs(normal.mean() - 2) < 0.06 and abs(normal.std() - 3) < 0.06
    assert abs(sampling.exponential(Stream(2), (size,), F64, 4.0).mean() - 0.25) < 0.005
    assert abs(counts.poisson(Stream(3), np.full(9000, 20.0)).mean() - 20) < 0.2
    binomial = counts.binomial(Stream(4), np.full(9000, 100.0), np.full(9000, 0.7))
    assert abs(binomial.mean() - 70) < 0.2
    assert abs(counts.geometric(Stream(5), (size,), F32, 0.25).mean() - 4) < 0.1
    cut = sampling.trunc_normal(Stream(6), (size,), F64, 0.0, 1.0, 2.0, 3.0)
    assert cut.min() >= 2 and cut.max() <= 3 and abs(cut.mean() - 2.3158) < 0.01
    assert bits(np.float32([1.0]))[0] == 0x3F800000


ERRORS = [
    (lambda s: sampling.uniform(s, (3,), I64), NotImplementedError,
     '"check_uniform_bounds" not implemented for \'Long\''),
    (lambda s: sampling.uniform(s, (3,), F32, 1, 0), RuntimeError,
     "uniform_ expects to return a [from, to) range, but found from=1 > to=0"),
    (lambda s: sampling.uniform(s, (3,), F32, 0, 1e39), RuntimeError, "to is out of bounds for float"),
    (lambda s: sampling.normal(s, (3,), I64), NotImplementedError,
     '"normal_kernel_cpu" not implemented for \'Long\''),
    (lambda s: sampling.normal(s, (3,), F32, 0, -1.5), RuntimeError,
     "normal expects std >= 0.0, but found std -1.5"),
    (lambda s: sampling.normal_around(s, np.zeros(2), np.array([1.0, -1]), F64), RuntimeError,
     "normal expects all elements of std >= 0.0"),
    (lambda s: sampling.normal_around(s, np.zeros(2), np.array([1j, 1]), F64), RuntimeError,
     "normal expects standard deviation to be non-complex"),
    (lambda s: sampling.exponential(s, (3,), F32, 0), RuntimeError,
     "exponential_ expects lambda > 0.0, but found lambda=0"),
    (lambda s: sampling.exponential(s, (3,), I64), RuntimeError,
     ("Exponential distribution is a continuous probability distribution. dtype must be a floating point but "
     "you specified Long")),
    (lambda s: sampling.cauchy(s, (3,), I64), RuntimeError,
     ("Cauchy distribution is a continuous probability distribution. dtype must be a floating point but you "
     "specified long int")),
    (lambda s: sampling.cauchy(s, (3,), F32, 0, 0), RuntimeError,
     "cauchy_ expects sigma > 0.0, but found sigma=0"),
    (lambda s: sampling.log_normal(s, (3,), F32, 0, 0), RuntimeError,
     "log_normal_ expects std > 0.0, but found std=0"),
    (lambda s: sampling.log_normal(s, (3,), I64), NotImplementedError,
     '"log_normal_cpu" not implemented for \'Long\''),
    (lambda s: sampling.rrelu_slopes(s, np.zeros(3, np.float16), 0.1, 0.2), NotImplementedError,
     '"rrelu_with_noise_out_cpu" not implemented for \'Half\''),
    (lambda s: discrete.randint(s, (3,), I64, 7, 5), RuntimeError,
     "random_ expects 'from' to be less than 'to', but got from=7 >= to=5"),
    (lambda s: discrete.randint(s, (3,), np.dtype("u1"), 0, 300), RuntimeError,
     "to - 1 is out of bounds for unsigned char"),
    (lambda s: discrete.randint(s, (3,), np.dtype("u2"), 0, 2**20), RuntimeError,
     "to - 1 is out of bounds for short unsigned int"),
    (lambda s: discrete.randint(s, (3,), np.dtype("f2"), 3000, None), RuntimeError,
     ("random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' casted to dtype, but got "
     "from=3000 > to_inc=2048")),
    (lambda s: discrete.randint(s, (3,), np.dtype("c8"), 0, 3), RuntimeError,
     "check_random_bounds handles only integral, floating-point and boolean types"),
    (lambda s: discrete.randint(s, (3,), np.dtype("u8"), 0, None), RuntimeError,
     "to - 1 is out of bounds for long unsigned int"),
    (lambda s: discrete.randint(s, (3,), np.dtype("u1"), -(2**63), None), RuntimeError,
     "random_full_64_bits_range_kernel_cpu handles only int64, double, float and bfloat16"),
    (lambda s: discrete.random_full(s, (3,), np.dtype("u2")), NotImplementedError,
     '"random_kernel_cpu" not implemented for \'UInt16\''),
    (lambda s: discrete.randperm(s, -1, I64), RuntimeError,
     "Trying to create tensor with negative dimension -1: [-1]"),
    (lambda s: discrete.randperm(s, 300, np.dtype("u1")), RuntimeError,
     "value cannot be converted to type uint8_t without overflow"),
    (lambda s: discrete.randperm(s, 2050, np.dtype("f2")), RuntimeError,
     "n cannot be greater than 2049 for Half type."),
    (lambda s: discrete.bernoulli(s, (3,), F32, -0.25), RuntimeError,
     "bernoulli_ expects p to be in [0, 1], but got p=-0.25"),
    (lambda s: discrete.bernoulli_around(s, np.array([1, 0]), I64), NotImplementedError,
     '"bernoulli_tensor_cpu_p_" not implemented for \'Long\''),
    (lambda s: counts.geometric(s, (3,), F32, 1.0), RuntimeError,
     "geometric_ expects p to be in (0, 1), but got p=1"),
    (lambda s: counts.poisson(s, np.array([-1.0])), RuntimeError,
     "invalid Poisson rate, expected rate to be non-negative"),
    (lambda s: counts.binomial(s, np.array([10]), np.array([1])), ValueError,
     "binomial only supports floating-point dtypes for count, got: Long"),
    (lambda s: counts.binomial(s, np.float32([10.0]), np.array([0.5])), RuntimeError,
     "Found dtype Double but expected Float"),
    (lambda s: counts.multinomial(s, np.ones(3), 4, False), RuntimeError,
     "cannot sample n_sample > prob_dist.size(-1) samples without replacement"),
    (lambda s: counts.multinomial(s, np.array([1.0, -1]), 1, False), RuntimeError,
     "probability tensor contains either `inf`, `nan` or element < 0"),
    (lambda s: counts.multinomial(s, np.array([1.0, np.inf]), 2, True), RuntimeError,
     "invalid multinomial distribution (encountering probability entry = infinity or NaN)"),
    (lambda s: counts.multinomial(s, np.zeros((1, 3)), 2, True), RuntimeError,
     "invalid multinomial distribution (sum of probabilities <= 0)"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "text"), ERRORS, ids=[text[:60] for _, _, text in ERRORS])
def test_errors(call: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        call(Stream(0))
    assert str(caught.value) == text


def test_a_bad_probability_stops_where_it_stands() -> None:
    stream, other = Stream(0), Stream(0)
    with pytest.raises(RuntimeError, match="Expected p_in >= 0 && p_in <= 1 to be true"):
        discrete.bernoulli_around(stream, np.float32([0.5, 0.5, 2.0, 0.5]), F32)
    other.words(2)
    assert (stream.get_state() == other.get_state()).all()


def test_integers_too_large_for_a_float_warn() -> None:
    text = r"^to - 1 is out of bounds \[-\(2\^24\), 2\^24\]\. Due to precision limitations float can support"
    with pytest.warns(UserWarning, match=text):
        discrete.randint(Stream(0), (3,), F32, 0, 2**25)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        discrete.randint(Stream(0), (3,), F32, 0, 2**24)
