"""The programs in examples/ do what they say."""

import json
import re
from importlib.util import find_spec
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from running import PROJECT, RunPython

import cotangent

DIGITS = str(PROJECT / "examples/digits.py")
# The order of PyTorch's sums does not depend on the number of cores then.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
PNG = b"\x89PNG\r\n\x1a\n"
SHAPES = {
    "layers.0.weight": (256, 64),
    "layers.0.bias": (256,),
    "layers.3.weight": (128, 256),
    "layers.3.bias": (128,),
    "layers.6.weight": (10, 128),
    "layers.6.bias": (10,),
}

# Runs a saved model by hand, with NumPy alone, on the images that were kept apart for the test.
CHECK = """\
import json, sys
import numpy as np
import cotangent as torch
from sklearn.datasets import load_digits
digits = load_digits()
torch.manual_seed(0)
held_out = torch.randperm(len(digits.data)).numpy()[:360]
p = {name: value.numpy() for name, value in torch.load(sys.argv[1]).items()}
x = digits.data[held_out] / 16.0
for k in (0, 3):
    x = np.maximum(x @ p[f'layers.{k}.weight'].T + p[f'layers.{k}.bias'], 0.0)
scores = x @ p['layers.6.weight'].T + p['layers.6.bias']
print(json.dumps(float((scores.argmax(1) == digits.target[held_out]).mean())))
"""


def checked(result: CompletedProcess[str]) -> str:
    """What a program printed that has to end well."""
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


def accuracy(printed: str) -> float:
    """The share of right answers that the program prints."""
    found = re.search(r"^test accuracy: ([\d.]+) % of 360 images$", printed, re.MULTILINE)
    assert found is not None, printed
    return float(found[1]) / 100


def test_digits(run_python: RunPython, tmp_path: Path) -> None:
    """The main job: at least 97 % in under 30 s, a model that holds what it promises, a picture."""
    printed = checked(
        run_python("-W", "error", "-m", "cotangent", DIGITS, "--out", "made/here", env=ONE_THREAD)
    )
    assert "2700/2700" in printed  # the progress bar at its end
    steps = re.search(r"^2700 steps in ([\d.]+) s, final loss ([\d.]+)$", printed, re.MULTILINE)
    assert steps is not None and float(steps[2]) < 0.1, printed
    assert accuracy(printed) >= 0.97
    files = tmp_path / "made/here"
    assert sorted(path.name for path in files.iterdir()) == ["digits.pt", "digits_loss.png"]
    assert (files / "digits_loss.png").read_bytes().startswith(PNG)
    parameters = cotangent.load(files / "digits.pt")
    assert {name: tuple(value.shape) for name, value in parameters.items()} == SHAPES
    by_hand = json.loads(checked(run_python("-c", CHECK, str(files / "digits.pt"))))
    assert by_hand == pytest.approx(accuracy(printed), abs=5e-5)


def test_digits_repeats_itself_and_listens_to_the_seed(run_python: RunPython, tmp_path: Path) -> None:
    weights = []
    for seed in ("3", "3", "4"):
        run = run_python("-m", "cotangent", DIGITS, "--epochs", "1", "--seed", seed, env=ONE_THREAD)
        assert "45/45" in checked(run)
        weights.append(cotangent.load(tmp_path / "digits.pt")["layers.0.weight"])
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_digits_refuses_no_training_at_all(run_python: RunPython, tmp_path: Path) -> None:
    result = run_python("-m", "cotangent", DIGITS, "--epochs", "0", "--out", "made")
    assert result.returncode == 2
    assert result.stderr.endswith("error: --epochs must be at least 1, got 0\n")
    assert not (tmp_path / "made").exists()


if find_spec("torch"):

    def test_digits_is_an_ordinary_pytorch_program(run_python: RunPython, tmp_path: Path) -> None:
        """The same file on PyTorch: the same images, the same start, nearly the same model."""
        short = ("--epochs", "4")
        ours = checked(run_python("-m", "cotangent", DIGITS, *short, "--out", "ours", env=ONE_THREAD))
        theirs = checked(run_python(DIGITS, *short, "--out", "theirs", env=ONE_THREAD))
        assert accuracy(ours) == pytest.approx(accuracy(theirs), abs=1.5 / 360)
        mine, other = (cotangent.load(tmp_path / name / "digits.pt") for name in ("ours", "theirs"))
        for name in SHAPES:  # 180 steps let the last digits drift apart
            np.testing.assert_allclose(mine[name], other[name], rtol=1e-2, atol=1e-3, err_msg=name)


