"""Every module of PyTorch's `module_db` computes and trains as PyTorch's, on PyTorch's own inputs.

Of a module with hundreds of inputs a hundred are looked at; `python tools/check_module_db.py` takes all, and
prints what it finds module by module.
"""

from __future__ import annotations

import pytest
from module_db import EXCUSED, MODULES, dtypes, failures, known
from torch.testing._internal.common_modules import ModuleInfo


@pytest.mark.parametrize("info", MODULES, ids=lambda info: info.name)
def test_a_module_agrees_with_pytorch(info: ModuleInfo) -> None:
    assert known(info), "there is no such module"
    told: list[str] = []
    for dtype in dtypes(info)[:1]:
        failures(info, dtype, told.append, most=100)
    assert not told, "\n".join(told[:5])


def test_few_modules_are_excused() -> None:
    named = {key.partition("[")[0] for key in EXCUSED}
    assert named <= {info.name for info in MODULES}
    assert len(named) <= 0.05 * len(MODULES), EXCUSED
