"""The connections of a group through Gloo, as the `xoscar` package bundles it.

Only Gloo's messages from rank to rank are used: its collectives hold the interpreter lock in that package, so
that nothing else in the process could go on, neither the backward pass nor the store that others ask.
`rings.py` makes the collectives of messages. Ranks that are all on one machine have those of `shared.py`.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Final

import numpy as np

from .. import lazy
from . import rings, shared
from .store import DistError, Store

__all__ = ["DistBackendError", "Gloo", "is_available"]

_gloo: Any = lazy.module("xoscar.collective.xoscar_pygloo")
_MISSING: Final = (
    "torch.distributed with the 'gloo' backend needs the package xoscar, which bundles Gloo: pip install "
    "cotangent[gloo]"
)


class DistBackendError(DistError):
    """A collective failed: a process has ended, or did not answer in time."""

    __module__ = "torch.distributed"


def is_available() -> bool:
    """Whether the package that bundles Gloo is installed.

    Example:
        >>> from cotangent.distributed import gloo
        >>> gloo.is_available() in (True, False)
        True
    """
    try:
        return bool(_gloo.ReduceOp)
    except ImportError:
        return False


class Gloo:
    """Messages between the members of a group.

    Args:
        store: where they find each other.
        rank: the number of this one.
        size: how many there are.
        timeout: of each message.
        interface: address to listen on.

    Raises:
        RuntimeError: if the package is missing.
        DistBackendError: if the others do not come.
    """

    def __init__(self, store: Store, rank: int, size: int, timeout: timedelta, interface: str) -> None:
        if not is_available():
            raise RuntimeError(_MISSING)
        self.rank = rank
        self.size = size
        self._store = store
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="gloo-send")
        device = _gloo.transport.tcp.CreateDevice(_gloo.transport.tcp.attr(interface))
        self._context = _gloo.rendezvous.Context(rank, size)
        self._context.setTimeout(timeout)
        try:
            self._context.connectFullMesh(_gloo.rendezvous.CustomStore(_Rendezvous(store)), device)
        except RuntimeError as error:
            raise DistBackendError(
                f"rank {rank} could not connect to the other {size - 1} within {timeout}: {error}"
            ) from error
        self.direct: shared.Shared | None = None  # collectives that are not made of messages
        self.direct = shared.meet(
            lambda mine: rings.all_gather(self, mine), rank, size,
            timeout=timeout.total_seconds(), failed=lambda peer, why: self._failure("reach", peer, why),
        )  # fmt: skip

    def send(self, array: Any, peer: int, tag: int) -> None:
        """Send the bytes of an array to a rank.

        Args:
            array: contiguous.
            peer: the rank.
            tag: tells messages apart.

        Raises:
            DistBackendError: if the rank has ended or does not take it in time.
        """
        self._message(_gloo.send, "send to", array, peer, tag)

    def recv(self, array: Any, peer: int, tag: int) -> None:
        """Receive bytes from a rank into an array.

        Args:
            array: contiguous; as many bytes as were sent.
            peer: the rank.
            tag: of the message.

        Raises:
            DistBackendError: if the rank has ended or sends nothing in time.
        """
        self._message(_gloo.recv, "receive from", array, peer, tag)

    def start_send(self, array: Any, peer: int, tag: int) -> Future[None]:
        """`send` in the background: both sides of an exchange can send first."""
        return self._sender.submit(self.send, array, peer, tag)

    def _message(self, function: Any, what: str, array: Any, peer: int, tag: int) -> None:
        if not array.nbytes:
            return
        address = array.__array_interface__["data"][0] if array.dtype.kind != "V" else array.view(
            np.uint8
        ).__array_interface__["data"][0]  # fmt: skip
        try:
            function(self._context, address, array.nbytes, _gloo.GlooDataType_t.glooUint8, peer, tag)
        except RuntimeError as error:
            raise self._failure(what, peer, error) from error

    def _failure(self, what: str, peer: int, why: object) -> DistBackendError:
        return DistBackendError(
            f"rank {self.rank} of {self.size} could not {what} rank {peer}: {why}. That rank has ended, or"
            f" did not take part within the timeout{self._first_failure(peer)}"
        )

    def check_others(self) -> None:
        """Raise the error for a rank that has ended, if all others have, as far as that can be seen."""
        ended = [] if self.direct is None else self.direct.ended()
        if ended and len(ended) == self.size - 1:
            raise self._failure("receive from any rank, not even", ended[0], "all other processes have ended")

    def _first_failure(self, peer: int) -> str:
        """Whom the first rank that failed could not reach: its own end makes others fail, in turn."""
        try:
            first = self._store.compare_set("failed", "", str(peer)).decode()
        except DistError:
            return "; nor can the store be reached: rank 0, which serves it, has ended"
        return "" if first == str(peer) else f"; the first failure was that of rank {first}"

    def close(self) -> None:
        """End the connections."""
        if self.direct is not None:
            self.direct.close()
        self._sender.shutdown()
        self._context.closeConnections()


class _Rendezvous:
    """A store under the names by which xoscar calls it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def set_tcp(self, key: str, value: bytes) -> None:
        self._store.set(key, value)

    def get_tcp(self, key: str) -> bytes:
        return self._store.get(key)

    def wait(self, keys: list[str], timeout: Any = None) -> None:
        self._store.wait(list(keys))

    def delKeys(self, keys: list[str]) -> None:
        self._store.delKeys(list(keys))
