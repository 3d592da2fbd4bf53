"""Where processes meet: the store that an address or the environment names."""

from __future__ import annotations

import os
from datetime import timedelta
from urllib.parse import parse_qs, urlparse

from .store import FileStore, Store
from .tcp_store import TCPStore

__all__ = ["met"]


def met(method: str, rank: int, world_size: int, timeout: timedelta) -> tuple[Store, int, int]:
    """The store that a method names, with the rank and the number of processes."""
    url = urlparse(method)
    query = {key: values[0] for key, values in parse_qs(url.query).items()}

    def number(value: int, name: str, variable: str) -> int:
        if value >= 0:
            return value
        found = query.get(name) or (os.environ.get(variable) if url.scheme == "env" else None)
        if found is None:
            raise ValueError(
                f"Error initializing torch.distributed using {url.scheme}:// rendezvous: "
                + (
                    f"environment variable {variable} expected, but not set"
                    if url.scheme == "env"
                    else f"{name} parameter missing"
                )
            )
        return int(found)

    me = number(rank, "rank", "RANK")
    size = number(world_size, "world_size", "WORLD_SIZE")
    if url.scheme == "file":
        return FileStore(url.path, size), me, size
    if url.scheme == "tcp":
        if url.hostname is None or url.port is None:
            raise ValueError(f"tcp:// rendezvous: a host and a port are needed, got {method!r}")
        host, port = url.hostname, url.port
    elif url.scheme == "env":
        values = []
        for variable in ("MASTER_ADDR", "MASTER_PORT"):
            found = os.environ.get(variable)
            if found is None:
                raise ValueError(
                    "Error initializing torch.distributed using env:// rendezvous: environment variable "
                    f"{variable} expected, but not set"
                )
            values.append(found)
        host, port = values[0], int(values[1])
    else:
        raise RuntimeError(f"No rendezvous handler for {url.scheme}://")
    # The launcher may serve a store, which all ranks join.
    at = os.environ.get("MASTER_ADDR"), os.environ.get("MASTER_PORT")
    served = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True" and at == (host, str(port))
    return TCPStore(host, port, size, me == 0 and not served, timeout, multi_tenant=True), me, size
