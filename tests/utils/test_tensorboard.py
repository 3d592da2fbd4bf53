"""What `SummaryWriter` writes, read back record by record."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from running import RunPython

import cotangent as torch
from cotangent.utils.tensorboard import SummaryWriter

event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
nn = torch.nn


def _events(folder: Path) -> list[Any]:
    found = []
    for path in sorted(folder.glob("events*")):
        content = path.read_bytes()
        at = 0
        while at < len(content):
            (size,) = struct.unpack("<Q", content[at : at + 8])
            found.append(event_pb2.Event.FromString(content[at + 12 : at + 12 + size]))
            at += size + 16
    return found


def _values(folder: Path) -> dict[str, Any]:
    return {value.tag: value for event in _events(folder) for value in event.summary.value}


def test_scalars(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path, purge_step=None) as writer:
        for step in range(3):
            writer.add_scalar("loss", torch.tensor([0.5 * step], requires_grad=True), step, walltime=7.0)
        writer.add_scalar("exact", 1 / 3, 4, double_precision=True)
        writer.add_scalar("half", torch.tensor(1.5, dtype=torch.bfloat16))
        writer.add_scalars("both", {"a": 1, "b": torch.tensor(2.0)}, 5)
        assert writer.get_logdir() == writer.log_dir == str(tmp_path)
        with pytest.raises(AssertionError, match="0D"):
            writer.add_scalar("many", torch.ones(2))
        with pytest.raises(NotImplementedError, match="got str"):
            writer.add_scalar("text", "a")
    loss = [e for e in _events(tmp_path) if e.summary.value and e.summary.value[0].tag == "loss"]
    assert [(e.step, e.wall_time, e.summary.value[0].simple_value) for e in loss] == [
        (0, 7.0, 0.0), (1, 7.0, 0.5), (2, 7.0, 1.0),
    ]  # fmt: skip
    values = _values(tmp_path)
    assert struct.unpack("<d", values["exact"].tensor.tensor_content) == (1 / 3,)
    assert values["exact"].metadata.plugin_data.plugin_name == "scalars"
    assert values["half"].simple_value == 1.5
    assert {"both_a", "both_b"} <= {path.name for path in tmp_path.iterdir()}


def test_tensors_histograms_pictures_sounds_and_texts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_tensor("t", torch.arange(6).reshape(2, 3))
        writer.add_histogram("h", torch.tensor([1.0, 2.0, 2.0, 3.0], requires_grad=True), 1)
        writer.add_image("image", torch.rand(3, 4, 5))
        writer.add_images("images", torch.rand(2, 3, 4, 5))
        writer.add_audio("audio", torch.tensor([[0.0, 1.0, -2.0]]), sample_rate=8000)
        with pytest.raises(AssertionError, match="should be 1 dimensional"):
            writer.add_audio("stereo", torch.zeros(2, 5))
        writer.add_text("text", "some **words**")
        writer.add_embedding(torch.eye(3), metadata=["a", "b", "c"])
        writer.add_pr_curve("pr", torch.tensor([0, 1, 1]), torch.tensor([0.1, 0.6, 0.9]))
    values = _values(tmp_path)
    assert [d.size for d in values["t"].tensor.tensor_shape.dim] == [2, 3]
    assert struct.unpack("<6q", values["t"].tensor.tensor_content) == (0, 1, 2, 3, 4, 5)
    assert (values["h"].histo.num, values["h"].histo.sum, values["h"].histo.sum_squares) == (4, 8, 18)
    assert (values["image"].image.height, values["image"].image.width) == (4, 5)
    assert values["audio"].audio.length_frames == 3
    assert "audio amplitude out of range, auto clipped." in capsys.readouterr().out
    assert struct.unpack("<3h", values["audio"].audio.encoded_audio_string[-6:]) == (0, 32767, -32767)
    assert any(tag.startswith("text") for tag in values)
    assert {"images", "pr"} <= set(values)


def test_hyperparameters(tmp_path: Path) -> None:
    hparams = pytest.importorskip("tensorboardX.proto.plugin_hparams_pb2")
    with SummaryWriter(tmp_path) as writer:
        given = {"lr": 0.1, "batch": torch.tensor(4), "optimizer": "sgd", "unset": None}
        writer.add_hparams(given, {"accuracy": 0.5}, {"lr": [0.1, 0.2]}, run_name="run")
        with pytest.raises(TypeError, match="should be dictionary"):
            writer.add_hparams([], {})  # type: ignore[arg-type]
        for limits in ({"other": [1]}, {"lr": 0.1}, {"lr": [0.1, "high"]}):
            with pytest.raises(TypeError, match="should be a list of same type as hparam_dict"):
                writer.add_hparams(given, {}, limits)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="hparam_domain_discrete should be a dictionary"):
            writer.add_hparams(given, {}, [("lr", [0.1])])  # type: ignore[arg-type]
    values = _values(tmp_path / "run")
    assert values["accuracy"].simple_value == 0.5
    content = values["_hparams_/experiment"].metadata.plugin_data.content
    infos = {i.name: i for i in hparams.HParamsPluginData.FromString(content).experiment.hparam_infos}
    assert [v.number_value for v in infos["lr"].domain_discrete.values] == [0.1, 0.2]
    assert set(infos) == set(given) - {"unset"}


def test_the_graph_of_a_module(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Sequential(nn.ReLU()), nn.Linear(8, 2))
    state = torch.get_rng_state()
    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(net, torch.randn(3, 4))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    assert not torch.equal(state, torch.get_rng_state())  # by randn alone
    graph_pb2 = pytest.importorskip("tensorboardX.proto.graph_pb2")
    (event,) = [e for e in _events(tmp_path) if e.graph_def]
    nodes = {node.name: node for node in graph_pb2.GraphDef.FromString(event.graph_def).node}
    assert {"input/input.1", "parameters/0/weight", "parameters/3/bias", "output/output.1"} <= set(nodes)
    assert all(read in nodes for node in nodes.values() for read in node.input)
    (relu,) = [node for name, node in nodes.items() if "/ReLU[0]/relu_" in name]
    assert relu.name.startswith("Sequential/Sequential[2]/ReLU[0]/")
    assert [d.size for d in relu.attr["_output_shapes"].list.shape[0].dim] == [3, 8]
    last = nodes["output/output.1"]
    assert nodes[last.input[0]].name.startswith("Sequential/Linear[3]/")


def test_a_module_that_cannot_be_traced(tmp_path: Path) -> None:
    class Prints(nn.Module):
        def forward(self, x: Any) -> Any:
            print("side effect")
            return x

    with SummaryWriter(tmp_path) as writer, pytest.raises(RuntimeError, match=r"add_graph: .*print"):
        writer.add_graph(Prints(), torch.ones(1))


def test_it_says_so_when_the_package_is_missing(run_python: RunPython, tmp_path: Path) -> None:
    (tmp_path / "tensorboardX.py").write_text("raise ImportError('none here')")
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "from torch.utils.tensorboard import SummaryWriter\n"
        "try: SummaryWriter()\n"
        "except ImportError as error: print(error)\n"
    )
    (tmp_path / "program.py").write_text(code)
    result = run_python("-m", "cotangent", "program.py")
    assert result.stdout == (
        "torch.utils.tensorboard needs the package tensorboardX: pip install cotangent[tensorboard]\n"
    ), result.stderr
