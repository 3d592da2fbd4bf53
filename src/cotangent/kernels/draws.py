"""Generated kernels for random numbers: what is made of the words of a stream, many at a time.

Each gives, to the last digit, what the NumPy code beside its use gives (`sampling`, `boxmuller`, `discrete`):
in machine code a fused multiply-add is one instruction, which NumPy has to compose of passes in float64. They
ask `sized.worthwhile` first, as all who use generated kernels do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from . import boxmuller, jit, runtime
from .contract_text import KERNEL, Text, module
from .vectors import Vec

__all__ = ["mapped", "normals", "normals_64", "swapped", "uniforms"]

# Numbers of a chunk.
_CHUNK: Final = 1 << 14
_BLOCK: Final = 16


def _kernel(name: str, write: Callable[[Text, int], None], lanes: int) -> int:
    def build() -> str:
        text = Text(KERNEL)
        write(text, lanes)
        return module([text])

    return jit.function(f"draws {name} x{lanes}", build)


def _number(text: Text, index: int) -> Vec:
    """A float among the kernel's numbers."""
    return text.number(index).bits("f64").cast("f32")


def _uniform(word: Vec) -> Vec:
    """A float32 in [0, 1) from the low 24 bits of a word."""
    return (word & 0xFFFFFF).cast("f32") * 2.0**-24


