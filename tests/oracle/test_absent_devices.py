"""Devices that neither library has here, and dictionaries by identity: the same answers and errors."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.mps
import torch.mtia
import torch.utils.weak
import torch.xpu

import cotangent

CALLS = """
t.{m}.is_available(), t.{m}.device_count(), t.{m}.manual_seed(3)
t.{m}.get_rng_state()
t.{m}.synchronize()
t.{m}.empty_cache()
""".strip().split("\n")
MPS = ["current_allocated_memory()", "driver_allocated_memory()", "recommended_max_memory()", "seed()"]
MPS += ["set_per_process_memory_fraction(0.5)", "set_rng_state(t.zeros(16, dtype=t.uint8))"]
BOTH = ["current_device()", "current_stream()", "get_device_capability()", "get_device_properties()"]
BOTH += ["set_device(0)"]
BOTH += ["is_initialized()", "manual_seed_all(1)", "memory_allocated()", "max_memory_allocated()"]
BOTH += ["get_rng_state_all()"]
ONLY = ["xpu.init()", "xpu.initial_seed()", "xpu.mem_get_info()", "xpu.get_device_name()"]
ONLY += ["xpu.is_bf16_supported()", "mtia.default_stream()", "mtia.snapshot()"]
ALL = [call.format(m=m) for m in ("xpu", "mps") for call in CALLS]
ALL += [call.format(m="mtia") for call in CALLS if "rng" not in call]
ALL += [f"t.mps.{call}" for call in MPS] + [f"t.{m}.{call}" for m in ("xpu", "mtia") for call in BOTH]
ALL += [f"t.{call}" for call in ONLY]
CUDA = "memory_allocated() max_memory_allocated() memory_reserved() max_memory_reserved() memory_cached()"
CUDA += " memory_stats() synchronize() current_stream() default_stream() get_device_name() init()"
CUDA += " ipc_collect() max_memory_cached()"
CUDA += " get_device_properties(0) get_device_capability() mem_get_info() get_rng_state() get_rng_state_all()"
CUDA += " set_rng_state(t.get_rng_state()) seed() seed_all() initial_seed() get_arch_list()"
CUDA += " get_gencode_flags() Stream()"
CUDA += " Event() CUDAGraph() graph(None) MemPool() nvtx.range_push('a') nvtx.mark('a') empty_cache()"
CUDA += " stream(None).__enter__() device(0).__enter__() device_of(t.ones(1)).__enter__() cudart()"
CUDA += " caching_allocator_enable(True) host_memory_stats() list_gpu_processes() profiler.start()"
CUDA += " can_device_access_peer(0,1) get_per_process_memory_fraction() set_sync_debug_mode(0) has_half"
CUDA += " make_graphed_callables(None,()) graph_pool_handle() is_current_stream_capturing() is_initialized()"
CUDA += " random.manual_seed(1) memory.empty_cache() is_tf32_supported() set_rng_state_all([])"
CUDA += " default_generators"
ALL += [f"t.cuda.{call}" for call in CUDA.split()]
ALL += [
    f"t.backends.cuda.enable_{kind}_sdp({on}), t.backends.cuda.{kind}_sdp_enabled()"
    for kind in ("flash", "mem_efficient", "math", "cudnn")
    for on in (False, True)
]


@pytest.mark.parametrize("call", ALL)
def test_answers_and_errors(call: str) -> None:
    def outcome(library: Any) -> object:
        try:
            return eval(call, {"t": library})
        except Exception as error:
            return type(error), str(error)

    assert outcome(cotangent) == outcome(torch)


@pytest.mark.parametrize("library", [torch, cotangent])
def test_dictionaries_by_identity(library: Any) -> None:
    weak = library.utils.weak
    x, y = library.ones(2), library.ones(2)
    names = weak.WeakTensorKeyDictionary({x: 1})
    names[y] = 2
    copied = names.copy()
    assert (names[x], names[y], len(names), library.ones(2) in names) == (1, 2, 2, False)
    assert [key is kept for key, kept in zip(names, (x, y), strict=True)] == [True, True]
    assert copied == names
    assert (names | {x: 5})[x] == 5
    reference = weak.TensorWeakRef(y)
    assert reference() is y
    assert weak.WeakIdRef(x) == weak.WeakIdRef(x)
    assert (weak.WeakIdRef(x) == weak.WeakIdRef(y)) is False
    del y
    assert reference() is None
    assert (len(names), len(copied), list(names.values())) == (1, 1, [1])
    assert names.pop(x) == 1
    with pytest.raises(KeyError):
        names[x]
    with pytest.raises(AssertionError, match=r"expected torch\.Tensor"):
        weak.TensorWeakRef(3)


@pytest.mark.parametrize("library", [torch, cotangent])
def test_kernels_of_attention_for_a_block(library: Any) -> None:
    cuda = library.backends.cuda
    with (
        pytest.warns(FutureWarning, match=r"sdp_kernel\(\)` is deprecated"),
        cuda.sdp_kernel(enable_flash=False, enable_cudnn=False),
    ):
        assert not cuda.flash_sdp_enabled()
        assert not cuda.cudnn_sdp_enabled()
        assert cuda.math_sdp_enabled()
    assert cuda.flash_sdp_enabled()
    assert cuda.cudnn_sdp_enabled()
