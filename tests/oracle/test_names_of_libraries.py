"""Names beside PyTorch's public ones that well-known libraries import or ask: both give the same answers.

Found by running accelerate, captum, diffusers, gpytorch, kornia, lightning, opacus, pyro, torchmetrics and
transformers.
"""

import re
import subprocess
import sys

import pytest
from running import PROJECT

CALLS = """
torch.__name__
torch.torch is torch
torch._C._nn._parse_to("cpu", torch.half, True)
torch._C._nn._parse_to(torch.ones(1, dtype=torch.float64))
torch._C._nn._parse_to(dtype=torch.float), torch._C._nn._parse_to()
torch._C._nn._parse_to(memory_format=torch.channels_last)
torch._C._nn.gelu(torch.tensor([1.0, -1.0]))
torch._C._get_tracing_state(), torch._C._log_api_usage_once("x"), torch._C._get_accelerator()
isinstance(torch.Tensor, torch._C._TensorMeta)
isinstance(3, torch.SymInt), isinstance(3.0, torch.SymFloat), isinstance(True, torch.SymBool)
torch.distributions.utils._standard_normal((2, 3), torch.float64, "cpu")
torch.distributions.utils._sum_rightmost(torch.ones(2, 3, 4), 2)
(p := home("torch.utils._pytree"))._dict_flatten({"b": 1, "a": 2}), p._dict_flatten_with_keys({"a": 1})
p._dict_unflatten([1, 2], ["a", "b"]), p._list_flatten([1, 2]), p._tuple_unflatten([1, 2], None)
p._namedtuple_flatten(torch.ones(2).max(0)), p._deque_flatten(__import__("collections").deque([1], 3))
(P := torch.nn.parallel).scatter(3, [0, 1]), P.scatter([1, {"a": 2}], [0, 1]), P.scatter((), [0])
P.scatter([torch.ones(2)], ["cpu"])
(G := home("torch.nn.parallel.scatter_gather")).scatter_kwargs((1, 2), {"a": 3}, [0, 1])
G.scatter_kwargs((1,), None, [0])
P.gather([torch.ones(2)], 0), P.gather([3, 4], 0)
P.gather([3, 4], 0)
P.gather([None, None], 0), G.is_namedtuple((1,)), isinstance(torch.futures.Future(), torch.Future)
P.replicate(torch.nn.Linear(1, 1), [0])
P.parallel_apply([len, len], [1])
P.parallel_apply([len], [1])
torch.nn.modules.module._EXTRA_STATE_KEY_SUFFIX, home("torch._tensor").Tensor is torch.Tensor
(O := home("torch.optim.optimizer"))._get_value(torch.tensor(3.0)), O._get_value(2)
O._to_scalar(torch.ones(1))
O._default_to_fused_or_foreach([torch.ones(1)], False), O._stack_if_compiling([1]), O._get_scalar_dtype()
(ps := [torch.ones(2, dtype=torch.complex64)], gs := [ps[0] * 2], O._view_as_real(ps, gs))
[type(text) for text in (O._foreach_doc, O._params_doc, O._maximize_doc)]
O._use_grad_for_differentiable(lambda self: torch.is_grad_enabled())(torch.optim.SGD([torch.ones(1)], 1.0))
(S := home("torch.optim.lr_scheduler")).__name__.rpartition(".")[2]
S._warn_get_lr_called_within_step(S.StepLR(torch.optim.SGD([torch.ones(1)], 1.0), 1))
(s := S.StepLR(torch.optim.SGD([torch.ones(1)], 1.0), 1)).get_last_lr()
S._enable_get_lr_call(s).__enter__() is not None, s.get_lr()
(D := home("torch.distributed.distributed_c10d")).all_reduce is torch.distributed.all_reduce
D._rank_not_in_group(None)
D._get_default_group()
home("torch.distributed.constants").default_pg_timeout
home("torch.distributed._tensor").Shard(1), home("torch.distributed.tensor.placement_types").Partial("avg")
(t := home("torch.distributed.tensor")).Partial() == t.Partial("sum"), t.Shard(0).is_partial()
str(t.Shard(0)), str(t.Partial()), str(t.Replicate())
repr(t.placement_types._StridedShard(0, split_factor=2))
str(t.placement_types._StridedShard(1, split_factor=2))
home("torch._subclasses.fake_tensor").is_fake(torch.ones(1))
home("torch.fx.experimental.proxy_tensor").get_proxy_mode()
isinstance(torch.nn.Linear(1, 1), home("torch.fx").GraphModule)
isinstance(torch.compile(torch.nn.Linear(1, 1)), home("torch._dynamo.eval_frame").OptimizedModule)
home("torch._dynamo").OptimizedModule is home("torch._dynamo.eval_frame").OptimizedModule
(f := lambda: 1) is home("torch._dynamo").assume_constant_result(f), home("torch._dynamo").graph_break()
torch._dynamo.mark_dynamic(torch.ones(2), 0), torch._dynamo.mark_static_address(torch.ones(2))
home("torch.utils.data.dataloader")._collate_fn_t is not None, torch.serialization.MAP_LOCATION is not None
home("torch.hub").HASH_REGEX.search("name-0a1b.pth").group(1)
torch.randint_like(torch.zeros(3), high=1), torch.randint_like(torch.zeros(3), 1, 2)
[home("torch.distributed._composable.fsdp").fully_shard is home("torch.distributed.fsdp").fully_shard]
"""
PROGRAM = """
import importlib, torch
torch.manual_seed(0)
home = importlib.import_module
for call in CALLS:
    try:
        print(eval(call))
    except Exception as error:
        print(type(error).__name__, error)
"""
READER = """
import torch
torch.save({"a": torch.arange(3.0)}, PATH)
reader = torch._C.PyTorchFileReader(PATH)
print([name for name in reader.get_all_records() if name.startswith("data/")], reader.has_record("data/0"))
print(reader.get_record("data/0"), reader.get_record_size("data/0"), torch.PyTorchFileReader is type(reader))
t = reader.get_storage_from_record("data/0", 3, torch.float32)
print(t, t.untyped_storage().nbytes(), t._typed_storage()[1])
try:
    reader.get_storage_from_record("data/0", 2, torch.float32)
except RuntimeError as error:
    print(error)
"""


