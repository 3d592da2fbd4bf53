"""The library under test: cotangent, unless the environment asks for the table to be checked on PyTorch.

`COTANGENT_TABLE_ON=torch pytest tests/test_ops_worlds.py` runs each world that PyTorch has on the same
samples: what fails there is a mistake in a sample or a hole of PyTorch's, not a mistake of cotangent.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

xp: Any = importlib.import_module(os.environ.get("COTANGENT_TABLE_ON", "cotangent"))
