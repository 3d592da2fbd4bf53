"""`torch.distributed.distributed_c10d`: the home of the functions of `torch.distributed` in PyTorch."""

from typing import Any

from . import *  # noqa: F403
from . import __all__ as __all__
from .group import (  # what libraries import from here
    ProcessGroup,
    find_group as _resolve_process_group,  # noqa: F401
    get_default_group as _get_default_group,  # noqa: F401
)


def _rank_not_in_group(group: Any) -> bool:
    """Whether this process is no member of a group.

    Args:
        group: a process group; None for all processes.
    """
    return group is not None and not isinstance(group, ProcessGroup)
