"""Where PyTorch keeps its queues: `torch.multiprocessing.queue`. The standard ones carry tensors, too."""

from __future__ import annotations

import io
import pickle
from multiprocessing.queues import Queue, SimpleQueue
from multiprocessing.reduction import ForkingPickler
from typing import Any

__all__ = ["ConnectionWrapper", "Queue", "SimpleQueue"]


class ConnectionWrapper:
    """A connection whose `send` and `recv` share the memory of tensors.

    Args:
        conn: the connection; what it has besides is reached through this.
    """

    def __init__(self, conn: Any) -> None:
        self.conn = conn

    def send(self, obj: Any) -> None:
        """Send anything that can be pickled."""
        written = io.BytesIO()
        ForkingPickler(written, pickle.HIGHEST_PROTOCOL).dump(obj)
        self.conn.send_bytes(written.getvalue())

    def recv(self) -> Any:
        """Wait for what the other end sends."""
        return pickle.loads(self.conn.recv_bytes())

    def __getattr__(self, name: str) -> Any:
        if name == "conn":  # not there yet: while this is unpickled
            raise AttributeError(f"'{type(self).__name__}' object has no attribute 'conn'")
        return getattr(self.conn, name)
