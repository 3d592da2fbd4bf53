"""`torch.accelerator` on a machine without an accelerator."""

import pytest

import cotangent as torch

USES = [
    lambda a: a.current_device_index(),
    lambda a: a.set_device_index(0),
    lambda a: a.synchronize(),
    lambda a: a.empty_cache(),
    lambda a: a.get_memory_info(),
    lambda a: a.memory_stats(),
    lambda a: a.memory_allocated(),
    lambda a: a.max_memory_allocated(),
    lambda a: a.memory_reserved(),
    lambda a: a.max_memory_reserved(),
    lambda a: a.reset_peak_memory_stats(),
    lambda a: a.reset_accumulated_memory_stats(),
    lambda a: a.device_index(0).__enter__(),
]


def test_asking_is_no_error():
    accelerator = torch.accelerator
    assert accelerator.is_available() is False
    assert accelerator.device_count() == 0
    assert accelerator.current_accelerator() is None
    assert accelerator.current_accelerator(check_available=True) is None
    with accelerator.device_index(None):
        pass


@pytest.mark.parametrize("use", USES)
def test_using_one_is_an_error(use):
    with pytest.raises(RuntimeError, match=r"^Cannot access accelerator device when none is available\.$"):
        use(torch.accelerator)


def test_former_names_warn():
    with pytest.warns(FutureWarning, match="Use `current_device_index` instead"), pytest.raises(RuntimeError):
        torch.accelerator.current_device_idx()
    with pytest.warns(FutureWarning, match="Use `set_device_index` instead"), pytest.raises(RuntimeError):
        torch.accelerator.set_device_idx(0)


