"""Ranks placed on a cluster by Ray: `cotangent.distributed.ray.spawn`, as `torch.multiprocessing.spawn`.

Ray (https://docs.ray.io) finds room for the ranks, starts a process for each as an actor, and brings the
function to it; what the ranks say to each other goes over `init_process_group` and `init_rpc` as everywhere
else, for which each finds RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT in its environment.
PyTorch has no such function; it is the package's own.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from typing import Any, Final

from .. import lazy
from ..multiprocessing import ProcessExitedException, ProcessRaisedException

__all__ = ["is_available", "spawn"]

_ray: Any = lazy.module("ray")
_groups: Any = lazy.module("ray.util.placement_group")
_strategies: Any = lazy.module("ray.util.scheduling_strategies")
_MISSING: Final = "cotangent.distributed.ray needs the package ray: pip install cotangent[ray]"


def is_available() -> bool:
    """Whether Ray is installed.

    Example:
        >>> from cotangent.distributed import ray
        >>> ray.is_available() in (True, False)
        True
    """
    try:
        return bool(_ray.__version__)
    except ImportError:
        return False


class _Rank:
    """The actor that is one rank."""

    def place(self) -> tuple[str, int, int]:
        """The address of its node, a free port there, and its process."""
        with socket.create_server(("", 0)) as probe:
            return _ray.util.get_node_ip_address(), probe.getsockname()[1], os.getpid()

    def run(self, environment: dict[str, str], install: Any, fn: Callable[..., Any], args: Any) -> Any:
        """Call the function; `install`, if given, makes `import torch` mean this package before that."""
        os.environ.update(environment)
        if install is not None:
            install()
        return fn(int(environment["RANK"]), *args)


def spawn(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    *,
    num_cpus: float = 1,
    resources: dict[str, float] | None = None,
    strategy: str = "PACK",
    timeout: float = 60.0,
) -> list[Any]:
    """Run `fn(rank, *args)` on as many actors of a Ray cluster and wait for them.

    A cluster that the program has joined by `ray.init` is used; without one, Ray starts on this machine.

    Args:
        fn: what each rank runs.
        args: its further arguments; tensors may be among them.
        nprocs: how many ranks.
        num_cpus: processors that each rank takes.
        resources: what else each takes, by Ray's names.
        strategy: of Ray's placement groups: "PACK" (few nodes), "SPREAD", "STRICT_PACK" or "STRICT_SPREAD".
        timeout: seconds to wait for room in the cluster.

    Returns:
        what the ranks returned, in their order.

    Raises:
        RuntimeError: if Ray is not installed, or the cluster has no room for the ranks.
        ProcessRaisedException: if a rank raises an exception; the others are ended.
        ProcessExitedException: if a rank's process or node is lost; likewise.
    """
    if not is_available():
        raise RuntimeError(_MISSING)
    if not _ray.is_initialized():
        _ray.init(include_dashboard=False)
    group = _groups.placement_group([{"CPU": num_cpus, **(resources or {})}] * nprocs, strategy=strategy)
    ranks: list[Any] = []
    try:
        if not group.wait(timeout):
            raise RuntimeError(
                f"the Ray cluster has had no room within {timeout:g} s for {nprocs} ranks with"
                f" {num_cpus:g} CPUs each{f' and {resources}' if resources else ''}; it has"
                f" {_ray.cluster_resources()}"
            )
        actor = _ray.remote(_Rank)
        for rank in range(nprocs):
            where = _strategies.PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=rank)
            options = {"num_cpus": num_cpus, "resources": resources, "scheduling_strategy": where}
            ranks.append(actor.options(**options).remote())
        places = _results([rank.place.remote() for rank in ranks], [0] * nprocs)
        host, port, _ = places[0]
        alias = sys.modules.get("cotangent.torch_alias") if "torch" in sys.modules else None
        install = getattr(alias, "install", None)
        started = []
        for number, (rank, (node, _, _)) in enumerate(zip(ranks, places, strict=True)):
            beside = [each for each, _, _ in places]
            environment = {
                "RANK": str(number), "WORLD_SIZE": str(nprocs), "MASTER_ADDR": host, "MASTER_PORT": str(port),
                "LOCAL_RANK": str(beside[:number].count(node)), "LOCAL_WORLD_SIZE": str(beside.count(node)),
            }  # fmt: skip
            started.append(rank.run.remote(environment, install, fn, args))
        return _results(started, [process for _, _, process in places])
    finally:
        for rank in ranks:
            _ray.kill(rank)
        _groups.remove_placement_group(group)


def _results(calls: list[Any], processes: list[int]) -> list[Any]:
    """What calls give, in their order; the first failure of any is raised at once."""
    waiting = list(calls)
    while waiting:
        done, waiting = _ray.wait(waiting)
        for call in done:
            number = calls.index(call)
            try:
                _ray.get(call)
            except _ray.exceptions.RayTaskError as error:
                text = f"\n\n-- Rank {number} terminated with the following error:\n{error}"
                raise ProcessRaisedException(text, number, processes[number]) from None
            except _ray.exceptions.RayActorError as error:
                text = f"rank {number} was lost: {error}"
                raise ProcessExitedException(text, number, processes[number], -1) from None
    found: list[Any] = _ray.get(calls)
    return found
