"""Whole modules in a file are named as PyTorch names them, both ways."""

import io

import pytest

import cotangent

torch = pytest.importorskip("torch")

MADE = {
    "MultiheadAttention": lambda nn: nn.MultiheadAttention(4, 2),
    "CTCLoss": lambda nn: nn.CTCLoss(blank=1),
    "Softmax": lambda nn: nn.Softmax(dim=1),
    "NonDynamicallyQuantizableLinear": lambda nn: nn.MultiheadAttention(4, 2).out_proj,
}


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("back", [False, True])
def test_a_module_crosses(name, back):
    writer, reader = (cotangent, torch) if back else (torch, cotangent)
    written = MADE[name](writer.nn)
    file = io.BytesIO()
    writer.save(written, file)
    file.seek(0)
    read = reader.load(file, weights_only=False)
    assert type(read).__name__ == name
    assert type(read).__module__.partition(".")[0] == reader.__name__
    assert repr(read) == repr(written)
    for key, value in written.state_dict().items():
        assert (read.state_dict()[key].numpy() == value.numpy()).all()


@pytest.mark.parametrize("module, name", [("activation", "MultiheadAttention"), ("loss", "CTCLoss")])
def test_modules_stand_where_pytorch_has_them(module, name):
    assert getattr(getattr(cotangent.nn.modules, module), name) is getattr(cotangent.nn, name)
    assert hasattr(getattr(torch.nn.modules, module), name)
