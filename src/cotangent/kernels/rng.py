"""PyTorch's CPU random number generator: the MT19937 stream, its seed and its saved state.

The words come from NumPy's own MT19937 (M. Matsumoto and T. Nishimura, "Mersenne Twister", ACM TOMACS
8(1), 1998), seeded the way PyTorch seeds: by the low 32 bits of the seed. What PyTorch adds is kept here: the
64-bit seed it remembers, the second normal number of a pair, and the 5056 bytes of `get_rng_state()`.
"""

from __future__ import annotations

import os
from _thread import allocate_lock
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:  # nothing else that `import cotangent` runs needs numpy.typing
    from numpy.typing import NDArray

__all__ = ["DEFAULT_SEED", "Stream", "check_seed", "default_stream"]

# The seed of a new `torch.Generator()`.
DEFAULT_SEED: Final = 67280421310721
_WORDS: Final = 624
_FULL_32: Final = 1 << 32
_FULL_64: Final = 1 << 64
# Up to this many words `random_raw` (little overhead, eight bytes a word) beats `integers` (the reverse).
_FEW: Final = 1024

# The bytes of a saved state. `left` counts down to the next regeneration of the 624 words, `next` is the
# index of the next word; normal_x and normal_rho are unused remains.
_LAYOUT: Final = np.dtype(
    {
        "names": ["seed", "left", "seeded", "next", "words"]
        + ["normal_y", "normal_valid", "float_y", "float_valid"],
        "formats": ["u8", "i4", "i4", "u8", ("u8", _WORDS), "f8", "i4", "f4", "?"],
        "offsets": [0, 8, 12, 16, 24, 5024, 5040, 5048, 5052],
        "itemsize": 5056,
    }
)


def check_seed(seed: int) -> int:
    """A seed as the unsigned 64-bit number that PyTorch keeps.

    Args:
        seed: any integer from -2**63 to 2**64 - 1; negative ones count from 2**64 down.

    Returns:
        The seed modulo 2**64.

    Raises:
        RuntimeError: if `seed` is not an int.
        ValueError: if `seed` is out of range.

    Example:
        >>> from cotangent.kernels.rng import check_seed
        >>> check_seed(-1) == 2**64 - 1
        True
    """
    if type(seed) is not int:
        raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
    if not -(1 << 63) <= seed < _FULL_64:
        raise ValueError("Overflow when unpacking long long")
    return seed % _FULL_64


