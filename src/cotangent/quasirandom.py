"""`torch.quasirandom`: numbers that fill a cube more evenly than random ones."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from . import lazy
from .config import settings
from .creation import born
from .dtypes import dtype as _dtype
from .random import Generator, randint

__all__ = ["SobolEngine"]

qmc: Any = lazy.module("scipy.stats.qmc")
_SCALE: Final = 1.0 / (1 << 30)


class SobolEngine:
    """Sobol's sequence in a unit cube, with Joe and Kuo's direction numbers (SciPy's), in Gray code's order.

    Scrambling is Matousek's: a random triangular matrix of bits for each dimension, and a random shift.

    Args:
        dimension: of the cube.
        scramble: whether the points are scrambled.
        seed: of the scrambling; by default it is drawn from the default generator.

    Raises:
        ValueError: for a dimension below 1 or above MAXDIM.

    Example:
        >>> import cotangent as torch
        >>> torch.quasirandom.SobolEngine(2).draw(3)
        tensor([[0.0000, 0.0000],
                [0.5000, 0.5000],
                [0.7500, 0.2500]])
    """

    MAXBIT = 30
    MAXDIM = 21201

    def __init__(self, dimension: int, scramble: bool = False, seed: int | None = None) -> None:
        if dimension > self.MAXDIM or dimension < 1:
            raise ValueError(f"Supported range of dimensionality for SobolEngine is [1, {self.MAXDIM}]")
        self.seed, self.scramble, self.dimension = seed, scramble, dimension
        directions = qmc.Sobol(dimension, scramble=False, bits=self.MAXBIT)._sv
        self.sobolstate = born(directions.astype(np.int64))
        self.shift = born(np.zeros(dimension, np.int64))
        if scramble:
            self._scramble()
        self.quasi = self.shift.clone()
        self._first_point = self._points(self.quasi._data.reshape(1, -1))
        self.num_generated = 0

    @staticmethod
    def _points(whole: Any) -> Any:
        return whole * _SCALE

    def _scramble(self) -> None:
        generator: Any = None
        if self.seed is not None:
            generator = Generator()
            generator.manual_seed(self.seed)
        bits, n = self.MAXBIT, self.dimension
        powers = 1 << np.arange(bits, dtype=np.int64)
        self.shift = born(randint(2, (n, bits), generator=generator)._data @ powers)
        lower = np.tril(randint(2, (n, bits, bits), generator=generator)._data)
        lower[:, np.arange(bits), np.arange(bits)] = 1
        # Bit p from the top of the result is the parity of row p and a direction number's bits, from the top.
        down = powers[::-1]
        rows = self.sobolstate._data[:, :, None] // down % 2
        self.sobolstate = born(np.einsum("dpk,djk->djp", lower, rows) % 2 @ down)

    def draw(self, n: int = 1, out: Any = None, dtype: _dtype | None = None) -> Any:
        """The next points.

        Args:
            n: how many.
            out: tensor to store them in.
            dtype: of the points; the default dtype by default.

        Returns:
            (n, dimension) tensor.
        """
        wanted = dtype or settings.default_dtype
        parts = []
        if not self.num_generated:
            parts.append(self._first_point)
        parts.append(self._points(self._next(n - len(parts), max(self.num_generated - 1, 0))))
        self.num_generated += n
        found = born(np.concatenate(parts).astype(wanted.np))
        return found if out is None else out.resize_(found.shape).copy_(found)

    def _next(self, n: int, start: int) -> Any:
        """The next n points as integers, from the one with number `start` on."""
        numbers = np.arange(start, start + n)
        lowest = np.log2(~numbers & (numbers + 1)).astype(np.int64)  # the rightmost bit that is zero
        steps = np.concatenate((self.quasi._data[None], self.sobolstate._data.T[lowest]))
        whole = np.bitwise_xor.accumulate(steps)
        self.quasi = born(whole[-1].copy())
        return whole[1:]

    def draw_base2(self, m: int, out: Any = None, dtype: _dtype | None = None) -> Any:
        """The next 2 ** m points, which keep the sequence balanced.

        Args:
            m: the power of two.
            out, dtype: as for `draw`.

        Returns:
            (2 ** m, dimension) tensor.

        Raises:
            ValueError: if the number of points drawn so far would not be a power of two.
        """
        n = 2**m
        total = self.num_generated + n
        if total & (total - 1):
            raise ValueError(
                "The balance properties of Sobol' points require n to be a power of 2. "
                f"{self.num_generated} points have been previously generated, then: "
                f"n={self.num_generated}+2**{m}="
                f"{total}. If you still want to do this, please use 'SobolEngine.draw()' instead."
            )
        return self.draw(n=n, out=out, dtype=dtype)

    def reset(self) -> SobolEngine:
        """Begin anew.

        Returns:
            the engine.
        """
        self.quasi = self.shift.clone()
        self.num_generated = 0
        return self

    def fast_forward(self, n: int) -> SobolEngine:
        """Leave out points.

        Args:
            n: how many.

        Returns:
            the engine.
        """
        self._next(n - (not self.num_generated), max(self.num_generated - 1, 0))
        self.num_generated += n
        return self

    def __repr__(self) -> str:
        told = [f"dimension={self.dimension}"]
        if self.scramble:
            told.append("scramble=True")
        if self.seed is not None:
            told.append(f"seed={self.seed}")
        return f"SobolEngine({', '.join(told)})"
