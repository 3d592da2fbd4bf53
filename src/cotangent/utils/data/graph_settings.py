"""Settings of all pipes behind one: `torch.utils.data.graph_settings`."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

from .datapipes.iter.sharding import SHARDING_PRIORITIES
from .graph import traverse_dps
from .seeds import drawn_seed

__all__ = [
    "apply_random_seed", "apply_sharding", "apply_shuffle_seed", "apply_shuffle_settings",
    "get_all_graph_pipes",
]  # fmt: skip


def get_all_graph_pipes(graph: dict[int, Any]) -> list[Any]:
    """The pipes of a graph, each once.

    Args:
        graph: from `traverse_dps`.
    """
    found: dict[int, Any] = {}

    def collect(part: dict[int, Any]) -> None:
        for number, (pipe, below) in part.items():
            if number not in found:
                found[number] = pipe
                collect(below)

    collect(graph)
    return list(found.values())


def _with_method(datapipe: Any, *names: str) -> list[Any]:
    return [
        pipe
        for pipe in get_all_graph_pipes(traverse_dps(datapipe))
        if all(inspect.ismethod(getattr(pipe, name, None)) for name in names)
    ]


def apply_sharding(
    datapipe: Any,
    num_of_instances: int,
    instance_id: int,
    sharding_group: SHARDING_PRIORITIES = SHARDING_PRIORITIES.DEFAULT,
) -> Any:
    """Divide samples among several processes where a pipe says `sharding_filter`.

    Args:
        datapipe: the pipe.
        num_of_instances: how many processes.
        instance_id: which of them this is.
        sharding_group: at which level.

    Returns:
        The pipe.

    Raises:
        RuntimeError: if samples would be divided twice.
    """

    def go(graph: dict[int, Any], above: Any) -> None:
        for pipe, below in graph.values():
            divides = inspect.ismethod(getattr(pipe, "apply_sharding", None))
            if divides:
                if above is not None:
                    raise RuntimeError(
                        "Sharding twice on a single pipeline is likely unintended and will cause data loss. "
                        f"Sharding already applied to {above} while trying to apply to {pipe}"
                    )
                extra = {"sharding_group": sharding_group}
                takes = len(inspect.signature(pipe.apply_sharding).parameters)
                pipe.apply_sharding(num_of_instances, instance_id, **(extra if takes >= 3 else {}))
            go(below, pipe if divides else above)

    go(traverse_dps(datapipe), None)
    return datapipe


def apply_shuffle_settings(datapipe: Any, shuffle: bool | None = None) -> Any:
    """Switch the shuffling of all pipes on or off.

    Args:
        datapipe: the pipe.
        shuffle: whether; None changes nothing.

    Returns:
        The pipe, or one that shuffles it if none did and it should be.
    """
    if shuffle is None:
        return datapipe
    shufflers = _with_method(datapipe, "set_shuffle", "set_seed")
    if not shufflers and shuffle:
        warnings.warn(
            "`shuffle=True` was set, but the datapipe does not contain a `Shuffler`. Adding one at the end. "
            "Be aware that the default buffer size might not be sufficient for your task.",
            stacklevel=2,
        )
        datapipe = datapipe.shuffle()
        shufflers = [datapipe]
    for shuffler in shufflers:
        shuffler.set_shuffle(shuffle)
    return datapipe


def apply_random_seed(datapipe: Any, rng: Any) -> Any:
    """Give each pipe that draws numbers a seed.

    Args:
        datapipe: the pipe.
        rng: the generator of the seeds.

    Returns:
        The pipe.
    """
    for pipe in _with_method(datapipe, "set_seed"):
        pipe.set_seed(drawn_seed(rng))
    return datapipe


def apply_shuffle_seed(datapipe: Any, rng: Any) -> Any:
    """The former name of `apply_random_seed`.

    Args:
        datapipe, rng: as there.

    Returns:
        the pipe.
    """
    warnings.warn(
        "`apply_shuffle_seed` is deprecated since 1.12 and will be removed in the future releases. Please "
        "use `apply_random_seed` instead.",
        FutureWarning,
        stacklevel=2,
    )
    return apply_random_seed(datapipe, rng)