def both(program: str) -> list[list[str]]:
    found = []
    for start in ("", "from cotangent.torch_alias import install; install()\n"):
        command = [sys.executable, "-W", "ignore", "-c", start + program]
        done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False)
        assert done.returncode == 0, done.stderr
        found.append(re.sub("0x[0-9a-f]+", "0x", done.stdout).splitlines())
    return found


@pytest.fixture(scope="module")
def answers() -> list[list[str]]:
    calls = [call for call in CALLS.strip().splitlines() if call]
    return both(f"CALLS = {calls!r}\n{PROGRAM}")


def test_the_same_answers(answers: list[list[str]]) -> None:
    theirs, ours = answers
    assert ours == theirs


def test_archives_record_by_record(tmp_path) -> None:  # type: ignore[no-untyped-def]
    theirs, ours = both(f"PATH = {str(tmp_path / 'saved.pt')!r}\n{READER}")
    assert ours == theirs


def test_checkpoints_of_hugging_face(tmp_path) -> None:  # type: ignore[no-untyped-def]
    program = """
import json, os, torch, torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader as R
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter as W
state = {"a": torch.ones(2, 3), "b": torch.arange(3), "c": torch.ones(2, dtype=torch.bfloat16)}
dcp.save(state, storage_writer=W(PATH, fqn_to_index_mapping={"a": 1, "b": 2, "c": 2}))
print(sorted(os.listdir(PATH)), json.load(open(os.path.join(PATH, "model.safetensors.index.json"))))
state = {"a": torch.zeros(2, 3), "c": torch.zeros(2, dtype=torch.bfloat16)}
dcp.load(state, storage_reader=R(OTHER or PATH))
print(state)
try:
    dcp.load({"z": torch.ones(1)}, storage_reader=R(PATH))
except BaseException as error:
    print(type(error).__name__, "Missing key in checkpoint state_dict: z." in str(error))
"""
    theirs, ours = both(f"PATH, OTHER = {str(tmp_path / 'one')!r}, None\n{program}")
    assert ours == theirs


def test_each_reads_what_the_other_wrote(tmp_path) -> None:  # type: ignore[no-untyped-def]
    head = "import torch, torch.distributed.checkpoint as dcp\n"
    head += "import torch.distributed.checkpoint.hf_storage as hf\n"
    aliases = ("", "from cotangent.torch_alias import install; install()\n")
    for number, (writes, reads) in enumerate((aliases, aliases[::-1])):
        path = str(tmp_path / str(number))
        save = "s = {'a': torch.ones(2)}\n"
        save += f"dcp.save(s, storage_writer=hf.HuggingFaceStorageWriter({path!r}))"
        load = "s = {'a': torch.zeros(2)}\n"
        load += f"dcp.load(s, storage_reader=hf.HuggingFaceStorageReader({path!r}))"
        for code in (writes + head + save, f"{reads}{head}{load}\nprint(s)"):
            command = [sys.executable, "-W", "ignore", "-c", code]
            done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False)
            assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == "{'a': tensor([1., 1.])}"