def uniforms(words: NDArray[np.uint32]) -> NDArray[np.float32]:
    """Turn words into float32 numbers in [0, 1), in place.

    Args:
        words: a contiguous array of its own memory.

    Returns:
        The same memory as float32.
    """
    kernel = _kernel("uniform", _write_uniforms, jit.host().vector_bytes // 4)
    runtime.launch(kernel, words.size, _CHUNK, 1, 0, words)
    return words.view(np.float32)


def _write_uniforms(text: Text, lanes: int) -> None:
    end = text.argument("end")
    with text.loop(text.argument("begin"), end, lanes) as i:
        place = text.at(text.buffer(0), i * 4)
        mask = text.mask(lanes, end - i)
        text.store(_uniform(text.load(place, "i32", lanes, mask)), place, "f32", mask)


def normals(words: NDArray[np.uint32], mean: float, std: float) -> NDArray[np.float32]:
    """Turn words into float32 normal numbers, in place and by blocks of 16 (see `boxmuller`).

    Args:
        words: a contiguous array of its own memory, of whole blocks.
        mean, std: of the distribution.

    Returns:
        The same memory as float32.
    """
    kernel = _kernel("normal", _write_normals, 8 * max(jit.host().vector_bytes // 32, 1))
    blocks = words.size // _BLOCK
    runtime.launch(kernel, blocks, _CHUNK // _BLOCK, 1, 0, words, float(mean), float(std))
    return words.view(np.float32)


def _write_normals(text: Text, lanes: int) -> None:
    begin, end = text.argument("begin"), text.argument("end")
    mean, std = _number(text, 0), _number(text, 1)

    def write(first: Vec, blocks: int) -> None:
        # Eight u1 and eight u2 of each block; of two blocks the u1 together and the u2 together.
        places = [text.at(text.buffer(0), (first + k) * (4 * _BLOCK)) for k in range(blocks)]
        found = [_uniform(text.load(place, "i32", _BLOCK)) for place in places]
        width = 8 * blocks
        parts = []
        for half in range(2):
            order = [k * _BLOCK + half * 8 + i for k in range(blocks) for i in range(8)]
            parts.append(text.shuffle(found[0], found[-1], order))
        radius = text.call("sqrt", _log(text, 1.0 - parts[0]) * -2.0)
        sine, cosine = _sincos(text, parts[1])
        scale, shift = text.splat(std, width), text.splat(mean, width)
        made = [text.fma(radius * value, scale, shift) for value in (cosine, sine)]
        for k, place in enumerate(places):
            order = [half * width + k * 8 + i for half in range(2) for i in range(8)]
            text.store(text.shuffle(made[0], made[1], order), place, "f32")

    at_once = lanes // 8
    whole, _ = text.divided(end - begin, at_once)
    middle = begin + whole * at_once
    with text.loop(begin, middle, at_once) as first:
        write(first, at_once)
    if at_once > 1:
        with text.loop(middle, end) as first:
            write(first, 1)


def normals_64(uniforms: NDArray[np.float64]) -> None:
    """Turn float64 uniforms into standard normals, in place, with the C library's functions.

    Args:
        uniforms: a contiguous array of whole blocks, as `boxmuller.normals_64` takes them.
    """
    blocks = uniforms.size // _BLOCK
    runtime.launch(_kernel("normal f64", _write_normals_64, 1), blocks, _CHUNK // 256, 1, 0, uniforms)


def _write_normals_64(text: Text, lanes: int) -> None:
    with text.loop(text.argument("begin"), text.argument("end")) as block, text.loop(0, _BLOCK // 2) as i:
        place = text.at(text.at(text.buffer(0), block * (8 * _BLOCK)), i * 8)
        other = text.at(place, 4 * _BLOCK)
        radius = text.call("sqrt", text.library("log", 1.0 - text.load(place, "f64", lanes)) * -2.0)
        angle = text.load(other, "f64", lanes) * (2.0 * math.pi)
        text.store(radius * text.library("cos", angle), place, "f64")
        text.store(radius * text.library("sin", angle), other, "f64")


def _log(text: Text, u: Vec) -> Vec:
    """`boxmuller`'s logarithm."""
    word = u.bits("i32")
    mantissa = ((word & 0x007FFFFF) | 0x3F000000).bits("f32")  # in [1/2, 1)
    e = ((word >> 23) - 126).cast("f32")
    small = mantissa < float(boxmuller.SQRT_HALF)
    e = small.select(e - 1.0, e)
    x = small.select(mantissa + mantissa, mantissa) - 1.0
    z = x * x
    y = text.polynomial(x, *boxmuller.LOG_P) * x
    y = text.fma(y, z, e * boxmuller.LN2_LOW) - z * 0.5
    return text.fma(e, boxmuller.LN2_HIGH, x + y)


def _sincos(text: Text, u: Vec) -> tuple[Vec, Vec]:
    """`boxmuller`'s sine and cosine of 2 pi u."""
    x = u * float(boxmuller.TWO_PI)
    octant = ((x * float(boxmuller.FOUR_OVER_PI)).cast("i32") + 1) & -2
    turns = octant.cast("f32")
    for part in boxmuller.QUARTER_PI:
        x = text.fma(turns, part, x)
    z = x * x
    sine_p, cosine_p = (boxmuller.SINCOS_P[:, k, 0].tolist() for k in range(2))
    sine = text.fma(text.polynomial(z, *sine_p) * z, x, x)
    cosine = text.fma(text.polynomial(z, *cosine_p) * z, z, -(z * 0.5)) + 1.0
    swap = (octant & 2).compare("ne", 0)
    signs = [((octant + k) & 4) << 29 for k in (0, 2)]
    values = swap.select(cosine, sine), swap.select(sine, cosine)
    one, other = ((value.bits("i32") ^ sign).bits("f32") for value, sign in zip(values, signs))
    return one, other


def mapped(name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A function of the C library, one by one.

    Args:
        name: of the function, such as "log1p".
        values: a contiguous array.

    Returns:
        A new array.
    """

    def write(text: Text, lanes: int) -> None:
        with text.loop(text.argument("begin"), text.argument("end")) as i:
            value = text.load(text.at(text.buffer(0), i * 8), "f64", lanes)
            text.store(text.library(name, value), text.at(text.buffer(1), i * 8), "f64")

    out = np.empty_like(values)
    runtime.launch(_kernel(f"library {name}", write, 1), values.size, _CHUNK // 16, 2, 0, values, out)
    return out


def swapped(n: int, partners: NDArray[np.int64]) -> NDArray[np.int64]:
    """0 .. n - 1 after swapping each place in turn with its partner.

    Args:
        n: how many numbers.
        partners: of the places 0, 1, ...

    Returns:
        The numbers.
    """
    order, turns = np.arange(n), partners.size
    runtime.launch(_kernel("swap", _write_swaps, 1), turns, turns, 2, 0, order, partners)
    return order


def _write_swaps(text: Text, lanes: int) -> None:
    order, partners = text.buffer(0), text.buffer(1)
    with text.loop(text.argument("begin"), text.argument("end")) as i:
        place = text.at(order, i * 8)
        other = text.at(order, text.load(text.at(partners, i * 8), "i64", 1) * 8)
        values: list[Any] = [text.load(where, "i64", 1) for where in (place, other)]
        text.store(values[1], place, "i64")
        text.store(values[0], other, "i64")
