"""What loaders are made of: `torch.utils.data._utils`, parts of which programs use by themselves."""

import sys

from . import collate, fetch, pin_memory, worker
from .worker import MP_STATUS_CHECK_INTERVAL

__all__ = ["HAS_NUMPY", "IS_WINDOWS", "MP_STATUS_CHECK_INTERVAL", "collate", "fetch", "pin_memory", "worker"]

HAS_NUMPY = True
IS_WINDOWS = sys.platform == "win32"