class Stream:
    """One generator of random numbers: what is inside a `torch.Generator` on CPU.

    The draws (`words`, `words64`, `word`, `double`) do not lock; whoever makes a sequence of them holds
    `lock`. The other methods take the lock themselves.

    Example:
        >>> from cotangent.kernels.rng import Stream
        >>> stream = Stream(0)
        >>> stream.words(3)
        array([2357136044, 2546248239, 3071714933], dtype=uint32)
    """

    __slots__ = ("_bits", "_integers", "_seed", "_seeder", "lock", "next_double", "next_float")

    def __init__(self, seed: int = DEFAULT_SEED) -> None:
        self.lock = allocate_lock()
        self._bits = np.random.MT19937(0)
        self._integers = np.random.Generator(self._bits).integers
        self._seeder = np.random.RandomState(self._bits)
        self.next_double: float | None = None
        # PyTorch keeps and saves it but draws no single float32 normals on CPU, so it is only carried along.
        self.next_float: float | None = None
        self.manual_seed(seed)

    def manual_seed(self, seed: int) -> None:
        """Start the stream that belongs to `seed` (see `check_seed` for its range and errors)."""
        wanted = check_seed(seed)
        with self.lock:
            self._seed = wanted
            self._seeder.seed(wanted & 0xFFFFFFFF)
            self.next_double = self.next_float = None

    def seed(self) -> int:
        """Start at a place nobody can foresee; returns the seed chosen."""
        chosen = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(chosen)
        return chosen

    def initial_seed(self) -> int:
        """The seed that the stream was started with, as an unsigned 64-bit number."""
        return self._seed

    def get_state(self) -> NDArray[np.uint8]:
        """The whole state, in PyTorch's layout.

        Returns:
            uint8 array of shape (5056,), a copy.
        """
        with self.lock:
            inner: Any = self._bits.state["state"]
            place = int(inner["pos"])
            state = np.zeros((), _LAYOUT)
            state["seed"] = self._seed
            state["left"] = _WORDS + 1 - place
            state["seeded"] = 1
            # Before the first draw PyTorch's index is 0, after 624, 1248, ... draws it is 624: the words to
            # be used up are the same, but a saved state has to match byte for byte.
            fresh = place == _WORDS and bool((inner["key"] == _first_words(self._seed)).all())
            state["next"] = 0 if fresh else place
            state["words"] = inner["key"]
            if self.next_double is not None:
                state["normal_y"], state["normal_valid"] = self.next_double, 1
            if self.next_float is not None:
                state["float_y"], state["float_valid"] = self.next_float, True
        return np.frombuffer(state.tobytes(), np.uint8).copy()

    def set_state(self, state: NDArray[np.uint8]) -> None:
        """Continue from a saved state, whether PyTorch or `get_state` made it.

        Args:
            state: uint8 array of 5056 elements.

        Raises:
            TypeError: if it holds something else than bytes.
            RuntimeError: if its size or its contents cannot be a state.
        """
        if state.dtype != np.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        if not state.flags.c_contiguous:
            raise RuntimeError("RNG state must be contiguous")
        if state.size != _LAYOUT.itemsize:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {_LAYOUT.itemsize} "
                f"but found the input RNG state size to be {state.size}"
            )
        saved = np.frombuffer(state.tobytes(), _LAYOUT)[0]
        left = int(saved["left"])
        if not (saved["seeded"] and 0 < left <= _WORDS and saved["next"] <= _WORDS):
            raise RuntimeError("Invalid mt19937 state")
        with self.lock:
            self._seed = int(saved["seed"])
            self._bits.state = {
                "bit_generator": "MT19937",
                "state": {"key": saved["words"].astype(np.uint32), "pos": _WORDS + 1 - left},
            }
            self.next_double = float(saved["normal_y"]) if saved["normal_valid"] else None
            self.next_float = float(saved["float_y"]) if saved["float_valid"] else None

    def clone(self) -> Stream:
        """An independent stream that continues from the same place."""
        twin = Stream(self._seed)
        twin.set_state(self.get_state())
        return twin

    def word(self) -> int:
        """The next 32 random bits, as an int."""
        return self._bits.random_raw()

    def words(self, count: int) -> NDArray[np.uint32]:
        """The next `count` words of 32 random bits, as an array."""
        if count <= _FEW:
            return self._bits.random_raw(count).astype(np.uint32)
        return self._integers(0, _FULL_32, count, dtype=np.uint32)

    def words64(self, count: int) -> NDArray[np.uint64]:
        """The next `count` words of 64 random bits; each takes two 32-bit words, the high half first."""
        if count <= _FEW:
            raw = self._bits.random_raw(2 * count)
            return (raw[::2] << np.uint64(32)) | raw[1::2]
        return self._integers(0, _FULL_64, count, dtype=np.uint64)

    def double(self) -> float:
        """The next uniform number in [0, 1) of 53 bits; takes two words."""
        draw = self._bits.random_raw
        high = draw()
        return (((high << 32) | draw()) & 0x1FFFFFFFFFFFFF) * 2.0**-53


def _first_words(seed: int) -> NDArray[np.uint32]:
    """The 624 words that seeding sets up."""
    bits = np.random.MT19937(0)
    np.random.RandomState(bits).seed(seed & 0xFFFFFFFF)
    inner: Any = bits.state["state"]
    return np.asarray(inner["key"], np.uint32)


_default: Stream | None = None
_default_lock: Final = allocate_lock()


def default_stream() -> Stream:
    """The stream that draws without a `generator=` use.

    It is made on first use, at a place nobody can foresee, as PyTorch's is until `manual_seed` is called.

    Example:
        >>> from cotangent.kernels.rng import default_stream
        >>> default_stream() is default_stream()
        True
    """
    global _default
    if _default is None:
        with _default_lock:
            if _default is None:
                fresh = Stream()
                fresh.seed()
                _default = fresh
    return _default