# The other examples: arguments that make them small, and what they say at the end of a longer run.
OTHERS: dict[str, tuple[str, str]] = {
    "char_gpt": ("--block 16 --layers 2 --heads 2 --width 16 --batch 4 --write 8", r"steps in [\d.]+ s"),
    "cnn_digits": ("--width 4 --batch 16", r"test accuracy: [\d.]+ % of 360 images"),
    "distillation": ("--batch 16", r"student alone: 2410 weights, test accuracy [\d.]+ %"),
    "gcn_karate": ("", r"\d+ of 34 members on their side"),
    "graph_embeddings": ("--walks 4", r"Valjean: \w+"),
    "hessian_free": ("--rounds 10 --width 8", r"root mean square error: [\d.]+"),
    "lora": ("--batch 4 --write 8", r"training 8192 of \d+ parameters"),
    "lstm_language_model": ("--batch 4 --bptt 8 --width 16", r"perplexity while training: [\d.]+"),
    "phase_mask": ("--size 64", r"light where it is wanted: [\d.]+ %"),
    "vae": ("--batch 16 --width 16", r"[-=+*#]"),
}


def example(run_python: RunPython, name: str, arguments: str, *how: str) -> str:
    """What an example prints."""
    program = str(PROJECT / f"examples/{name}.py")
    return checked(run_python("-W", "error", *how, program, *arguments.split(), env=ONE_THREAD))


def losses(printed: str) -> list[float]:
    """The losses that an example prints."""
    return [float(loss) for loss in re.findall(r"step \d+: loss ([\d.]+)$", printed, re.MULTILINE)]


@pytest.mark.parametrize("name", OTHERS)
def test_each_example_runs_and_learns(run_python: RunPython, name: str) -> None:
    arguments, end = OTHERS[name]
    printed = example(run_python, name, f"{arguments} --steps 40 --every 4", "-m", "cotangent")
    found = losses(printed)[:10]
    assert len(found) == 10, printed
    assert min(found[5:]) < found[0]
    assert re.search(end, printed), printed


def test_the_karate_club_splits_as_it_did(run_python: RunPython) -> None:
    printed = example(run_python, "gcn_karate", "", "-m", "cotangent")
    right = re.search(r"(\d+) of 34 members", printed)
    assert right is not None and int(right[1]) >= 32, printed


def test_the_light_goes_where_it_is_wanted(run_python: RunPython) -> None:
    printed = example(run_python, "phase_mask", "", "-m", "cotangent")
    inside = re.search(r"wanted: ([\d.]+) %", printed)
    assert inside is not None and float(inside[1]) > 85, printed


def test_the_hessian_free_fit_reaches_the_noise(run_python: RunPython) -> None:
    printed = example(run_python, "hessian_free", "", "-m", "cotangent")
    error = re.search(r"error: ([\d.]+)", printed)
    assert error is not None and float(error[1]) < 0.025, printed  # the noise is 0.02


def test_a_student_learns_more_from_its_teacher(run_python: RunPython) -> None:
    printed = example(run_python, "distillation", "", "-m", "cotangent")
    taught, alone = (
        float(re.search(rf"{who}: .* ([\d.]+) %", printed)[1]) for who in ("with teacher", "alone")
    )  # type: ignore[index]
    assert taught > alone + 5, printed


def test_lora_goes_on_from_the_saved_model(run_python: RunPython, tmp_path: Path) -> None:
    small = "--block 16 --layers 2 --heads 2 --width 32 --lr 0.005 --steps 150 --every 150 --write 0"
    example(run_python, "char_gpt", f"{small} --save gpt.pt", "-m", "cotangent")
    printed = example(
        run_python,
        "lora",
        "gpt.pt --lr 0.01 --steps 40 --every 1 --write 8 --save lora.pt",
        "-m",
        "cotangent",
    )
    found = losses(printed)
    assert found[0] < 4.3  # log(96) = 4.56 is what a model says that has learned nothing
    assert sum(found[-10:]) < sum(found[:10]) - 1
    products = cotangent.load(tmp_path / "lora.pt")
    assert {name.split(".")[-1] for name in products} == {"up", "down"}
    assert sum(value.numel() for value in products.values()) == 2 * 8 * (4 * 32 + 2 * 32 + 5 * 32 + 5 * 32)


if find_spec("torch"):

    @pytest.mark.parametrize("name", OTHERS)
    def test_each_example_is_an_ordinary_pytorch_program(run_python: RunPython, name: str) -> None:
        """The same file on PyTorch: the same losses in the first twenty steps."""
        arguments = f"{OTHERS[name][0]} --steps 20 --every 1"
        ours = losses(example(run_python, name, arguments, "-m", "cotangent"))
        program = str(PROJECT / f"examples/{name}.py")
        theirs = losses(checked(run_python(program, *arguments.split(), env=ONE_THREAD)))
        assert len(ours) == len(theirs) >= 20
        assert ours == pytest.approx(theirs, rel=1e-4)
